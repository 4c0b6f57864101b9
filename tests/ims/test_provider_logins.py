"""What the Terraform providers of both clouds ask until they have their clients, call by call; then an image.

Read off golangsdk and terraform-provider-huaweicloud (`config/auth.go`, `config/config.go`), and off
gophertelekomcloud and terraform-provider-opentelekomcloud (`common/cfg/config.go`). Either makes two clients,
one for the project and one for the domain. Start reading at `Client`.
"""

import dataclasses
import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from harness import plain_http
from harness.service import Service
from sharing_calls import project_of
from test_signature_forms import CHAINED, GOLANGSDK, Form
from test_signing import Key, Sent, get_key, make_date

REGION = "RegionOne"
DOMAIN = "Default"
#: What `auth_url` may be: both leave the discovery out where it ends so.
AUTH_URLS = ["/identity/v3", "/v3", "/v3/"]
JSON = "application/json"


@dataclasses.dataclass
class Client:
    """A ProviderClient: it has a token, or a key and what it adds to a request once that is signed."""

    service: Service
    token: str = ""
    key: Key | None = None
    form: Form = GOLANGSDK
    project_id: str = ""
    domain_id: str = ""

    def request(
        self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Any answer but 200, 201 and 204 is an error for them."""
        sent = Sent(
            method=method,
            target=url.removeprefix(self.service.url),
            headers={"Accept": JSON, "User-Agent": "golangsdk/2.0.0"} | (headers or {}),
        )
        if body is not None:
            sent = sent.with_header("Content-Type", JSON).with_body(json.dumps(body).encode())
        if self.token:
            sent = sent.with_header("X-Auth-Token", self.token)
        if self.key is not None:
            sent = sent.with_header("Host", urlsplit(self.service.url).netloc)
            sent = self.form.sign(sent.with_header("X-Sdk-Date", make_date()), self.key)
            if self.project_id and not (self.form is CHAINED and self.domain_id):
                sent = sent.with_header("X-Project-Id", self.project_id)
            if self.domain_id:
                sent = sent.with_header("X-Domain-Id", self.domain_id)
        answer = plain_http.request(method, url, headers=sent.headers, content=sent.body)
        assert answer.status_code in (200, 201, 204), answer.text
        return answer

    def list(self, url: str, key: str) -> list[dict[str, Any]]:
        """All pages: they follow `links.next` until it is null."""
        body = self.request("GET", url).json()
        assert body["links"].get("next") is None
        return list(body[key])

    def log_in(self, auth_url: str, identity: dict[str, Any], scope: dict[str, Any]) -> dict[str, Any]:
        """Keeps the token; returns what the answer says of it."""
        url = f"{auth_url.rstrip('/')}/auth/tokens"
        answer = self.request("POST", url, {"auth": {"identity": identity, "scope": scope}})
        self.token = answer.headers["X-Subject-Token"]
        return dict(answer.json()["token"])


@pytest.fixture
def service(shared_services: Any) -> Service:
    """Identity asks no database, so one will do."""
    found: Service = shared_services.get("sqlite")
    return found


@pytest.fixture(params=AUTH_URLS)
def auth_url(request: pytest.FixtureRequest, service: Service) -> str:
    return f"{service.url}{request.param}"


def by_password(service: Service, name: str = "publisher") -> dict[str, Any]:
    cloud = service.clouds[name]
    user = {"name": cloud.username, "password": cloud.password, "domain": {"name": DOMAIN}}
    return {"methods": ["password"], "password": {"user": user}}


def image_url(catalog: list[dict[str, Any]]) -> str:
    """As `V3EndpointURL` finds it: by type, interface and region."""
    (found,) = [
        endpoint["url"]
        for entry in catalog
        if entry["type"] == "image"
        for endpoint in entry["endpoints"]
        if (endpoint["interface"], endpoint["region"]) == ("public", REGION)
    ]
    return f"{found.rstrip('/')}/"


def makes_and_finds_an_image(client: Client, endpoint: str) -> bool:
    made = client.request("POST", f"{endpoint}v2/images", {"name": "by a provider"}).json()
    found = client.request("GET", f"{endpoint}v2/cloudimages?id={made['id']}").json()["images"]
    client.request("DELETE", f"{endpoint}v2/images/{made['id']}")
    return [image["id"] for image in found] == [made["id"]]


# ---- the provider of Huawei Cloud


@pytest.mark.parametrize("domain_name", ["", DOMAIN])
def test_huawei_by_key_with_nothing_but_a_region(service: Service, auth_url: str, domain_name: str) -> None:
    """No project is named: the region's name is taken for its. `domain_name` may be left out."""
    key = get_key(service, "publisher")
    project, domain = Client(service, key=key), Client(service, key=key)

    (named,) = project.list(f"{auth_url.rstrip('/')}/projects?name={REGION}", "projects")
    project.project_id = named["id"]
    if domain_name:
        (own,) = domain.list(f"{auth_url.rstrip('/')}/auth/domains", "domains")
        assert own["name"] == domain_name
        domain.domain_id = own["id"]
    # Once more, at the endpoint `iam`, when it has its clients.
    (own,) = domain.list(f"{service.url}/v3/auth/domains", "domains")
    domain.domain_id = own["id"]
    # `loadUserProjects`, which puts a slash of its own behind `auth_url`.
    by_domain = domain.list(f"{auth_url}/projects?domain_id={own['id']}&name={REGION}", "projects")

    assert {item["name"]: item["id"] for item in by_domain} == {REGION: project.project_id}
    assert project.project_id == project_of(service, "publisher")
    assert makes_and_finds_an_image(project, f"{service.url}/")


@pytest.mark.parametrize("project_name", ["publisher", REGION])
def test_huawei_by_password(service: Service, auth_url: str, project_name: str) -> None:
    """Without `project_name` the region stands for it."""
    project, domain = Client(service), Client(service)
    scope = {"project": {"name": project_name, "domain": {"name": DOMAIN}}}

    of_project = project.log_in(auth_url, by_password(service), scope)
    domain.log_in(auth_url, by_password(service), {"domain": {"name": DOMAIN}})
    (own,) = domain.list(f"{service.url}/v3/auth/domains", "domains")
    (user,) = domain.list(f"{service.url}/v3/users?name=publisher", "users")

    assert of_project["project"]["id"] == project_of(service, "publisher")
    assert of_project["project"]["domain"]["id"] == own["id"]
    assert (own["name"], user["name"]) == (DOMAIN, "publisher")
    assert makes_and_finds_an_image(project, f"{service.url}/ims/")


@pytest.mark.parametrize("named", [{"name": DOMAIN}, {"id": "default"}], ids=["name", "id"])
def test_huawei_by_token(service: Service, auth_url: str, named: dict[str, str]) -> None:
    """The token is exchanged twice, be it of the project itself."""
    identity = {"methods": ["token"], "token": {"id": service.token("publisher")}}
    project, domain = Client(service), Client(service)

    of_project = project.log_in(auth_url, identity, {"project": {"name": REGION, "domain": named}})
    of_domain = domain.log_in(auth_url, identity, {"domain": named})
    (own,) = domain.list(f"{service.url}/v3/auth/domains", "domains")

    assert of_project["project"]["id"] == project_of(service, "publisher")
    assert of_domain["domain"] == {"id": own["id"], "name": DOMAIN}
    assert makes_and_finds_an_image(project, f"{service.url}/ims/")


# ---- the provider of Open Telekom Cloud


@pytest.mark.parametrize("tenant_name", ["publisher", REGION])
def test_open_telekom_by_key(service: Service, auth_url: str, tenant_name: str) -> None:
    root, key = auth_url.rstrip("/"), get_key(service, "publisher")
    project = Client(service, key=key, form=CHAINED)
    domain = Client(service, key=key, form=CHAINED)

    (named,) = project.list(f"{root}/projects?name={tenant_name}", "projects")
    project.project_id = named["id"]
    catalog = project.list(f"{root}/auth/catalog", "catalog")
    (own,) = domain.list(f"{root}/auth/domains?name={DOMAIN}", "domains")
    of_domain = domain.list(f"{root}/auth/catalog", "catalog")
    domain.domain_id = own["id"]

    assert project.project_id == project_of(service, "publisher")
    assert "identity" in {entry["type"] for entry in of_domain}
    assert domain.list(f"{root}/auth/domains?name=Elsewhere", "domains") == []
    assert makes_and_finds_an_image(project, image_url(catalog))


def test_open_telekom_by_password(service: Service, auth_url: str) -> None:
    """The domain's client takes the Identity API's endpoint from its own token's catalog."""
    project, domain = Client(service), Client(service)
    scope = {"project": {"name": "publisher", "domain": {"name": DOMAIN}}}

    of_project = project.log_in(auth_url, by_password(service), scope)
    of_domain = domain.log_in(auth_url, by_password(service), {"domain": {"name": DOMAIN}})

    (identity,) = of_domain["catalog"]
    urls = {endpoint["url"] for endpoint in identity["endpoints"] if endpoint["interface"] == "public"}
    assert urls == {f"{service.url}/identity/v3"}
    assert "project" not in of_domain
    assert of_domain["user"]["domain"]["id"] == "default"
    assert domain.list(f"{urls.pop()}/auth/projects", "projects")[0]["name"] == "publisher"
    assert makes_and_finds_an_image(project, f"{image_url(of_project['catalog'])}ims/")


def test_open_telekom_by_token(service: Service, auth_url: str) -> None:
    """It has the token described, and describes with it; so it is of one scope for both clients."""
    token = service.token("publisher")
    client = Client(service, token=token)

    answer = client.request("GET", f"{auth_url.rstrip('/')}/auth/tokens", headers={"X-Subject-Token": token})

    described = answer.json()["token"]
    assert answer.headers["X-Subject-Token"] == token
    assert described["project"]["id"] == project_of(service, "publisher")
    assert described["user"]["domain"]["id"] == "default"
    assert makes_and_finds_an_image(client, f"{image_url(described['catalog'])}ims/")
