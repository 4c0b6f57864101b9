"""One import from its beginning to its end, as the job that a worker holds.

It can be begun again wherever it stopped: what is done is in the database (the staged bytes, the stores that
have the data, those that wait for it), and each step is a transaction that needs the job to be held still.
Start reading at `Imports.run`.
"""

import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import NamedTuple

import msgspec

from transom.data.measure import DigestCheck
from transom.data.transfer import Transfer
from transom.domain import image_quotas, protection
from transom.domain.digests import ExpectedDigest, read_expected
from transom.domain.errors import (
    ConflictError,
    ContentRefusedError,
    NotFoundError,
    TransomError,
)
from transom.domain.imports import (
    Change,
    ImportRequest,
    Method,
    enrich,
    extend_undo_log,
    finish,
    parse_request,
    store_done,
    store_failed,
    undo,
    waiting_stores,
)
from transom.domain.job_inputs import Import, input_of
from transom.domain.model import Caller, Content, Image, Job, Location, Staged, Status
from transom.lease import LostError
from transom.outbound import Outbound
from transom.quotas.projects import Limits
from transom.sql import blobs, imports, jobs
from transom.sql.blobs import LooseBlob
from transom.sql.db import Database
from transom.stores.object_access import ObjectAccess
from transom.transfers.held import HeldImage, Report, RightEndedError, copied, reporting
from transom.transfers.material import Material, Materials
from transom.transfers.objects import ObjectSources, naming_reasons, require_fitting
from transom.transfers.options import TransferOptions
from transom.transfers.plugins import PLUGINS
from transom.transfers.requesters import Requesters
from transom.transfers.sources import RemoteImage, find_endpoint, find_remote_image

_log = logging.getLogger(__name__)


def _allow_any(_image: Image) -> None:
    """Nothing stands against a change of the image."""


