"""`transom completion`: the script by which a shell completes verbs and options."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

_SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script for SHELL. In bash: eval "$(transom completion bash)"."""
    script = _SHELLS[shell](context.find_root().command, {}, "transom", "_TRANSOM_COMPLETE")
    click.echo(script.source())
