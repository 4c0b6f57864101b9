"""The Keystone v3 API as clients use it: over HTTP, with openstacksdk, and with the openstack command.

A real service process; the accounts are those of its first start.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openstack
import pytest
from harness.service import Service
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

V3 = "/identity/v3"
OPENSTACK = str(Path(sys.executable).with_name("openstack"))

IMAGE_LIST = {"service": "image", "method": "GET", "path": "/v2/images"}

NewUser = Callable[[], str]


@pytest.fixture
def new_user(server: Service) -> NewUser:
    """A function that makes a user of the test's own, in a project of its name, and gives that name."""

    def make() -> str:
        name = f"user-{uuid.uuid4().hex[:8]}"
        server.add_user(name, name, "member")
        return name

    return make


@pytest.fixture
def user(new_user: NewUser) -> str:
    return new_user()


def _login_body(server: Service, name: str, **scope: Any) -> dict[str, Any]:
    cloud = server.clouds[name]
    user = {"name": cloud.username, "domain": {"name": "Default"}, "password": cloud.password}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, **scope}}


def _post_login(server: Service, body: Any) -> httpx.Response:
    return server.client(None).post(f"{V3}/auth/tokens", json=body)


def _new_token(server: Service, name: str) -> str:
    """One that the test may revoke."""
    scope = {"project": {"id": server.clouds[name].project_id}}
    return _post_login(server, _login_body(server, name, scope=scope)).headers["X-Subject-Token"]


def _user_id(server: Service, name: str) -> str:
    found: str = server.client(name).get(f"{V3}/users").json()["users"][0]["id"]
    return found


def _make_credential(server: Service, owner: str, **fields: Any) -> httpx.Response:
    path = f"{V3}/users/{_user_id(server, owner)}/application_credentials"
    body = {"application_credential": {"name": uuid.uuid4().hex, **fields}}
    return server.client(owner).post(path, json=body)


