"""`openstack image family …`: images in versions, of which one is current."""

from collections.abc import Iterable

from osc_lib.exceptions import CommandError

from transom.client import confirmations, families, rows
from transom.client.names import find_image
from transom.client.osc.commands import (
    STATUSES,
    Arguments,
    Listing,
    Parser,
    Showing,
    Silent,
    add_yes,
    confirm,
    time,
)
from transom.client.service import Service

#: Options of a family.
_TEXTS = ("title", "description", "support_url")


def _given(arguments: Arguments, *names: str) -> rows.Row:
    """Those of the options that were given."""
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def _add_version(parser: Parser) -> None:
    parser.add_argument("family", metavar="<family>", help="Id or name")
    parser.add_argument("number", metavar="<number>", type=int, help="Of the version")


def _add_texts(parser: Parser) -> None:
    parser.add_argument("--title", metavar="<text>", help="What people read")
    parser.add_argument("--description", metavar="<text>", help="What people read, at length")
    parser.add_argument("--support-url", metavar="<url>", help="Where members get help")


class Create(Showing):
    """Create a family"""

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument("name", metavar="<name>", help="Small letters, digits and . _ -")
        _add_texts(parser)

    def find(self, service: Service, arguments: Arguments) -> rows.Row:
        fields = _given(arguments, "name", *_TEXTS)
        return rows.family_row(families.create_family(service, fields))


class Set(Showing):
    """Change what people read of a family; an empty text takes it away"""

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument("family", metavar="<family>", help="Id or name")
        _add_texts(parser)

    def find(self, service: Service, arguments: Arguments) -> rows.Row:
        given = _given(arguments, *_TEXTS)
        if not given:
            raise CommandError("There is nothing to change.")
        family_id = families.find_family(service, arguments.family)["id"]
        change = {name: text or None for name, text in given.items()}
        return rows.family_row(families.change_family(service, family_id, change))


class List(Listing):
    """List the families that the project owns, or is a member of"""

    columns = rows.FAMILIES

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument(
            "--role", choices=("owner", "member"), help="Only those it owns, or is a member of"
        )

    def find(self, service: Service, arguments: Arguments) -> Iterable[rows.Row]:
        return map(rows.family_row, families.list_families(service, arguments.role))


class Show(Showing):
    """Show a family"""

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument("family", metavar="<family>", help="Id or name")

    def find(self, service: Service, arguments: Arguments) -> rows.Row:
        return rows.family_row(families.find_family(service, arguments.family))


class Versions(Listing):
    """List the versions of a family, newest first"""

    columns = rows.VERSIONS

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument("family", metavar="<family>", help="Id or name")

    def find(self, service: Service, arguments: Arguments) -> Iterable[rows.Row]:
        family_id = families.find_family(service, arguments.family)["id"]
        return map(rows.version_row, families.list_versions(service, family_id))


class Members(Listing):
    """List whom a family is offered to, and what they answered"""

    columns = rows.MEMBERS

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument("family", metavar="<family>", help="Id or name")
        parser.add_argument("--status", choices=STATUSES, help="Of this answer only")

    def find(self, service: Service, arguments: Arguments) -> Iterable[rows.Row]:
        family_id = families.find_family(service, arguments.family)["id"]
        return map(rows.share_row, families.list_members(service, family_id, arguments.status))


class Publish(Showing):
    """Make an image the next version of a family, and its current one"""

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument("family", metavar="<family>", help="Id or name")
        parser.add_argument("image", metavar="<image>", help="Id or name")
        parser.add_argument("--name", metavar="<text>", help="What the version is called")
        parser.add_argument("--notes", metavar="<text>", help="What is new")
        parser.add_argument("--end-of-life", metavar="<time>", type=time, help="Told to members")
        parser.add_argument(
            "--candidate",
            action="store_const",
            const=False,
            dest="promote",
            help="Do not make it current yet",
        )

    def find(self, service: Service, arguments: Arguments) -> rows.Row:
        fields = _given(arguments, "name", "notes", "end_of_life", "promote")
        fields["image_id"] = find_image(service, arguments.image)["id"]
        family_id = families.find_family(service, arguments.family)["id"]
        return rows.version_row(families.publish(service, family_id, fields))


class Promote(Showing):
    """Make a version, even an older one, the current one"""

    def add_arguments(self, parser: Parser) -> None:
        _add_version(parser)

    def find(self, service: Service, arguments: Arguments) -> rows.Row:
        family_id = families.find_family(service, arguments.family)["id"]
        return rows.version_row(families.promote(service, family_id, arguments.number))


class Revoke(Showing):
    """Close the data of a version to all; members still see it, and why"""

    def add_arguments(self, parser: Parser) -> None:
        _add_version(parser)
        parser.add_argument("--reason", metavar="<text>", required=True, help="Members read it")
        parser.add_argument("--at", metavar="<time>", type=time, help="Revoke it later: at a time, or in 7d")
        parser.add_argument(
            "--no-fall-back",
            action="store_const",
            const=False,
            dest="fall_back",
            help="Refuse to revoke the current version",
        )
        add_yes(parser)

    def find(self, service: Service, arguments: Arguments) -> rows.Row:
        family = families.find_family(service, arguments.family)
        confirm(confirmations.about_revocation(family, arguments.number), yes=arguments.yes)
        fields = _given(arguments, "reason", "at", "fall_back")
        return rows.version_row(families.revoke(service, family["id"], arguments.number, fields))


class Restore(Showing):
    """Open the data of a revoked version again; it does not become current by that"""

    def add_arguments(self, parser: Parser) -> None:
        _add_version(parser)

    def find(self, service: Service, arguments: Arguments) -> rows.Row:
        family_id = families.find_family(service, arguments.family)["id"]
        return rows.version_row(families.restore(service, family_id, arguments.number))


class Remove(Silent):
    """Take a version that is not current out of a family; its image stays"""

    def add_arguments(self, parser: Parser) -> None:
        _add_version(parser)
        add_yes(parser)

    def act(self, service: Service, arguments: Arguments) -> None:
        family = families.find_family(service, arguments.family)
        confirm(confirmations.about_removal(family, arguments.number), yes=arguments.yes)
        families.remove_version(service, family["id"], arguments.number)


class Delete(Silent):
    """Delete a family; members keep the images that they have of it, directly"""

    def add_arguments(self, parser: Parser) -> None:
        parser.add_argument("family", metavar="<family>", help="Id or name")
        add_yes(parser)

    def act(self, service: Service, arguments: Arguments) -> None:
        family = families.find_family(service, arguments.family)
        confirm(confirmations.about_deletion(family), yes=arguments.yes)
        families.delete_family(service, family["id"])
