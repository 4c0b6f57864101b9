"""Limits that a cloud keeps in its Keystone (images-v2, 5.8), with a real one."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from harness.forks import forked_service
from harness.gateway import Gateway
from harness.keystone import REGION, Keystone
from harness.service import Service
from images import OCTET_STREAM, create_active_image, create_image, create_raw_image, upload_data
from importing import create_staged_image, finish_import, stage, start_import

MIB = 1 << 20
#: Of its own, for the Keystone is not.
SERVICE = "service-of-limits"
REGISTERED = {
    "image_size_total": 100,
    "image_stage_total": 100,
    "image_count_total": 50,
    "image_count_uploading": 20,
}


class Cloud:
    """A Keystone with registered limits, and a service that holds its clients to them. `gateway`: by which it
    reaches the Keystone."""

    def __init__(self, keystone: Keystone, gateway: Gateway, service: Service) -> None:
        self.keystone = keystone
        self.gateway = gateway
        self.service = service
        self._service_id = keystone.create("services", {"type": "image-of-limits", "name": SERVICE})["id"]
        self._made = 0
        self._limits: dict[tuple[str, str], str] = {}

    def new_client(self, **limits: int) -> httpx.Client:
        """A member of a new project, which has these limits of its own."""
        self._made += 1
        name = f"limited-{self._made}"
        self.service.clouds[name] = self.keystone.add_user(name, name, "member")
        client = self.service.client(name)
        self.limit(client, **limits)
        return client

    def limit(self, client: httpx.Client, **limits: int) -> None:
        """Give its project other limits of its own."""
        project_id = self._project_of(client)
        for name, value in limits.items():
            known = self._limits.get((project_id, name))
            if known is not None:
                self.keystone.change("limits", known, resource_limit=value)
                continue
            limit = {
                "service_id": self._service_id,
                "region_id": REGION,
                "resource_name": name,
                "resource_limit": value,
                "project_id": project_id,
            }
            answer = self.keystone.admin.post("/limits", json={"limits": [limit]}, headers=self._system())
            assert answer.status_code == 201, answer.text
            self._limits[project_id, name] = answer.json()["limits"][0]["id"]

    def register(self) -> None:
        common = {"service_id": self._service_id, "region_id": REGION}
        registered = [
            {**common, "resource_name": name, "default_limit": value} for name, value in REGISTERED.items()
        ]
        answer = self.keystone.admin.post(
            "/registered_limits", json={"registered_limits": registered}, headers=self._system()
        )
        assert answer.status_code == 201, answer.text

    def _system(self) -> dict[str, str]:
        return {"X-Auth-Token": self.keystone.token("admin", {"system": {"all": True}})}

    def _project_of(self, client: httpx.Client) -> str:
        token = client.headers["X-Auth-Token"]
        answer = self.keystone.admin.get("/auth/tokens", headers={"X-Subject-Token": token})
        return str(answer.json()["token"]["project"]["id"])


@pytest.fixture(scope="module")
def cloud(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("limits-service")
    with Gateway(keystone.auth_url) as gateway:
        settings = {
            **keystone.settings(),
            "TRANSOM_KEYSTONE_AUTH_URL": gateway.url,
            "TRANSOM_USE_KEYSTONE_LIMITS": "true",
            "TRANSOM_KEYSTONE_LIMITS_SERVICE": SERVICE,
        }
        with forked_service(folder, None, settings) as service:
            service.use_clouds(keystone.clouds)
            made = Cloud(keystone, gateway, service)
            made.register()
            yield made


def usage(client: httpx.Client) -> dict[str, tuple[int, int]]:
    response = client.get("/v2/info/usage")
    assert response.status_code == 200, response.text
    return {name: (entry["usage"], entry["limit"]) for name, entry in response.json()["usage"].items()}


def put_unsized(client: httpx.Client, data: bytes) -> int:
    """The status of an upload that does not say how long it is."""
    return upload_data(client, create_raw_image(client)["id"], iter([data])).status_code


def test_a_project_has_what_is_registered_unless_it_has_limits_of_its_own(cloud: Cloud) -> None:
    common, special = cloud.new_client(), cloud.new_client(image_count_total=-1, image_size_total=0)

    own = {**REGISTERED, "image_count_total": -1, "image_size_total": 0}
    assert usage(common) == {name: (0, limit) for name, limit in REGISTERED.items()}
    assert usage(special) == {name: (0, limit) for name, limit in own.items()}


def test_what_a_project_uses_is_told(cloud: Cloud) -> None:
    client = cloud.new_client()
    create_image(client)
    create_active_image(client, b"\0" * 2 * MIB)
    create_staged_image(client, b"\0" * MIB)

    assert {name: used for name, (used, _limit) in usage(client).items()} == {
        "image_size_total": 2,
        "image_stage_total": 1,
        "image_count_total": 3,
        "image_count_uploading": 1,
    }


def test_images_are_counted_and_a_changed_limit_holds_at_once(cloud: Cloud) -> None:
    client = cloud.new_client(image_count_total=1)
    first = create_image(client)["id"]
    refused = client.post("/v2/images", json={})
    cloud.limit(client, image_count_total=2)
    create_image(client)

    still = client.post("/v2/images", json={}).status_code
    client.delete(f"/v2/images/{first}")
    freed = client.post("/v2/images", json={}).status_code

    assert (refused.status_code, still, freed) == (413, 413, 201)
    assert "The project owns 1 images, as many as it may." in refused.text


def test_an_upload_of_a_size_must_fit_and_one_of_none_may_go_over_once(cloud: Cloud) -> None:
    client = cloud.new_client(image_size_total=1)
    sized = upload_data(client, create_raw_image(client)["id"], b"\0" * 2 * MIB)

    unsized = [put_unsized(client, b"\0" * MIB) for _ in range(3)]

    assert (sized.status_code, unsized) == (413, [204, 204, 413])
    assert "image_size_total is over limit of 1 due to current usage 0 and delta 2" in sized.text


def test_staging_has_a_limit_of_its_own(cloud: Cloud) -> None:
    client = cloud.new_client(image_stage_total=1)

    ids = [str(create_raw_image(client)["id"]) for _ in range(3)]
    staged = [stage(client, image_id, iter([b"\0" * MIB])).status_code for image_id in ids]

    assert staged == [204, 204, 413]
    assert put_unsized(client, b"\0" * MIB) == 204


def test_uploads_under_way_are_counted_whatever_kind_they_are_of(cloud: Cloud) -> None:
    client = cloud.new_client(image_count_uploading=1)
    staged = create_staged_image(client, b"data")
    refused = create_raw_image(client)["id"]
    statuses = [stage(client, refused, b"data").status_code, put_unsized(client, b"data")]
    shown = client.get(f"/v2/images/{refused}").json()["status"]

    started = start_import(client, staged)
    task = finish_import(client, staged)

    assert (statuses, shown) == ([413, 413], "queued")
    assert (started.status_code, task["status"]) == (202, "success")
    assert put_unsized(client, b"data") == 204


def test_an_import_is_refused_over_the_limit_and_fails_where_its_data_would_go_over(cloud: Cloud) -> None:
    client = cloud.new_client(image_size_total=2)
    create_active_image(client, b"\0" * 2 * MIB)
    staged = create_staged_image(client, b"\0" * MIB)
    accepted = start_import(client, staged).status_code
    task = finish_import(client, staged)
    image = client.get(f"/v2/images/{staged}").json()

    cloud.limit(client, image_size_total=1)
    refused = start_import(client, create_staged_image(client, b""))

    assert (accepted, task["status"], image["status"]) == (202, "failure", "queued")
    assert "image_size_total is over limit of 2 due to current usage 2 and delta 1" in task["message"]
    assert refused.status_code == 413


def test_a_service_that_cannot_ask_for_a_limit_lets_nobody_pass_as_unlimited(cloud: Cloud) -> None:
    client = cloud.new_client()
    image_id = create_raw_image(client)["id"]
    cloud.gateway.refuse = lambda call: 503 if call.path.endswith("limits") else None

    answers = [
        client.post("/v2/images", json={}),
        client.get("/v2/info/usage"),
        client.put(f"/v2/images/{image_id}/file", content=b"", headers={"Content-Type": OCTET_STREAM}),
    ]
    cloud.gateway.refuse = lambda _call: None

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert client.get(f"/v2/images/{image_id}").json()["status"] == "queued"
