"""Who may do what: the only place that knows. One function per action; it returns nothing or raises.

`is_member` says whether the caller's project has a membership (of any status) of the image. The order of
checks and the texts are those of the Image API v2 as Glance serves it: first what the caller cannot see
(NotFoundError, the text of an absent image), then the state the action needs, then the right to act
(ForbiddenError). The rules themselves are in `policy.py`, unless the operator has set others: those in force
come with the caller. What they cannot change is which images a caller sees at all.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from transom.domain.errors import ConflictError, ForbiddenError, NotFoundError, Reason
from transom.domain.metadefs import Kind, Namespace, namespace_absent
from transom.domain.model import (
    Caller,
    Image,
    Member,
    MemberStatus,
    Status,
    Target,
    Visibility,
)
from transom.domain.policy import DEFAULT_POLICY, is_seen_by


def is_allowed(rule: str, caller: Caller, target: Target) -> bool:
    """Whether the rule in force for the caller lets it. KeyError for a name that is no rule's."""
    return caller.has_scope and caller.policy.rules[rule](caller, target)


def require(rule: str, caller: Caller, target: Target) -> None:
    """ForbiddenError unless the rule lets the caller."""
    if not is_allowed(rule, caller, target):
        of_other = is_allowed(rule, caller, msgspec.structs.replace(target, owner=caller.project_id))
        raise ForbiddenError(
            f"You are not authorized to complete {rule} action.",
            Reason.NOT_OWNER if of_other else Reason.ROLE_LACKS,
        )


def target_of(image: Image, is_member: bool) -> Target:
    return Target(image.owner, image.visibility, is_member, image)


def require_project(caller: Caller) -> str:
    """The caller's project; ForbiddenError for a token that has none."""
    if caller.project_id is None:
        raise ForbiddenError("A token for a project is needed.", Reason.ROLE_LACKS)
    return caller.project_id


# ---- images


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
    require("get_images", caller, Target(caller.project_id, Visibility.PRIVATE))


def lists_all_it_finds(caller: Caller) -> bool:
    """Whether `get_image` is the code's: that lets through whatever a list finds."""
    return caller.policy.rules["get_image"] is DEFAULT_POLICY.rules["get_image"]


def is_listed(caller: Caller, image: Image) -> bool:
    """May the caller see this image, which a list has found? Another's shared one was, by a membership."""
    is_member = image.visibility == Visibility.SHARED and not caller.is_admin
    return is_allowed("get_image", caller, target_of(image, is_member))


def see_image(caller: Caller, image: Image | None, is_member: bool, absent: str) -> Image:
    """The image if the caller can see it; else NotFoundError with the text `absent`."""
    if image is None or not sees(caller, target_of(image, is_member)):
        raise NotFoundError(absent, Reason.IMAGE_UNKNOWN)
    return image


def sees(caller: Caller, target: Target, rule: str = "get_image") -> bool:
    """Whether the caller sees the image. Whatever the rule is set to: nobody is shown an image that was not
    shared with its project."""
    return (caller.is_admin or is_seen_by(caller, target)) and is_allowed(rule, caller, target)


def modify_image(caller: Caller, image: Image, is_member: bool) -> None:
    require("modify_image", caller, target_of(image, is_member))


def change_visibility(caller: Caller, image: Image, is_member: bool, visibility: str) -> None:
    set_visibility(caller, target_of(image, is_member), visibility)


def import_image(caller: Caller, image: Image, is_member: bool, *, is_copy: bool) -> None:
    """May the caller have the image filled, or (`is_copy`) copied to further stores?"""
    require("copy_image" if is_copy else "modify_image", caller, target_of(image, is_member))


def add_location(caller: Caller, image: Image, is_member: bool) -> None:
    """May the caller give the image data that lies elsewhere?"""
    require("add_image_location", caller, target_of(image, is_member))


def change_locations(caller: Caller, image: Image, is_member: bool, op: str) -> None:
    """May the caller name other places for the data, or (`op` "remove") drop one of them?"""
    rule = "delete_image_location" if op == "remove" else "set_image_location"
    require(rule, caller, target_of(image, is_member))


