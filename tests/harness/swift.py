"""A real S3 service: OpenStack Swift with its S3 API, in one process; started, looked at, stopped or killed.

`make swift` only installs it. It has a bucket `images`, one of small room, `small`, and
one for what users keep, `uploads`; another account, with keys of its own, has an `images` and `uploads` too.
Start reading at `Swift`; `swift_process.py` is the process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from harness import plain_http
from harness.child import Child
from harness.environments import install
from harness.ports import find_free_port

READY_TIMEOUT_S = 60.0

ACCESS_KEY = "transom:t"
SECRET_KEY = "transomsecret"
#: Those of the other account.
OTHER_ACCESS_KEY = "other:t"
OTHER_SECRET_KEY = "othersecret"
BUCKET = "images"
#: A bucket of users.
UPLOADS = "uploads"
_MARK_START = b'{\n  "database": "'
#: A bucket with room for so many bytes.
SMALL_BUCKET = "small"
SMALL_BUCKET_BYTES = 1 << 20


class Swift:
    """One Swift process with its own port and disk, which is `work_dir`, an existing folder.

    The port is chosen once, so that after `stop` a `start` serves the same data at the same address.
    """

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        self.log_path = work_dir / "swift.log"
        self._port = find_free_port()
        self._child = Child("Swift", self.log_path, self._is_ready, READY_TIMEOUT_S)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def store_url(self, bucket: str = BUCKET, prefix: str = "") -> str:
        """How the setting `stores` names a bucket of this service."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region=us-east-1&part_size_mib=5&retry_s=1"

    def settings(self) -> dict[str, str]:
        """The keys, for a Transom whose stores are here."""
        return {"TRANSOM_S3_ACCESS_KEY": ACCESS_KEY, "TRANSOM_S3_SECRET_KEY": SECRET_KEY}

    def kept(self) -> set[Path]:
        """The files that hold data: one for each object, and for each part of a large or unfinished one. The
        objects that say whose a store is are left out."""
        return {path for path in (self.work_dir / "node").rglob("*.data") if not _is_mark(path)}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child.is_running:
            self.stop()

    def start(self) -> None:
        """Start the process and return when it answers."""
        script = str(Path(__file__).with_name("swift_process.py"))
        command = [str(install("swift")), "-I", "-W", "ignore", script, str(self.work_dir), str(self._port)]
        self._child.start(command, self.work_dir)

    def stop(self) -> None:
        """End the process at once; what it has answered is on its disk."""
        self._child.kill()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Meanwhile connections are accepted, and nothing is answered."""
        os.kill(self._child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._child.pid, signal.SIGCONT)

    def _is_ready(self) -> bool:
        try:
            plain_http.get(self.endpoint, timeout=10)
        except httpx.TransportError:
            return False
        return True


def _is_mark(path: Path) -> bool:
    """The name of an object is in its file's attributes, and its content begins as no test's data does."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MARK_START)) == _MARK_START
    except FileNotFoundError:  # Replaced since it was listed.
        return True
