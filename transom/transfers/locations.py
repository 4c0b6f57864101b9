"""Tasks that give an image data which lies elsewhere, once it is there and has the hash that was stated.

Begun again wherever it stopped: attaching twice is attaching once, and hashing starts anew.
"""

from collections.abc import Mapping

from transom.data.transfer import Transfer
from transom.domain.errors import ContentRefusedError, InvalidError
from transom.domain.job_inputs import AddedLocation, input_of
from transom.domain.locations import activate, attach, describe, give_up, release
from transom.domain.model import Content, Image, Job, Location, Status
from transom.sql.db import Database
from transom.transfers.held import HeldImage, Report, reporting
from transom.transfers.requesters import Requesters
from transom.transfers.rules import judge_location


class AddedLocations:
    """Runs these tasks for the worker `holder`."""

    def __init__(
        self, hashing: str | None, db: Database, transfer: Transfer, requesters: Requesters, holder: str
    ) -> None:
        """`hashing`: the algorithm by which the data is hashed; None when it is not."""
        self._hashing = hashing
        self._transfer = transfer
        self._held = HeldImage(db, holder, requesters, judge_location)

    async def run(self, job: Job, report: Report) -> None:
        """Attach the place; compare its data with what was said, or find out what it is."""
        asked = input_of(job, AddedLocation)
        location = Location(store=asked.store, key=asked.loc_url)
        _require_formats(await self._held.find(job))
        size = await self._transfer.stores.get(location.store).size(location.key)
        if not size:
            raise InvalidError(f"Invalid location {location.key}: there is no data.")
        if asked.validation_data:
            await self._compare(job, location, size, asked.validation_data, report)
        else:
            await self._find_out(job, location, size, report)
        await self._held.end(job, release)

    async def look(self, job: Job) -> None:
        """As `Imports.look`."""
        await self._held.find(job)

    async def fail(self, ended: Job) -> None:
        """Write that the task has failed; the image is `queued` again unless it is in use."""

        def undo(image: Image, _kept: Job) -> tuple[Image, tuple[Location, ...]]:
            return give_up(image), ()

        await self._held.fail(ended, undo)

    async def _compare(
        self, job: Job, location: Location, size: int, claimed: Mapping[str, str], report: Report
    ) -> None:
        algorithm, value = claimed["os_hash_algo"], claimed["os_hash_value"].lower()
        image = await self._held.change(job, lambda image: attach(image, location, size))
        if image.status == Status.ACTIVE:
            return  # An earlier attempt got that far.
        checksum = None
        if self._hashing is not None:
            content = await self._hash(location, size, algorithm, report)
            if content.os_hash_value != value:
                raise ContentRefusedError("The data has another hash than os_hash_value says.")
            checksum = content.checksum
        await self._held.change(job, lambda image: activate(image, algorithm, value, checksum))

    async def _find_out(self, job: Job, location: Location, size: int, report: Report) -> None:
        algorithm = self._hashing

        def make_usable(image: Image) -> Image:
            return activate(attach(image, location, size), algorithm, None, None)

        await self._held.change(job, make_usable)
        if algorithm is not None:
            content = await self._hash(location, size, algorithm, report)
            await self._held.change(job, lambda image: describe(image, content))

    async def _hash(self, location: Location, size: int, algorithm: str, report: Report) -> Content:
        data = self._transfer.stores.get(location.store).get(location.key, 0, size)
        chunks = reporting(data, size, report)
        return await self._transfer.uploads.digest(chunks, size, algorithm)


def _require_formats(image: Image) -> None:
    for name in ("disk_format", "container_format"):
        if getattr(image, name) is None:
            raise InvalidError(f"Property {name} must be set prior to saving data.")
