"""Who may do what with images: the only place that knows. One function an action, pure.

Each returns nothing, or what the action needs, or raises. The order of checks and the texts are those of the
Image API v2 as Glance serves it: first what the caller cannot see (NotFoundError, the text of an absent
image), then the state the action needs, then the right to act (ForbiddenError). The rules that operators can
set are asked by `domain/access.py`.
"""

from transom.domain.access import image_target, is_allowed, of_project, require
from transom.domain.attributes import is_encrypted, is_whole_image
from transom.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, Reason
from transom.domain.model import (
    Caller,
    Image,
    ImageTarget,
    Location,
    Member,
    MemberStatus,
    Status,
    Target,
    Visibility,
)
from transom.domain.policy import DEFAULT_POLICY
from transom.domain.status import IN_CREATION, WITH_DATA

# ---- create, list, see


def absent(image_id: str) -> str:
    """The text for an absent or hidden image."""
    return f"No image found with ID {image_id}"


def not_found(image_id: str) -> str:
    """The same, where a call is about an image's members or tags, or about the cache."""
    return f"Image {image_id} not found."


def create_image(caller: Caller, owner: str | None, visibility: str) -> None:
    """May `caller` create an image that `owner` will own, with this visibility?"""
    target = Target(owner, visibility)
    require("add_image", caller, Target(caller.project_id, visibility))
    if not is_allowed("add_image", caller, target):
        raise ForbiddenError(f"You are not permitted to create images owned by '{owner}'")
    set_visibility(caller, target, visibility)


def set_visibility(caller: Caller, target: Target, visibility: str) -> None:
    """Offering an image to everybody needs a right of its own."""
    if visibility == Visibility.PUBLIC:
        require("publicize_image", caller, target)
    elif visibility == Visibility.COMMUNITY:
        require("communitize_image", caller, target)


def list_images(caller: Caller) -> None:
    require("get_images", caller, of_project(caller))


def lists_all_it_finds(caller: Caller) -> bool:
    """Whether `get_image` is the code's: that lets through whatever a list finds."""
    return caller.policy.rules["get_image"] is DEFAULT_POLICY.rules["get_image"]


def is_listed(caller: Caller, image: Image) -> bool:
    """May the caller see this image, which a list query found? Lists find shared images of other projects
    only through a membership, so `is_member` need not be looked up."""
    is_member = image.visibility == Visibility.SHARED and not caller.is_admin
    return is_allowed("get_image", caller, image_target(image, is_member=is_member))


def sees_locations(caller: Caller, image: Image) -> bool:
    """Where the data of a deactivated image lies is told to admins only: nobody else may have the data."""
    return image.status != Status.DEACTIVATED or caller.is_admin


# ---- change


def modify_image(caller: Caller, target: ImageTarget) -> None:
    require("modify_image", caller, target)


def change_owner(caller: Caller) -> None:
    """May the caller give an image to another project?"""
    if not caller.is_admin:
        raise ForbiddenError("Owner can't be updated by non admin.")


def update_ims_image(caller: Caller, target: ImageTarget) -> None:
    """The extension's update is for images whose data is there."""
    modify_image(caller, target)
    image = target.image
    if image.status != Status.ACTIVE:
        raise ConflictError(
            f"Image {image.id} is {image.status}, and only an active one can be updated by this call.",
            Reason.IMAGE_NOT_READY,
        )


def deactivate_image(caller: Caller, target: ImageTarget) -> None:
    require("deactivate", caller, target)
    _require_data(target.image, "deactivate")


def reactivate_image(caller: Caller, target: ImageTarget) -> None:
    require("reactivate", caller, target)
    _require_data(target.image, "reactivate")


def _require_data(image: Image, verb: str) -> None:
    if image.status not in WITH_DATA:
        raise ForbiddenError(f"Not allowed to {verb} image in status '{image.status}'")


# ---- delete


def delete_image(caller: Caller, target: ImageTarget) -> None:
    require("delete_image", caller, target)
    image = target.image
    if image.protected:
        raise ForbiddenError(f"Image {image.id} is protected and cannot be deleted.", Reason.IMAGE_PROTECTED)


