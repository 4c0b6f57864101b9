"""Answers of another service: kept for their time, bounded, and asked for once."""

import asyncio

import pytest

from transom.identity.answers import Answers


class Source:
    """What is asked; it counts, and may hold its answers back."""

    def __init__(self, value: str | None = "value", keep_s: float = 60) -> None:
        self.value, self.keep_s = value, keep_s
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self) -> tuple[str | None, float]:
        self.asked += 1
        await self.may_answer.wait()
        return self.value, self.keep_s


def test_an_answer_is_kept() -> None:
    async def ask_twice() -> int:
        answers, source = Answers[str](8), Source()
        assert answers.find(b"key") is None
        assert [await answers.get(b"key", source), await answers.get(b"key", source)] == ["value"] * 2
        assert answers.find(b"key") == "value"
        return source.asked

    assert asyncio.run(ask_twice()) == 1


@pytest.mark.parametrize("value", ["value", None])
def test_an_answer_that_may_not_be_kept_is_asked_for_again(value: str | None) -> None:
    async def ask_twice() -> int:
        answers, source = Answers[str](8), Source(value, keep_s=0)
        assert [await answers.get(b"key", source), await answers.get(b"key", source)] == [value] * 2
        return source.asked

    assert asyncio.run(ask_twice()) == 2


def test_that_there_is_none_is_kept_too() -> None:
    async def ask_twice() -> int:
        answers, source = Answers[str](8), Source(None)
        assert [await answers.get(b"key", source), await answers.get(b"key", source)] == [None] * 2
        return source.asked

    assert asyncio.run(ask_twice()) == 1


def test_all_who_ask_at_once_are_answered_by_one_asking() -> None:
    async def ask_at_once() -> int:
        answers, source = Answers[str](8), Source()
        assert await asyncio.gather(*(answers.get(b"key", source) for _ in range(100))) == ["value"] * 100
        return source.asked

    assert asyncio.run(ask_at_once()) == 1


def test_who_goes_away_does_not_take_the_answer_from_the_others() -> None:
    async def go_away() -> str | None:
        answers, source = Answers[str](8), Source()
        source.may_answer.clear()
        first = asyncio.create_task(answers.get(b"key", source))
        second = asyncio.create_task(answers.get(b"key", source))
        await asyncio.sleep(0)
        first.cancel()
        source.may_answer.set()
        return await second

    assert asyncio.run(go_away()) == "value"


def test_an_error_goes_to_all_who_wait_and_is_not_kept() -> None:
    async def fail_then_answer() -> None:
        answers = Answers[str](8)

        async def fail() -> tuple[str | None, float]:
            raise ConnectionError

        results = await asyncio.gather(*(answers.get(b"key", fail) for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [ConnectionError] * 3
        assert await answers.get(b"key", Source()) == "value"

    asyncio.run(fail_then_answer())


def test_made_up_keys_displace_one_another_and_no_value() -> None:
    async def flood() -> int:
        answers, source = Answers[str](4), Source()
        await answers.get(b"key", source)
        for number in range(20):
            await answers.get(b"%d" % number, Source(None))
        assert answers.find(b"key") == "value"
        for number in range(4):
            await answers.get(b"other %d" % number, source)
        assert answers.find(b"key") is None
        return len(answers._values) + len(answers._absent)

    assert asyncio.run(flood()) == 8


def test_a_later_answer_takes_the_place_of_an_earlier_one() -> None:
    async def change() -> str | None:
        answers = Answers[str](8)
        await answers.get(b"key", Source(None, keep_s=0))
        await answers.get(b"key", Source("old", keep_s=0))
        return await answers.get(b"key", Source("new"))

    assert asyncio.run(change()) == "new"
