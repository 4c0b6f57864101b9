"""What all calls of the share API have in common: credentials, paths, problems, the root."""

import re
from typing import Any

import httpx
import pytest
from conftest import SharedServices
from harness.service import Service

from transom.api.options import ShareLimits
from transom.api.share import CALLS
from transom.api.share.problems import PROBLEMS
from transom.api.share.root import LINKS

from .calls import problem_of, send_signed

UNKNOWN = "00000000-0000-4000-8000-000000000000"
GUARDED = [call for call in CALLS if not call.is_open]
IDS = [f"{call.method} {call.path}" for call in GUARDED]


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    """One database will do: nothing of this page comes from there."""
    return shared_services.get("sqlite")


def _path(template: str) -> str:
    filled = template.replace("{recipients}", "projects").replace("{name}", "invalid")
    return re.sub(r"\{\w+\}", UNKNOWN, filled)


def _problem(response: httpx.Response, name: str) -> dict[str, Any]:
    return problem_of(response, name, PROBLEMS[name].status)


# ---- credentials


@pytest.mark.parametrize("call", GUARDED, ids=IDS)
def test_without_credentials_a_call_is_401(server: Service, call: Any) -> None:
    response = server.client(None).request(call.method, _path(call.path))

    _problem(response, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Keystone uri=")


@pytest.mark.parametrize(
    "path", ["/share", "/share/v1/nothing", "/share/v2", "/share/", "/share/v1/inbox?x=1"]
)
def test_without_credentials_any_path_is_401(server: Service, path: str) -> None:
    _problem(server.client(None).get(path), "unauthenticated")


def test_a_token_that_is_none_is_401(server: Service) -> None:
    _problem(server.client(None).get("/share/v1", headers={"X-Auth-Token": "x"}), "unauthenticated")


def test_a_signature_identifies_and_changes_nothing_else(server: Service) -> None:
    by_token = server.client("publisher").get("/share/v1")

    by_signature = send_signed(server, "publisher", "GET", "/share/v1")
    refused = send_signed(server, "publisher", "GET", "/share/v1/nothing")

    assert by_signature.json() == by_token.json()
    _problem(refused, "not-found")


def test_a_bad_signature_is_401(server: Service) -> None:
    header = {"Authorization": "SDK-HMAC-SHA256 Access=x, SignedHeaders=host, Signature=00"}

    _problem(server.client("publisher").get("/share/v1", headers=header), "unauthenticated")


# ---- paths and methods


@pytest.mark.parametrize(
    "path", ["/share", "/share/v1/nothing", "/share/v2", "/share/v1/problems", "/share/v1/inbox/nothing/x"]
)
def test_a_path_that_is_not_there_is_404(server: Service, path: str) -> None:
    _problem(server.client("publisher").get(path), "not-found")


@pytest.mark.parametrize("path", sorted({call.path for call in GUARDED}))
def test_a_method_that_a_path_does_not_have_is_405(server: Service, path: str) -> None:
    has = {call.method for call in CALLS if call.path == path}
    other = next(method for method in ("DELETE", "PATCH", "PUT", "POST") if method not in has)

    response = server.client("publisher").request(other, _path(path))

    _problem(response, "method-not-allowed")
    assert set(response.headers["allow"].split(", ")) == has


@pytest.mark.parametrize("path", ["/share/v1/", "/share//v1", "/ims/share/v1"])
def test_slashes_more_or_less_lead_to_the_same(server: Service, path: str) -> None:
    assert server.client("publisher").get(path).status_code == 200


@pytest.mark.parametrize("path", ["/share/v1/%ff", "/share/v1/%00"])
def test_a_path_that_cannot_be_read_is_400(server: Service, path: str) -> None:
    _problem(server.client("publisher").get(path), "invalid")


@pytest.mark.parametrize("call", GUARDED, ids=IDS)
def test_an_unknown_parameter_is_refused_by_name(server: Service, call: Any) -> None:
    response = server.client("admin").request(call.method, _path(call.path), params={"colour": "red"})

    assert _problem(response, "invalid")["parameter"] == "colour"


def test_a_parameter_that_is_there_twice_is_refused(server: Service) -> None:
    response = server.client("publisher").get("/share/v1?x=1&x=2")

    _problem(response, "invalid")


@pytest.mark.parametrize(
    "call", [call for call in GUARDED if not call.takes_body], ids=lambda call: f"{call.method} {call.path}"
)
def test_a_body_where_none_is_taken_is_refused(server: Service, call: Any) -> None:
    response = server.client("publisher").request(call.method, _path(call.path), json={})

    _problem(response, "invalid")


@pytest.mark.parametrize(
    "call", [call for call in GUARDED if call.method == "GET"], ids=lambda call: f"{call.method} {call.path}"
)
def test_head_is_get_without_its_body(server: Service, call: Any) -> None:
    client = server.client("publisher")

    assert client.head(_path(call.path)).status_code == client.get(_path(call.path)).status_code


@pytest.mark.parametrize(
    "call", [call for call in GUARDED if call.takes_body], ids=lambda call: f"{call.method} {call.path}"
)
@pytest.mark.parametrize("body", [b"", b"{", b"1", b"[]", b"\xff", b"null", b'"x"'])
def test_a_body_that_is_no_object_is_refused(server: Service, call: Any, body: bytes) -> None:
    headers = {"If-Match": "*"}
    response = server.client("admin").request(call.method, _path(call.path), content=body, headers=headers)

    if response.status_code != 404:
        assert _problem(response, "invalid")["field"] == ""


@pytest.mark.parametrize(
    "call", [call for call in GUARDED if call.takes_body], ids=lambda call: f"{call.method} {call.path}"
)
def test_an_unknown_key_is_refused_by_its_pointer(server: Service, call: Any) -> None:
    headers = {"If-Match": "*"}
    body = {"no/such~key": 1}
    response = server.client("admin").request(call.method, _path(call.path), json=body, headers=headers)

    if response.status_code != 404:
        assert _problem(response, "invalid")["field"] == "/no~1such~0key"


@pytest.mark.parametrize(
    "call", [call for call in GUARDED if call.takes_body], ids=lambda call: f"{call.method} {call.path}"
)
def test_a_body_that_is_too_large_is_413(server: Service, call: Any) -> None:
    response = server.client("admin").request(
        call.method, _path(call.path), content=b'{"a": "%s"}' % (b"x" * (1 << 20)), headers={"If-Match": "*"}
    )

    if response.status_code != 404:
        _problem(response, "payload-too-large")


# ---- the root and the pages of problems


def test_the_root_has_links_limits_and_versions(server: Service) -> None:
    body = server.client("other").get("/share/v1").json()

    assert body["links"] == LINKS
    assert body["limits"].keys() == set(ShareLimits.__struct_fields__)
    assert body["limits"]["share_batch_limit"] == 10000
    assert [version["id"] for version in body["versions"]] == ["v1.0"]


def test_one_document_describes_all_calls(server: Service) -> None:
    redirect = server.client(None).get("/share/v1/openapi.json")

    assert redirect.status_code == 308
    there = redirect.url.join(redirect.headers["location"])
    assert str(there) == f"{server.url}/openapi.json"
    followed = server.client(None).get(there)
    assert followed.json()["openapi"].startswith("3.")


def test_each_path_has_its_link() -> None:
    assert sorted(LINKS.values()) == sorted({call.path for call in CALLS})


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_every_problem_has_a_page_that_anybody_may_read(server: Service, name: str, accept: str) -> None:
    response = server.client(None).get(f"/share/v1/problems/{name}", headers={"Accept": accept})

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html" if accept == "text/html" else "text/plain")
    assert name in response.text


def test_a_problem_that_is_none_is_404_without_a_token_too(server: Service) -> None:
    _problem(server.client(None).get("/share/v1/problems/nothing"), "not-found")
