"""A property protection file, as Glance reads it → `Protection`s.

An INI file: each section is a pattern (a regular expression, found anywhere in a property's name) and has the
keys create, read, update and delete. A value names roles, or one rule of the policy; `@` is everybody, `!`
nobody. The order of the sections counts.

All functions raise ValueError, whose text names the section.
"""

import configparser
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from transom.domain.fields import RESERVED_PREFIXES
from transom.domain.model import Caller, Protection, Rule, Target
from transom.domain.protection import ACTIONS

_log = logging.getLogger(__name__)


class Section(NamedTuple):
    """`names`: action → what the file names for it."""

    pattern: re.Pattern[str]
    names: Mapping[str, tuple[str, ...]]


def read_sections(path: Path) -> list[Section]:
    parser = configparser.ConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        # Sections for what the service keeps for itself mean nothing.
        names = [name for name in parser.sections() if not name.startswith(RESERVED_PREFIXES)]
        return [_read_section(name, parser[name]) for name in names]
    except OSError as error:
        raise ValueError(error.strerror) from None
    except configparser.Error as error:
        raise ValueError(" ".join(str(error).split())) from None


def _read_section(name: str, values: Mapping[str, str]) -> Section:
    try:
        pattern = re.compile(name)
    except re.error as error:
        raise ValueError(f"section [{name}]: no regular expression: {error}") from None
    return Section(pattern, {action: _read_names(name, action, values) for action in ACTIONS})


def _read_names(section: str, action: str, values: Mapping[str, str]) -> tuple[str, ...]:
    if action not in values:
        raise ValueError(f"section [{section}]: {action} is missing")
    names = tuple(name.strip() for name in values[action].split(",") if name.strip())
    if not names:
        _log.warning("property protections: [%s] lets nobody %s", section, action)
    if "@" in names and "!" in names:
        raise ValueError(f"section [{section}]: {action} cannot have both @ and !")
    return names


def protect_by_roles(sections: list[Section]) -> tuple[Protection, ...]:
    return _protect(sections, lambda _place, names: _has_any(frozenset(name.lower() for name in names)))


def protect_by_policies(sections: list[Section], rules: Mapping[str, Rule]) -> tuple[Protection, ...]:
    def find(place: str, names: tuple[str, ...]) -> Rule:
        if len(names) > 1:
            raise ValueError(f"{place}: one policy at most; the policy file can combine several")
        if names[0] not in rules:
            raise ValueError(f"{place}: there is no policy {names[0]!r}")
        return rules[names[0]]

    return _protect(sections, find)


def _protect(sections: list[Section], make: Callable[[str, tuple[str, ...]], Rule]) -> tuple[Protection, ...]:
    def make_right(section: Section, action: str) -> Rule:
        names = section.names[action]
        if not names or "!" in names:
            return _nobody
        if "@" in names:
            return _everybody
        return make(f"section [{section.pattern.pattern}]: {action}", names)

    return tuple(
        Protection(section.pattern, {action: make_right(section, action) for action in ACTIONS})
        for section in sections
    )


def _everybody(_caller: Caller, _target: Target) -> bool:
    return True


def _nobody(_caller: Caller, _target: Target) -> bool:
    return False


def _has_any(roles: frozenset[str]) -> Rule:
    return lambda caller, _target: (
        not (roles.isdisjoint(caller.roles) and roles.isdisjoint(caller.service_roles))
    )
