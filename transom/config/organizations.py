"""The operator's file of organisations → which projects and domains are in which of them.

A YAML file, read once, before anything is served:

    organizations:
      - id: o-acme
        name: Acme
        account: 4e1243bd22c66e76c2ba9eddc1f91394
        domains: [default]
        units:
          - id: ou-sales
            name: Sales
            projects: [9f2b1c5e8d3a4f60b7e1c2d3a4b5c6d7]
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from transom.config.settings import SettingsError
from transom.domain.fields import MAX_NAME, quoted
from transom.domain.organizations import ID, MOST_LEVELS, NO_ORGANIZATIONS, Organizations, Unit
from transom.domain.recipients import organization_key

# As for the accounts file: libyaml is several times as fast.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Unit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    name: str
    domains: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    units: tuple["_Unit", ...] = ()


class _Organization(_Unit, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: str
    root: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    organizations: tuple[_Organization, ...] = ()


def read_organizations(file: str) -> Organizations:
    """`file`: "" for none. Raises SettingsError, whose text names the file and the entry."""
    if not file:
        return NO_ORGANIZATIONS
    try:
        content: Any = yaml.load(Path(file).read_bytes(), Loader=_Loader)  # noqa: S506
        found = msgspec.convert(content, type=_File)
        return _make_organizations(found)
    except OSError as error:
        raise SettingsError(f"organizations_file {file}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"organizations_file {file}: {error}") from None


def _make_organizations(file: _File) -> Organizations:
    units: dict[str, Unit] = {}
    of_projects: dict[str, Unit] = {}
    of_domains: dict[str, Unit] = {}
    for organization in file.organizations:
        _check_id("account", organization.account)
        for unit_id, entry, unit in _units_of(organization):
            if unit_id in units:
                raise ValueError(f"{quoted(unit_id)} is listed twice")
            units[unit_id] = unit
            if entry is not None:
                _place("project", entry.projects, unit, of_projects)
                _place("domain", entry.domains, unit, of_domains)
    return Organizations(units=units, of_projects=of_projects, of_domains=of_domains)


def _units_of(organization: _Organization) -> Iterator[tuple[str, _Unit | None, Unit]]:
    """(id, entry, what it becomes) of the organisation and all that is in it. Its root has no entry of its
    own: the same projects and domains are in both."""
    start = f"organizations::{organization.account}"
    above = [organization_key(one) for one in (organization.root, organization.id) if one is not None]
    whole = _make_unit(organization, f"{start}:organization:{organization.id}", above)
    yield organization.id, organization, whole
    if organization.root is not None:
        _check_unit_id(organization.root)
        urn = f"{start}:root:{organization.id}/{organization.root}"
        yield organization.root, None, Unit(name=organization.name, urn=urn, above=whole.above)
    yield from _units_below(organization.units, f"{start}:ou:{organization.id}", whole.above, 1)


def _units_below(
    entries: Sequence[_Unit], start: str, above: Sequence[str], level: int
) -> Iterator[tuple[str, _Unit | None, Unit]]:
    for entry in entries:
        if level > MOST_LEVELS:
            raise ValueError(f"{quoted(entry.id)}: units stand in each other {MOST_LEVELS} deep at most")
        unit = _make_unit(entry, f"{start}/{entry.id}", [organization_key(entry.id), *above])
        yield entry.id, entry, unit
        yield from _units_below(entry.units, start, unit.above, level + 1)


def _make_unit(entry: _Unit, urn: str, above: Sequence[str]) -> Unit:
    _check_unit_id(entry.id)
    if not (entry.name and len(entry.name) <= MAX_NAME and entry.name.isprintable()):
        raise ValueError(f"{entry.id}: name must be 1 to {MAX_NAME} printable characters")
    return Unit(name=entry.name, urn=urn, above=tuple(above))


def _place(kind: str, ids: Sequence[str], unit: Unit, of: dict[str, Unit]) -> None:
    for one in ids:
        _check_id(kind, one)
        if one in of:
            raise ValueError(f"{kind} {quoted(one)} is listed twice")
        of[one] = unit


def _check_unit_id(unit_id: str) -> None:
    if not ID.fullmatch(unit_id):
        raise ValueError(f"id must be 1 to 64 letters, digits and ._-, not {quoted(unit_id)}")


def _check_id(kind: str, own_id: str) -> None:
    if not own_id or len(own_id) > MAX_NAME or not own_id.isprintable() or set(own_id) & set("/: "):
        raise ValueError(f"{kind}: {quoted(own_id)} is not an id")
