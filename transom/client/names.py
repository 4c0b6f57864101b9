"""Names that people write → ids, looked up with the caller's own token."""

import re
from typing import Any
from urllib.parse import quote

from transom.client.service import RefusedError, Service

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX = re.compile(r"[0-9a-fA-F]{32}")
#: What says that the caller may not look, or that there is nothing.
_NO_ANSWER = (403, 404)


def find_image(service: Service, text: str) -> dict[str, Any]:
    """The image of this id, or the only one of this name that the caller's lists have, offers included."""
    if _UUID.fullmatch(text):
        image: dict[str, Any] = service.call("GET", f"/v2/images/{text}")
        return image
    found: dict[str, dict[str, Any]] = {}
    for more in ({}, {"visibility": "shared", "member_status": "all"}, {"os_hidden": "true"}):
        for one in service.pages("/v2/images", {"name": f"eq:{text}", **more}, "images"):
            found[one["id"]] = one
        if found:
            break
    return _only(list(found.values()), "image", text)


def is_uuid(text: str) -> bool:
    """Whether the text has the form of the id of an image or a family."""
    return _UUID.fullmatch(text) is not None


def find_project(service: Service, text: str) -> str:
    """The id of the project of this id or name. Where the identity service tells the caller nothing, a text
    that has the form of an id is taken for one."""
    return find_in_identity(service, "project", text)


def find_domain(service: Service, text: str) -> str:
    """As `find_project`, of a domain."""
    return find_in_identity(service, "domain", text)


def find_in_identity(service: Service, kind: str, text: str) -> str:
    """As `find_project`, of a kind of which the identity service has a list."""
    key = f"{kind}s"
    options: dict[str, Any] = {"service": "identity", "allowed": _NO_ANSWER}
    answer = service.request("GET", f"/{key}/{quote(text, safe='')}", **options)
    if answer.ok:
        return str(answer.json()[kind]["id"])
    answer = service.request("GET", f"/{key}", params={"name": text}, **options)
    named = answer.json()[key] if answer.ok else []
    if not named and (_HEX.fullmatch(text) or _UUID.fullmatch(text)):
        return text
    return str(_only(named, kind, text)["id"])


def _only(found: list[dict[str, Any]], kind: str, text: str) -> dict[str, Any]:
    if not found:
        raise RefusedError(f"There is no {kind} {text!r} that you can see.", 404)
    if len(found) > 1:
        ids = ", ".join(sorted(str(one["id"]) for one in found))
        raise RefusedError(f"There are {len(found)} {kind}s of the name {text!r}; give the id: {ids}.", 409)
    return found[0]
