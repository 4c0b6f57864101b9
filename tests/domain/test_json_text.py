"""JSON of others: the same values as the library's, whatever is in it."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transom.domain.json_text import LongNumberError, decode_json

_LONG = "1" * 41
_texts = st.text('0123456789",[]{}:\\-.aé', max_size=60)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_texts, inner, max_size=5),
    max_leaves=30,
)


@given(value=_values)
@example(value=["\\", _LONG, '"', _LONG, '\\"' + _LONG])
@example(value={_LONG: {"a": _LONG}, "\\": [_LONG + "\\"]})
@example(value=[5e-324, 2.2250738585072011e-308, 1.7976931348623157e308, -0.0, 2**53 + 1.0])
def test_what_was_encoded_is_read_again(value: object) -> None:
    assert decode_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "number", [_LONG, f"-{_LONG}", f"0.{_LONG}", f"1.{'1' * 20}e-{'1' * 20}", f"{_LONG}.5", f"1e{_LONG}"]
)
@pytest.mark.parametrize("around", ["%s", "[%s]", '["\\"", %s]', '{"a\\\\":%s}', '["%%s", {"a": %s}]'])
def test_a_long_number_is_refused(number: str, around: str) -> None:
    with pytest.raises(LongNumberError):
        decode_json((around % number).encode())


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e999999999"])
def test_a_number_that_no_double_holds_is_refused(number: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_json(f"[{number}]".encode())
