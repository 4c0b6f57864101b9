"""The query string of GET /v2/images → `ListQuery` (Image API v2, "List images"; "Filtering", "Sorting")."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import urlencode

from transom.config import Settings
from transom.domain.errors import InvalidError
from transom.domain.listing import SORT_KEYS, Condition, ListQuery, Op, SortKey
from transom.domain.model import MemberStatus, Visibility

_VISIBILITIES = frozenset({*Visibility, "all"})
_MEMBER_STATUSES = frozenset({*MemberStatus, "all"})
_IN_OPERATOR = frozenset({"name", "id", "status", "container_format", "disk_format"})
_OPERATORS = frozenset({"eq", "in", "neq", "gt", "gte", "lt", "lte"})
TIMES = frozenset({"created_at", "updated_at"})
NUMBERS = frozenset({"size", "virtual_size", "min_disk", "min_ram"})
_TEXTS = frozenset({"owner", "checksum", "os_hash_value", "os_hash_algo"})
#: Neither a filter nor a property: they steer the list.
_STEERING = frozenset(
    {"limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "member_status", "os_hidden"}
)
#: Each is a term of the statement, and databases bound those.
_MOST_VALUES = 200
_SECOND_US = 1_000_000
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,1000}\s*")
#: A value of `in:`, quoted or not, with what stands before it.
_LISTED = re.compile(r'(?:^|,)(?:"((?:[^"\\]|\\.)*)"|([^",]*))')
_LIST = re.compile(rf"(?:{_LISTED.pattern})*")
_ESCAPED = re.compile(r"\\(.)")
#: A year, or a month.
_COARSE_TIME = re.compile(r"[0-9]{4}(-[0-9]{2})?")
#: Largest integer both databases keep; no image has a number beyond it.
_MAX_NUMBER = 2**63 - 1


def parse_list_query(pairs: list[tuple[str, str]], settings: Settings) -> ListQuery:
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
        conditions=conditions,
        sort=parse_sort(pairs),
        limit=parse_limit(given.get("limit"), settings.limit_param_default, settings.api_limit_max),
        marker=given.get("marker"),
    )


def refuse_nul(pairs: list[tuple[str, str]]) -> None:
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise InvalidError("Query parameters can't contain NUL characters.")


def refuse_too_many(conditions: Iterable[Condition]) -> None:
    if sum(len(condition.values) for condition in conditions) > _MOST_VALUES:
        raise InvalidError(f"Too many filters: a list takes at most {_MOST_VALUES} values.")


def page_link(path: str, pairs: list[tuple[str, str]], marker: str | None) -> str:
    """A link to the list at `path` from its start, or from past `marker`; repeated parameters are kept."""
    kept = [pair for pair in pairs if pair[0] != "marker"]
    if marker is not None:
        kept.append(("marker", marker))
    return f"{path}?{urlencode(kept)}" if kept else path


def parse_limit(text: str | None, default: int, most: int) -> int:
    if text is None:
        return min(default, most)
    if not _INTEGER.fullmatch(text):
        raise InvalidError("limit param must be an integer")
    limit = int(text)
    if limit < 0:
        raise InvalidError("limit param must be positive")
    return min(limit, most)


def _parse_visibility(value: str | None) -> str | None:
    if value is not None and value not in _VISIBILITIES:
        raise InvalidError(f"Invalid visibility value: {value}")
    return value


def parse_member_status(value: str | None) -> tuple[str, ...]:
    if value is None:
        return (MemberStatus.ACCEPTED,)
    if value not in _MEMBER_STATUSES:
        raise InvalidError(f"Invalid status: {value}")
    return tuple(MemberStatus) if value == "all" else (value,)


def parse_hidden(value: str | None) -> bool:
    return value is not None and parse_boolean("os_hidden", value, value.lower())


def parse_boolean(name: str, shown: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidError(
            f"Invalid value '{shown}' for '{name}' filter. Valid values are 'true' or 'false'."
        )
    return text == "true"


# ---- sorting


def parse_sort(pairs: list[tuple[str, str]]) -> tuple[SortKey, ...]:
    sorts = [value for name, value in pairs if name == "sort"]
    keys = [value for name, value in pairs if name == "sort_key"]
    dirs = [value for name, value in pairs if name == "sort_dir"]
    if sorts and (keys or dirs):
        raise InvalidError("Old and new sorting syntax cannot be combined")
    chosen = _parse_new_sort(sorts[-1]) if sorts else _parse_old_sort(keys, dirs)
    # created_at and id make the order total; they run as the one direction that was named, if it was one.
    directions = sorts[-1].count(",") + 1 if sorts else len(dirs)
    descending = chosen[0].descending if directions == 1 else True
    named = {key.key for key in chosen}
    ties = [SortKey(key, descending) for key in ("created_at", "id") if key not in named]
    return (*chosen, *ties)


def _parse_new_sort(text: str) -> list[SortKey]:
    chosen: dict[str, SortKey] = {}
    for part in text.split(","):
        key, _, way = part.strip().partition(":")
        chosen.setdefault(_sort_key(key.strip()), SortKey(key.strip(), _is_descending(way.strip() or "desc")))
    return list(chosen.values())


def _parse_old_sort(keys: list[str], dirs: list[str]) -> list[SortKey]:
    keys = [_sort_key(key.strip()) for key in keys] or ["created_at"]
    ways = [_is_descending(way.strip()) for way in dirs] or [True]
    if len(ways) == 1:
        ways *= len(keys)
    if len(ways) != len(keys):
        raise InvalidError("Number of sort dirs does not match the number of sort keys")
    chosen: dict[str, SortKey] = {}
    for key, descending in zip(keys, ways, strict=True):
        chosen.setdefault(key, SortKey(key, descending))
    return list(chosen.values())


def _sort_key(key: str) -> str:
    if key not in SORT_KEYS:
        raise InvalidError(
            f"Invalid sort key: {key}. It must be one of the following: {', '.join(SORT_KEYS)}."
        )
    return key


def _is_descending(way: str) -> bool:
    if way not in ("asc", "desc"):
        raise InvalidError(f"Invalid sort direction: {way}")
    return way == "desc"


# ---- filters


Parsers = tuple[tuple[frozenset[str], Callable[[str, str], list[Condition]]], ...]


def parse_filter(name: str, value: str, parsers: Parsers) -> list[Condition]:
    """The conditions of one parameter. `parsers`: which names are read how; any other is a property's."""
    for handled, parse in parsers:
        if name in handled:
            return parse(name, value)
    for suffix, op in (("_min", Op.GE), ("_max", Op.LE)):
        if name.endswith(suffix) and name.removesuffix(suffix) in NUMBERS:
            bound = _number(value, "Unable to filter on a range with a non-numeric value.")
            return [Condition(name.removesuffix(suffix), op, (bound,))]
    return [Condition(name, Op.PROPERTY, (value,))]


