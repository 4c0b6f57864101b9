"""Bodies of the share API: JSON that is decoded into a type, whose unknown keys are refused.

A type is a `msgspec.Struct` with `forbid_unknown_fields`; whatever is wrong is InvalidError with the JSON
Pointer of the part. Values that a type alone cannot judge (texts, times, ids) are judged by the functions
below, which are given that pointer.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec

from transom.api.bodies import count_signs, decode_body
from transom.api.http import Request
from transom.api.services import Services
from transom.domain.errors import InvalidError, TransomError
from transom.domain.fields import MAX_NAME, UUID, check_characters, check_id_text, quoted, unique_ids
from transom.domain.times import EPOCH

Body = TypeVar("Body")

#: A time in a body. RFC 3339 with any offset.
Time = Annotated[datetime, msgspec.Meta(tz=True)]

MAX_MESSAGE = 1_000
MAX_REASON = 1_000
MAX_NOTES = 10_000
MAX_TITLE = 255
MAX_DESCRIPTION = 4_000

#: Values of a body beyond those of its lists of ids.
_MOST_VALUES = 20_000
#: Signs of values in the texts of a body, which are short here: twice as many as the longest text has signs.
_MOST_SIGNS = 20_000
#: Half of a surrogate pair as JSON escapes it; the other half may stand beside it.
_ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_AT = re.compile(r" - at `\$(.*)`\Z", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_NAMED = re.compile(r"(?:unknown field|missing required field) `(.*?)`(?: - at `\$.*`)?\Z", re.DOTALL)
#: What msgspec says of a body whose keys are as long as keys are, characters.
_LONGEST_FINDING = 4_000
_MICROSECOND = timedelta(microseconds=1)
#: The last moment that four digits of a year can show.
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


async def read_body(services: Services, request: Request, kind: type[Body]) -> Body:
    """The body as a `kind`. BodyTooLargeError for more than is read, InvalidError for anything else."""
    raw = await request.body(services.bodies.json_body_limit)
    return decode(raw, kind, _MOST_VALUES + 2 * services.share_limits.share_batch_limit)


def decode(raw: bytes, kind: type[Body], most_values: int) -> Body:
    """As `read_body`. `most_values`: that the body may have."""
    try:
        value = decode_body(raw, most_values, _MOST_SIGNS)
    except InvalidError as error:
        pointer = _find_surrogate(raw, most_values)
        if pointer is not None:
            raise invalid(pointer, "can't contain unpaired surrogates.") from None
        raise InvalidError(str(error), error.reason, field="") from None
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _invalid(text: str) -> InvalidError:
    """What msgspec found, with the part as a JSON Pointer in place of its own path. Keys that are longer than
    any of ours, of which the text may have one, are not looked into."""
    at = _AT.search(text) if len(text) <= _LONGEST_FINDING else None
    pointer = "".join(
        f"/{escape(key) if key else number}" for key, number in _STEP.findall(at[1] if at else "")
    )
    if len(text) <= _LONGEST_FINDING and (named := _NAMED.search(text)):
        pointer += f"/{escape(named[1])}"
    what = text[: at.start()] if at else text
    return invalid(pointer, what[:200])


def escape(key: str) -> str:
    """A key as a step of a JSON Pointer (RFC 6901, 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def invalid(pointer: str, why: str) -> InvalidError:
    """`pointer`: the part of the body that is wrong."""
    return InvalidError(f"{pointer or 'The body'}: {why}", field=pointer)


# ---- texts


def check_text(pointer: str, text: str, limit: int) -> str:
    """The text, which people read: at most so many characters, of the control characters none but newline."""
    if len(text) > limit:
        raise invalid(pointer, f"must not be longer than {limit} characters.")
    for character in text:
        if character != "\n" and unicodedata.category(character) in ("Cc", "Cs"):
            raise invalid(pointer, "can't contain control characters other than newline.")
    return text


def check_optional_text(pointer: str, text: str | None, limit: int) -> str | None:
    """As `check_text`; "" counts as none."""
    return check_text(pointer, text, limit) if text else None


def check_line(pointer: str, text: str, limit: int) -> str:
    """As `check_text`, of one line that is not blank."""
    if "\n" in text:
        raise invalid(pointer, "must be a single line.")
    if not text.strip():
        raise invalid(pointer, "must not be blank.")
    return check_text(pointer, text, limit)


# ---- ids


def check_image_ids(pointer: str, ids: Sequence[str]) -> list[str]:
    """The ids of images, each once, in the order given."""
    if not all(map(UUID.fullmatch, ids)):
        position, wrong = next(at for at in enumerate(ids) if not UUID.fullmatch(at[1]))
        raise invalid(f"{pointer}/{position}", f"{quoted(wrong)} is not the id of an image.")
    return list(dict.fromkeys(ids))


def check_ids(pointer: str, ids: Sequence[str]) -> list[str]:
    """The ids of projects and the like, each once, in the order given."""
    return unique_ids(ids, lambda position, one: check_id(f"{pointer}/{position}", one))


def check_id(pointer: str, value: str) -> str:
    """The id of a project or the like."""
    if not value or len(value) > MAX_NAME or "/" in value:
        raise invalid(pointer, f"{quoted(value)} is not an id.")
    try:
        check_characters("An id", value)
        check_id_text("An id", value)
    except TransomError as error:
        raise invalid(pointer, str(error)) from None
    return value


# ---- times


def to_microseconds(pointer: str, time: datetime) -> int:
    """Microseconds since the epoch, UTC."""
    if not EPOCH <= time <= _LAST:
        raise invalid(pointer, "must be a time between the years 1970 and 9999.")
    return (time - EPOCH) // _MICROSECOND


def check_future(pointer: str, time: datetime, now: int) -> int:
    """As `to_microseconds`, of a time that is still to come. `now`: microseconds since the epoch."""
    at = to_microseconds(pointer, time)
    if at <= now:
        raise invalid(pointer, "must not be in the past.")
    return at


#: A value in a JSON text: the way to it, of keys and the ways to what is around it.
_Way = tuple["_Way", str] | None


def _find_surrogate(raw: bytes, most_values: int) -> str | None:
    """Where in a JSON text a string with half a surrogate pair stands; None when there is none, or the text
    has more values than may be looked at."""
    if count_signs(raw) > most_values or not _ESCAPED_HALF.search(raw):
        return None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    waiting: list[tuple[_Way, Any]] = [(None, value)]
    while waiting:
        way, one = waiting.pop()
        if isinstance(one, str) and _has_half(one):
            return _pointer_of(way)
        if isinstance(one, dict):
            waiting += [((way, key), inner) for key, inner in one.items()]
        elif isinstance(one, list):
            waiting += [((way, str(number)), inner) for number, inner in enumerate(one)]
    return None


def _has_half(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _pointer_of(way: _Way) -> str:
    steps = []
    while way is not None:
        way, step = way
        steps.append(f"/{escape(step)}")
    return "".join(reversed(steps))
