"""`transom family`: images in versions, of which one is current (docs/cli.md)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from transom.cli.remote.options import Time, examples, recipient_options
from transom.cli.remote.output import format_options, print_one, print_rows
from transom.cli.remote.run import confirm, report, with_service, yes_option
from transom.client import kinds

if TYPE_CHECKING:
    from transom.client.service import Service


@click.group()
def family() -> None:
    """Images in versions, of which one is current."""


@family.command("list")
@click.option("--role", type=click.Choice(["owner", "member"]))
@format_options
@with_service
def list_families(service: "Service", role: str | None, form: str, columns: tuple[str, ...]) -> None:
    """Families that your project owns, or is a member of."""
    from transom.client import families, rows

    print_rows(map(rows.family_row, families.list_families(service, role)), rows.FAMILIES, form, columns)


@family.command("create")
@click.argument("name")
@click.option("--title")
@click.option("--description")
@click.option("--support-url")
@format_options
@with_service
def create_family(
    service: "Service", name: str, form: str, columns: tuple[str, ...], **fields: str | None
) -> None:
    """Make a family. NAME has small letters, digits and . _ -, and is what clients look for."""
    from transom.client import families

    given = {key: value for key, value in fields.items() if value is not None}
    _print_family(families.create_family(service, {"name": name, **given}), form, columns)


@family.command(
    "set", epilog=examples("family set web --title 'Web server'", "family set web --support-url ''")
)
@click.argument("name", metavar="FAMILY")
@click.option("--title")
@click.option("--description")
@click.option("--support-url")
@format_options
@with_service
def change_family(
    service: "Service", name: str, form: str, columns: tuple[str, ...], **fields: str | None
) -> None:
    """Change what people read of a family; an empty text takes it away."""
    from transom.client import families

    change = {key: value or None for key, value in fields.items() if value is not None}
    if not change:
        raise click.UsageError("There is nothing to change.")
    family_id = families.find_family(service, name)["id"]
    _print_family(families.change_family(service, family_id, change), form, columns)


@family.command("show", epilog=examples("family show web", "family show web --versions -f json"))
@click.argument("name", metavar="FAMILY")
@click.option("--versions", is_flag=True, help="Its versions instead.")
@format_options
@with_service
def show_family(service: "Service", name: str, versions: bool, form: str, columns: tuple[str, ...]) -> None:
    """One family, by its id or name."""
    from transom.client import families, rows

    found = families.find_family(service, name)
    if versions:
        listed = map(rows.version_row, families.list_versions(service, found["id"]))
        print_rows(listed, rows.VERSIONS, form, columns)
    else:
        _print_family(found, form, columns)


@family.command(
    "publish",
    epilog=examples("family publish web web-1 --notes 'First.'", "family publish web web-2 --candidate"),
)
@click.argument("name", metavar="FAMILY")
@click.argument("image")
@click.option("--name", "version", metavar="TEXT", help="What the version is called.")
@click.option("--notes", help="What is new.")
@click.option("--end-of-life", type=Time(), help="Told to members; nothing happens then.")
@click.option("--candidate", is_flag=True, help="Do not make it the current version yet.")
@format_options
@with_service
def publish(
    service: "Service",
    name: str,
    image: str,
    version: str | None,
    notes: str | None,
    end_of_life: str | None,
    candidate: bool,
    form: str,
    columns: tuple[str, ...],
) -> None:
    """Make IMAGE the family's next version, and its current one; members have it from then on."""
    from transom.client import families
    from transom.client.names import find_image
    from transom.client.rows import version_row

    fields = {
        "image_id": find_image(service, image)["id"],
        "name": version,
        "notes": notes,
        "end_of_life": end_of_life,
        "promote": False if candidate else None,
    }
    given = {key: value for key, value in fields.items() if value is not None}
    family_id = families.find_family(service, name)["id"]
    print_one(version_row(families.publish(service, family_id, given)), form, columns)


@family.command("promote", epilog=examples("family promote web 1"))
@click.argument("name", metavar="FAMILY")
@click.argument("number", type=click.IntRange(min=1))
@format_options
@with_service
def promote(service: "Service", name: str, number: int, form: str, columns: tuple[str, ...]) -> None:
    """Make a version, even an older one, the current one. The one before is hidden, and usable by id."""
    from transom.client import families
    from transom.client.rows import version_row

    family_id = families.find_family(service, name)["id"]
    print_one(version_row(families.promote(service, family_id, number)), form, columns)


