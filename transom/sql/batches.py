"""Batches of shares: each a script that locks what it is about, decides (`domain/sharing.py`) and writes.

The lists of ids travel as JSON arrays, so that a statement is the same however long they are. The images are
locked first, in the order of their ids, and looked at by the next statement: the one that waited for a lock
still sees, beside the rows it waited for, what was there before it waited.
"""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from transom.clock import now_us
from transom.domain.model import Caller, Failure, Job, JobStatus, MemberStatus, Visibility
from transom.domain.policy import looks_at_images
from transom.domain.sharing import (
    Seen,
    choose_recipients,
    ids_of,
    is_from_backup,
    is_project,
    most_recipients,
    plan_answer,
    plan_sharing,
    plan_withdrawal,
    require_known,
)
from transom.sql.db import Database, Row, Script, Statement
from transom.sql.images import COLUMNS, IS_MEMBER, MOVE_ON, decode_properties, image_of_row, to_json
from transom.sql.jobs import insert_job

_decode_ids = msgspec.json.Decoder(list[str]).decode

_IDS = "(select value from jsonb_array_elements_text(cast($1 as jsonb)))"

# The images are locked by a statement of its own, so that the next one sees what those who held them did.
LOCK_IMAGES = f"""
    select count(*) from (select id from image where id in {_IDS} order by id for update) as locked"""

_COUNT_MEMBERS = "(select count(*) from member where member.image_id = image.id)"

# Images that are alike come as one row: ten thousand rows cost several times what their locks and changes do.
SEE_IMAGES = f"""
    select image.owner, image.visibility, image.properties, {IS_MEMBER}, {_COUNT_MEMBERS}, null,
           json_agg(image.id)
    from image where image.id in {_IDS}
    group by 1, 2, 3, 4, 5"""

# Where a rule may look at any of it.
SEE_WHOLE_IMAGES = f"""
    select image.owner, image.visibility, image.properties, {IS_MEMBER}, {_COUNT_MEMBERS}, null,
           json_build_array(image.id), {COLUMNS}
    from image where image.id in {_IDS}"""

LIST_RECIPIENTS = "select member_id from member where image_id = $1"

# A private image may have memberships from a time when it was shared. They are not to come back.
FORGET_OLD_MEMBERS = f"delete from member where image_id in {_IDS}"

OPEN_IMAGES = f"update image set visibility = '{Visibility.SHARED}', {MOVE_ON} where id in {_IDS}"

# A deletion that saw an image before it was shared with a domain has to look again.
TOUCH_IMAGES = f"update image set {MOVE_ON} where id in {_IDS}"

# A domain's membership needs no acceptance; a project that once rejected an offer is made a new one.
SHARE = f"""
    insert into member (image_id, member_id, status, image_created_at, created_at, updated_at)
    select image.id, recipient.value,
           case when recipient.value like '%/%' then '{MemberStatus.ACCEPTED}'
                else '{MemberStatus.PENDING}' end,
           image.created_at, cast($3 as bigint), cast($3 as bigint)
    from image cross join jsonb_array_elements_text(cast($2 as jsonb)) as recipient
    where image.id in {_IDS}
    on conflict (image_id, member_id) do update
    set status = '{MemberStatus.PENDING}', updated_at = excluded.updated_at, vault_id = null
    where member.status = '{MemberStatus.REJECTED}'"""


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
        members: frozenset[str] = frozenset()
        if image.visibility == Visibility.SHARED:
            members = frozenset(row[0] for row in (yield Statement(LIST_RECIPIENTS, (image_id,))))
        bound = most_recipients(image, most)
        some, refused = choose_recipients(image_id, image.owner, recipients, members, bound)
        failures += refused
        if some:
            offers.append(([image_id], some))
    yield from _open(found, frozenset(image_id for ids, _some in offers for image_id in ids), recipients, now)
    for ids, some_recipients in offers:
        yield Statement(SHARE, (to_json(ids), to_json(some_recipients), now))
    if job is not None:
        yield _finished(job, images, failures)
    return failures


def _see_images(caller: Caller, images: Sequence[str]) -> Script[list[Seen]]:
    yield Statement(LOCK_IMAGES, (to_json(images),), is_lock=True)
    return _seen((yield _look_at_images(caller, images)))


def _look_at_images(caller: Caller, images: Sequence[str]) -> Statement:
    see = SEE_WHOLE_IMAGES if looks_at_images(caller.policy) else SEE_IMAGES
    return Statement(see, (to_json(images), *caller.member_ids))


async def see_images(db: Database, caller: Caller, images: Sequence[str]) -> list[Seen]:
    """What `share` would see of the images, without their locks."""
    look = _look_at_images(caller, images)
    return _seen(await db.scan(look.sql, *look.values, asker=caller.project_id))