def _log_in_with_credential(server: Service, credential: dict[str, Any]) -> httpx.Response:
    named = {"id": credential["id"], "secret": credential["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": named}
    return _post_login(server, {"auth": {"identity": identity}})


def _run_openstack(
    server: Service, cloud: str, *words: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    clouds = {"OS_CLIENT_CONFIG_FILE": str(server.data_dir / "clouds.yaml"), "NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        [OPENSTACK, *(("--os-cloud", cloud) if cloud else ()), *words],
        env=inherited | clouds | environ,
        cwd=server.work_dir,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# Discovery


@pytest.mark.parametrize("path", ["/identity", "/identity/"])
def test_versions_are_listed_without_a_token(server: Service, path: str) -> None:
    response = server.client(None).get(path)

    version = response.json()["versions"]["values"][0]
    assert response.status_code == 300
    assert version["links"] == [{"rel": "self", "href": f"{server.url}{V3}/"}]


@pytest.mark.parametrize("path", [V3, f"{V3}/"])
def test_the_version_is_shown_without_a_token(server: Service, path: str) -> None:
    response = server.client(None).get(path)

    assert response.status_code == 200
    assert response.json()["version"]["id"] == "v3.14"


# Logging in


def test_a_login_gives_a_token_with_its_description(server: Service) -> None:
    scope = {"project": {"name": "publisher", "domain": {"id": "default"}}}

    response = _post_login(server, _login_body(server, "publisher", scope=scope))

    token = response.json()["token"]
    default = {"id": "default", "name": "Default"}
    assert response.status_code == 201
    assert response.headers["X-Subject-Token"]
    assert token["methods"] == ["password"]
    assert token["user"]["domain"] == default
    assert token["project"] == {
        "id": server.clouds["publisher"].project_id,
        "name": "publisher",
        "domain": default,
    }
    assert token["roles"] == [{"id": "member", "name": "member"}, {"id": "reader", "name": "reader"}]


def test_the_catalog_says_where_the_client_reached_us(server: Service) -> None:
    response = server.client(None).post(
        f"{V3}/auth/tokens", json=_login_body(server, "publisher"), headers={"Host": "images.example:81"}
    )

    urls = {
        service["type"]: {endpoint["interface"]: endpoint["url"] for endpoint in service["endpoints"]}
        for service in response.json()["token"]["catalog"]
    }
    interfaces = ("public", "internal", "admin")
    assert urls == {
        "image": dict.fromkeys(interfaces, "http://images.example:81"),
        "identity": dict.fromkeys(interfaces, "http://images.example:81/identity/v3"),
    }


def test_the_catalog_has_the_names_by_which_clients_look_services_up(server: Service) -> None:
    """Apache Libcloud finds a service by type and name: `image` and `glance`."""
    response = server.client("publisher").get(f"{V3}/auth/catalog")

    names = {service["type"]: service["name"] for service in response.json()["catalog"]}
    assert names == {"image": "glance", "identity": "keystone"}


def test_nocatalog_leaves_the_catalog_out(server: Service) -> None:
    response = server.client(None).post(f"{V3}/auth/tokens?nocatalog", json=_login_body(server, "publisher"))

    assert "catalog" not in response.json()["token"]


def test_a_login_without_scope_takes_the_default_project(server: Service) -> None:
    response = _post_login(server, _login_body(server, "publisher"))

    assert response.json()["token"]["project"]["name"] == "publisher"


@pytest.mark.parametrize("scope", ["unscoped", {"unscoped": {}}])
def test_an_unscoped_token_has_neither_project_nor_catalog(server: Service, scope: Any) -> None:
    response = _post_login(server, _login_body(server, "publisher", scope=scope))

    assert response.status_code == 201
    assert not {"project", "roles", "catalog"} & set(response.json()["token"])


def test_an_unscoped_token_is_exchanged_for_a_scoped_one(server: Service) -> None:
    unscoped = _post_login(server, _login_body(server, "publisher", scope="unscoped"))
    identity = {"methods": ["token"], "token": {"id": unscoped.headers["X-Subject-Token"]}}
    scope = {"project": {"id": server.clouds["publisher"].project_id}}

    response = _post_login(server, {"auth": {"identity": identity, "scope": scope}})

    assert response.status_code == 201
    assert response.json()["token"]["project"]["name"] == "publisher"
    assert response.json()["token"]["expires_at"] == unscoped.json()["token"]["expires_at"]


def _with_password(body: dict[str, Any]) -> None:
    body["auth"]["identity"]["password"]["user"]["password"] = "wrong"


def _with_user(body: dict[str, Any]) -> None:
    body["auth"]["identity"]["password"]["user"]["name"] = "nobody"


def _with_foreign_project(body: dict[str, Any]) -> None:
    body["auth"]["scope"] = {"project": {"name": "recipient", "domain": {"name": "Default"}}}


def _with_unknown_project(body: dict[str, Any]) -> None:
    body["auth"]["scope"] = {"project": {"id": "nowhere"}}


def _with_unknown_domain(body: dict[str, Any]) -> None:
    body["auth"]["scope"] = {"domain": {"id": "nowhere"}}


def _with_system(body: dict[str, Any]) -> None:
    body["auth"]["scope"] = {"system": {"all": True}}


@pytest.mark.parametrize(
    "spoil",
    [
        _with_password,
        _with_user,
        _with_foreign_project,
        _with_unknown_project,
        _with_unknown_domain,
        _with_system,
    ],
)
def test_refused_logins_look_alike(server: Service, spoil: Callable[[dict[str, Any]], None]) -> None:
    body = _login_body(server, "publisher")
    spoil(body)

    response = _post_login(server, body)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == f'Keystone uri="{server.url}{V3}"'
    assert response.json() == {
        "error": {
            "code": 401,
            "title": "Unauthorized",
            "message": "The request you have made requires authentication.",
        }
    }


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 400, "auth"),
        ([], 400, "object"),
        ({"auth": {"identity": {"methods": "password"}}}, 400, "$.auth.identity.methods"),
        ({"auth": {"identity": {"methods": []}}}, 400, "auth.identity.methods"),
        ({"auth": {"identity": {"methods": ["password", "token"]}}}, 400, "auth.identity.methods"),
        ({"auth": {"identity": {"methods": ["totp"]}}}, 401, "unsupported method"),
        ({"auth": {"identity": {"methods": ["password"]}}}, 400, "auth.identity.password"),
        (
            {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": 7}}}}},
            400,
            "$.auth.identity.password.user",
        ),
        (
            {"auth": {"identity": {"methods": ["password"], "password": {"user": {"password": "x"}}}}},
            400,
            "auth.identity.password.user",
        ),
        (
            {
                "auth": {
                    "identity": {
                        "methods": ["application_credential"],
                        "application_credential": {"name": "ci", "secret": "x"},
                    }
                }
            },
            400,
            "auth.identity.application_credential",
        ),
        ({"auth": {"identity": {"methods": ["token"], "token": {"id": "x"}}}}, 401, "token"),
    ],
)
def test_a_malformed_login_is_refused_by_the_name_of_its_field(
    server: Service, body: Any, status: int, named: str
) -> None:
    response = _post_login(server, body)

    assert response.status_code == status
    assert named in response.json()["error"]["message"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["auth", "identity", "methods", "password", "user", "id", "name", "domain", "token", "scope"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(identity=_json, scope=_json)
def test_no_body_is_a_server_error(server: Service, identity: Any, scope: Any) -> None:
    response = _post_login(server, {"auth": {"identity": identity, "scope": scope}})

    assert 400 <= response.status_code < 500


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"auth": "\\ud800"}', b"[" * 4_000])
def test_a_body_that_is_no_json_is_refused(server: Service, content: bytes) -> None:
    response = server.client(None).post(f"{V3}/auth/tokens", content=content)

    assert response.status_code == 400
    assert response.json()["error"]["title"] == "Bad Request"


# Tokens


def test_a_token_describes_itself(server: Service) -> None:
    token = server.token("publisher")

    response = server.client("publisher").get(f"{V3}/auth/tokens", headers={"X-Subject-Token": token})

    assert response.status_code == 200
    assert response.headers["X-Subject-Token"] == token
    assert response.json()["token"]["user"]["name"] == "publisher"


def test_head_says_only_that_a_token_is_valid(server: Service) -> None:
    token = server.token("publisher")

    response = server.client("publisher").head(f"{V3}/auth/tokens", headers={"X-Subject-Token": token})

    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("caller", "status"), [("publisher", 200), ("admin", 200), ("recipient", 403), (None, 401)]
)
def test_a_token_is_shown_to_its_user_and_admins(server: Service, caller: str | None, status: int) -> None:
    headers = {"X-Subject-Token": server.token("publisher")}

    assert server.client(caller).get(f"{V3}/auth/tokens", headers=headers).status_code == status


def test_a_service_may_check_the_tokens_of_others_but_not_revoke_them(server: Service) -> None:
    name = f"service-{uuid.uuid4().hex[:8]}"
    server.add_user(name, name, "service")
    headers = {"X-Subject-Token": server.token("publisher")}

    statuses = [
        server.client(name).request(method, f"{V3}/auth/tokens", headers=headers).status_code
        for method in ("GET", "DELETE")
    ]

    assert statuses == [200, 403]


@pytest.mark.parametrize(("headers", "status"), [({}, 400), ({"X-Subject-Token": "x"}, 404)])
def test_a_subject_that_is_no_token_is_not_found(
    server: Service, headers: dict[str, str], status: int
) -> None:
    response = server.client("publisher").get(f"{V3}/auth/tokens", headers=headers)

    assert response.status_code == status


def test_a_revoked_token_is_refused_by_all_apis(server: Service) -> None:
    token = _new_token(server, "other")
    own = {"X-Auth-Token": token, "X-Subject-Token": token}

    revoked = server.client(None).delete(f"{V3}/auth/tokens", headers=own)

    after = [server.client(None).get(path, headers=own) for path in (f"{V3}/projects", "/v2/images")]
    assert revoked.status_code == 204
    assert [response.status_code for response in after] == [401, 401]


def test_revoking_one_token_leaves_the_users_others(server: Service) -> None:
    first, second = _new_token(server, "other"), _new_token(server, "other")

    server.client(None).delete(f"{V3}/auth/tokens", headers={"X-Auth-Token": first, "X-Subject-Token": first})

    response = server.client(None).get(f"{V3}/projects", headers={"X-Auth-Token": second})
    assert response.status_code == 200


def test_an_altered_token_is_refused(server: Service) -> None:
    head, payload, signature = server.token("publisher").split(".")
    altered = ".".join((head, payload, signature[::-1]))

    response = server.client(None).get(f"{V3}/projects", headers={"X-Auth-Token": altered})

    assert response.status_code == 401


# Projects, domains, users, roles


def test_a_user_lists_the_projects_it_is_in_and_an_admin_all(server: Service) -> None:
    names = {
        caller: {
            project["name"] for project in server.client(caller).get(f"{V3}/projects").json()["projects"]
        }
        for caller in ("publisher", "admin")
    }

    assert names["publisher"] == {"publisher"}
    assert names["admin"] >= {"admin", "publisher", "recipient", "other"}


def test_anybody_finds_a_project_by_its_exact_name_or_id(server: Service) -> None:
    client, project_id = server.client("publisher"), server.clouds["recipient"].project_id

    by_name = client.get(f"{V3}/projects", params={"name": "recipient"}).json()["projects"]
    by_id = client.get(f"{V3}/projects/{project_id}").json()["project"]

    assert by_name == [by_id]
    assert by_id["id"] == project_id


@pytest.mark.parametrize(
    "query", ["name=recip", "name=", "name=RECIPIENT", "name=recipient&domain_id=x", "enabled=false"]
)
def test_no_other_query_finds_projects_of_others(server: Service, query: str) -> None:
    assert server.client("publisher").get(f"{V3}/projects?{query}").json()["projects"] == []


@pytest.mark.parametrize("path", [f"{V3}/auth/projects", f"{V3}/users/{{id}}/projects"])
def test_a_users_own_projects_are_listed(server: Service, path: str) -> None:
    response = server.client("publisher").get(path.format(id=_user_id(server, "publisher")))

    assert [project["name"] for project in response.json()["projects"]] == ["publisher"]


@pytest.mark.parametrize(
    ("path", "key", "count"),
    [
        ("auth/domains", "domains", 1),
        ("domains", "domains", 1),
        ("domains?name=Default", "domains", 1),
        ("domains?name=Nowhere", "domains", 0),
        ("auth/catalog", "catalog", 2),
        ("services", "services", 2),
        ("services?type=image", "services", 1),
        ("endpoints", "endpoints", 6),
        ("endpoints?interface=public", "endpoints", 2),
        ("regions", "regions", 1),
        ("roles", "roles", 5),
        ("roles?name=member", "roles", 1),
        ("roles?name=nothing", "roles", 0),
    ],
)
def test_a_list_has_its_entries_for_everybody(server: Service, path: str, key: str, count: int) -> None:
    response = server.client("publisher").get(f"{V3}/{path}")

    assert response.status_code == 200
    assert len(response.json()[key]) == count


@pytest.mark.parametrize(
    "path", ["services", "endpoints", "regions", "domains", "projects", "roles", "users"]
)
def test_every_entry_of_a_list_is_found_by_its_id(server: Service, path: str) -> None:
    entries = server.client("admin").get(f"{V3}/{path}").json()[path]

    found = [server.client("admin").get(f"{V3}/{path}/{entry['id']}").json() for entry in entries]

    assert found == [{path.removesuffix("s"): entry} for entry in entries]


@pytest.mark.parametrize(
    "path", ["services", "endpoints", "regions", "domains", "projects", "roles", "users"]
)
def test_an_unknown_id_is_not_found(server: Service, path: str) -> None:
    response = server.client("admin").get(f"{V3}/{path}/nothing")

    assert response.status_code == 404
    assert response.json()["error"]["title"] == "Not Found"


@pytest.mark.parametrize(
    "path", ["projects", "domains", "users", "roles", "services", "auth/catalog", "auth/projects"]
)
def test_nothing_is_listed_without_a_token(server: Service, path: str) -> None:
    assert server.client(None).get(f"{V3}/{path}").status_code == 401


def test_a_user_sees_itself_only(server: Service) -> None:
    other_id = _user_id(server, "other")
    client = server.client("publisher")

    listed = [user["name"] for user in client.get(f"{V3}/users").json()["users"]]
    statuses = [
        client.get(f"{V3}/users/{other_id}{what}").status_code
        for what in ("", "/projects", "/application_credentials")
    ]

    assert listed == ["publisher"]
    assert statuses == [404, 404, 404]


def test_an_admin_sees_who_has_which_role_where(server: Service) -> None:
    project_id = server.clouds["recipient"].project_id

    response = server.client("admin").get(
        f"{V3}/role_assignments", params={"scope.project.id": project_id, "include_names": "true"}
    )

    assignments = response.json()["role_assignments"]
    assert [(a["user"]["name"], a["role"]["name"]) for a in assignments] == [("recipient", "member")]


def test_role_assignments_are_for_admins(server: Service) -> None:
    assert server.client("publisher").get(f"{V3}/role_assignments").status_code == 403


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "projects"), ("DELETE", "users/x"), ("PUT", "auth/tokens")]
)
def test_what_is_read_only_says_what_is_allowed(server: Service, method: str, path: str) -> None:
    response = server.client("admin").request(method, f"{V3}/{path}")

    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert response.json()["error"]["code"] == 405


