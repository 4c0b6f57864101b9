"""Objects as the source of imports: what one is, whether it may become an image, and as what.

The format of an image that is made of an object is found by a look at the beginning of it, before any of it
is stored; all of the data is then inspected as an upload's is.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from transom.domain.errors import (
    ConflictError,
    ContentRefusedError,
    ForbiddenError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    Reason,
    TransomError,
    UnusableSourceError,
)
from transom.domain.imports import Change, ImportRequest, Method, parse_request, waiting_stores
from transom.domain.job_inputs import Capture, Copy, Export, Import, ObjectImport, RegionCopy, input_of
from transom.domain.model import Caller, Content, Image, ImageTarget, Job
from transom.domain.objects import ObjectRef
from transom.stores.object_access import ObjectAccess
from transom.transfers.requesters import Requesters
from transom.transfers.rules import judge_import

_Reasons = tuple[tuple[type[TransomError], Reason], ...]

_GIB = 1 << 30
#: The beginning of an object in which its format is looked for: an ISO image shows itself after 32 KiB.
_LOOK_BYTES = 1 << 20
#: The codes by which a job of the IMS API reports errors that have none of their own, by class.
_OF_ALL: _Reasons = (
    (NotFoundError, Reason.IMAGE_UNKNOWN),
    (ForbiddenError, Reason.ROLE_LACKS),
    (ConflictError, Reason.IMAGE_NOT_READY),
)
_OF_COPIES: _Reasons = (*_OF_ALL, (LimitExceededError, Reason.IMAGE_QUOTA))
_OF_OBJECTS: _Reasons = (*_OF_ALL, (UnusableSourceError, Reason.BUCKET_UNREACHABLE))
_OF_IMPORTS: _Reasons = (
    *_OF_OBJECTS,
    (ContentRefusedError, Reason.OBJECT_UNUSABLE),
    (InvalidError, Reason.OBJECT_UNUSABLE),
    (LimitExceededError, Reason.IMAGE_QUOTA),
)
_OF_EXPORTS: _Reasons = (
    *_OF_OBJECTS,
    (ContentRefusedError, Reason.EXPORT_REFUSED),
    (LimitExceededError, Reason.EXPORT_TOO_LARGE),
)


class FoundObject(NamedTuple):
    """An object as it is now. `change`: what it says of the image; `read`: all of its bytes."""

    size: int
    change: Change
    read: Callable[[], AsyncGenerator[bytes, None]]


class ObjectSources:
    """The objects that jobs were asked to import, each as its requester may see it."""

    def __init__(self, objects: ObjectAccess, requesters: Requesters) -> None:
        self._objects = objects
        self._requesters = requesters

    def judge(self, caller: Caller, job: Job, target: ImageTarget) -> None:
        """As `judge_import`, and may the caller use the object, by the rules of now?"""
        judge_import(caller, job, target)
        request = parse_request(input_of(job, Import).import_req, Method)
        if request.method is Method.OBJECT and waiting_stores(target.image):
            self._objects.require(caller, self._named(request), write=False)

    async def require(self, job: Job, request: ImportRequest) -> None:
        """Raises what `ObjectAccess.open` does: by now the requester may have lost its right, or its key."""
        await self._objects.open(await self._requesters.recall(job), self._named(request), write=False)

    async def find(self, job: Job, request: ImportRequest) -> FoundObject:
        """The object. InvalidError when there is none that the requester may read, or it is empty, or of a
        format that is not to be; LimitExceededError when it is too large; UnavailableError when the service
        is away.
        """
        ref = self._named(request)
        client = await self._objects.open(await self._requesters.recall(job), ref, write=False)
        found = await client.find()
        change = Change()
        if isinstance(job.input, ObjectImport):
            if found.size > job.input.most_bytes:
                raise LimitExceededError(
                    f"The object {ref} has {found.size} bytes, more than {job.input.most_bytes}.",
                    Reason.OBJECT_TOO_LARGE,
                )
            if job.input.finds_format:
                start = b"".join([chunk async for chunk in client.read(found, 0, _LOOK_BYTES)])
                change = _change_of(ref, start, job.input.formats)
        return FoundObject(found.size, change, partial(client.read, found))

    def _named(self, request: ImportRequest) -> ObjectRef:
        return self._objects.parse("uri", request.arguments.get("uri"))


def _change_of(ref: ObjectRef, start: bytes, formats: tuple[str, ...]) -> Change:
    # Imported only here: its parsers' library takes a tenth of a second, which every start would wait for.
    from transom.data.inspection import detect

    found = ref.kept_format or detect(start)
    if formats and found not in formats:
        text = f"The object {ref} is in the format {found}; this call takes {', '.join(formats)}."
        raise InvalidError(text, Reason.OBJECT_UNUSABLE)
    return Change(fields={"disk_format": found})


def require_fitting(job: Job, image: Image, content: Content) -> None:
    """InvalidError when the disk in the data is larger than the disk that the image was said to need."""
    if not isinstance(job.input, ObjectImport) or not image.min_disk:
        return
    if content.virtual_size is not None and content.virtual_size > image.min_disk * _GIB:
        size = f"{content.virtual_size} bytes, more than {image.min_disk} GB"
        raise InvalidError(f"min_disk: the disk in the object has {size}.", Reason.SIZE_INVALID)


def _reasons_of(job: Job) -> _Reasons:
    if isinstance(job.input, Export):
        return _OF_EXPORTS
    if isinstance(job.input, Copy | Capture | RegionCopy):
        return _OF_COPIES
    return _OF_IMPORTS if isinstance(job.input, ObjectImport) else ()


@contextmanager
def naming_reasons(job: Job) -> Iterator[None]:
    """Gives an error that has no reason of its own the one that clients of the IMS API know it by."""
    try:
        yield
    except TransomError as error:
        if error.reason is None:
            error.reason = next((one for kind, one in _reasons_of(job) if isinstance(error, kind)), None)
        raise
