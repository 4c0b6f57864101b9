"""What goes wrong in a verb becomes one line for people and exit status 1, never a traceback."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from transom.cli.os_errors import describe_os_error, report_os_errors
from transom.config import Settings
from transom.domain.errors import TransomError, describe


@contextmanager
def report_failures(*also: type[Exception]) -> Iterator[None]:
    """For refusals, errors of the system, and the exceptions in `also`, whose text is for people."""
    try:
        with report_os_errors():
            yield
    except Exception as error:
        if isinstance(error, (TransomError, *also)):
            raise click.ClickException(describe(error)) from None
        raise


def require_folder(settings: Settings) -> None:
    """Fail if `data_dir` cannot be the data folder. It need not exist."""
    path = settings.data_path
    try:
        is_other = path.exists() and not path.is_dir()
    except OSError as error:
        raise click.ClickException(f"data_dir cannot be used: {describe_os_error(error)}") from None
    if is_other:
        raise click.ClickException(f"data_dir is {path}, which is a file. It must be a folder.")


def make_folder(settings: Settings) -> None:
    """Make the data folder unless it exists; fail if it cannot be made or cannot be used."""
    require_folder(settings)
    path = settings.data_path
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Only an attempt tells: permissions are not all that can be in the way.
        probe = path / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            # What is there can still be served, and deleting makes room.
            return
        raise click.ClickException(f"data_dir cannot be used: {describe_os_error(error)}") from None
