"""Folders of this machine for files that other programs are to read, gone when a worker is done with them."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from transom.liveness import Liveness


@asynccontextmanager
async def open_work_folder(work_folder: Path, holder: str) -> AsyncIterator[Path]:
    """A folder of the worker `holder`, gone when the context ends; `sweep_work` removes those of the dead."""
    own = work_folder / holder
    await asyncio.to_thread(own.mkdir, parents=True, exist_ok=True)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=own))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def sweep_work(work_folder: Path, liveness: Liveness) -> None:
    """Remove what workers that are gone have left there."""
    for own in work_folder.iterdir() if work_folder.is_dir() else ():
        if liveness.is_gone(own.name):
            shutil.rmtree(own, ignore_errors=True)


def work_folder_of(data_path: Path) -> Path:
    """This machine's: a data folder may be shared by several."""
    return data_path / "work" / socket.gethostname()
