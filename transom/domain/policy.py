"""The rules of the code: every policy of Glance 33 by its name, what it says, and which calls ask for it.

A rule says whether a caller may act on a target; `*/rules.py` say when it is asked, `access.py` refuses. Each
is kept twice, as a function and in the language of policy files: the function judges a request in a third of
a microsecond, the text is what operators read and change. A test holds them equal. Start at `DEFAULTS`.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from transom.domain.model import FOR_EVERYBODY, Caller, Policy, Rule, Target, Visibility


def owns(caller: Caller, target: Target) -> bool:
    return target.owner is not None and caller.project_id == target.owner


def is_on_member_side(caller: Caller, target: Target) -> bool:
    return target.is_member and target.visibility == Visibility.SHARED and not owns(caller, target)


def is_seen_by(caller: Caller, target: Target) -> bool:
    """Whether the caller's project sees the image, whatever the roles."""
    return caller.project_id is not None and (
        owns(caller, target)
        or target.visibility in FOR_EVERYBODY
        or (target.is_member and target.visibility == Visibility.SHARED)
    )


class Phrase(NamedTuple):
    """What one or more rules say: as a function, and as a check string of oslo.policy."""

    rule: Rule
    text: str


class Default(NamedTuple):
    """`says` is in force as long as the operator does not set the rule. `calls`: who asks for it."""

    says: Phrase
    calls: str


def _anybody(_caller: Caller, _target: Target) -> bool:
    return True


def _admin_role(caller: Caller, _target: Target) -> bool:
    return "admin" in caller.roles


def _service_or_admin_role(caller: Caller, _target: Target) -> bool:
    return "service" in caller.roles or "admin" in caller.roles


def _admin(caller: Caller, _target: Target) -> bool:
    return caller.is_admin


def _service(caller: Caller, target: Target) -> bool:
    return caller.policy.rules["service_api"](caller, target)


def _admin_or_service(caller: Caller, target: Target) -> bool:
    return caller.is_admin or _service(caller, target)


def _metadef_admin(caller: Caller, target: Target) -> bool:
    return caller.policy.rules["metadef_admin"](caller, target)


def _default(caller: Caller, target: Target) -> bool:
    return caller.policy.rules["default"](caller, target)


def _admin_or_owning_reader(caller: Caller, target: Target) -> bool:
    return caller.is_admin or ("reader" in caller.roles and owns(caller, target))


def _admin_or_owning_member(caller: Caller, target: Target) -> bool:
    return caller.is_admin or ("member" in caller.roles and owns(caller, target))


def _service_or_owning_member(caller: Caller, target: Target) -> bool:
    return _service(caller, target) or ("member" in caller.roles and owns(caller, target))


def _admin_or_reader_who_sees(caller: Caller, target: Target) -> bool:
    return caller.is_admin or ("reader" in caller.roles and is_seen_by(caller, target))


def _admin_or_member_who_sees(caller: Caller, target: Target) -> bool:
    return caller.is_admin or ("member" in caller.roles and is_seen_by(caller, target))


def _admin_or_reader_on_either_side(caller: Caller, target: Target) -> bool:
    return caller.is_admin or (
        "reader" in caller.roles and (owns(caller, target) or is_on_member_side(caller, target))
    )


def _admin_or_member_on_member_side(caller: Caller, target: Target) -> bool:
    return caller.is_admin or ("member" in caller.roles and is_on_member_side(caller, target))


def _admin_or_reader_of_namespace(caller: Caller, target: Target) -> bool:
    return caller.is_admin or (
        "reader" in caller.roles and (owns(caller, target) or target.visibility == Visibility.PUBLIC)
    )


_SEES = (
    "(project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s"
    " or 'public':%(visibility)s or 'shared':%(visibility)s)"
)
_ANYBODY = Phrase(_anybody, "")
_ADMIN = Phrase(_admin, "rule:context_is_admin")
_SERVICE = Phrase(_service, "rule:service_api")
_DEFAULT = Phrase(_default, "rule:default")
_METADEF_ADMIN = Phrase(_metadef_admin, "rule:metadef_admin")
_ADMIN_OR_SERVICE = Phrase(_admin_or_service, "rule:context_is_admin or rule:service_api")
_CREATING_MEMBER = Phrase(
    _admin_or_owning_member,
    "rule:context_is_admin or (role:member and project_id:%(project_id)s and project_id:%(owner)s)",
)
_OWNING_MEMBER = Phrase(
    _admin_or_owning_member, "rule:context_is_admin or (role:member and project_id:%(project_id)s)"
)
_OWNING_READER = Phrase(
    _admin_or_owning_reader, "rule:context_is_admin or (role:reader and project_id:%(project_id)s)"
)
_LOCATING_MEMBER = Phrase(
    _service_or_owning_member,
    "rule:service_api or (role:member and project_id:%(project_id)s and project_id:%(owner)s)",
)
_SEEING_READER = Phrase(_admin_or_reader_who_sees, f"rule:context_is_admin or (role:reader and {_SEES})")
_SEEING_MEMBER = Phrase(_admin_or_member_who_sees, f"rule:context_is_admin or (role:member and {_SEES})")
_READER_ON_EITHER_SIDE = Phrase(
    _admin_or_reader_on_either_side,
    "rule:context_is_admin or role:reader and (project_id:%(project_id)s or project_id:%(member_id)s)",
)
_RECEIVING_MEMBER = Phrase(
    _admin_or_member_on_member_side, "rule:context_is_admin or (role:member and project_id:%(member_id)s)"
)
_NAMESPACE_READER = Phrase(
    _admin_or_reader_of_namespace,
    "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
)

