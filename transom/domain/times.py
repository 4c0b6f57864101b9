"""How moments are written: RFC 3339 with microseconds, UTC."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def show_time(microseconds: int) -> str:
    """`2026-12-06T00:00:00.000000Z`, of microseconds since the epoch."""
    return f"{EPOCH + timedelta(microseconds=microseconds):%Y-%m-%dT%H:%M:%S.%fZ}"
