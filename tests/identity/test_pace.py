"""What one user may do often at once, and then slowly, without a trace of those who have stopped."""

import pytest

from transom.domain.errors import UnavailableError
from transom.identity.pace import Pace

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
def pace(clock: Clock) -> Pace:
    return Pace(AT_ONCE, EACH_S, clock)


def _taken(pace: Pace, user_id: str, tries: int) -> int:
    taken = 0
    for _ in range(tries):
        try:
            pace.take(user_id, "too many")
        except UnavailableError:
            continue
        taken += 1
    return taken


def test_so_many_are_allowed_at_once_and_then_one_in_each_while(pace: Pace, clock: Clock) -> None:
    counts = [_taken(pace, "alice", 10)]
    for passed_s in (EACH_S, EACH_S / 2, EACH_S / 2, 100 * EACH_S):
        clock.now += passed_s
        counts.append(_taken(pace, "alice", 10))

    assert counts == [AT_ONCE, 1, 0, 1, AT_ONCE]


def test_users_do_not_count_for_each_other(pace: Pace) -> None:
    assert [_taken(pace, user, 10) for user in ("alice", "bob")] == [AT_ONCE, AT_ONCE]


def test_nothing_is_kept_of_users_who_have_stopped(pace: Pace, clock: Clock) -> None:
    for number in range(100):
        pace.take(f"user-{number}", "too many")
    clock.now += EACH_S

    for _ in range(60):
        pace.take("alice", "too many")
        clock.now += EACH_S

    assert list(pace._full_at) == ["alice"]
