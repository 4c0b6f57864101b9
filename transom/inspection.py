"""Look at image data while it streams: is it what it claims to be, and is it safe to open?

The work is oslo.utils' format inspector, which Nova, Glance and Cinder share. The verdicts are those of
Glance 33 (CVE-2024-32498, CVE-2022-47951): a qcow2 that names other files or a vmdk that describes them is
refused whatever it claims to be.
"""

import io
from typing import IO, cast

from oslo_utils.imageutils import format_inspector
from oslo_utils.imageutils.format_inspector import FileInspector, ImageFormatError, InspectWrapper

from transom.domain.errors import ContentRefusedError

#: Formats the inspector has no eye for: they look like raw data.
_OPAQUE = frozenset({"ami", "ari", "aki", "ploop"})
#: Boot images of the EC2 kind may start with what looks like a broken boot record.
_MBR_FREE = frozenset({"aki", "ari"})


class _Feed(io.RawIOBase):
    """Hands the inspector the block at hand; its interface wants something to read from."""

    block: bytes = b""

    def read(self, _size: int = -1) -> bytes:
        return self.block


class Inspection:
    """One upload's inspection. Feed it every block in order, then ask for the verdict.

    `disk_format`: as the image claims. `must_match`: whether other content is refused or let through.
    `nonfatal_checks`: names of partition table checks that may fail.
    """

    def __init__(self, disk_format: str, must_match: bool, nonfatal_checks: frozenset[str]) -> None:
        self._claimed = disk_format
        self._must_match = must_match
        self._nonfatal = nonfatal_checks | ({"mbr"} if disk_format in _MBR_FREE else set())
        self._feed = _Feed()
        stop_early = disk_format if must_match and disk_format in format_inspector.ALL_FORMATS else None
        self._wrapper = InspectWrapper(cast(IO[bytes], self._feed), expected_format=stop_early)

    def feed(self, block: bytes) -> None:
        """Raises ContentRefusedError as soon as the block shows that the claim is wrong."""
        self._feed.block = block
        try:
            self._wrapper.read(len(block))
        except ImageFormatError as error:
            self._wrapper.close()
            found = self._wrapper.formats or []
            raise self._mismatch(", ".join(map(str, found)) or "raw") from error
        except Exception as error:
            # The library raises whatever its parsers do (struct.error, ValueError) on a header made to
            # break them; only the claimed format's parser gets that far.
            raise self._crashed() from error

    def finish(self, size: int) -> int | None:
        """The virtual size in bytes, None if not known. Raises ContentRefusedError. `size`: bytes fed."""
        try:
            self._wrapper.close()
            found = self._detected()
        except ImageFormatError as error:
            if self._must_match:
                raise self._crashed() from error
            return None
        self._check_safety(found)
        if self._claimed == "raw":
            return size
        if self._claimed == found.NAME:
            return int(found.virtual_size)
        if self._claimed in _OPAQUE and found.NAME == "raw":
            return size
        if self._must_match:
            raise self._mismatch(found.NAME)
        return None

    def _detected(self) -> FileInspector:
        found = self._wrapper.formats or []
        if {str(one) for one in found} == {"iso", "gpt"}:
            # A hybrid ISO carries a partition table for USB sticks: an ISO all the same.
            return next(one for one in found if str(one) == "iso")
        if len(found) != 1:
            raise ImageFormatError(f"Multiple formats detected: {', '.join(map(str, found))}")
        return found[0]

    def _check_safety(self, found: FileInspector) -> None:
        try:
            found.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            if found.NAME == "gpt" and set(error.failures) <= self._nonfatal:
                return
            raise ContentRefusedError("Image failed safety checks") from error

    def _mismatch(self, seen: str) -> ContentRefusedError:
        return ContentRefusedError(f"Image disk_format {self._claimed} does not match stream data {seen}")

    def _crashed(self) -> ContentRefusedError:
        return ContentRefusedError("Image format inspection failed")
