"""Requests for every route there is, with something real wherever the path has a variable.

`World` is a service with an image of project `publisher` that project `recipient` has accepted; what a
request uses up is made anew for the next. The answers that are right are in `route_table.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
from harness.service import Service

from transom.api.routes import IMS_ROUTES, ROUTES, Route

Made = TypeVar("Made")

#: Caller → account, in the order of the table's columns.
CALLERS: dict[str, str | None] = {
    "owner-member": "publisher",
    "owner-reader": "publisher-reader",
    "recipient-member": "recipient",
    "recipient-reader": "recipient-reader",
    "other-member": "other",
    "other-reader": "other-reader",
    "admin": "admin",
    "anonymous": None,
}
FURTHER_USERS = [
    ("publisher-reader", "publisher", "reader"),
    ("recipient-reader", "recipient", "reader"),
    ("other-reader", "other", "reader"),
]
DATA = b"some bytes of a disk"
NAMESPACE = "OS::Table"
OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
_HOOKS = "/share/v1/hooks"
_HOOK = {"url": "https://ci.example.org/images"}
RULE = {"answer": "accepted"}
ABSENT = "11111111-2222-4333-8444-555555555555"
_OWN = {f"{route.method} {route.path}" for route in ROUTES}


def key_of(route: Route, *, is_ims: bool) -> str:
    """As the table has it: `/ims` stands before what both APIs have and the IMS API has otherwise."""
    key = f"{route.method} {route.path}"
    return f"{route.method} /ims{route.path}" if is_ims and key in _OWN else key


#: Key → route, of both APIs.
ALL = {key_of(route, is_ims=False): route for route in ROUTES} | {
    key_of(route, is_ims=True): route for route in IMS_ROUTES
}


class World:
    """The things that requests are about."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.project = {name: cloud.project_id for name, cloud in service.clouds.items()}
        self.owner, self.admin = service.client("publisher"), service.client("admin")
        self.numbers = itertools.count()
        self._whole: dict[str, Any] = {}
        self._lent: dict[str, Any] = {}
        self.user_id = self.owner.get("/identity/v3/users").json()["users"][0]["id"]
        self.kept_image = self.make_image()
        self.kept_namespace = self.make_namespace()
        self.kept_credential = self.make_credential()
        self.kept_family = self.make_family()

    def lend(self, make: Callable[[], Made]) -> Made:
        """What this makes, for the request that follows: new, unless a refused one has left one as it was."""
        name = make.__name__
        made: Made = self._whole.pop(name) if name in self._whole else make()
        self._lent[name] = made
        return made

    def _take_back(self, answer: httpx.Response) -> None:
        if answer.is_client_error:
            self._whole |= self._lent
        self._lent = {}

    def make_image(self) -> str:
        body = {"name": "table", "disk_format": "raw", "container_format": "bare", "tags": ["blue"]}
        image_id = str(self.owner.post("/v2/images", json=body).json()["id"])
        self.owner.put(f"/v2/images/{image_id}/file", content=DATA, headers=OCTETS)
        member = {"member": self.project["recipient"]}
        self.owner.post(f"/v2/images/{image_id}/members", json=member)
        self.service.client("recipient").put(
            f"/v2/images/{image_id}/members/{self.project['recipient']}", json={"status": "accepted"}
        )
        return image_id

    def make_queued_image(self) -> str:
        body = {"name": "table", "disk_format": "raw", "container_format": "bare"}
        image_id = str(self.owner.post("/v2/images", json=body).json()["id"])
        self.owner.post(f"/v2/images/{image_id}/members", json={"member": self.project["recipient"]})
        return image_id

    def make_namespace(self) -> str:
        name = f"{NAMESPACE}{next(self.numbers)}"
        body = {
            "namespace": name,
            "visibility": "public",
            "objects": [{"name": "one"}],
            "properties": {"one": {"title": "One", "type": "string"}},
            "tags": [{"name": "one"}],
            "resource_type_associations": [{"name": "one"}],
        }
        answer = self.admin.post("/v2/metadefs/namespaces", json=body)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return name

    def make_family(self) -> str:
        """A family of two versions, which is offered to the recipient and not answered."""
        recipient = self.project["recipient"]
        made = self.owner.post("/share/v1/families", json={"name": f"f{next(self.numbers)}"})
        family_id = str(made.json()["id"])
        path = f"/share/v1/families/{family_id}"
        tag = self.owner.get(f"{path}/members").headers["ETag"]
        self.owner.put(f"{path}/members", json={"projects": [recipient]}, headers={"If-Match": tag})
        for _ in range(2):
            self.owner.post(f"{path}/versions", json={"image_id": self.make_image()})
        return family_id

    def make_revoked_family(self) -> str:
        """A family whose first version is revoked."""
        family_id = self.make_family()
        path = f"/share/v1/families/{family_id}/versions/1/revoke"
        self.owner.post(path, json={"reason": "to be restored"})
        return family_id

    def make_hook(self) -> dict[str, Any]:
        """The only webhook of the publisher's project."""
        for hook in self.owner.get(_HOOKS).json()["items"]:
            self.owner.delete(f"{_HOOKS}/{hook['id']}")
        made = self.owner.post(_HOOKS, json=_HOOK)
        return dict(made.json())

    def make_credential(self) -> tuple[str, str]:
        """(its id, that of its access rule), of the publisher's user."""
        rule = {"service": "image", "method": "GET", "path": f"/v2/{next(self.numbers)}"}
        body = {"application_credential": {"name": f"c{next(self.numbers)}", "access_rules": [rule]}}
        answer = self.owner.post(f"/identity/v3/users/{self.user_id}/application_credentials", json=body)
        made = answer.json()["application_credential"]
        return made["id"], made["access_rules"][0]["id"]

    def make_rule(self) -> str:
        """An access rule that no credential has."""
        credential_id, rule_id = self.make_credential()
        self.owner.delete(f"/identity/v3/users/{self.user_id}/application_credentials/{credential_id}")
        return rule_id

    def first_id(self, key: str) -> str:
        return str(self.admin.get(f"/identity/v3/{key}").json()[key][0]["id"])

    def ask(
        self,
        key: str,
        caller: str,
        prefix: str = "",
        query: str = "",
        content: bytes | None = None,
        further: Mapping[str, str] = MappingProxyType({}),
    ) -> httpx.Response:
        """Make the request of this key as this caller. `prefix`: "/ims" for the other dialect; `query` and
        `content`: a query string, and a body in place of the usual one; `further`: headers."""
        method, _, template = key.partition(" ")
        account = CALLERS[caller]
        self._prepare(key, account or "publisher")
        fills = self._fills(key, account)
        if "{hook_id}" in template:
            hook = self.make_hook()
            fills |= {"hook_id": hook["id"], "cursor": hook["cursor"]}
        path = template.format(**fills)
        body = BODIES.get(key)
        body = body(self, fills) if callable(body) else body
        headers: dict[str, str] = {}
        options: dict[str, Any] = {}
        if isinstance(body, bytes):
            headers, options = dict(OCTETS), {"content": body}
        elif body is not None:
            options = {"json": body}
            headers = dict(PATCH) if method == "PATCH" else {}
        if "/auth/tokens" in key and method != "POST":
            headers["X-Subject-Token"] = self.fresh_token()
        if method == "PUT" and "{family_id}" in key:
            noun = path.rsplit("/", 1)[1]
            headers["If-Match"] = self.owner.get(f"/share/v1/families/{fills['family_id']}/{noun}").headers[
                "ETag"
            ]
        if key == "PUT /share/v1/images/{image_id}/shares":
            headers["If-Match"] = self.owner.get(path).headers["ETag"]
        if key == "GET /share/v1/shares":
            path += f"?to={self.project['recipient']}"
        if query:
            path += f"{'&' if '?' in path else '?'}{query}"
        if content is not None:
            options = {"content": content}
            headers.setdefault("Content-Type", "application/json")
        headers |= further
        answer = self.service.client(account).request(method, prefix + path, headers=headers, **options)
        self._take_back(answer)
        return answer

    def fresh_token(self) -> str:
        """Another token of the publisher's user."""
        cloud = self.service.clouds["publisher"]
        user = {"name": cloud.username, "domain": {"id": "default"}, "password": cloud.password}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"id": cloud.project_id}}
        body = {"auth": {"identity": identity, "scope": scope}}
        answer = self.service.client(None).post("/identity/v3/auth/tokens", json=body)
        return str(answer.headers["X-Subject-Token"])

    def _prepare(self, key: str, account: str) -> None:
        """Have what the call looks at or removes, and not what it makes."""
        method, _, path = key.partition(" ")
        verb = "DELETE" if method == "PUT" else "PUT"
        if path.startswith("/share/v1/rules/"):
            fills = self._fills(key, account)
            client = self.service.client(account.removesuffix("-reader"))
            client.request(verb, path.format(**fills), json=None if verb == "DELETE" else RULE)
        if path.startswith("/share/v1/publishers/"):
            fills = self._fills(key, account)
            body = None if verb == "DELETE" else _publisher(self, fills)
            self.admin.request(verb, path.format(**fills), json=body)

    def _fills(self, key: str, account: str | None) -> dict[str, str]:
        """The path's variables."""
        method, _, path = key.partition(" ")
        is_read = method in ("GET", "HEAD")
        fills = {
            "member_id": self.project["recipient"],
            "project_id": self.project[account or "publisher"],
            "tag": "blue",
            "key": "blue",
            "name": "one",
            "store_id": "local",
            "task_id": ABSENT,
            "job_id": "0" * 32,
            "id": self.user_id,
            "recipients": "projects",
            "number": "1",
            "recipient_id": self.project["publisher" if "/rules/" in path else "recipient"],
        }
        if "{image_id}" in path:
            needs_queued = key.endswith(("PUT /v2/images/{image_id}/stage", "/locations")) and not is_read
            is_kept = self.kept_image if is_read else None
            fills["image_id"] = is_kept or (
                self.lend(self.make_queued_image if needs_queued or key in QUEUED else self.make_image)
            )
        if "{namespace}" in path:
            fills["namespace"] = self.kept_namespace if is_read else self.lend(self.make_namespace)
        if "{family_id}" in path:
            make = self.make_revoked_family if path.endswith("/restore") else self.make_family
            fills["family_id"] = self.kept_family if is_read else self.lend(make)
        if "{credential_id}" in path:
            fills["credential_id"] = (
                self.kept_credential[0] if is_read else self.lend(self.make_credential)[0]
            )
        if "{rule_id}" in path:
            fills["rule_id"] = self.kept_credential[1] if is_read else self.lend(self.make_rule)
        if path.startswith("/identity/v3/"):
            fills["id"] = self._identity_id(path.split("/")[3])
        if path.endswith("/problems/{name}"):
            fills["name"] = "invalid"
        if key == f"POST {_SPACE}/tags/{{name}}":
            fills["name"] = "two"
        return fills

    def _identity_id(self, noun: str) -> str:
        """The id of one of these."""
        known = {"projects": self.project["publisher"], "domains": "default", "roles": "member"}
        if noun in ("services", "endpoints", "regions"):
            return self.first_id(noun)
        return str(known.get(noun, self.user_id))


