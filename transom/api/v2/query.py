"""The query string of GET /v2/images → `ListQuery` (Image API v2, "List images"; "Filtering", "Sorting")."""

import re

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
    refuse_too_many_values,
)
from transom.domain.errors import InvalidError
from transom.domain.listing import Condition, ListQuery, Op
from transom.domain.model import Visibility

_VISIBILITIES = frozenset({*Visibility, "all"})
_IN_OPERATOR = frozenset({"name", "id", "status", "container_format", "disk_format"})
_OPERATORS = frozenset({"eq", "in", "neq", "gt", "gte", "lt", "lte"})
_TEXTS = frozenset({"owner", "checksum", "os_hash_value", "os_hash_algo"})
#: Neither a filter nor a property: they steer the list.
_STEERING = frozenset(
    {"limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "member_status", "os_hidden"}
)
#: A value of `in:`, quoted or not.
_LISTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"|([^",]*)')


def parse_list_query(pairs: list[tuple[str, str]], options: ListOptions) -> ListQuery:
    """Raises InvalidError for a parameter or value that the list does not take, naming it."""
    refuse_nul(pairs)
    given = dict(pairs)
    conditions = tuple(
        condition
        for name, value in pairs
        if name not in _STEERING
        for condition in parse_filter(name, value, _PARSERS)
    )
    refuse_too_many(conditions)
    return ListQuery(
        visibility=_parse_visibility(given.get("visibility")),
        member_statuses=parse_member_status(given.get("member_status")),
        os_hidden=parse_hidden(given.get("os_hidden")),
        conditions=mark_indexed(conditions, options.with_indexes),
        sort=parse_sort(pairs),
        limit=parse_limit(given.get("limit"), options.limit_param_default, options.api_limit_max),
        size_limit=options.list_size_limit,
        marker=given.get("marker"),
    )


def _parse_visibility(value: str | None) -> str | None:
    if value is not None and value not in _VISIBILITIES:
        raise InvalidError(f"Invalid visibility value: {value}")
    return value


# ---- filters


def _refuse_changes_since(_name: str, value: str) -> list[Condition]:
    if value:
        raise InvalidError('The "changes-since" filter is no longer available on v2.')
    return []


def _parse_tag(_name: str, value: str) -> list[Condition]:
    return [Condition("tags", Op.TAG, (value.strip(),))]


def _parse_protected(name: str, value: str) -> list[Condition]:
    return [Condition(name, Op.EQ, (parse_boolean(name, value, value),))]


def _parse_operator_text(name: str, value: str) -> list[Condition]:
    operator, colon, rest = value.partition(":")
    # Names may hold a colon ("Debian 8 22:10"), and clients look images up by the bare name.
    is_plain = not colon or (name == "name" and operator not in _OPERATORS)
    if is_plain or operator == "eq":
        return [Condition(name, Op.EQ, (value if is_plain else rest,))]
    if operator != "in":
        raise InvalidError(f"Unable to filter by unknown operator '{operator}'.")
    return [Condition(name, Op.IN, _split_quoted(name, rest))]


def _split_quoted(name: str, text: str) -> tuple[str, ...]:
    """The values of `in:a,b,"c,d"`; a comma at the end is none's."""
    values: list[str] = []
    at = 0
    while at < len(text):
        # It always matches, if nothing else an empty value.
        if (found := _LISTED.match(text, at)) is None or text[found.end() : found.end() + 1] not in ("", ","):
            raise InvalidError(f"Invalid filter value '{text}' for '{name}': quotes go around a whole value.")
        values.append(_unescape(found[1]) if found[1] else found[2] or "")
        refuse_too_many_values(len(values))
        at = found.end() + 1
    return tuple(values)


def _unescape(text: str) -> str:
    """What stands for itself behind each backslash."""
    return "\\".join(part.replace("\\", "") for part in text.split("\\\\"))


_PARSERS: Parsers = (
    (frozenset({"changes-since"}), _refuse_changes_since),
    (frozenset({"deleted"}), ignore),
    (frozenset({"tag"}), _parse_tag),
    (frozenset({"protected"}), _parse_protected),
    (_IN_OPERATOR, _parse_operator_text),
    (TIMES, parse_time),
    (NUMBERS, parse_number),
    (_TEXTS, parse_text),
)
