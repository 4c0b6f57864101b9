"""Application credentials that are limited by access rules: how they are made, and that rules are enforced.

What the answers look like is from the Identity API v3 ("Application Credentials", "Access Rules").
"""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.service import Service

from transom.api.routes import ROUTES

V3 = "/identity/v3"
OPENSTACK = str(Path(sys.executable).with_name("openstack"))
#: These need no token, or may be asked with any token.
OPEN = {
    ("GET", "/identity"),
    ("GET", "/identity/"),
    ("GET", V3),
    ("GET", f"{V3}/"),
    ("POST", f"{V3}/auth/tokens"),
    ("GET", f"{V3}/auth/tokens"),
    ("HEAD", f"{V3}/auth/tokens"),
}
IDENTITY = [
    (route.method, route.path)
    for route in ROUTES
    if route.path.startswith("/identity") and (route.method, route.path) not in OPEN
]


def _rule(method: str, path: str, service: str = "image") -> dict[str, str]:
    return {"service": service, "method": method, "path": path}


class Owner:
    """A user of the test's own, who makes application credentials."""

    def __init__(self, server: Service) -> None:
        self.server = server
        self.name = f"user-{uuid.uuid4().hex[:8]}"
        server.add_user(self.name, self.name, "member")
        self.client = server.client(self.name)
        self.url = f"{V3}/users/{self.client.get(f'{V3}/users').json()['users'][0]['id']}"

    def make_credential(
        self, *rules: dict[str, str], token: str | None = None, **fields: Any
    ) -> httpx.Response:
        record = {"name": uuid.uuid4().hex, "access_rules": list(rules), **fields}
        headers = {"X-Auth-Token": token} if token else None
        return self.client.post(
            f"{self.url}/application_credentials", json={"application_credential": record}, headers=headers
        )

    def log_in(self, *rules: dict[str, str], **fields: Any) -> str:
        """A token of a new credential that has these rules."""
        made = self.make_credential(*rules, **fields).json()["application_credential"]
        named = {"id": made["id"], "secret": made["secret"]}
        identity = {"methods": ["application_credential"], "application_credential": named}
        answer = self.client.post(f"{V3}/auth/tokens", json={"auth": {"identity": identity}})
        return str(answer.headers["X-Subject-Token"])

    def ask(self, token: str, method: str, path: str) -> int:
        return self.server.client(None).request(method, path, headers={"X-Auth-Token": token}).status_code


@pytest.fixture
def owner(server: Service) -> Owner:
    return Owner(server)


def test_rules_are_made_with_a_credential_and_shown_with_it(owner: Owner) -> None:
    made = owner.make_credential(_rule("GET", "/v2/images"), _rule("GET", "/v2/images/*/file"))
    credential = made.json()["application_credential"]

    shown = owner.client.get(f"{owner.url}/application_credentials/{credential['id']}")
    [listed] = owner.client.get(f"{owner.url}/application_credentials").json()["application_credentials"]

    rules = credential["access_rules"]
    assert made.status_code == 201
    assert [{key: rule[key] for key in rule if key != "id"} for rule in rules] == [
        _rule("GET", "/v2/images"),
        _rule("GET", "/v2/images/*/file"),
    ]
    assert shown.json()["application_credential"]["access_rules"] == rules
    assert listed["access_rules"] == rules


def test_a_credential_without_rules_shows_none(owner: Owner) -> None:
    """As in Keystone, also for the empty list that `openstack` sends."""
    assert "access_rules" not in owner.make_credential().json()["application_credential"]


def test_a_rule_is_the_users_and_is_used_again(owner: Owner) -> None:
    first = owner.make_credential(_rule("GET", "/v2/images")).json()["application_credential"]
    same = owner.make_credential(_rule("GET", "/v2/images")).json()["application_credential"]
    by_id = owner.make_credential({"id": first["access_rules"][0]["id"]}).json()["application_credential"]

    [rule] = owner.client.get(f"{owner.url}/access_rules").json()["access_rules"]
    shown = owner.client.get(f"{owner.url}/access_rules/{rule['id']}").json()["access_rule"]
    assert shown == rule
    assert rule["links"]["self"].endswith(f"{owner.url}/access_rules/{rule['id']}")
    assert same["access_rules"] == by_id["access_rules"] == first["access_rules"]