#: Calls that are about an image without data.
QUEUED = frozenset({"PUT /v2/images/{image_id}/file", "PUT /v2/images/{image_id}/stage"})


def _images(world: World, _fills: dict[str, str]) -> dict[str, Any]:
    return {"images": [world.lend(world.make_image)], "projects": [world.project["other"]]}


def _answer(world: World, _fills: dict[str, str]) -> dict[str, Any]:
    return {
        "images": [world.lend(world.make_image)],
        "project_id": world.project["recipient"],
        "status": "rejected",
    }


def _withdrawal(world: World, _fills: dict[str, str]) -> dict[str, Any]:
    return {"images": [world.lend(world.make_image)], "projects": [world.project["recipient"]]}


def _tag(world: World, _fills: dict[str, str]) -> dict[str, Any]:
    return {"image_id": world.lend(world.make_image), "tag": "green.1"}


def _publisher(_world: World, fills: dict[str, str]) -> dict[str, Any]:
    """No two publishers have one name."""
    return {"name": f"Team of {fills['project_id']}"}


_FAMILIES = "/share/v1/families"
_FAMILY = f"{_FAMILIES}/{{family_id}}"


def _new_family(world: World, _fills: dict[str, str]) -> dict[str, Any]:
    return {"name": f"f{next(world.numbers)}"}


