"""JSON of others → values, in a time that goes by its length, whatever numbers are in it. Pure.

The library reads a fraction that lies almost between two doubles in some 10 µs, a hundred times as long as
another, and a whole number of thousands of digits in half a millisecond. So fractions are read by Python, and
long numbers are refused. Start reading at `decode_json`.
"""

import math
from typing import Any

import msgspec

#: Characters of a number: 24 write any double.
_LONGEST_NUMBER = 40
_DIGIT = b"0"
_TOO_MANY_DIGITS = _DIGIT * (_LONGEST_NUMBER + 1)
_TO_DIGITS = bytes.maketrans(b"123456789", _DIGIT * 9)
_MARK, _QUOTE = b"\0", b'"'
_ALL_ELSE = bytes(set(range(256)) - {*_MARK, *_QUOTE})


class LongNumberError(msgspec.DecodeError):
    """A number has more characters than are read."""

    def __init__(self) -> None:
        super().__init__(f"A number has more than {_LONGEST_NUMBER} characters.")


def decode_json(raw: bytes) -> Any:
    """The value. Raises as the library does, and LongNumberError."""
    if _TOO_MANY_DIGITS in raw.translate(_TO_DIGITS) and _has_long_number(raw):
        raise LongNumberError
    return _decode(raw)


def _has_long_number(raw: bytes) -> bool:
    """Whether so many digits stand together outside of texts."""
    if b"\\" in raw:
        raw = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    text = raw.translate(_TO_DIGITS)
    if not text.count(_QUOTE, 0, text.find(_TOO_MANY_DIGITS)) % 2:
        return True
    # Nothing but quotes is left, and a mark for so many digits. Two quotes with nothing in between can go.
    marked = text.replace(_MARK, b"").replace(_TOO_MANY_DIGITS, _MARK).translate(None, _ALL_ELSE)
    return any(marked.replace(_QUOTE * 2, b"").split(_QUOTE)[::2])


def _read_fraction(text: str) -> float:
    if len(text) > _LONGEST_NUMBER:
        raise LongNumberError
    number = float(text)
    if math.isinf(number):
        raise msgspec.DecodeError("Number out of range")
    return number


_decode = msgspec.json.Decoder(float_hook=_read_fraction).decode
