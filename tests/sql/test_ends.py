"""A membership that has ended is absent for every statement, from that microsecond on, removed or not."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, caller, image, member

from transom import clock
from transom.domain.errors import ConflictError
from transom.domain.listing import ListQuery, visible_ranges
from transom.domain.memberships import Answer, AnswerWithVault, RemoveEnded, Terms, Withdraw
from transom.domain.model import NEVER, Caller, Member, Visibility
from transom.sharing.batches import answer, share, withdraw
from transom.sharing.recipients import Recipients
from transom.sharing.service import offer
from transom.sql import images, listing, members
from transom.sql.db import Database
from transom.sql.deletion import delete_image

from .databases import NOBODY, write_world

pytestmark = pytest.mark.anyio

END = 1_000_000
DOMAIN = "domain/theirs"
RECEIVER = caller(project=RECIPIENT)
OF_DOMAIN = msgspec.structs.replace(caller(project="other"), domain_id="theirs")
#: Now, and whether the membership that ends at END is there.
MOMENTS = pytest.mark.parametrize(
    ("now", "is_there"), [(END - 1, True), (END, False), (END + 1, False)], ids=["before", "at", "after"]
)
Look = Callable[[Database], Awaitable[bool]]


def stop_clock(monkeypatch: pytest.MonkeyPatch, now_us: int) -> None:
    monkeypatch.setattr(clock._source, "read", lambda: now_us)


def ending(member_id: str = RECIPIENT, status: str = "pending", expires_at: int = END) -> Member:
    return msgspec.structs.replace(member(member_id, status), ends_at=END, expires_at=expires_at)


async def _is_member(db: Database) -> bool:
    return (await images.find_image(db, "image", (RECIPIENT, None))).is_member


async def _is_found(db: Database) -> bool:
    return (await members.find_member(db, "image", NOBODY, RECIPIENT)).member is not None


async def _is_own_by_member(db: Database) -> bool:
    return (await members.find_member(db, "image", (RECIPIENT, None), "other")).is_member


async def _is_own_by_list(db: Database) -> bool:
    return (await members.list_members(db, "image", (RECIPIENT, None))).is_member


async def _is_in_list_of_members(db: Database) -> bool:
    return RECIPIENT in [one.member_id for one in (await members.list_members(db, "image", NOBODY)).members]


async def _is_counted(db: Database) -> bool:
    return await members.count_members(db, "image") == 2


async def _makes_it_shared(db: Database) -> bool:
    return "image" in await images.shared_among(db, ["image"])


async def _makes_many_shared(db: Database) -> bool:
    ids = ["image", *map(str, range(100))]
    return "image" in await images.shared_among(db, ids)


async def _is_for_domain(db: Database) -> bool:
    return await images.has_group_member(db, "image")


async def _counts_against_quota(db: Database) -> bool:
    return await images.count_shared(db, OWNER) == (1, 2)


def _lists(who: Caller, query: ListQuery) -> Look:
    async def look(db: Database) -> bool:
        page = await listing.list_images(db, visible_ranges(who, query), query, None)
        return [one.id for one in page.images] == ["image"]

    return look


LOOKS: dict[str, Look] = {
    "is member": _is_member,
    "find member": _is_found,
    "own while another is looked for": _is_own_by_member,
    "own while members are listed": _is_own_by_list,
    "list members": _is_in_list_of_members,
    "count members": _is_counted,
    "shared among": _makes_it_shared,
    "shared among many": _makes_many_shared,
    "domain member": _is_for_domain,
    "quota": _counts_against_quota,
    "list of accepted": _lists(RECEIVER, ListQuery()),
    "list of accepted, scanned": _lists(RECEIVER, ListQuery(limit=100)),
    "list of the domain's": _lists(OF_DOMAIN, ListQuery()),
}


@MOMENTS
@pytest.mark.parametrize("name", LOOKS)
async def test_a_look_finds_a_membership_until_it_ends(
    db: Database, monkeypatch: pytest.MonkeyPatch, name: str, now: int, is_there: bool
) -> None:
    await write_world(db, [image()], [ending(status="accepted"), ending(DOMAIN, "accepted")])
    stop_clock(monkeypatch, now)

    assert await LOOKS[name](db) is is_there


async def _answers(db: Database, now: int) -> bool:
    change = Answer(image_id="image", member_id=RECIPIENT, status="accepted", was="pending", now=now)
    return await members.change_member(db, change, ACTOR) is not None


async def _answers_with_vault(db: Database, now: int) -> bool:
    change = AnswerWithVault(
        image_id="image",
        member_id=RECIPIENT,
        status="accepted",
        was="pending",
        vault_id=None,
        now=now,
        seen_version=image().updated_at,
        seen_vault_id=None,
    )
    return await members.change_member(db, change, ACTOR) is not None


async def _withdraws(db: Database, now: int) -> bool:
    change = Withdraw(image_id="image", member_id=RECIPIENT, now=now)
    return await members.change_member(db, change, ACTOR) is not None


async def _answers_in_batch(db: Database, now: int) -> bool:
    return await db.run(lambda: answer(RECEIVER, ACTOR, ["image"], "accepted", None, now, None)) == []


async def _withdraws_in_batch(db: Database, now: int) -> bool:
    await db.run(lambda: withdraw(caller(), ACTOR, ["image"], [RECIPIENT], now, None))
    return await db.read("select 1 from member where member_id = $1", RECIPIENT) == []


async def _stays_in_batch(db: Database, now: int) -> bool:
    """One that is there is not offered again."""
    await db.run(lambda: share(caller(), ACTOR, ["image"], [RECIPIENT], -1, now, None))
    return await db.read("select created_at from member where member_id = $1", RECIPIENT) == [(1,)]


async def _takes_a_place_in_batch(db: Database, now: int) -> bool:
    return await db.run(lambda: share(caller(), ACTOR, ["image"], ["new"], 1, now, None)) != []


async def _stays_in_full_batch(db: Database, now: int) -> bool:
    return await db.run(lambda: share(caller(), ACTOR, ["image"], ["new", RECIPIENT], 1, now, None)) != []


CHANGES = {
    "answer": _answers,
    "answer with vault": _answers_with_vault,
    "withdraw": _withdraws,
    "batch answers": _answers_in_batch,
    "batch withdraws": _withdraws_in_batch,
    "batch shares": _stays_in_batch,
    "batch counts": _takes_a_place_in_batch,
}


@MOMENTS
@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_meets_a_membership_until_it_ends(
    db: Database, name: str, now: int, is_there: bool
) -> None:
    await write_world(db, [image()], [ending()])

    assert await CHANGES[name](db, now) is is_there


@MOMENTS
async def test_an_offer_replaces_what_has_ended_whole(
    db: Database, monkeypatch: pytest.MonkeyPatch, now: int, is_there: bool
) -> None:
    before = msgspec.structs.replace(
        ending(status="rejected"), message="old", vault_id="vault", family_id="f"
    )
    await write_world(db, [image()], [before])
    stop_clock(monkeypatch, now)

    try:
        made: Member | None = await offer(db, Recipients(None), caller(), ACTOR, "image", RECIPIENT, 1)
    except ConflictError:
        made = None

    replaced = msgspec.structs.replace(
        member(), created_at=now, updated_at=now, offered_at=now, offered_by="user"
    )
    assert made == (None if is_there else replaced)


@MOMENTS
async def test_what_ends_is_removed_at_its_end_and_not_before(db: Database, now: int, is_there: bool) -> None:
    await write_world(db, [image()], [ending(), member("other")])

    await members.change_each(db, RemoveEnded(now=now, limit=10), ACTOR)

    left = [row[0] for row in await db.read("select member_id from member order by 1")]
    assert left == (["other", RECIPIENT] if is_there else ["other"])


@MOMENTS
async def test_the_end_of_a_share_is_told_when_its_closed_image_is_deleted_next(
    db: Database, now: int, is_there: bool
) -> None:
    closed = image(visibility=Visibility.PRIVATE)
    await write_world(db, [closed], [ending()])
    await db.write("delete from outbox")

    await delete_image(db, closed, now, ACTOR)

    told = [row[0] for row in await db.read("select type from outbox")]
    assert told == ([] if is_there else ["share.expired"])
    assert await db.read("select 1 from member") == []


async def test_what_ended_first_is_removed_first_and_only_so_many(db: Database) -> None:
    old = [msgspec.structs.replace(member(f"m{n}"), ends_at=10 - n) for n in range(5)]
    await write_world(db, [image()], old)

    await members.change_each(db, RemoveEnded(now=END, limit=2), ACTOR)

    assert [row[0] for row in await db.read("select member_id from member order by 1")] == ["m0", "m1", "m2"]


@pytest.mark.parametrize("status", ["accepted", "rejected"])
async def test_an_answered_offer_lasts_as_long_as_the_share(db: Database, status: str) -> None:
    await write_world(db, [image()], [ending(expires_at=5 * END)])

    change = Answer(image_id="image", member_id=RECIPIENT, status=status, was="pending", now=END - 1)
    answered = await members.change_member(db, change, ACTOR)

    assert answered is not None
    assert (answered.ends_at, answered.answered_at) == (5 * END, END - 1)


async def test_an_answer_taken_back_does_not_bring_its_deadline_back(db: Database) -> None:
    await write_world(db, [image()], [ending(expires_at=NEVER)])
    for status, was in [("accepted", "pending"), ("pending", "accepted")]:
        change = Answer(image_id="image", member_id=RECIPIENT, status=status, was=was, now=7)
        answered = await members.change_member(db, change, ACTOR)

    assert answered is not None
    assert (answered.ends_at, answered.answered_at) == (NEVER, None)


async def test_a_batch_answers_with_the_same_terms(db: Database) -> None:
    await write_world(db, [image()], [ending(expires_at=5 * END)])

    await db.run(lambda: answer(RECEIVER, ACTOR, ["image"], "accepted", None, 9, None))

    assert await db.read("select ends_at, answered_at from member") == [(5 * END, 9)]


async def test_a_rejected_offer_is_made_again_with_new_terms(db: Database) -> None:
    await write_world(db, [image()], [msgspec.structs.replace(ending(status="rejected"), message="old")])

    await db.run(lambda: share(caller(), ACTOR, ["image"], [RECIPIENT], -1, 9, None))

    found = (await members.find_member(db, "image", NOBODY, RECIPIENT)).member
    assert found == msgspec.structs.replace(member(), updated_at=9, offered_at=9, offered_by="user")
    assert Terms() == Terms(ends_at=NEVER, expires_at=NEVER, message=None)
