"""Behind a trusted proxy, every link leads the way that the client came; from others nothing is taken."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from conftest import SharedServices
from harness import plain_http
from harness.service import MakeService, Service

from edge.sockets import PATIENCE_S

PROXIED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "images.example",
    "X-Forwarded-Prefix": "/image",
    "X-Forwarded-For": "192.0.2.1",
}
NEW_STYLE = {
    "Forwarded": "for=192.0.2.1;proto=https;host=images.example",
    "X-Forwarded-Prefix": "/image",
}
BASE = "https://images.example/image"


@pytest.fixture(scope="session")
def behind(shared_services: SharedServices) -> Service:
    """A service that trusts proxies on this machine."""
    return shared_services.get("sqlite", TRANSOM_TRUSTED_PROXIES="127.0.0.0/8")


@pytest.fixture(params=[PROXIED, NEW_STYLE], ids=["X-Forwarded", "Forwarded"])
def publisher(request: pytest.FixtureRequest, behind: Service) -> Iterator[httpx.Client]:
    """A client whose requests come through such a proxy."""
    headers = {**behind.client("publisher").headers, **request.param}
    with plain_http.open_client(base_url=behind.url, headers=headers) as client:
        yield client


def test_the_versions_link_to_the_address_of_the_proxy(publisher: httpx.Client) -> None:
    links = {version["links"][0]["href"] for version in publisher.get("/").json()["versions"]}

    assert links == {f"{BASE}/v2/"}


@pytest.mark.parametrize(
    ("path", "link"),
    [("/ims/v2", f"{BASE}/ims/v2/"), ("/ims/v1", f"{BASE}/ims/v1/")],
)
def test_the_versions_of_the_ims_api_do_too(publisher: httpx.Client, path: str, link: str) -> None:
    assert publisher.get(path).json()["versions"][0]["links"][0]["href"] == link


def test_a_new_image_is_located_there(publisher: httpx.Client) -> None:
    created = publisher.post("/v2/images", json={"name": "proxied"})

    assert created.headers["Location"] == f"{BASE}/v2/images/{created.json()['id']}"


def test_the_redirect_of_the_bare_version_leads_there(publisher: httpx.Client) -> None:
    assert publisher.get("/v2").headers["Location"] == f"{BASE}/v2/"


def test_a_new_metadata_namespace_is_located_there(behind: Service) -> None:
    name = {"namespace": "behind-a-proxy"}

    created = behind.client("admin").post("/v2/metadefs/namespaces", json=name, headers=PROXIED)

    assert created.headers["Location"] == f"{BASE}/v2/metadefs/namespaces/behind-a-proxy"


def test_a_refusal_names_the_identity_service_there(behind: Service) -> None:
    refused = behind.client(None).get("/v2/images", headers=PROXIED)

    assert refused.headers["WWW-Authenticate"] == f'Keystone uri="{BASE}/identity/v3"'


def test_the_catalog_of_a_token_names_endpoints_there(publisher: httpx.Client) -> None:
    shown = publisher.get("/identity/v3/auth/catalog")
    urls = {endpoint["url"] for service in shown.json()["catalog"] for endpoint in service["endpoints"]}

    assert urls == {BASE, f"{BASE}/identity/v3"}


def test_the_documents_of_the_identity_api_link_there(publisher: httpx.Client) -> None:
    assert publisher.get("/identity/v3").json()["version"]["links"][0]["href"] == f"{BASE}/identity/v3/"


def test_links_of_a_list_are_relative_to_the_endpoint(publisher: httpx.Client) -> None:
    """Clients append them to the endpoint, which has the prefix (docs/proxies.md)."""
    for name in ("one", "two"):
        publisher.post("/v2/images", json={"name": name})

    page = publisher.get("/v2/images?limit=1").json()

    assert page["first"] == "/v2/images?limit=1"
    assert page["next"].startswith("/v2/images?limit=1&marker=")
    assert page["images"][0]["self"] == f"/v2/images/{page['images'][0]['id']}"


def test_the_port_that_clients_reach_the_proxy_by_is_kept(behind: Service) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443", "Host": "images.example"}

    versions = behind.client(None).get("/", headers=headers).json()["versions"]

    assert versions[0]["links"][0]["href"] == "https://images.example:8443/v2/"


def test_the_default_port_of_the_scheme_is_left_out(behind: Service) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "443", "Host": "images.example:9292"}

    versions = behind.client(None).get("/", headers=headers).json()["versions"]

    assert versions[0]["links"][0]["href"] == "https://images.example/v2/"


@pytest.mark.parametrize("host", ['evil", realm="x', "a/b", "user@a", "http://a"])
def test_a_forwarded_host_that_is_none_is_refused(behind: Service, host: str) -> None:
    refused = behind.client(None).get("/v2/images", headers={"X-Forwarded-Host": host})

    assert refused.status_code == 400
    assert "host" in refused.json()["message"].lower()


def test_headers_of_two_kinds_are_refused(behind: Service) -> None:
    refused = behind.client("publisher").get("/v2/images", headers=PROXIED | NEW_STYLE)

    assert refused.status_code == 400


def test_the_access_log_names_the_client(behind: Service) -> None:
    answered = behind.client("publisher").get("/v2/images", headers=PROXIED)

    assert client_in_log(behind, answered) == "192.0.2.1"


def test_a_client_that_no_proxy_stands_before_is_named_by_its_own_address(server: Service) -> None:
    answered = server.client("publisher").get("/v2/images", headers=PROXIED)

    assert client_in_log(server, answered) == "127.0.0.1"


@pytest.mark.parametrize("headers", [PROXIED, NEW_STYLE, PROXIED | NEW_STYLE])
def test_without_trusted_proxies_nobody_is_believed(server: Service, headers: dict[str, str]) -> None:
    versions = server.client(None).get("/", headers=headers).json()["versions"]

    assert versions[0]["links"][0]["href"] == f"{server.url}/v2/"


def test_the_public_endpoint_wins(make_service: MakeService) -> None:
    fixed = make_service(
        "sqlite", TRANSOM_TRUSTED_PROXIES="127.0.0.1", TRANSOM_PUBLIC_ENDPOINT="https://fixed.example/glance"
    )

    versions = fixed.client(None).get("/", headers=PROXIED).json()["versions"]

    assert versions[0]["links"][0]["href"] == "https://fixed.example/glance/v2/"


def client_in_log(service: Service, answered: httpx.Response) -> str:
    """The client of a request's line, which is written when the answer is sent."""
    wanted = answered.headers["X-Openstack-Request-Id"]
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for line in service.read_log().splitlines():
            if wanted in line:
                return str(json.loads(line)["client"])
    raise AssertionError(f"no line of request {wanted}")
