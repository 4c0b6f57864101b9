"""Conversion from one disk format to another, by qemu-img.

It is the one program here that opens what users send, and it opens every file that the data names: so it gets
to see only what was looked at before, is told the format rather than left to guess, and runs with limits.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from transom.domain.errors import (
    ContentRefusedError,
    InvalidError,
    LimitExceededError,
    ProgramMissingError,
)
from transom.domain.imports import Change
from transom.transfers.material import Material, read_file

#: What qemu-img calls the formats that it can convert.
_QEMU_NAMES = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}
#: A VHD is as large as its disk, not rounded up to what a BIOS of 1990 could count.
_OPTIONS = {"vhd": ("-o", "force_size=on")}
_PROGRAM = "qemu-img"
_MOST_S = 3600
_MEMORY_BYTES = 2 << 30
_CPU_S = 3600
#: Snapshots and bitmaps of one disk can have 100 MB of names.
_MOST_PRINTED = 1 << 20
#: Sets the limits in the process that becomes qemu-img, which gives way to the service: none is left to the
#: event loop's own process. On Linux it ends with the worker, even one that is killed: the next worker begins
#: the conversion anew, and each would hold its memory and disk beside the others.
_LIMITED = """
import ctypes, os, resource, sys
parent, memory, cpu, file_size = map(int, sys.argv[1:5])
if sys.platform == "linux":
    PR_SET_PDEATHSIG, SIGKILL = 1, 9
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.nice(10)
os.execvp(sys.argv[5], sys.argv[5:])
"""


class Converted(NamedTuple):
    """The file that was made, and what is to be said of the image."""

    path: Path
    change: Change


async def convert(material: Material, folder: Path, target: str) -> Converted | None:
    """The data in the format `target`, as a file in `folder`; None when it can stay as it is.

    Raises ContentRefusedError for data that is not what the image claims or names other files,
    LimitExceededError when the disk is larger than may be stored, StoreFullError when this machine has no
    room for it, ProgramMissingError when it has no qemu-img.
    """
    source = material.image.disk_format or ""
    if source in ("iso", target):
        await _inspect(material, material.read(), source)
        return None
    if source not in _QEMU_NAMES:
        raise InvalidError(f"Data in the format {source} cannot be converted to {target}.")
    _require_program()
    async with material.as_file() as path:
        # Of the file that will be opened: data at a place of the user's may change between two reads.
        await _inspect(material, read_file(path), source)
        await _check(material, path, _QEMU_NAMES[source])
        made = folder / f"converted.{target}"
        formats = ("-f", _QEMU_NAMES[source], "-O", _QEMU_NAMES[target], *_OPTIONS.get(target, ()))
        await material.room.fill(_write(material.most_bytes, *formats, str(path), str(made)))
    return Converted(made, Change(fields={"disk_format": target, "container_format": "bare"}))


def _require_program() -> None:
    if shutil.which(_PROGRAM) is None:
        raise ProgramMissingError(f"Disks cannot be converted here: {_PROGRAM} is not installed.")


async def _inspect(material: Material, chunks: AsyncIterator[bytes], source: str) -> None:
    """The data must be what it claims to be, whatever `require_image_format_match` lets through elsewhere."""
    # Imported only here: its parsers' library takes a tenth of a second, which every start would wait for.
    from transom.data.inspection import Inspection

    inspection = Inspection(source, True, material.options.nonfatal_checks)
    size = 0
    async for chunk in chunks:
        inspection.feed(chunk)
        size += len(chunk)
    inspection.finish(size)


async def _check(material: Material, path: Path, qemu_name: str) -> None:
    """Refuse what names other files, and what is larger inside than may be stored."""
    described = json.loads(await _run(1 << 20, "info", "--output=json", "-f", qemu_name, str(path)))
    special = described.get("format-specific", {}).get("data", {})
    others = [described.get("backing-filename"), described.get("full-backing-filename")]
    others += [special.get("data-file")]
    others += [one.get("filename") for one in special.get("extents", []) if one.get("filename") != str(path)]
    if any(others):
        raise ContentRefusedError("The data names other files: it is not converted.")
    kind: Any = special.get("create-type")
    if qemu_name == "vmdk" and kind not in material.options.allowed_vmdk_types:
        raise ContentRefusedError(f"Data in vmdk of the kind {kind} is not converted.")
    if described["virtual-size"] > material.most_bytes:
        raise LimitExceededError("The disk in the data is larger than may be stored.")
    await material.room.require(described["virtual-size"])


async def _write(most_bytes: int, *arguments: str) -> None:
    await _run(most_bytes, "convert", *arguments)


async def _run(most_bytes: int, *arguments: str) -> bytes:
    """What qemu-img prints. ContentRefusedError when it fails, or prints more than of any honest disk."""
    limits = map(str, (os.getpid(), _MEMORY_BYTES, _CPU_S, most_bytes + (1 << 24)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", _LIMITED, *limits, _PROGRAM, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_MOST_S):
            printed = await _read_printed(process)
            await process.wait()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode != 0:
        raise ContentRefusedError("qemu-img could not read or convert the data.")
    return printed


async def _read_printed(process: asyncio.subprocess.Process) -> bytes:
    printed = bytearray()
    while process.stdout is not None and (piece := await process.stdout.read(_MOST_PRINTED)):
        printed += piece
        if len(printed) > _MOST_PRINTED:
            raise ContentRefusedError("The data has too many snapshots, bitmaps or extents to be converted.")
    return bytes(printed)
