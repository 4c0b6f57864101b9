"""Families in sets: offered, answered and withdrawn; and what comes with time."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest
from domain.samples import OWNER, caller

from transom.clock import now_us
from transom.domain.errors import ConflictError, ForbiddenError, NotFoundError
from transom.domain.families import Known
from transom.domain.memberships import Terms
from transom.domain.model import NEVER, Caller
from transom.domain.recipients import domain_key
from transom.sharing.families import changes, due, scripts, service, verbs
from transom.sharing.model import LEFT, Done
from transom.sql.db import Database, Script

from .family_world import (
    NO_LIMIT,
    act,
    answer,
    family_members,
    forget_events,
    look,
    make_family,
    make_images,
    memberships,
    offer,
    publish,
    told,
)

pytestmark = pytest.mark.anyio

FIRST, SECOND = "first-project", "second-project"
Result = Done[verbs.FamilyFailure]

PUBLISHER, RECEIVER = caller(project=OWNER), caller(project=FIRST)


async def _do(db: Database, make: Callable[[], Script[Result]], *family_ids: str) -> Result:
    def script() -> Script[Result]:
        yield from verbs.lock(family_ids, [])
        return (yield from make())

    return await db.run(script)


async def _offer(db: Database, who: Caller, *family_ids: str) -> Result:
    return await _do(
        db,
        lambda: verbs.offer(who, family_ids, [FIRST, SECOND], Terms(), NO_LIMIT, act()),
        *family_ids,
    )


async def _answer(db: Database, who: Caller, status: str, *family_ids: str) -> Result:
    return await _do(db, lambda: verbs.answer(who, family_ids, status, None, act()), *family_ids)


async def test_a_set_is_offered_and_what_cannot_be_is_told(db: Database) -> None:
    await make_family(db)
    await make_family(db, id="theirs", owner="somebody")

    done = await _offer(db, PUBLISHER, "family", "theirs", "nothing")

    assert done[:3] == (2, 0, 0)
    assert [(one.family_id, type(one.error)) for one in done.failures] == [
        ("theirs", NotFoundError),
        ("nothing", NotFoundError),
    ]


async def test_who_only_sees_a_family_does_not_offer_it(db: Database) -> None:
    await make_family(db)
    await offer(db, FIRST)

    done = await _offer(db, RECEIVER, "family")

    assert [type(one.error) for one in done.failures] == [ForbiddenError]


async def test_a_set_is_answered_and_left(db: Database) -> None:
    await make_family(db)
    await make_family(db, id="other", name="db")
    await make_images(db, "image-1")
    await publish(db, "image-1")
    await offer(db, FIRST)

    accepted = await _answer(db, RECEIVER, "accepted", "family", "other", "nothing")
    again = await _answer(db, RECEIVER, "accepted", "family")
    has = await memberships(db)
    left = await _answer(db, RECEIVER, LEFT, "family")

    assert (accepted.done, again.unchanged, left.done) == (1, 1, 1)
    hidden, absent = (str(one.error) for one in accepted.failures)
    assert hidden.replace("other", "nothing") == absent
    assert (has, await memberships(db)) == ({"image-1": {FIRST: "accepted"}}, {})


async def test_what_a_domain_has_is_not_its_projects_to_answer(db: Database) -> None:
    await make_family(db)
    await offer(db, domain_key("theirs"))
    of_domain = msgspec.structs.replace(RECEIVER, domain_id="theirs")

    done = await _answer(db, of_domain, LEFT, "family")

    assert [type(one.error) for one in done.failures] == [ConflictError]


async def test_a_family_is_withdrawn_from_everybody(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    await publish(db, "image-1")
    await offer(db, FIRST, SECOND)
    await answer(db, FIRST)

    done = await _do(db, lambda: verbs.withdraw(PUBLISHER, ["family"], None, "ended", 9, act()), "family")

    assert done[:3] == (2, 0, 0)
    assert (await family_members(db), await memberships(db)) == ({}, {})


@pytest.mark.parametrize("named", [None, [FIRST, SECOND, "third", "none"]], ids=["everybody", "named"])
async def test_one_request_withdraws_so_many_pairs_and_tells_what_is_left(
    db: Database, named: list[str] | None
) -> None:
    await make_family(db)
    await make_family(db, id="other", name="db")
    await _offer(db, PUBLISHER, "family", "other")
    await offer(db, "third")
    ids = ["family", "other"]

    first = await _do(db, lambda: verbs.withdraw(PUBLISHER, ids, named, None, 2, act()), *ids)
    then = await _do(db, lambda: verbs.withdraw(PUBLISHER, ids, named, None, 3, act()), *ids)

    assert (first.done, first.remaining, then.done, then.remaining) == (2, 3, 3, 0)
    assert await family_members(db) == {}


# ---- what comes with time


async def test_members_that_have_ended_are_removed_with_what_they_were_brought(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    await publish(db, "image-1")
    end = now_us() - 1
    await offer(db, FIRST, expires_at=end)
    await offer(db, SECOND)
    await answer(db, FIRST)
    await answer(db, SECOND)
    await forget_events(db)

    following = await due.run(db)

    assert following == NEVER
    assert await family_members(db) == {SECOND: "accepted"}
    assert await memberships(db) == {"image-1": {SECOND: "accepted"}}
    assert [kind for kind, *_rest in await told(db)] == ["family.expired", "share.expired"]


async def _schedule(db: Database, number: int, at: int) -> None:
    def change_it(known: Known) -> Known:
        return changes.schedule_revocation(known, number, at, "End of support")

    await db.run(lambda: scripts.change_version("family", number, change_it, act()))


async def test_a_version_is_revoked_when_its_time_has_come(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await publish(db, "image-2")
    later = now_us() + 3_600_000_000

    for number, at in ((2, now_us() - 1), (1, later)):
        await _schedule(db, number, at)
    following = await due.run(db)

    known = await look(db)
    assert {one.number: str(known.state_of(one)) for one in known.versions} == {2: "revoked", 1: "current"}
    assert known.versions[0].revoke_reason == "End of support"
    assert following == later


@pytest.mark.parametrize("rule", ["modify_image", "deactivate", "reactivate"])
async def test_what_the_image_api_refuses_is_not_done_by_a_family(db: Database, rule: str) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    rules = {**PUBLISHER.policy.rules, rule: lambda who, _target: who.is_admin}
    who = msgspec.structs.replace(PUBLISHER, policy=msgspec.structs.replace(PUBLISHER.policy, rules=rules))
    new = scripts.NewVersion(image_id="image-2", name=None, notes=None, end_of_life=NEVER)
    own = db, who, act().actor, "family"
    soon = service.VersionChange(revoke_at=now_us() + 3_600_000_000)
    refused: dict[str, list[Callable[[], Awaitable[object]]]] = {
        "modify_image": [
            lambda: service.publish(*own, new, NO_LIMIT, promotes=False),
            lambda: service.promote(*own, 1, _demand_nothing),
        ],
        "deactivate": [
            lambda: service.revoke(*own, 1, None, fall_back=True, at=None, require=_demand_nothing),
            lambda: service.change_version(*own, 1, soon, _demand_nothing),
        ],
        "reactivate": [lambda: service.restore(*own, 1, _demand_nothing)],
    }

    for do in refused[rule]:
        with pytest.raises(ForbiddenError):
            await do()

    known = await look(db)
    assert {one.number: str(known.state_of(one)) for one in known.versions} == {1: "current"}


def _demand_nothing(_known: Known) -> None:
    """Whatever the family is like."""
