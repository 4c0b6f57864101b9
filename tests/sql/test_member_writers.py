"""Whatever writes memberships, beside whatever else does: together they do what one after the other would.

Of each pair the first writer is held up between its look and its write (`interleaving.py`). PostgreSQL alone:
SQLite writes one at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec
import pytest
from domain.samples import ACTOR, RECIPIENT, caller, image, member
from harness.postgresql import PostgreSQL

from transom.domain.errors import ConflictError, TransomError
from transom.domain.memberships import AnswerUnseen, Terms
from transom.domain.model import NEVER, Caller, Failure, Member, Visibility
from transom.domain.recipients import domain_key
from transom.sharing import offers, service
from transom.sharing.batches import answer, share, withdraw
from transom.sharing.model import NewSet
from transom.sharing.recipients import Recipients
from transom.sharing.sweep import remove_ended
from transom.sql.db import Database, Script
from transom.sql.deletion import delete_image
from transom.sql.images import find_image, update_image
from transom.sql.members import change_member

from .databases import NOBODY, delete_member, insert_member, misjudged_members, write_world
from .interleaving import Interleaving, Outcome, Writer, interleave, make_database

pytestmark = pytest.mark.anyio

MOST = 3
NOW = 7
NEWCOMER, REJECTER, ENDED = "newcomer-project", "rejecter-project", "ended-project"

#: `full` has as many recipients as it may, `open` one and one whose offer has ended, `closed` is private and
#: has an old membership, `own` is the recipient's.
IMAGES = [
    image(id="full"),
    image(id="open"),
    image(id="closed", visibility=Visibility.PRIVATE),
    image(id="own", owner=RECIPIENT),
]
MEMBERS = [
    ("full", RECIPIENT, "pending"),
    ("full", REJECTER, "rejected"),
    ("full", "third-project", "accepted"),
    ("open", RECIPIENT, "accepted"),
    ("closed", "old-project", "accepted"),
]
PUBLISHER, RECEIVER = caller(), caller(project=RECIPIENT)

EVENTS = """
    select image_id, member_id, type, data ->> 'status', data ->> 'was' from outbox order by id"""


@pytest.fixture(scope="module")
def writers_url(postgresql: PostgreSQL) -> str:
    """The URL of a database that all pairs share, one after another."""
    return make_database(postgresql, "member")


@pytest.fixture(scope="module")
async def writers(writers_url: str) -> AsyncIterator["Interleaving[State]"]:
    """Opened once: each connection that is new to PostgreSQL plans and compiles anew what it runs."""
    async with interleave(writers_url, _begin, _look) as opened:
        yield opened


# ---- the writers


def _batch(make: Callable[[], Script[list[Failure]]]) -> Writer:
    async def run(db: Database) -> Outcome:
        return sorted((one.image_id, one.member_id or "", one.reason) for one in await db.run(make))

    return run


def _single(call: Callable[[Database], Awaitable[Member | None]]) -> Writer:
    async def run(db: Database) -> Outcome:
        try:
            found = await call(db)
        except TransomError as error:
            return type(error).__name__, error.reason
        return found.status if isinstance(found, Member) else found

    return run


def _shares(images: list[str], recipients: list[str], who: Caller = PUBLISHER) -> Writer:
    return _batch(lambda: share(who, ACTOR, images, recipients, MOST, NOW, None))


async def _offer(db: Database) -> Outcome:
    return await insert_member(db, "full", NEWCOMER, MOST, NOW) is not None


async def _remove(db: Database) -> Outcome:
    return await delete_member(db, "full", RECIPIENT) is not None


async def _remove_from_open(db: Database) -> Outcome:
    return await delete_member(db, "open", RECIPIENT) is not None


def _changes(image_id: str, **fields: str) -> Writer:
    """As a client's PATCH or action: looks, writes, and looks again when somebody was quicker."""

    async def run(db: Database) -> Outcome:
        while True:
            seen = (await find_image(db, image_id, NOBODY)).image
            if seen is None:
                return "gone"
            new = msgspec.structs.replace(seen, **fields, updated_at=seen.updated_at + 1)
            if await update_image(db, seen, new, ACTOR):
                return "done"

    return run


