"""Many images shared, answered or withdrawn at once (IMS API, "Image sharing"): what can be done of a batch.

A batch does what can be done and tells of each pair of image and recipient what could not, and why. These
functions decide on images as a transaction sees them under its locks; `sql/batches.py` brings the rows and
writes what was decided. Who may do what is asked of `access.py`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from transom.domain import access
from transom.domain.errors import (
    ForbiddenError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    Reason,
    TransomError,
)
from transom.domain.model import Caller, Failure, Image, MemberType, Target, split_member_id

#: Properties of an image that decide how it may be shared (IMS API, "Image attributes").
_KEY_ID = "__system__cmkid"
_WHOLE = "__whole_image"
_BACKUP_ID = "__backup_id"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Images of a batch (`ids`) that are alike in all that its rules look at, so that they are judged once.

    `is_member`: whether the caller is one; `members`: how many there are; `vault_id`: the vault that the
    caller named before. `image`: all of it, where a rule may ask for more; it is then the only one.
    """

    ids: Sequence[str]
    owner: str | None
    visibility: str
    properties: dict[str, str]
    is_member: bool
    members: int = 0
    vault_id: str | None = None
    image: Image | None = None

    @property
    def target(self) -> Target:
        return Target(self.owner, self.visibility, self.is_member, self.image)


def raise_first(failures: Sequence[Failure]) -> None:
    """The first failure, if there is one, as the error that it was."""
    for failure in failures:
        reason = Reason(failure.reason)
        raise _CLASSES.get(reason, ForbiddenError)(failure.message, reason)


def require_known(images: Collection[str], failures: Iterable[Failure]) -> None:
    """NotFoundError when the caller knows none of the `images` of a batch.

    Such a batch is refused instead of becoming a job: several clients never ask what became of a job, or ask
    and show no reason.
    """
    unknown = [failure for failure in failures if failure.reason in _UNKNOWN]
    if unknown and len({failure.image_id for failure in unknown}) == len(set(images)):
        whole = f"none of these {len(unknown)} can be found. The first: " if len(unknown) > 1 else ""
        raise NotFoundError(f"images: {whole}{unknown[0].message}", Reason(unknown[0].reason))


_UNKNOWN = frozenset({Reason.IMAGE_UNKNOWN, Reason.MEMBER_UNKNOWN})
_CLASSES: Mapping[Reason, type[TransomError]] = {
    Reason.IMAGE_UNKNOWN: NotFoundError,
    Reason.MEMBER_UNKNOWN: NotFoundError,
    Reason.RECIPIENT_UNKNOWN: NotFoundError,
    Reason.ONESELF: InvalidError,
    Reason.VAULT_MISSING: InvalidError,
    Reason.MEMBERS_FULL: LimitExceededError,
}


class Sharing(msgspec.Struct, frozen=True, kw_only=True):
    """`recipients`: those that exist. `whole`: images to share with each of them; `crowded`: (id, what it is
    like) of those where it depends on who they are."""

    recipients: list[str]
    whole: list[str]
    crowded: list[tuple[str, Seen]]
    failures: list[Failure]


def is_whole_image(properties: dict[str, str]) -> bool:
    """Whether the image holds all disks of a server rather than one."""
    return properties.get(_WHOLE, "").lower() == "true"


def is_encrypted(properties: dict[str, str]) -> bool:
    return bool(properties.get(_KEY_ID))


def is_from_backup(properties: dict[str, str]) -> bool:
    return bool(properties.get(_BACKUP_ID))


def plan_sharing(
    caller: Caller,
    images: Sequence[str],
    recipients: Sequence[str],
    found: Iterable[Seen],
    most: int,
    unknown: Collection[str] = (),
) -> Sharing:
    """What of `images` × `recipients` can be shared. `most`: recipients an image may have, negative for no
    limit. `unknown`: those of the recipients that do not exist."""
    possible, failures = _sort_out(
        images, found, lambda image, image_id: _require_shareable(caller, image, image_id)
    )
    known = [member_id for member_id in recipients if member_id not in unknown]
    failures += [
        _failure(recipient_unknown(member_id), image_id, member_id)
        for image_id in ids_of(possible)
        for member_id in recipients
        if member_id in unknown
    ]
    plan = Sharing(recipients=known, whole=[], crowded=[], failures=failures)
    for image in possible if known else ():
        bound = most_recipients(image, most)
        if image.owner not in known and (bound < 0 or image.members + len(known) <= bound):
            plan.whole.extend(image.ids)
        else:
            plan.crowded.extend((image_id, image) for image_id in image.ids)
    return plan


