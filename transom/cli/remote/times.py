"""Times as people write them: RFC 3339, a date, or so long from now."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_AGO = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Time(click.ParamType[str]):
    """`2026-12-06T00:00:00Z`, `2026-12-06` (its start, UTC), or `30d`: so many m, h, d or w from now."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if found := _AGO.fullmatch(text):
            try:
                moment = datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})
            except OverflowError:
                self.fail(f"{text} is too far away.", param, ctx)
            return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither a time nor, as 30d, so long from now.", param, ctx)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.isoformat()
