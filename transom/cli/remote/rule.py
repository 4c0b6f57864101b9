"""`transom rule`: rules that answer offers automatically (docs/cli.md)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from transom.cli.remote.options import examples
from transom.cli.remote.output import format_options, print_one, print_rows
from transom.cli.remote.run import confirm, with_service, yes_option

if TYPE_CHECKING:
    from transom.client.service import Service

_Command = TypeVar("_Command", bound=Callable[..., Any])
_COLUMNS = ("publisher", "answer", "updated_at")


@click.group()
def rule() -> None:
    """Rules that answer offers automatically."""


def publisher_options(command: _Command) -> _Command:
    """One of three, which the command gets as `project`, `domain` and `everybody`."""
    for option in (
        click.option("--everybody", is_flag=True, help="Every publisher without a rule of its own."),
        click.option("--domain", help="All projects of a domain: id or name."),
        click.option("--project", help="Id or name."),
    ):
        command = option(command)
    return command


@rule.command("list")
@format_options
@with_service
def list_rules(service: "Service", form: str, columns: tuple[str, ...]) -> None:
    """The rules of your project. Nobody else sees them."""
    from transom.client import shares

    print_rows(map(_row, shares.list_rules(service)), _COLUMNS, form, columns)


@rule.command(
    "set", epilog=examples("rule set accepted --project golden-images", "rule set rejected --everybody")
)
@click.argument("word", metavar="ANSWER", type=click.Choice(["accepted", "rejected"]))
@publisher_options
@format_options
@with_service
def set_rule(
    service: "Service",
    word: str,
    project: str | None,
    domain: str | None,
    everybody: bool,
    form: str,
    columns: tuple[str, ...],
) -> None:
    """Answer future offers of a publisher automatically. Offers that wait already do not change."""
    from transom.client import shares

    publisher = _publisher(service, project, domain, everybody=everybody)
    print_one(_row(shares.set_rule(service, publisher, word)), form, columns)


@rule.command("delete")
@publisher_options
@yes_option
@with_service
def delete_rule(
    service: "Service", project: str | None, domain: str | None, everybody: bool, yes: bool
) -> None:
    """Delete a rule: further offers of the publisher wait for an answer again."""
    from transom.client import shares

    publisher = _publisher(service, project, domain, everybody=everybody)
    confirm(f"Delete the rule for {publisher}?", yes=yes)
    shares.delete_rule(service, publisher)


def _publisher(service: "Service", project: str | None, domain: str | None, *, everybody: bool) -> str:
    """As a path has it."""
    from transom.client.names import find_domain, find_project

    if sum((project is not None, domain is not None, everybody)) != 1:
        raise click.UsageError("Name one of --project, --domain and --everybody.")
    if project is not None:
        return f"projects/{find_project(service, project)}"
    return f"domains/{find_domain(service, domain)}" if domain is not None else "everybody"


def _row(found: dict[str, Any]) -> dict[str, Any]:
    publisher = found["publisher"]
    shown = [str(value) if kind == "project" else f"{kind} {value}" for kind, value in publisher.items()]
    return {**found, "publisher": "everybody" if publisher.get("everybody") else shown[0]}