@family.command(
    "revoke",
    epilog=examples(
        "family revoke web 2 --reason CVE-2026-1234",
        "family revoke web 1 --reason 'No longer supported.' --at 30d",
    ),
)
@click.argument("name", metavar="FAMILY")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--reason", required=True, help="Members read it.")
@click.option("--at", type=Time(), help="Revoke it later: at a time, or in 7d.")
@click.option("--no-fall-back", is_flag=True, help="Refuse to revoke the current version.")
@yes_option
@format_options
@with_service
def revoke(
    service: "Service",
    name: str,
    number: int,
    reason: str,
    at: str | None,
    no_fall_back: bool,
    yes: bool,
    form: str,
    columns: tuple[str, ...],
) -> None:
    """Close a version's data to all. Members still see it and the reason; copies of the data stay."""
    from transom.client import families
    from transom.client.confirmations import about_revocation
    from transom.client.rows import version_row

    found = families.find_family(service, name)
    confirm(about_revocation(found, number), yes=yes)
    fields = {"reason": reason, "at": at, "fall_back": False if no_fall_back else None}
    given = {key: value for key, value in fields.items() if value is not None}
    print_one(version_row(families.revoke(service, found["id"], number, given)), form, columns)


@family.command("restore")
@click.argument("name", metavar="FAMILY")
@click.argument("number", type=click.IntRange(min=1))
@format_options
@with_service
def restore(service: "Service", name: str, number: int, form: str, columns: tuple[str, ...]) -> None:
    """Open a revoked version's data again. The version does not become the current one."""
    from transom.client import families
    from transom.client.rows import version_row

    family_id = families.find_family(service, name)["id"]
    print_one(version_row(families.restore(service, family_id, number)), form, columns)


@family.command("remove", epilog=examples("family remove web 1"))
@click.argument("name", metavar="FAMILY")
@click.argument("number", type=click.IntRange(min=1))
@yes_option
@with_service
def remove_version(service: "Service", name: str, number: int, yes: bool) -> None:
    """Take a version that is not current out of a family. Its image stays, and who has it keeps it."""
    from transom.client import families
    from transom.client.confirmations import about_removal

    found = families.find_family(service, name)
    confirm(about_removal(found, number), yes=yes)
    families.remove_version(service, found["id"], number)


@family.command("delete", epilog=examples("family delete web"))
@click.argument("name", metavar="FAMILY")
@yes_option
@with_service
def delete_family(service: "Service", name: str, yes: bool) -> None:
    """Delete a family. The images stay, and members keep those that they have of it, directly."""
    from transom.client import families
    from transom.client.confirmations import about_deletion

    found = families.find_family(service, name)
    confirm(about_deletion(found), yes=yes)
    families.delete_family(service, found["id"])


@family.command(
    "members", epilog=examples("family members web", "family members web --set --to-file customers.csv")
)
@click.argument("name", metavar="FAMILY")
@click.option("--status", type=click.Choice(["pending", "accepted", "rejected"]))
@click.option("--set", "replace", is_flag=True, help="Replace all members by those named with --to….")
@recipient_options
@yes_option
@format_options
@with_service
def show_members(
    service: "Service",
    name: str,
    status: str | None,
    replace: bool,
    to: Mapping[str, Sequence[str]],
    to_file: Path | None,
    yes: bool,
    form: str,
    columns: tuple[str, ...],
) -> None:
    """List the members of a family with their answers; with --set, replace them."""
    from transom.client import families, rows
    from transom.client.confirmations import about_members
    from transom.client.recipients import read_recipients

    if bool(any(to.values()) or to_file) != replace:
        raise click.UsageError(f"--set goes with {kinds.OPTIONS}.")
    found = families.find_family(service, name)
    if not replace:
        listed = map(rows.share_row, families.list_members(service, found["id"], status))
        print_rows(listed, rows.MEMBERS, form, columns)
        return
    recipients = read_recipients(service, to, to_file)
    confirm(about_members(service, found, recipients), yes=yes)
    report(families.set_members(service, found["id"], recipients), form)


def _print_family(found: dict[str, Any], form: str, columns: tuple[str, ...]) -> None:
    """As the API has it for programs that read JSON."""
    from transom.client.rows import family_row

    print_one(found if form == "json" else family_row(found), form, columns)