class Imports:
    """Runs imports for the worker `holder`."""

    def __init__(
        self,
        options: TransferOptions,
        db: Database,
        transfer: Transfer,
        outbound: Outbound,
        limits: Limits,
        requesters: Requesters,
        materials: Materials,
        holder: str,
        objects: ObjectAccess,
    ) -> None:
        self._options = options.imports
        self._cloud = options.cloud
        self._db = db
        self._transfer = transfer
        self._outbound = outbound
        self._limits = limits
        self._requesters = requesters
        self._holder = holder
        self._materials = materials
        self._objects = ObjectSources(objects, requesters)
        self._held = HeldImage(db, holder, requesters, self._objects.judge)

    async def run(self, job: Job, report: Report) -> None:
        """Fill the image by the method that was asked for. Whatever is raised, `fail` puts things right."""
        with naming_reasons(job):
            await self._run(job, report)

    async def _run(self, job: Job, report: Report) -> None:
        asked = input_of(job, Import)
        request = parse_request(asked.import_req, Method)
        image = await self._held.find(job)
        if waiting := _in_order(image, self._transfer.stores.default.id):
            if set(waiting) == set(asked.backend):
                # Only while no store has its copy: after a restart the finished copies would count twice.
                await self._limits.check_import(image, request.method)
            if self._is_streamed(request):
                job = await self._describe(job, request)
            elif request.method is not Method.COPY:
                job = await self._prepare(job, request, report)
            for store in waiting:
                job = await self._fill_store(job, request, store, report)
        await self._end(job)

    async def look(self, job: Job) -> None:
        """Raise when the import has to break off: its image is gone, or the right to it has ended."""
        with naming_reasons(job):
            await self._held.find(job)

    async def fail(self, ended: Job) -> None:
        """Write that the job has failed, and make the image what it was before; nothing if the job was taken
        from this worker."""
        await self._fail(ended, is_new=False)

    async def fail_new(self, ended: Job) -> None:
        """As `fail`; the image was made for this import, and goes if it got no data."""
        await self._fail(ended, is_new=True)

    async def _fail(self, ended: Job, *, is_new: bool) -> None:
        request = parse_request(input_of(ended, Import).import_req, Method)

        def decide(image: Image, kept: Job) -> tuple[Image | None, tuple[Location, ...]]:
            before = input_of(kept, Import).before
            taken_back = _taken_back(image, ended, request)
            back = undo(image, {location.store for location in taken_back}, before)
            return (None if is_new and back.status == Status.QUEUED else back), taken_back

        await self._held.fail(ended, decide)
        await self._transfer.removal.clean_up()

    # ---- the steps

    def _is_streamed(self, request: ImportRequest) -> bool:
        """Whether the data goes from where it is to the first store at once: it need not be staged when
        nothing is to be done to it, and can be read again from where it is."""
        return request.method is Method.OBJECT and not self._options.import_plugins

    async def _describe(self, job: Job, request: ImportRequest) -> Job:
        """Note what the object says of the image, as its format. The job with what was noted."""
        found = await self._objects.find(job, request)
        image = await self._held.find(job)
        if image.locations or all(
            getattr(image, name) == value for name, value in found.change.fields.items()
        ):
            return job
        noting = _with_undo_log(job, image, found.change)
        await self._held.change(noting, lambda image: enrich(image, found.change), imports.change_noting)
        return noting

    async def _prepare(self, job: Job, request: ImportRequest, report: Report) -> Job:
        """The data is staged, and every plugin has been at it. The job with what was noted of the image."""
        image = await self._held.find(job)
        # What cannot be verified in the end is not fetched at all.
        await self._signature_checks(job, image)
        if await blobs.find_staged(self._db, image.id) is None:
            job = await self._fetch(job, request, image, report)
        for number, name in enumerate(self._options.import_plugins, start=1):
            job = await self._run_plugin(job, number, name)
        return job

    def _outbound_of(self, job: Job) -> Outbound:
        return self._outbound.asked_by(job.project_id)

    async def _fetch(self, job: Job, request: ImportRequest, image: Image, report: Report) -> Job:
        if request.method is Method.WEB:
            expected = read_expected(request.arguments, self._options.hashing_algorithm)
            async with self._outbound_of(job).open(request.arguments["uri"]) as answer:
                chunks = reporting(answer.chunks(), answer.size, report)
                return await self._stage(job, image, chunks, answer.size, Change(), 0, expected=expected)
        if request.method is Method.GLANCE:
            remote = await self._find_remote(job, request)
            check = partial(self._check_taken_over, await self._requesters.recall(job), remote.change)
            check(image)
            async with remote.open(self._outbound_of(job)) as answer:
                chunks = reporting(answer.chunks(), answer.size, report)
                return await self._stage(
                    job, image, chunks, answer.size, remote.change, 0, check, remote.expected
                )
        if request.method is Method.OBJECT:
            expected = read_expected(request.arguments, self._options.hashing_algorithm)
            found = await self._objects.find(job, request)
            chunks = reporting(found.read(), found.size, report)
            return await self._stage(job, image, chunks, found.size, found.change, 0, expected=expected)
        raise ConflictError(f"Image {image.id} has no staged data.")

    def _check_taken_over(self, requester: Caller, change: Change, image: Image) -> None:
        """What another service says of its image is bound as what the requester sends is."""
        for name in change.properties:
            protection.require_set(requester, image.properties, name)
        new = enrich(image, change)
        image_quotas.check_properties(image, new, self._options.image_property_quota)
        image_quotas.check_metadata(image, new, self._options.image_metadata_limit)

    async def _find_remote(self, job: Job, request: ImportRequest) -> RemoteImage:
        token = await jobs.find_credential(self._db, job.id)
        if token is None:
            raise ConflictError("The task no longer has a token to act for the user.")
        endpoint = await find_endpoint(
            self._cloud,
            region=request.arguments["glance_region"],
            interface=request.arguments.get("glance_service_interface", "public"),
            token=token,
        )
        image_id = request.arguments["glance_image_id"]
        prefixes = self._options.glance_download_prefixes
        return await find_remote_image(self._outbound_of(job), endpoint, image_id, token, prefixes)

    async def _stage(
        self,
        job: Job,
        image: Image,
        chunks: AsyncIterator[bytes],
        size: int | None,
        change: Change,
        plugins_done: int,
        check: Callable[[Image], None] = _allow_any,
        expected: ExpectedDigest | None = None,
    ) -> Job:
        """Put these bytes in the place of what is staged, if anything is. `check`: raises when the image is
        not to have the change by then; `expected`: what the bytes must be. The job with what was noted."""
        kept = job

        async def publish(blob: LooseBlob, size: int) -> bool:
            staged = Staged(store=blob.store, key=blob.key, size=size, plugins_done=plugins_done)

            async def write(db: Database, job: Job, holder: str, seen: Image, new: Image) -> bool:
                nonlocal kept
                kept = _with_undo_log(job, seen, change)
                return await imports.stage_blob(db, kept, holder, blob, staged, seen, new)

            def decide(image: Image) -> Image:
                check(image)
                return msgspec.structs.replace(enrich(image, change), size=size)

            await self._held.change(job, decide, write)
            return True

        checks = (expected,) if expected is not None else ()
        await self._transfer.uploads.put_aside(image, chunks, size, publish, checks)
        return kept

    async def _run_plugin(self, job: Job, number: int, name: str) -> Job:
        """Let the plugin at the staged data, unless it has been there. The job with what was noted."""
        image = await self._held.find(job)
        staged = await self._find_staged(image)
        if staged.plugins_done >= number:
            return job
        kept = job

        async def keep(chunks: AsyncIterator[bytes] | None, change: Change) -> None:
            nonlocal kept
            if chunks is not None:
                kept = await self._stage(job, image, chunks, None, change, number)
                await self._transfer.removal.remove((Location(store=staged.store, key=staged.key),))
                return

            async def write(db: Database, job: Job, holder: str, seen: Image, new: Image) -> bool:
                nonlocal kept
                kept = _with_undo_log(job, seen, change)
                return await imports.pass_plugin(db, kept, holder, number, seen, new)

            await self._held.change(job, lambda image: enrich(image, change), write)

        await PLUGINS[name](await self._material(job, image, staged), keep)
        return kept

    async def _material(self, job: Job, image: Image, staged: Staged) -> Material:
        return self._materials.make(
            image,
            Location(store=staged.store, key=staged.key),
            staged.size,
            await self._transfer.uploads.room(image),
            (await self._requesters.recall(job)).roles,
        )

    async def _fill_store(self, job: Job, request: ImportRequest, store: str, report: Report) -> Job:
        """The job with the reason why the store has not got the data, if the others go on without it."""
        # Not within what follows: that it cannot be judged now is no failure of the store.
        image = await self._held.find(job)
        try:
            await self._fill(job, image, request, store, report)
        except (NotFoundError, LostError, RightEndedError):
            raise
        except TransomError as error:
            if request.all_must_succeed:
                raise
            _log.warning("import %s: store %s is left out: %s", job.id, store, error)
            asked = input_of(job, Import)
            noted_input = msgspec.structs.replace(asked, reasons={**asked.reasons, store: str(error)})
            job = msgspec.structs.replace(job, input=noted_input)
            await self._held.change(job, lambda image: store_failed(image, store), imports.change_noting)
        return job

    async def _fill(self, job: Job, image: Image, request: ImportRequest, store: str, report: Report) -> None:
        """Give the image a copy of its data in this store."""
        source = await self._find_source(job, image, request)
        chunks = reporting(source.read(), source.size, report)

        def placed(content: Content, key: str) -> Callable[[Image], Image]:
            location = Location(store=store, key=key)
            return lambda image: store_done(
                image, location, content, all_must_succeed=request.all_must_succeed
            )

        checks = (*await self._signature_checks(job, image), *self._hash_checks(request, image))
        if source.staged is not None and source.staged.store == store:
            content = await self._transfer.uploads.examine(image, chunks, source.size, checks)
            _require_same(image, content)
            require_fitting(job, image, content)
            await self._held.change(job, placed(content, source.staged.key), imports.adopt_staged)
            return

        async def publish(blob: LooseBlob, content: Content) -> bool:
            _require_same(image, content)
            require_fitting(job, image, content)
            if request.method is Method.OBJECT:
                await self._objects.require(job, request)

            async def write(db: Database, job: Job, holder: str, seen: Image, new: Image) -> bool:
                return await imports.place_blob(db, job, holder, blob, seen, new)

            await self._held.change(job, placed(content, blob.key), write)
            return True

        await self._transfer.uploads.put_copy(image, chunks, source.size, store, publish, checks)

    async def _signature_checks(self, job: Job, image: Image) -> tuple[DigestCheck, ...]:
        certificates = self._transfer.certificates
        token = await jobs.find_credential(self._db, job.id) if certificates.needs_token(image) else None
        return await certificates.checks_of(image, token)

    def _hash_checks(self, request: ImportRequest, image: Image) -> tuple[DigestCheck, ...]:
        """What is streamed is compared with what was said of it here, the rest when it was staged."""
        if not self._is_streamed(request) or image.locations:
            return ()
        expected = read_expected(request.arguments, self._options.hashing_algorithm)
        return (expected,) if expected is not None else ()

    async def _find_source(self, job: Job, image: Image, request: ImportRequest) -> "_Source":
        """Where to read the data of an import from."""
        if self._is_streamed(request) and not image.locations:
            found = await self._objects.find(job, request)
            return _Source(found.read, found.size)
        staged = None
        if request.method is Method.COPY or self._is_streamed(request):
            first = await self._transfer.reads.find_copy(image)
            store, key, size = first.store, first.key, image.size or 0
        else:
            staged = await self._find_staged(image)
            store, key, size = staged.store, staged.key, staged.size
        return _Source(partial(self._transfer.stores.get(store).get, key, 0, size), size, staged)

    async def _find_staged(self, image: Image) -> Staged:
        staged = await blobs.find_staged(self._db, image.id)
        if staged is None:
            raise ConflictError(f"Image {image.id} has no staged data.")
        return staged

    async def _end(self, job: Job) -> None:
        """The import has come to its end: the image can be used, if at least one store has its data."""

        def decide(image: Image) -> Image:
            if not image.locations:
                noted_reasons = sorted(input_of(job, Import).reasons.items())
                reasons = [f"{store}: {why}" for store, why in noted_reasons]
                raise ConflictError(" ".join(["None of the uploads finished!", *reasons]))
            return finish(image)

        size = (await self._held.find(job)).size or 0
        await self._held.end(msgspec.structs.replace(job, message=copied(size)), decide)
        await self._transfer.removal.clean_up()