def test_rules_are_found_by_what_they_say(owner: Owner) -> None:
    owner.make_credential(
        _rule("GET", "/v2/images"), _rule("POST", "/v2/images"), _rule("GET", "/", "compute")
    )

    found = {
        query: len(owner.client.get(f"{owner.url}/access_rules?{query}").json()["access_rules"])
        for query in ("method=GET", "service=image", "path=/v2/images", "method=GET&service=image", "path=/x")
    }
    assert found == {
        "method=GET": 2,
        "service=image": 2,
        "path=/v2/images": 2,
        "method=GET&service=image": 1,
        "path=/x": 0,
    }


def test_a_rule_is_deleted_when_no_credential_uses_it(owner: Owner) -> None:
    made = owner.make_credential(_rule("GET", "/v2/images")).json()["application_credential"]
    url = f"{owner.url}/access_rules/{made['access_rules'][0]['id']}"

    in_use = owner.client.delete(url).status_code
    owner.client.delete(f"{owner.url}/application_credentials/{made['id']}")
    unused = owner.client.delete(url).status_code
    gone = owner.client.delete(url).status_code

    assert (in_use, unused, gone) == (403, 204, 404)


def test_the_rules_of_others_look_absent(owner: Owner, server: Service) -> None:
    made = owner.make_credential(_rule("GET", "/v2/images")).json()["application_credential"]
    rule_id = made["access_rules"][0]["id"]
    stranger = Owner(server)

    assert stranger.client.get(f"{owner.url}/access_rules").status_code == 404
    assert stranger.client.get(f"{owner.url}/access_rules/{rule_id}").status_code == 404
    assert stranger.client.get(f"{stranger.url}/access_rules/{rule_id}").status_code == 404
    assert stranger.client.delete(f"{stranger.url}/access_rules/{rule_id}").status_code == 404
    assert stranger.make_credential({"id": rule_id}).status_code == 404


def test_the_description_of_a_token_names_its_rules(owner: Owner) -> None:
    token = owner.log_in(_rule("GET", "/v2/images"))
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}

    answer = owner.server.client(None).get(f"{V3}/auth/tokens", headers=headers)

    [rule] = answer.json()["token"]["application_credential"]["access_rules"]
    assert {key: rule[key] for key in rule if key != "id"} == _rule("GET", "/v2/images")


def test_a_token_is_good_for_what_its_rules_name_and_nothing_else(owner: Owner) -> None:
    token = owner.log_in(_rule("GET", "/v2/images"), _rule("GET", "/v2/images/*/members"))
    image = "/v2/images/00000000-0000-4000-8000-000000000000"

    # The first request makes the worker remember the token, and the rules hold for the others as well.
    answers = {
        (method, path): owner.ask(token, method, path)
        for method, path in [
            ("GET", "/v2/images"),
            ("GET", "/v2/images?limit=1"),
            ("GET", f"{image}/members"),
            ("POST", "/v2/images"),
            ("HEAD", "/v2/images"),
            ("GET", image),
            ("DELETE", image),
            ("GET", "/v2.0/images"),
            ("GET", "/v2/images/a%2Fb/members"),
            ("GET", "/v2/cloudimages"),
            ("GET", "/v1/cloudimages/quota"),
            ("GET", "/ims/v2/images"),
        ]
    }

    assert answers == {
        ("GET", "/v2/images"): 200,
        ("GET", "/v2/images?limit=1"): 200,
        ("GET", f"{image}/members"): 404,
        ("POST", "/v2/images"): 401,
        ("HEAD", "/v2/images"): 401,
        ("GET", image): 401,
        ("DELETE", image): 401,
        ("GET", "/v2.0/images"): 401,
        ("GET", "/v2/images/a%2Fb/members"): 401,
        ("GET", "/v2/cloudimages"): 401,
        ("GET", "/v1/cloudimages/quota"): 401,
        ("GET", "/ims/v2/images"): 401,
    }