def _refuse_changes_since(_name: str, value: str) -> list[Condition]:
    if value:
        raise InvalidError('The "changes-since" filter is no longer available on v2.')
    return []


def ignore(_name: str, _value: str) -> list[Condition]:
    return []


def _parse_tag(_name: str, value: str) -> list[Condition]:
    return [Condition("tags", Op.TAG, (value.strip(),))]


def _parse_protected(name: str, value: str) -> list[Condition]:
    return [Condition(name, Op.EQ, (parse_boolean(name, value, value),))]


def parse_text(name: str, value: str) -> list[Condition]:
    return [Condition(name, Op.EQ, (value,))]


def parse_number(name: str, value: str) -> list[Condition]:
    return [
        Condition(
            name, Op.EQ, (_number(value, f"Invalid value '{value}' for '{name}' filter: not a number."),)
        )
    ]


def _number(text: str, refusal: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise InvalidError(refusal)
    return max(-_MAX_NUMBER, min(_MAX_NUMBER, int(text)))


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
    if not _LIST.fullmatch(text):
        raise InvalidError(f"Invalid filter value '{text}' for '{name}': quotes go around a whole value.")
    values = [
        _ESCAPED.sub(r"\1", found[1]) if found[1] else found[2] or "" for found in _LISTED.finditer(text)
    ]
    return tuple(values if text and not text.endswith(",") else values[:-1])


def parse_time(name: str, value: str) -> list[Condition]:
    """Times are shown in whole seconds and compared so: `eq` is true all through its second."""
    prefix, colon, rest = value.partition(":")
    operator, text = (prefix, rest) if colon and prefix.isalpha() else ("eq", value)
    if operator not in _TIME_CONDITIONS:
        raise InvalidError(f"Unable to filter by unknown operator '{operator}'.")
    return _TIME_CONDITIONS[operator](name, _second_of(name, text))


def _second_of(name: str, text: str) -> int:
    if _COARSE_TIME.fullmatch(text):
        text += "0000-01-01"[len(text) :]
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() // 1) * _SECOND_US
    except (ValueError, OverflowError):
        raise InvalidError(f'Bad "{name}" query filter format. Use ISO 8601 DateTime notation.') from None


_TIME_CONDITIONS: dict[str, Callable[[str, int], list[Condition]]] = {
    "gt": lambda name, at: [Condition(name, Op.GE, (at + _SECOND_US,))],
    "gte": lambda name, at: [Condition(name, Op.GE, (at,))],
    "lt": lambda name, at: [Condition(name, Op.LT, (at,))],
    "lte": lambda name, at: [Condition(name, Op.LT, (at + _SECOND_US,))],
    "eq": lambda name, at: [Condition(name, Op.GE, (at,)), Condition(name, Op.LT, (at + _SECOND_US,))],
    "neq": lambda name, at: [Condition(name, Op.NOT_WITHIN, (at, at + _SECOND_US))],
}

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
