"""What operators look at: how much there is of what, in the whole service."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class StoreUse(msgspec.Struct, frozen=True, kw_only=True):
    """How many images have data in a store, and the bytes of their copies there."""

    images: int
    size: int


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """`uploads`: images whose data is on its way, by status. `latency_us`: of a short look into the database;
    `behind_us`: how long the event has waited for its number that waits longest. `stores`: by id, of those
    that images have data in."""

    is_writable: bool
    latency_us: int
    behind_us: int
    uploads: Mapping[str, int]
    jobs: Mapping[str, int]
    hooks: Mapping[str, int]
    stores: Mapping[str, StoreUse]


class HookState(StrEnum):
    WORKING = "working"
    FAILING = "failing"
    DISABLED = "disabled"


class UseSort(StrEnum):
    """What the projects are listed by, most first."""

    BYTES = "bytes"
    IMAGES = "images"
    GIVEN = "given"
    TAKEN = "taken"


class ProjectUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a project has. `given`: memberships of its shared images, whatever was answered; `taken`: images
    of others that it has accepted. `rank`: the number that the list is sorted by."""

    project_id: str
    images: int
    size: int
    given: int
    taken: int
    rank: int
