"""Which service a data folder belongs to: the URL it is served at, and whether that service runs.

Two services may use one folder at a time, as when one takes over from the other. `clouds.yaml` can name one
address only, and it stays that of the service that was there first.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from transom.identity.durable import PRIVATE_FILE, PRIVATE_FOLDER

_LONGEST_URL = 4096


@contextmanager
def announce(data_dir: Path, url: str) -> Iterator[str | None]:
    """Be the folder's service, at `url`, for as long as the context lasts.

    Yields None, or the URL of the running service that the folder belongs to already; then nothing changes.
    """
    path = _path(data_dir)
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        try:
            # The lock ends with the process, however that ends; what is in the file stays.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield os.pread(descriptor, _LONGEST_URL, 0).decode(errors="replace")
        else:
            # On a full disk the old URL stays: that is no reason not to serve.
            with suppress(OSError):
                content = url.encode()
                os.pwrite(descriptor, content, 0)
                os.ftruncate(descriptor, len(content))
            yield None
    finally:
        os.close(descriptor)


def find_url(data_dir: Path) -> str | None:
    """The URL at which the folder is served, or was last; None if it never was."""
    try:
        return _path(data_dir).read_text(encoding="utf-8") or None
    except (OSError, UnicodeDecodeError):
        return None


def _path(data_dir: Path) -> Path:
    return data_dir / "identity" / "served_at"
