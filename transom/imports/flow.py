"""One import from its beginning to its end, as the job that a worker holds.

It can be begun again wherever it stopped: what is done is in the database (the staged bytes, the stores that
have the data, those that wait for it), and each step is a transaction that needs the job to be held still.
Start reading at `Imports.run`.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from transom.clock import now_us
from transom.config import Settings
from transom.domain.errors import (
    ConflictError,
    ContentRefusedError,
    NotFoundError,
    TransomError,
    UnavailableError,
)
from transom.domain.imports import (
    ImportRequest,
    Method,
    finish,
    is_held_by,
    parse_request,
    store_done,
    store_failed,
    undo,
    waiting_stores,
)
from transom.domain.model import Content, Image, Job, JobStatus, Location, Staged, Status
from transom.sql import blobs, images, imports, jobs
from transom.sql.blobs import LooseBlob
from transom.sql.db import Database
from transom.transfer import Transfer

_log = logging.getLogger(__name__)

_MIB = 1 << 20
#: Others may change the image between our look at it and our write.
_TRIES = 100

#: Tells how far a job is: percent, and words.
Report = Callable[[int, str], None]


class Imports:
    """Runs imports for the worker `holder`."""

    def __init__(self, settings: Settings, db: Database, transfer: Transfer, holder: str) -> None:
        self._settings = settings
        self._db = db
        self._transfer = transfer
        self._holder = holder

    async def run(self, job: Job, report: Report) -> None:
        """Fill the image by the method that was asked for. Whatever is raised, `fail` puts things right."""
        request = parse_request(job.input["import_req"], Method)
        image = await self._held_image(job)
        if waiting := _in_order(image, self._transfer.stores.default.id):
            if request.method is not Method.COPY:
                await self._prepare(job, request, image, report)
            for store in waiting:
                await self._fill_store(job, request, store, report)
        await self._end(job)

    async def fail(self, ended: Job) -> None:
        """Write that the job has failed, and make the image what it was before; nothing if the job was taken
        from this worker."""
        request = parse_request(ended.input["import_req"], Method)
        for _ in range(_TRIES):
            image, _is_member = await images.find_image(self._db, _image_id(ended), (None, None))
            if image is None or not is_held_by(image, ended.id):
                await jobs.finish_job(self._db, ended, self._holder)
                return
            taken_back = _taken_back(image, ended, request)
            new = _moved_on(image, undo(image, {location.store for location in taken_back}))
            if await imports.end_import(self._db, ended, self._holder, image, new, taken_back):
                await self._transfer.recover()
                return
            if not await imports.holds_job(self._db, ended, self._holder, now_us()):
                return

    # ---- the steps

    async def _prepare(self, job: Job, request: ImportRequest, image: Image, report: Report) -> Staged:
        """The staged bytes as they are to be imported."""
        staged = await blobs.find_staged(self._db, image.id)
        if staged is None:
            raise ConflictError(f"Image {image.id} has no staged data.")
        return staged

    async def _fill_store(self, job: Job, request: ImportRequest, store: str, report: Report) -> None:
        try:
            await self._fill(job, request, store, report)
        except (NotFoundError, _LostError):
            raise
        except TransomError as error:
            if request.all_must_succeed:
                raise
            _log.warning("import %s: store %s is left out: %s", job.id, store, error)
            await self._change(job, lambda image: store_failed(image, store))

    async def _fill(self, job: Job, request: ImportRequest, store: str, report: Report) -> None:
        """Give the image a copy of its data in this store."""
        image = await self._held_image(job)
        source = await self._find_source(image, request)
        chunks = _told(
            self._transfer.stores.get(source.store).get(source.key, 0, source.size), source.size, report
        )

        def placed(content: Content, key: str) -> Callable[[Image], Image]:
            location = Location(store=store, key=key)
            return lambda image: store_done(
                image, location, content, all_must_succeed=request.all_must_succeed
            )

        if request.method is not Method.COPY and source.store == store:
            content = await self._transfer.examine(image, chunks, source.size)
            _require_same(image, content)
            await self._change(job, placed(content, source.key), imports.adopt_staged)
            return

        async def publish(blob: LooseBlob, content: Content) -> bool:
            _require_same(image, content)

            async def write(db: Database, job: Job, holder: str, seen: Image, new: Image) -> bool:
                return await imports.place_blob(db, job, holder, blob, seen, new)

            await self._change(job, placed(content, blob.key), write)
            return True

        await self._transfer.put_copy(image, chunks, source.size, store, publish)

    async def _find_source(self, image: Image, request: ImportRequest) -> Staged:
        """Where to read the data of an import from."""
        if request.method is not Method.COPY:
            staged = await blobs.find_staged(self._db, image.id)
            if staged is None:
                raise ConflictError(f"Image {image.id} has no staged data.")
            return staged
        first = await self._transfer.find_copy(image)
        return Staged(store=first.store, key=first.key, size=image.size or 0)

    async def _end(self, job: Job) -> None:
        """The import has come to its end: the image can be used, if at least one store has its data."""
        for _ in range(_TRIES):
            image = await self._held_image(job)
            if not image.locations:
                raise ConflictError("None of the uploads finished!")
            now = now_us()
            ended = msgspec.structs.replace(job, status=JobStatus.SUCCESS, end_at=now, progress=100)
            if await imports.end_import(
                self._db, ended, self._holder, image, _moved_on(image, finish(image))
            ):
                await self._transfer.recover()
                return
            await self._require_job(job)
        raise _outrun(job)

    # ---- changes of the image

    async def _held_image(self, job: Job) -> Image:
        image_id = _image_id(job)
        image, _is_member = await images.find_image(self._db, image_id, (None, None))
        if image is None:
            raise NotFoundError(f"Image {image_id} was deleted while it was imported.")
        if not is_held_by(image, job.id):
            raise NotFoundError(f"Image {image_id} is held by another task.")
        return image

    async def _change(
        self,
        job: Job,
        decide: Callable[[Image], Image],
        write: Callable[[Database, Job, str, Image, Image], Awaitable[bool]] = imports.change_image,
    ) -> Image:
        """Look at the image, `decide` what it becomes, and write that; again if somebody changed it since."""
        for _ in range(_TRIES):
            image = await self._held_image(job)
            new = _moved_on(image, decide(image))
            if await write(self._db, job, self._holder, image, new):
                return new
            await self._require_job(job)
        raise _outrun(job)

    async def _require_job(self, job: Job) -> None:
        if not await imports.holds_job(self._db, job, self._holder, now_us()):
            raise _LostError(f"Task {job.id} was taken over by another worker.")


class _LostError(UnavailableError):
    """The job is another worker's by now: this one has nothing more to say."""


