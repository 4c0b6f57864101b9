"""Bodies, queries and cursors of the share API: what is wrong is named, by a JSON Pointer or a parameter."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.api.share import body
from transom.api.share.body import (
    MAX_NOTES,
    Time,
    check_future,
    check_ids,
    check_image_ids,
    check_text,
    decode,
)
from transom.api.share.query import encode_cursor, read_cursor, read_limit
from transom.domain.errors import BodyTooLargeError, InvalidError
from transom.domain.times import show_time

NOW = 1_796_000_000_000_000


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    at: Time | None = None


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    images: list[str]
    inner: list[Inner] = []
    count: int = 0


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"1", ""),
        (b"{", ""),
        (b"\xff", ""),
        (b"{}", "/images"),
        (b'{"images": null}', "/images"),
        (b'{"images": ["a", 5]}', "/images/1"),
        (b'{"images": [], "image": 1}', "/image"),
        (b'{"images": [], "a/b~c": 1}', "/a~1b~0c"),
        (b'{"images": [], "inner": [{}, {"by": 1}]}', "/inner/1/by"),
        (b'{"images": [], "inner": [{"at": "2026-12-06"}]}', "/inner/0/at"),
        (b'{"images": [], "inner": [{"at": "2026-12-06T00:00:00"}]}', "/inner/0/at"),
        (b'{"images": [], "inner": [{"at": "2026-12-06T00:00:60Z"}]}', "/inner/0/at"),
        (b'{"images": [], "count": 1.5}', "/count"),
        (b'{"images": ["a", "\\ud800"]}', "/images/1"),
        (b'{"images": [], "inner": [{"at": "\\udc00"}]}', "/inner/0/at"),
        (b'{"images": [], "a/b~c": ["\\ud83d\\ude00", "\\uD83Dx"]}', "/a~1b~0c/1"),
    ],
)
def test_what_is_wrong_with_a_body_is_named_by_its_pointer(raw: bytes, pointer: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        decode(raw, Outer, 1000)

    assert refusal.value.field == pointer


def test_a_body_of_too_many_values_is_too_large() -> None:
    with pytest.raises(BodyTooLargeError):
        decode(b'{"images": [%s]}' % b",".join([b'"a"'] * 1001), Outer, 1000)


def test_a_body_whose_texts_are_longer_than_any_may_be_is_too_large() -> None:
    assert decode(b'{"images": ["%s"]}' % (b"," * MAX_NOTES), Outer, 1000).images == ["," * MAX_NOTES]

    with pytest.raises(BodyTooLargeError):
        decode(b'{"images": ["%s"]}' % (b"," * 2 * MAX_NOTES + b"," * 1000), Outer, 1000)


def test_values_beyond_those_that_a_body_may_have_are_not_looked_through() -> None:
    raw = b'{"images": [%s, "\\ud800"]}' % b",".join([b"1"] * 1000)

    with pytest.raises(InvalidError) as refusal:
        decode(raw, Outer, 1000)

    assert refusal.value.field == ""


def test_a_body_is_what_was_sent() -> None:
    found = decode(b'{"images": ["a"], "inner": [{"at": "2026-12-06T01:00:00+01:00"}]}', Outer, 1000)

    assert found.images == ["a"]
    assert found.inner[0].at == datetime(2026, 12, 6, tzinfo=UTC)


# ---- texts and ids


@pytest.mark.parametrize("text", ["", "two\nlines", "\U0001f600", "<script>", "x" * 1000])
def test_a_text_may_be_anything_that_people_read(text: str) -> None:
    assert check_text("/message", text, 1000) == text


@pytest.mark.parametrize("text", ["\0", "a\tb", "a\r\nb", "\x1b[31m", "\x7f", "\x85", "\ud800", "x" * 1001])
def test_a_text_has_no_control_characters_and_an_end(text: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        check_text("/message", text, 1000)

    assert refusal.value.field == "/message"


@pytest.mark.parametrize("text", ["", "x", "7F0E9A52-0000-4000-8000-00000000000", "a/b", "\0"])
def test_what_is_no_uuid_is_no_image(text: str) -> None:
    known = "7f0e9a52-0000-4000-8000-000000000000"

    with pytest.raises(InvalidError) as refusal:
        check_image_ids("/images", [known, text])

    assert refusal.value.field == "/images/1"


@pytest.mark.parametrize("text", ["", "a/b", " a", "a\n", "\0", "x" * 256, "\ud800", "a\u202eb"])
def test_what_is_no_id_is_named(text: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        check_ids("/projects", ["a", text])

    assert refusal.value.field == "/projects/1"


def test_ids_count_once_each() -> None:
    assert check_ids("/projects", ["b", "a", "b"]) == ["b", "a"]


# ---- times


@given(st.integers(10**15, 2 * 10**17), st.integers(-840, 840))
def test_a_time_in_any_offset_is_the_same_time(microseconds: int, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    given_time = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).astimezone(zone)

    at = body.to_microseconds("/at", given_time)

    assert at == microseconds
    assert datetime.fromisoformat(show_time(at)) == given_time
    assert show_time(at).endswith("Z")


@pytest.mark.parametrize(
    "time",
    [
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-1))),
        datetime.fromtimestamp(NOW / 1_000_000, UTC),
    ],
)
def test_a_time_that_is_not_to_come_or_cannot_be_shown_is_refused(time: datetime) -> None:
    with pytest.raises(InvalidError) as refusal:
        check_future("/expires_at", time, NOW)

    assert refusal.value.field == "/expires_at"


def test_a_time_in_the_next_microsecond_is_to_come() -> None:
    time = datetime.fromtimestamp(NOW / 1_000_000, UTC) + timedelta(microseconds=1)

    assert check_future("/expires_at", time, NOW) == NOW + 1


# ---- cursors and limits


@given(st.integers(0, 2**62), st.text(st.characters(exclude_characters="\0")))
def test_a_cursor_is_the_position_that_it_was_made_of(number: int, text: str) -> None:
    position = (number, text.encode("utf-8", "ignore").decode())

    assert read_cursor({"after": encode_cursor("list", position)}, "list", tuple[int, str]) == position


def _forged(text: str) -> str:
    """With its checksum, which is no secret."""
    raw = text.encode()
    return urlsafe_b64encode(crc32(raw).to_bytes(4, "big") + raw).decode().rstrip("=")


FORGED: list[Any] = [
    "",
    "x",
    "\xe9",
    "a" * 10_000,
    encode_cursor("other", (1, "a")),
    encode_cursor("list", ("a", 1)),
    encode_cursor("list", (1,)),
    encode_cursor("list", (1, "a"))[:-1],
    encode_cursor("list", (1, "a")) + "=",
    "A" + encode_cursor("list", (1, "a"))[1:],
    encode_cursor("list", (-1, "a")),
    encode_cursor("list", (2**62 + 1, "a")),
    encode_cursor("list", (2**63, "a")),
    encode_cursor("list", (1, "a\0")),
    encode_cursor("list", (1, "a", 2**63)),
    _forged('["list",1,"\\ud800"]'),
    _forged(f'["list",{10**40},"a"]'),
]


@pytest.mark.parametrize("after", FORGED)
def test_a_cursor_that_the_list_did_not_give_is_refused(after: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        read_cursor({"after": after}, "list", tuple[int, str])

    assert refusal.value.parameter == "after"


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1.5", "\u0661", "1" * 30, " 1"])
def test_a_limit_is_a_number_from_1_to_1000(limit: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        read_limit({"limit": limit})

    assert refusal.value.parameter == "limit"
