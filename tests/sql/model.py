"""The list of images as the reference tells it (3.2 and 4.9), in plain Python over all images there are.

Slow and obvious: what `sql/listing.py` answers is compared with it. It shares no code with the service but
the records.
"""

from collections.abc import Callable
from typing import Any

from transom.domain.listing import Condition, ListQuery, Op, SortKey
from transom.domain.model import Caller, Image, Member


def expected_list(
    images: list[Image], members: list[Member], caller: Caller, query: ListQuery
) -> list[Image]:
    """All images of the list, in order, without a limit."""
    of_project = {one.image_id: one.status for one in members if one.member_id == caller.project_id}
    offered = {image_id for image_id, status in of_project.items() if status in query.member_statuses}
    if "accepted" in query.member_statuses:
        own = {image.id for image in images if image.owner == caller.project_id}
        of_groups = {
            one.image_id for one in members if one.member_id in caller.groups and one.status == "accepted"
        }
        offered |= of_groups - of_project.keys() - own
    found = [
        image
        for image in images
        if image.os_hidden is query.os_hidden
        and _is_listed(image, caller, query.visibility, image.visibility == "shared" and image.id in offered)
        and all(_meets(image, condition) for condition in query.conditions)
    ]
    # Sorting by the last key first: Python's sort is stable.
    for key in reversed(query.sort):
        found.sort(key=_null_last(key), reverse=key.descending)
    return found


def _is_listed(image: Image, caller: Caller, visibility: str | None, is_offered: bool) -> bool:
    own = image.owner == caller.project_id
    if caller.is_admin:
        by_filter = {None: image.visibility != "community" or own, "all": True}
        return by_filter.get(visibility, image.visibility == visibility)
    return {
        None: own or image.visibility == "public" or is_offered,
        "all": own or image.visibility in ("public", "community") or is_offered,
        "public": image.visibility == "public",
        "community": image.visibility == "community",
        "private": own and image.visibility == "private",
        "shared": (own and image.visibility == "shared") or is_offered,
    }[visibility]


def _meets(image: Image, condition: Condition) -> bool:
    if condition.op is Op.TAG:
        return condition.values[0] in image.tags
    if condition.op is Op.PROPERTY:
        return image.properties.get(condition.field) == condition.values[0]
    value = getattr(image, condition.field)
    return value is not None and _COMPARISONS[condition.op](value, condition.values)


_COMPARISONS: dict[Op, Callable[[Any, tuple[Any, ...]], bool]] = {
    Op.EQ: lambda value, bounds: bool(value == bounds[0]),
    Op.LT: lambda value, bounds: bool(value < bounds[0]),
    Op.LE: lambda value, bounds: bool(value <= bounds[0]),
    Op.GE: lambda value, bounds: bool(value >= bounds[0]),
    Op.IN: lambda value, bounds: value in bounds,
    Op.NOT_WITHIN: lambda value, bounds: bool(value < bounds[0] or value >= bounds[1]),
}


def _null_last(key: SortKey) -> Callable[[Image], tuple[bool, Any]]:
    """Null counts as the largest value."""

    def of_image(image: Image) -> tuple[bool, Any]:
        value = getattr(image, key.key)
        return value is None, value if value is not None else 0

    return of_image
