"""What the lists of both APIs read alike in a query: limits, sorting, filters on numbers and times.

`Parsers` says which names a list knows; `parse_filter` reads one parameter by it.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec

from transom.domain.errors import InvalidError
from transom.domain.listing import SORT_KEYS, Condition, Op, SortKey
from transom.domain.model import MemberStatus
from transom.domain.times import SECOND_US

_MEMBER_STATUSES = frozenset({*MemberStatus, "all"})
TIMES = frozenset({"created_at", "updated_at"})
NUMBERS = frozenset({"size", "virtual_size", "min_disk", "min_ram"})
#: Each is a term of the statement, and databases bound those.
_MOST_VALUES = 200
#: In one `sort`. Of keys that are named twice the first one counts.
_MOST_SORT_KEYS = 100
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,1000}\s*")
#: A year, or a month.
_COARSE_TIME = re.compile(r"[0-9]{4}(-[0-9]{2})?")
#: Largest integer both databases keep; no image has a number beyond it.
_MAX_NUMBER = 2**63 - 1


def refuse_nul(pairs: list[tuple[str, str]]) -> None:
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise InvalidError("Query parameters can't contain NUL characters.")


def refuse_too_many(conditions: Iterable[Condition]) -> None:
    refuse_too_many_values(sum(len(condition.values) for condition in conditions))


def refuse_too_many_values(count: int) -> None:
    if count > _MOST_VALUES:
        raise InvalidError(f"Too many filters: a list takes at most {_MOST_VALUES} values.")


def page_link(path: str, pairs: list[tuple[str, str]], marker: str | None) -> str:
    """A link to the list at `path` from its start, or from past `marker`; repeated parameters are kept."""
    kept = [pair for pair in pairs if pair[0] != "marker"]
    if marker is not None:
        kept.append(("marker", marker))
    return f"{path}?{urlencode(kept)}" if kept else path


def parse_limit(text: str | None, default: int, largest: int) -> int:
    if text is None:
        return min(default, largest)
    if not _INTEGER.fullmatch(text):
        raise InvalidError("limit param must be an integer")
    limit = int(text)
    if limit < 0:
        raise InvalidError("limit param must be positive")
    return min(limit, largest)


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
    """The order that `sort`, or `sort_key` and `sort_dir`, ask for, made total by created_at and id.
    InvalidError for both syntaxes at once, or a key or direction that there is not."""
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
    if text.count(",") >= _MOST_SORT_KEYS:
        raise InvalidError(f"Too many sort keys: a list takes at most {_MOST_SORT_KEYS}.")
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


def mark_indexed(conditions: Iterable[Condition], properties: frozenset[str]) -> tuple[Condition, ...]:
    """The conditions, those of `properties`, which have indexes, marked so."""
    return tuple(
        msgspec.structs.replace(one, is_indexed=True)
        if one.op is Op.PROPERTY and one.where_absent is None and one.field in properties
        else one
        for one in conditions
    )


def ignore(_name: str, _value: str) -> list[Condition]:
    return []


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
        return int(moment.timestamp() // 1) * SECOND_US
    except (ValueError, OverflowError):
        raise InvalidError(f'Bad "{name}" query filter format. Use ISO 8601 DateTime notation.') from None


_TIME_CONDITIONS: dict[str, Callable[[str, int], list[Condition]]] = {
    "gt": lambda name, at: [Condition(name, Op.GE, (at + SECOND_US,))],
    "gte": lambda name, at: [Condition(name, Op.GE, (at,))],
    "lt": lambda name, at: [Condition(name, Op.LT, (at,))],
    "lte": lambda name, at: [Condition(name, Op.LT, (at + SECOND_US,))],
    "eq": lambda name, at: [Condition(name, Op.GE, (at,)), Condition(name, Op.LT, (at + SECOND_US,))],
    "neq": lambda name, at: [Condition(name, Op.NOT_WITHIN, (at, at + SECOND_US))],
}
