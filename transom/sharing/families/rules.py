"""Who may see a family, and what of it, and who may change it. Pure.

A family that the caller may not know of looks absent. Its owner and admins see all of it; a project that it
was offered to, and has not rejected it, sees what is said of it; who accepted it sees the versions that were
promoted. A caller that was not asked, and sees the image of the current version, sees that it is one.
"""

from transom.domain import access
from transom.domain.errors import ForbiddenError, NotFoundError, Reason
from transom.domain.families import Family, Seen, Version, VersionImage
from transom.domain.memberships import Found
from transom.domain.model import FOR_EVERYBODY, Caller, ImageTarget, MemberStatus, Target, Visibility


def family_absent(family_id: str) -> NotFoundError:
    return NotFoundError(f"No family found with ID {family_id}.")


def look_at_families(caller: Caller) -> None:
    """May the caller's role look at families at all?"""
    access.require("get_images", caller, Target(caller.project_id, Visibility.PRIVATE))


def is_owner(caller: Caller, family: Family) -> bool:
    """Whether the caller sees all of the family."""
    return caller.is_admin or caller.project_id == family.owner


def see_family(caller: Caller, seen: Seen | None, family_id: str) -> Seen:
    """The family if the caller can see it, else NotFoundError."""
    if seen is None or not sees(caller, seen):
        raise family_absent(family_id)
    return seen


def sees(caller: Caller, seen: Seen) -> bool:
    is_asked = seen.status in (MemberStatus.ACCEPTED, MemberStatus.PENDING)
    return is_owner(caller, seen.family) or is_asked or seen.sees_current


def see_versions(caller: Caller, seen: Seen) -> None:
    """May the caller see which versions there were? Else they look absent."""
    if not (is_owner(caller, seen.family) or seen.status == MemberStatus.ACCEPTED):
        raise NotFoundError("The versions of a family are seen by those who have accepted it.")


def sees_current(caller: Caller, seen: Seen) -> bool:
    """May the caller see the current version? Not whose project was asked and has not accepted, whether it
    sees the image or not."""
    is_accepted = seen.status == MemberStatus.ACCEPTED
    return is_owner(caller, seen.family) or is_accepted or (seen.status is None and seen.sees_current)


def see_version(caller: Caller, seen: Seen, version: Version | None, number: object) -> Version:
    """The version if the caller, who passed `see_versions`, can see it: not one that was never current."""
    is_candidate = version is not None and version.promoted_at is None
    if version is None or (is_candidate and not is_owner(caller, seen.family)):
        raise NotFoundError(f"The family has no version {number}.")
    return version


def see_members(caller: Caller, seen: Seen) -> None:
    """May the caller see whom the family was offered to? ForbiddenError for one that only sees the family."""
    access.require("get_members", caller, Target(seen.family.owner, Visibility.PRIVATE))
    if not is_owner(caller, seen.family):
        raise ForbiddenError("The members of a family are shown to its owner.", Reason.NOT_OWNER)


def manage_family(caller: Caller, seen: Seen) -> None:
    """May the caller change the family?"""
    access.require("manage_family", caller, Target(seen.family.owner, Visibility.PRIVATE))
    _require_owner(caller, seen)


def _require_owner(caller: Caller, seen: Seen) -> None:
    """Whatever the rules are set to: a family is changed by its project and by admins."""
    if not is_owner(caller, seen.family):
        raise ForbiddenError("Only the project that owns the family may change it.", Reason.NOT_OWNER)


def change_image(caller: Caller, found: Found) -> None:
    """May the caller change the image, here and below: by the family that it is or becomes a version of? One
    that the caller does not see is absent."""
    _require(caller, found, "modify_image")


def promote_image(caller: Caller, found: Found) -> None:
    """May the caller give the image to the family's members? Where everybody sees it, nobody gets it by
    that."""
    target = _require(caller, found, "modify_image")
    if target.visibility not in FOR_EVERYBODY:
        access.require("add_member", caller, target)


def revoke_image(caller: Caller, found: Found) -> None:
    """May the caller take the image's data from everybody?"""
    _require(caller, found, "deactivate")


def restore_image(caller: Caller, found: Found) -> None:
    """May the caller let others have the image's data again?"""
    _require(caller, found, "reactivate")


def _require(caller: Caller, found: Found, rule: str) -> ImageTarget:
    target = access.see_image(caller, found, _image_absent(found.image_id))
    access.require(rule, caller, target)
    return target


def is_image_hidden(caller: Caller, found: Found) -> bool:
    """Whether the operator's rules hide the image from the caller, whatever the family says of it."""
    return found.image is None or not access.is_allowed(
        "get_image", caller, access.image_target(found.image, is_member=found.is_member)
    )


def _image_absent(image_id: str) -> str:
    return f"No image found with ID {image_id}"


def create_family(caller: Caller) -> str:
    """May the caller make a family? The project that it will be of."""
    project_id = access.require_project(caller)
    access.require("manage_family", caller, Target(project_id, Visibility.PRIVATE))
    return project_id


def offer_family(caller: Caller, seen: Seen) -> None:
    access.require("add_member", caller, Target(seen.family.owner, Visibility.SHARED))
    _require_owner(caller, seen)


def withdraw_family(caller: Caller, seen: Seen) -> None:
    access.require("delete_member", caller, Target(seen.family.owner, Visibility.SHARED))
    _require_owner(caller, seen)


def take_image(caller: Caller, image: VersionImage | None, image_id: str) -> VersionImage:
    """The image that is to become a version if the caller can see it, else NotFoundError. One that is only
    shared with the caller looks absent, too: a version is an image of the family's own project."""
    if image is None or not _may_be_seen(caller, image):
        raise NotFoundError(_image_absent(image_id), Reason.IMAGE_UNKNOWN)
    return image


def _may_be_seen(caller: Caller, image: VersionImage) -> bool:
    return access.sees(caller, Target(image.owner, image.visibility))
