"""An error of the system becomes one line for people and exit status 1; for all verbs."""

from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def report_os_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # The reader of a pipe has ended (`head`): click exits silently.
    except OSError as error:
        raise click.ClickException(describe_os_error(error)) from None


def describe_os_error(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
