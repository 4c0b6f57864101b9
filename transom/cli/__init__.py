"""The `transom` command, a verb a module. Settings flags come before the verb's own."""

import importlib
import os
from typing import Any

import click

from transom import __version__
from transom.config import SettingsError, read_settings

#: Verb → (module, the command in it). Imported when asked for: a verb does not pay for its neighbours.
_VERBS = {
    "serve": ("transom.cli.serve", "serve"),
    "work": ("transom.cli.work", "work"),
    "migrate": ("transom.cli.migrate", "migrate"),
    "accounts": ("transom.cli.accounts", "accounts"),
    "policy": ("transom.cli.policy", "policy"),
    "metadefs": ("transom.cli.metadefs", "metadefs"),
}


class _Verbs(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module, name = _VERBS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="transom")
@click.option("--config", metavar="FILE", help="Settings file (default: transom.toml here, if there is one).")
@click.option(
    "--data-dir", metavar="DIR", help="Folder of the embedded database, the images and the accounts."
)
@click.option("--database", metavar="URL", help="sqlite:///path or postgresql://…")
@click.pass_context
def main(context: click.Context, /, config: str | None, **flags: Any) -> None:
    """An image service whose heart is sharing."""
    # Images, names and hashes are for the service's own user, whatever the shell's mask is.
    os.umask(0o077)
    try:
        context.obj = read_settings(os.environ, flags, config)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
