"""The stores that the contract is asked of. A new store joins here and changes nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from harness.swift import ACCESS_KEY, BUCKET, SECRET_KEY, Swift

from transom.domain.stores import StoreInfo, StoreKind
from transom.stores import Store
from transom.stores.filesystem import FilesystemStore
from transom.stores.s3 import S3Store
from transom.stores.s3_credentials import Keys

MakeStore = Callable[[Path], Store]

SMALL_DISK_BYTES = 1 << 20


class Made(NamedTuple):
    """How to make a store of one kind, and how to look at it from outside."""

    #: Makes a store whose blobs are its own; the same folder is the same store.
    make: MakeStore
    #: What holds data in the store made for this folder: one path a small blob, more for what is unfinished.
    kept: Callable[[Path], set[Path]]
    #: Makes a store that cannot be reached.
    make_broken: MakeStore


def _files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _make_files(folder: Path) -> Store:
    return FilesystemStore("local", folder)


def _make_blocked(folder: Path) -> Store:
    """Its folder cannot be used, not even by root: a file stands in its place."""
    folder.write_text("in the way")
    return FilesystemStore("local", folder)


FILES = Made(_make_files, _files_below, _make_blocked)


def _in_bucket(address: str, endpoint: str) -> Store:
    options = {"endpoint": endpoint, "region": "us-east-1", "part_size_mib": "5", "retry_s": "1"}
    info = StoreInfo(id="s3", kind=StoreKind.S3, address=address, options=options)
    return S3Store(info, Keys(access_key=ACCESS_KEY, secret_key=SECRET_KEY))


def _make_s3(swift: Swift) -> Made:
    before = swift.kept()

    def make(folder: Path) -> Store:
        # A prefix of its own for each test's folder.
        return _in_bucket(f"{BUCKET}/{folder.parent.name}", swift.endpoint)

    def make_broken(_folder: Path) -> Store:
        return _in_bucket(BUCKET, "http://127.0.0.1:1")

    return Made(make, lambda _folder: swift.kept() - before, make_broken)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["filesystem", "s3"])
def made(request: pytest.FixtureRequest) -> Made:
    if request.param == "filesystem":
        return FILES
    return _make_s3(request.getfixturevalue("swift"))


@pytest.fixture
def make_store(made: Made) -> MakeStore:
    """Makes a store of one kind for a folder, which need not be there yet."""
    return made.make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(make_store: MakeStore, folder: Path) -> Store:
    return make_store(folder)


@pytest.fixture
def kept(made: Made, folder: Path) -> Callable[[], set[Path]]:
    """Looks at what there is in the store, from outside."""
    return lambda: made.kept(folder)


@pytest.fixture
def broken(made: Made, folder: Path) -> Store:
    """A store that cannot be used."""
    return made.make_broken(folder)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A real file system with room for SMALL_DISK_BYTES."""
    folder = Path(tempfile.mkdtemp(prefix="transom-disk-"))
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        folder.rmdir()
        pytest.skip("only root may mount a small disk")
    options = ["-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run([mount, *options], capture_output=True, text=True, timeout=60, check=False)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], timeout=60, check=True)
    folder.rmdir()
