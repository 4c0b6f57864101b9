"""Batches of shares, each a script that locks what it is about, decides (`plans.py`) and writes.

Single shares by the rules of the IMS API are batches of one, with the looks before and after them in the same
transaction, so that the answer tells of the very moment of the change.
"""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from transom.clock import now_us
from transom.domain import access
from transom.domain.attributes import is_from_backup
from transom.domain.errors import ConflictError, Reason
from transom.domain.memberships import Seen
from transom.domain.model import (
    Caller,
    Failure,
    Image,
    Job,
    JobStatus,
    Member,
    MemberStatus,
    Visibility,
    domain_key,
)
from transom.domain.policy import looks_at_images
from transom.sharing import rules
from transom.sharing.model import raise_first, require_known
from transom.sharing.plans import (
    choose_recipients,
    ids_of,
    is_project,
    most_recipients,
    plan_answer,
    plan_sharing,
    plan_withdrawal,
)
from transom.sql import batches, members
from transom.sql.db import Database, Script, Statement
from transom.sql.images import to_json
from transom.sql.jobs import insert_job


def share(
    caller: Caller,
    images: Sequence[str],
    recipients: Sequence[str],
    most: int,
    now: int,
    job: Job | None,
    unknown: Collection[str] = (),
) -> Script[list[Failure]]:
    """Offer each image to each recipient (`member_id`s); what could not be done. `most`: recipients an image
    may have. `job` is finished and written with the rest. `unknown`: those of the recipients that do not
    exist."""
    found = yield from _see_images(caller, images)
    plan = plan_sharing(caller, images, recipients, found, most, unknown)
    failures, recipients = plan.failures, plan.recipients
    offers = [(plan.whole, recipients)]
    for image_id, image in plan.crowded:
        present: frozenset[str] = frozenset()
        if image.visibility == Visibility.SHARED:
            present = frozenset(row[0] for row in (yield Statement(batches.LIST_RECIPIENTS, (image_id,))))
        bound = most_recipients(image, most)
        some, refused = choose_recipients(image_id, image.owner, recipients, present, bound)
        failures += refused
        if some:
            offers.append(([image_id], some))
    yield from _open(found, frozenset(image_id for ids, _some in offers for image_id in ids), recipients, now)
    for ids, some_recipients in offers:
        yield Statement(members.SHARE, (to_json(ids), to_json(some_recipients), now))
    if job is not None:
        yield _finished(job, images, failures)
    return failures


def _see_images(caller: Caller, images: Sequence[str]) -> Script[list[Seen]]:
    yield Statement(batches.LOCK_IMAGES, (to_json(images),), is_lock=True)
    return batches.seen_of_rows((yield _look_at_images(caller, images)))


def _look_at_images(caller: Caller, images: Sequence[str]) -> Statement:
    see = batches.SEE_WHOLE_IMAGES if looks_at_images(caller.policy) else batches.SEE_IMAGES
    return Statement(see, (to_json(images), *caller.member_ids))


async def see_images(db: Database, caller: Caller, images: Sequence[str]) -> list[Seen]:
    """What `share` would see of the images, without their locks."""
    look = _look_at_images(caller, images)
    return batches.seen_of_rows(await db.scan(look.sql, *look.values, asker=caller.project_id))


def _open(
    found: Iterable[Seen], shared: Collection[str], recipients: Iterable[str], now: int
) -> Script[None]:
    """Make the private ones among the images shareable."""
    private = ids_of(image for image in found if image.visibility != Visibility.SHARED)
    closed = [image_id for image_id in private if image_id in shared]
    if closed:
        yield Statement(members.FORGET_OLD_MEMBERS, (to_json(closed),))
        yield Statement(batches.OPEN_IMAGES, (to_json(closed), now))
    if not all(map(is_project, recipients)):
        yield Statement(batches.TOUCH_IMAGES, (to_json(list(shared)), now))


