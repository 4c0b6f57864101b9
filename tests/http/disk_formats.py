"""The first bytes of disk images, made by hand: good ones of each format, and unsafe ones.

Numbers and offsets are those of the formats' own descriptions. No image holds any data.
Start reading at the constants at the end: they are what the tests upload.
"""

import struct
from uuid import UUID

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


def with_snapshots(made: bytes, count: int) -> bytes:
    """The qcow2 with so many snapshots, which are empty and have names of 100 bytes, at its end."""
    cluster_bytes, offset = 65536, -(-len(made) // 65536) * 65536
    numbers = (3 * cluster_bytes, 1, 4, 100, 0, 0, 0, 0, 16)
    entries = [
        struct.pack(">QIHHIIQII", *numbers) + struct.pack(">QQ", 0, MIB) + b"%04d" % number + b"x" * 100
        for number in range(count)
    ]
    table = b"".join(entry.ljust(-(-len(entry) // 8) * 8, b"\0") for entry in entries)
    header = made[:60] + struct.pack(">IQ", count, offset) + made[72:]
    return header.ljust(offset, b"\0") + table


def descriptor(create_type: str, *lines: str) -> bytes:
    """What a vmdk says of itself; the further lines come where those of extents do."""
    head = ["# Disk DescriptorFile", "version=1", "CID=fffffffe", "parentCID=ffffffff"]
    described = [*head, f'createType="{create_type}"', "# Extent description", *lines]
    return "\n".join([*described, 'ddb.adapterType = "ide"', ""]).encode()


def sparse(text: bytes, sectors: int = 20480, described_sectors: int = 20) -> bytes:
    """A sparse extent of 10 MiB with the text embedded behind the header."""
    numbers = (1, 3, sectors, 128, 1, described_sectors, 512, 0, 21)
    header = struct.pack("<4sIIQQQQIQQ", b"KDMV", *numbers)
    return (header.ljust(SECTOR_BYTES, b"\0") + text).ljust(65536, b"\0")


def vmdk(create_type: str = "monolithicSparse", extent: str = 'RW 20480 SPARSE "disk.vmdk"') -> bytes:
    return sparse(descriptor(create_type, extent))


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


def vhd(size_bytes: int = 6 * MIB, disk_type: int = 3) -> bytes:
    """The copy of the footer that a VHD which grows (3), or which holds what differs from another (4), begins
    with."""
    header = bytearray(65536)
    header[0:8] = b"conectix"
    header[40:48] = struct.pack(">Q", size_bytes)
    header[60:64] = struct.pack(">I", disk_type)
    return bytes(header)


def vhdx(*items: tuple[str, bytes], empty_items: int = 0) -> bytes:
    """A VHDX of 1 MiB with metadata items of these GUIDs and contents, behind so many of no GUID."""
    data = bytearray(MIB)
    data[:8] = b"vhdxfile"
    regions, metadata, contents = 3 * 65536, 5 * 65536, 7 * 65536
    region = UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E").bytes_le
    struct.pack_into("<4sIII16sQII", data, regions, b"regi", 0, 1, 0, region, metadata, 2 * 65536, 1)
    struct.pack_into("<8sHH", data, metadata, b"metadata", 0, empty_items + len(items))
    for number, (guid, content) in enumerate(items):
        at, content_at = metadata + 32 * (1 + empty_items + number), contents + 512 * number
        struct.pack_into("<16sII", data, at, UUID(guid).bytes_le, content_at - metadata, len(content))
        data[content_at : content_at + len(content)] = content
    return bytes(data)


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
VMDK_DESCRIPTOR_ALONE = (
    b"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
    b'createType="monolithicFlat"\nRW 20480 FLAT "/etc/passwd" 0\n'
)
#: QEMU looks for a parent in 20 sectors, however few the header speaks of.
VMDK_WITH_PARENT = vmdk(extent='parentFileNameHint="/etc/passwd"\nRW 20480 SPARSE "disk.vmdk"')
VMDK_WITH_PARENT_BEHIND_ITS_TEXT = sparse(
    descriptor(
        "monolithicSparse",
        'RW 20480 SPARSE "disk.vmdk"',
        "# " + "x" * 600,
        'parentFileNameHint="/etc/passwd"',
    ),
    described_sectors=1,
)
#: Without a capacity the header only says where the descriptor is. QEMU takes no other spelling of the type,
#: and any white space.
VMDK_OF_TWO_TYPES = sparse(
    b'CREATETYPE="monolithicSparse"\n'
    + descriptor("monolithicFlat", 'RW\t1\tFLAT\t"/etc/passwd"\t0\t=', 'RW 1 FLAT "disk" 0'),
    sectors=0,
)
VMDK_WITHOUT_CAPACITY = sparse(descriptor("monolithicSparse", 'RW 20480 SPARSE "disk.vmdk"'), sectors=0)
VMDK_WITH_TABS_IN_AN_EXTENT = vmdk(extent='RW 1 SPARSE "disk.vmdk"\nRW\t1\tFLAT\t"/etc/passwd"\t0\t=')
VMDK_WITH_EXTENT_BESIDE_IT = vmdk(extent='RW 20480 FLAT "other.vmdk" 0')
VMDK_WITH_ENDLESS_TEXT = sparse(
    descriptor("monolithicSparse", 'RW 20480 SPARSE "disk.vmdk"') + b"\na=" * 4000, described_sectors=40
)
VMDK_OF_VERSION_3_WITH_PARENT = (
    struct.pack("<4sIIIIIII", b"COWD", 1, 3, 20480, 128, 2, 10, 0).ljust(SECTOR_BYTES, b"\0")
    + b'parentFileNameHint="/etc/passwd"'
).ljust(65536, b"\0")
#: QEMU skips any two characters before the type.
VMDK_DESCRIPTOR_IN_ODD_SPELLING = VMDK_DESCRIPTOR_ALONE.replace(b'="', b"=_")
#: QEMU reads what a file lacks as zeros.
SHORT_QCOW2_WITH_BACKING_FILE = QCOW2_WITH_BACKING_FILE[:200]
ISO = iso()
VDI = vdi()
VHD = vhd()
VHD_WITH_PARENT = vhd(disk_type=4)
_VHDX_SIZE = ("2FA54224-CD1B-4876-B211-5DBED83BF4B8", struct.pack("<Q", 7 * MIB))
VHDX = vhdx(_VHDX_SIZE)
VHDX_WITH_PARENT = vhdx(("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C", b"\1" * 20), _VHDX_SIZE)
VHDX_OF_MANY_ITEMS = vhdx(empty_items=2000)
HYBRID_ISO = partition_table()[:SECTOR_BYTES] + ISO[SECTOR_BYTES:]
QCOW2_AND_ISO = QCOW2[:SECTOR_BYTES] + ISO[SECTOR_BYTES:]
QCOW2_WITH_BACKING_FILE_AND_ISO = QCOW2_WITH_BACKING_FILE[:SECTOR_BYTES] + ISO[SECTOR_BYTES:]
QED = b"QED\0".ljust(65536, b"\0")
MBR = partition_table()
MBR_WITH_BAD_BOOT_FLAG = partition_table(boot_flag=0x42)
ZEROS = bytes(65536)
