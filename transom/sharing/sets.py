"""The three verbs over sets of images and families alike, each in one transaction.

Families come first: they are locked before images, and the images of their versions together with those that
are named (`families/verbs.py`). What is done to images is in `offers.py`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from transom.clock import now_us
from transom.domain import access
from transom.domain.events import Actor
from transom.domain.memberships import Terms
from transom.domain.model import Caller, Failure
from transom.sharing import offers
from transom.sharing.families import verbs
from transom.sharing.families.events import Act
from transom.sharing.families.verbs import FamilyFailure
from transom.sharing.lookups import find_unknown
from transom.sharing.model import Done
from transom.sharing.recipients import Recipients
from transom.sql import family_views
from transom.sql.db import Database, Script


class Things(NamedTuple):
    """Ids of what a request is about."""

    images: Sequence[str]
    families: Sequence[str]

    def __len__(self) -> int:
        return len(self.images) + len(self.families)


class Outcome(NamedTuple):
    """What came of a request. `behind`: pairs that it did not even look at."""

    images: Done[Failure]
    families: Done[FamilyFailure]
    behind: int = 0

    @property
    def done(self) -> int:
        return self.images.done + self.families.done

    @property
    def renewed(self) -> int:
        return self.images.renewed + self.families.renewed

    @property
    def unchanged(self) -> int:
        return self.images.unchanged + self.families.unchanged

    @property
    def remaining(self) -> int:
        return self.images.remaining + self.families.remaining + self.behind


async def offer(
    db: Database,
    recipients: Recipients,
    caller: Caller,
    actor: Actor,
    things: Things,
    member_ids: Sequence[str],
    terms: Terms,
    limit: int,
    most_members: int,
) -> Outcome:
    """Offer each thing to each recipient. `limit`: recipients an image may have, `most_members`: members a
    family may have; negative: no limit."""
    unknown = await find_unknown(db, recipients, caller, things.images, things.families, member_ids)
    images = offers.prepare(caller, actor, things.images, member_ids, terms, limit, unknown)

    def script() -> Script[Outcome]:
        now = now_us()
        yield from verbs.lock(things.families, things.images)
        act = Act(now=now, actor=actor)
        families = yield from verbs.offer(
            caller, things.families, member_ids, terms, most_members, act, unknown
        )
        return Outcome((yield from images(now)) if things.images else offers.NOTHING, families)

    return await db.run(script)


async def answer(
    db: Database,
    caller: Caller,
    actor: Actor,
    things: Things,
    status: str,
    new_versions: str | None,
    vault_id: str | None,
) -> Outcome:
    """Give the offers of these things to the caller's project this status, or leave them (`model.LEFT`)."""
    return await db.run(lambda: _answer(caller, actor, things, status, new_versions, vault_id))


def _answer(
    caller: Caller,
    actor: Actor,
    things: Things,
    status: str,
    new_versions: str | None,
    vault_id: str | None,
    was: str | None = None,
) -> Script[Outcome]:
    """`was`: pass by those that are gone or have another status than this one."""
    now = now_us()
    yield from verbs.lock(things.families, things.images)
    act = Act(now=now, actor=actor)
    families = yield from verbs.answer(caller, things.families, status, new_versions, act, was)
    images = offers.NOTHING
    if things.images:
        images = yield from offers.answer_images(caller, actor, things.images, status, vault_id, now, was)
    return Outcome(images, families)


async def answer_all(
    db: Database,
    caller: Caller,
    actor: Actor,
    was: str,
    owner: str | None,
    status: str,
    new_versions: str | None,
    vault_id: str | None,
    limit: int,
) -> Outcome:
    """As `answer`, of all offers that have the status `was`, at most so many: families, then images. What was
    answered or withdrawn since they were listed stays as it is. `owner`: only what this project offers."""
    project_id = access.require_project(caller)
    now = now_us()
    found = await family_views.list_answerable(db, project_id, was, owner, now)
    some = found[:limit]
    images, behind = await offers.list_answerable(db, project_id, was, owner, limit - len(some), now)

    def script() -> Script[Outcome]:
        things = Things(images, some)
        done = yield from _answer(caller, actor, things, status, new_versions, vault_id, was)
        return done._replace(behind=len(found) - len(some) + behind)

    return await db.run(script)


async def withdraw(
    db: Database,
    caller: Caller,
    actor: Actor,
    things: Things,
    member_ids: Sequence[str] | None,
    reason: str | None,
    limit: int,
) -> Outcome:
    """Take each thing back from each recipient, None: from all, at most so many pairs."""

    def script() -> Script[Outcome]:
        now = now_us()
        yield from verbs.lock(things.families, things.images)
        act = Act(now=now, actor=actor)
        families = yield from verbs.withdraw(caller, things.families, member_ids, reason, limit, act)
        images = offers.NOTHING
        if things.images:
            images = yield from offers.withdraw_images(
                caller, actor, things.images, member_ids, reason, limit - families.done, now
            )
        return Outcome(images, families)

    return await db.run(script)


async def withdraw_everything(
    db: Database,
    caller: Caller,
    actor: Actor,
    member_ids: Sequence[str] | None,
    reason: str | None,
    limit: int,
) -> Outcome:
    """Take all families and images of the caller's project back from these recipients, None: from all, at
    most so many pairs: families, then images."""
    owner = access.require_project(caller)
    ids = await family_views.list_owned_ids(db, owner)
    images, behind = await offers.list_withdrawable(db, owner, member_ids, limit)

    def script() -> Script[Outcome]:
        now = now_us()
        yield from verbs.lock(ids, images)
        act = Act(now=now, actor=actor)
        of_families = yield from verbs.withdraw(caller, ids, member_ids, reason, limit, act)
        left = limit - of_families.done
        of_images = yield from offers.withdraw_up_to(caller, actor, images, member_ids, left, now, reason)
        # Nobody asked for the pairs that there are none of.
        return Outcome(of_images, of_families._replace(unchanged=0), behind)

    return await db.run(script)