async def _delete(db: Database) -> Outcome:
    while True:
        seen = (await find_image(db, "full", NOBODY)).image
        if seen is None:
            return "gone"
        if await delete_image(db, seen, NOW, ACTOR):
            return "done"


WRITERS: dict[str, Writer] = {
    "batch shares a full image": _shares(["full"], [NEWCOMER, RECIPIENT, REJECTER]),
    "batch shares two images": _shares(["full", "open"], [NEWCOMER, RECIPIENT]),
    "batch shares a private image": _shares(["closed", "full"], [NEWCOMER, "old-project"]),
    "batch shares with a domain": _shares(["full", "open"], [domain_key("domain")]),
    "batch of a recipient": _shares(["own", "open", "full"], [NEWCOMER], RECEIVER),
    "batch withdraws": _batch(lambda: withdraw(PUBLISHER, ACTOR, ["full", "open"], [RECIPIENT], NOW, None)),
    "batch accepts": _batch(lambda: answer(RECEIVER, ACTOR, ["full", "open"], "accepted", None, NOW, None)),
    "single share": _single(
        lambda db: service.share_one(db, Recipients(None), PUBLISHER, ACTOR, "full", NEWCOMER, MOST)
    ),
    "single answer": _single(
        lambda db: service.answer_for_itself(
            db, RECEIVER, ACTOR, "full", RECIPIENT, lambda: ("rejected", None)
        )
    ),
    "single withdrawal": _single(lambda db: service.withdraw(db, PUBLISHER, ACTOR, "full", RECIPIENT)),
    "native offer": _offer,
    "native answer": _single(lambda db: service.answer(db, RECEIVER, ACTOR, "full", RECIPIENT, "accepted")),
    "native removal": _remove,
    "native removal from another image": _remove_from_open,
    "image is hidden": _changes("full", visibility="private"),
    "private image is opened": _changes("closed", visibility="shared"),
    "image is deactivated": _changes("full", status="deactivated"),
    "image is deleted": _delete,
}


# ---- a pair


class State(NamedTuple):
    """What is in the database after two writers. `events`: of each membership, in their order, the type, the
    status of then and the one of before."""

    images: dict[str, tuple[str, str]]
    members: dict[tuple[str, str], str]
    events: dict[tuple[str, str], list[tuple[str, str, str]]]


async def _begin(db: Database) -> None:
    members = [
        msgspec.structs.replace(member(member_id, status), image_id=image_id)
        for image_id, member_id, status in MEMBERS
    ]
    ended = msgspec.structs.replace(member(ENDED), image_id="open", ends_at=NOW - 1)
    await write_world(db, IMAGES, [*members, ended])
    await db.write("delete from outbox")


async def _look(db: Database) -> State:
    assert await misjudged_members(db) == []
    images = {row[0]: (row[1], row[2]) for row in await db.read("select id, visibility, status from image")}
    rows = await db.read("select image_id, member_id, status from member")
    members = {(row[0], row[1]): row[2] for row in rows}
    events: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for image_id, member_id, *event in await db.read(EVENTS):
        events.setdefault((image_id, member_id), []).append((event[0], event[1], event[2]))
    return State(images, members, events)


@pytest.mark.parametrize("second", WRITERS)
@pytest.mark.parametrize("first", WRITERS)
async def test_two_writers_at_once_do_what_one_after_the_other_does(
    writers: Interleaving[State], first: str, second: str
) -> None:
    await writers.require_an_order(WRITERS[first], WRITERS[second])


@pytest.mark.parametrize("change", [{"visibility": "private"}, {"status": "deactivated"}], ids=str)
@pytest.mark.parametrize("offers_first", [True, False])
async def test_who_is_offered_an_image_that_is_closed_meanwhile_is_told_of_it_or_refused(
    writers: Interleaving[State], change: dict[str, str], offers_first: bool
) -> None:
    async def offer(db: Database) -> Outcome:
        return await insert_member(db, "open", NEWCOMER, MOST, NOW) is not None

    pair = offer, _changes("open", **change)

    await writers.require_an_order(*(pair if offers_first else reversed(pair)))


