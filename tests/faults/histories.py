"""Does some order of the calls explain their answers? A small linearizability checker.

A call took effect at one moment between its start and its end. A history is right when those moments can be
chosen so that the answers are what one client after another would have got. The search (Wing and Gong, 1993,
with Lowe's memory of states tried) places one call after another; it is exponential at worst and therefore
bounded. Knows no HTTP. Start reading at `explain`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

State = TypeVar("State", bound=Hashable)


class Event(NamedTuple, Generic[State]):
    """A call that was answered. `act`: the state after it, or None when it cannot have had its answer in the
    state given. `is_look`: it never changes a state, whichever it meets. Events of one name act alike."""

    name: str
    start: float
    end: float
    act: Callable[[State], tuple[State] | None]
    is_look: bool


class UndecidedError(Exception):
    """The search was given up; the history may be right or wrong."""


def explain(history: Sequence[Event[State]], first: State, bound: int) -> list[str] | None:
    """The names of the calls in an order that explains them, None when there is none.

    `first`: the state before all of them. `bound`: most states the search may visit; UndecidedError beyond.
    """
    events = sorted(history, key=lambda event: event.end)
    everything = (1 << len(events)) - 1
    tried: set[tuple[int, State]] = set()
    # Each entry: what is left to place (a bit for each event), the state so far, the order so far.
    waiting: list[tuple[int, State, tuple[str, ...]]] = [(everything, first, ())]
    while waiting:
        left, state, order = waiting.pop()
        if not left:
            return list(order)
        if (left, state) in tried:
            continue
        tried.add((left, state))
        if len(tried) > bound:
            raise UndecidedError(f"{len(tried)} states were visited for {len(events)} calls")
        for index, after in reversed(_next_steps(events, left, state)):
            waiting.append((left & ~(1 << index), after, (*order, events[index].name)))
    return None


def _next_steps(events: list[Event[State]], left: int, state: State) -> list[tuple[int, State]]:
    """(index, the state after it) of the calls that may come next, the ones that ended first in front."""
    candidates = [index for index in range(len(events)) if left >> index & 1]
    # A call comes before all calls that began after it had ended; `events` is in order of the ends.
    earliest_end = events[candidates[0]].end
    steps: list[tuple[int, State]] = []
    tried: set[str] = set()
    for index in candidates:
        event = events[index]
        # Of events that act alike, the one that ended first may always come first: where an order has it
        # after another of them, the two can change places.
        if event.start > earliest_end or event.name in tried:
            continue
        tried.add(event.name)
        after = event.act(state)
        if after is None:
            continue
        if event.is_look:
            # It fits and changes nothing: if any order explains the rest, one with this call first does.
            return [(index, after[0])]
        steps.append((index, after[0]))
    return steps
