"""Who may see and change metadata definitions: the only place that knows. One function an action, pure."""

from collections.abc import Mapping
from typing import NamedTuple

from transom.domain.access import of_project, require, sees
from transom.domain.errors import ForbiddenError
from transom.domain.metadefs import Kind, Namespace, namespace_absent
from transom.domain.model import Caller, Target


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
        require(rule, caller, of_project(caller))


def sees_namespace(caller: Caller, namespace: Namespace) -> bool:
    """Whatever `get_metadef_namespace` is set to: a private namespace is its project's and the admins'."""
    return sees(caller, Target(namespace.owner, namespace.visibility), "get_metadef_namespace")


def lists_namespaces_of(caller: Caller) -> str | None:
    """The project whose private namespaces a list has, beside the public ones; None: all projects."""
    return None if caller.is_admin else caller.project_id or ""


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