class _Source(NamedTuple):
    """Where the data of an image comes from. `staged`: the bytes that a store may take over as they are."""

    read: Callable[[], AsyncIterator[bytes]]
    size: int
    staged: Staged | None = None


def _in_order(image: Image, staging: str) -> tuple[str, ...]:
    """The stores that wait for the data. The one where it is staged comes last: it takes the staged bytes."""
    return tuple(sorted(waiting_stores(image), key=lambda store: store == staging))


def _taken_back(image: Image, job: Job, request: ImportRequest) -> tuple[Location, ...]:
    """What a failed import gave to the image and has to take from it."""
    if image.status == Status.IMPORTING:
        return image.locations
    if request.method is Method.COPY and request.all_must_succeed:
        return tuple(
            location for location in image.locations if location.store in input_of(job, Import).backend
        )
    return ()


def _require_same(image: Image, content: Content) -> None:
    """A copy must be what the image's other copies are."""
    known = image.os_hash_value if image.os_hash_algo == content.os_hash_algo else None
    if image.checksum not in (None, content.checksum) or known not in (None, content.os_hash_value):
        raise ContentRefusedError("The data is not that of the image's other copies.")


def _with_undo_log(job: Job, image: Image, change: Change) -> Job:
    """The job with what the image has before the change, for `undo`."""
    asked = input_of(job, Import)
    before = extend_undo_log(asked.before, image, change)
    return msgspec.structs.replace(job, input=msgspec.structs.replace(asked, before=before))