def _version(world: World, _fills: dict[str, str]) -> dict[str, Any]:
    return {"image_id": world.lend(world.make_image)}


def _left(world: World, _fills: dict[str, str]) -> dict[str, Any]:
    return {"images": [world.lend(world.make_image)], "answer": "left"}


def _offer(world: World, _fills: dict[str, str]) -> dict[str, Any]:
    return {"images": [world.lend(world.make_image)], "projects": ["a-further-project"]}


_NAMESPACES = "/v2/metadefs/namespaces"
_SPACE = f"{_NAMESPACES}/{{namespace}}"
_RENAME = [{"op": "replace", "path": "/name", "value": "renamed"}]
_PAIRS = {"tags": [{"key": "blue", "value": ""}]}
_NEW_MEMBER = {"member": "a-further-project"}
_TITLED = {"title": "Two", "type": "string"}
#: Key → the body, or a function that makes it of the world and the path's variables.
BODIES: dict[str, Any] = {
    "POST /v2/images": {"name": "new"},
    "POST /ims/v2/images": {"name": "new"},
    "PATCH /v2/images/{image_id}": _RENAME,
    "PATCH /ims/v2/images/{image_id}": _RENAME,
    "PATCH /v2/cloudimages/{image_id}": _RENAME,
    "PUT /v2/images/{image_id}/file": DATA,
    "PUT /v2/images/{image_id}/stage": DATA,
    "POST /v2/images/{image_id}/import": {"method": {"name": "glance-direct"}},
    "POST /v2/images/{image_id}/locations": {"url": "https://images.example/disk.raw"},
    "POST /v2/images/{image_id}/members": _NEW_MEMBER,
    "POST /ims/v2/images/{image_id}/members": _NEW_MEMBER,
    "PUT /v2/images/{image_id}/members/{member_id}": {"status": "rejected"},
    "PUT /ims/v2/images/{image_id}/members/{member_id}": {"status": "rejected"},
    "POST /v2/tasks": {
        "type": "import",
        "input": {
            "import_from": "https://images.example/disk.raw",
            "import_from_format": "raw",
            "image_properties": {},
        },
    },
    f"POST {_NAMESPACES}": lambda world, _fills: {"namespace": f"OS::New{next(world.numbers)}"},
    f"PUT {_SPACE}": lambda _world, fills: {"namespace": fills["namespace"]},
    f"POST {_SPACE}/objects": {"name": "two"},
    f"PUT {_SPACE}/objects/{{name}}": {"name": "one"},
    f"POST {_SPACE}/properties": {"name": "two", **_TITLED},
    f"PUT {_SPACE}/properties/{{name}}": {"name": "one", **_TITLED},
    f"POST {_SPACE}/tags": {"tags": [{"name": "two"}]},
    f"PUT {_SPACE}/tags/{{name}}": {"name": "one"},
    f"POST {_SPACE}/resource_types": {"name": "two"},
    "POST /identity/v3/auth/tokens": {"auth": {"identity": {"methods": ["token"], "token": {"id": "none"}}}},
    "POST /identity/v3/users/{id}/password": {
        "user": {"password": "a new long password", "original_password": "not the one"}
    },
    "POST /identity/v3/users/{id}/application_credentials": lambda world, _fills: {
        "application_credential": {"name": f"n{next(world.numbers)}"}
    },
    "POST /v1/cloudimages/members": _images,
    "PUT /v1/cloudimages/members": _answer,
    "DELETE /v1/cloudimages/members": _withdrawal,
    "POST /v1/cloudimages/{image_id}/copy": {"name": "copy"},
    "POST /v2/cloudimages/{image_id}/copy": {"name": "copy"},
    "PUT /v1/cloudimages/tags": _tag,
    "DELETE /v1/{project_id}/cloudimages/{image_id}/tags/delete": _PAIRS,
    "POST /v1/{project_id}/cloudimages/{image_id}/tags/delete": _PAIRS,
    "POST /v2/{project_id}/images/{image_id}/tags": {"tag": {"key": "green", "value": "1"}},
    "POST /v2/{project_id}/images/{image_id}/tags/action": {"action": "create", **_PAIRS},
    "POST /v2/{project_id}/images/resource_instances/action": {"action": "count"},
    "PUT /share/v1/rules/{recipients}/{recipient_id}": RULE,
    "PUT /share/v1/rules/everybody": RULE,
    "POST /share/v1/answers": _left,
    "POST /share/v1/offers": _offer,
    "POST /share/v1/withdrawals": _withdrawal,
    "PUT /share/v1/images/{image_id}/shares": {"projects": []},
    "PATCH /share/v1/images/{image_id}/shares/{recipients}/{recipient_id}": {"message": "New"},
    f"POST {_FAMILIES}": _new_family,
    f"PATCH {_FAMILY}": {"title": "New"},
    f"POST {_FAMILY}/versions": _version,
    f"PATCH {_FAMILY}/versions/{{number}}": {"notes": "New"},
    f"POST {_FAMILY}/versions/{{number}}/revoke": {"reason": "A hole."},
    f"PUT {_FAMILY}/current": {"number": 1},
    f"PUT {_FAMILY}/members": {"projects": []},
    f"PATCH {_FAMILY}/members/{{recipients}}/{{recipient_id}}": {"message": "New"},
    "PUT /share/v1/publishers/{project_id}": _publisher,
    f"POST {_HOOKS}": _HOOK,
    f"PATCH {_HOOKS}/{{hook_id}}": {"batch": True},
    f"PUT {_HOOKS}/{{hook_id}}/cursor": lambda _world, fills: {"after": fills["cursor"]},
}