def delete_ims_image(caller: Caller, target: ImageTarget, *, is_for_group: bool) -> None:
    """The IMS API deletes what nobody depends on. `is_for_group`: whether a whole domain or an
    organisation has it."""
    image = target.image
    delete_image(caller, target)
    if image.visibility == Visibility.PUBLIC:
        raise ForbiddenError(f"Image {image.id} is public and cannot be deleted.", Reason.IMAGE_PUBLIC)
    if image.status in IN_CREATION:
        raise ConflictError(f"Image {image.id} is still being created.", Reason.IMAGE_IN_CREATION)
    if is_for_group:
        text = f"Image {image.id} is shared with a domain or an organization: withdraw that first."
        raise ConflictError(text, Reason.SHARED_WITH_DOMAIN)


# ---- data


def upload_image(caller: Caller, target: ImageTarget) -> None:
    require("upload_image", caller, target)


def download_image(caller: Caller, target: ImageTarget) -> None:
    if target.image.status == Status.DEACTIVATED and not caller.is_admin:
        text = "The requested image has been deactivated. Image data download is forbidden."
        raise ForbiddenError(text, Reason.IMAGE_NOT_READY)
    require("download_image", caller, target)


def replicate_image(caller: Caller, target: ImageTarget, member: Member | None) -> None:
    """May the caller make a new image of its own with this data? `member`: the membership of its project. An
    offer has to be accepted first."""
    image = target.image
    download_image(caller, target)
    is_received = image.visibility == Visibility.SHARED and image.owner != caller.project_id
    if is_received and member is not None and member.status != MemberStatus.ACCEPTED:
        text = f"Image {image.id} has to be accepted before it can be copied."
        raise ForbiddenError(text, Reason.COPY_NOT_ACCEPTED)


def require_copyable(source: Image) -> None:
    """ConflictError or ForbiddenError for an image that nobody may copy."""
    if source.status != Status.ACTIVE or source.size is None or not source.locations:
        text = f"Image {source.id} is {source.status}; only an active image can be copied."
        raise ConflictError(text, Reason.IMAGE_NOT_READY)
    if is_whole_image(source.properties):
        raise ForbiddenError(
            f"Image {source.id} holds a whole server: it cannot be copied.", Reason.COPY_WHOLE
        )
    if source.disk_format == "iso":
        raise ForbiddenError(f"Image {source.id} is an ISO image: it cannot be copied.", Reason.COPY_ISO)
    if is_encrypted(source.properties):
        raise ForbiddenError(f"Image {source.id} is encrypted: it cannot be copied.", Reason.COPY_ENCRYPTED)


def prefer_stores(caller: Caller, target: ImageTarget) -> None:
    """May the caller say from which stores it wants the data?"""
    require("download_from_store", caller, target)


def remove_from_store(caller: Caller, target: ImageTarget, store_id: str) -> Location:
    """May the caller take away the copy of the data in this store? The copy."""
    require("get_image_location", caller, target)
    require("delete_image_location", caller, target)
    image = target.image
    if image.status != Status.ACTIVE:
        raise ConflictError(f"It's not allowed to remove image data from store if image is {image.status}.")
    if len(image.locations) == 1:
        raise ForbiddenError(
            "Cannot delete image data from the only store containing it. Consider deleting the image instead."
        )
    for location in image.locations:
        if location.store == store_id:
            return location
    raise NotFoundError(f"Image {image.id} is not stored in store {store_id}.")


def import_image(caller: Caller, target: ImageTarget, *, is_copy: bool) -> None:
    """May the caller have the image filled, or (`is_copy`) copied to further stores?"""
    require("copy_image" if is_copy else "modify_image", caller, target)


# ---- data that lies elsewhere


def add_location(caller: Caller, target: ImageTarget) -> None:
    """May the caller give the image data that lies elsewhere?"""
    require("add_image_location", caller, target)


def change_locations(caller: Caller, target: ImageTarget, op: str) -> None:
    """May the caller name other places for the data, or (`op` "remove") drop one of them?"""
    rule = "delete_image_location" if op == "remove" else "set_image_location"
    require(rule, caller, target)


def fetch_locations(caller: Caller, target: ImageTarget) -> None:
    """May the caller learn where the data lies?"""
    require("fetch_image_location", caller, target)


def require_reader(caller: Caller, store_id: str | None) -> str:
    """The store that reads a location, if there is one. That there is none is said to other services of the
    cloud in other words than to users."""
    if store_id is not None:
        return store_id
    if "service" in caller.roles or "service" in caller.service_roles:
        raise InvalidError("url: no store here reads it.")
    raise ForbiddenError("http store must be enabled to use location API by normal user.")
