"""What the APIs ask of sharing: offer, answer, withdraw, show. Start reading here.

One membership takes two round trips: a look, `rules.py`, and a write with a guard that repeats what was seen
(`sql/members.py`). A guard that fails means that another request came first: look again, and answer for the
new state. An offer by the owner, and an answer by the recipient, are tried without a look first: what their
guards ask for is all that matters then. Many memberships, and offers of images that become shared by them,
take a script (`batches.py`).
"""

from collections.abc import Callable, Sequence

from transom.clock import now_us
from transom.domain.errors import UnavailableError
from transom.domain.events import Actor
from transom.domain.memberships import Answer, AnswerUnseen, Offer, RemoveEndedOf, Withdraw
from transom.domain.model import Caller, Job, Member
from transom.sharing import batches, rules
from transom.sharing.lookups import find_unknown
from transom.sharing.recipients import Recipients
from transom.sql import members
from transom.sql.db import Database
from transom.sql.retry import TRIES, write_conflict

# ---- one membership of an image that is shared


async def offer(
    db: Database,
    recipients: Recipients,
    caller: Caller,
    actor: Actor,
    image_id: str,
    member_id: str,
    quota: int,
) -> Member:
    """The new, pending membership. `quota`: members that an image may have, negative for no limit."""

    async def try_as_of(owner: str | None) -> Member | None:
        change = Offer(image_id=image_id, owner=owner, member_id=member_id, quota=quota, now=now_us())
        return await members.change_member(db, change, actor)

    if rules.may_offer_own_images(caller) and not recipients.are_checked((member_id,)):
        offered = await try_as_of(caller.project_id)
        if offered is not None:
            return offered
    for _ in range(TRIES):
        found = await members.find_member(db, image_id, caller.member_ids, member_id)
        image = rules.offer(caller, found, member_id)
        if await recipients.find_unknown(caller, [member_id]):
            raise rules.recipient_unknown(member_id)
        offered = await try_as_of(image.owner)
        if offered is not None:
            return offered
        rules.require_room(image_id, await members.count_members(db, image_id), quota)
        # What has ended was not found, and is in the way.
        ended = RemoveEndedOf(image_ids=[image_id], member_ids=[member_id], now=now_us())
        await members.change_each(db, ended, actor)
    raise _members_conflict(image_id)


async def answer(
    db: Database, caller: Caller, actor: Actor, image_id: str, member_id: str, status: object
) -> Member:
    """The membership with this status. `status`: as sent, not judged yet."""
    if (wanted := rules.status_unseen(caller, member_id, status)) is not None:
        unseen = AnswerUnseen(image_id=image_id, member_id=member_id, status=wanted, now=now_us())
        answered = await members.change_member(db, unseen, actor)
        if answered is not None:
            return answered
    for _ in range(TRIES):
        found = await members.find_member(db, image_id, caller.member_ids, member_id)
        member, wanted = rules.answer(caller, found, member_id, status)
        if member.status == wanted:
            return member
        change = Answer(
            image_id=image_id, member_id=member_id, status=wanted, was=member.status, now=now_us()
        )
        answered = await members.change_member(db, change, actor)
        if answered is not None:
            return answered
    raise _members_conflict(image_id)


async def answer_for_itself(
    db: Database,
    caller: Caller,
    actor: Actor,
    image_id: str,
    member_id: str,
    read_answer: Callable[[], tuple[str, str | None]],
) -> Member:
    """As `answer`, by the rules of the IMS API. `read_answer`: reads status and vault from what was sent, and
    raises for what is wrong with them, once it is sure that the caller may answer."""
    for _ in range(TRIES):
        found = await members.find_member(db, image_id, caller.member_ids, member_id)
        member = rules.may_answer(caller, found, member_id)
        status, vault_id = read_answer()
        change = rules.answer_for_itself(caller, found, member, status, vault_id, now_us())
        if change is None:
            return member
        answered = await members.change_member(db, change, actor)
        if answered is not None:
            return answered
    raise _members_conflict(image_id)


async def withdraw(db: Database, caller: Caller, actor: Actor, image_id: str, own_id: str) -> None:
    """Remove the membership of the project of this id or, if it has none, of the domain."""
    for _ in range(TRIES):
        found = await members.find_any_member(db, image_id, caller.member_ids, own_id)
        member = rules.withdraw(caller, found, own_id)
        change = Withdraw(image_id=image_id, member_id=member.member_id, now=now_us())
        if await members.change_member(db, change, actor) is not None:
            return
    raise _members_conflict(image_id)


def _members_conflict(image_id: str) -> UnavailableError:
    return write_conflict(f"The members of image {image_id} are")


async def show_member(db: Database, caller: Caller, image_id: str, own_id: str) -> Member:
    """The membership of the project of this id or, if it has none, of the domain."""
    found = await members.find_any_member(db, image_id, caller.member_ids, own_id)
    return rules.show_member(caller, found, own_id)


async def list_members(db: Database, caller: Caller, image_id: str) -> Sequence[Member]:
    """The memberships that the caller may see, by member id."""
    return rules.list_members(caller, await members.list_members(db, image_id, caller.member_ids))


async def list_recipients(db: Database, caller: Caller, image_id: str) -> Sequence[Member]:
    """As `list_members`, by the rules of the IMS API."""
    return rules.list_recipients(caller, await members.list_members(db, image_id, caller.member_ids))


# ---- the IMS API: images become shared by an offer; many at once, with the job that tells what came of it


async def share_one(
    db: Database,
    recipients: Recipients,
    caller: Caller,
    actor: Actor,
    image_id: str,
    member_id: str,
    limit: int,
) -> Member:
    """Offer the image, again if the offer was rejected; the membership. `limit`: recipients it may have."""
    unknown = await find_unknown(db, recipients, caller, [image_id], [], [member_id])
    return await db.run(
        lambda: batches.share_one(caller, actor, image_id, member_id, limit, now_us(), unknown)
    )


async def share(
    db: Database,
    recipients: Recipients,
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    member_ids: Sequence[str],
    limit: int,
    job: Job,
) -> None:
    """Offer each image to each recipient. `limit`: recipients an image may have."""
    unknown = await find_unknown(db, recipients, caller, images, [], member_ids)
    await db.run(lambda: batches.share(caller, actor, images, member_ids, limit, now_us(), job, unknown))


async def answer_offers(
    db: Database,
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    status: str,
    vault_id: str | None,
    job: Job,
) -> None:
    """Accept or reject each image for the caller's own project."""
    await db.run(lambda: batches.answer(caller, actor, images, status, vault_id, now_us(), job))


async def withdraw_offers(
    db: Database, caller: Caller, actor: Actor, images: Sequence[str], member_ids: Sequence[str], job: Job
) -> None:
    """Take each image back from each recipient."""
    await db.run(lambda: batches.withdraw(caller, actor, images, member_ids, now_us(), job))
