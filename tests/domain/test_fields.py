"""What a field of an image may hold: a table for each kind of field, and laws for whatever a client sends."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import ForbiddenError, InvalidError
from transom.domain.fields import (
    CONTAINER_FORMATS,
    DISK_FORMATS,
    FIELDS,
    MAX_INT,
    SETTABLE,
    check_characters,
    check_field,
    check_property_name,
    check_storable,
    check_tag,
)
from transom.domain.model import Visibility

from .samples import json_values, property_names

UUID = "71c675ab-d94f-49cd-a114-e12490b328d9"
ASTRAL = "\U0001f4bf"

TAKEN: list[tuple[str, Any]] = [
    ("id", UUID),
    ("id", UUID.upper()),
    ("name", None),
    ("name", ""),
    ("name", "é" * 255),
    *(("visibility", str(one)) for one in Visibility),
    ("protected", True),
    ("os_hidden", False),
    ("owner", None),
    ("owner", "x" * 255),
    ("container_format", None),
    *(("container_format", one) for one in CONTAINER_FORMATS),
    ("disk_format", None),
    *(("disk_format", one) for one in DISK_FORMATS),
    ("min_disk", 0),
    ("min_ram", MAX_INT),
    ("locations", []),
    ("hw_disk_bus", ""),
    ("hw_disk_bus", "x" * 70_000),
]
REFUSED: list[tuple[str, Any]] = [
    ("id", "no uuid"),
    ("id", ""),
    ("id", None),
    ("id", UUID[:-1]),
    ("id", UUID + "0"),
    ("id", UUID + "\n"),
    ("id", "\n" + UUID),
    ("name", 1),
    ("name", "x" * 256),
    ("name", ["name"]),
    ("visibility", None),
    ("visibility", "Public"),
    ("visibility", "all"),
    ("protected", None),
    ("protected", "true"),
    ("protected", 1),
    ("os_hidden", 0),
    ("os_hidden", "false"),
    ("owner", 7),
    ("owner", "x" * 256),
    ("container_format", ""),
    ("container_format", "BARE"),
    ("disk_format", "qcow"),
    ("disk_format", False),
    ("min_disk", True),
    ("min_disk", None),
    ("min_disk", "1"),
    ("min_ram", 1.5),
    ("min_ram", float("inf")),
    ("min_ram", float("nan")),
    ("min_ram", []),
    ("tags", "tag"),
    ("tags", None),
    ("tags", [1]),
    ("tags", [None]),
    ("tags", ["x" * 256]),
    ("tags", [ASTRAL]),
    ("tags", ["\0"]),
    ("tags", ["\ud800"]),
    ("tags", {"a": "b"}),
    ("locations", "x"),
    ("hw_disk_bus", None),
    ("hw_disk_bus", 1),
    ("hw_disk_bus", True),
    ("hw_disk_bus", {"a": "b"}),
]


@pytest.mark.parametrize(("name", "value"), TAKEN)
def test_a_value_that_the_schema_allows_is_taken_as_it_is(name: str, value: Any) -> None:
    assert check_field(name, value) == value


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_value_that_the_schema_forbids_is_invalid_and_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidError, match=name if name != "tags" else "(?i)tags"):
        check_field(name, value)


def test_a_whole_float_counts_as_an_integer() -> None:
    """JSON Schema has no integers apart from numbers without a fraction."""
    kept = check_field("min_disk", 1.0)

    assert (kept, type(kept)) == (1, int)


@given(tags=st.lists(st.text("abc", max_size=2)))
def test_tags_are_kept_as_an_ordered_set(tags: list[str]) -> None:
    assert check_field("tags", tags) == tuple(sorted(set(tags)))


@given(name=st.sampled_from(sorted(FIELDS)) | st.text(), value=json_values)
def test_no_value_whatever_makes_the_check_fail_otherwise(name: str, value: Any) -> None:
    with contextlib.suppress(InvalidError, ForbiddenError):
        check_field(name, value)


@given(name=st.sampled_from(sorted(SETTABLE)) | property_names, value=json_values)
def test_a_value_once_taken_is_taken_again(name: str, value: Any) -> None:
    with contextlib.suppress(InvalidError):
        kept = check_field(name, value)

        again = check_field(name, list(kept) if isinstance(kept, tuple) else kept)

        assert again == kept


@given(name=st.sampled_from(sorted(SETTABLE)) | st.text(), value=json_values)
def test_a_value_that_the_schema_takes_is_stored_or_refused_as_invalid(name: str, value: Any) -> None:
    with contextlib.suppress(InvalidError):
        check_storable(name, check_field(name, value))


@pytest.mark.parametrize("name", ["min_disk", "min_ram"])
@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (-1, "Invalid value '-1' for parameter '{}': Cannot be a negative value"),
        (MAX_INT + 1, "'{}' value out of range, must not exceed 2147483647."),
        (10**30, "'{}' value out of range, must not exceed 2147483647."),
    ],
)
def test_a_number_out_of_range_is_not_stored(name: str, value: int, refusal: str) -> None:
    with pytest.raises(InvalidError) as raised:
        check_storable(name, value)

    assert str(raised.value) == refusal.format(name)


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("name", ASTRAL, "Name can't contain 4 byte unicode characters."),
        ("name", "a\0", "Name can't contain NUL characters."),
        ("name", "é\0", "Name can't contain NUL characters."),
        ("owner", "\udfff", "Owner can't contain unpaired surrogates."),
        (ASTRAL, "x", "Property names can't contain 4 byte unicode characters."),
        ("a\0", "x", "Property names can't contain NUL characters."),
        ("key", ASTRAL, "Param values can't contain 4 byte unicode characters (property 'key')."),
        ("key", "\0", "Param values can't contain NUL characters (property 'key')."),
        ("key", "\ud800", "Param values can't contain unpaired surrogates (property 'key')."),
    ],
)
def test_a_character_that_cannot_be_kept_is_refused_where_it_stands(
    name: str, value: str, refusal: str
) -> None:
    with pytest.raises(InvalidError) as raised:
        check_storable(name, value)

    assert str(raised.value) == refusal


@given(text=st.text())
def test_text_that_is_let_through_can_be_encoded_and_has_no_nul(text: str) -> None:
    with contextlib.suppress(InvalidError):
        check_characters("Text", text)

        assert b"\0" not in text.encode("utf-8")


@pytest.mark.parametrize("tag", ["", "x" * 255, "é", " blank "])
def test_a_tag_may_be_any_text_of_255_characters(tag: str) -> None:
    check_tag(tag)


@pytest.mark.parametrize("name", ["a", "x" * 255, "trait:STORAGE_DISK_SSD", "a b", "é", "a/b", '"', "\\"])
def test_a_property_may_have_any_name_of_255_characters(name: str) -> None:
    check_property_name(name)


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("", "Custom property should have a name of at least 1 character."),
        ("x" * 256, "Custom property should not be greater than 255 characters."),
        ("os_glance" * 40, "Custom property should not be greater than 255 characters."),
    ],
)
def test_a_property_name_of_a_length_it_cannot_have_is_invalid(name: str, refusal: str) -> None:
    with pytest.raises(InvalidError) as raised:
        check_property_name(name)

    assert str(raised.value) == refusal


@pytest.mark.parametrize(
    "name", ["location", "deleted", "deleted_at", "os_glance", "os_glance_x", "os_glancex", "os_share_x"]
)
def test_a_name_of_the_service_is_reserved(name: str) -> None:
    """Reference, 1.9: a prefix test, no underscore needed."""
    with pytest.raises(ForbiddenError) as raised:
        check_property_name(name)

    assert str(raised.value) == f"Attribute '{name}' is reserved."


@pytest.mark.parametrize("name", sorted(SETTABLE))
def test_what_a_client_may_set_is_a_field_that_is_not_read_only(name: str) -> None:
    assert not FIELDS[name].read_only


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_says_what_it_is(name: str) -> None:
    assert FIELDS[name].description
