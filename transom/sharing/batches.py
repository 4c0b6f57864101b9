"""Batches of shares, each a script that locks what it is about, decides (`plans.py`) and writes.

A single offer by the rules of the IMS API is a batch of one, with the looks before and after it in the same
transaction, so that the answer tells of the very moment of the change.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import chain

import msgspec

from transom.clock import now_us
from transom.domain.attributes import is_from_backup
from transom.domain.events import Actor
from transom.domain.memberships import (
    AnswerEach,
    Found,
    LeaveEach,
    MakeDirectEach,
    NameVaultEach,
    OfferEach,
    RemoveEndedOf,
    RenewEach,
    Seen,
    Terms,
    WithdrawEach,
)
from transom.domain.model import Caller, Failure, Job, JobStatus, Member, MemberStatus, Visibility
from transom.domain.policy import looks_at_images
from transom.domain.recipients import is_group
from transom.sharing import rules
from transom.sharing.model import Done, Sharing, raise_first, require_known
from transom.sharing.plans import (
    choose_recipients,
    ids_of,
    most_recipients,
    plan_answer,
    plan_sharing,
    plan_withdrawal,
)
from transom.sql import batches, members
from transom.sql.db import Database, Script, Statement
from transom.sql.images import to_json
from transom.sql.jobs import insert_job
from transom.sql.member_ids import with_own_ids
from transom.sql.members import to_statement


def share(
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    recipients: Sequence[str],
    limit: int,
    now: int,
    job: Job | None,
    unknown: Collection[str] = (),
) -> Script[list[Failure]]:
    """Offer each image to each recipient (`member_id`s); what could not be done. `job` is finished and
    written with the rest. The others: as of `offer`."""
    done = yield from offer(caller, actor, images, recipients, Terms(), limit, now, unknown)
    failures = done.failures
    if job is not None:
        yield _finished(job, images, failures)
    return failures


def offer(
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    recipients: Sequence[str],
    terms: Terms,
    limit: int,
    now: int,
    unknown: Collection[str] = (),
) -> Script[Done[Failure]]:
    """Offer each image to each recipient (`member_id`s). `limit`: recipients an image may have. `unknown`:
    those of the recipients that do not exist. What they have by a family becomes direct."""
    found = yield from see_locked(caller, images, now)
    plan = plan_sharing(caller, images, recipients, found, limit, unknown)
    failures, recipients, offers = plan.failures, plan.recipients, plan.whole
    present = yield from _see_named(plan, now)
    for image, others in plan.crowded:
        bound = most_recipients(image, limit)
        for image_id in image.ids:
            named = present.get(image_id, set())
            chosen, refused = choose_recipients(image_id, others, named, image.members, bound)
            failures += refused
            if chosen:
                offers.setdefault(tuple(chosen), []).append(image_id)
    yield from _open(found, frozenset(chain.from_iterable(offers.values())), recipients, now, actor)
    offered = renewed = unchanged = 0
    for some, ids in offers.items():
        yield to_statement(RemoveEndedOf(image_ids=ids, member_ids=some, now=now), actor)
        again = yield to_statement(RenewEach(image_ids=ids, member_ids=some, now=now, terms=terms), actor)
        new = yield to_statement(OfferEach(image_ids=ids, member_ids=some, now=now, terms=terms), actor)
        had = len(ids) * len(some) - len(again) - len(new)
        if had:
            yield to_statement(MakeDirectEach(image_ids=ids, member_ids=some, now=now), actor)
        offered, renewed, unchanged = offered + len(new), renewed + len(again), unchanged + had
    return Done(offered, renewed, unchanged, failures)


def _see_named(plan: Sharing, now: int) -> Script[dict[str, set[str]]]:
    """For each crowded image, the named recipients that are members already. Images not shared yet are left
    out: their old memberships do not count, and are deleted when the image is opened (`_open`)."""
    ids = ids_of(image for image, _others in plan.crowded if image.visibility == Visibility.SHARED)
    present: dict[str, set[str]] = {}
    if ids:
        named = to_json(ids), to_json(plan.recipients), now
        for image_id, member_id in (yield Statement(batches.LIST_NAMED, named)):
            present.setdefault(image_id, set()).add(member_id)
    return present


def see_locked(caller: Caller, images: Sequence[str], now: int) -> Script[list[Seen]]:
    yield Statement(batches.LOCK_IMAGES, (to_json(images),), is_lock=True)
    return batches.seen_of_rows((yield _look_at_images(caller, images, now)))


def _look_at_images(caller: Caller, images: Sequence[str], now: int) -> Statement:
    see = batches.SEE_WHOLE_IMAGES if looks_at_images(caller.policy) else batches.SEE_IMAGES
    sql, *values = with_own_ids(see, to_json(images), caller.member_ids, now)
    return Statement(sql, tuple(values))


async def see_images(db: Database, caller: Caller, images: Sequence[str]) -> list[Seen]:
    """The images as `share` would see them, read without locking them."""
    look = _look_at_images(caller, images, now_us())
    return batches.seen_of_rows(await db.scan(look.sql, *look.values))


def _open(
    found: Iterable[Seen], shared: Collection[str], recipients: Iterable[str], now: int, actor: Actor
) -> Script[None]:
    """Make the private ones among the images shareable."""
    private = ids_of(image for image in found if image.visibility != Visibility.SHARED)
    closed = [image_id for image_id in private if image_id in shared]
    if closed:
        # They may have memberships from a time when they were shared, which are not to come back.
        yield to_statement(WithdrawEach(image_ids=closed, member_ids=None, now=now), actor)
        yield Statement(batches.OPEN_IMAGES, (to_json(closed), now))
    if any(map(is_group, recipients)):
        yield Statement(batches.TOUCH_IMAGES, (to_json(list(shared)), now))


def withdraw(
    caller: Caller, actor: Actor, images: Sequence[str], recipients: Sequence[str], now: int, job: Job | None
) -> Script[list[Failure]]:
    """Take each image's offer to each recipient back; what could not be done. What was not offered counts as
    done."""
    possible, failures = yield from see_withdrawable(caller, images, now)
    if possible:
        yield to_statement(WithdrawEach(image_ids=possible, member_ids=recipients, now=now), actor)
    if job is not None:
        yield _finished(job, images, failures)
    return failures


def see_withdrawable(
    caller: Caller, images: Sequence[str], now: int
) -> Script[tuple[list[str], list[Failure]]]:
    """(the images whose offers the caller can take back, locked; what cannot be done)."""
    found = yield from see_locked(caller, images, now)
    return plan_withdrawal(caller, images, found)


def answer(
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    status: str,
    vault_id: str | None,
    now: int,
    job: Job | None,
) -> Script[list[Failure]]:
    """Give the offers of the images to the caller's project this status; what could not be done."""
    _possible, failures = yield from answer_each(caller, actor, images, status, vault_id, now)
    if job is not None:
        yield _finished(job, images, failures)
    return failures


