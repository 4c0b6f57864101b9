"""The records. Frozen: a change is a new value, made with `msgspec.structs.replace`.

Times are integer microseconds since the epoch, UTC.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from transom.domain.recipients import domain_key


class Visibility(StrEnum):
    PRIVATE = "private"
    SHARED = "shared"
    COMMUNITY = "community"
    PUBLIC = "public"


#: Those that every project may see, with or without a membership.
FOR_EVERYBODY = (Visibility.PUBLIC, Visibility.COMMUNITY)


class Status(StrEnum):
    """States of an image (Image API v2, "Image statuses"); `status.py` has the moves between them."""

    QUEUED = "queued"
    SAVING = "saving"
    UPLOADING = "uploading"
    IMPORTING = "importing"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


class MemberStatus(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class JobStatus(StrEnum):
    """States of a job, in the words of the IMS API."""

    INIT = "INIT"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"


class JobKind(StrEnum):
    """What jobs do, in the words of the IMS API."""

    SHARE = "imsAddImageMembersJob"
    ANSWER = "imsUpdateImageMembersJob"
    WITHDRAW = "imsDelImageMembersJob"
    COPY = "imsCopyImageInRegionJob"
    IMPORT_OBJECT = "imsImportImageJob"
    IMPORT_DATA_OBJECT = "imsImportDataImageJob"
    REGISTER_OBJECT = "imsNativeImportImageJob"
    IMPORT_SEVERAL = "imsImportOvaImageJob"
    EXPORT = "imsNativeExportImageJob"
    CAPTURE_SERVER = "imsCreateImageByInstance"
    CAPTURE_WHOLE = "imsCreateWholeImageByInstanceJob"
    CAPTURE_VOLUME = "imsVolumeCreateImageJob"
    CAPTURE_SEVERAL = "imsVolumesToSysDataImagesJob"
    COPY_TO_REGION = "imsCrossRegionCopyImageJob"
    # and of the Image API, where a job is a task
    IMPORT = "api_image_import"
    IMPORT_NEW = "import"
    ADD_LOCATION = "location_import"


#: Jobs that the Image API shows as tasks. They are about an image each.
TASK_KINDS = (JobKind.IMPORT, JobKind.IMPORT_NEW, JobKind.ADD_LOCATION)


class Location(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a copy of an image's data lies: the id of a store and the key in it, which in a store of other
    people's data is a URL. `metadata`: what whoever named the place said of it."""

    store: str
    key: str
    metadata: dict[str, Any] = {}

    @property
    def is_foreign(self) -> bool:
        """Whether the bytes are somebody else's: they are not removed with the image."""
        return "://" in self.key


class Image(msgspec.Struct, frozen=True):
    """An image, whole. Sizes in bytes, `min_disk` in GB, `min_ram` in MB; None means not known.

    Rows are made into images by position (`sql/images.py`), which costs a third of what it does by name, and
    is a good part of what a list costs. All other code names the fields.
    """

    id: str
    owner: str | None
    name: str | None
    status: str
    visibility: str
    container_format: str | None
    disk_format: str | None
    min_disk: int
    min_ram: int
    protected: bool
    os_hidden: bool
    size: int | None
    virtual_size: int | None
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    tags: tuple[str, ...]
    properties: dict[str, str]
    locations: tuple[Location, ...]
    created_at: int
    updated_at: int
    #: When it became `active` first; None before, and of images that were so before this was kept.
    active_at: int | None = None


#: The end of what has none, microseconds: so that a comparison needs no test for null.
NEVER = 2**62


class Member(msgspec.Struct, frozen=True):
    """One recipient's membership of one image. `member_id`: a project's id, or a `member_key`. `vault_id`:
    the backup vault that a recipient named for an image made from a backup.

    `offered_at`, `offered_by` (a user's id): of the offer, the last one; `answered_at`: None while it is
    pending. From `ends_at` on the membership is absent; once the offer is answered that is `expires_at`.
    `family_id`: the family it was inherited from, None if it was given directly.
    """

    image_id: str
    member_id: str
    status: str
    created_at: int
    updated_at: int
    vault_id: str | None = None
    offered_at: int | None = None
    offered_by: str | None = None
    answered_at: int | None = None
    message: str | None = None
    ends_at: int = NEVER
    expires_at: int = NEVER
    family_id: str | None = None


class JobInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a job works on; `job_inputs.py` has one for each kind."""


class Failure(NamedTuple):
    """What could not be done of a job, and why. `image_id`, `member_id` None: for none of them."""

    image_id: str | None
    member_id: str | None
    reason: str
    message: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for as a job. `input` is of the kind that `kind` says. `progress` in percent.

    A task of the Image API has besides: the image that it is about, who asked for it and by which request,
    when it last reported its progress, and the message."""

    id: str
    kind: str
    project_id: str
    status: str
    input: JobInput
    failures: tuple[Failure, ...]
    begin_at: int
    end_at: int | None
    progress: int = 0
    image_id: str | None = None
    user_id: str | None = None
    request_id: str | None = None
    told_at: int | None = None
    message: str = ""


class Target(msgspec.Struct, frozen=True):
    """What a rule may look at: whose image it is, who sees it, and on which side the caller stands. `image`:
    all the rest of it, None where there is no image yet or the thing is none (a namespace)."""

    owner: str | None
    visibility: str
    is_member: bool = False
    image: Image | None = None


class ImageTarget(Target, frozen=True, kw_only=True):
    """An image that is there, and on which side the caller stands."""

    image: Image


Rule = Callable[["Caller", Target], bool]


class Protection(msgspec.Struct, frozen=True):
    """Who may do what with the properties in whose names `pattern` is found. `rights`: one for each of
    create, read, update and delete."""

    pattern: re.Pattern[str]
    rights: Mapping[str, Rule]


class Policy(msgspec.Struct, frozen=True, eq=False):
    """The rules in force, by the names of Glance's policies; `policy.py` has those of the code.
    `protections` of properties, the first that fits counts; None: every property is free."""

    rules: Mapping[str, Rule]
    protections: tuple[Protection, ...] | None = None

    def __repr__(self) -> str:
        return f"<Policy of {len(self.rules)} rules>"


class Caller(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Who asks, as identity found it, and the rules that judge it.

    `roles` and `service_roles` are lower case; `roles` hold what they imply (admin ⊃ manager ⊃ member ⊃
    reader). `project_id` is None for a token that has no project; `domain_id` is the domain that the project
    belongs to, `organizations` are the `member_id`s of all organisations and units that it is within.
    `service_roles` are those of a service token that came beside the caller's own. `system_scope` is "all"
    for a token that is for the system, not for a project.
    """

    user_id: str
    project_id: str | None
    roles: frozenset[str]
    policy: Policy
    domain_id: str | None = None
    user_domain_id: str | None = None
    organizations: tuple[str, ...] = ()
    service_roles: frozenset[str] = frozenset()
    system_scope: str | None = None
    #: What the rule `context_is_admin` says of the caller. Worked out here, once, whatever is given.
    is_admin: bool = False

    def __post_init__(self) -> None:
        # False while the rule is asked, as in Glance: a rule that asks for itself finds nothing.
        msgspec.structs.force_setattr(self, "is_admin", False)
        admin = self.has_scope and self.policy.rules["context_is_admin"](
            self, Target(self.project_id, Visibility.PRIVATE)
        )
        msgspec.structs.force_setattr(self, "is_admin", admin)

    @cached_property
    def has_scope(self) -> bool:
        """Whether the token is for a project. No other gives any right (all of Glance's rules have the scope
        type project), not even to an admin."""
        return self.project_id is not None and self.system_scope is None

    @cached_property
    def member_ids(self) -> tuple[str | None, ...]:
        """The `member_id`s that make an image shared with the caller: its project's, its domain's, those of
        its organisations."""
        if self.project_id is None:
            return None, None
        of_domain = domain_key(self.domain_id) if self.domain_id is not None else None
        return self.project_id, of_domain, *self.organizations

    @property
    def groups(self) -> tuple[str, ...]:
        """Those of the `member_ids` that many projects have: nobody of them is asked."""
        return tuple(one for one in self.member_ids[1:] if one is not None)


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that wait to be imported: where they lie, how many there are, and how many of the configured
    plugins have worked on them."""

    store: str
    key: str
    size: int
    plugins_done: int = 0


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt of the bytes of an upload. Sizes in bytes, hashes in hex."""

    size: int
    virtual_size: int | None
    checksum: str
    os_hash_algo: str
    os_hash_value: str
