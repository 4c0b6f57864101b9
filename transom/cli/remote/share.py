"""`transom share`: offers, answers, who has what, and what happened (docs/cli.md)."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from transom.cli.remote.output import cell, format_options, print_rows
from transom.cli.remote.recipients import read_recipients, recipient_options
from transom.cli.remote.run import confirm, report, with_service, yes_option
from transom.cli.remote.times import Time

if TYPE_CHECKING:
    from transom.client import Service

_Command = TypeVar("_Command", bound=Callable[..., Any])
_STATUSES = click.Choice(["pending", "accepted", "rejected"])
_INBOX = ("kind", "id", "name", "from", "status", "offered_at", "answer_by", "expires_at", "message")
_SHARES = ("recipient", "name", "status", "offered_at", "answered_at", "expires_at", "last_used_at")
_EVENTS = ("time", "type", "image", "owner", "recipient", "by", "via")


def things(command: _Command) -> _Command:
    """`IMAGE…` and `--family`, which the command gets as `images` and `families`."""
    command = click.option("--family", "families", multiple=True, help="Id or name; repeatable.")(command)
    return click.argument("images", metavar="[IMAGE]...", nargs=-1)(command)


@click.group()
def share() -> None:
    """Offers and answers, who has what, and what happened."""


# ---- the recipient's side


@share.command("inbox")
@click.option("--status", type=_STATUSES, default="pending", show_default=True)
@click.option("--kind", type=click.Choice(["image", "family"]))
@click.option("--from", "sender", metavar="PROJECT", help="Of this project only.")
@format_options
@with_service
def show_inbox(
    service: "Service",
    status: str,
    kind: str | None,
    sender: str | None,
    form: str,
    columns: tuple[str, ...],
) -> None:
    """What was offered to your project, newest first."""
    from transom.client import shares
    from transom.client.names import find_project

    sender_id = find_project(service, sender) if sender else None
    found = shares.list_inbox(service, status, kind, sender_id)
    print_rows(map(_inbox_row, found), _INBOX, form, columns)


def _inbox_row(item: dict[str, Any]) -> dict[str, Any]:
    thing = item.get("image") or item.get("family") or {}
    sender = item.get("from") or {}
    publisher = sender.get("publisher") or {}
    return {
        **item,
        "id": thing.get("id"),
        "name": thing.get("name"),
        "from": publisher.get("name") or sender.get("name") or sender.get("project"),
    }


def _answer(name: str, word: str, text: str) -> None:
    """Add a verb that answers offers."""

    @share.command(name, help=text)
    @things
    @click.option("--all", "status", type=_STATUSES, help="All of this status instead of named ones.")
    @click.option("--from", "sender", metavar="PROJECT", help="With --all: of this project only.")
    @yes_option
    @with_service
    def run(
        service: "Service",
        images: tuple[str, ...],
        families: tuple[str, ...],
        status: str | None,
        sender: str | None,
        yes: bool,
    ) -> None:
        from transom.client import shares

        if bool(images or families) == bool(status):
            raise click.UsageError("Name images or families, or use --all.")
        if sender and not status:
            raise click.UsageError("--from goes with --all.")
        if status:
            _confirm_all(service, word, status, sender, yes=yes)
            report(shares.answer_all(service, word, status, _project(service, sender)))
            return
        image_ids, family_ids = _ids(service, images, families)
        if word == "left":
            confirm(f"Your access to {len(image_ids) + len(family_ids)} images and families ends?", yes=yes)
        report(shares.answer(service, word, image_ids, family_ids))


def _confirm_all(service: "Service", word: str, status: str, sender: str | None, *, yes: bool) -> None:
    """Say how many are concerned, and ask where access ends."""
    from transom.client import shares

    found = shares.summarize_inbox(service)
    count = found["images"][status] + found["families"][status]
    shown = f"{'at least ' if found['more'] else ''}{count} {status} offers"
    if sender:
        shown = f"those of {sender} among {shown}"
    if word == "left":
        confirm(f"Your access to {shown} ends?", yes=yes)
    else:
        click.echo(f"{word}: {shown}", err=True)


_answer("accept", "accepted", "Accept offers: the images are in your lists from then on.")
_answer("reject", "rejected", "Reject offers: the images are not in your lists, and stay usable by id.")
_answer("reset", "pending", "Take an answer back: the offer waits again.")
_answer("leave", "left", "Give up what was offered or accepted. Only a new offer brings it back.")


# ---- the publisher's side


@share.command("offer")
@things
@recipient_options
@click.option("--message", help="Why; the recipient reads it in its inbox.")
@click.option("--answer-by", type=Time(), help="When an unanswered offer ends: a time, or 7d.")
@click.option("--expires-at", type=Time(), help="When the share ends: a time, or 90d.")
@with_service
def make_offers(
    service: "Service",
    images: tuple[str, ...],
    families: tuple[str, ...],
    to: tuple[str, ...],
    to_domain: tuple[str, ...],
    to_file: Path | None,
    message: str | None,
    answer_by: str | None,
    expires_at: str | None,
) -> None:
    """Offer images and families to projects and domains."""
    from transom.client import shares

    if not (images or families):
        raise click.UsageError("Name an image or a family.")
    projects, domains = read_recipients(service, to, to_domain, to_file)
    if not (projects or domains):
        raise click.UsageError("Name somebody: --to, --to-domain or --to-file.")
    image_ids, family_ids = _ids(service, images, families)
    terms = {"message": message, "answer_by": answer_by, "expires_at": expires_at}
    given = {name: value for name, value in terms.items() if value is not None}
    report(shares.offer(service, image_ids, family_ids, projects, domains, given))


@share.command("withdraw")
@things
@recipient_options
@click.option("--everybody", is_flag=True, help="From all recipients.")
@click.option("--everything", is_flag=True, help="All images and families of your project.")
@click.option("--reason", help="Why; the recipients are told.")
@yes_option
@with_service
def withdraw_offers(
    service: "Service",
    images: tuple[str, ...],
    families: tuple[str, ...],
    to: tuple[str, ...],
    to_domain: tuple[str, ...],
    to_file: Path | None,
    everybody: bool,
    everything: bool,
    reason: str | None,
    yes: bool,
) -> None:
    """Take back what was offered. Access ends at once; who has the data keeps it."""
    from transom.client import shares

    if bool(images or families) == everything:
        raise click.UsageError("Name images or families, or use --everything.")
    projects, domains = read_recipients(service, to, to_domain, to_file)
    if bool(projects or domains) == everybody:
        raise click.UsageError("Name somebody (--to, --to-domain, --to-file), or use --everybody.")
    image_ids, family_ids = _ids(service, images, families)
    count = _count_withdrawn(service, image_ids, family_ids, len(projects) + len(domains))
    what = "everything that your project shares" if everything else count
    from_whom = "everybody" if everybody else f"{len(projects) + len(domains)} recipients"
    confirm(f"Withdraw {what} from {from_whom}?", yes=yes)
    body: dict[str, Any] = {
        "images": image_ids,
        "families": family_ids,
        "projects": projects,
        "domains": domains,
        "everybody": everybody or None,
        "everything": everything or None,
        "sure": service.project_id if everybody and everything else None,
        "reason": reason,
    }
    report(shares.withdraw(service, body))


def _count_withdrawn(service: "Service", images: list[str], families: list[str], recipients: int) -> str:
    """How many are concerned, in words. `recipients`: those named, 0 for everybody."""
    from transom.client import shares

    things = f"{len(images)} images" + (f" and {len(families)} families" if families else "")
    if recipients:
        return things
    counts = [shares.count_shares(service, image_id) for image_id in images]
    more = "at least " if any(more for _count, more in counts) else ""
    return f"{things} ({more}{sum(count for count, _more in counts)} shares of images)"


@share.command("list")
@click.argument("image", required=False)
@click.option("--to", metavar="PROJECT", help="All that is shared with this project, instead of an image's.")
@click.option("--status", type=_STATUSES)
@format_options
@with_service
def list_shares(
    service: "Service",
    image: str | None,
    to: str | None,
    status: str | None,
    form: str,
    columns: tuple[str, ...],
) -> None:
    """Who has an image and what they answered, or all that one project has of yours."""
    from transom.client import shares
    from transom.client.names import find_image, find_project

    if (image is None) == (to is None):
        raise click.UsageError("Name an image, or a project with --to.")
    if image is not None:
        found = shares.list_shares(service, find_image(service, image)["id"], status)
        print_rows(map(_share_row, found), _SHARES, form, columns)
        return
    rows = map(_inbox_row, shares.list_shares_to(service, find_project(service, to or "")))
    print_rows(rows, ("id", "name", "status", "offered_at", "answer_by", "expires_at"), form, columns)


def _share_row(item: dict[str, Any]) -> dict[str, Any]:
    usage = item.get("usage") or {}
    return {**item, "recipient": _party(item.get("recipient")), "last_used_at": usage.get("last_used_at")}


# ---- what happened


def event_options(command: _Command) -> _Command:
    """Filters of events."""
    for option in (
        click.option("--type", "types", help="share.*, family.promoted, …"),
        click.option("--with", "other", metavar="PROJECT", help="What concerns this project, too."),
        click.option("--family", help="About this family."),
        click.option("--image", help="About this image."),
    ):
        command = option(command)
    return command


@share.command("history")
@event_options
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@format_options
@with_service
def show_history(
    service: "Service",
    image: str | None,
    family: str | None,
    other: str | None,
    types: str | None,
    limit: int,
    form: str,
    columns: tuple[str, ...],
) -> None:
    """Who offered, answered and withdrew what, newest first."""
    from transom.client import shares

    filters = _event_filters(service, image, family, other, types)
    print_rows(map(_event_row, shares.list_history(service, filters, limit)), _EVENTS, form, columns)


@share.command("watch")
@event_options
@with_service
def watch_events(
    service: "Service", image: str | None, family: str | None, other: str | None, types: str | None
) -> None:
    """Print a line for each event from now on, until it is interrupted."""
    from transom.client import shares

    filters = _event_filters(service, image, family, other, types)
    try:
        for event in shares.watch_events(service, filters):
            click.echo("  ".join(cell(_event_row(event)[name]) or "-" for name in _EVENTS))
    except KeyboardInterrupt:
        return


def _event_filters(
    service: "Service", image: str | None, family: str | None, other: str | None, types: str | None
) -> dict[str, Any]:
    from transom.client.families import find_family
    from transom.client.names import find_image

    return {
        "image": find_image(service, image)["id"] if image else None,
        "family": find_family(service, family)["id"] if family else None,
        "with": _project(service, other),
        "type": types,
    }


def _event_row(event: dict[str, Any]) -> dict[str, Any]:
    data = event.get("data") or {}
    thing = data.get("image") or data.get("family") or {}
    return {
        "time": event.get("time"),
        "type": str(event.get("type", "")).removeprefix("transom."),
        "image": thing.get("name") or thing.get("id"),
        "owner": _party(data.get("owner")),
        "recipient": _party(data.get("recipient")),
        "by": _party(data.get("by")),
        "via": data.get("via"),
    }


# ---- names


def _party(value: Any) -> str | None:
    """A project or domain as a table has it: its name if it is known."""
    if not isinstance(value, dict):
        return None
    if value.get("name"):
        return str(value["name"])
    for kind in ("project", "domain", "organization"):
        if value.get(kind):
            return str(value[kind]) if kind == "project" else f"{kind} {value[kind]}"
    return None


def _project(service: "Service", text: str | None) -> str | None:
    from transom.client.names import find_project

    return find_project(service, text) if text else None


def _ids(
    service: "Service", images: tuple[str, ...], families: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    from transom.client.families import find_family
    from transom.client.names import find_image

    return (
        [find_image(service, one)["id"] for one in images],
        [find_family(service, one)["id"] for one in families],
    )
