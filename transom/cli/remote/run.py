"""What all verbs for users have in common: the account, exit statuses, questions before what undoes."""

import functools
import importlib.util
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from transom.cli.os_errors import report_os_errors
from transom.cli.remote.output import json_option
from transom.cli.spelling import spell_json, spell_out

if TYPE_CHECKING:
    from transom.client.service import Service

#: Everything was done; the service refused; some of several things could not be done.
DONE, REFUSED, SOME_FAILED = 0, 1, 3
_NEEDED = ("keystoneauth1", "requests", "rich")
_Run = TypeVar("_Run", bound=Callable[..., Any])


def require_client() -> None:
    """To be called before anything of `transom.client` is imported; click's error when what that needs is not
    installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"verbs for users need packages that are not installed ({', '.join(missing)}): "
            "pip install 'transom[client]', or pip install --require-hashes -r client.lock."
        )


class Access:
    """Which account is to be used, for `click`'s context."""

    def __init__(self, cloud: str | None) -> None:
        self._cloud = cloud

    def connect(self) -> "Service":
        """The service as this account; click's error when that is not configured."""
        require_client()
        from transom.client.clouds import CloudError, connect

        # What it warns of is said by the error that follows.
        logging.getLogger("keystoneauth").setLevel(logging.ERROR)

        try:
            return connect(self._cloud)
        except CloudError as error:
            raise click.ClickException(str(error)) from None


def with_service(run: _Run) -> _Run:
    """The command gets the service as its first argument. A refusal is one line and exit status 1."""

    @click.pass_obj
    @functools.wraps(run)
    def wrapped(access: Access, /, *args: Any, **kwargs: Any) -> Any:
        service = access.connect()
        from transom.client.recipients import RecipientsError
        from transom.client.service import RefusedError

        try:
            with report_os_errors():
                return run(service, *args, **kwargs)
        except RefusedError as error:
            raise click.ClickException(describe(error)) from None
        except RecipientsError as error:
            raise click.ClickException(str(error)) from None

    return wrapped  # type: ignore[return-value]


def describe(error: Any) -> str:
    """A refusal for people: what, and where in the request."""
    where = f"{error.field}: " if error.field and not str(error).startswith(error.field) else ""
    status = f" ({error.status})" if error.status else ""
    return spell_out(f"{where}{error}{status}")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is undone. `yes`: `--yes` was given. An error where there is no terminal."""
    question = spell_out(question)
    if yes:
        click.echo(question.removesuffix("?") + ".", err=True)
        return
    if not sys.stdin.isatty():
        raise click.ClickException(f"{question} Say --yes; there is no terminal to ask at.")
    click.confirm(question, abort=True, err=True)


yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
report_option = json_option("counts and failures as the API has them.")


def report(done: dict[str, Any], form: str) -> None:
    """Counts on standard output, failures one a line on standard error, or both as JSON on standard output;
    exit status 3 if there are failures."""
    from transom.client.rows import failure_text

    failures = done.get("failures", [])
    if form == "json":
        click.echo(spell_json(done, indent=2))
    else:
        counts = {name: value for name, value in done.items() if name != "failures" and value}
        said = ", ".join(f"{name}: {value}" for name, value in counts.items())
        click.echo(spell_out(said) or "nothing to do")
        for failure in failures:
            click.echo(spell_out(failure_text(failure)), err=True)
    if failures:
        raise SystemExit(SOME_FAILED)
