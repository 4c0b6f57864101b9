"""What one user may do often at once, and then slowly, without a trace of those who have stopped."""

import pytest

from transom.domain.errors import UnavailableError
from transom.rate_limit import RateLimit

AT_ONCE = 3
EACH_S = 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> RateLimit:
    return RateLimit(AT_ONCE, EACH_S, clock)


def _taken(limit: RateLimit, user_id: str, tries: int) -> int:
    taken = 0
    for _ in range(tries):
        try:
            limit.take(user_id, "too many")
        except UnavailableError:
            continue
        taken += 1
    return taken


def test_so_many_are_allowed_at_once_and_then_one_in_each_while(limit: RateLimit, clock: Clock) -> None:
    counts = [_taken(limit, "alice", 10)]
    for passed_s in (EACH_S, EACH_S / 2, EACH_S / 2, 100 * EACH_S):
        clock.now += passed_s
        counts.append(_taken(limit, "alice", 10))

    assert counts == [AT_ONCE, 1, 0, 1, AT_ONCE]


def test_users_do_not_count_for_each_other(limit: RateLimit) -> None:
    assert [_taken(limit, user, 10) for user in ("alice", "bob")] == [AT_ONCE, AT_ONCE]


def test_nothing_is_kept_of_users_who_have_stopped(limit: RateLimit, clock: Clock) -> None:
    for number in range(100):
        limit.take(f"user-{number}", "too many")
    clock.now += EACH_S

    for _ in range(60):
        limit.take("alice", "too many")
        clock.now += EACH_S

    assert list(limit._full_at) == ["alice"]
