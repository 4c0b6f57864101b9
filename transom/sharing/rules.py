"""Who may offer, answer, withdraw and see shared images. One function an action, pure.

Each returns what the action needs or raises. The order of checks and the texts are those of the Image API v2
as Glance serves it: first what the caller cannot see (NotFoundError, the text of an absent image), then the
state the action needs, then the right to act (ForbiddenError). The rules that operators can set are asked by
`domain/access.py`. Who may do what with families is decided in `families/rules.py` and `families/members.py`,
with webhooks in `hook_rules.py`, with events, rules for offers and publishers in `project_rules.py`. The
recipient's own rules decide which offers are accepted unasked: `first_status` in `sql/share_rules.py`.
"""

from collections.abc import Iterable, Sequence

from msgspec import UNSET

from transom.domain import access
from transom.domain.attributes import is_encrypted, is_from_backup, is_whole_image
from transom.domain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    Reason,
)
from transom.domain.events import Event
from transom.domain.families import FamilyMember
from transom.domain.memberships import AnswerWithVault, ChangeTerms, Found, NewTerms, Seen, Terms
from transom.domain.model import (
    FOR_EVERYBODY,
    NEVER,
    Caller,
    Image,
    Member,
    MemberStatus,
    Target,
    Visibility,
)
from transom.domain.policy import looks_at_images, owns
from transom.domain.recipients import KINDS, is_group, split_member_id, without_projects
from transom.domain.times import show_time

_MEMBER_STATUSES = frozenset(MemberStatus)


# ---- one membership of an image that is shared


def may_offer_own_images(caller: Caller) -> bool:
    """Whether `offer` lets the caller offer whatever shared image its project owns, to whom it was not
    offered. False where a rule may look at more of the image."""
    own = Target(caller.project_id, Visibility.SHARED)
    return (
        not looks_at_images(caller.policy)
        and access.sees(caller, own)
        and access.is_allowed("add_member", caller, own)
    )


def offer(caller: Caller, found: Found, member_id: str) -> Image:
    """May the caller make the project a member of the image, which it is not yet? The image."""
    image = _see_image(caller, found)
    _require_shared(image, f"Not allowed to create members for image {image.id}.")
    access.require("add_member", caller, _target(found, image))
    if found.member is not None:
        raise ConflictError(f"Member {member_id} is duplicated for image {image.id}")
    return image


def require_room(image_id: str, members: int, quota: int) -> None:
    """LimitExceededError when an image with so many members can have no more. `quota`: negative, no limit."""
    if 0 <= quota <= members:
        raise LimitExceededError(
            f"Image member limit exceeded for image {image_id}: The limit has been exceeded on the number of "
            f"allowed image members for this image. Attempted: {members + 1}, Maximum: {quota}"
        )


def answer(caller: Caller, found: Found, member_id: str, status: object) -> tuple[Member, str]:
    """(the membership as it is, the status it is to have). `status`: as sent. It is judged last: a caller
    that may not answer does not learn which there are."""
    member = may_answer(caller, found, member_id)
    if not (isinstance(status, str) and status in _MEMBER_STATUSES):
        raise InvalidError(
            'Incorrect request: Status must be "pending", "accepted" or "rejected".',
            Reason.MEMBER_STATUS_INVALID,
        )
    return member, status


def status_unseen(caller: Caller, member_id: str, status: object) -> str | None:
    """The status, if `answer` lets the caller give it to this membership, its project's own, of whatever
    shared image of others. None where a rule may look at more of the image."""
    offered = Target(None, Visibility.SHARED, is_member=True)
    may_answer_any = (
        member_id == caller.project_id
        and not looks_at_images(caller.policy)
        and access.sees(caller, offered)
        and access.is_allowed("modify_member", caller, offered)
    )
    return status if may_answer_any and isinstance(status, str) and status in _MEMBER_STATUSES else None


def may_answer(caller: Caller, found: Found, member_id: str) -> Member:
    """May the caller set the status of this membership? The membership. The recipient answers an offer; the
    owner does not; an admin may for anybody."""
    image = _see_image(caller, found)
    _require_shared(image, f"Not allowed to update members for image {image.id}.")
    member = _see_member(caller, found, image, member_id)
    access.require("modify_member", caller, _target(found, image))
    return member