def _open(
    found: Iterable[Seen], shared: Collection[str], recipients: Iterable[str], now: int
) -> Script[None]:
    """Make the private ones among the images shareable."""
    private = ids_of(image for image in found if image.visibility != Visibility.SHARED)
    closed = [image_id for image_id in private if image_id in shared]
    if closed:
        yield Statement(FORGET_OLD_MEMBERS, (to_json(closed),))
        yield Statement(OPEN_IMAGES, (to_json(closed), now))
    if not all(map(is_project, recipients)):
        yield Statement(TOUCH_IMAGES, (to_json(list(shared)), now))


WITHDRAW = f"""
    delete from member
    where image_id in {_IDS}
      and member_id in (select value from jsonb_array_elements_text(cast($2 as jsonb)))"""


def withdraw(
    caller: Caller, images: Sequence[str], recipients: Sequence[str], job: Job | None
) -> Script[list[Failure]]:
    """Take each image's offer to each recipient back; what could not be done. What was not offered counts as
    done."""
    found = yield from _see_images(caller, images)
    possible, failures = plan_withdrawal(caller, images, found)
    if possible:
        yield Statement(WITHDRAW, (to_json(possible), to_json(recipients)))
    if job is not None:
        yield _finished(job, images, failures)
    return failures


# Memberships are locked, too: single calls change them without their image.
LOCK_OFFERS = f"""
    select count(*) from (
        select image_id from member where member_id = $2 and image_id in {_IDS}
        order by image_id for update
    ) as locked"""

_OFFERS = f"""
    from image join member on member.image_id = image.id and member.member_id = $2
    where image.id in {_IDS}"""

SEE_OFFERS = f"""
    select image.owner, image.visibility, image.properties, true, 0, member.vault_id, json_agg(image.id)
    {_OFFERS}
    group by 1, 2, 3, 6"""

SEE_WHOLE_OFFERS = f"""
    select image.owner, image.visibility, image.properties, true, 0, member.vault_id,
           json_build_array(image.id), {COLUMNS}
    {_OFFERS}"""

ANSWER = f"""
    update member set status = $3, updated_at = $4
    where member_id = $2 and image_id in {_IDS} and status <> $3"""

NAME_VAULT = f"update member set vault_id = $3 where member_id = $2 and image_id in {_IDS}"


def answer(
    caller: Caller, images: Sequence[str], status: str, vault_id: str | None, now: int, job: Job | None
) -> Script[list[Failure]]:
    """Give the offers of the images to the caller's project this status; what could not be done."""
    found = yield from _see_offers(caller, images)
    accepts = status == MemberStatus.ACCEPTED
    possible, failures = plan_answer(caller, images, found, accepts=accepts, vault_id=vault_id)
    if possible:
        yield Statement(ANSWER, (to_json(ids_of(possible)), caller.project_id, status, now))
    if vault_id is not None:
        backups = ids_of(image for image in possible if is_from_backup(image.properties))
        yield Statement(NAME_VAULT, (to_json(backups), caller.project_id, vault_id))
    if job is not None:
        yield _finished(job, images, failures)
    return failures


def _see_offers(caller: Caller, images: Sequence[str]) -> Script[list[Seen]]:
    ids = to_json(images)
    values = (ids, caller.project_id)
    yield Statement(LOCK_IMAGES, (ids,), is_lock=True)
    yield Statement(LOCK_OFFERS, values, is_lock=True)
    see = SEE_WHOLE_OFFERS if looks_at_images(caller.policy) else SEE_OFFERS
    return _seen((yield Statement(see, values)))


def _finished(job: Job, images: Sequence[str], failures: Sequence[Failure]) -> Statement:
    """The statement that writes the job with its end. NotFoundError, which undoes the batch, when the caller
    knows none of its images: then there is nothing to tell of a job."""
    require_known(images, failures)
    status = JobStatus.FAIL if failures else JobStatus.SUCCESS
    done = msgspec.structs.replace(
        job, status=status, failures=tuple(failures), end_at=now_us(), progress=100
    )
    return insert_job(done)


def _seen(rows: list[Row]) -> list[Seen]:
    return [
        Seen(
            ids=_decode_ids(ids),
            owner=owner,
            visibility=visibility,
            properties=decode_properties(properties),
            is_member=bool(is_member),
            # Those of an image that is not shared have no effect.
            members=members if visibility == Visibility.SHARED else 0,
            vault_id=vault_id,
            image=image_of_row(whole) if whole else None,
        )
        for owner, visibility, properties, is_member, members, vault_id, ids, *whole in rows
    ]
