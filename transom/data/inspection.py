"""Look at image data while it streams: is it what it claims to be, and is it safe to open?

The parsers are oslo.utils' format inspectors, which Nova, Glance and Cinder share. The verdicts are those of
Glance 33 (CVE-2024-32498, CVE-2022-47951): a qcow2 that names other files or a vmdk that describes them is
refused whatever it claims to be. So is what the parsers let through and QEMU opens other files for
(`other_files.py`). The parsers raise what they please on bytes made to break them, and on some that are not;
here each is asked under guard.
"""

from contextlib import suppress

from oslo_utils.imageutils import format_inspector
from oslo_utils.imageutils.format_inspector import FileInspector

from transom.data.other_files import LOOK_BYTES, SECTOR_BYTES, names_other_files
from transom.data.parsers import PARSERS
from transom.domain.errors import ContentRefusedError
from transom.domain.fields import DISK_FORMATS

#: The largest number a database keeps; no disk is larger.
_LARGEST = 2**63 - 1
#: Formats no parser has an eye for: they look like raw data. What is in a ploop is not said by its size.
_OPAQUE = frozenset({"ami", "ari", "aki", "ploop"})
_SIZED_AS_STORED = _OPAQUE - {"ploop"} | {"raw"}
#: The IMS API's own formats take data of any format.
_TAKE_ANY = frozenset({"zvhd", "zvhd2"})
#: Boot images of the EC2 kind may start with what looks like a broken boot record.
_MBR_FREE = frozenset({"aki", "ari"})


def detect(start: bytes) -> str:
    """The disk format of data that begins so, as an image names it: `raw` for what has no sign of its own, as
    a fixed VHD, which shows itself at its end. ContentRefusedError for a format that no image can have, or
    when several show themselves."""
    parsers = [made() for made in PARSERS.values()]
    for parser in parsers:
        _eat(parser, start)
    found = {parser.NAME for parser in parsers if _matches(parser)}
    found -= {"raw", "gpt", "luks"}
    if not found:
        return "raw"
    if len(found) > 1 or not found <= set(DISK_FORMATS):
        raise ContentRefusedError(f"Data in the format {', '.join(sorted(found))} cannot become an image.")
    return found.pop()


class Inspection:
    """One upload's inspection. Feed it every block in order, then ask for the verdict.

    `disk_format`: as the image claims. `must_match`: whether other content is refused or let through.
    `nonfatal_checks`: names of partition table checks that may fail.
    """

    def __init__(self, disk_format: str, must_match: bool, nonfatal_checks: frozenset[str]) -> None:
        self._claimed = disk_format
        self._must_match = must_match and disk_format not in _TAKE_ANY
        self._nonfatal = nonfatal_checks | ({"mbr"} if disk_format in _MBR_FREE else set())
        self._raw = PARSERS["raw"]()
        self._parsers = [made() for name, made in PARSERS.items() if name != "raw"]
        #: Those that still want to see blocks.
        self._hungry = list(self._parsers)
        self._is_decided = False
        #: The beginning of the data.
        self._start = b""

    def feed(self, block: bytes) -> None:
        """Raises ContentRefusedError as soon as the blocks show that the claim is wrong."""
        if len(self._start) < LOOK_BYTES:
            self._start += block[: LOOK_BYTES - len(self._start)]
            if len(self._start) == LOOK_BYTES:
                self._check_start()
        self._hungry = [parser for parser in self._hungry if _eat(parser, block)]
        if not self._is_decided and not self._hungry:
            self._is_decided = True
            self._judge(self._detected(), 0)

    def finish(self, size: int) -> int | None:
        """The virtual size in bytes; None if it is 0, as in Glance, or not known. Raises ContentRefusedError.
        `size`: bytes fed."""
        for parser in self._parsers:
            with suppress(Exception):  # see the head of this module
                parser.finish()
        if size < LOOK_BYTES:
            self._check_start()
        found = self._detected()
        # What can be taken for several formats must be safe as each of them.
        for parser in self._matching() if found is None else (found,):
            self._check_safety(parser)
        return self._judge(found, size) or None

    def _judge(self, found: FileInspector | None, size: int) -> int | None:
        """What `finish` returns; raises when the content is not what was claimed. None: several formats."""
        if found is None:
            if self._must_match:
                raise ContentRefusedError("Image format inspection failed")
            return None
        if self._claimed == "raw" or (self._claimed in _OPAQUE and found is self._raw):
            return size if self._claimed in _SIZED_AS_STORED else None
        if self._claimed == found.NAME:
            return _virtual_size(found)
        if self._must_match:
            raise ContentRefusedError(
                f"Image disk_format {self._claimed} does not match stream data {found.NAME}"
            )
        return None

    def _detected(self) -> FileInspector | None:
        """The one format that matches, raw if none does; None if several do."""
        found = self._matching()
        if {parser.NAME for parser in found} == {"iso", "gpt"}:
            # A hybrid ISO carries a partition table for USB sticks: an ISO all the same.
            return next(parser for parser in found if parser.NAME == "iso")
        if not found:
            return self._raw
        return found[0] if len(found) == 1 else None

    def _matching(self) -> list[FileInspector]:
        return [parser for parser in self._parsers if _matches(parser)]

    def _check_start(self) -> None:
        """QEMU reads what a file lacks as zeros, so one shorter than a header can be of any format."""
        start = self._start
        is_header_cut = len(start) < SECTOR_BYTES and detect(start.ljust(SECTOR_BYTES, b"\0")) != "raw"
        if is_header_cut or names_other_files(start):
            raise ContentRefusedError("Image failed safety checks")

    def _check_safety(self, found: FileInspector) -> None:
        if found is self._raw:
            return
        try:
            found.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            if found.NAME == "gpt" and set(error.failures) <= self._nonfatal:
                return
            raise ContentRefusedError("Image failed safety checks") from error
        except Exception as error:
            # Cut short, for one: what cannot be checked is not safe.
            raise ContentRefusedError("Image failed safety checks") from error


def _eat(parser: FileInspector, block: bytes) -> bool:
    """Whether the parser wants more. One that breaks has seen enough: what it made out until then counts."""
    try:
        parser.eat_chunk(block)
        is_hungry = not parser.complete
    except Exception:  # noqa: BLE001 (see the head of this module)
        return False
    return is_hungry


def _matches(parser: FileInspector) -> bool:
    try:
        return bool(parser.format_match)
    except Exception:  # noqa: BLE001 (see the head of this module)
        return False


def _virtual_size(found: FileInspector) -> int:
    try:
        size = int(found.virtual_size)
    except Exception as error:
        raise ContentRefusedError("Image format inspection failed") from error
    if not 0 <= size <= _LARGEST:
        raise ContentRefusedError(f"Image claims a virtual size of {size} bytes")
    return size
