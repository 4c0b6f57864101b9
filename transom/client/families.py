"""Families of images (`/share/v1/families`): versions, of which one is current."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from transom.client.service import RefusedError, Service

_FAMILIES = "/share/v1/families"
_NOT_FOUND = 404

Body = dict[str, Any]


def list_families(service: Service, role: str | None = None) -> Iterator[Body]:
    """`role`: owner or member."""
    return service.pages(_FAMILIES, {"role": role} if role else {}, "items")


def find_family(service: Service, text: str) -> Body:
    """The family of this id, or the only one of this name that the account's project owns or belongs to; with
    its current version and, for its owner, counts of its members."""
    answer = service.request("GET", _path(text), allowed=(_NOT_FOUND,))
    if answer.ok:
        family: Body = answer.json()
        return family
    found = {}
    for role in ("owner", "member"):
        for one in service.pages(_FAMILIES, {"name": text, "role": role}, "items"):
            found[one["id"]] = one
        if found:
            break
    if not found:
        raise RefusedError(f"There is no family {text!r} that you can see.", _NOT_FOUND)
    if len(found) > 1:
        ids = ", ".join(sorted(found))
        raise RefusedError(f"There are {len(found)} families of the name {text!r}; give the id: {ids}.", 409)
    whole: Body = service.call("GET", _path(next(iter(found))))
    return whole


def create_family(service: Service, fields: Body) -> Body:
    family: Body = service.call("POST", _FAMILIES, fields)
    return family


def change_family(service: Service, family_id: str, fields: Body) -> Body:
    """`fields`: those to change of title, description, support_url; None for no value."""
    family: Body = service.call("PATCH", _path(family_id), fields)
    return family


def delete_family(service: Service, family_id: str) -> None:
    service.call("DELETE", _path(family_id))


def list_versions(service: Service, family_id: str) -> Iterator[Body]:
    return service.pages(f"{_path(family_id)}/versions", {}, "items")


def publish(service: Service, family_id: str, fields: Body) -> Body:
    """Make an image the family's next version. `fields`: image_id, and name, notes, promote, end_of_life."""
    version: Body = service.call("POST", f"{_path(family_id)}/versions", fields)
    return version


def promote(service: Service, family_id: str, number: int) -> Body:
    """Make a version the current one, unless another was promoted since it was looked."""
    path = f"{_path(family_id)}/current"
    seen = service.request("GET", path, allowed=(_NOT_FOUND,))
    tag = seen.headers.get("ETag")
    if tag is None:
        raise RefusedError(f"There is no family {family_id!r} that you can see.", _NOT_FOUND)
    current: Body = service.call("PUT", path, {"number": number}, headers={"If-Match": tag})
    return current


def revoke(service: Service, family_id: str, number: int, fields: Body) -> Body:
    """`fields`: reason, and fall_back, at."""
    version: Body = service.call("POST", f"{_path(family_id)}/versions/{number}/revoke", fields)
    return version


def restore(service: Service, family_id: str, number: int) -> Body:
    version: Body = service.call("POST", f"{_path(family_id)}/versions/{number}/restore")
    return version


def remove_version(service: Service, family_id: str, number: int) -> None:
    service.call("DELETE", f"{_path(family_id)}/versions/{number}")


def list_members(service: Service, family_id: str, status: str | None = None) -> Iterator[Body]:
    params = {"status": status} if status else {}
    return service.pages(f"{_path(family_id)}/members", params, "items")


def set_members(service: Service, family_id: str, body: Body) -> Body:
    """The family has these members from now on, and no others. `body`: projects, domains,
    organizations, and terms of those
    that are new."""
    path = f"{_path(family_id)}/members"
    tag = service.request("GET", path).headers.get("ETag", "*")
    done: Body = service.call("PUT", path, body, headers={"If-Match": tag})
    return done


def _path(family_id: str) -> str:
    return f"{_FAMILIES}/{quote(family_id, safe='')}"
