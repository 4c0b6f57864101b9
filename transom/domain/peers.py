"""Services of other operators or regions that images are copied to by credentials of this service's own."""

from collections.abc import Sequence

import msgspec

#: Stands in a peer's list for all projects of this service.
EVERY_PROJECT = "*"


class PeerUse(msgspec.Struct, frozen=True, kw_only=True):
    """Projects of this service, by their ids, or EVERY_PROJECT, and projects of the peer, by their names,
    that these may copy images into."""

    projects: frozenset[str]
    to: frozenset[str]

    def allows(self, project_id: str | None, target: str) -> bool:
        is_meant = EVERY_PROJECT in self.projects or project_id in self.projects
        return project_id is not None and is_meant and target in self.to


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A service that is asked with an account in its Keystone, or identity, at `auth_url`. `name`: the region
    as this service's users call it; `region`: as the peer's own catalog does; domains by their ids; `cafile`:
    certificates to check it by, "": those of the system."""

    name: str
    auth_url: str
    username: str
    password: str
    user_domain: str
    project_domain: str
    region: str
    cafile: str
    uses: Sequence[PeerUse]

    def allows(self, project_id: str | None, target: str) -> bool:
        """Whether this project may copy images into the peer's project `target`."""
        return any(use.allows(project_id, target) for use in self.uses)
