"""Webhooks, and when a delivery that failed is tried again. Pure."""

from typing import NamedTuple

import msgspec

from transom.domain.model import Caller
from transom.domain.recipients import split_member_id

#: Pauses after the first failed try and each further one, seconds. After the last the hook is disabled.
PAUSES_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: Pauses differ from these by at most so much, so that what failed together is not tried again together.
SPREAD = 0.2
#: Shortest pause between a failed try and one that a user asks for, by another place in the feed, by another
#: URL or by enabling the hook, seconds: the receiver may be a third party, who is not to be asked as fast as
#: one likes.
SOONEST_S = 60
#: Tests that a project may ask one process for at once, and seconds until one more, for the same reason.
TESTS_AT_ONCE = 30
TEST_EACH_S = 6


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """`types`: patterns of types of events; `is_global`: of all projects, else of the project and the domain
    of `domain_key`. `cursor`: the number of the last event that was delivered or did not match. `attempts`:
    failed tries of what comes next, which is tried at `next_at`. `old_secret` signs as well until
    `old_secret_until`. `created_by`: the user with whose rights it is sent events, who made it, or has
    enabled it or given it another URL since; None for one of an older release. `updated_at` changes with what
    users change alone."""

    id: str
    project_id: str
    domain_key: str | None
    url: str
    types: tuple[str, ...]
    is_batch: bool
    is_enabled: bool
    is_global: bool
    secret: str
    old_secret: str | None
    old_secret_until: int | None
    cursor: int
    attempts: int
    next_at: int
    last_success_at: int | None
    last_failure_at: int | None
    last_status: int | None
    last_error: str | None
    created_by: str | None
    created_at: int
    updated_at: int

    def __repr__(self) -> str:
        return f"<Hook {self.id}>"

    @property
    def domain_id(self) -> str | None:
        return split_member_id(self.domain_key)[1] if self.domain_key is not None else None


class Maker(NamedTuple):
    """The caller with whose rights a hook is sent events. Its roles are those of now or, where they cannot be
    known, those that it takes to make such a hook."""

    caller: Caller
    are_roles_known: bool


def soonest_try(hook: Hook) -> int:
    """When the hook may be tried again at the soonest, whatever a user wants, microseconds."""
    if hook.last_failure_at is None or hook.last_failure_at < (hook.last_success_at or 0):
        return 0
    return hook.last_failure_at + SOONEST_S * 1_000_000


def pause_after(attempts: int, wanted_s: float | None, chance: float) -> float | None:
    """Seconds until the next try after so many failed ones, None when there is none any more. `wanted_s`: the
    receiver's Retry-After, obeyed up to the pause after the next try; `chance`: from 0 to 1, for the
    spread."""
    if attempts > len(PAUSES_S):
        return None
    pause_s = PAUSES_S[attempts - 1] * (1 + SPREAD * (2 * chance - 1))
    if wanted_s is None:
        return pause_s
    return max(pause_s, min(wanted_s, PAUSES_S[min(attempts, len(PAUSES_S) - 1)]))
