"""The checker that the race tests lean on accepts right histories and refuses wrong ones."""

from __future__ import annotations

import pytest

from .histories import Event, UndecidedError, explain


def write(value: str, start: float, end: float) -> Event[str]:
    return Event(f"write {value}", start, end, lambda _state: (value,), is_look=False)


def read(value: str, start: float, end: float) -> Event[str]:
    return Event(
        f"read {value}", start, end, lambda state: (state,) if state == value else None, is_look=True
    )


def test_calls_one_after_another_are_explained_by_their_own_order() -> None:
    history = [write("a", 0, 1), read("a", 2, 3), write("b", 4, 5), read("b", 6, 7)]

    assert explain(history, "", 100) == ["write a", "read a", "write b", "read b"]


def test_calls_at_the_same_time_may_have_come_in_any_order() -> None:
    history = [write("a", 0, 9), write("b", 0, 9), read("b", 1, 2), read("a", 3, 4)]

    assert explain(history, "", 100) == ["write b", "read b", "write a", "read a"]


def test_a_read_of_a_value_that_was_overwritten_before_it_began_is_not_explained() -> None:
    history = [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)]

    assert explain(history, "", 100) is None


def test_a_value_that_comes_back_after_another_was_seen_is_not_explained() -> None:
    history = [write("a", 0, 9), write("b", 0, 9), read("a", 1, 2), read("b", 3, 4), read("a", 5, 6)]

    assert explain(history, "", 100) is None


def test_a_read_of_a_value_that_nobody_wrote_is_not_explained() -> None:
    assert explain([write("a", 0, 1), read("c", 0, 9)], "", 100) is None


def test_a_search_that_gets_too_long_says_so() -> None:
    history = [write(str(number), 0, 9) for number in range(20)]

    with pytest.raises(UndecidedError):
        explain([*history, read("never", 0, 9)], "", 100)
