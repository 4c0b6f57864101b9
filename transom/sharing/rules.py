"""Who may offer, answer, withdraw and see what: the only place that knows. One function an action, pure.

The order of checks and the texts are those of the Image API v2 as Glance serves it: first what the caller
cannot see (NotFoundError, the text of an absent image), then the state the action needs, then the right to
act (ForbiddenError). `is_member` says whether the caller's project has a membership (of any status) of the
image. The rules that operators can set are asked by `domain/access.py`.
"""

from transom.domain import access
from transom.domain.attributes import is_encrypted, is_from_backup, is_whole_image
from transom.domain.errors import ForbiddenError, InvalidError, NotFoundError, Reason
from transom.domain.memberships import Seen
from transom.domain.model import (
    FOR_EVERYBODY,
    Caller,
    Image,
    Member,
    MemberStatus,
    Target,
    Visibility,
    split_member_id,
)
from transom.domain.policy import owns

_MEMBER_STATUSES = frozenset(MemberStatus)

# ---- the Image API


def add_member(caller: Caller, image: Image, is_member: bool) -> None:
    _require_shared(image, f"Not allowed to create members for image {image.id}.")
    access.require("add_member", caller, access.target_of(image, is_member))


def list_members(caller: Caller, image: Image, is_member: bool) -> None:
    only_shared = f"Not allowed to list members for image {image.id}: Only shared images have members."
    _require_shared(image, only_shared)
    access.require("get_members", caller, access.target_of(image, is_member))


def list_recipients(caller: Caller, image: Image, is_member: bool) -> None:
    """As `list_members`, of an image that need not be shared: the IMS API has an empty list of it."""
    access.require("get_members", caller, access.target_of(image, is_member))


def sees_all_members(caller: Caller, image: Image) -> bool:
    """The owner and an admin see every membership, a recipient only its own."""
    return caller.is_admin or owns(caller, access.target_of(image, False))


def show_member(
    caller: Caller, image: Image, is_member: bool, member_id: str, member: Member | None
) -> Member:
    """Showing a member never answers 403: whatever stands in the way looks like absence."""
    if image.visibility != Visibility.SHARED:
        raise NotFoundError("Only shared images have members.", Reason.MEMBER_UNKNOWN)
    found = _find_member(caller, image, member_id, member)
    if not access.is_allowed("get_member", caller, access.target_of(image, is_member)):
        raise _member_absent(image, member_id)
    return found


def set_member_status(
    caller: Caller, image: Image, is_member: bool, member_id: str, member: Member | None, status: object
) -> tuple[Member, str]:
    """(the membership as it is, the status it is to have). The recipient answers an offer; the owner does
    not; an admin may for anybody."""
    _require_shared(image, f"Not allowed to update members for image {image.id}.")
    found = _find_member(caller, image, member_id, member)
    access.require("modify_member", caller, access.target_of(image, is_member))
    if not (isinstance(status, str) and status in _MEMBER_STATUSES):
        raise InvalidError(
            'Incorrect request: Status must be "pending", "accepted" or "rejected".',
            Reason.MEMBER_STATUS_INVALID,
        )
    return found, status


def remove_member(
    caller: Caller, image: Image, is_member: bool, member_id: str, member: Member | None
) -> Member:
    _require_shared(image, f"Not allowed to delete members for image {image.id}.")
    found = _find_member(caller, image, member_id, member)
    access.require("delete_member", caller, access.target_of(image, is_member))
    return found


# ---- the IMS API: a `private` image may be shared, and becomes `shared` by that


def act_on_shares(caller: Caller) -> None:
    """May the caller's role share, answer or withdraw anything at all? (IMS: `ims:images:share`)"""
    access.require("add_member", caller, Target(caller.project_id, Visibility.SHARED))


def share(caller: Caller, target: Target, image_id: str) -> None:
    """May the caller offer this image to somebody, whatever stands in the image's own way?"""
    _see_target(caller, target, image_id)
    if target.visibility in FOR_EVERYBODY:
        text = f"Image {image_id} is {target.visibility}: who may see it needs no membership."
        raise ForbiddenError(text, Reason.PUBLIC_NOT_SHARED)
    access.require("add_member", caller, target)


def withdraw(caller: Caller, target: Target, image_id: str) -> None:
    """May the caller take offers of this image back?"""
    _see_target(caller, target, image_id)
    access.require("delete_member", caller, target)


def answer(caller: Caller, target: Target, image_id: str) -> None:
    """May the caller accept or reject this image for its own project, which is a member of it?"""
    is_offered = target.is_member and target.visibility == Visibility.SHARED
    if not is_offered or not access.is_allowed("modify_member", caller, target):
        # Of a caller whose role may not, the request was refused before: here hidden and absent look alike.
        raise not_offered(image_id)


def _see_target(caller: Caller, target: Target, image_id: str) -> None:
    if not access.sees(caller, target):
        raise unknown_image(image_id)


def unknown_image(image_id: str) -> NotFoundError:
    return NotFoundError(f"No image found with ID {image_id}", Reason.IMAGE_UNKNOWN)


def not_offered(image_id: str) -> NotFoundError:
    return NotFoundError(f"Image {image_id} is not offered to this project.", Reason.MEMBER_UNKNOWN)


def _require_shared(image: Image, refusal: str) -> None:
    if image.visibility != Visibility.SHARED:
        raise ForbiddenError(refusal)


def _member_absent(image: Image, member_id: str) -> NotFoundError:
    text = f"{member_id} not found in the member list of the image {image.id}."
    return NotFoundError(text, Reason.MEMBER_UNKNOWN)


def _find_member(caller: Caller, image: Image, member_id: str, member: Member | None) -> Member:
    """Another project's membership does not exist for a recipient."""
    if member is None or not (sees_all_members(caller, image) or member.member_id in caller.member_ids):
        raise _member_absent(image, member_id)
    return member


def require_shareable(caller: Caller, image: Seen | None, image_id: str) -> None:
    if image is None:
        raise unknown_image(image_id)
    share(caller, image.target, image_id)
    if is_encrypted(image.properties):
        text = f"Image {image_id} is encrypted: its recipients could not use it without its key."
        raise ForbiddenError(text, Reason.ENCRYPTED_NOT_SHARED)
    if is_whole_image(image.properties) and not is_from_backup(image.properties):
        text = f"Image {image_id} holds a whole server and was not made from a backup: it cannot be shared."
        raise ForbiddenError(text, Reason.WHOLE_NOT_SHARED)


def require_no_vault(properties: dict[str, str], image_id: str) -> None:
    """A whole server can only be restored with a vault for its backups; InvalidError if it is one."""
    if is_whole_image(properties) and is_from_backup(properties):
        text = f"vault_id: image {image_id} holds a server's backup and is accepted with a vault only."
        raise InvalidError(text, Reason.VAULT_MISSING)


def recipient_unknown(member_id: str) -> NotFoundError:
    kind, own_id = split_member_id(member_id)
    return NotFoundError(f"No {kind} found with ID {own_id}", Reason.RECIPIENT_UNKNOWN)


def shared_with_oneself(field: str) -> InvalidError:
    """`field`: of the request, the one that names the caller's own project."""
    return InvalidError(f"{field}: a project does not share images with itself.", Reason.ONESELF)