def test_a_user_changes_its_password_and_its_tokens_end(server: Service, user: str) -> None:
    path = f"{V3}/users/{_user_id(server, user)}/password"
    passwords = {"original_password": server.clouds[user].password, "password": "sesame-street"}

    response = server.client(user).post(path, json={"user": passwords})

    assert response.status_code == 204
    assert server.client(user).get(f"{V3}/projects").status_code == 401
    assert _post_login(server, _login_body(server, user)).status_code == 401


@pytest.mark.parametrize(
    ("passwords", "status"),
    [
        ({"original_password": "wrong", "password": "x" * 8}, 401),
        ({"original_password": "wrong", "password": "x" * 7}, 400),
        ({"original_password": "wrong", "password": ""}, 400),
        ({"password": "x"}, 400),
    ],
)
def test_a_password_is_not_changed_without_the_old_one(
    server: Service, passwords: dict[str, str], status: int
) -> None:
    path = f"{V3}/users/{_user_id(server, 'publisher')}/password"

    assert server.client("publisher").post(path, json={"user": passwords}).status_code == status


# Application credentials


def test_an_application_credential_is_made_used_and_deleted(server: Service, user: str) -> None:
    made = _make_credential(server, user, description="nightly", roles=[{"name": "reader"}])
    credential = made.json()["application_credential"]
    path = f"{V3}/users/{_user_id(server, user)}/application_credentials"

    login = _log_in_with_credential(server, credential)
    shown = server.client(user).get(f"{path}/{credential['id']}").json()["application_credential"]
    listed = server.client(user).get(path).json()["application_credentials"]
    deleted = server.client(user).delete(f"{path}/{credential['id']}")

    own = {"X-Auth-Token": login.headers["X-Subject-Token"]}
    assert (made.status_code, login.status_code, deleted.status_code) == (201, 201, 204)
    assert login.json()["token"]["roles"] == [{"id": "reader", "name": "reader"}]
    assert login.json()["token"]["application_credential"]["restricted"] is True
    assert listed == [shown]
    assert "secret" not in shown
    assert server.client(None).get(f"{V3}/projects", headers=own).status_code == 401
    assert _log_in_with_credential(server, credential).status_code == 401


