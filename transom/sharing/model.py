"""What can be done of a batch of shares, what was done, and what could not be done and why."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from transom.domain.errors import (
    ForbiddenError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    Reason,
    TransomError,
)
from transom.domain.memberships import Seen, Terms
from transom.domain.model import Failure

#: What an answer may be besides a status: the membership is given up.
LEFT = "left"
_Failure = TypeVar("_Failure")


class Done(NamedTuple, Generic[_Failure]):
    """Pairs of a thing and a recipient that were offered, answered or withdrawn: `done`, or `renewed`, which
    is offered again after a rejection. `unchanged`: they were so before or, of a withdrawal, there was none.
    `remaining`: beyond what one request takes."""

    done: int
    renewed: int
    unchanged: int
    failures: list[_Failure]
    remaining: int = 0


class NewSet(NamedTuple):
    """All recipients that an image or a family is to have. `terms`: of those that it does not have yet.
    `limit`: how many it may have, negative for no limit."""

    member_ids: Sequence[str]
    terms: Terms
    limit: int


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
    Reason.ORGANIZATION_UNKNOWN: NotFoundError,
    Reason.ONESELF: InvalidError,
    Reason.VAULT_MISSING: InvalidError,
    Reason.MEMBERS_FULL: LimitExceededError,
}


class Sharing(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of a batch. `recipients`: those that exist. `whole`: recipients → images that all of them get.
    `crowded`: (images, candidates) where the quota may not suffice for all candidates, so that it matters who
    is a member already."""

    recipients: list[str]
    whole: dict[tuple[str, ...], list[str]]
    crowded: list[tuple[Seen, tuple[str, ...]]]
    failures: list[Failure]