def withdraw(
    caller: Caller, images: Sequence[str], recipients: Sequence[str], job: Job | None
) -> Script[list[Failure]]:
    """Take each image's offer to each recipient back; what could not be done. What was not offered counts as
    done."""
    found = yield from _see_images(caller, images)
    possible, failures = plan_withdrawal(caller, images, found)
    if possible:
        yield Statement(members.WITHDRAW, (to_json(possible), to_json(recipients)))
    if job is not None:
        yield _finished(job, images, failures)
    return failures


def answer(
    caller: Caller, images: Sequence[str], status: str, vault_id: str | None, now: int, job: Job | None
) -> Script[list[Failure]]:
    """Give the offers of the images to the caller's project this status; what could not be done."""
    found = yield from _see_offers(caller, images)
    accepts = status == MemberStatus.ACCEPTED
    possible, failures = plan_answer(caller, images, found, accepts=accepts, vault_id=vault_id)
    if possible:
        yield Statement(members.ANSWER, (to_json(ids_of(possible)), caller.project_id, status, now))
    if vault_id is not None:
        backups = ids_of(image for image in possible if is_from_backup(image.properties))
        yield Statement(members.NAME_VAULT, (to_json(backups), caller.project_id, vault_id))
    if job is not None:
        yield _finished(job, images, failures)
    return failures


def _see_offers(caller: Caller, images: Sequence[str]) -> Script[list[Seen]]:
    ids = to_json(images)
    values = (ids, caller.project_id)
    yield Statement(batches.LOCK_IMAGES, (ids,), is_lock=True)
    yield Statement(batches.LOCK_OFFERS, values, is_lock=True)
    see = batches.SEE_WHOLE_OFFERS if looks_at_images(caller.policy) else batches.SEE_OFFERS
    return batches.seen_of_rows((yield Statement(see, values)))


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
    caller: Caller, image_id: str, member_id: str, most: int, now: int, unknown: Collection[str] = ()
) -> Script[Member]:
    """Offer the image, once more if the offer was rejected; the membership. ConflictError when the offer
    stands. `most`: recipients an image may have. `unknown`: recipients that do not exist."""
    image, _is_member, before = yield from _look(caller, image_id, member_id)
    raise_first((yield from share(caller, [image_id], [member_id], most, now, None, unknown)))
    was_shared = image is not None and image.visibility == Visibility.SHARED
    if was_shared and before is not None and before.status != MemberStatus.REJECTED:
        raise ConflictError(f"Image {image_id} is shared with {member_id} already.", Reason.MEMBER_EXISTS)
    return (yield from _show(caller, image_id, member_id))


def answer_one(
    caller: Caller, image_id: str, member_id: str, status: str, vault_id: str | None, now: int
) -> Script[Member]:
    """Give the offer that was made to the caller's project, `member_id`, this status; the membership."""
    yield from _look(caller, image_id, member_id)
    raise_first((yield from answer(caller, [image_id], status, vault_id, now, None)))
    return (yield from _show(caller, image_id, member_id))


def withdraw_one(caller: Caller, image_id: str, own_id: str, absent: str) -> Script[None]:
    """Take the offer back from the project or, if there is no such member, the domain of this id. `absent`:
    what is said of an image that the caller does not see."""
    found, is_member, member = yield from _look(caller, image_id, own_id)
    if member is None:
        found, is_member, member = yield from _look(caller, image_id, domain_key(own_id))
    image = access.see_image(caller, found, is_member, absent)
    kept_id = rules.remove_member(caller, image, is_member, own_id, member).member_id
    raise_first((yield from withdraw(caller, [image_id], [kept_id], None)))


def _look(caller: Caller, image_id: str, member_id: str) -> Script[tuple[Image | None, bool, Member | None]]:
    """As `members.find_member`, and none of it changes until the script is over."""
    yield Statement(members.LOCK_IMAGE, (image_id,), is_lock=True)
    yield Statement(members.LOCK_MEMBER, (image_id, member_id), is_lock=True)
    return members.found_member(
        (yield Statement(members.FIND_MEMBER, (image_id, *caller.member_ids, member_id)))
    )


def _show(caller: Caller, image_id: str, member_id: str) -> Script[Member]:
    _image, _is_member, member = yield from _look(caller, image_id, member_id)
    assert member is not None, "a membership that was just written is there"  # noqa: S101
    return member
