"""Requests with an Idempotency-Key, and the answers that are kept for when they come again."""

from collections.abc import Sequence

import msgspec


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as its key tells of it. `project_id`: "" for a caller without one. `fingerprint`: of method,
    path and body; another request with the key has another one."""

    project_id: str
    user_id: str
    key: str
    fingerprint: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered, and to which request."""

    fingerprint: str
    status: int
    headers: Sequence[tuple[str, str]]
    body: str