def test_two_application_credentials_cannot_have_one_name(server: Service, user: str) -> None:
    statuses = [_make_credential(server, user, name="same").status_code for _ in range(2)]

    assert statuses == [201, 409]


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({"access_rules": [{"method": "GET", "path": "/v2/images"}]}, 400, "access_rules[0]"),
        ({"access_rules": [{}]}, 400, "access_rules[0]"),
        ({"access_rules": [IMAGE_LIST, {"id": "x", **IMAGE_LIST}]}, 400, "access_rules[1]"),
        ({"access_rules": [{**IMAGE_LIST, "path": "v2"}]}, 400, "access_rules[0].path"),
        ({"access_rules": [{**IMAGE_LIST, "path": "/" * 226}]}, 400, "access_rules[0].path"),
        ({"access_rules": [{**IMAGE_LIST, "method": "get"}]}, 400, "access_rules[0].method"),
        ({"access_rules": [{**IMAGE_LIST, "service": ""}]}, 400, "access_rules[0].service"),
        ({"access_rules": [{**IMAGE_LIST, "service": "im age"}]}, 400, "access_rules[0].service"),
        ({"access_rules": "none"}, 400, "access_rules"),
        ({"access_rules": [{"id": "unknown"}]}, 404, "unknown"),
        ({"access_rules": [IMAGE_LIST] * 41}, 403, "40 access rules"),
        ({"name": ""}, 400, "name"),
        ({"name": "x" * 256}, 400, "name"),
        ({"secret": ""}, 400, "secret"),
        ({"secret": "7 chars"}, 400, "application_credential.secret"),
        ({"roles": [{"name": "boss"}]}, 400, "roles[0]"),
        ({"roles": [{}]}, 400, "roles[0]"),
        ({"roles": [{"name": "admin"}]}, 403, "roles"),
        ({"expires_at": "tomorrow"}, 400, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00"}, 400, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+23:59"}, 400, "expires_at"),
        ({"unrestricted": "yes"}, 400, "unrestricted"),
    ],
)
def test_an_application_credential_that_cannot_be_is_refused_by_name(
    server: Service, fields: dict[str, Any], status: int, named: str
) -> None:
    response = _make_credential(server, "publisher", **fields)

    assert response.status_code == status
    assert named in response.json()["error"]["message"]


