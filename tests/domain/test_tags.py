"""Tags as pairs: how they are written, put, removed and sought."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import InvalidError, LimitExceededError, NotFoundError, Reason
from transom.domain.listing import Condition, Op
from transom.domain.tags import (
    MOST_TAGS,
    Tag,
    check_native_tag,
    check_removed_tag,
    check_tag,
    check_unique,
    parse_tag,
    parse_tag_filter,
    parse_tags,
    put_tags,
    remove_key,
    remove_tags,
    seek_tag,
    seek_tags,
    tag_text,
    values_by_key,
)

CHARACTERS = st.sampled_from("aZ09_-")
pairs = st.builds(Tag, st.text(CHARACTERS, min_size=1, max_size=36), st.text(CHARACTERS, max_size=43))
#: Tags as OpenStack clients may write them.
texts = st.lists(st.text(st.sampled_from("aB=. é"), max_size=5), unique=True, max_size=12).map(tuple)
few_pairs = st.lists(
    st.builds(Tag, st.sampled_from("aBc"), st.sampled_from(["", "a", "B"])),
    unique_by=lambda tag: tag.key,
    max_size=3,
)
TEN = tuple(f"key{number}" for number in range(10))
TWELVE = (*TEN, "x", "y")


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("a", Tag("a")),
        ("a=b", Tag("a", "b")),
        ("a.b", Tag("a", "b")),
        ("a.b=c", Tag("a.b", "c")),
        ("a=b.c", Tag("a", "b.c")),
        ("a=b=c", Tag("a", "b=c")),
        ("a.b.c", Tag("a", "b.c")),
        ("a=", Tag("a")),
        ("a.", Tag("a")),
        ("=a", Tag("=a")),
        (".a", Tag(".a")),
        ("=a.b", Tag("=a.b")),
        (".a=b", Tag(".a", "b")),
        ("", Tag("")),
    ],
)
def test_a_tag_is_split_at_its_first_equals_sign_or_else_at_its_first_dot(text: str, tag: Tag) -> None:
    assert parse_tag(text) == tag


@given(tag=pairs)
def test_a_pair_is_read_back_as_it_was_written(tag: Tag) -> None:
    assert check_tag("tag", tag) == tag
    assert parse_tag(tag_text(tag)) == tag


def test_tags_are_shown_once_however_they_are_written() -> None:
    assert parse_tags(["b", "a=1", "a.1", "B"]) == [Tag("B"), Tag("a", "1"), Tag("b")]


def test_the_values_of_a_key_are_put_together_and_sorted() -> None:
    assert values_by_key(["b=2", "b", "b.1", "a"]) == {"a": [""], "b": ["", "1", "2"]}


# ---- changes


@pytest.mark.parametrize("before", ["key", "key=old", "key.old", "key=new", "key."])
def test_a_tag_takes_the_place_of_those_with_its_key(before: str) -> None:
    assert put_tags(("Key", before), [Tag("key", "new")], MOST_TAGS) == ("Key", "key=new")


@given(before=texts, new=few_pairs)
def test_after_putting_each_key_has_the_one_value_given(before: tuple[str, ...], new: list[Tag]) -> None:
    after = parse_tags(put_tags(before, new, 100))

    keys = {tag.key for tag in new}
    assert [tag for tag in after if tag.key in keys] == sorted(new)
    assert [tag for tag in after if tag.key not in keys] == [
        tag for tag in parse_tags(before) if tag.key not in keys
    ]


@given(before=texts, new=few_pairs)
def test_putting_twice_is_putting_once(before: tuple[str, ...], new: list[Tag]) -> None:
    once = put_tags(before, new, 100)

    assert put_tags(once, new, 100) == once


def test_the_tenth_tag_is_within_the_limit() -> None:
    assert len(put_tags(TEN[:9], [Tag("new")], MOST_TAGS)) == MOST_TAGS


@pytest.mark.parametrize("before", [TEN, TWELVE])
def test_one_tag_too_many_is_refused(before: tuple[str, ...]) -> None:
    with pytest.raises(LimitExceededError) as raised:
        put_tags(before, [Tag("new")], MOST_TAGS)

    assert raised.value.reason is Reason.TAGS_FULL


@pytest.mark.parametrize("before", [TEN, TWELVE])
def test_a_tag_of_a_full_image_can_be_replaced(before: tuple[str, ...]) -> None:
    after = put_tags(before, [Tag("key3", "new")], MOST_TAGS)

    assert set(after) == {*before, "key3=new"} - {"key3"}


@pytest.mark.parametrize(
    ("unwanted", "left"),
    [
        (Tag("key"), ("a.b", "other")),
        (Tag("key", "1"), ("a.b", "key", "other")),
        (Tag("key", "2"), ("a.b", "key", "key.1", "key=1", "other")),
        (Tag("Key"), ("a.b", "key", "key.1", "key=1", "other")),
        (Tag("a.b"), ("key", "key.1", "key=1", "other")),
        (Tag("a"), ("key", "key.1", "key=1", "other")),
    ],
)
def test_a_tag_with_a_value_is_removed_as_a_pair_and_one_without_by_its_key(
    unwanted: Tag, left: tuple[str, ...]
) -> None:
    assert remove_tags(("a.b", "key", "key.1", "key=1", "other"), [unwanted]) == left


@given(before=texts, tags=few_pairs)
def test_what_was_put_can_be_removed(before: tuple[str, ...], tags: list[Tag]) -> None:
    after = remove_tags(put_tags(before, tags, 100), tags)

    assert not {tag.key for tag in tags} & {tag.key for tag in parse_tags(after)}


def test_a_key_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFoundError) as raised:
        remove_key(("key=1",), "1")

    assert raised.value.reason is Reason.TAG_UNKNOWN


def test_a_key_is_removed_with_its_value() -> None:
    assert remove_key(("key=1", "other"), "key") == ("other",)


# ---- what clients send


def test_spaces_around_key_and_value_are_taken_off() -> None:
    assert check_tag("tag", Tag("  key ", " 1 ")) == Tag("key", "1")


@pytest.mark.parametrize(
    "tag",
    [
        *(Tag(key) for key in ["", " ", "a" * 37, "a b", "a.b", "a=b", "é", "a\n", "٣"]),
        *(Tag("key", value) for value in ["a" * 44, "a b", "a.b", "a=b", "é", "\t"]),
    ],
    ids=repr,
)
def test_a_tag_of_other_characters_or_lengths_is_refused_by_its_name(tag: Tag) -> None:
    with pytest.raises(InvalidError, match=r"^tags\[3\]: the (key|value) must") as raised:
        check_tag("tags[3]", tag)

    assert raised.value.reason is Reason.TAG_INVALID


def test_a_native_tag_is_a_key_of_up_to_255_characters() -> None:
    assert check_native_tag("tag", "a" * 255) == Tag("a" * 255)


@pytest.mark.parametrize("text", ["", "a" * 256, "a=b", "a.b", "a b", "é"])
def test_a_native_tag_of_other_characters_or_lengths_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        check_native_tag("tag", text)


@pytest.mark.parametrize("tag", [Tag("é = .", "é"), Tag("k" * 127, "v" * 255)])
def test_any_tag_that_is_not_too_long_may_be_removed(tag: Tag) -> None:
    assert check_removed_tag("tag", tag) == tag


@pytest.mark.parametrize("tag", [Tag(""), Tag("k" * 128), Tag("k", "v" * 256)])
def test_a_tag_to_be_removed_must_not_be_empty_or_too_long(tag: Tag) -> None:
    with pytest.raises(InvalidError):
        check_removed_tag("tag", tag)


def test_a_key_must_not_come_twice() -> None:
    with pytest.raises(InvalidError):
        check_unique("tags", ["a", "A", "a"])


# ---- conditions


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("key", ("key",)),
        (" key ", ("key",)),
        ("key=1", ("key", "1")),
        ("key.1", ("key", "1")),
        ("key=", ("key", "")),
        ("a.b=c", ("a.b", "c")),
        (".a", (".a",)),
    ],
)
def test_a_filter_asks_for_a_key_or_a_pair(text: str, values: tuple[str, ...]) -> None:
    assert parse_tag_filter(text) == Condition("tags", Op.TAG_PAIR, values)


@pytest.mark.parametrize("text", ["", " "])
def test_a_filter_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match=r"^tag:"):
        parse_tag_filter(text)


def test_a_key_is_sought_with_any_of_ten_values() -> None:
    values = [str(number) for number in range(10)]

    assert seek_tag("tags[0]", "k" * 128, values) == Condition("tags", Op.TAG_PAIR, ("k" * 128, *values))


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("", []),
        ("k" * 129, []),
        ("k", ["v" * 256]),
        ("k", ["v", "v"]),
        ("k", [str(number) for number in range(11)]),
        ("k\0", []),
        ("k", ["\0"]),
    ],
)
def test_what_no_search_takes_is_refused(key: str, values: list[str]) -> None:
    with pytest.raises(InvalidError):
        seek_tag("tags[0]", key, values)


@pytest.mark.parametrize("keys", [["a", "a"], [str(number) for number in range(11)]])
def test_a_search_takes_ten_different_keys(keys: list[str]) -> None:
    with pytest.raises(InvalidError):
        seek_tags("tags", [seek_tag("tags", key, []) for key in keys])
