"""Tokens for a domain: Terraform's providers take one before anything else, and look around with it.

Which scopes are malformed is Keystone's own judgement: the table is put to a real one, too.
"""

import asyncio
import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from harness import plain_http
from harness.keystone import DOMAIN, Keystone
from harness.service import Service

from transom.api.routes import IMS_ROUTES, ROUTES
from transom.domain.errors import ForbiddenError, UnauthenticatedError
from transom.domain.policy import DEFAULT_POLICY
from transom.identity import TokenRequest
from transom.identity.accounts import AccountsFile
from transom.identity.builtin import BuiltinIdentity
from transom.identity.credentials import CredentialDraft
from transom.identity.directory import Accounts, Domain, DomainReference, Reference
from transom.identity.sessions import Scope

V3 = "/identity/v3"
DEFAULT = {"id": "default", "name": "Default"}
OF_DOMAIN = {"domain": {"id": "default"}}

#: (scope, status of a login that asks for it): those of Keystone.
SCOPES: dict[str, tuple[Any, int]] = {
    "by id": ({"domain": {"id": "default"}}, 201),
    "by name": ({"domain": {"name": "Default"}}, 201),
    "by both": ({"domain": {"id": "default", "name": "Default"}}, 201),
    "unknown id": ({"domain": {"id": "nowhere"}}, 401),
    "unknown name": ({"domain": {"name": "Nowhere"}}, 401),
    "name for an id": ({"domain": {"id": "Default"}}, 401),
    "blank behind the name": ({"domain": {"name": "Default "}}, 401),
    "empty id": ({"domain": {"id": ""}}, 401),
    "null id": ({"domain": {"id": None}}, 400),
    "number": ({"domain": {"id": 1}}, 400),
    "empty": ({"domain": {}}, 400),
    "null": ({"domain": None}, 400),
    "text": ({"domain": "default"}, 400),
    "list": ({"domain": [{"id": "default"}]}, 400),
    "nothing": ({}, 400),
    "another word": ({"domains": {"id": "default"}}, 400),
    "project too": ({"domain": {"id": "default"}, "project": {"id": "x"}}, 400),
    "unscoped too": ({"domain": {"id": "default"}, "unscoped": {}}, 400),
    "system too": ({"domain": {"id": "default"}, "system": {"all": True}}, 400),
    "trust too": ({"domain": {"id": "default"}, "OS-TRUST:trust": {"id": "x"}}, 400),
    "word beside it": ({"domain": {"id": "default"}, "colour": "blue"}, 201),
}


def post_login(
    server: Service, identity: dict[str, Any], scope: Any = None, root: str = V3
) -> httpx.Response:
    auth = {"identity": identity} | ({} if scope is None else {"scope": scope})
    return server.client(None).post(f"{root}/auth/tokens", json={"auth": auth})


def by_password(server: Service, name: str) -> dict[str, Any]:
    cloud = server.clouds[name]
    user = {"name": cloud.username, "domain": {"name": "Default"}, "password": cloud.password}
    return {"methods": ["password"], "password": {"user": user}}


def by_token(token: str) -> dict[str, Any]:
    return {"methods": ["token"], "token": {"id": token}}


def domain_token(server: Service, name: str = "publisher") -> str:
    answer = post_login(server, by_password(server, name), OF_DOMAIN)
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"]


