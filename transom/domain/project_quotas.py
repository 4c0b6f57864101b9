"""What a project may have of images, as the operator of a cloud registers it in Keystone ("unified limits").

Names and units are Glance's, so that limits which were registered for it hold as they are. What nobody has
registered is 0: a cloud whose limits are not found must not be one without limits.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from transom.domain.errors import LimitExceededError, Reason

MIB = 1 << 20
UNLIMITED = -1


class Limit(StrEnum):
    """Sizes are in MiB, rounded down."""

    SIZE = "image_size_total"
    STAGED = "image_stage_total"
    COUNT = "image_count_total"
    UPLOADING = "image_count_uploading"


#: Limits that are sizes.
_SIZES = (Limit.SIZE, Limit.STAGED)

#: What one project may have of each.
ProjectLimits = Mapping[Limit, int]


class GivenLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit as it is kept. `region_id`: None when it holds in every region that has none of its own."""

    name: str
    region_id: str | None
    value: int


def choose_limits(
    own: Iterable[GivenLimit], registered: Iterable[GivenLimit], region_id: str
) -> dict[Limit, int]:
    """The limits that hold for a project: its `own` limits override those `registered` for all, and within
    each, those of the region override those of all regions."""
    chosen = dict.fromkeys(Limit, 0)
    for given in (registered, own):
        for limit in sorted(given, key=lambda limit: limit.region_id is not None):
            if limit.name in chosen and limit.region_id in (None, region_id):
                chosen[Limit(limit.name)] = limit.value
    return chosen


def in_unit(name: Limit, amount: int) -> int:
    """Bytes, or a number of images, in the unit of the limit."""
    return amount // MIB if name in _SIZES else amount


def require_room(project_id: str | None, name: Limit, limit: int, used: int, delta: int = 0) -> None:
    """LimitExceededError when the project would have more than the limit; all three in its unit. A project
    that is at its limit and asks for nothing more is not over it."""
    if 0 <= limit < used + delta:
        raise LimitExceededError(
            f"Project {project_id} is over a limit: Resource {name} is over limit of {limit} "
            f"due to current usage {used} and delta {delta}",
            Reason.IMAGE_QUOTA,
        )
