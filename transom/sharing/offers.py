"""The three verbs of the share API: offer, answer, withdraw, over sets, each in one transaction.

What they do to images is what the batches of the IMS API do (`batches.py`); here it is counted, and selected
where a request says "all". Families are the other kind of thing that is shared; `sets.py` does both in one
transaction.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from transom.clock import now_us
from transom.domain.errors import LimitExceededError, Reason
from transom.domain.events import Actor
from transom.domain.memberships import Terms, WithdrawEach
from transom.domain.model import Caller, Failure, Visibility
from transom.domain.recipients import split_member_id
from transom.sharing import batches, rules
from transom.sharing.lookups import find_unknown
from transom.sharing.model import LEFT, Done, NewSet
from transom.sharing.recipients import Recipients
from transom.sql import batches as looks
from transom.sql import inbox, shares
from transom.sql.db import PAUSE, Database, Script, Statement, read_each
from transom.sql.images import to_json
from transom.sql.members import to_statement

#: Of a request that names no images.
NOTHING: Done[Failure] = Done(0, 0, 0, [])

# ---- offer


def prepare(
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    member_ids: Sequence[str],
    terms: Terms,
    limit: int,
    unknown: Collection[str],
) -> Callable[[int], Script[Done[Failure]]]:
    """Returns a function of the current time that makes a sub-script: offer each image to each recipient.
    `limit`: recipients an image may have, negative for no limit. `unknown`: recipients that do not exist."""
    return lambda now: batches.offer(caller, actor, images, member_ids, terms, limit, now, unknown)


# ---- answer


async def list_answerable(
    db: Database, project_id: str, was: str, owner: str | None, limit: int, now: int
) -> tuple[list[str], int]:
    """(the images that are offered to the project and have the status `was`, newest offer first, at most so
    many; how many more there are). `owner`: only of this project's images."""
    total = await inbox.count_answerable(db, project_id, was, owner, now)
    images = await inbox.list_answerable(db, project_id, was, owner, now, limit)
    return images, max(total - len(images), 0)


def answer_images(
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    status: str,
    vault_id: str | None,
    now: int,
    was: str | None = None,
) -> Script[Done[Failure]]:
    """Give the offers of these images to the caller's project this status, or leave them (LEFT). A part of a
    script. `was`: pass by those that are gone or have another status than this one, which nobody asked for by
    name."""
    if status == LEFT:
        possible, failures = yield from batches.leave_each(caller, actor, images, now, was)
    else:
        possible, failures = yield from batches.answer_each(caller, actor, images, status, vault_id, now, was)
    unchanged = sum(len(image.ids) for image in possible if image.status == status)
    changed = sum(len(image.ids) for image in possible) - unchanged
    if was is not None:
        failures = [failure for failure in failures if failure.reason != Reason.MEMBER_UNKNOWN]
    failures = yield from _explain_groups(caller, failures, now)
    return Done(changed, 0, unchanged, failures)


def _explain_groups(caller: Caller, failures: list[Failure], now: int) -> Script[list[Failure]]:
    """The failures. Where the image is shared with the caller's whole domain or organisation, the reason
    MEMBER_UNKNOWN is replaced by SHARED_WITH_DOMAIN."""
    unknown = [failure.image_id for failure in failures if failure.reason == Reason.MEMBER_UNKNOWN]
    if not unknown:
        return failures
    through: dict[str, str] = {}
    for group in caller.groups:
        values = (caller.project_id, group, now, to_json(unknown))
        for (image_id,) in (yield Statement(inbox.SHARED_WITH_GROUP, values)):
            through.setdefault(image_id, split_member_id(group)[0])
    return [
        Failure(
            failure.image_id,
            None,
            Reason.SHARED_WITH_DOMAIN,
            f"The image is shared with your whole {through[failure.image_id]}: "
            "a single project cannot accept or reject it.",
        )
        if failure.image_id in through
        else failure
        for failure in failures
    ]


# ---- withdraw


def withdraw_images(
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    member_ids: Sequence[str] | None,
    reason: str | None,
    limit: int,
    now: int,
) -> Script[Done[Failure]]:
    """Take each image back from each recipient, None: from all of its recipients, at most so many pairs."""
    if member_ids is None:
        return withdraw_up_to(caller, actor, images, None, limit, now, reason)
    return _withdraw_named(caller, actor, images, member_ids, now, reason)


def _withdraw_named(
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    member_ids: Sequence[str],
    now: int,
    reason: str | None,
) -> Script[Done[Failure]]:
    possible, failures = yield from batches.see_withdrawable(caller, images, now)
    if not possible:
        return Done(0, 0, 0, failures)
    change = WithdrawEach(image_ids=possible, member_ids=member_ids, now=now, reason=reason)
    gone = yield to_statement(change, actor)
    return Done(len(gone), 0, len(possible) * len(member_ids) - len(gone), failures)


