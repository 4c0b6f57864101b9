"""Options that several verbs for users have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from transom.cli.remote.run import require_client

_Command = TypeVar("_Command", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """The end of a verb's help: commands as they are typed."""
    return "\b\nExamples:\n" + "\n".join(f"  transom {line}" for line in lines)


def recipient_options(command: _Command) -> _Command:
    """`--to`, `--to-domain`, `--to-organization` and `--to-file`, which the command gets as `to`,
    `to_domain`, `to_organization` and `to_file`."""
    for option in (
        click.option(
            "--to-file",
            type=click.Path(path_type=Path, allow_dash=True),
            help="Projects of a file: one a line, a CSV column `project`, or YAML; - is standard input.",
        ),
        click.option(
            "--to-organization",
            "--organization",
            "to_organization",
            multiple=True,
            metavar="ID",
            help="An organisation or a unit of one, by its id; repeatable.",
        ),
        click.option("--to-domain", multiple=True, metavar="DOMAIN", help="A whole domain; repeatable."),
        click.option("--to", multiple=True, metavar="PROJECT", help="Id or name; repeatable."),
    ):
        command = option(command)
    return command


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
