"""A recipient's rules answer offers as they are made, on both databases."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, STRANGER, caller, image, member

from transom.domain.events import Actor, EventData
from transom.domain.memberships import Offer, Terms
from transom.domain.model import NEVER, Member, Visibility
from transom.sharing import batches
from transom.sharing.families import members as family_members
from transom.sharing.families.events import Act
from transom.sql import members, share_rules
from transom.sql.db import Database, Script, Statement

from .databases import NOBODY, write_world
from .family_world import answer, locked, make_family, make_images, memberships, offer, publish

pytestmark = pytest.mark.anyio

DOMAIN = "domain/theirs"
OF_DOMAIN = msgspec.structs.replace(ACTOR, domain=DOMAIN)
#: An administrator who makes an offer of the owner's.
ADMIN = msgspec.structs.replace(OF_DOMAIN, project=STRANGER)
TERMS = Terms(message="Take it.", ends_at=1 << 60, expires_at=1 << 61)

#: (rules by publisher, who offers, the first status)
CASES: list[tuple[dict[str, str], Actor, str]] = [
    ({}, OF_DOMAIN, "pending"),
    ({OWNER: "accepted"}, OF_DOMAIN, "accepted"),
    ({OWNER: "rejected"}, OF_DOMAIN, "rejected"),
    ({DOMAIN: "accepted"}, OF_DOMAIN, "accepted"),
    ({"*": "rejected"}, OF_DOMAIN, "rejected"),
    ({OWNER: "accepted", DOMAIN: "rejected", "*": "rejected"}, OF_DOMAIN, "accepted"),
    ({DOMAIN: "accepted", "*": "rejected"}, OF_DOMAIN, "accepted"),
    ({STRANGER: "accepted", "domain/other": "accepted"}, OF_DOMAIN, "pending"),
    ({DOMAIN: "accepted"}, ADMIN, "pending"),
    ({DOMAIN: "accepted", "*": "rejected"}, ADMIN, "rejected"),
    ({OWNER: "accepted"}, ADMIN, "accepted"),
    ({STRANGER: "accepted"}, ADMIN, "pending"),
    ({DOMAIN: "accepted"}, ACTOR, "pending"),
]


async def set_rules(db: Database, rules: Mapping[str, str], project: str = RECIPIENT) -> None:
    """Make these all the rules there are."""
    await db.transact(
        Statement("delete from share_rule", ()),
        Statement("delete from outbox", ()),
        *(
            Statement(share_rules.PUT_RULE, (project, publisher, answer, 1, "user"))
            for publisher, answer in rules.items()
        ),
    )


async def found(db: Database, member_id: str = RECIPIENT) -> Member | None:
    return (await members.find_member(db, "image", NOBODY, member_id)).member


async def told(db: Database) -> list[tuple[Any, ...]]:
    """(type, by whom, user, way, status, status of before, ends_at) of each event."""
    rows = await db.read("select type, actor_project, actor_user, via, data from outbox order by id")
    data = [msgspec.json.decode(row[4], type=EventData) for row in rows]
    return [(*row[:4], one.status, one.was, one.ends_at) for row, one in zip(rows, data, strict=True)]


@pytest.mark.parametrize(("rules", "actor", "status"), CASES)
async def test_the_most_specific_rule_decides_an_offer(
    db: Database, rules: dict[str, str], actor: Actor, status: str
) -> None:
    await write_world(db, [image()], [])
    await set_rules(db, rules)

    offer = Offer(image_id="image", owner=OWNER, member_id=RECIPIENT, quota=-1, now=7, terms=TERMS)
    offered = await members.change_member(db, offer, actor)

    assert offered is not None
    assert offered.status == status
    by_publisher = ("share.offered", actor.project, "user", "images-v2", "pending", None, TERMS.ends_at)
    by_rule = (f"share.{status}", RECIPIENT, None, "rule", status, "pending", TERMS.expires_at)
    assert await told(db) == ([by_publisher] if status == "pending" else [by_publisher, by_rule])


@pytest.mark.parametrize(("rules", "actor", "status"), CASES)
async def test_the_most_specific_rule_decides_each_offer_of_a_batch(
    db: Database, rules: dict[str, str], actor: Actor, status: str
) -> None:
    await write_world(db, [image()], [])
    await set_rules(db, rules)
    offerer = caller("admin" if actor is ADMIN else "member", project=actor.project)

    await db.run(lambda: batches.share(offerer, actor, ["image"], [RECIPIENT, "else"], -1, 7, None))

    answered, other = await found(db), await found(db, "else")
    assert answered is not None
    assert (answered.status, other and other.status) == (status, "pending")
    types = ["share.offered", "share.offered"] + ([f"share.{status}"] if status != "pending" else [])
    assert sorted(one[0] for one in await told(db)) == sorted(types)


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
async def test_an_offer_that_a_rule_answers_has_the_ends_of_an_answered_one(
    db: Database, status: str
) -> None:
    await write_world(db, [image()], [])
    await set_rules(db, {"*": status} if status != "pending" else {})

    offer = Offer(image_id="image", owner=OWNER, member_id=RECIPIENT, quota=-1, now=7, terms=TERMS)
    await members.change_member(db, offer, ACTOR)

    rows = await db.read("select ends_at, expires_at, answered_at from member")
    ends_at = TERMS.ends_at if status == "pending" else TERMS.expires_at
    assert tuple(rows[0]) == (ends_at, TERMS.expires_at, None if status == "pending" else 7)


@pytest.mark.parametrize(
    ("rules", "status"),
    [({}, "pending"), ({OWNER: "accepted"}, "accepted"), ({"*": "rejected"}, "rejected")],
)
async def test_the_rule_decides_again_when_an_offer_was_rejected_and_is_made_again(
    db: Database, rules: dict[str, str], status: str
) -> None:
    await write_world(db, [image()], [member(status="rejected")])
    await set_rules(db, rules)

    await db.run(lambda: batches.share(caller(), OF_DOMAIN, ["image"], [RECIPIENT], -1, 7, None))

    renewed = await found(db)
    assert renewed is not None
    assert (renewed.status, renewed.updated_at) == (status, 7)
    types = ["share.renewed"] + ([f"share.{status}"] if status != "pending" else [])
    assert [one[0] for one in await told(db)] == types


async def test_offers_that_stand_and_domains_are_left_alone(db: Database) -> None:
    await write_world(db, [image()], [member(status="pending")])
    await set_rules(db, {"*": "rejected"})
    await set_rules(db, {"*": "rejected"}, DOMAIN)

    await db.run(lambda: batches.share(caller(), OF_DOMAIN, ["image"], [RECIPIENT, DOMAIN], -1, 7, None))

    stands, of_domain = await found(db), await found(db, DOMAIN)
    assert stands is not None
    assert of_domain is not None
    assert (stands.status, of_domain.status, of_domain.ends_at) == ("pending", "accepted", NEVER)


async def test_a_rule_decides_of_an_image_that_becomes_shared_by_the_offer(db: Database) -> None:
    await write_world(db, [image(visibility=Visibility.PRIVATE)], [])
    await set_rules(db, {OWNER: "accepted"})

    await db.run(lambda: batches.share_one(caller(), OF_DOMAIN, "image", RECIPIENT, -1, 7))

    accepted = await found(db)
    assert accepted is not None
    assert accepted.status == "accepted"


@pytest.mark.parametrize(("rules", "actor", "status"), CASES)
async def test_the_most_specific_rule_decides_an_offer_of_a_family(
    db: Database, rules: dict[str, str], actor: Actor, status: str
) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    await publish(db, "image-1")
    await set_rules(db, rules)

    def script() -> Script[None]:
        known = yield from locked()
        yield from family_members.offer(known, [RECIPIENT], TERMS, -1, Act(now=7, actor=actor))

    await db.run(script)

    rows = await db.read("select status, ends_at, answered_at from family_member")
    ends = (TERMS.ends_at, None) if status == "pending" else (TERMS.expires_at, 7)
    assert [tuple(row) for row in rows] == [(status, *ends)]
    brought = {"image-1": {RECIPIENT: "accepted"}} if status == "accepted" else {}
    assert await memberships(db) == brought
    by_publisher = ("family.offered", actor.project, "user", "images-v2", "pending", None, TERMS.ends_at)
    by_rule = (f"family.{status}", RECIPIENT, None, "rule", status, "pending", TERMS.expires_at)
    events = [one for one in await told(db) if one[0] != "share.granted"]
    assert events == ([by_publisher] if status == "pending" else [by_publisher, by_rule])


async def test_a_rule_accepts_a_family_that_is_offered_again_with_what_it_brought(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    await publish(db, "image-1")
    await offer(db, RECIPIENT)
    await answer(db, RECIPIENT)
    await answer(db, RECIPIENT, "rejected")
    await set_rules(db, {OWNER: "accepted"})

    await offer(db, RECIPIENT)

    assert await memberships(db) == {"image-1": {RECIPIENT: "accepted"}}
