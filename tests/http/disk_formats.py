"""The first bytes of disk images, made by hand: good ones of each format, and unsafe ones.

Numbers and offsets are those of the formats' own descriptions. No image holds any data.
Start reading at the constants at the end: they are what the tests upload.
"""

import struct

MIB = 2**20
SECTOR_BYTES = 512


def qcow2(
    version: int = 3,
    backing_file: bytes = b"",
    incompatible_features: int = 0,
    size_bytes: int = 64 * MIB,
) -> bytes:
    """A qcow2 header in a file of one cluster; a backing file's name follows the header."""
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb",
        version,
        len(backing_file) and 104,
        len(backing_file),
        16,  # cluster bits
        size_bytes,
        0,  # encryption method
        1,  # level 1 entries
        3 * 65536,  # level 1 offset
        65536,  # refcount table offset
        1,  # refcount table clusters
        0,  # snapshots
        0,  # snapshots offset
        incompatible_features,
        0,  # compatible features
        0,  # autoclear features
        4,  # refcount order
        104,  # header length
    )
    return (header + backing_file).ljust(65536, b"\0")


def vmdk(create_type: str = "monolithicSparse", extent: str = 'RW 20480 SPARSE "disk.vmdk"') -> bytes:
    """A sparse extent of 10 MiB with its descriptor embedded behind the header."""
    sectors = 20480
    header = struct.pack("<4sIIQQQQIQQ", b"KDMV", 1, 3, sectors, 128, 1, 20, 512, 0, 21)
    descriptor = "\n".join(
        [
            "# Disk DescriptorFile",
            "version=1",
            "CID=fffffffe",
            "parentCID=ffffffff",
            f'createType="{create_type}"',
            "# Extent description",
            extent,
            'ddb.adapterType = "ide"',
            "",
        ]
    )
    body = header.ljust(SECTOR_BYTES, b"\0") + descriptor.encode().ljust(20 * SECTOR_BYTES, b"\0")
    return body.ljust(65536, b"\0")


def iso(blocks: int = 350) -> bytes:
    """A primary volume descriptor of blocks of 2048 bytes, behind an empty system area."""
    descriptor = bytearray(2048)
    descriptor[0:7] = b"\x01CD001\x01"
    descriptor[80:88] = struct.pack("<I", blocks) + struct.pack(">I", blocks)
    descriptor[128:132] = struct.pack("<H", 2048) + struct.pack(">H", 2048)
    return bytes(32768) + bytes(descriptor) + bytes(2048)


def vdi(size_bytes: int = 5 * MIB) -> bytes:
    """A VDI header."""
    header = bytearray(65536)
    header[0x40:0x44] = struct.pack("<I", 0xBEDA107F)
    header[0x170:0x178] = struct.pack("<Q", size_bytes)
    return bytes(header)


def vhd(size_bytes: int = 6 * MIB) -> bytes:
    """The copy of the footer that a dynamic VHD begins with."""
    header = bytearray(65536)
    header[0:8] = b"conectix"
    header[40:48] = struct.pack(">Q", size_bytes)
    return bytes(header)


def partition_table(boot_flag: int = 0x80, partition_type: int = 0x83) -> bytes:
    """A master boot record with one partition, and nothing in it."""
    entry = struct.pack("<B3BB3BII", boot_flag, 0, 2, 0, partition_type, 0, 0, 0, 1, 2048)
    return (bytes(446) + entry.ljust(64, b"\0") + b"\x55\xaa").ljust(65536, b"\0")


QCOW2 = qcow2()
QCOW2_OF_VERSION_2 = qcow2(version=2)
QCOW2_WITH_BACKING_FILE = qcow2(backing_file=b"/etc/passwd")
QCOW2_WITH_DATA_FILE = qcow2(incompatible_features=0b100)
QCOW2_WITH_UNKNOWN_FEATURE = qcow2(incompatible_features=1 << 40)
VMDK = vmdk()
VMDK_OF_SEVERAL_FILES = vmdk(create_type="twoGbMaxExtentSparse")
VMDK_WITH_FOREIGN_EXTENT = vmdk(extent='RW 20480 FLAT "/etc/passwd" 0')
ISO = iso()
VDI = vdi()
VHD = vhd()
VMDK_DESCRIPTOR_ALONE = (
    b"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
    b'createType="monolithicFlat"\nRW 20480 FLAT "/etc/passwd" 0\n'
)
HYBRID_ISO = partition_table()[:SECTOR_BYTES] + ISO[SECTOR_BYTES:]
QCOW2_AND_ISO = QCOW2[:SECTOR_BYTES] + ISO[SECTOR_BYTES:]
QED = b"QED\0".ljust(65536, b"\0")
MBR = partition_table()
MBR_WITH_BAD_BOOT_FLAG = partition_table(boot_flag=0x42)
ZEROS = bytes(65536)
