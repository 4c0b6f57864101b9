"""Does data describe a disk that is kept, or partly kept, in other files?

It complements the safety checks of oslo.utils' parsers, which read less of a vmdk than QEMU does. What is
refused here is what QEMU would open other files for (`block/vmdk.c`, `block/vpc.c`), and what VMware's
own programs would (Virtual Disk Format 5.0). Pure.
"""

import re

SECTOR_BYTES = 512
#: The longest text in a vmdk: QEMU and VMware leave 20 sectors for it.
MOST_TEXT = 20 * SECTOR_BYTES
#: How much of the beginning of the data has to be known.
LOOK_BYTES = SECTOR_BYTES + MOST_TEXT + 1

#: The extents of ESX servers: a text in another file names them.
_VMDK_3 = b"COWD"
_VMDK_4 = b"KDMV"
#: The text alone, as QEMU finds it in the first sector.
_TEXT_ALONE = re.compile(rb"(#[^\n]*(\n|\Z)| +\r?\n|[\r\n])*version=[123]\r?\n")
_EXTENT = re.compile(rb"(rw|rdonly|noaccess) +[0-9]+ +sparse +\"[^\"/\\]*\"( +[0-9]+)?")
_ACCESS = (b"rw", b"rdonly", b"noaccess")
_VHD = b"conectix"
_VHD_TYPE = slice(60, 64)
_VHD_DIFFERENCING = b"\0\0\0\4"


def names_other_files(start: bytes) -> bool:
    """`start`: the first LOOK_BYTES of the data, or all of it if it has fewer."""
    if start.startswith(_VMDK_4):
        has_capacity = any(start[12:20])
        return not has_capacity or _is_unsafe(start[SECTOR_BYTES:])
    if start.startswith(_VHD):
        return start[_VHD_TYPE] == _VHD_DIFFERENCING
    return start.startswith(_VMDK_3) or _TEXT_ALONE.match(start[:SECTOR_BYTES]) is not None


def _is_unsafe(described: bytes) -> bool:
    """Whether the text in a vmdk, which ends at a zero, names files or can be read in two ways."""
    text = described.partition(b"\0")[0].lower()
    return (
        len(text) > MOST_TEXT
        or b"parentfilenamehint" in text
        or text.count(b"createtype") > 1
        or any(map(_names_file, text.split(b"\n")))
    )


def _names_file(line: bytes) -> bool:
    """Whether the line is of an extent that is not this file."""
    words = line.split()
    return bool(words) and words[0] in _ACCESS and _EXTENT.fullmatch(line.strip()) is None
