"""Folders of this machine for files that other programs are to read, gone when a worker is done with them."""

import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from transom.liveness import Liveness
from transom.threads import Threads

#: For files of transfers, and for what is made of their data. A transfer uses one at a time, and there are
#: more than transfers: so one whose disk hangs holds up no other.
WORK_THREADS = Threads("work", 64)


@asynccontextmanager
async def open_work_folder(work_folder: Path, holder: str) -> AsyncIterator[Path]:
    """A folder of the worker `holder`, gone when the context ends; `sweep_work` removes those of the dead."""
    own = work_folder / holder
    async with WORK_THREADS.opened(_remove, _make_folder, own) as folder:
        yield folder


def _make_folder(own: Path) -> Path:
    own.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=own))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def sweep_work(work_folder: Path, liveness: Liveness) -> None:
    """Remove what workers that are gone have left there."""
    for own in work_folder.iterdir() if work_folder.is_dir() else ():
        if liveness.is_gone(own.name):
            shutil.rmtree(own, ignore_errors=True)


def work_folder_of(data_path: Path) -> Path:
    """This machine's: a data folder may be shared by several."""
    return data_path / "work" / socket.gethostname()
