"""The parsers that `inspection.py` asks: oslo.utils' own, and ours where these would take too long.

Ours replaces methods that are private to the library: `tests/surface/test_private_names.py` tells when a new
version has them no more.
"""

from collections.abc import Mapping
from uuid import UUID

from oslo_utils.imageutils.format_inspector import (
    ALL_FORMATS,
    CaptureRegion,
    FileInspector,
    SafetyCheck,
    SafetyViolation,
    VHDXInspector,
    VMDKInspector,
)

from transom.data.other_files import MOST_TEXT

#: Regions and metadata items of a VHDX: the format knows two and six (MS-VHDX, 2.2.3 and 2.6).
_MOST_ENTRIES = 64
_PARENT_LOCATOR = UUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C").bytes_le


class _Vhdx(VHDXInspector):
    """Finds the size of the disk in large blocks too, where the tables and the size come at once. It reads
    tables of few entries only, for a table is read again with each block that comes. And it refuses a disk
    that holds what differs from another file, its parent."""

    def _initialize(self) -> None:
        super()._initialize()
        self.add_safety_check(SafetyCheck("tables", self._check_tables))
        self.add_safety_check(SafetyCheck("parent", self._check_parent))

    def eat_chunk(self, chunk: bytes) -> None:
        super().eat_chunk(chunk)
        if self.has_region("metadata") and not self.has_region("vds"):
            self.post_process()
            self._capture(chunk, only=["vds"])

    def _find_meta_region(self) -> CaptureRegion | None:
        self._check_tables()
        return super()._find_meta_region()

    def _find_meta_entry(self, desired_guid: str) -> CaptureRegion | None:
        self._check_tables()
        return super()._find_meta_entry(desired_guid)

    def _check_tables(self) -> None:
        counts = [self.region("header").data[8:12]]
        if self.has_region("metadata"):
            counts.append(self.region("metadata").data[10:12])
        if any(int.from_bytes(count, "little") > _MOST_ENTRIES for count in counts):
            raise SafetyViolation("More entries than the format knows")

    def _check_parent(self) -> None:
        if self.has_region("metadata") and _PARENT_LOCATOR in self.region("metadata").data:
            raise SafetyViolation("Image has a parent")


class _Vmdk(VMDKInspector):
    """Looks into no text that is longer than those of disks are: one of a megabyte takes a tenth of a second,
    and what it does not understand would stand in the log."""

    def check_descriptor(self) -> None:
        if self.desc_text is not None and len(self.desc_text) > MOST_TEXT:
            raise SafetyViolation("The text that describes the disk is too long")
        super().check_descriptor()


PARSERS: Mapping[str, type[FileInspector]] = {**ALL_FORMATS, "vhdx": _Vhdx, "vmdk": _Vmdk}