def answer_for_itself(
    caller: Caller, found: Found, member: Member, status: str, vault_id: str | None, now: int
) -> AnswerWithVault | None:
    """May the caller, who passed `may_answer`, do it by the IMS API? There not even an admin answers for
    others, and a whole server is accepted with a vault only, named now or before. The change, None if nothing
    changes: a vault counts for images that were made from a backup."""
    if member.member_id != caller.project_id:
        raise ForbiddenError("An offer is answered by the project that it was made to.", Reason.NOT_OWNER)
    image = _see_image(caller, found)
    if status == MemberStatus.ACCEPTED and vault_id is None and member.vault_id is None:
        _refuse_without_vault(image.properties, image.id)
    named = vault_id if is_from_backup(image.properties) else None
    if member.status == status and named in (None, member.vault_id):
        return None
    return AnswerWithVault(
        image_id=image.id,
        member_id=member.member_id,
        status=status,
        was=member.status,
        vault_id=named,
        now=now,
        seen_version=image.updated_at,
        seen_vault_id=member.vault_id,
    )


def withdraw(caller: Caller, found: Found, own_id: str) -> Member:
    """May the caller remove this membership? The membership."""
    image = _see_image(caller, found)
    _require_shared(image, f"Not allowed to delete members for image {image.id}.")
    member = _see_member(caller, found, image, own_id)
    access.require("delete_member", caller, _target(found, image))
    return member


def show_member(caller: Caller, found: Found, own_id: str) -> Member:
    """Showing a member never answers 403: whatever stands in the way looks like absence."""
    image = _see_image(caller, found)
    if image.visibility != Visibility.SHARED:
        raise NotFoundError("Only shared images have members.", Reason.MEMBER_UNKNOWN)
    member = _see_member(caller, found, image, own_id)
    if not access.is_allowed("get_member", caller, _target(found, image)):
        raise _member_absent(image, own_id)
    return member


def list_members(caller: Caller, found: Found) -> Sequence[Member]:
    """The memberships that the caller may see: the owner and an admin all of them, a recipient its own."""
    image = _see_image(caller, found)
    only_shared = f"Not allowed to list members for image {image.id}: Only shared images have members."
    _require_shared(image, only_shared)
    access.require("get_members", caller, _target(found, image))
    if _sees_all_members(caller, image):
        return found.members
    return [member for member in found.members if member.member_id in caller.member_ids]


def list_recipients(caller: Caller, found: Found) -> Sequence[Member]:
    """As `list_members`, for the IMS API: a visible image that is not `shared` gives an empty list instead of
    an error."""
    image = _see_image(caller, found)
    if image.visibility == Visibility.SHARED:
        return list_members(caller, found)
    access.require("get_members", caller, _target(found, image))
    return ()


# ---- the IMS API: a `private` image may be shared, and becomes `shared` by that


def act_on_shares(caller: Caller) -> None:
    """May the caller's role share, answer or withdraw anything at all? (IMS: `ims:images:share`)"""
    access.require("add_member", caller, Target(caller.project_id, Visibility.SHARED))


def share_from(caller: Caller, image: Seen | None, image_id: str) -> None:
    """May the caller offer this image to somebody?"""
    seen = _see(caller, image, image_id)
    if seen.visibility in FOR_EVERYBODY:
        text = f"Image {image_id} is {seen.visibility}: who may see it needs no membership."
        raise ForbiddenError(text, Reason.PUBLIC_NOT_SHARED)
    access.require("add_member", caller, seen.target)
    if is_encrypted(seen.properties):
        text = f"Image {image_id} is encrypted: its recipients could not use it without its key."
        raise ForbiddenError(text, Reason.ENCRYPTED_NOT_SHARED)
    if is_whole_image(seen.properties) and not is_from_backup(seen.properties):
        text = f"Image {image_id} holds a whole server and was not made from a backup: it cannot be shared."
        raise ForbiddenError(text, Reason.WHOLE_NOT_SHARED)


def offer_to(caller: Caller, member_ids: Iterable[str]) -> None:
    """May the caller offer anything to all of these? Projects are asked whether they want it; those of a
    domain or an organisation have it at once, and cannot leave."""
    if any(map(is_group, without_projects(member_ids))):
        access.require("add_group_member", caller, Target(caller.project_id, Visibility.SHARED))


