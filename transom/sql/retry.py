"""Optimistic retry: look, decide, write with a guard that repeats what was seen; look again when it fails."""

from transom.domain.errors import UnavailableError

#: A try that fails means that another writer committed between the look and the write, so that so many in a
#: row mean that the database is in trouble.
TRIES = 100


def write_conflict(subject: str) -> UnavailableError:
    """`TRIES` tries in a row have failed. `subject`: with its verb."""
    return UnavailableError(f"{subject} being changed by too many requests at once. Try again.")
