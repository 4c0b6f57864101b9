"""Leases as they were read: who holds a row, and until when. Others take it over only as it was seen."""

from typing import Protocol


class Leased(Protocol):
    """A row with a lease."""

    @property
    def holder(self) -> str | None:
        """The worker that has it, None for nobody."""
        ...

    @property
    def held_until(self) -> int:
        """When the lease ends, microseconds by the database's clock."""
        ...


def as_seen(row: Leased) -> tuple[int, str]:
    """The values of a claim's guard, `held_until = $n and coalesce(holder, '') = $m`: a renewal since the row
    was read keeps it with its holder."""
    return row.held_until, row.holder or ""