def test_nobody_makes_an_application_credential_for_another(server: Service) -> None:
    path = f"{V3}/users/{_user_id(server, 'other')}/application_credentials"

    response = server.client("admin").post(path, json={"application_credential": {"name": "ci"}})

    assert response.status_code == 404


def test_an_application_credential_cannot_ask_for_a_scope(server: Service, user: str) -> None:
    credential = _make_credential(server, user).json()["application_credential"]
    named = {"id": credential["id"], "secret": credential["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": named}

    response = _post_login(server, {"auth": {"identity": identity, "scope": {"project": {"id": "x"}}}})

    assert response.status_code == 401
    assert "scope" in response.json()["error"]["message"]


# Clients as people have them


# The SDK warns of what it does itself, about InfluxDB and when it makes a project of the answer.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_openstacksdk_works_from_the_clouds_file(server: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    config = openstack.config.OpenStackConfig(config_files=[str(server.data_dir / "clouds.yaml")])

    with openstack.connection.Connection(config=config.get_one("publisher")) as connection:
        # The SDK types it as version 2 or 3.
        identity: Any = connection.identity
        found = identity.find_project("recipient", ignore_missing=False)
        own = [project.name for project in identity.projects()]
        image: Any = connection.image.get_endpoint_data()

    assert found.id == server.clouds["recipient"].project_id
    assert own == ["publisher"]
    assert image.url.startswith(f"{server.url}/v2")


def test_the_openstack_command_issues_a_token(server: Service) -> None:
    result = _run_openstack(server, "publisher", "token", "issue", "-f", "json")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["project_id"] == server.clouds["publisher"].project_id


def test_the_openstack_command_lists_the_catalog(server: Service) -> None:
    result = _run_openstack(server, "publisher", "catalog", "list", "-f", "json")

    assert result.returncode == 0, result.stderr
    assert {service["Type"] for service in json.loads(result.stdout)} == {"image", "identity"}


def test_the_openstack_command_shows_a_project_by_name(server: Service) -> None:
    result = _run_openstack(server, "publisher", "project", "show", "recipient", "-f", "json")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["id"] == server.clouds["recipient"].project_id


def test_the_openstack_command_looks_around_in_a_domain(server: Service) -> None:
    cloud = server.clouds["publisher"]
    in_domain = {
        "OS_AUTH_URL": cloud.auth_url,
        "OS_USERNAME": cloud.username,
        "OS_PASSWORD": cloud.password,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_DOMAIN_NAME": "Default",
    }

    issued = _run_openstack(server, "", "token", "issue", "-f", "json", **in_domain)
    listed = _run_openstack(server, "", "project", "list", "-f", "value", "-c", "Name", **in_domain)

    assert issued.returncode == 0, issued.stderr
    assert json.loads(issued.stdout)["domain_id"] == "default"
    assert listed.stdout.split() == ["publisher"]


def test_the_openstack_command_makes_and_uses_an_application_credential(server: Service) -> None:
    make = ("application", "credential", "create", "ci", "--role", "reader", "-f", "json")
    made = _run_openstack(server, "other", *make)
    credential = json.loads(made.stdout)

    login = _run_openstack(
        server,
        "",
        *("token", "issue", "-f", "json"),
        OS_AUTH_TYPE="v3applicationcredential",
        OS_AUTH_URL=server.clouds["other"].auth_url,
        OS_APPLICATION_CREDENTIAL_ID=credential["ID"],
        OS_APPLICATION_CREDENTIAL_SECRET=credential["Secret"],
    )
    deleted = _run_openstack(server, "other", "application", "credential", "delete", "ci")

    assert login.returncode == 0, login.stderr
    assert json.loads(login.stdout)["project_id"] == server.clouds["other"].project_id
    assert deleted.returncode == 0, deleted.stderr


def test_the_openstack_command_says_401_to_a_wrong_password(server: Service) -> None:
    result = _run_openstack(server, "publisher", "--os-password", "wrong", "token", "issue")

    assert result.returncode == 1
    assert "The request you have made requires authentication. (HTTP 401)" in result.stderr
    assert "Traceback" not in result.stderr
