"""The operator's file of peers → who they are, and who may copy images there.

A TOML file of tables:

    [[peer]]
    region = "eu-west"
    auth_url = "https://images.eu.example.org/identity/v3"
    username = "copies"
    password = "…"

    [[peer.use]]
    projects = ["4e1243bd22c66e76c2ba9eddc1f91394"]
    to = ["images"]
"""

import msgspec

from transom.config.tables import read_tables
from transom.domain.peers import Peer, PeerUse


class _Use(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    projects: tuple[str, ...]
    to: tuple[str, ...]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    region: str
    auth_url: str
    username: str
    password: str
    user_domain: str = "default"
    project_domain: str = "default"
    remote_region: str = ""
    cafile: str = ""
    use: tuple[_Use, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    peer: tuple[_Entry, ...] = ()


def read_peers(file: str) -> dict[str, Peer]:
    """Name → peer. `file`: "" for none. Raises SettingsError, whose text names the file and the entry."""
    if not file:
        return {}
    with read_tables("peers_file", file, _File) as found:
        peers = [_read_entry(entry) for entry in found.peer]
        named = {peer.name: peer for peer in peers}
        if len(named) < len(peers):
            raise ValueError("two peers have the same region")
        return named


def _read_entry(entry: _Entry) -> Peer:
    if not all((entry.region, entry.username, entry.password)):
        raise ValueError(f"peer {entry.region!r}: region, username and password must not be empty")
    if not entry.auth_url.startswith(("http://", "https://")):
        raise ValueError(f"peer {entry.region!r}: auth_url must be an http(s) URL")
    if not all(use.projects and use.to for use in entry.use):
        raise ValueError(f"peer {entry.region!r}: projects and to of a use must not be empty")
    return Peer(
        name=entry.region,
        auth_url=entry.auth_url,
        username=entry.username,
        password=entry.password,
        user_domain=entry.user_domain,
        project_domain=entry.project_domain,
        region=entry.remote_region or entry.region,
        cafile=entry.cafile,
        uses=tuple(PeerUse(projects=frozenset(use.projects), to=frozenset(use.to)) for use in entry.use),
    )