def _outrun(job: Job) -> UnavailableError:
    return UnavailableError(f"Image {_image_id(job)} is changed by too many others at once.")


def _image_id(job: Job) -> str:
    return str(job.image_id)


def _moved_on(seen: Image, new: Image) -> Image:
    return msgspec.structs.replace(new, updated_at=images.moved_on(seen, now_us()))


def _in_order(image: Image, staging: str) -> tuple[str, ...]:
    """The stores that wait for the data. The one where it is staged comes last: it takes the staged bytes."""
    return tuple(sorted(waiting_stores(image), key=lambda store: store == staging))


def _taken_back(image: Image, job: Job, request: ImportRequest) -> tuple[Location, ...]:
    """What a failed import gave to the image and has to take from it."""
    if image.status == Status.IMPORTING:
        return image.locations
    if request.method is Method.COPY and request.all_must_succeed:
        return tuple(location for location in image.locations if location.store in job.input["backend"])
    return ()


def _require_same(image: Image, content: Content) -> None:
    """A copy must be what the image's other copies are."""
    if image.checksum not in (None, content.checksum):
        raise ContentRefusedError("The data is not that of the image's other copies.")


async def _told(chunks: AsyncIterator[bytes], size: int, report: Report) -> AsyncIterator[bytes]:
    done = 0
    async for chunk in chunks:
        done += len(chunk)
        report(done * 100 // size if size else 100, f"Copied {done // _MIB} MiB")
        yield chunk