async def _sweep(db: Database) -> Outcome:
    return await db.run(lambda: remove_ended(NOW, 10))


@pytest.mark.parametrize("sweeps_first", [True, False])
@pytest.mark.parametrize(
    "offer",
    [
        _single(lambda db: service.offer(db, Recipients(None), PUBLISHER, ACTOR, "open", ENDED, MOST)),
        _shares(["open"], [ENDED]),
    ],
    ids=["native offer", "batch"],
)
async def test_an_offer_of_what_has_ended_beside_its_removal_is_made_once_and_told_after_the_end(
    writers: Interleaving[State], offer: Writer, sweeps_first: bool
) -> None:
    pair = _sweep, offer

    together = await writers.require_an_order(*(pair if sweeps_first else reversed(pair)))

    assert together.members["open", ENDED] == "pending"
    assert [kind for kind, *_status in together.events["open", ENDED]] == ["share.lapsed", "share.offered"]


async def _answer_in_time(db: Database) -> Outcome:
    """Its clock is that of a moment before the end."""
    change = AnswerUnseen(image_id="open", member_id=ENDED, status="accepted", now=NOW - 2)
    return await change_member(db, change, ACTOR) is not None


@pytest.mark.parametrize("sweeps_first", [True, False])
async def test_an_answer_at_the_very_end_is_the_last_that_is_told_or_the_end_is(
    writers: Interleaving[State], sweeps_first: bool
) -> None:
    pair = _sweep, _answer_in_time

    together = await writers.require_an_order(*(pair if sweeps_first else reversed(pair)))

    status = together.members.get(("open", ENDED))
    told = [kind for kind, *_status in together.events["open", ENDED]]
    assert (status, told) in (("accepted", ["share.accepted"]), (None, ["share.lapsed"]))


async def _replace_set(db: Database) -> Outcome:
    """By who knows the set as it is in the beginning."""

    def require_unchanged(terms: Sequence[tuple[str, int]]) -> None:
        if list(terms) != [(RECIPIENT, NEVER)]:
            raise ConflictError("The set is another one.")

    new = NewSet([RECIPIENT, REJECTER], Terms(), MOST)
    try:
        done = await offers.replace(db, Recipients(None), PUBLISHER, ACTOR, "open", new, require_unchanged)
    except ConflictError:
        return "another set"
    return done.offered, done.unchanged, done.withdrawn


@pytest.mark.parametrize("replaces_first", [True, False])
async def test_a_set_that_is_replaced_beside_an_offer_is_refused_or_has_been_replaced_before(
    writers: Interleaving[State], replaces_first: bool
) -> None:
    async def offer(db: Database) -> Outcome:
        return await insert_member(db, "open", NEWCOMER, MOST, NOW) is not None

    pair = _replace_set, offer

    together = await writers.require_an_order(*(pair if replaces_first else reversed(pair)))

    assert together.members["open", NEWCOMER] == "pending"


@pytest.mark.parametrize("removal", ["native removal", "native removal from another image"])
@pytest.mark.parametrize(
    "batch",
    ["batch shares two images", "batch of a recipient", "batch withdraws", "batch accepts"],
)
async def test_a_removal_is_not_answered_while_a_batch_that_saw_the_membership_goes_on(
    writers: Interleaving[State], batch: str, removal: str
) -> None:
    """Whoever looks between that answer and the end of the batch would find that the batch has done nothing
    yet, and would then learn that it still met the membership."""
    await _begin(writers.db)

    async with writers.holding():
        leading = asyncio.ensure_future(WRITERS[batch](writers.db))
        await writers.wait_until_over_or_waiting(leading, 1)
        following = asyncio.ensure_future(WRITERS[removal](writers.db))
        await writers.wait_until_over_or_waiting(following, 2)
        was_answered = (leading.done(), following.done())
    await asyncio.gather(leading, following)

    assert was_answered == (False, False)
