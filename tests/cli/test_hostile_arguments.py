"""Arguments that no service could take: each verb says so in words, with an exit status of its own."""

from collections.abc import Iterator

import click
import pytest

from cli.conftest import Run
from transom.cli import _VERBS, main

#: They serve until they are told to stop.
_SERVING = {"serve", "work"}
#: What is no UTF-8, as Python has it in arguments (PEP 383).
_NO_TEXT = "\udcff\udcfe"
_HUGE = str(10**20)


def _commands(
    command: click.Command | None, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    assert command is not None
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from _commands(command.get_command(context, name), (*words, name))
    else:
        yield words, command


COMMANDS = [
    pytest.param(words, command, id=" ".join(words))
    for verb in _VERBS
    if verb not in _SERVING
    for words, command in _commands(main.get_command(click.Context(main), verb), (verb,))
]


def _arguments(command: click.Command, text: str, number: str) -> Iterator[str]:
    """A value for each parameter that takes one."""
    behind: list[str] = []
    for param in command.params:
        if isinstance(param.type, click.Choice):
            value = param.type.choices[0]
        elif isinstance(param.type, click.types.IntParamType):
            value = number
        else:
            value = text
        if isinstance(param, click.Argument):
            behind.append(value)
        elif not getattr(param, "is_flag", False):
            yield f"{param.opts[-1]}={value}"
    yield "--"
    yield from behind


@pytest.mark.parametrize(("text", "number"), [(_NO_TEXT, "1"), ("x", _HUGE)], ids=["no text", "huge number"])
@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_a_value_that_nothing_takes_ends_in_words(
    run: Run, words: tuple[str, ...], command: click.Command, text: str, number: str
) -> None:
    done = run("publisher", *words, *_arguments(command, text, number))

    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 2, 3)


@pytest.mark.parametrize("words", [("image", "list"), ("share", "history"), ("audit",)], ids=" ".join)
def test_a_limit_that_no_list_reaches_is_refused(run: Run, words: tuple[str, ...]) -> None:
    done = run("publisher", *words, "--limit", _HUGE)

    assert "--limit" in done.stderr
    assert done.returncode == 2
