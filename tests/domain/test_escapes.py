"""Percent-encoded text, as the library reads it."""

from urllib.parse import unquote_to_bytes

from hypothesis import example, given
from hypothesis import strategies as st

from transom.domain.escapes import unescape

_LONG = 1000
_pieces = st.sampled_from(
    [b"%", b"\\", b"x", b"u", b"U", b"N{", b"0", b"a", b"F", b"g", b"\n", b"\xff", b"%5C"]
)


@given(text=st.lists(_pieces).map(b"".join))
@example(text=b"\\x41%41%5cx41%zz%4")
@example(text=b"%E2%82%AC")
def test_long_and_short_text_is_read_as_by_the_library(text: bytes) -> None:
    for raw in (text, b"-" * _LONG + text, text + b"%" * _LONG):
        assert unescape(raw) == unquote_to_bytes(raw)
