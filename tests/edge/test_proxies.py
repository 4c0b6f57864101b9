"""nginx and HAProxy by the files of `deploy/`, with TLS before the service, at the root and below a path."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import openstack
import pytest
import yaml
from clients.console import Console
from conftest import SharedServices
from harness.certificates import make_certificate
from harness.proxies import is_installed, start_haproxy, start_nginx
from harness.service import Service
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
from huaweicloudsdkcore.http.http_config import HttpConfig  # type: ignore[import-untyped]
from huaweicloudsdkims.v2 import ImsClient, ListImageMembersRequest, ListImagesRequest  # type: ignore[import-untyped]

#: More than the 1 MiB that nginx takes by default, and more than its buffers.
DATA = bytes(range(256)) * (20 << 10)
STARTS = {"nginx": start_nginx, "haproxy": start_haproxy}
# openstacksdk warns of its own future.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


class Proxied:
    """A service as its clients reach it. `url` has the prefix."""

    def __init__(self, service: Service, url: str, certificate: Path) -> None:
        self.service = service
        self.url = url
        self.certificate = certificate
        context = ssl.create_default_context(cafile=str(certificate))
        token = service.token("publisher")
        headers = {"X-Auth-Token": token, "Accept": "application/json"}
        self.publisher = httpx.Client(
            base_url=url, headers=headers, verify=context, trust_env=False, timeout=30
        )

    @property
    def auth_url(self) -> str:
        return f"{self.url}/identity/v3"

    def auth_of(self, name: str) -> dict[str, str]:
        account = self.service.clouds[name]
        return {
            "auth_url": self.auth_url,
            "username": account.username,
            "password": account.password,
            "project_name": account.project_name,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }


@pytest.fixture(scope="module", params=STARTS)
def proxy(
    request: pytest.FixtureRequest, shared_services: SharedServices, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, str, Path]]:
    if not is_installed(request.param):
        pytest.skip(f"{request.param} is not installed")
    service = shared_services.get("sqlite", TRANSOM_TRUSTED_PROXIES="127.0.0.0/8")
    folder = tmp_path_factory.mktemp(request.param)
    certificate = make_certificate(folder)
    with STARTS[request.param](folder, service.url, certificate) as url:
        yield service, url, certificate


@pytest.fixture(scope="module", params=["", "/image"], ids=["at the root", "below a prefix"])
def proxied(request: pytest.FixtureRequest, proxy: tuple[Service, str, Path]) -> Iterator[Proxied]:
    service, url, certificate = proxy
    found = Proxied(service, url + request.param, certificate)
    yield found
    found.publisher.close()


def test_links_lead_through_the_proxy(proxied: Proxied) -> None:
    versions = proxied.publisher.get("/").json()["versions"]

    assert versions[0]["links"][0]["href"] == f"{proxied.url}/v2/"


def test_a_client_cannot_speak_for_the_proxy(proxied: Proxied) -> None:
    forged = {
        "Forwarded": "host=evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-For": "203.0.113.1",
    }

    answered = proxied.publisher.get("/", headers=forged)

    assert answered.json()["versions"][0]["links"][0]["href"] == f"{proxied.url}/v2/"


def test_large_data_passes_both_ways(proxied: Proxied) -> None:
    client = proxied.publisher
    created = client.post("/v2/images", json={"disk_format": "raw", "container_format": "bare"})
    assert created.headers["Location"] == f"{proxied.url}/v2/images/{created.json()['id']}"
    file = f"/v2/images/{created.json()['id']}/file"

    sent = client.put(file, content=_chunks(), headers={"Content-Type": "application/octet-stream"})

    assert sent.status_code == 204, sent.text
    assert client.get(file).content == DATA


def _chunks() -> Iterator[bytes]:
    """Without a length, as clients that read from a pipe send it."""
    for start in range(0, len(DATA), 64 << 10):
        yield DATA[start : start + (64 << 10)]


@pytest.mark.parametrize(
    "path", ["metrics", "%6detrics", "/metrics", "ims/metrics", "ims//metrics", "ims%2Fmetrics", "./metrics"]
)
def test_the_metrics_stay_inside(proxied: Proxied, path: str) -> None:
    """However the path is spelled. What is no path here is answered with the versions."""
    url = httpx.URL(proxied.url)
    raw_path = f"{url.path.rstrip('/')}/{path}".encode()

    answered = proxied.publisher.get(url.copy_with(raw_path=raw_path))

    assert answered.status_code in (300, 404)


def test_a_refusal_names_the_identity_service_behind_the_proxy(proxied: Proxied) -> None:
    refused = proxied.publisher.get("/v2/images", headers={"X-Auth-Token": "wrong"})

    assert refused.headers["WWW-Authenticate"] == f'Keystone uri="{proxied.auth_url}"'


def test_the_openstack_client_works_through_it(proxied: Proxied, tmp_path: Path) -> None:
    """It finds everything from the URL of the identity service on."""
    (tmp_path / "disk.raw").write_bytes(DATA)
    environment = {f"OS_{key.upper()}": value for key, value in proxied.auth_of("publisher").items()}
    environment |= {"OS_CACERT": str(proxied.certificate), "NO_PROXY": "*", "no_proxy": "*"}

    with Console("openstack", "image list", tmp_path, environment) as openstack_client:
        created = openstack_client.run(
            "image create -f json --disk-format raw --container-format bare --file disk.raw through-the-proxy"
        )
        assert created.status == 0, created.stderr
        image_id = json.loads(created.stdout)["id"]
        listed = openstack_client.run("image list -f value -c ID")
        saved = openstack_client.run(f"image save --file copy.raw {image_id}")

    assert image_id in listed.stdout.split()
    assert saved.status == 0, saved.stderr
    assert (tmp_path / "copy.raw").read_bytes() == DATA


def test_the_sdk_follows_the_pages_of_a_list_through_it(proxied: Proxied) -> None:
    names = {f"page-{number}-{urlsplit(proxied.url).path}" for number in range(3)}
    for name in names:
        assert proxied.publisher.post("/v2/images", json={"name": name}).status_code == 201

    with openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth=proxied.auth_of("publisher"),
        region_name="RegionOne",
        cacert=str(proxied.certificate),
    ) as cloud:
        found = {image.name for image in cloud.image.images(limit=1)}

    assert names <= found


def test_signed_requests_pass(proxied: Proxied) -> None:
    """Huawei's SDK signs the Host and the path that it sends: with the prefix."""
    cloud = yaml.safe_load((proxied.service.data_dir / "clouds.yaml").read_text())["clouds"]["publisher"]
    config = HttpConfig.get_default_config()
    config.ssl_ca_cert = str(proxied.certificate)
    client: Any = (
        ImsClient.new_builder()
        .with_http_config(config)
        .with_credentials(BasicCredentials(cloud["ak"], cloud["sk"], cloud["auth"]["project_id"]))
        .with_endpoint(proxied.url)
        .build()
    )
    image_id = proxied.publisher.post("/v2/images", json={"visibility": "shared"}).json()["id"]

    assert client.list_image_members(ListImageMembersRequest(image_id=image_id)).members == []
    assert client.list_images(ListImagesRequest(limit=1)).images
