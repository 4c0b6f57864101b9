"""What the commands have in common: the service as the account of `openstack`, lists, answers, questions."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from osc_lib import exceptions
from osc_lib.command import command

from transom.client import rows
from transom.client.families import find_family
from transom.client.kinds import KINDS
from transom.client.names import find_image
from transom.client.recipients import RecipientsError, Sets, read_recipients
from transom.client.service import RefusedError, Service
from transom.client.times import read_time

#: Exit status where some of several things could not be done.
SOME_FAILED = 3
STATUSES = ("pending", "accepted", "rejected")

Arguments = argparse.Namespace
Parser = argparse.ArgumentParser
_Answer = TypeVar("_Answer")


class _Account(command.Command):
    """A command that asks the service. Refusals are one line and exit status 1."""

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        self.add_arguments(parser)
        return parser

    def add_arguments(self, parser: Parser) -> None:
        """Those of this command."""

    def ask(self, act: Callable[[Service, Arguments], _Answer], arguments: Arguments) -> _Answer:
        manager: Any = self.app.client_manager
        config = manager.sdk_connection.config
        service = Service(
            config.get_session(),
            endpoint=config.get_endpoint("image"),
            region=config.get_region_name("image"),
            interface=config.get_interface("image") or "public",
        )
        try:
            return act(service, arguments)
        except (RefusedError, RecipientsError) as error:
            raise exceptions.CommandError(str(error)) from None

    def take_action(self, parsed_args: Arguments) -> Any:
        return self.ask(self.act, parsed_args)

    def act(self, service: Service, arguments: Arguments) -> Any:
        raise NotImplementedError


class Acting(_Account):
    """Says what was done; what could not be done is a line each, and exit status 3."""

    def act(self, service: Service, arguments: Arguments) -> int:
        done = self.do(service, arguments)
        counts = [f"{name}: {done[name]}" for name in done if name != "failures" and done[name]]
        self.app.stdout.write(f"{', '.join(counts) or 'nothing to do'}\n")
        for failure in done["failures"]:
            self.app.stderr.write(f"{rows.failure_text(failure)}\n")
        return SOME_FAILED if done["failures"] else 0

    def do(self, service: Service, arguments: Arguments) -> rows.Row:
        raise NotImplementedError


class Silent(_Account):
    """Says nothing when it was done."""

    def act(self, service: Service, arguments: Arguments) -> None:
        raise NotImplementedError


class Listing(_Account, command.Lister):
    """A table of rows."""

    columns: Sequence[str] = ()

    def act(self, service: Service, arguments: Arguments) -> tuple[Sequence[str], list[list[Any]]]:
        found = self.find(service, arguments)
        return self.columns, [[row.get(column) for column in self.columns] for row in found]

    def find(self, service: Service, arguments: Arguments) -> Iterable[rows.Row]:
        raise NotImplementedError


class Showing(_Account, command.ShowOne):
    """The fields of one thing."""

    def act(self, service: Service, arguments: Arguments) -> tuple[Sequence[str], Sequence[Any]]:
        found = self.find(service, arguments)
        return list(found), list(found.values())

    def find(self, service: Service, arguments: Arguments) -> rows.Row:
        raise NotImplementedError


# ---- arguments


def add_things(parser: Parser) -> None:
    """Images, and families beside them."""
    parser.add_argument("images", metavar="<image>", nargs="*", help="Id or name")
    parser.add_argument(
        "--family",
        dest="families",
        metavar="<family>",
        action="append",
        default=[],
        help="Id or name (repeatable)",
    )


def find_things(service: Service, arguments: Arguments) -> tuple[list[str], list[str]]:
    """(ids of images, ids of families)."""
    return (
        [find_image(service, one)["id"] for one in arguments.images],
        [find_family(service, one)["id"] for one in arguments.families],
    )


def add_recipients(parser: Parser) -> None:
    for kind in KINDS:
        parser.add_argument(
            kind.option,
            dest=kind.plural,
            metavar=f"<{kind.metavar}>",
            help=f"{kind.help} (repeatable)",
            action="append",
            default=[],
        )
    parser.add_argument(
        "--to-file",
        metavar="<file>",
        type=Path,
        help="Projects of a file: lines, CSV or YAML; - is standard input",
    )


def find_recipients(service: Service, arguments: Arguments) -> Sets:
    """Their ids."""
    to = {kind.plural: getattr(arguments, kind.plural) for kind in KINDS}
    return read_recipients(service, to, arguments.to_file)


def add_yes(parser: Parser) -> None:
    parser.add_argument("--yes", action="store_true", help="Do not ask")


def time(text: str) -> str:
    """For `type=` of an argument."""
    try:
        return read_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# ---- questions


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is undone; CommandError for a no, and where there is no terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise exceptions.CommandError(f"{question} Say --yes; there is no terminal to ask at.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise exceptions.CommandError("Nothing was done.")