def ask(server: Service, token: str, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    headers = {"X-Auth-Token": token} | more.pop("headers", {})
    return server.client(None).request(method, path, headers=headers, **more)


# ---- logging in


@pytest.mark.parametrize("root", [V3, "/v3"])
@pytest.mark.parametrize("named", [{"id": "default"}, {"name": "Default"}])
def test_a_token_of_the_domain_says_so(server: Service, named: dict[str, str], root: str) -> None:
    answer = post_login(server, by_password(server, "publisher"), {"domain": named}, root)

    token = answer.json()["token"]
    assert answer.status_code == 201
    assert token["domain"] == DEFAULT
    assert token["roles"] == [{"id": "reader", "name": "reader"}]
    assert [entry["type"] for entry in token["catalog"]] == ["identity"]
    assert not {"project", "is_domain"} & set(token)
    assert (
        ask(
            server,
            answer.headers["X-Subject-Token"],
            f"{V3}/auth/tokens",
            headers={"X-Subject-Token": answer.headers["X-Subject-Token"]},
        ).json()["token"]
        == token
    )


@pytest.mark.parametrize(("scope", "status"), SCOPES.values(), ids=SCOPES)
def test_a_scope_is_judged_as_by_keystone(server: Service, scope: Any, status: int) -> None:
    answer = post_login(server, by_password(server, "publisher"), scope)

    assert answer.status_code == status, answer.text
    if status != 201:
        assert answer.json()["error"]["code"] == status


@pytest.mark.parametrize(("scope", "status"), SCOPES.values(), ids=SCOPES)
def test_keystone_judges_so(keystone: Keystone, scope: Any, status: int) -> None:
    admin, role = keystone.users["admin"], keystone.roles["admin"]
    assert keystone.admin.put(f"/domains/{DOMAIN}/users/{admin}/roles/{role}").is_success
    user = {"name": "admin", "domain": {"id": DOMAIN}, "password": keystone.password}
    identity = {"methods": ["password"], "password": {"user": user}}

    answer = plain_http.post(
        f"{keystone.auth_url}/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
    )

    assert answer.status_code == status, answer.text


def test_id_and_name_must_agree(server: Service) -> None:
    """Keystone goes by the name and lets the id be."""
    for named in ({"id": "default", "name": "Other"}, {"id": "other", "name": "Default"}):
        answer = post_login(server, by_password(server, "publisher"), {"domain": named})
        assert answer.status_code == 401


def test_a_malformed_scope_is_named(server: Service) -> None:
    answer = post_login(server, by_password(server, "publisher"), {"domain": {}})

    assert "scope.domain" in answer.json()["error"]["message"]


# ---- what it is good for


@pytest.mark.parametrize(
    ("path", "key", "count"),
    [
        ("/auth/projects", "projects", 1),
        ("/auth/domains", "domains", 1),
        ("/domains", "domains", 1),
        ("/projects", "projects", 1),
        ("/projects?name=publisher", "projects", 1),
        ("/users", "users", 1),
        ("/users?name=publisher", "users", 1),
        ("/auth/catalog", "catalog", 1),
        ("/regions", "regions", 1),
    ],
)
def test_it_looks_around(server: Service, path: str, key: str, count: int) -> None:
    answer = ask(server, domain_token(server), f"{V3}{path}")

    assert answer.status_code == 200
    assert len(answer.json()[key]) == count


def test_an_admins_is_no_admins(server: Service) -> None:
    """There are no roles in domains: a role in one project is none in the domain around it."""
    token = domain_token(server, "admin")

    assert [user["name"] for user in ask(server, token, f"{V3}/users").json()["users"]] == ["admin"]
    assert len(ask(server, token, f"{V3}/projects").json()["projects"]) == 1
    assert ask(server, token, f"{V3}/role_assignments").status_code == 403


#: Told to whoever has a token: nothing there is of an image, or of anybody.
_FOR_EVERYBODY = re.compile(r"/v1|/v1\.1|/v2|/v2/(info|schemas)/.*|/v1/cloudimages/os_version")
_OF_IMAGES = [
    (route.method, prefix + route.path)
    for prefix, table in (("", ROUTES), ("/ims", (*ROUTES, *IMS_ROUTES)))
    for route in table
    if route.path.startswith(("/v1", "/v2")) and not _FOR_EVERYBODY.fullmatch(route.path)
]


@pytest.mark.parametrize("name", ["publisher", "admin"])
def test_it_does_nothing_to_images(server: Service, name: str) -> None:
    """At every path of both APIs, about an image that all may see."""
    admin = server.client("admin")
    image = admin.post("/v2/images", json={"name": uuid.uuid4().hex, "visibility": "public"}).json()
    project = server.clouds[name].project_id
    token = domain_token(server, name)

    allowed = {}
    for method, template in _OF_IMAGES:
        path = template.format_map(_Filled(image_id=image["id"], project_id=project))
        body = {"name": "changed"} if method in ("POST", "PUT", "PATCH") else None
        answer = ask(server, token, path, method, json=body)
        if not 400 <= answer.status_code < 500:
            allowed[method, template] = answer.status_code

    assert allowed == {}
    assert admin.get(f"/v2/images/{image['id']}").json() == image


class _Filled(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return str(uuid.uuid4())


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v2/images", None),
        ("GET", "/ims/v2/images", None),
        ("GET", "/v2/cloudimages", None),
        ("POST", "/v2/images", {"name": "none"}),
        ("POST", "/ims/v2/images", {"name": "none"}),
        ("GET", "/v1/cloudimages/quota", None),
        ("POST", "/v1/cloudimages/members", {"images": [str(uuid.uuid4())], "projects": ["x"]}),
    ],
)
def test_it_is_told_that_it_may_not(server: Service, method: str, path: str, body: Any) -> None:
    answer = ask(server, domain_token(server), path, method, json=body)

    assert answer.status_code == 403, answer.text


# ---- exchange, and its end