def share_once_more(found: Found, member_id: str) -> None:
    """May the image be offered to this recipient by a single-offer call? `found`: the state before the call.
    ConflictError if an offer stands; one that was rejected is made again."""
    was_shared = found.image is not None and found.image.visibility == Visibility.SHARED
    if was_shared and found.member is not None and found.member.status != MemberStatus.REJECTED:
        text = f"Image {found.image_id} is shared with {member_id} already."
        raise ConflictError(text, Reason.MEMBER_EXISTS)


def withdraw_from(caller: Caller, image: Seen | None, image_id: str) -> None:
    """May the caller take offers of this image back?"""
    access.require("delete_member", caller, _see(caller, image, image_id).target)


def answer_offer(
    caller: Caller, image: Seen | None, image_id: str, *, accepts: bool, vault_id: str | None
) -> None:
    """As `may_answer`, for an image of a batch: may the caller accept or reject it for its own project, which
    is a member of it?"""
    is_offered = image is not None and image.is_member and image.visibility == Visibility.SHARED
    if (
        image is None
        or not is_offered
        or not access.sees(caller, image.target)
        or not access.is_allowed("modify_member", caller, image.target)
    ):
        # Callers without the role were refused earlier. From here on, hidden and absent images look the same.
        text = f"Image {image_id} is not offered to this project."
        raise NotFoundError(text, Reason.MEMBER_UNKNOWN)
    if accepts and vault_id is None and image.vault_id is None:
        _refuse_without_vault(image.properties, image_id)


def _refuse_without_vault(properties: dict[str, str], image_id: str) -> None:
    """InvalidError for a whole-server image made from a backup: its recipient must name a vault."""
    if is_whole_image(properties) and is_from_backup(properties):
        text = f"vault_id: image {image_id} holds a server's backup and is accepted with a vault only."
        raise InvalidError(text, Reason.VAULT_MISSING)


def recipient_unknown(member_id: str) -> NotFoundError:
    kind, own_id = split_member_id(member_id)
    return NotFoundError(f"No {kind} found with ID {own_id}", KINDS[kind].unknown)


def shared_with_oneself(field: str) -> InvalidError:
    """`field`: of the request, the one that names the caller's own project."""
    return InvalidError(f"{field}: a project does not share images with itself.", Reason.ONESELF)


# ---- the share API


def act_on_offers(caller: Caller) -> None:
    """May the caller's role answer any offer at all?"""
    access.require("modify_member", caller, Target(None, Visibility.SHARED, is_member=True))


def act_on_withdrawals(caller: Caller) -> None:
    """May the caller's role withdraw anything at all?"""
    access.require("delete_member", caller, Target(caller.project_id, Visibility.SHARED))


def list_own_shares(caller: Caller) -> None:
    """May the caller's role see what its project shares?"""
    access.require("get_members", caller, Target(caller.project_id, Visibility.SHARED))


def list_offers(caller: Caller) -> None:
    """May the caller's role see what was offered to its project?"""
    access.require("get_images", caller, access.of_project(caller))


def is_listed(caller: Caller, image: Image) -> bool:
    """May the caller see this image, which a look at offers to its project has found?"""
    return access.is_allowed("get_image", caller, access.image_target(image, is_member=True))


def is_told(caller: Caller, event: Event, image: Image | None) -> bool:
    """May the caller be told the image of an event that concerns its project, as owner or as recipient?
    `image`: None for one that is gone."""
    is_member = caller.project_id != event.owner
    target = Target(event.owner, Visibility.SHARED, is_member=is_member, image=image)
    return access.is_allowed("get_image", caller, target)


def see_shares(caller: Caller, found: Found) -> Image:
    """The image, if the caller may see all its shares: the owner or an admin. To anyone else it looks absent,
    even if they can see the image itself."""
    image = _see_image(caller, found)
    if not _sees_all_members(caller, image):
        raise NotFoundError(f"Image {image.id} not found.", Reason.IMAGE_UNKNOWN)
    access.require("get_members", caller, _target(found, image))
    return image


