"""How much an image may carry."""

import json
from contextlib import nullcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transom.domain.errors import LimitExceededError
from transom.domain.image_quotas import check_metadata, check_properties, check_tags
from transom.domain.model import Image

from .samples import image, property_names

properties = st.dictionaries(property_names, st.just("value"), max_size=6)
tags = st.lists(st.sampled_from("abcdef"), unique=True).map(tuple)


def _with_properties(count: int) -> Image:
    return image(properties={f"key{number}": "value" for number in range(count)})


def _with_tags(count: int) -> Image:
    return image(tags=tuple(f"tag{number}" for number in range(count)))


@pytest.mark.parametrize(("count", "limit"), [(0, 0), (1, 1), (2, 3), (128, 128), (300, -1)])
def test_an_image_may_have_properties_up_to_the_quota(count: int, limit: int) -> None:
    check_properties(None, _with_properties(count), limit)


@pytest.mark.parametrize(("count", "limit"), [(1, 0), (2, 1), (129, 128)])
def test_properties_beyond_the_quota_are_refused_with_both_numbers(count: int, limit: int) -> None:
    with pytest.raises(LimitExceededError) as raised:
        check_properties(None, _with_properties(count), limit)

    assert str(raised.value) == (
        "The limit has been exceeded on the number of allowed image properties. "
        f"Attempted: {count}, Maximum: {limit}"
    )


@pytest.mark.parametrize(("count", "limit"), [(0, 0), (1, 1), (2, 3), (300, -1)])
def test_an_image_may_have_tags_up_to_the_quota(count: int, limit: int) -> None:
    check_tags(None, _with_tags(count), limit)


@pytest.mark.parametrize(("count", "limit"), [(1, 0), (129, 128)])
def test_tags_beyond_the_quota_are_refused_with_both_numbers(count: int, limit: int) -> None:
    with pytest.raises(LimitExceededError) as raised:
        check_tags(None, _with_tags(count), limit)

    assert str(raised.value) == (
        "The limit has been exceeded on the number of allowed image tags. "
        f"Attempted: {count}, Maximum: {limit}"
    )


def test_properties_of_the_service_do_not_count() -> None:
    own = {"os_glance_import_task": "1", "os_glance_failed_import": "", "os_share_revoke_reason": "x" * 1000}
    new = image(properties={**own, "mine": "x"})

    check_properties(None, new, 1)
    check_metadata(None, new, len("mine") + 1)


@given(
    properties=st.dictionaries(st.text(max_size=9), st.text(st.characters(max_codepoint=0x200)), max_size=3)
)
@example(properties={"0": ""})
def test_properties_take_little_more_in_an_answer_than_they_count(properties: dict[str, str]) -> None:
    """Twice as much, of quotation marks, and four of them and two signs for each."""
    shown = json.dumps(properties, ensure_ascii=False, separators=(",", ":")).encode()
    at_least = max(0, (len(shown) - 2 - 6 * len(properties) + 1) // 2)

    with pytest.raises(LimitExceededError) if at_least else nullcontext():
        check_metadata(None, image(properties=properties), at_least - 1 if at_least else len(properties))


def test_a_new_property_beside_too_many_old_ones_is_refused() -> None:
    with pytest.raises(LimitExceededError):
        check_properties(_with_properties(3), _with_properties(4), 1)


@given(old=properties, kept=st.data(), limit=st.integers(-1, 6))
def test_an_image_over_its_quota_can_still_be_edited_and_shrunk(
    old: dict[str, str], kept: st.DataObject, limit: int
) -> None:
    names = kept.draw(st.sets(st.sampled_from(sorted(old)))) if old else set()
    new = image(properties=dict.fromkeys(names, "changed"))

    check_properties(image(properties=old), new, limit)


@given(old=tags, kept=st.data(), limit=st.integers(-1, 6))
def test_an_image_with_too_many_tags_can_still_lose_some(
    old: tuple[str, ...], kept: st.DataObject, limit: int
) -> None:
    new = kept.draw(st.lists(st.sampled_from(old), unique=True)) if old else []

    check_tags(image(tags=old), image(tags=tuple(new)), limit)
