"""When an image became active, which the IMS API shows: by whichever way its data came."""

from collections.abc import Callable

import httpx
import pytest
from conftest import IMPORTING, SharedServices
from harness.file_server import FileServer
from harness.service import Service
from images import TEN_BYTES, create_active_image, create_raw_image, eventually, show_image, update_image
from importing import create_staged_image, finish_import, import_data, start_import
from test_tasks import create_task, finish_task

Bring = Callable[[httpx.Client, FileServer], str]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def bringing(
    request: pytest.FixtureRequest, shared_services: SharedServices, tmp_path_factory: pytest.TempPathFactory
) -> Service:
    """A service that takes data by every way there is."""
    stores = f"fast=file://{tmp_path_factory.mktemp('bringing')}/fast,web=http://"
    return shared_services.get(
        request.param,
        TRANSOM_STORES=stores,
        TRANSOM_DEFAULT_STORE="fast",
        TRANSOM_SHOW_MULTIPLE_LOCATIONS="true",
        **IMPORTING,
    )


def active_at(client: httpx.Client, image_id: str) -> str | None:
    """As an image is shown alone and in a list; None where it says nothing."""
    shown = client.get(f"/ims/v2/images/{image_id}").json()
    (listed,) = client.get(f"/v2/cloudimages?id={image_id}").json()["images"]
    assert ("active_at" in listed, listed.get("active_at")) == ("active_at" in shown, shown.get("active_at"))
    at: str | None = shown.get("active_at")
    return at


def _upload(client: httpx.Client, _files: FileServer) -> str:
    return str(create_active_image(client)["id"])


def _import_staged(client: httpx.Client, _files: FileServer) -> str:
    return import_data(client, TEN_BYTES)[0]


def _download(client: httpx.Client, files: FileServer) -> str:
    image_id = str(create_raw_image(client)["id"])
    start_import(client, image_id, "web-download", uri=files.offer(TEN_BYTES))
    finish_import(client, image_id)
    return image_id


def _add_location(client: httpx.Client, files: FileServer) -> str:
    image_id = str(create_raw_image(client)["id"])
    client.post(f"/v2/images/{image_id}/locations", json={"url": files.offer(TEN_BYTES)})
    finish_import(client, image_id)
    return image_id


def _patch_location(client: httpx.Client, files: FileServer) -> str:
    image_id = str(create_raw_image(client)["id"])
    place = {"url": files.offer(TEN_BYTES), "metadata": {}}
    update_image(client, image_id, {"op": "add", "path": "/locations/-", "value": place})
    return image_id


def _copy(client: httpx.Client, files: FileServer) -> str:
    source = _upload(client, files)
    job = client.post(f"/v1/cloudimages/{source}/copy", json={"name": "copy"}).json()["job_id"]
    path = f"/v1/cloudimages/job/{job}"
    eventually(lambda: client.get(path).json()["status"], "SUCCESS")
    return str(client.get(path).json()["entities"]["image_id"])


@pytest.mark.parametrize("bring", [_upload, _import_staged, _download, _add_location, _patch_location, _copy])
def test_an_image_tells_when_it_became_active(bringing: Service, files: FileServer, bring: Bring) -> None:
    client = bringing.client("publisher")

    image_id = bring(client, files)

    shown = show_image(client, image_id)
    at = active_at(client, image_id)
    assert shown["status"] == "active"
    assert at is not None
    assert shown["created_at"] <= at <= shown["updated_at"]


def test_an_image_of_a_task_tells_it_too(bringing: Service, files: FileServer) -> None:
    client = bringing.client("admin")

    task = finish_task(client, create_task(client, files.offer(TEN_BYTES)).json()["id"])

    assert task["status"] == "success"
    assert active_at(client, task["result"]["image_id"]) is not None


def test_an_image_that_never_was_active_tells_no_time(bringing: Service) -> None:
    client = bringing.client("publisher")
    queued = str(create_raw_image(client, active_at="long ago")["id"])

    assert active_at(client, queued) is None
    assert active_at(client, create_staged_image(client, TEN_BYTES)) is None


def test_the_time_outlasts_a_deactivation(bringing: Service) -> None:
    client = bringing.client("publisher")
    image_id = str(create_active_image(client)["id"])
    first = active_at(client, image_id)

    client.post(f"/v2/images/{image_id}/actions/deactivate")
    while_inactive = active_at(client, image_id)
    client.post(f"/v2/images/{image_id}/actions/reactivate")

    assert (while_inactive, active_at(client, image_id)) == (first, first)


def test_the_openstack_api_knows_nothing_of_it(bringing: Service) -> None:
    client = bringing.client("publisher")
    image_id = str(create_active_image(client)["id"])

    assert "active_at" not in show_image(client, image_id)
    assert "active_at" not in client.get("/v2/schemas/image").json()["properties"]


def test_images_are_found_by_it(bringing: Service) -> None:
    client = bringing.client("publisher")
    image_id = str(create_active_image(client)["id"])
    at = active_at(client, image_id)

    def found(condition: str) -> bool:
        return bool(client.get(f"/v2/cloudimages?id={image_id}&active_at={condition}").json()["images"])

    assert [found(f"{one}:{at}") for one in ("eq", "gte", "gt", "lt")] == [True, True, False, False]


def test_nobody_sets_it(bringing: Service) -> None:
    client = bringing.client("publisher")
    image_id = str(create_active_image(client)["id"])
    step = {"op": "replace", "path": "/active_at", "value": "2020-01-01T00:00:00Z"}

    created = client.post("/ims/v2/images", json={"name": "a", "active_at": "2020-01-01T00:00:00Z"})
    changed = client.patch(f"/v2/cloudimages/{image_id}", json=[step])

    assert (created.status_code, "active_at" in created.json()) == (201, False)
    assert changed.status_code == 400
    assert "active_at" in changed.json()["error"]["message"]
