"""How many values a JSON body has is known before it is decoded: at least half of them, and never more."""

import json
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transom.api.bodies import MOST_VALUES, _least_values, decode_body
from transom.domain.errors import BodyTooLargeError

ANY_NUMBER = sys.maxsize
_texts = st.text('",[]{}:\\aé\n', max_size=8)
_bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_texts, inner, max_size=5),
    max_leaves=30,
).filter(lambda value: isinstance(value, dict | list))


def _count(value: Any) -> int:
    """All values within it, keys of objects included."""
    if isinstance(value, dict):
        return sum(2 + _count(one) for one in value.values())
    return sum(1 + _count(one) for one in value) if isinstance(value, list) else 0


@settings(max_examples=50)
@given(body=_bodies)
@example(body=["\\", '"', '\\"', "\\\\"])
@example(body={"a\\": {'"': [[], {}, []]}})
def test_it_is_no_more_than_there_are_and_no_less_than_half(body: Any) -> None:
    least = _least_values(json.dumps(body).encode(), ANY_NUMBER)

    assert _count(body) / 2 - 1 <= least <= _count(body)


@settings(max_examples=50)
@given(body=_bodies, enough=st.integers(0, 10))
def test_no_more_are_counted_than_are_enough(body: Any, enough: int) -> None:
    raw = json.dumps(body).encode()
    least = _least_values(raw, enough)

    assert least <= _count(body)
    assert (least > enough) == (_least_values(raw, ANY_NUMBER) > enough)


@pytest.mark.parametrize(
    "item", [b'"k%d":""', b'"k%d":{"op":"add","path":"/p","value":"v"}'], ids=["keys", "operations"]
)
def test_many_texts_are_refused_without_being_cut_out(item: bytes) -> None:
    """That takes memory for each of them, and ten times as long as to count them."""
    raw = b"{" + b",".join(item % number for number in range(70_000 // item.count(b":"))) + b"}"

    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLargeError):
            decode_body(raw, MOST_VALUES)
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most_bytes < len(raw) / 10


@settings(max_examples=50)
@given(body=_bodies, limit=st.integers(0, 30))
def test_a_body_is_refused_when_it_has_more_values_than_it_may(body: Any, limit: int) -> None:
    raw = json.dumps(body).encode()

    if _count(body) > limit:
        with pytest.raises(BodyTooLargeError):
            decode_body(raw, limit)
    else:
        assert decode_body(raw, limit) == body