def replace_shares(caller: Caller, image: Seen | None, image_id: str) -> Seen:
    """May the caller say who all the recipients of this image are? The image."""
    if image is None or not (caller.is_admin or owns(caller, image.target)):
        raise NotFoundError(f"Image {image_id} not found.", Reason.IMAGE_UNKNOWN)
    share_from(caller, image, image_id)
    withdraw_from(caller, image, image_id)
    return image


def change_terms(caller: Caller, found: Found, member_id: str) -> None:
    """May the caller change the terms of the image's share with this recipient? A later end gives the image
    once more, so it asks what an offer asks."""
    image = see_shares(caller, found)
    access.require("add_member", caller, _target(found, image))
    offer_to(caller, [member_id])


def new_terms(member: Member | FamilyMember, new: NewTerms) -> Terms:
    """The terms that a membership has after the change. ConflictError for a time to answer by where the offer
    was answered."""
    is_pending = member.status == MemberStatus.PENDING
    if new.answer_by is not UNSET and not is_pending:
        raise ConflictError("The offer was answered already: its `answer_by` can no longer be changed.")
    expires_at = member.expires_at if new.expires_at is UNSET else _end(new.expires_at)
    had_deadline = is_pending and member.ends_at < member.expires_at
    deadline = (member.ends_at if had_deadline else NEVER) if new.answer_by is UNSET else _end(new.answer_by)
    return Terms(
        message=member.message if new.message is UNSET else new.message,
        ends_at=min(deadline, expires_at),
        expires_at=expires_at,
    )


def change_of_terms(member: Member, new: NewTerms, now: int, latest_end: int) -> ChangeTerms | None:
    """The change that gives a membership these terms; None when they are its terms already. `latest_end`: of
    the family's membership, where it was inherited, else NEVER. ConflictError: as of `new_terms`, and for an
    end after that one; where it has such an end, any change gives it the family's."""
    terms = new_terms(member, new)
    if new.expires_at is UNSET:
        terms = Terms(
            message=terms.message,
            ends_at=min(terms.ends_at, latest_end),
            expires_at=min(terms.expires_at, latest_end),
        )
    elif terms.expires_at > latest_end:
        raise ConflictError(
            f"The share was inherited from family {member.family_id} and ends with its membership, at "
            f"{show_time(latest_end)} at the latest. Offer the image itself to share it for longer."
        )
    if terms == Terms(message=member.message, ends_at=member.ends_at, expires_at=member.expires_at):
        return None
    return ChangeTerms(
        image_id=member.image_id,
        member_id=member.member_id,
        terms=terms,
        now=now,
        seen_version=member.updated_at,
    )


def terms_of(message: str | None, answer_by: int | None, expires_at: int | None) -> Terms:
    """The terms of a new offer. Times in microseconds, None: no end."""
    return Terms(message=message, ends_at=min(_end(answer_by), _end(expires_at)), expires_at=_end(expires_at))


def _end(time: int | None) -> int:
    return NEVER if time is None else time


# ---- what the rules have in common


def _see_image(caller: Caller, found: Found) -> Image:
    return access.see_image(caller, found, f"Image {found.image_id} not found.").image


def _see(caller: Caller, image: Seen | None, image_id: str) -> Seen:
    if image is None or not access.sees(caller, image.target):
        raise NotFoundError(f"No image found with ID {image_id}", Reason.IMAGE_UNKNOWN)
    return image


def _target(found: Found, image: Image) -> Target:
    return access.image_target(image, is_member=found.is_member)


def _require_shared(image: Image, refusal: str) -> None:
    if image.visibility != Visibility.SHARED:
        raise ForbiddenError(refusal)


def _sees_all_members(caller: Caller, image: Image) -> bool:
    return caller.is_admin or owns(caller, access.image_target(image, is_member=False))


def _see_member(caller: Caller, found: Found, image: Image, own_id: str) -> Member:
    """Another project's membership does not exist for a recipient."""
    member = found.member
    if member is None or not (_sees_all_members(caller, image) or member.member_id in caller.member_ids):
        raise _member_absent(image, own_id)
    return member


def _member_absent(image: Image, own_id: str) -> NotFoundError:
    text = f"{own_id} not found in the member list of the image {image.id}."
    return NotFoundError(text, Reason.MEMBER_UNKNOWN)
