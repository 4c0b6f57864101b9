"""The records. Frozen: a change is a new value, made with `msgspec.structs.replace`.

Times are integer microseconds since the epoch, UTC.
"""

from enum import StrEnum

import msgspec


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
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


class MemberStatus(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where a copy of an image's data lies: the name of a store and the key in it."""

    store: str
    key: str


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image, whole. Sizes in bytes, `min_disk` in GB, `min_ram` in MB; None means not known."""

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


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One project's membership of one image."""

    image_id: str
    member_id: str
    status: str
    created_at: int
    updated_at: int


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as identity found it. `roles` are lower case and hold what they imply (admin ⊃ manager ⊃
    member ⊃ reader). `project_id` is None for a token that has no project."""

    user_id: str
    project_id: str | None
    roles: frozenset[str]

    @property
    def is_admin(self) -> bool:
        """Glance's `context_is_admin`, for a token with a project: system scope gives no rights on images."""
        return "admin" in self.roles and self.project_id is not None


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt of the bytes of an upload. Sizes in bytes, hashes in hex."""

    size: int
    virtual_size: int | None
    checksum: str
    os_hash_algo: str
    os_hash_value: str