def fetch_locations(caller: Caller, image: Image, is_member: bool) -> None:
    """May the caller learn where the data lies?"""
    require("fetch_image_location", caller, target_of(image, is_member))


def is_service(caller: Caller) -> bool:
    """Whether another service of the cloud asks, on its own behalf or a user's."""
    return "service" in caller.roles or "service" in caller.service_roles


def is_for_service(caller: Caller) -> bool:
    """Whether another service of the cloud asks on a user's behalf, as one does that is about to use an image
    for the user's project."""
    return "service" in caller.service_roles


def use_tasks(caller: Caller) -> None:
    """May the caller look at everybody's tasks, and start some?"""
    require("tasks_api_access", caller, Target(caller.project_id, Visibility.PRIVATE))


def delete_image(caller: Caller, image: Image, is_member: bool) -> None:
    require("delete_image", caller, target_of(image, is_member))
    if image.protected:
        raise ForbiddenError(f"Image {image.id} is protected and cannot be deleted.", Reason.IMAGE_PROTECTED)


def delete_ims_image(caller: Caller, image: Image, is_member: bool, *, is_for_domain: bool) -> None:
    """The IMS API deletes what nobody depends on. `is_for_domain`: whether a whole domain was offered it."""
    delete_image(caller, image, is_member)
    if image.visibility == Visibility.PUBLIC:
        raise ForbiddenError(f"Image {image.id} is public and cannot be deleted.", Reason.IMAGE_PUBLIC)
    if image.status == Status.SAVING:
        raise ConflictError(f"Image {image.id} is still being created.", Reason.IMAGE_IN_CREATION)
    if is_for_domain:
        raise ConflictError(
            f"Image {image.id} is shared with a domain: withdraw that first.", Reason.SHARED_WITH_DOMAIN
        )


def update_ims_image(caller: Caller, image: Image, is_member: bool) -> None:
    """The extension's update is for images whose data is there."""
    modify_image(caller, image, is_member)
    if image.status != Status.ACTIVE:
        raise ConflictError(
            f"Image {image.id} is {image.status}, and only an active one can be updated by this call.",
            Reason.IMAGE_NOT_READY,
        )


def upload_image(caller: Caller, image: Image, is_member: bool) -> None:
    require("upload_image", caller, target_of(image, is_member))


def download_image(caller: Caller, image: Image, is_member: bool) -> None:
    if image.status == Status.DEACTIVATED and not caller.is_admin:
        raise ForbiddenError("The requested image has been deactivated. Image data download is forbidden.")
    require("download_image", caller, target_of(image, is_member))


def replicate_image(caller: Caller, image: Image, is_member: bool, member: Member | None) -> None:
    """May the caller make a new image of its own with this data? `member`: the membership of its project. An
    offer has to be accepted first."""
    download_image(caller, image, is_member)
    is_received = image.visibility == Visibility.SHARED and image.owner != caller.project_id
    if is_received and member is not None and member.status != MemberStatus.ACCEPTED:
        text = f"Image {image.id} has to be accepted before it can be copied."
        raise ForbiddenError(text, Reason.COPY_NOT_ACCEPTED)


def prefer_stores(caller: Caller, image: Image, is_member: bool) -> None:
    """May the caller say from which stores it wants the data?"""
    require("download_from_store", caller, target_of(image, is_member))


def delete_from_store(caller: Caller, image: Image, is_member: bool) -> None:
    require("get_image_location", caller, target_of(image, is_member))
    require("delete_image_location", caller, target_of(image, is_member))


def sees_places(caller: Caller, image: Image) -> bool:
    """Where the data of an image lies is not told while nobody but an admin may have it."""
    return image.status != Status.DEACTIVATED or caller.is_admin


def see_stores_in_detail(caller: Caller) -> None:
    require("stores_info_detail", caller, Target(caller.project_id, Visibility.PRIVATE))