def may_share_any(caller: Caller, images: Sequence[str], found: Iterable[Seen]) -> bool:
    """Whether the caller may offer one of these images at all: else nothing is looked up for it."""
    possible, _failures = _sort_out(
        images, found, lambda image, image_id: _require_shareable(caller, image, image_id)
    )
    return bool(possible)


#: Recipients an image of all disks of a server may have (IMS API, "Restrictions on image sharing").
MOST_OF_WHOLE = 10


def most_recipients(image: Seen, most: int) -> int:
    """How many recipients such an image may have, negative for no limit; `most`: what any image may."""
    if not is_whole_image(image.properties):
        return most
    return MOST_OF_WHOLE if most < 0 else min(most, MOST_OF_WHOLE)


def _require_shareable(caller: Caller, image: Seen | None, image_id: str) -> None:
    if image is None:
        raise access.unknown_image(image_id)
    access.share(caller, image.target, image_id)
    if is_encrypted(image.properties):
        text = f"Image {image_id} is encrypted: its recipients could not use it without its key."
        raise ForbiddenError(text, Reason.ENCRYPTED_NOT_SHARED)
    if is_whole_image(image.properties) and not is_from_backup(image.properties):
        text = f"Image {image_id} holds a whole server and was not made from a backup: it cannot be shared."
        raise ForbiddenError(text, Reason.WHOLE_NOT_SHARED)


def choose_recipients(
    image_id: str, owner: str | None, recipients: Sequence[str], members: Collection[str], bound: int
) -> tuple[list[str], list[Failure]]:
    """(whom of the recipients a crowded image can be shared with, what cannot be done). Places go to them in
    the order they were named; who is among the `members` has one."""
    free = bound - len(members) if bound >= 0 else len(recipients)
    chosen: list[str] = []
    failures: list[Failure] = []
    for member_id in recipients:
        if member_id == owner:
            own = InvalidError(f"Image {image_id} is of project {member_id} itself.", Reason.ONESELF)
            failures.append(_failure(own, image_id, member_id))
        elif member_id in members:
            chosen.append(member_id)
        elif free > 0:
            free -= 1
            chosen.append(member_id)
        else:
            text = f"Image {image_id} has {bound} recipients, the most an image of its kind may have."
            failures.append(_failure(LimitExceededError(text, Reason.MEMBERS_FULL), image_id, member_id))
    return chosen, failures


def recipient_unknown(member_id: str) -> NotFoundError:
    kind, own_id = split_member_id(member_id)
    return NotFoundError(f"No {kind} found with ID {own_id}", Reason.RECIPIENT_UNKNOWN)


def shared_with_oneself(field: str) -> InvalidError:
    """`field`: of the request, the one that names the caller's own project."""
    return InvalidError(f"{field}: a project does not share images with itself.", Reason.ONESELF)


def plan_withdrawal(
    caller: Caller, images: Sequence[str], found: Iterable[Seen]
) -> tuple[list[str], list[Failure]]:
    """(images whose offers can be taken back, what cannot be done)."""

    def judge(image: Seen | None, image_id: str) -> None:
        if image is None:
            raise access.unknown_image(image_id)
        access.withdraw(caller, image.target, image_id)

    possible, failures = _sort_out(images, found, judge)
    return ids_of(possible), failures


def ids_of(found: Iterable[Seen]) -> list[str]:
    return [image_id for image in found for image_id in image.ids]


def plan_answer(
    caller: Caller, images: Sequence[str], found: Iterable[Seen], *, accepts: bool, vault_id: str | None
) -> tuple[list[Seen], list[Failure]]:
    """(those of the `found` whose offer to the caller's project can be answered so, what cannot be done)."""

    def judge(image: Seen | None, image_id: str) -> None:
        if image is None:
            raise access.not_offered(image_id)
        access.answer(caller, image.target, image_id)
        if accepts and vault_id is None and image.vault_id is None:
            _require_no_vault(image.properties, image_id)

    return _sort_out(images, found, judge)


def _require_no_vault(properties: dict[str, str], image_id: str) -> None:
    """A whole server can only be restored with a vault for its backups; InvalidError if it is one."""
    if is_whole_image(properties) and is_from_backup(properties):
        text = f"vault_id: image {image_id} holds a server's backup and is accepted with a vault only."
        raise InvalidError(text, Reason.VAULT_MISSING)


def _sort_out(
    images: Sequence[str], found: Iterable[Seen], judge: Callable[[Seen | None, str], None]
) -> tuple[list[Seen], list[Failure]]:
    """(those of the `found` that pass, why the rest of the `images` does not). `judge` raises it: of images
    that are alike asked once, and of those that do not pass once each, in the order that was asked for."""
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


def is_project(member_id: str) -> bool:
    return split_member_id(member_id)[0] is MemberType.PROJECT