def answer_each(
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    status: str,
    vault_id: str | None,
    now: int,
    was: str | None = None,
) -> Script[tuple[list[Seen], list[Failure]]]:
    """Give the offers of the images to the caller's project this status; (those that have it now, as they
    were before; what could not be done). `was`: pass by offers that have another status than this one."""
    found = yield from _see_offers(caller, images, now, was)
    accepts = status == MemberStatus.ACCEPTED
    possible, failures = plan_answer(caller, images, found, accepts=accepts, vault_id=vault_id)
    own_id = caller.project_id or ""
    for was in MemberStatus:
        ids = ids_of(image for image in possible if image.status == was)
        if ids and was != status:
            change = AnswerEach(image_ids=ids, member_id=own_id, status=status, was=was, now=now)
            yield to_statement(change, actor)
    if vault_id is not None:
        backups = ids_of(image for image in possible if is_from_backup(image.properties))
        yield to_statement(
            NameVaultEach(image_ids=backups, member_id=own_id, vault_id=vault_id, now=now), actor
        )
    return possible, failures


def leave_each(
    caller: Caller, actor: Actor, images: Sequence[str], now: int, was: str | None = None
) -> Script[tuple[list[Seen], list[Failure]]]:
    """Give up the memberships of the images that the caller's project has; as of `answer_each`."""
    found = yield from _see_offers(caller, images, now, was)
    possible, failures = plan_answer(caller, images, found, accepts=False, vault_id=None)
    if possible:
        own_id = caller.project_id or ""
        yield to_statement(LeaveEach(image_ids=ids_of(possible), member_id=own_id, now=now), actor)
    return possible, failures


def _see_offers(caller: Caller, images: Sequence[str], now: int, was: str | None) -> Script[list[Seen]]:
    ids = to_json(images)
    values = (ids, caller.project_id, now)
    yield Statement(batches.LOCK_IMAGES, (ids,), is_lock=True)
    yield Statement(batches.LOCK_OFFERS, values, is_lock=True)
    see = batches.SEE_WHOLE_OFFERS if looks_at_images(caller.policy) else batches.SEE_OFFERS
    found = batches.seen_of_rows((yield Statement(see, values)))
    return found if was is None else [image for image in found if image.status == was]


def _finished(job: Job, images: Sequence[str], failures: Sequence[Failure]) -> Statement:
    """The statement that writes the job with its end. NotFoundError, which undoes the batch, when the caller
    knows none of its images: then there is nothing to tell of a job."""
    require_known(images, failures)
    status = JobStatus.FAIL if failures else JobStatus.SUCCESS
    done = msgspec.structs.replace(
        job, status=status, failures=tuple(failures), end_at=now_us(), progress=100
    )
    return insert_job(done)


# ---- one at a time


def share_one(
    caller: Caller,
    actor: Actor,
    image_id: str,
    member_id: str,
    limit: int,
    now: int,
    unknown: Collection[str] = (),
) -> Script[Member]:
    """Offer the image, once more if the offer was rejected; the membership. ConflictError when the offer
    stands. `limit`: recipients an image may have. `unknown`: recipients that do not exist."""
    yield Statement(batches.LOCK_IMAGE, (image_id,), is_lock=True)
    # The recipient's answer changes the membership without its image.
    yield Statement(batches.LOCK_MEMBER, (image_id, member_id, now), is_lock=True)
    before = yield from _look(caller, image_id, member_id, now)
    raise_first((yield from share(caller, actor, [image_id], [member_id], limit, now, None, unknown)))
    rules.share_once_more(before, member_id)
    after = (yield from _look(caller, image_id, member_id, now)).member
    assert after is not None, "a membership that was just written is there"  # noqa: S101
    return after


def _look(caller: Caller, image_id: str, member_id: str, now: int) -> Script[Found]:
    sql, *values = with_own_ids(members.FIND_MEMBER, image_id, caller.member_ids, now, member_id)
    return members.found_member(image_id, (yield Statement(sql, tuple(values))))
