"""`transom settings`: a settings file with everything that can be set, to start from."""

import json
import textwrap
from typing import Any

import click

from transom.config import describe, secrets

_WIDTH = 110
_HEAD = """\
# Settings of Transom, each with its default: take away the # before a name to change it. Written by
# `transom settings`. Save it as transom.toml where the service starts, or name it with --config or
# TRANSOM_CONFIG. TRANSOM_<NAME> in the environment wins over this file.
"""


@click.command()
def settings() -> None:
    """Print every setting with its help text and its default, in the form of a settings file."""
    click.echo(render_example(), nl=False)


def render_example() -> str:
    """The text of transom.example.toml."""
    return "\n".join([_HEAD, *(_render(name, default, text) for name, default, text in describe())])


def _render(name: str, default: Any, text: str) -> str:
    if name in secrets():
        text += f" Or {name}_file: the name of a file that holds it."
    lines = textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines) + f"#{name} = {_literal(default)}\n"


def _literal(value: Any) -> str:
    """A value in TOML. Its basic strings are written as JSON's are."""
    return json.dumps(value, ensure_ascii=False)
