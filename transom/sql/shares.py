"""One share at a time by the rules of the IMS API: a batch of one, with the looks before and after it in the
same transaction, so that the answer tells of the very moment of the change."""

from collections.abc import Collection

from transom.domain import access
from transom.domain.errors import ConflictError, Reason
from transom.domain.model import Caller, Image, Member, MemberStatus, Visibility, domain_key
from transom.domain.sharing import raise_first
from transom.sql import members
from transom.sql.batches import answer, share, withdraw
from transom.sql.db import Script, Statement

# The recipient's answer changes the membership without its image.
LOCK_MEMBER = "select member_id from member where image_id = $1 and member_id = $2 for update"


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
    kept_id = access.remove_member(caller, image, is_member, own_id, member).member_id
    raise_first((yield from withdraw(caller, [image_id], [kept_id], None)))


def _look(caller: Caller, image_id: str, member_id: str) -> Script[tuple[Image | None, bool, Member | None]]:
    """As `members.find_member`, and none of it changes until the script is over."""
    yield Statement(members.LOCK_IMAGE, (image_id,), is_lock=True)
    yield Statement(LOCK_MEMBER, (image_id, member_id), is_lock=True)
    return members.found_member(
        (yield Statement(members.FIND_MEMBER, (image_id, *caller.member_ids, member_id)))
    )


def _show(caller: Caller, image_id: str, member_id: str) -> Script[Member]:
    _image, _is_member, member = yield from _look(caller, image_id, member_id)
    assert member is not None, "a membership that was just written is there"  # noqa: S101
    return member
