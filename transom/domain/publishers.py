"""Verified names of publishers. No two have names that look alike."""

import unicodedata
from collections.abc import Callable

import msgspec


class Publisher(msgspec.Struct, frozen=True, kw_only=True):
    """A project's verified name. `support`: where to turn to, in words or as a URL."""

    project_id: str
    name: str
    url: str | None
    support: str | None
    verified_at: int


#: Raises when the publisher, None if there is none, is not what the client takes it for.
Guard = Callable[[Publisher | None], None]


def name_key(name: str) -> str:
    """The name in one spelling: compatible characters alike (NFKC), without case, blanks joined."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.split())
