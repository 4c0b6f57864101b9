"""A folder on a disk that hangs, as one of a file server that is away: whoever looks into it waits.

A file system in user space is mounted over the folder, whose program never answers. What is below is as it
was when the mount is gone.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_DEVICE = "/dev/fuse"
_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def hung_disk(folder: Path) -> Iterator[None]:
    """Whoever looks into the folder waits until the end of the context, and gets an error then. Skips the
    test where mounting is refused."""
    try:
        device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        pytest.skip(f"there are no file systems in user space here: {error}")
    try:
        options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()},allow_other"
        place = os.fsencode(folder)
        if _libc.mount(b"hung", place, b"fuse", 0, options.encode()) != 0:
            pytest.skip(f"mounting is refused here: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            _libc.umount2(place, _DETACH)
    finally:
        # Ends what waits.
        os.close(device)
