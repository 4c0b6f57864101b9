"""Requests with an Idempotency-Key, and the responses that are stored for when they are repeated."""

from collections.abc import Sequence

import msgspec


class KeyedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request with an Idempotency-Key. `project_id`: "" for a caller without one. `fingerprint`: hash of
    method, path and body; another request with the same key has another one."""

    project_id: str
    user_id: str
    key: str
    fingerprint: str


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The response, and the fingerprint of the request that it is for."""

    fingerprint: str
    status: int
    headers: Sequence[tuple[str, str]]
    body: str
