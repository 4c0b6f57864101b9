"""The query string of the IMS API's lists of images → `ListQuery` (IMS API, "Querying images").

Names are matched exactly, there are no `in:` lists. What is not known by name is a property's, as in the
OpenStack API: that is what `__os_type`, `__support_kvm`, `virtual_env_type` and their like are.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from transom.api.options import ListOptions
from transom.api.queries import (
    NUMBERS,
    TIMES,
    Parsers,
    ignore,
    mark_indexed,
    parse_boolean,
    parse_filter,
    parse_hidden,
    parse_limit,
    parse_member_status,
    parse_number,
    parse_sort,
    parse_text,
    parse_time,
    refuse_nul,
    refuse_too_many,
)
from transom.domain.attributes import (
    ACTIVE_AT,
    ARCHITECTURE,
    ENTERPRISE_PROJECT,
    IMAGE_SOURCE,
    SUPPORT_ARM,
    SWITCHED_ON,
    SWITCHES,
    statuses_shown_as,
)
from transom.domain.errors import InvalidError, Reason
from transom.domain.listing import NOTHING, RECEIVED, Condition, ListQuery, Op
from transom.domain.model import Visibility
from transom.domain.tags import parse_tag_filter

_VISIBILITIES = frozenset(Visibility)
#: Neither a filter nor a property. `flavor_id`: there are no flavors here to choose images by.
_STEERING = frozenset(
    {
        *("limit", "marker", "sort", "sort_key", "sort_dir", "os_hidden", "flavor_id"),
        *("visibility", "member_status", "__imagetype", "__isregistered", "__image_source_type"),
    }
)
_TEXTS = frozenset(
    {
        *("id", "name", "owner", "container_format", "disk_format"),
        *("checksum", "os_hash_value", "os_hash_algo"),
    }
)
#: `__imagetype` → the visibilities it stands for, the first of them unless `visibility` names another. There
#: is no market here.
_IMAGE_TYPES: dict[str, tuple[Visibility, ...]] = {
    "gold": (Visibility.PUBLIC, Visibility.COMMUNITY),
    "private": (Visibility.PRIVATE,),
    "shared": (Visibility.SHARED,),
    "market": (),
}


def parse_ims_list_query(pairs: list[tuple[str, str]], options: ListOptions, default_limit: int) -> ListQuery:
    """Raises InvalidError (BAD_URL) for a value that a parameter does not take, naming the parameter.
    `default_limit`: images in a page when `limit` is not given."""
    given = dict(pairs)
    with _blaming("query"):
        refuse_nul(pairs)
    with _blaming("limit"):
        limit = parse_limit(given.get("limit"), default_limit, options.api_limit_max)
    with _blaming("sort_key, sort_dir"):
        sort = parse_sort(pairs)
    with _blaming("member_status"):
        member_statuses = parse_member_status(given.get("member_status"))
    with _blaming("os_hidden"):
        os_hidden = parse_hidden(given.get("os_hidden"))
    return ListQuery(
        visibility=_wanted(given),
        member_statuses=member_statuses,
        os_hidden=os_hidden,
        conditions=mark_indexed(_parse_filters(pairs), options.with_indexes),
        sort=sort,
        limit=limit,
        size_limit=options.list_size_limit,
        marker=given.get("marker"),
    )


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    try:
        yield
    except InvalidError as error:
        text = str(error)
        raise InvalidError(text if text.startswith(name) else f"{name}: {text}", Reason.BAD_URL) from None


def _wanted(given: dict[str, str]) -> str | None:
    """The visibility that the list is confined to, or RECEIVED or NOTHING; None: the default list."""
    visibility, kind = given.get("visibility"), given.get("__imagetype")
    if visibility is not None and visibility not in _VISIBILITIES:
        raise _none_of("visibility", visibility, list(Visibility))
    if kind is not None and kind not in _IMAGE_TYPES:
        raise _none_of("__imagetype", kind, list(_IMAGE_TYPES))
    if not _holds_of_every_image(given):
        return NOTHING
    if kind is not None:
        possible = _IMAGE_TYPES[kind]
        if visibility is None:
            visibility = next(iter(possible), NOTHING)
        elif visibility not in possible:
            return NOTHING
    if "member_status" in given and visibility in (None, Visibility.SHARED):
        # It narrows the list to what was received (IMS API, "Querying images").
        return RECEIVED
    return visibility


def _holds_of_every_image(given: dict[str, str]) -> bool:
    return (
        given.get("__isregistered", "true").lower() == "true"
        and given.get("__image_source_type", IMAGE_SOURCE) == IMAGE_SOURCE
    )


def _none_of(name: str, value: str, allowed: list[str]) -> InvalidError:
    return InvalidError(f"{name}: {value!r} is not one of {', '.join(allowed)}.", Reason.BAD_URL)


# ---- filters


def _parse_filters(pairs: list[tuple[str, str]]) -> tuple[Condition, ...]:
    conditions: list[Condition] = []
    for name, value in pairs:
        if name not in _STEERING and not name.lower().startswith("x-"):
            with _blaming(name):
                conditions += parse_filter(name, value, _PARSERS)
    with _blaming("query"):
        refuse_too_many(conditions)
    return tuple(conditions)


def _parse_status(name: str, value: str) -> list[Condition]:
    """As images are shown."""
    return [Condition(name, Op.IN, statuses_shown_as(value))]


def _parse_protected(name: str, value: str) -> list[Condition]:
    return [Condition(name, Op.EQ, (parse_boolean(name, value, value.lower()),))]


def _parse_switch(name: str, value: str) -> list[Condition]:
    return [_has_switch(name, is_on=parse_boolean(name, value, value.lower()))]


def _has_switch(name: str, *, is_on: bool) -> Condition:
    return Condition(name, Op.PROPERTY if is_on else Op.WITHOUT_PROPERTY, SWITCHED_ON)


def _parse_architecture(name: str, value: str) -> list[Condition]:
    """As images are shown: one that does not say is x86, unless it is said to support ARM."""
    derived = _has_switch(SUPPORT_ARM, is_on=value == "arm") if value in ("x86", "arm") else None
    return [Condition(name, Op.PROPERTY, (value,), derived)]


def _parse_enterprise_project(name: str, value: str) -> list[Condition]:
    """An image that names none is in the default one, 0."""
    if value == "all_granted_eps":
        return []
    if value == "0":
        return [Condition(name, Op.PROPERTY_OR_ABSENT, ("0", ""))]
    return [Condition(name, Op.PROPERTY, (value,))]


def _parse_changes_since(_name: str, value: str) -> list[Condition]:
    return parse_time("updated_at", f"gte:{value}")


def _parse_tag(_name: str, value: str) -> list[Condition]:
    return [parse_tag_filter(value)]


_PARSERS: Parsers = (
    (_TEXTS, parse_text),
    (frozenset({"status"}), _parse_status),
    (frozenset({"protected"}), _parse_protected),
    (NUMBERS, parse_number),
    (TIMES | {ACTIVE_AT}, parse_time),
    (frozenset({"changes-since"}), _parse_changes_since),
    (frozenset({"deleted"}), ignore),
    (frozenset({"tag"}), _parse_tag),
    (SWITCHES, _parse_switch),
    (frozenset({ARCHITECTURE}), _parse_architecture),
    (frozenset({ENTERPRISE_PROJECT}), _parse_enterprise_project),
)
