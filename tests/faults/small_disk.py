"""A disk of a few MiB: a file system in memory, mounted for one test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MOUNT_TIMEOUT_S = 30
_BLOCK = b"\0" * 65536


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[None]:
    """Mount an empty file system on the folder, which must exist. Skips the test where that is refused."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0755", "tmpfs", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=MOUNT_TIMEOUT_S,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a small file system is refused here: {mounted.stdout.strip()}")
    try:
        yield
    finally:
        # Lazily: a process that a failed test left behind must not keep the mount.
        subprocess.run(["umount", "--lazy", str(folder)], timeout=MOUNT_TIMEOUT_S, check=True)


def fill_disk(folder: Path) -> Path:
    """The file that takes all the room that was left."""
    path = folder / "filler"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for block in (_BLOCK, _BLOCK[:4096], _BLOCK[:1]):
            _write_until_full(descriptor, block)
    finally:
        os.close(descriptor)
    return path


def leave_room(folder: Path, size_bytes: int) -> Path:
    """The file that takes all the room but so many bytes."""
    path = folder / "filler"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        found = os.fstatvfs(descriptor)
        os.posix_fallocate(descriptor, 0, found.f_bavail * found.f_frsize - size_bytes)
    finally:
        os.close(descriptor)
    return path


def _write_until_full(descriptor: int, block: bytes) -> None:
    while True:
        try:
            os.write(descriptor, block)
        except OSError:
            return
