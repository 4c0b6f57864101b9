"""Facts as people read them: sizes, times, numbers, ids. Pure."""

import re
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
#: Characters that steer how others are shown, or are not seen: a name could pass for another by them.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: Counts of the API stop here.
MOST_COUNTED = 1000


def show_controls(value: Any) -> Any:
    """Steering characters of a text spelled out: `U+202E`. Anything but plain text is left alone."""
    if type(value) is str and not value.isprintable():
        return _STEERING.sub(lambda found: f"U+{ord(found[0]):04X}", value)
    return value


def show_name(text: str | None, otherwise: str = "unnamed") -> Markup:
    """A name that people gave, kept apart from the direction of the text around it."""
    shown = escape(show_controls(text or otherwise))
    return Markup(f"<bdi>{shown}</bdi>" if text else f'<i class="muted">{shown}</i>')  # noqa: S704


def format_size(size: int | None) -> str:
    """1000-based, three digits: 734 MB."""
    if size is None:
        return "–"
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    if unit == 0:
        return f"{size} B"
    return f"{value:.3g} {_UNITS[unit]}" if value < 100 else f"{value:.0f} {_UNITS[unit]}"


def format_memory(megabytes: int) -> str:
    """Of a machine, as people order it: 512 MB, 4 GB."""
    return f"{megabytes // 1024} GB" if megabytes and megabytes % 1024 == 0 else f"{megabytes} MB"


def format_number(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def format_count(number: int | None) -> str:
    """Of something that the API counts up to a limit."""
    if number is None:
        return ""
    return f"{MOST_COUNTED}+" if number > MOST_COUNTED else f"{number:,}"


def shorten(text: str | None) -> str:
    """An id in a table: its two ends."""
    return text if text is None or len(text) <= 13 else f"{text[:8]}…{text[-4:]}"  # type: ignore[return-value]


def is_uuid(text: str) -> bool:
    """Whether it is the id of an image or a family, rather than a name."""
    return _UUID.fullmatch(text) is not None


def parse_time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def format_moment(moment: datetime) -> str:
    """To the second, in UTC."""
    return moment.astimezone(UTC).isoformat(" ", "seconds").removesuffix("+00:00") + " UTC"


def format_day(moment: datetime) -> str:
    """31 Mar 2027"""
    return f"{moment.day} {moment:%b %Y}"


def format_ago(moment: datetime, now: datetime) -> str:
    """How long ago; the day where that is long."""
    past_s = (now - moment).total_seconds()
    if past_s < 45:
        return "just now"
    if past_s < 45 * _MINUTE:
        return _count(round(past_s / _MINUTE), "minute") + " ago"
    if past_s < 22 * _HOUR:
        return _count(max(1, round(past_s / _HOUR)), "hour") + " ago"
    days = (now.date() - moment.date()).days
    if days <= 1:
        return "yesterday"
    if days < 21:
        return f"{days} days ago"
    return format_day(moment)


def format_left(moment: datetime, now: datetime) -> str:
    """How long from now."""
    left_s = (moment - now).total_seconds()
    if left_s <= 0:
        return "over"
    if left_s < 90 * _MINUTE:
        return _count(max(1, round(left_s / _MINUTE)), "minute") + " left"
    if left_s < 36 * _HOUR:
        return _count(round(left_s / _HOUR), "hour") + " left"
    return f"{round(left_s / _DAY)} days left"


def is_soon(moment: datetime, now: datetime) -> bool:
    """Within a day."""
    return (moment - now).total_seconds() < _DAY


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def file_name(name: str | None, image_id: str, disk_format: str | None) -> str:
    """What a download is saved as: letters, digits and `._-` only."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name or "").strip("-.")[:100] or image_id
    ending = f".{disk_format or 'img'}"
    return stem if stem.endswith(ending) else stem + ending
