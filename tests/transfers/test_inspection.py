"""Content is judged where no upload gets: formats of the IMS API's own, and formats not enforced."""

import pytest

from transom.data.inspection import Inspection
from transom.domain.errors import ContentRefusedError

_HEADER_BYTES = 512
_QCOW2_WITH_BACKING_FILE = b"QFI\xfb\0\0\0\3" + (b"\0" * 7 + b"h") + b"\0\0\0\x0b" + b"\0\0\0\x10"


_DISK_IN_TEXT = b'createType="monolithicSparse"\nRW 1 SPARSE "a"\n'


@pytest.mark.parametrize("line", [b"#\n", b"a=b\n", b'rw 1 sparse "b"\n', b"\n"])
def test_a_text_that_describes_a_disk_is_not_looked_into_when_it_is_longer_than_any(line: bytes) -> None:
    for count, is_safe in ((10_000 // len(line), True), (1_000_000 // len(line), False)):
        inspection = Inspection("qcow2", must_match=False, nonfatal_checks=frozenset())
        data = _DISK_IN_TEXT + line * count
        inspection.feed(data)
        if is_safe:
            assert inspection.finish(len(data)) is None
        else:
            with pytest.raises(ContentRefusedError, match="safety"):
                inspection.finish(len(data))


@pytest.mark.parametrize(("disk_format", "must_match"), [("zvhd2", True), ("raw", False), ("qcow2", False)])
def test_data_of_two_formats_must_be_safe_as_each_of_them(disk_format: str, must_match: bool) -> None:
    iso = bytes(32768) + b"\x01CD001\x01".ljust(2048, b"\0") + bytes(2048)
    data = _QCOW2_WITH_BACKING_FILE.ljust(_HEADER_BYTES, b"\0") + iso[_HEADER_BYTES:]
    inspection = Inspection(disk_format, must_match, frozenset())

    inspection.feed(data)
    with pytest.raises(ContentRefusedError, match="safety"):
        inspection.finish(len(data))