@pytest.fixture(scope="module")
def limited_token(server: Service) -> str:
    """Of a credential that may list images, and manage credentials as far as that goes."""
    return Owner(server).log_in(_rule("GET", "/v2/images"), unrestricted=True)


@pytest.mark.parametrize("root", [V3, "/v3"])
@pytest.mark.parametrize(("method", "path"), IDENTITY)
def test_every_call_of_identity_keeps_to_the_rules(
    server: Service, limited_token: str, method: str, path: str, root: str
) -> None:
    path = re.sub(r"\{\w+\}", "x", path).replace(V3, root)

    answer = server.client(None).request(method, path, headers={"X-Auth-Token": limited_token})

    assert answer.status_code == 401
    assert "access rules" in answer.json()["error"]["message"]


def test_a_rule_for_identity_names_a_path_of_its_reference(owner: Owner) -> None:
    token = owner.log_in(_rule("GET", "/v3/auth/projects", "identity"))

    for root in (V3, "/v3"):
        assert owner.ask(token, "GET", f"{root}/auth/projects") == 200
        assert owner.ask(token, "GET", f"{root}/auth/domains") == 401


def test_a_limited_credential_makes_none_that_may_do_more(owner: Owner) -> None:
    rules = [_rule("POST", "/v3/users/*/application_credentials", "identity"), _rule("GET", "/v2/images")]
    token = owner.log_in(*rules, unrestricted=True)

    assert owner.make_credential(token=token).status_code == 403
    assert owner.make_credential(_rule("**", "/"), token=token).status_code == 400
    assert owner.make_credential(rules[1], _rule("GET", "/**"), token=token).status_code == 403
    assert owner.make_credential(rules[1], token=token).status_code == 201


def test_a_user_has_so_many_rules_and_not_more(owner: Owner) -> None:
    statuses = [
        owner.make_credential(*(_rule("GET", f"/{batch}/{number}") for number in range(40))).status_code
        for batch in range(6)
    ]

    assert statuses == [201, 201, 201, 201, 201, 403]
    assert len(owner.client.get(f"{owner.url}/access_rules").json()["access_rules"]) == 200


def test_the_openstack_command_makes_a_credential_for_one_thing(owner: Owner, tmp_path: Path) -> None:
    cloud = owner.server.clouds[owner.name]
    run = _make_runner(tmp_path)
    password = {
        "OS_AUTH_URL": cloud.auth_url,
        "OS_USERNAME": cloud.username,
        "OS_PASSWORD": cloud.password,
        "OS_PROJECT_ID": cloud.project_id,
        "OS_USER_DOMAIN_NAME": "Default",
    }
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps([_rule("GET", "/v2/images")]))

    words = f"application credential create ci --access-rules {rules} -f json"
    made = json.loads(run(password, words).stdout)
    credential = {
        "OS_AUTH_TYPE": "v3applicationcredential",
        "OS_AUTH_URL": cloud.auth_url,
        "OS_APPLICATION_CREDENTIAL_ID": made["ID"],
        "OS_APPLICATION_CREDENTIAL_SECRET": made["Secret"],
    }
    listed = run(credential, "image list -f json")
    refused = run(credential, "image create nothing")
    known = json.loads(run(password, "access rule list -f json").stdout)

    assert listed.returncode == 0, listed.stderr
    assert isinstance(json.loads(listed.stdout), list)
    assert refused.returncode == 1
    assert "401" in refused.stderr
    assert [(rule["Service"], rule["Method"], rule["Path"]) for rule in known] == [
        ("image", "GET", "/v2/images")
    ]


def _make_runner(folder: Path) -> Callable[[dict[str, str], str], subprocess.CompletedProcess[str]]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}

    def run(environ: dict[str, str], words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [OPENSTACK, *words.split()],
            env={**inherited, "HOME": str(folder), "NO_PROXY": "127.0.0.1", **environ},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
