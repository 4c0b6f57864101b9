"""The whole service with a real Keystone: what its clients and its operator see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness.child import ServiceFailedError
from harness.forks import forked_service
from harness.gateway import Gateway
from harness.keystone import DOMAIN, Keystone
from harness.service import Service
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    GlanceAddImageMemberRequest,
    GlanceAddImageMemberRequestBody,
    ImsClient,
)

IMAGES = "/v2/images"

# The SDK calls its native methods deprecated; scripts use them all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Method .* is deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def gateway(keystone: Keystone) -> Iterator[Gateway]:
    with Gateway(keystone.auth_url) as server:
        yield server


@pytest.fixture(scope="module")
def service(
    keystone: Keystone, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("keystone-service")
    settings = {**keystone.settings(), "TRANSOM_KEYSTONE_AUTH_URL": gateway.url}
    with forked_service(folder, None, settings) as found:
        found.use_clouds(keystone.clouds)
        yield found


def get(service: Service, token: str | None = None, path: str = IMAGES, **headers: str) -> httpx.Response:
    shown = {} if token is None else {"X-Auth-Token": token}
    return service.client(None).get(path, headers={**shown, **headers})


def log_of(service: Service, logger: str = "transom.identity.keystone_client") -> list[dict[str, str]]:
    lines = [json.loads(line) for line in service.read_log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["logger"] == logger]


def test_projects_of_keystone_own_and_share_images(service: Service, keystone: Keystone) -> None:
    image = service.client("demo").post(IMAGES, json={"name": "shared"}).json()
    recipient = keystone.projects["alt"]

    assert image["owner"] == keystone.projects["demo"]
    assert service.client("alt").get(image["self"]).status_code == 404
    members = f"{image['self']}/members"
    assert service.client("demo").post(members, json={"member": recipient}).status_code == 200
    answer = {"status": "accepted"}
    assert service.client("alt-reader").put(f"{members}/{recipient}", json=answer).status_code == 403
    assert service.client("alt").put(f"{members}/{recipient}", json=answer).status_code == 200
    assert image["id"] in service.client("alt-reader").get(IMAGES).text
    assert service.client("third").get(image["self"]).status_code == 404


@pytest.mark.parametrize("token", [None, "junk"])
def test_who_has_no_token_is_sent_to_keystone(service: Service, gateway: Gateway, token: str | None) -> None:
    answer = get(service, token)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{gateway.url}"'


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/identity", "/identity/v3", "/identity/v3/auth/tokens"])
def test_the_built_in_identity_is_not_there(service: Service, method: str, path: str) -> None:
    assert service.client(None).request(method, path).status_code == 404


def test_no_accounts_are_made(service: Service) -> None:
    assert not (service.data_dir / "clouds.yaml").exists()
    assert not (service.data_dir / "identity").exists()


@pytest.mark.parametrize(
    "scope",
    [{"system": {"all": True}}, {"domain": {"id": DOMAIN}}, {}],
    ids=["system", "domain", "unscoped"],
)
def test_an_admin_without_a_project_is_refused(
    service: Service, keystone: Keystone, scope: dict[str, object]
) -> None:
    admin, role = keystone.users["admin"], keystone.roles["admin"]
    assert keystone.admin.put(f"/domains/{DOMAIN}/users/{admin}/roles/{role}").is_success
    token = keystone.token("admin", scope)
    image = service.client("demo").post(IMAGES, json={"name": "private"}).json()

    for list_path in (IMAGES, "/ims/v2/images", "/v2/cloudimages", "/v1/cloudimages/quota"):
        assert get(service, token, list_path).status_code == 403, list_path
    for prefix in ("", "/ims"):
        assert get(service, token, prefix + image["self"]).status_code == 404
        made = service.client(None).post(prefix + IMAGES, json={}, headers={"X-Auth-Token": token})
        assert made.status_code == 403


@pytest.mark.parametrize("path", ["/v3/auth/domains", "/v3/projects"])
def test_the_built_in_identity_is_not_at_the_root_either(service: Service, path: str) -> None:
    assert service.client(None).get(path).status_code == 300
    assert service.client("demo").get(path).status_code == 404


def test_an_outage_is_503_for_strangers_and_nothing_for_those_who_are_known(
    service: Service, gateway: Gateway, keystone: Keystone
) -> None:
    known, unknown = keystone.token("demo"), keystone.token("alt")
    assert get(service, known).status_code == 200

    gateway.refuse = lambda call: 503
    during = [get(service, known), get(service, unknown), get(service, "rubbish")]
    ready = get(service, path="/readyz")
    gateway.refuse = lambda call: None
    after = [get(service, unknown), get(service, "rubbish")]

    assert [answer.status_code for answer in during] == [200, 503, 503]
    assert int(during[1].headers["Retry-After"]) > 0
    assert (ready.status_code, ready.json()["identity"]) == (200, "unreachable")
    assert [answer.status_code for answer in after] == [200, 401]
    assert get(service, path="/readyz").json()["identity"] == "reachable"


def test_huaweis_sdk_shares_images_with_a_key_of_keystone(service: Service, keystone: Keystone) -> None:
    image_id = service.client("demo").post(IMAGES, json={"name": "signed"}).json()["id"]
    made = keystone.make_key("demo")
    credentials = BasicCredentials(made["access"], made["secret"], keystone.projects["demo"])
    client = ImsClient.new_builder().with_credentials(credentials).with_endpoint(service.url).build()

    body = GlanceAddImageMemberRequestBody(member=keystone.projects["alt"])
    answer = client.glance_add_image_member(GlanceAddImageMemberRequest(image_id, body))

    assert (answer.image_id, answer.member_id, answer.status) == (
        image_id,
        keystone.projects["alt"],
        "pending",
    )


def test_it_starts_without_keystone_and_finds_it_later(keystone: Keystone, tmp_path: Path) -> None:
    with Gateway(keystone.auth_url) as gateway:
        url, port = gateway.url, gateway.port
    settings = {**keystone.settings(), "TRANSOM_KEYSTONE_AUTH_URL": url}
    with forked_service(tmp_path, None, settings) as service:
        token = keystone.token("demo")
        before = get(service, token).status_code
        with Gateway(keystone.auth_url, port):
            after = get(service, token).status_code

    assert [before, after] == [503, 200]


def test_a_wrong_password_is_told_in_the_log_at_the_start(keystone: Keystone, tmp_path: Path) -> None:
    with forked_service(
        tmp_path, None, {**keystone.settings(), "TRANSOM_KEYSTONE_PASSWORD": "guessed"}
    ) as service:
        answer = get(service, keystone.token("demo"))
        told = [line["level"] for line in log_of(service)]

    assert answer.status_code == 503
    assert told == ["critical"]


def test_a_file_of_certificates_that_is_not_there_is_an_error_at_the_start(
    keystone: Keystone, tmp_path: Path
) -> None:
    service = forked_service(
        tmp_path, None, {**keystone.settings(), "TRANSOM_KEYSTONE_CAFILE": "/no/such/file"}
    )

    with pytest.raises(ServiceFailedError, match="keystone_cafile /no/such/file"):
        service.start()
