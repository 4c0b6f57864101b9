"""The `transom` command, a verb a module. Options that all verbs share may stand before or after the verb."""

import importlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click

from transom import __version__
from transom.cli.outputs import open_missing
from transom.cli.remote.run import Access
from transom.cli.spelling import spell_lines

#: Verbs for users, which work over HTTP. They need nothing of the server, and read none of its settings.
_REMOTE = {
    "image": ("transom.cli.remote.image", "image"),
    "share": ("transom.cli.remote.share", "share"),
    "family": ("transom.cli.remote.family", "family"),
    "hook": ("transom.cli.remote.hook", "hook"),
    "rule": ("transom.cli.remote.rule", "rule"),
}
#: Verb → (module, the command in it). Imported when asked for: a verb does not pay for its neighbours.
_VERBS = {
    "serve": ("transom.cli.serve", "serve"),
    "work": ("transom.cli.work", "work"),
    "migrate": ("transom.cli.migrate", "migrate"),
    "accounts": ("transom.cli.accounts", "accounts"),
    "policy": ("transom.cli.policy", "policy"),
    "metadefs": ("transom.cli.metadefs", "metadefs"),
    "stores": ("transom.cli.stores", "stores"),
    "audit": ("transom.cli.audit", "audit"),
    "check": ("transom.cli.check", "check"),
    "settings": ("transom.cli.settings", "settings"),
    "openapi": ("transom.cli.openapi", "openapi"),
    "completion": ("transom.cli.completion", "completion"),
    **_REMOTE,
}


#: Options that every verb takes, each with a value.
_SHARED = ("--config", "--data-dir", "--database", "--cloud")


class _Verbs(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, _move_shared_first(args))
        except click.NoSuchOption as error:
            self._say_where_it_goes(ctx, error)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            # Click suggests from `self.commands`, which is empty here: verbs are loaded when asked for.
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=_VERBS, ctx=ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError:
            raise
        except click.ClickException as error:
            # Names, paths and answers of strangers stand in it: they are shown, not obeyed by a terminal.
            raise click.ClickException(spell_lines(error.message)) from None
        except UnicodeEncodeError as error:
            # Of an argument that was not UTF-8, or for an output that takes less.
            part = error.object[error.start : error.end]
            raise click.ClickException(f"{part!a} cannot be written as {error.encoding}.") from None

    def _say_where_it_goes(self, ctx: click.Context, error: click.NoSuchOption) -> NoReturn:
        """Raise an error that names the verb which has the option, if there is one."""
        for verb in _VERBS:
            command = self.get_command(ctx, verb)
            if command is not None and any(error.option_name in param.opts for param in command.params):
                text = f"{error.option_name} goes after its verb: transom {verb} {error.option_name} …"
                raise click.UsageError(text, ctx) from None
        raise error

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
@click.option(
    "--cloud", metavar="NAME", help="Of verbs for users: entry of clouds.yaml (default: OS_CLOUD, else OS_…)."
)
@click.pass_context
def main(context: click.Context, /, config: str | None, cloud: str | None, **flags: Any) -> None:
    """An image service built around sharing."""
    open_missing()
    verb = context.invoked_subcommand
    if verb in _REMOTE:
        context.obj = Access(cloud)
        return
    if cloud is not None:
        raise click.UsageError(f"--cloud is for {', '.join(_REMOTE)}: {verb} works on the server's own data.")
    from transom.config import SettingsError, read_settings

    # Images, names and hashes are for the service's own user, whatever the shell's mask is.
    os.umask(0o077)
    try:
        context.obj = read_settings(os.environ, flags, config)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


def _move_shared_first(args: Sequence[str]) -> list[str]:
    """The arguments with the shared options in front of the verb, which is the only place click knows."""
    shared: list[str] = []
    others: list[str] = []
    rest = iter(args)
    for arg in rest:
        if arg == "--":
            others += [arg, *rest]
        elif arg.partition("=")[0] in _SHARED:
            shared += [arg, *_take_value(arg, rest)]
        else:
            others.append(arg)
    return shared + others


def _take_value(arg: str, rest: Iterator[str]) -> list[str]:
    """The value that follows the option; none where the option itself has it (`--name=value`)."""
    if "=" in arg:
        return []
    value = next(rest, None)
    if value is None:
        raise click.BadOptionUsage(arg, f"Option {arg!r} requires an argument.")
    return [value]
