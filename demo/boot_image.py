"""A real bootable image: iPXE's ISO from the Debian package, else a boot sector made here."""

import shutil
import subprocess
import tempfile
from pathlib import Path

_INSTALLED = (Path("/usr/lib/ipxe/ipxe.iso"), Path("/usr/lib/grub-rescue/grub-rescue-cdrom.iso"))
_MESSAGE = b"Booted from an image that was shared through Transom.\r\n"


def find_boot_image(folder: Path) -> tuple[Path, str, str]:
    """(file, its disk_format, where it is from). `folder`: for what has to be fetched or made."""
    for path in _INSTALLED:
        if path.exists():
            return path, "iso", f"found at {path}"
    fetched = _fetch_ipxe(folder)
    if fetched is not None:
        return fetched, "iso", "from Debian's package ipxe"
    return _make_boot_disk(folder / "hello.raw"), "raw", "a boot sector made here (no Debian package at hand)"


def _fetch_ipxe(folder: Path) -> Path | None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None
    with tempfile.TemporaryDirectory(dir=folder) as work:
        quiet = {"cwd": work, "capture_output": True, "timeout": 120}
        if subprocess.run(["apt-get", "download", "ipxe"], **quiet).returncode:  # type: ignore[call-overload]
            return None
        package = next(Path(work).glob("ipxe_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package.name, "."], check=True, **quiet)  # type: ignore[call-overload]
        return Path(shutil.move(Path(work) / "usr/lib/ipxe/ipxe.iso", folder / "ipxe.iso"))


def _make_boot_disk(path: Path) -> Path:
    """A 1 MiB disk whose boot sector prints a line through the BIOS and halts."""
    code = (
        bytes.fromhex("31c08ed88ec0be")
        + (0x7C00 + 32).to_bytes(2, "little")
        + bytes.fromhex(
            "ac84c07408b40ebb0700cd10ebf3f4ebfd"  # lodsb; test al; jz halt; int 10h; loop; hlt
        )
    )
    sector = code.ljust(32, b"\x90") + _MESSAGE + b"\0"
    path.write_bytes(sector.ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512))
    return path
