"""The examples at the end of a verb's help: each can be typed as it stands."""

import shlex
from collections.abc import Iterator

import click
import pytest

from transom.cli.remote.family import family
from transom.cli.remote.hook import hook
from transom.cli.remote.image import image
from transom.cli.remote.rule import rule
from transom.cli.remote.share import share

VERBS = click.Group("transom", [image, share, family, hook, rule])


def _examples(command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _examples(inner)
    for line in (command.epilog or "").splitlines():
        if line.startswith("  transom "):
            yield line.strip()


EXAMPLES = list(_examples(VERBS))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_has_verbs_and_options_that_there_are(example: str) -> None:
    _program, *words = shlex.split(example)
    command: click.Command = VERBS
    context = click.Context(command)
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
        context = click.Context(command, context)

    given, left, _order = command.make_parser(context).parse_args(words)

    assert not left
    assert all(name in given for name in (one.name for one in command.params if one.required))


@pytest.mark.parametrize("verb", ["share offer", "share accept", "family revoke", "hook create", "rule set"])
def test_what_people_begin_with_has_examples(verb: str) -> None:
    assert any(example.startswith(f"transom {verb} ") for example in EXAMPLES)
