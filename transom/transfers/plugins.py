"""What is done to imported data before it becomes an image's, as the settings say and in their order.

A plugin looks at staged bytes and gives back what is to be staged in their place, and what is to be set at
the image; nothing of the image is changed here. It may be run again after a crash.
"""

import io
import zipfile
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import IO

from transom.domain.errors import ContentRefusedError
from transom.domain.fields import RESERVED, RESERVED_PREFIXES
from transom.domain.imports import Change
from transom.transfers import conversion
from transom.transfers.gunzip import gunzip
from transom.transfers.material import Material, read_file
from transom.transfers.work_folders import WORK_THREADS

_BLOCK_BYTES = 1 << 20
#: The directory of an archive of one member (APPNOTE.TXT, 4.3.12: three texts of at most 64 KiB).
_MOST_DIRECTORY_BYTES = 200_000
#: Methods that the library unpacks in pieces of a bounded size. Of the others 4 KiB can be 80 MB, and LZMA
#: takes as much memory as the archive says, up to 4 GiB.
_PIECEWISE = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ZIP = b"PK\x03\x04"
_GZIP = b"\x1f\x8b"
#: At offset 2: `-lh5-` and its like.
_LHA_START, _LHA = 2, b"-lh"


#: Takes the bytes that are to be staged in the place of the others, None when those stay.
Keep = Callable[[AsyncIterator[bytes] | None, Change], Awaitable[None]]
Plugin = Callable[[Material, Keep], Awaitable[None]]


async def decompress(material: Material, keep: Keep) -> None:
    """image_decompression: gzip, or a zip archive of one member."""
    start = await _first_bytes(material)
    if material.image.container_format == "compressed":
        await keep(None, Change())
    elif start.startswith(_ZIP):
        async with material.as_file() as path:
            await keep(_unzip(path), Change())
    elif start.startswith(_GZIP):
        await keep(gunzip(material.read()), Change())
    elif start[_LHA_START:].startswith(_LHA):
        raise ContentRefusedError("The data is an lha archive, which cannot be unpacked here.")
    else:
        await keep(None, Change())


async def _first_bytes(material: Material) -> bytes:
    async with aclosing(material.read()) as chunks:
        return await anext(chunks, b"")


async def _unzip(path: Path) -> AsyncIterator[bytes]:
    try:
        async with (
            WORK_THREADS.opened(_ArchiveFile.close, _ArchiveFile, path) as file,
            WORK_THREADS.opened(_close, file.open_member) as member,
        ):
            while block := await WORK_THREADS.finish(member.read, _BLOCK_BYTES):
                yield block
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ContentRefusedError("The zip archive is damaged, or of a kind that cannot be read.") from error


def _close(member: IO[bytes]) -> None:
    member.close()


class _ArchiveFile(io.FileIO):
    """An archive as a file that refuses to be read in a large piece while its directory is looked for.

    The library reads the directory in one piece, however large, and makes an object of each entry: gigabytes
    of both fit into data that may be sent.
    """

    _is_opening = True

    def open_member(self) -> IO[bytes]:
        """The only member. ContentRefusedError when there are others, or it is packed in a way that may need
        any amount of memory."""
        archive = zipfile.ZipFile(self)
        self._is_opening = False
        members = archive.infolist()
        if len(members) != 1:
            raise ContentRefusedError(f"The zip archive has {len(members)} members, not one.")
        if members[0].compress_type not in _PIECEWISE:
            raise ContentRefusedError("The zip archive is packed by another method than deflate.")
        return archive.open(members[0])

    def read(self, size: int | None = -1, /) -> bytes:
        if self._is_opening and size is not None and size > _MOST_DIRECTORY_BYTES:
            raise ContentRefusedError("The zip archive has more than one member.")
        return super().read(-1 if size is None else size) or b""


async def convert(material: Material, keep: Keep) -> None:
    """image_conversion: the configured format instead of the one that was sent."""
    async with material.open_folder() as folder:
        made = await conversion.convert(material, folder, material.options.conversion_format)
        if made is None:
            await keep(None, Change())
        else:
            await keep(read_file(made.path), made.change)


async def inject(material: Material, keep: Keep) -> None:
    """inject_image_metadata: set the configured properties, unless the user has an exempt role."""
    if material.roles & material.options.spared_roles:
        await keep(None, Change())
        return
    await keep(None, Change(properties=_injectable(material.options.injected_properties)))


def _injectable(properties: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in properties.items()
        if name not in RESERVED and not name.startswith(RESERVED_PREFIXES)
    }


PLUGINS: Mapping[str, Plugin] = {
    "image_decompression": decompress,
    "image_conversion": convert,
    "inject_image_metadata": inject,
}
