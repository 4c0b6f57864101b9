"""`transom hook`: events sent to a URL (docs/cli.md)."""

from typing import TYPE_CHECKING, Any

import click

from transom.cli.remote.options import examples
from transom.cli.remote.output import format_options, print_one, print_rows
from transom.cli.remote.run import confirm, with_service, yes_option

if TYPE_CHECKING:
    from transom.client.service import Service

_COLUMNS = ("id", "url", "types", "enabled", "failed_tries", "last_success_at", "last_error")


@click.group()
def hook() -> None:
    """Events sent to a URL."""


@hook.command("list")
@format_options
@with_service
def list_hooks(service: "Service", form: str, columns: tuple[str, ...]) -> None:
    """The hooks of your project."""
    from transom.client import shares

    print_rows(shares.list_hooks(service), _COLUMNS, form, columns)


@hook.command("show")
@click.argument("hook_id", metavar="HOOK")
@format_options
@with_service
def show_hook(service: "Service", hook_id: str, form: str, columns: tuple[str, ...]) -> None:
    """One hook: its state, and what its receiver last answered."""
    from transom.client import shares

    print_one(shares.show_hook(service, hook_id), form, columns)


@hook.command(
    "create", epilog=examples("hook create https://ci.example.org/images --type 'share.*' --type 'family.*'")
)
@click.argument("url")
@click.option("--type", "types", multiple=True, default=["*"], help="share.*, …; repeatable.")
@click.option("--batch", is_flag=True, help="Up to 100 events in a request.")
@format_options
@with_service
def create_hook(
    service: "Service", url: str, types: tuple[str, ...], batch: bool, form: str, columns: tuple[str, ...]
) -> None:
    """Send events to URL from now on. The secret is shown only once."""
    from transom.client import shares

    print_one(shares.create_hook(service, url, types, batch=batch), form, columns)


@hook.command("set")
@click.argument("hook_id", metavar="HOOK")
@click.option("--url")
@click.option("--type", "types", multiple=True, help="Replaces the types that it has; repeatable.")
@click.option("--batch/--no-batch", default=None)
@click.option("--enable/--disable", "enabled", default=None)
@format_options
@with_service
def change_hook(service: "Service", hook_id: str, form: str, columns: tuple[str, ...], **fields: Any) -> None:
    """Change, disable or enable a hook."""
    from transom.client import shares

    change = {name: value for name, value in fields.items() if value not in (None, ())}
    if not change:
        raise click.UsageError("There is nothing to change.")
    if "types" in change:
        change["types"] = list(change["types"])
    print_one(shares.change_hook(service, hook_id, change), form, columns)


@hook.command("test")
@click.argument("hook_id", metavar="HOOK")
@with_service
def test_hook(service: "Service", hook_id: str) -> None:
    """Send a test event now; `hook show` has the receiver's answer."""
    from transom.client import shares

    shares.send_test(service, hook_id)
    click.echo("on its way")


@hook.command("secret")
@click.argument("hook_id", metavar="HOOK")
@yes_option
@format_options
@with_service
def renew_secret(service: "Service", hook_id: str, yes: bool, form: str, columns: tuple[str, ...]) -> None:
    """Make a new secret; the old one signs, too, for one more day."""
    from transom.client import shares

    confirm("The receiver has to know the new secret within a day. Go on?", yes=yes)
    print_one(shares.renew_secret(service, hook_id), form, columns)


@hook.command("replay")
@click.argument("hook_id", metavar="HOOK")
@click.argument("cursor")
@format_options
@with_service
def replay(service: "Service", hook_id: str, cursor: str, form: str, columns: tuple[str, ...]) -> None:
    """Send the events after CURSOR, even those sent before. A later cursor skips the events up to it."""
    from transom.client import shares

    print_one(shares.set_cursor(service, hook_id, cursor), form, columns)


@hook.command("delete")
@click.argument("hook_id", metavar="HOOK")
@yes_option
@with_service
def delete_hook(service: "Service", hook_id: str, yes: bool) -> None:
    """Delete a hook: nothing is sent to it any more."""
    from transom.client import shares

    confirm(f"Delete the hook to {shares.show_hook(service, hook_id)['url']}?", yes=yes)
    shares.delete_hook(service, hook_id)