async def list_withdrawable(
    db: Database, owner: str, member_ids: Sequence[str] | None, limit: int
) -> tuple[list[str], int]:
    """(the project's images shared with these recipients (None: with anyone), until they add up to `limit` or
    more pairs; how many pairs the remaining images have)."""
    found = await shares.list_shared_of(db, owner, member_ids, now_us())
    images, pairs = [], 0
    for image_id, number in found:
        if pairs >= limit:
            break
        images.append(image_id)
        pairs += number
    return images, sum(number for _image_id, number in found) - pairs


def withdraw_up_to(
    caller: Caller,
    actor: Actor,
    images: Sequence[str],
    member_ids: Sequence[str] | None,
    limit: int,
    now: int,
    reason: str | None,
) -> Script[Done[Failure]]:
    """Take the images back from these recipients, None: from all, at most so many pairs, in a script."""
    possible, failures = yield from batches.see_withdrawable(caller, images, now)
    named = to_json(member_ids) if member_ids is not None else None
    counted = yield Statement(looks.COUNT_EACH, (to_json(possible), named, now))
    whole, cut, taken = _cut(((image_id, int(number)) for image_id, number in counted), limit)
    if whole:
        change = WithdrawEach(image_ids=whole, member_ids=member_ids, now=now, reason=reason)
        yield to_statement(change, actor)
    if cut is not None:
        rows = yield Statement(looks.LIST_RECIPIENTS, (cut, now))
        theirs = sorted(row[0] for row in rows if member_ids is None or row[0] in set(member_ids))
        some = theirs[: limit - taken]
        taken += len(some)
        change = WithdrawEach(image_ids=[cut], member_ids=some, now=now, reason=reason)
        yield to_statement(change, actor)
    total = sum(int(number) for _image_id, number in counted)
    return Done(taken, 0, 0, failures, remaining=total - taken)


def _cut(counted: Iterable[tuple[str, int]], limit: int) -> tuple[list[str], str | None, int]:
    """(images that are taken whole, one of which there is only room for some pairs, pairs of the former)."""
    whole: list[str] = []
    taken = 0
    for image_id, number in counted:
        if taken + number > limit:
            return whole, (image_id if taken < limit else None), taken
        whole.append(image_id)
        taken += number
    return whole, None, taken


# ---- all recipients of one image at once


class Replaced(NamedTuple):
    """`terms`: of the set as it is now."""

    offered: int
    unchanged: int
    withdrawn: int
    failures: list[Failure]
    terms: Sequence[tuple[str, int]]


async def replace(
    db: Database,
    recipients: Recipients,
    caller: Caller,
    actor: Actor,
    image_id: str,
    new: NewSet,
    require_unchanged: Callable[[Sequence[tuple[str, int]]], None],
) -> Replaced:
    """Make these the image's only recipients: offer it to those that lack it, withdraw it from all that are
    not named. The others stay as they are, whatever they answered. `require_unchanged`: raises unless the set
    that it is given, (recipient, end of the share) each, is the one that the client knows; it is called under
    the lock."""
    unknown = await find_unknown(db, recipients, caller, [image_id], [], new.member_ids)
    return await db.run(lambda: _replace(caller, actor, image_id, new, now_us(), unknown, require_unchanged))


def _replace(
    caller: Caller,
    actor: Actor,
    image_id: str,
    new: NewSet,
    now: int,
    unknown: Collection[str],
    require_unchanged: Callable[[Sequence[tuple[str, int]]], None],
) -> Script[Replaced]:
    found = yield from batches.see_locked(caller, [image_id], now)
    image = rules.replace_shares(caller, found[0] if found else None, image_id)
    before = (yield from _terms_of(image_id, now)) if image.visibility == Visibility.SHARED else []
    yield PAUSE
    require_unchanged(before)
    yield PAUSE
    present, wanted = {member_id for member_id, _end in before}, set(new.member_ids)
    gone = sorted(present - wanted)
    if gone:
        yield PAUSE
        yield to_statement(WithdrawEach(image_ids=[image_id], member_ids=gone, now=now), actor)
    missing = [member_id for member_id in new.member_ids if member_id not in present]
    done = NOTHING
    if missing:
        done = yield from batches.offer(
            caller, actor, [image_id], missing, new.terms, new.limit, now, unknown
        )
    after = yield from _terms_of(image_id, now)
    return Replaced(done.done, len(present & wanted), len(gone), done.failures, after)


def _terms_of(image_id: str, now: int) -> Script[list[tuple[str, int]]]:
    rows = yield Statement(shares.LIST_TERMS, (image_id, now))
    return (yield from read_each(rows, lambda row: (row[0], row[1])))


def require_few(pairs: int, limit: int) -> None:
    """LimitExceededError for a request about more pairs than it may be."""
    if pairs > limit:
        raise LimitExceededError(
            f"The request has {pairs} pairs of a thing and a recipient; share_batch_limit is {limit}.",
            Reason.TOO_MANY_PAIRS,
        )
