"""A real S3 service: OpenStack Swift with its S3 API, in one process; started, looked at, stopped or killed.

`python -m harness.swift` only installs it. It has one bucket, `images`, and one of small room, `small`;
and another account, with keys of its own, has an `images` too.
Start reading at `Swift`; `swift_process.py` is the process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from harness.environments import install
from harness.service import ServiceFailedError, find_free_port

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_INTERVAL_S = 0.05
LOG_TAIL_LINES = 60

ACCESS_KEY = "transom:t"
SECRET_KEY = "transomsecret"
#: Those of the other account.
OTHER_ACCESS_KEY = "other:t"
OTHER_SECRET_KEY = "othersecret"
BUCKET = "images"
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
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def store_url(self, bucket: str = BUCKET, prefix: str = "") -> str:
        """How the setting `stores` names a bucket of this service."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region=us-east-1&part_size_mib=5"

    def settings(self) -> dict[str, str]:
        """The keys, for a Transom whose stores are here."""
        return {"TRANSOM_S3_ACCESS_KEY": ACCESS_KEY, "TRANSOM_S3_SECRET_KEY": SECRET_KEY}

    def kept(self) -> set[Path]:
        """The files that hold data: one for each object, and for each part of a large or unfinished one."""
        return set((self.work_dir / "node").rglob("*.data"))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop()

    def start(self) -> None:
        """Start the process and return when it answers."""
        script = str(Path(__file__).with_name("swift_process.py"))
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [str(install("swift")), "-I", "-W", "ignore", script, str(self.work_dir), str(self._port)],
                cwd=self.work_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process at once; what it has answered is on its disk."""
        process = self._process
        if process is None:
            raise ServiceFailedError("Swift is not running")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT_S)
        self._process = None

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._is_ready():
            if process.poll() is not None:
                raise self._failure(f"Swift ended with {process.returncode} before it was ready")
            if time.monotonic() > deadline:
                raise self._failure(f"Swift was not ready within {READY_TIMEOUT_S:g} s")
            # Another process becomes ready when it does: asking again is the only way to learn it.
            time.sleep(POLL_INTERVAL_S)

    def _is_ready(self) -> bool:
        try:
            httpx.get(self.endpoint, timeout=10, trust_env=False)
        except httpx.TransportError:
            return False
        return True

    def _failure(self, what: str) -> ServiceFailedError:
        tail = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return ServiceFailedError("\n".join([what, f"--- end of {self.log_path.name} ---", *tail]))


if __name__ == "__main__":
    install("swift")
