"""The stores that the contract is asked of. A new store joins here and changes nothing else."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from transom.stores import Store
from transom.stores.filesystem import FilesystemStore

MakeStore = Callable[[Path], Store]

SMALL_DISK_BYTES = 1 << 20


def _filesystem(folder: Path) -> Store:
    return FilesystemStore("local", folder)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[_filesystem], ids=["filesystem"])
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    """Makes a store whose bytes lie below a folder, which need not be there yet."""
    make: MakeStore = request.param
    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(make_store: MakeStore, folder: Path) -> Store:
    return make_store(folder)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A real file system with room for SMALL_DISK_BYTES."""
    folder = Path(tempfile.mkdtemp(prefix="transom-disk-"))
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        folder.rmdir()
        pytest.skip("only root may mount a small disk")
    options = ["-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run([mount, *options], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()
