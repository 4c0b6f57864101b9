"""What can be done of many images shared, answered or withdrawn at once (IMS API, "Image sharing"). Pure.

A batch does what can be done and tells of each pair of image and recipient what could not, and why. These
functions decide on images as a transaction sees them under its locks; `batches.py` reads them and writes
what was decided. Who may do what is asked of `rules.py`.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from transom.domain.attributes import is_whole_image
from transom.domain.errors import InvalidError, LimitExceededError, Reason, TransomError
from transom.domain.memberships import Seen
from transom.domain.model import Caller, Failure
from transom.sharing import rules
from transom.sharing.model import Sharing


def plan_sharing(
    caller: Caller,
    images: Sequence[str],
    recipients: Sequence[str],
    found: Iterable[Seen],
    limit: int,
    unknown: Collection[str] = (),
) -> Sharing:
    """What of `images` × `recipients` can be shared. `limit`: recipients an image may have, negative for no
    limit. `unknown`: those of the recipients that do not exist."""
    possible, failures = _sort_out(
        images, found, lambda image, image_id: rules.share_from(caller, image, image_id)
    )
    known = [member_id for member_id in recipients if member_id not in unknown]
    failures += [
        _failure(rules.recipient_unknown(member_id), image_id, member_id)
        for image_id in ids_of(possible)
        for member_id in recipients
        if member_id in unknown
    ]
    plan = Sharing(recipients=known, whole={}, crowded=[], failures=failures)
    for image in possible:
        others = tuple(member_id for member_id in known if member_id != image.owner)
        if image.owner in known:
            plan.failures.extend(_own_image(image_id, image.owner) for image_id in image.ids)
        bound = most_recipients(image, limit)
        if others and (bound < 0 or image.members + len(others) <= bound):
            plan.whole.setdefault(others, []).extend(image.ids)
        elif others:
            plan.crowded.append((image, others))
    return plan


def may_share_any(caller: Caller, images: Sequence[str], found: Iterable[Seen]) -> bool:
    """Whether the caller may offer one of these images at all: else nothing is looked up for it."""
    possible, _failures = _sort_out(
        images, found, lambda image, image_id: rules.share_from(caller, image, image_id)
    )
    return bool(possible)


#: Recipients an image of all disks of a server may have (IMS API, "Restrictions on image sharing").
MOST_OF_WHOLE = 10


def most_recipients(image: Seen, limit: int) -> int:
    """How many recipients such an image may have, negative for no limit; `limit`: what any image may."""
    if not is_whole_image(image.properties):
        return limit
    return MOST_OF_WHOLE if limit < 0 else min(limit, MOST_OF_WHOLE)


def choose_recipients(
    image_id: str, recipients: Sequence[str], members: Collection[str], count: int, bound: int
) -> tuple[list[str], list[Failure]]:
    """(whom of the recipients a crowded image can be shared with, what cannot be done). Places go to them in
    the order they were named; those among the `members` have one. `count`: members that the image has, those
    who were not named included; `bound`: those that it may have."""
    free = bound - count
    chosen: list[str] = []
    failures: list[Failure] = []
    for member_id in recipients:
        if member_id in members:
            chosen.append(member_id)
        elif free > 0:
            free -= 1
            chosen.append(member_id)
        else:
            text = f"Image {image_id} has {bound} recipients, the most an image of its kind may have."
            failures.append(_failure(LimitExceededError(text, Reason.MEMBERS_FULL), image_id, member_id))
    return chosen, failures


def _own_image(image_id: str, owner: str) -> Failure:
    own = InvalidError(f"Image {image_id} is of project {owner} itself.", Reason.ONESELF)
    return _failure(own, image_id, owner)


def plan_withdrawal(
    caller: Caller, images: Sequence[str], found: Iterable[Seen]
) -> tuple[list[str], list[Failure]]:
    """(images whose offers can be taken back, what cannot be done)."""
    possible, failures = _sort_out(
        images, found, lambda image, image_id: rules.withdraw_from(caller, image, image_id)
    )
    return ids_of(possible), failures


def ids_of(found: Iterable[Seen]) -> list[str]:
    return [image_id for image in found for image_id in image.ids]


def plan_answer(
    caller: Caller, images: Sequence[str], found: Iterable[Seen], *, accepts: bool, vault_id: str | None
) -> tuple[list[Seen], list[Failure]]:
    """(those of the `found` whose offer to the caller's project can be answered so, what cannot be done)."""

    def judge(image: Seen | None, image_id: str) -> None:
        rules.answer_offer(caller, image, image_id, accepts=accepts, vault_id=vault_id)

    return _sort_out(images, found, judge)


def _sort_out(
    images: Sequence[str], found: Iterable[Seen], judge: Callable[[Seen | None, str], None]
) -> tuple[list[Seen], list[Failure]]:
    """(the `found` that pass, failures of the other `images`, in the order of the request). `judge` raises to
    refuse. It is called once for each group of alike images, and once more for each refused or missing image
    so that the failure names that image."""
    possible: list[Seen] = []
    refused: dict[str, Seen] = {}
    passed: set[str] = set()
    for image in found:
        try:
            judge(image, image.ids[0])
        except TransomError:
            refused.update(dict.fromkeys(image.ids, image))
        else:
            possible.append(image)
            passed.update(image.ids)
    failures: list[Failure] = []
    for image_id in images:
        if image_id in passed:
            continue
        try:
            judge(refused.get(image_id), image_id)
        except TransomError as error:
            failures.append(_failure(error, image_id, None))
    return possible, failures


def _failure(error: TransomError, image_id: str, member_id: str | None) -> Failure:
    return Failure(image_id, member_id, error.reason or "", str(error))