def remove_cached(
    caller: Caller, image: Image | None, is_member: bool, absent: str, *, is_here: bool
) -> None:
    """Who does not see the image is not told that its data is in the cache (`is_here`). An admin may remove
    that of a deleted one."""
    if not (is_here and caller.is_admin):
        see_image(caller, image, is_member, absent)


def use_cache(caller: Caller, rule: str) -> None:
    """`rule`: the one for what is done with the cache."""
    require(rule, caller, Target(caller.project_id, Visibility.PRIVATE))


def deactivate_image(caller: Caller, image: Image, is_member: bool) -> None:
    require("deactivate", caller, target_of(image, is_member))


def reactivate_image(caller: Caller, image: Image, is_member: bool) -> None:
    require("reactivate", caller, target_of(image, is_member))


# ---- metadata definitions


class ItemRules(NamedTuple):
    """The rules for what namespaces hold, of one kind. `clear` needs all of its rules."""

    list: str
    get: str
    add: str
    modify: str
    remove: str
    clear: tuple[str, ...] = ("delete_metadef_namespace",)


ITEM_RULES: Mapping[Kind, ItemRules] = {
    Kind.OBJECT: ItemRules(
        "get_metadef_objects",
        "get_metadef_object",
        "add_metadef_object",
        "modify_metadef_object",
        "delete_metadef_object",
    ),
    Kind.PROPERTY: ItemRules(
        "get_metadef_properties",
        "get_metadef_property",
        "add_metadef_property",
        "modify_metadef_property",
        "remove_metadef_property",
    ),
    Kind.TAG: ItemRules(
        "get_metadef_tags",
        "get_metadef_tag",
        "add_metadef_tag",
        "modify_metadef_tag",
        "delete_metadef_tag",
        ("delete_metadef_namespace", "delete_metadef_tags"),
    ),
    # There is no call that changes an association, or removes all of them.
    Kind.RESOURCE_TYPE: ItemRules(
        "list_metadef_resource_types",
        "get_metadef_resource_type",
        "add_metadef_resource_type_association",
        "add_metadef_resource_type_association",
        "remove_metadef_resource_type_association",
    ),
}


def use_metadefs(caller: Caller, *rules: str) -> None:
    """May the caller do this with metadata definitions at all?"""
    for rule in rules:
        require(rule, caller, Target(caller.project_id, Visibility.PRIVATE))


def sees_namespace(caller: Caller, namespace: Namespace) -> bool:
    """Whatever `get_metadef_namespace` is set to: a private namespace is its project's and the admins'."""
    return sees(caller, Target(namespace.owner, namespace.visibility), "get_metadef_namespace")


def see_namespace(caller: Caller, name: str, namespace: Namespace | None, *rules: str) -> Namespace:
    """The namespace of this name if the caller can see it, else NotFoundError; ForbiddenError if one of the
    rules does not let the caller do with it what it is about to."""
    if namespace is None or not sees_namespace(caller, namespace):
        raise namespace_absent(name)
    for rule in rules:
        require(rule, caller, Target(namespace.owner, namespace.visibility))
    return namespace


def require_unprotected(namespace: Namespace, what: str, name: str) -> None:
    """What a protected namespace holds is as protected as itself."""
    if namespace.protected:
        raise ForbiddenError(f"Metadata definition {what} {name} is protected and cannot be deleted.")


# ---- the share API, beside images and members


def look_at_share_rules(caller: Caller) -> str:
    """The project whose rules the caller may see, its own."""
    list_images(caller)
    return require_project(caller)


def manage_share_rules(caller: Caller) -> str:
    """The project whose rules the caller may change, its own."""
    require("manage_share_rule", caller, _own(caller))
    return require_project(caller)


def manage_publishers(caller: Caller) -> None:
    """May the caller verify the names of projects?"""
    require("manage_publisher", caller, _own(caller))


def _own(caller: Caller) -> Target:
    return Target(caller.project_id, Visibility.PRIVATE)
