"""Whatever changes a family, its versions or members, beside whatever else does: together they do what one
after the other would (share-api, 13). PostgreSQL alone: SQLite writes one at a time.

Of each pair the first writer is held up between its look and its write, as in `test_member_writers.py`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import msgspec
import pytest
from domain.samples import ACTOR, caller
from harness.postgresql import PostgreSQL

from transom.domain.errors import TransomError
from transom.domain.memberships import NewTerms
from transom.domain.model import Status
from transom.sharing import shares
from transom.sharing.families import due, service
from transom.sharing.families import images as versions
from transom.sql.db import Database
from transom.sql.images import find_image

from .databases import NOBODY, insert_member
from .family_world import (
    NOW,
    answer,
    leave,
    make_family,
    make_images,
    offer,
    promote,
    publish,
    revoke,
    withdraw,
)
from .interleaving import Interleaving, Outcome, Writer, interleave, make_database

pytestmark = pytest.mark.anyio

FIRST, SECOND, NEWCOMER = "first-project", "second-project", "newcomer-project"

#: Ends that are yet to come: of the years 2096 and 2128.
_SOON, _LATER = 4 * 10**15, 5 * 10**15


@pytest.fixture(scope="module")
def writers_url(postgresql: PostgreSQL) -> str:
    """The URL of a database that all pairs share, one after another."""
    return make_database(postgresql, "member", "family_member")


@pytest.fixture(scope="module")
async def writers(writers_url: str) -> AsyncIterator["Interleaving[State]"]:
    """Opened once: each connection that is new to PostgreSQL plans and compiles anew what it runs."""
    async with interleave(writers_url, _begin, _look) as opened:
        yield opened


# ---- the writers


def _telling(call: Callable[[Database], Awaitable[object]]) -> Writer:
    """What whoever asked hears: that it was done, or which error it was."""

    async def run(db: Database) -> Outcome:
        try:
            await call(db)
        except TransomError as error:
            return type(error).__name__
        return "done"

    return run


async def _set_status(db: Database, image_id: str, status: str) -> None:
    """As a client of the Image API: looks, writes, and looks again when somebody was quicker."""
    while True:
        seen = (await find_image(db, image_id, NOBODY)).image
        if seen is None:
            return
        new = msgspec.structs.replace(seen, status=status, updated_at=seen.updated_at + 1)
        if await versions.update_image(db, seen, new, ACTOR):
            return


async def _share_for_longer(db: Database) -> None:
    """As the owner's PATCH of the recipient's share of the current version."""
    end = NewTerms(expires_at=_LATER)
    await shares.change_terms(db, caller(), ACTOR, "image-2", FIRST, end, lambda _share: None)


async def _limit_member(db: Database, expires_at: int) -> None:
    """As the owner's PATCH of the family's member."""
    end = NewTerms(expires_at=expires_at)
    await service.change_member(db, caller(), ACTOR, "family", FIRST, end, lambda _member: None)


async def _delete(db: Database, image_id: str) -> None:
    while True:
        seen = (await find_image(db, image_id, NOBODY)).image
        if seen is None or await versions.remove_image(db, seen, NOW, ACTOR):
            return


WRITERS: dict[str, Writer] = {
    "promote 3": _telling(lambda db: promote(db, 3)),
    "roll back to 1": _telling(lambda db: promote(db, 1)),
    "revoke 2": _telling(lambda db: revoke(db, 2, "CVE-1")),
    "accept": _telling(lambda db: answer(db, SECOND)),
    "reject": _telling(lambda db: answer(db, FIRST, "rejected")),
    "leave": _telling(lambda db: leave(db, FIRST)),
    "withdraw": _telling(lambda db: withdraw(db, [FIRST, SECOND])),
    "members end": _telling(due.run),
    "share for longer": _telling(_share_for_longer),
    "member ends with the share": _telling(lambda db: _limit_member(db, _SOON)),
    "member ends later": _telling(lambda db: _limit_member(db, _LATER)),
    "delete 3": _telling(lambda db: _delete(db, "image-3")),
    "delete 2": _telling(lambda db: _delete(db, "image-2")),
    "deactivate 3": _telling(lambda db: _set_status(db, "image-3", Status.DEACTIVATED)),
    "offer 2 to another": _telling(lambda db: insert_member(db, "image-2", NEWCOMER, 10, NOW)),
}

#: Those of the specification, and what else meets at the current version.
PAIRS = [
    *(("promote 3", other) for other in WRITERS),
    *((other, "promote 3") for other in WRITERS if other != "promote 3"),
    ("revoke 2", "roll back to 1"),
    ("roll back to 1", "revoke 2"),
    ("revoke 2", "accept"),
    ("accept", "revoke 2"),
    ("accept", "withdraw"),
    ("withdraw", "accept"),
    ("reject", "leave"),
    ("leave", "reject"),
    ("leave", "members end"),
    ("members end", "leave"),
    ("share for longer", "member ends with the share"),
    ("member ends with the share", "share for longer"),
    ("share for longer", "member ends later"),
    ("member ends later", "share for longer"),
    ("share for longer", "leave"),
    ("leave", "share for longer"),
    ("delete 2", "accept"),
    ("accept", "delete 2"),
]


class State(NamedTuple):
    """What is in the database after two writers."""

    current: object
    images: list[tuple[object, ...]]
    members: list[tuple[object, ...]]
    family_members: list[tuple[object, ...]]


async def _begin(db: Database) -> None:
    """Versions 1, 2 (current) and 3 (a candidate); one accepted member, whose share of the current one ends
    before the membership, one pending member, one that has ended."""
    for table in ("family", "image", "deleted_image", "outbox"):
        await db.write(f"delete from {table}")
    await make_family(db)
    await make_images(db, "image-1", "image-2", "image-3")
    await publish(db, "image-1")
    await publish(db, "image-2")
    await publish(db, "image-3", promotes=False)
    await offer(db, "ended-project", expires_at=NOW + 1)
    await offer(db, FIRST, SECOND)
    await answer(db, FIRST)
    await db.write("update member set ends_at = $1, expires_at = $1 where member_id = $2", _SOON, FIRST)


async def _look(db: Database) -> State:
    async def rows(sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await db.read(sql)]

    current = await rows("select current_number from family")
    return State(
        current,
        await rows("select id, status, visibility, os_hidden, properties from image order by id"),
        await rows("select image_id, member_id, status, family_id, ends_at from member order by 1, 2"),
        await rows("select member_id, status, ends_at from family_member order by 1"),
    )


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_two_writers_at_once_do_what_one_after_the_other_does(
    writers: Interleaving[State], first: str, second: str
) -> None:
    await writers.require_an_order(WRITERS[first], WRITERS[second])
