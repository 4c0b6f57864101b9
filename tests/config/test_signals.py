"""A wakeup is set in handlers of signals, whatever they interrupt."""

import signal
from collections.abc import Iterator
from threading import Thread

import pytest

from transom.cli.signals import Wakeup

#: Between two signals, seconds; and how often each call is made meanwhile.
PAUSE_S = 0.00005
TIMES = 20_000
PATIENCE_S = 30


@pytest.fixture
def wakeup() -> Wakeup:
    return Wakeup()


@pytest.fixture
def signalled(wakeup: Wakeup) -> Iterator[list[int]]:
    """A signal comes again and again, and its handler sets the wakeup; one entry for each."""
    seen: list[int] = []

    def ring(number: int, _frame: object) -> None:
        seen.append(number)
        wakeup.set()

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PAUSE_S, PAUSE_S)
    yield seen
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_handler_never_waits_for_what_it_interrupts(wakeup: Wakeup, signalled: list[int]) -> None:
    for _ in range(TIMES):
        wakeup.wait(0)
        wakeup.clear()
        wakeup.set()

    assert len(signalled) > 1
    assert wakeup.is_set()


def test_it_stays_set_until_it_is_cleared(wakeup: Wakeup) -> None:
    seen = [wakeup.is_set()]
    # More often than the system keeps.
    for _ in range(100_000):
        wakeup.set()
    seen += [wakeup.wait(PATIENCE_S), wakeup.is_set()]
    wakeup.clear()
    seen += [wakeup.is_set(), wakeup.wait(0)]

    assert seen == [False, True, True, False, False]


def test_another_thread_ends_a_wait(wakeup: Wakeup) -> None:
    other = Thread(target=wakeup.set)
    other.start()

    is_set = wakeup.wait(PATIENCE_S)

    other.join(PATIENCE_S)
    assert is_set
