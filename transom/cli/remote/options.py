"""Options that several verbs for users have."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from transom.cli.remote.run import require_client
from transom.client.kinds import KINDS

_Command = TypeVar("_Command", bound=Callable[..., Any])
#: Shorter ways to write an option, by the kind of recipient.
_ALIASES = {"organization": ("--organization",)}


def examples(*lines: str) -> str:
    """The end of a verb's help: commands as they are typed."""
    return "\b\nExamples:\n" + "\n".join(f"  transom {line}" for line in lines)


def recipient_options(command: _Command) -> _Command:
    """An option for each kind of recipient, and `--to-file`. The command gets `to`, what was given by the
    plural of its kind, and `to_file`."""

    @functools.wraps(command)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        to = {kind.plural: kwargs.pop(kind.plural) for kind in KINDS}
        return command(*args, to=to, **kwargs)

    # What is added last comes first in the help.
    gathered = click.option(
        "--to-file",
        type=click.Path(path_type=Path, allow_dash=True),
        help="Projects of a file: one a line, a CSV column `project`, or YAML; - is standard input.",
    )(gathered)
    for kind in reversed(KINDS):
        names = (kind.option, *_ALIASES.get(kind.name, ()), kind.plural)
        gathered = click.option(
            *names, multiple=True, metavar=kind.metavar.upper(), help=f"{kind.help}; repeatable."
        )(gathered)
    return gathered  # type: ignore[return-value]


class Time(click.ParamType[str]):
    """What `read_time` reads."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        require_client()
        from transom.client.times import read_time

        try:
            return read_time(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
