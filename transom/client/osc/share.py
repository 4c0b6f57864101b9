"""`openstack image share …`: offers, answers, who has what, and what happened."""

from collections.abc import Iterable

from osc_lib import exceptions

from transom.client import confirmations, kinds, rows, shares
from transom.client.names import find_image, find_project
from transom.client.osc.commands import (
    STATUSES,
    Acting,
    Arguments,
    Listing,
    Parser,
    add_recipients,
    add_things,
    add_yes,
    confirm,
    find_recipients,
    find_things,
    time,
)
from transom.client.service import Service


class Inbox(Listing):
    """List what was offered to your project, newest first"""

    columns = rows.INBOX

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument("--status", choices=STATUSES, default="pending", help="Answer (default: pending)")
        parser.add_argument("--kind", choices=("image", "family"), help="Of this kind only")
        parser.add_argument("--from", dest="sender", metavar="<project>", help="Of this project only")

    def find(self, service: Service, arguments: Arguments) -> Iterable[rows.Row]:
        sender = find_project(service, arguments.sender) if arguments.sender else None
        return map(rows.inbox_row, shares.list_inbox(service, arguments.status, arguments.kind, sender))


class _Answering(Acting):
    word = ""

    def add_arguments(self, parser: Parser) -> None:
        add_things(parser)
        parser.add_argument(
            "--all",
            dest="status",
            choices=STATUSES,
            help="All with this status, instead of named ones",
        )
        parser.add_argument(
            "--from", dest="sender", metavar="<project>", help="With --all: of this project only"
        )

    def do(self, service: Service, arguments: Arguments) -> rows.Row:
        if bool(arguments.images or arguments.families) == bool(arguments.status):
            raise exceptions.CommandError("Name images or families, or use --all.")
        if arguments.sender and not arguments.status:
            raise exceptions.CommandError("--from goes with --all.")
        if arguments.status:
            sender = find_project(service, arguments.sender) if arguments.sender else None
            self.check(
                arguments,
                f"Your access to {confirmations.about_all(service, arguments.status, sender)} ends?",
            )
            return shares.answer_all(service, self.word, arguments.status, sender)
        images, families = find_things(service, arguments)
        self.check(arguments, confirmations.about_leaving(images, families))
        return shares.answer(service, self.word, images, families)

    def check(self, arguments: Arguments, question: str) -> None:
        """Ask, if access ends by the answer."""


class Accept(_Answering):
    """Accept offers: the images are in your lists from then on"""

    word = "accepted"


class Reject(_Answering):
    """Reject offers: the images are not in your lists, and stay usable by id"""

    word = "rejected"


class Leave(_Answering):
    """Give up what was offered or accepted; only a new offer brings it back"""

    word = "left"

    def add_arguments(self, parser: Parser) -> None:
        super().add_arguments(parser)
        add_yes(parser)

    def check(self, arguments: Arguments, question: str) -> None:
        confirm(question, yes=arguments.yes)


class Offer(Acting):
    """Offer images and families to projects, domains and organisations"""

    def add_arguments(self, parser: Parser) -> None:
        add_things(parser)
        add_recipients(parser)
        parser.add_argument("--message", metavar="<text>", help="Why; the recipient reads it in its inbox")
        parser.add_argument(
            "--answer-by", metavar="<time>", type=time, help="When an unanswered offer ends: a time, or 7d"
        )
        parser.add_argument(
            "--expires-at", metavar="<time>", type=time, help="When the share ends: a time, or 90d"
        )

    def do(self, service: Service, arguments: Arguments) -> rows.Row:
        if not (arguments.images or arguments.families):
            raise exceptions.CommandError("Name an image or a family.")
        recipients = find_recipients(service, arguments)
        if not any(recipients.values()):
            raise exceptions.CommandError(f"Name somebody: {kinds.OPTIONS}.")
        images, families = find_things(service, arguments)
        terms = {name: getattr(arguments, name) for name in ("message", "answer_by", "expires_at")}
        return shares.offer(service, images, families, recipients, terms)


class Withdraw(Acting):
    """Take back what was offered; access ends at once, copies of the data stay"""

    def add_arguments(self, parser: Parser) -> None:
        add_things(parser)
        add_recipients(parser)
        parser.add_argument("--everybody", action="store_true", help="From all recipients")
        parser.add_argument("--reason", metavar="<text>", help="Why; the recipients are told")
        add_yes(parser)

    def do(self, service: Service, arguments: Arguments) -> rows.Row:
        recipients = find_recipients(service, arguments)
        if not (arguments.images or arguments.families):
            raise exceptions.CommandError("Name an image or a family.")
        if any(recipients.values()) == arguments.everybody:
            raise exceptions.CommandError(f"Name somebody ({kinds.OPTIONS}), or use --everybody.")
        images, families = find_things(service, arguments)
        body = {
            "images": images,
            "families": families,
            **recipients,
            "everybody": arguments.everybody or None,
            "reason": arguments.reason,
        }
        confirm(confirmations.about_withdrawal(service, body), yes=arguments.yes)
        return shares.withdraw(service, body)


class List(Listing):
    """List who has an image, and what they answered"""

    columns = rows.SHARES

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument("image", metavar="<image>", help="Id or name")
        parser.add_argument("--status", choices=STATUSES, help="Of this answer only")

    def find(self, service: Service, arguments: Arguments) -> Iterable[rows.Row]:
        image_id = find_image(service, arguments.image)["id"]
        return map(rows.share_row, shares.list_shares(service, image_id, arguments.status))


class History(Listing):
    """List who offered, answered and withdrew what, newest first"""

    columns = rows.EVENTS

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument("--image", metavar="<image>", help="About this image")
        parser.add_argument("--family", metavar="<family>", help="About this family")
        parser.add_argument(
            "--with", dest="other", metavar="<project>", help="What concerns this project, too"
        )
        parser.add_argument("--type", metavar="<types>", help="share.*, family.promoted, …")
        parser.add_argument(
            "--limit", type=int, default=50, metavar="<count>", help="At most so many (default: 50)"
        )

    def find(self, service: Service, arguments: Arguments) -> Iterable[rows.Row]:
        asked = arguments.image, arguments.family, arguments.other, arguments.type
        filters = shares.event_filters(service, *asked)
        return map(rows.event_row, shares.list_history(service, filters, max(arguments.limit, 1)))
