"""Times as people write them: RFC 3339, a date, or so long from now."""

import re
from datetime import UTC, datetime, timedelta

_FROM_NOW = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_time(text: str) -> str:
    """`2026-12-06T00:00:00Z`, `2026-12-06` (its start, UTC), or `30d`, so many m, h, d or w from now; as the
    API has it. ValueError."""
    if found := _FROM_NOW.fullmatch(text):
        try:
            moment = datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})
        except OverflowError:
            raise ValueError(f"{text} is too far away.") from None
        return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a time nor, as 30d, so long from now.") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).isoformat()