def test_it_is_exchanged_for_a_projects(server: Service) -> None:
    first = post_login(server, by_password(server, "publisher"), OF_DOMAIN)
    project = {"project": {"id": server.clouds["publisher"].project_id}}

    answer = post_login(server, by_token(first.headers["X-Subject-Token"]), project)

    token = answer.json()["token"]
    assert token["project"]["name"] == "publisher"
    assert "domain" not in token
    assert token["expires_at"] == first.json()["token"]["expires_at"]
    assert ask(server, answer.headers["X-Subject-Token"], "/v2/images").status_code == 200


@pytest.mark.parametrize("scope", [OF_DOMAIN, {"domain": {"name": "Default"}}])
def test_a_projects_is_exchanged_for_it(server: Service, scope: Any) -> None:
    answer = post_login(server, by_token(server.token("publisher")), scope)

    assert answer.status_code == 201
    assert answer.json()["token"]["domain"] == DEFAULT


def test_a_revoked_one_is_refused_by_all_apis(server: Service) -> None:
    token = domain_token(server)

    ended = ask(server, token, f"{V3}/auth/tokens", "DELETE", headers={"X-Subject-Token": token})

    assert ended.status_code == 204
    paths = (f"{V3}/auth/domains", "/v3/auth/domains", "/v2/images", "/v1/cloudimages/quota")
    assert [ask(server, token, path).status_code for path in paths] == [401] * 4
    assert post_login(server, by_token(token), OF_DOMAIN).status_code == 401


# ---- who gets none


@pytest.fixture
def identity(data_dir: Path) -> BuiltinIdentity:
    return BuiltinIdentity(data_dir, 3600, DEFAULT_POLICY)


@pytest.fixture
def password(clouds: dict[str, Any]) -> str:
    return str(clouds["publisher"]["auth"]["password"])


def log_in(identity: BuiltinIdentity, password: str, **scope: Any) -> tuple[str, Any]:
    who = Reference(name="publisher")
    return asyncio.run(identity.log_in_with_password(who, password, Scope(**scope)))


def with_domain(accounts: Accounts, domain_id: str) -> Accounts:
    domain = Domain(id=domain_id, name=f"The {domain_id}")
    return msgspec.structs.replace(accounts, domains=(*accounts.domains, domain))


def test_nobody_gets_one_of_a_foreign_domain(
    identity: BuiltinIdentity, data_dir: Path, password: str
) -> None:
    AccountsFile(data_dir).change(lambda accounts: with_domain(accounts, "other"))

    for named in (DomainReference(id="other"), DomainReference(name="The other")):
        with pytest.raises(UnauthenticatedError):
            log_in(identity, password, domain=named)


def test_it_ends_when_its_user_moves_to_another_domain(
    identity: BuiltinIdentity, data_dir: Path, password: str
) -> None:
    def move(accounts: Accounts) -> Accounts:
        users = tuple(
            msgspec.structs.replace(user, domain_id="other") if user.name == "publisher" else user
            for user in accounts.users
        )
        return msgspec.structs.replace(with_domain(accounts, "other"), users=users)

    token, _ = log_in(identity, password, domain=DomainReference(id="default"))
    asyncio.run(identity.open_session(token))

    AccountsFile(data_dir).change(move)

    with pytest.raises(UnauthenticatedError):
        asyncio.run(identity.open_session(token))


def test_its_caller_has_no_project_and_no_domain_of_images(identity: BuiltinIdentity, password: str) -> None:
    token, _ = log_in(identity, password, domain=DomainReference(id="default"))

    caller = asyncio.run(
        identity.authenticate(TokenRequest(token=token, method="GET", raw_path=b"/v2/images"))
    )

    assert (caller.project_id, caller.domain_id, caller.is_admin) == (None, None, False)
    assert caller.member_ids == (None, None)
    assert not caller.has_scope


def test_no_application_credential_is_made_with_it(identity: BuiltinIdentity, password: str) -> None:
    _, session = log_in(identity, password, domain=DomainReference(id="default"))

    with pytest.raises(ForbiddenError):
        asyncio.run(identity.create_credential(session, CredentialDraft(name="ci")))


def test_an_application_credential_gets_none(server: Service) -> None:
    user = server.client("publisher").get(f"{V3}/users").json()["users"][0]["id"]
    body = {"application_credential": {"name": uuid.uuid4().hex, "unrestricted": True}}
    path = f"{V3}/users/{user}/application_credentials"
    made = server.client("publisher").post(path, json=body).json()["application_credential"]
    named = {"id": made["id"], "secret": made["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": named}

    token = post_login(server, identity).headers["X-Subject-Token"]

    assert post_login(server, identity, OF_DOMAIN).status_code == 401
    assert post_login(server, by_token(token), OF_DOMAIN).status_code == 403