_NAMESPACES = "/v2/metadefs/namespaces"
_NAMESPACE = "/v2/metadefs/namespaces/{namespace}"

#: name → what it says and who asks. `get_task` and its like are asked by nothing: Glance has their names.
DEFAULTS: Mapping[str, Default] = {
    # who is what
    "default": Default(_ANYBODY, "the rules that refer to it, and rules that are defined nowhere"),
    "context_is_admin": Default(
        Phrase(_admin_role, "role:admin"), "who is an admin, for all other rules and every list"
    ),
    "service_api": Default(
        Phrase(_service_or_admin_role, "role:service or role:admin"), "the rules that refer to it"
    ),
    # images
    "add_image": Default(_CREATING_MEMBER, "POST /v2/images"),
    "delete_image": Default(_OWNING_MEMBER, "DELETE /v2/images/{image_id}"),
    "get_image": Default(
        _SEEING_READER,
        "GET /v2/images/{image_id}; each image of GET /v2/images; before every call on an image",
    ),
    "get_images": Default(_OWNING_READER, "GET /v2/images"),
    "modify_image": Default(
        _OWNING_MEMBER,
        "PATCH /v2/images/{image_id}; PUT, DELETE /v2/images/{image_id}/tags/{tag};"
        " PUT /v2/images/{image_id}/stage; POST /v2/images/{image_id}/import",
    ),
    "publicize_image": Default(_ADMIN, "POST, PATCH with the visibility public"),
    "communitize_image": Default(_OWNING_MEMBER, "POST, PATCH with the visibility community"),
    "download_image": Default(_SEEING_MEMBER, "GET /v2/images/{image_id}/file"),
    "download_from_store": Default(_SEEING_MEMBER, "GET /v2/images/{image_id}/file with a store named"),
    "upload_image": Default(_OWNING_MEMBER, "PUT /v2/images/{image_id}/file"),
    "delete_image_location": Default(
        _ADMIN, "PATCH that removes a location; DELETE /v2/stores/{store_id}/{image_id}"
    ),
    "get_image_location": Default(
        _OWNING_READER, "showing locations; DELETE /v2/stores/{store_id}/{image_id}"
    ),
    "set_image_location": Default(_OWNING_MEMBER, "PATCH that adds or replaces locations"),
    "add_image_location": Default(_LOCATING_MEMBER, "POST /v2/images/{image_id}/locations"),
    "fetch_image_location": Default(_SERVICE, "GET /v2/images/{image_id}/locations"),
    "deactivate": Default(_OWNING_MEMBER, "POST /v2/images/{image_id}/actions/deactivate"),
    "reactivate": Default(_OWNING_MEMBER, "POST /v2/images/{image_id}/actions/reactivate"),
    "copy_image": Default(_ADMIN, "POST /v2/images/{image_id}/import with the method copy-image"),
    # members
    "add_member": Default(_OWNING_MEMBER, "POST /v2/images/{image_id}/members"),
    "delete_member": Default(_OWNING_MEMBER, "DELETE /v2/images/{image_id}/members/{member_id}"),
    "get_member": Default(_READER_ON_EITHER_SIDE, "GET /v2/images/{image_id}/members/{member_id}"),
    "get_members": Default(_READER_ON_EITHER_SIDE, "GET /v2/images/{image_id}/members"),
    "modify_member": Default(_RECEIVING_MEMBER, "PUT /v2/images/{image_id}/members/{member_id}"),
    # cache and stores
    "manage_image_cache": Default(_ADMIN, "older calls of the cache"),
    "cache_image": Default(_ADMIN, "PUT /v2/cache/{image_id}"),
    "cache_list": Default(_ADMIN, "GET /v2/cache"),
    "cache_delete": Default(_ADMIN, "DELETE /v2/cache; DELETE /v2/cache/{image_id}"),
    "cache_clean": Default(_ADMIN, "POST /v2/cache/clean"),
    "cache_prune": Default(_ADMIN, "POST /v2/cache/prune"),
    "list_cached_nodes": Default(_ADMIN, "GET /v2/cache/nodes/{image_id}"),
    "stores_info_detail": Default(_ADMIN_OR_SERVICE, "GET /v2/info/stores/detail"),
    # tasks
    "tasks_api_access": Default(_ADMIN, "GET, POST /v2/tasks; GET, DELETE /v2/tasks/{task_id}"),
    "get_task": Default(_DEFAULT, "nothing"),
    "get_tasks": Default(_DEFAULT, "nothing"),
    "add_task": Default(_DEFAULT, "nothing"),
    "modify_task": Default(_DEFAULT, "nothing"),
    # the IMS API and the share API, beside the rules for images and members
    "add_group_member": Default(_OWNING_MEMBER, "calls that share with a domain or an organisation"),
    "manage_family": Default(_OWNING_MEMBER, "calls that make or change families and their versions"),
    "manage_hook": Default(_OWNING_MEMBER, "calls below /share/v1/hooks"),
    "manage_share_rule": Default(_OWNING_MEMBER, "PUT, DELETE below /share/v1/rules"),
    "manage_publisher": Default(_ADMIN, "PUT, DELETE /share/v1/publishers/{project_id}"),
    "get_events": Default(_OWNING_READER, "GET /share/v1/events"),
    "get_all_events": Default(_ADMIN, "GET /share/v1/events with all=true; hooks of the scope all"),
    "get_operation": Default(_ADMIN, "GET /share/v1/operation; GET /share/v1/projects"),
    # metadata definitions
    "metadef_default": Default(_ANYBODY, "the rules that refer to it"),
    "metadef_admin": Default(_ADMIN, "the rules that refer to it"),
    "get_metadef_namespace": Default(
        _NAMESPACE_READER, f"GET {_NAMESPACE}, and before every call below a namespace"
    ),
    "get_metadef_namespaces": Default(_OWNING_READER, f"GET {_NAMESPACES}"),
    "modify_metadef_namespace": Default(_METADEF_ADMIN, f"PUT {_NAMESPACE}"),
    "add_metadef_namespace": Default(_METADEF_ADMIN, f"POST {_NAMESPACES}"),
    "delete_metadef_namespace": Default(
        _METADEF_ADMIN, f"DELETE {_NAMESPACE}; DELETE {_NAMESPACE}/objects, …/properties, …/tags"
    ),
    "get_metadef_object": Default(_NAMESPACE_READER, f"GET {_NAMESPACE}/objects/{{name}}"),
    "get_metadef_objects": Default(_NAMESPACE_READER, f"GET {_NAMESPACE}/objects"),
    "modify_metadef_object": Default(_METADEF_ADMIN, f"PUT {_NAMESPACE}/objects/{{name}}"),
    "add_metadef_object": Default(_METADEF_ADMIN, f"POST {_NAMESPACE}/objects"),
    "delete_metadef_object": Default(_METADEF_ADMIN, f"DELETE {_NAMESPACE}/objects/{{name}}"),
    "list_metadef_resource_types": Default(_NAMESPACE_READER, "GET /v2/metadefs/resource_types"),
    "get_metadef_resource_type": Default(_NAMESPACE_READER, f"GET {_NAMESPACE}/resource_types"),
    "add_metadef_resource_type_association": Default(_METADEF_ADMIN, f"POST {_NAMESPACE}/resource_types"),
    "remove_metadef_resource_type_association": Default(
        _METADEF_ADMIN, f"DELETE {_NAMESPACE}/resource_types/{{name}}"
    ),
    "get_metadef_property": Default(_NAMESPACE_READER, f"GET {_NAMESPACE}/properties/{{name}}"),
    "get_metadef_properties": Default(_NAMESPACE_READER, f"GET {_NAMESPACE}/properties"),
    "modify_metadef_property": Default(_METADEF_ADMIN, f"PUT {_NAMESPACE}/properties/{{name}}"),
    "add_metadef_property": Default(_METADEF_ADMIN, f"POST {_NAMESPACE}/properties"),
    "remove_metadef_property": Default(_METADEF_ADMIN, f"DELETE {_NAMESPACE}/properties/{{name}}"),
    "get_metadef_tag": Default(_NAMESPACE_READER, f"GET {_NAMESPACE}/tags/{{name}}"),
    "get_metadef_tags": Default(_NAMESPACE_READER, f"GET {_NAMESPACE}/tags"),
    "modify_metadef_tag": Default(_METADEF_ADMIN, f"PUT {_NAMESPACE}/tags/{{name}}"),
    "add_metadef_tag": Default(_METADEF_ADMIN, f"POST {_NAMESPACE}/tags/{{name}}"),
    "add_metadef_tags": Default(_METADEF_ADMIN, f"POST {_NAMESPACE}/tags"),
    "delete_metadef_tag": Default(_METADEF_ADMIN, f"DELETE {_NAMESPACE}/tags/{{name}}"),
    "delete_metadef_tags": Default(_METADEF_ADMIN, f"DELETE {_NAMESPACE}/tags"),
}

DEFAULT_POLICY = Policy({name: default.says.rule for name, default in DEFAULTS.items()})


@lru_cache(maxsize=4)
def looks_at_images(policy: Policy) -> bool:
    """Whether a rule that batches ask may look at more of an image than whose it is and who sees it. None of
    the code's does."""
    return any(has_own_rule(policy, name) for name in _ASKED_BY_BATCHES)


def has_own_rule(policy: Policy, name: str) -> bool:
    """Whether the operator has set this rule, or one that it refers to."""
    return policy.rules[name] is not DEFAULT_POLICY.rules[name]


_ASKED_BY_BATCHES = ("get_image", "add_member", "delete_member", "modify_member")
