"""A session of the console, as it is kept."""

from typing import NamedTuple

#: Sessions of one user that are kept: each is some KiB, for as long as a token lives.
MOST_SESSIONS = 100


class ConsoleSession(NamedTuple):
    """`key_hash`: SHA-256 of the cookie's bytes, in hex. `box`: the tokens, enciphered with a key that only
    the cookie's bytes give. The project is None where the user has none. Times in microseconds since the
    epoch."""

    key_hash: str
    box: str
    user_id: str
    user_name: str
    project_id: str | None
    project_name: str | None
    domain_name: str | None
    created_at: int
    used_at: int
    expires_at: int
