"""What each kind of job works on, as the job's row keeps it, and who asked for it.

The fields are flat, and those that a release adds have a default: a worker of the release before writes rows
that this one reads, and reads those that this one writes. Start reading at `INPUTS`.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from transom.domain.imports import Before
from transom.domain.model import Caller, Job, JobInput, JobKind, Policy


class Batch(JobInput, frozen=True, kw_only=True):
    """Images and the `member_id`s of recipients. The batch is done by the request itself, as its caller."""

    images: tuple[str, ...]
    recipients: tuple[str, ...]


class Asked(JobInput, frozen=True, kw_only=True, omit_defaults=True):
    """What a worker does for somebody: with who that was, beside the `user_id` and `project_id` of the job,
    so that it can be judged again."""

    roles: tuple[str, ...] = ()
    service_roles: tuple[str, ...] = ()
    domain_id: str | None = None
    user_domain_id: str | None = None


class Copy(Asked, frozen=True, kw_only=True):
    """The image `source_id` into `image_id`, which was made for it under this name. `size` in bytes."""

    image_id: str
    name: str | None
    source_id: str
    size: int
    checksum: str | None


class RegionCopy(Asked, frozen=True, kw_only=True):
    """The image `source_id` into `image_id` at the image service of another region, in a project there, both
    as the request names them. `size` in bytes; `description`: of the new image, None for the source's."""

    image_id: str
    name: str
    source_id: str
    size: int
    checksum: str | None
    region: str
    project_name: str
    description: str | None = None


class Import(Asked, frozen=True, kw_only=True):
    """The request as the client sent it, as far as its keys are known, and the stores that it goes to.
    `before`: what `undo` puts back; `reasons`: store → why it has not got the data, and the others went on
    without it."""

    import_req: dict[str, Any]
    backend: tuple[str, ...]
    image_id: str = ""
    before: Before | None = None
    reasons: dict[str, str] = msgspec.field(default_factory=dict)


class NewImage(Import, frozen=True, kw_only=True):
    """An import by URL into an image that was made for it, and how that was asked for."""

    import_from: str
    import_from_format: str
    image_properties: dict[str, Any]
    os_hash_algo: str | None = None
    os_hash_value: str | None = None


class ObjectImport(Import, frozen=True, kw_only=True):
    """An import of an object into the image of this name. `finds_format`: whether the image's `disk_format`
    is what the data turns out to be, one of `formats` unless that is empty; `most_bytes`: of the object."""

    name: str | None
    most_bytes: int
    finds_format: bool = True
    formats: tuple[str, ...] = ()


class ImportGroup(Asked, frozen=True, kw_only=True):
    """Images that were asked for by one call, by the ids of their jobs. `image_id`, `name`: of the image of
    the system disk, which is the first; "" for an image that another service makes, which its job knows."""

    sub_jobs: tuple[str, ...]
    image_id: str
    name: str | None


class Export(Asked, frozen=True, kw_only=True):
    """The image of this name into the object `target` (`bucket:key`). `file_format` None: as it is kept;
    `checksum`: of the data that was there when it was asked for."""

    image_id: str
    name: str | None
    target: str
    file_format: str | None
    checksum: str | None


class Capture(Asked, frozen=True, kw_only=True):
    """The disk of the server `server_id`, or of `volume_id`, into an image of this name that another service
    of the cloud makes here. `min_ram`, `tags`, `properties`: what the image is to have; `defaults`:
    properties that it is to have if the other service gave it none of that name.

    `asked_at`: when the other service was asked, 0 before; `image_id`: the image, "" until it is known.
    """

    server_id: str = ""
    volume_id: str = ""
    name: str
    min_ram: int = 0
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    defaults: dict[str, str] = msgspec.field(default_factory=dict)
    asked_at: int = 0
    image_id: str = ""


class AddedLocation(Asked, frozen=True, kw_only=True):
    """Data at `loc_url`, which `store` reads; `validation_data`: what was said of it, empty for nothing."""

    image_id: str
    loc_url: str
    store: str
    validation_data: dict[str, str] = msgspec.field(default_factory=dict)


#: A job of a kind that is not here was written by a later release, and has no input that can be read.
INPUTS: Mapping[str, type[JobInput]] = {
    JobKind.SHARE: Batch,
    JobKind.ANSWER: Batch,
    JobKind.WITHDRAW: Batch,
    JobKind.COPY: Copy,
    JobKind.COPY_TO_REGION: RegionCopy,
    JobKind.IMPORT: Import,
    JobKind.IMPORT_NEW: NewImage,
    JobKind.ADD_LOCATION: AddedLocation,
    JobKind.IMPORT_OBJECT: ObjectImport,
    JobKind.IMPORT_DATA_OBJECT: ObjectImport,
    JobKind.REGISTER_OBJECT: ObjectImport,
    JobKind.IMPORT_SEVERAL: ImportGroup,
    JobKind.EXPORT: Export,
    JobKind.CAPTURE_SERVER: Capture,
    JobKind.CAPTURE_WHOLE: Capture,
    JobKind.CAPTURE_VOLUME: Capture,
    JobKind.CAPTURE_SEVERAL: ImportGroup,
}

Input = TypeVar("Input", bound=JobInput)


def input_of(job: Job, wanted: type[Input]) -> Input:
    """The job's input, of which the kind says that it is one of `wanted`."""
    if not isinstance(job.input, wanted):
        raise TypeError(f"a job of the kind {job.kind} has no input of the kind {wanted.__name__}")
    return job.input


def asked_by(given: JobInput, caller: Caller) -> JobInput:
    """The input with what `recall_caller` needs, where a worker will act for the caller."""
    if not isinstance(given, Asked):
        return given
    return msgspec.structs.replace(
        given,
        roles=tuple(sorted(caller.roles)),
        service_roles=tuple(sorted(caller.service_roles)),
        domain_id=caller.domain_id,
        user_domain_id=caller.user_domain_id,
    )


def recall_caller(job: Job, policy: Policy) -> Caller:
    """Who asked for the job, with the roles of then, and within no organisation yet. A job of an older
    release may lack some of it: its caller then has no roles, or no domain."""
    asked = input_of(job, Asked)
    return Caller(
        user_id=job.user_id or "",
        project_id=job.project_id or None,
        roles=frozenset(asked.roles),
        service_roles=frozenset(asked.service_roles),
        domain_id=asked.domain_id,
        user_domain_id=asked.user_domain_id,
        policy=policy,
    )
