"""`transom share`: offers, answers, who has what, and what happened (docs/cli.md)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from transom.cli.numbers import COUNT
from transom.cli.remote.options import Time, examples, recipient_options
from transom.cli.remote.output import cell, format_options, json_option, print_rows
from transom.cli.remote.run import confirm, report, report_option, with_service, yes_option
from transom.cli.spelling import spell_json
from transom.client import kinds

if TYPE_CHECKING:
    from transom.client.service import Service

_Command = TypeVar("_Command", bound=Callable[..., Any])
_STATUSES = click.Choice(["pending", "accepted", "rejected"])


def things(command: _Command) -> _Command:
    """`IMAGE…` and `--family`, which the command gets as `images` and `families`."""
    command = click.option("--family", "families", multiple=True, help="Id or name; repeatable.")(command)
    return click.argument("images", metavar="[IMAGE]...", nargs=-1)(command)


@click.group()
def share() -> None:
    """Offers and answers, who has what, and what happened."""


# ---- the recipient's side


@share.command("inbox", epilog=examples("share inbox", "share inbox --status accepted --kind family -f json"))
@click.option("--status", type=_STATUSES, default="pending", show_default=True)
@click.option("--kind", type=click.Choice(["image", "family"]))
@click.option("--from", "sender", metavar="PROJECT", help="Of this project only.")
@click.option(
    "--through-domain",
    "through",
    flag_value="domain",
    help="What your whole domain has, which nobody is asked about.",
)
@click.option(
    "--through-organization",
    "through",
    flag_value="organization",
    help="What your organisations and units have, likewise without an answer.",
)
@format_options
@with_service
def show_inbox(
    service: "Service",
    status: str,
    kind: str | None,
    sender: str | None,
    through: str | None,
    form: str,
    columns: tuple[str, ...],
) -> None:
    """What was offered to your project, newest first."""
    from transom.client import rows, shares

    asked = "accepted" if through else status
    found = shares.list_inbox(service, asked, kind, _project(service, sender), through=through)
    print_rows(map(rows.inbox_row, found), rows.INBOX, form, columns)


ask_each_time_option = click.option(
    "--ask-each-time", is_flag=True, help="Of families: new versions come as offers, too."
)


def _nothing_more(command: _Command) -> _Command:
    return command


_ANSWERED = ("web-1", "--family web", "--all pending --from golden-images")


def _answer(name: str, word: str, text: str) -> None:
    """Add a verb that answers offers."""

    @share.command(name, help=text, epilog=examples(*(f"share {name} {more}" for more in _ANSWERED)))
    @things
    @click.option("--all", "status", type=_STATUSES, help="All with this status, instead of named ones.")
    @click.option("--from", "sender", metavar="PROJECT", help="With --all: of this project only.")
    @(ask_each_time_option if word == "accepted" else _nothing_more)
    @yes_option
    @report_option
    @with_service
    def run(
        service: "Service",
        images: tuple[str, ...],
        families: tuple[str, ...],
        status: str | None,
        sender: str | None,
        yes: bool,
        form: str,
        ask_each_time: bool = False,
    ) -> None:
        from transom.client import shares
        from transom.client.confirmations import about_leaving

        if bool(images or families) == bool(status):
            raise click.UsageError("Name images or families, or use --all.")
        if sender and not status:
            raise click.UsageError("--from goes with --all.")
        if ask_each_time and not families:
            raise click.UsageError("--ask-each-time goes with --family.")
        if status:
            sender_id = _project(service, sender)
            _confirm_all(service, word, status, sender_id, yes=yes)
            report(shares.answer_all(service, word, status, sender_id), form)
            return
        image_ids, family_ids = _ids(service, images, families)
        if word == "left":
            confirm(about_leaving(image_ids, family_ids), yes=yes)
        new_versions = "pending" if ask_each_time else None
        report(shares.answer(service, word, image_ids, family_ids, new_versions), form)


def _confirm_all(service: "Service", word: str, status: str, sender_id: str | None, *, yes: bool) -> None:
    """Say how many are concerned, and ask where access ends."""
    from transom.client.confirmations import about_all

    offers = about_all(service, status, sender_id)
    if word == "left":
        confirm(f"Your access to {offers} ends?", yes=yes)
    else:
        click.echo(f"{word}: {offers}", err=True)


_answer("accept", "accepted", "Accept offers: the images are in your lists from then on.")
_answer("reject", "rejected", "Reject offers: the images are not in your lists, and stay usable by id.")
_answer("reset", "pending", "Take an answer back: the offer waits again.")
_answer("leave", "left", "Give up what was offered or accepted. Only a new offer brings it back.")


# ---- the publisher's side


@share.command(
    "offer",
    epilog=examples(
        "share offer web-1 --to customer-a --message 'Replaces web-0.' --expires-at 90d",
        "share offer --family web --to-file customers.csv --answer-by 7d",
    ),
)
@things
@recipient_options
@click.option("--message", help="Why; the recipient reads it in its inbox.")
@click.option("--answer-by", type=Time(), help="When an unanswered offer ends: a time, or 7d.")
@click.option("--expires-at", type=Time(), help="When the share ends: a time, or 90d.")
@report_option
@with_service
def make_offers(
    service: "Service",
    images: tuple[str, ...],
    families: tuple[str, ...],
    to: Mapping[str, Sequence[str]],
    to_file: Path | None,
    message: str | None,
    answer_by: str | None,
    expires_at: str | None,
    form: str,
) -> None:
    """Offer images and families to projects, domains and organisations."""
    from transom.client import shares
    from transom.client.recipients import read_recipients

    if not (images or families):
        raise click.UsageError("Name an image or a family.")
    recipients = read_recipients(service, to, to_file)
    if not any(recipients.values()):
        raise click.UsageError(f"Name somebody: {kinds.OPTIONS}.")
    image_ids, family_ids = _ids(service, images, families)
    terms = {"message": message, "answer_by": answer_by, "expires_at": expires_at}
    given = {name: value for name, value in terms.items() if value is not None}
    report(shares.offer(service, image_ids, family_ids, recipients, given), form)


@share.command(
    "withdraw",
    epilog=examples(
        "share withdraw web-1 --to customer-a --reason 'The licence has ended.'",
        "share withdraw web-1 --everybody",
        "share withdraw --everything --to customer-a",
    ),
)
@things
@recipient_options
@click.option("--everybody", is_flag=True, help="From all recipients.")
@click.option("--everything", is_flag=True, help="All images and families of your project.")
@click.option("--reason", help="Why; the recipients are told.")
@yes_option
@report_option
@with_service
def withdraw_offers(
    service: "Service",
    images: tuple[str, ...],
    families: tuple[str, ...],
    to: Mapping[str, Sequence[str]],
    to_file: Path | None,
    everybody: bool,
    everything: bool,
    reason: str | None,
    yes: bool,
    form: str,
) -> None:
    """Take back what was offered. Access ends at once; copies of the data stay."""
    from transom.client import shares
    from transom.client.confirmations import about_withdrawal
    from transom.client.recipients import read_recipients

    if bool(images or families) == everything:
        raise click.UsageError("Name images or families, or use --everything.")
    recipients = read_recipients(service, to, to_file)
    if any(recipients.values()) == everybody:
        raise click.UsageError(f"Name somebody ({kinds.OPTIONS}), or use --everybody.")
    image_ids, family_ids = _ids(service, images, families)
    body: dict[str, Any] = {
        "images": image_ids,
        "families": family_ids,
        **recipients,
        "everybody": everybody or None,
        "everything": everything or None,
        "sure": service.project_id if everybody and everything else None,
        "reason": reason,
    }
    confirm(about_withdrawal(service, body), yes=yes)
    report(shares.withdraw(service, body), form)


@share.command("list", epilog=examples("share list web-1 --status accepted", "share list --to customer-a"))
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
    from transom.client import rows, shares
    from transom.client.names import find_image, find_project

    if (image is None) == (to is None):
        raise click.UsageError("Name an image, or a project with --to.")
    if image is not None:
        found = shares.list_shares(service, find_image(service, image)["id"], status)
        print_rows(map(rows.share_row, found), rows.SHARES, form, columns)
        return
    listed = map(rows.inbox_row, shares.list_shares_to(service, find_project(service, to or "")))
    print_rows(listed, rows.SHARES_TO, form, columns)


@share.command("recipients", epilog=examples("share recipients", "share recipients -f csv"))
@format_options
@with_service
def list_recipients(service: "Service", form: str, columns: tuple[str, ...]) -> None:
    """Whom your project shares with, how much each has, and how much of it waits for an answer."""
    from transom.client import rows, shares

    found = map(rows.recipient_row, shares.list_recipients(service))
    print_rows(found, rows.RECIPIENTS, form, columns)


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


@share.command(
    "history",
    epilog=examples("share history --image web-1", "share history --with customer-a --type 'share.*' -f csv"),
)
@event_options
@click.option("--limit", type=COUNT, default=50, show_default=True)
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
    from transom.client import rows, shares

    filters = shares.event_filters(service, image, family, other, types)
    found = map(rows.event_row, shares.list_history(service, filters, limit))
    print_rows(found, rows.EVENTS, form, columns, rows.EVENTS_MORE)


@share.command("watch", epilog=examples("share watch --type 'family.*' -f json"))
@event_options
@json_option("the event as the API has it, in one line.")
@with_service
def watch_events(
    service: "Service", image: str | None, family: str | None, other: str | None, types: str | None, form: str
) -> None:
    """Print a line for each event from now on, until it is interrupted."""
    from transom.client import rows, shares

    filters = shares.event_filters(service, image, family, other, types)
    try:
        for event in shares.watch_events(service, filters):
            row = rows.event_row(event)
            line = "  ".join(cell(row[name]) or "-" for name in rows.EVENTS)
            click.echo(spell_json(event) if form == "json" else line)
    except KeyboardInterrupt:
        return


# ---- names


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
