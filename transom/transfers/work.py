"""Folders of this machine for files that other programs are to read, gone when a worker is done with them."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from transom.config import Settings
from transom.liveness import Liveness


@asynccontextmanager
async def open_work_folder(settings: Settings, holder: str) -> AsyncIterator[Path]:
    """A folder of the worker `holder`, gone when the context ends; `sweep_work` removes those of the dead."""
    own = _work_folder(settings) / holder
    await asyncio.to_thread(own.mkdir, parents=True, exist_ok=True)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=own))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def sweep_work(settings: Settings, liveness: Liveness) -> None:
    """Remove what workers that are gone have left there."""
    folder = _work_folder(settings)
    for own in folder.iterdir() if folder.is_dir() else ():
        if liveness.is_gone(own.name):
            shutil.rmtree(own, ignore_errors=True)


def _work_folder(settings: Settings) -> Path:
    return settings.data_path / "work" / socket.gethostname()
