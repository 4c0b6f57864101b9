"""Organisations: trees of units in which the operator's file puts projects and domains. Pure.

An organisation, its root, if it has one, and its units are recipients alike: who belongs to one belongs to
all above it. Their ids are unique over all organisations. A URN names one of them together with the account
that manages the organisation (IMS API, "Image sharing"):

    organizations::<account>:organization:<organisation>
    organizations::<account>:root:<organisation>/<root>
    organizations::<account>:ou:<organisation>/<unit>
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from transom.domain.errors import InvalidError
from transom.domain.fields import quoted
from transom.domain.recipients import organization_key, split_member_id

#: How deep units may stand in each other.
MOST_LEVELS = 5
#: Of an organisation, a root or a unit.
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_URN = re.compile(
    rf"organizations:[^:/\s]*:[^:/\s]+:(?:organization:(?P<whole>{ID.pattern})"
    rf"|(?:root|ou):{ID.pattern}/(?P<part>{ID.pattern}))"
)


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation, its root or one of its units. `above`: its own `member_id` and those of all that it
    is within, from the inside out."""

    name: str
    urn: str
    above: tuple[str, ...]


class Organizations(msgspec.Struct, frozen=True, kw_only=True):
    """`units`: by their ids; `of_projects`, `of_domains`: by ids of projects and domains, the unit that each
    stands in itself."""

    units: Mapping[str, Unit] = {}
    of_projects: Mapping[str, Unit] = {}
    of_domains: Mapping[str, Unit] = {}

    def keys_of(self, project_id: str | None, domain_id: str | None) -> tuple[str, ...]:
        """The `member_id`s of all that the project is within, by itself or by its domain, from the inside
        out. None for a token without project, which has nothing by its domain either."""
        if project_id is None or not self.units:
            return ()
        own, shared = self.of_projects.get(project_id), self.of_domains.get(domain_id or "")
        found = [key for unit in (own, shared) if unit is not None for key in unit.above]
        return tuple(dict.fromkeys(found))

    def find(self, member_id: str) -> Unit | None:
        """The unit of a `member_id` of this kind."""
        return self.units.get(split_member_id(member_id)[1])

    def own_id_of(self, urn: str) -> str:
        """The id of the unit that the URN names; the URN itself, which is no id, if there is no such unit."""
        own_id = parse_urn(urn)
        unit = self.units.get(own_id)
        return own_id if unit is not None and unit.urn == urn else urn

    @property
    def keys(self) -> Sequence[str]:
        """The `member_id`s of all units."""
        return [*map(organization_key, self.units)]


NO_ORGANIZATIONS = Organizations()


def parse_urn(urn: str) -> str:
    """The id of what it names, there or not. InvalidError for what is no URN."""
    found = _URN.fullmatch(urn)
    if found is None:
        raise InvalidError(f"organizations: {quoted(urn)} is no URN of one.")
    return found["whole"] or found["part"]
