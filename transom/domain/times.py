"""Moments and durations in microseconds, as the database keeps them, and how moments are written. Pure."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US


def show_time(microseconds: int) -> str:
    """RFC 3339, UTC: `2026-12-06T00:00:00.000000Z`. `microseconds`: since the epoch."""
    moment = EPOCH + timedelta(microseconds=microseconds)
    # Not strftime, which takes three times as long: a page of a list has hundreds of moments.
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
