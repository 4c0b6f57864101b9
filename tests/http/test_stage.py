"""PUT /v2/images/{id}/stage: data that waits to be imported (images-v2, 5.2)."""

from collections.abc import Iterator

import pytest
from harness.service import MakeService, Service
from images import (
    NO_FILES,
    TEN_BYTES,
    UNKNOWN_ID,
    create_active_image,
    create_image,
    create_public_image,
    create_raw_image,
    delete_image,
    eventually,
    explanation,
    new_files,
    share_image,
    show_image,
    stored_files,
    upload_data,
)
from importing import create_staged_image, stage, start_import

NOT_ALLOWED = "Image status transition from {} to uploading is not allowed"


def test_staged_data_makes_the_image_uploading_and_gives_its_size(service: Service) -> None:
    client = service.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = stage(client, image_id, TEN_BYTES)

    assert (response.status_code, response.content) == (204, b"")
    shown = show_image(client, image_id)
    assert (shown["status"], shown["size"]) == ("uploading", 10)
    assert (shown["checksum"], shown["os_hash_algo"], shown["os_hash_value"]) == (None, None, None)


def test_data_is_staged_before_the_formats_are_known(service: Service) -> None:
    client = service.client("publisher")
    image_id = create_image(client)["id"]

    assert stage(client, image_id, TEN_BYTES).status_code == 204


def test_staged_data_cannot_be_downloaded(service: Service) -> None:
    client = service.client("publisher")
    image_id = create_staged_image(client, TEN_BYTES)

    response = client.get(f"/v2/images/{image_id}/file")

    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize("body", [b"", [b"0123", b"456789"]], ids=["no byte", "chunks"])
def test_data_of_any_size_and_form_is_staged(service: Service, body: bytes | list[bytes]) -> None:
    client = service.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = stage(client, image_id, body if isinstance(body, bytes) else iter(body))

    assert response.status_code == 204
    assert show_image(client, image_id)["size"] == len(b"".join(body) if isinstance(body, list) else body)


@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain"])
def test_other_media_types_are_refused_first_of_all(service: Service, content_type: str) -> None:
    response = stage(service.client("other"), UNKNOWN_ID, b"{}", {"Content-Type": content_type})

    assert response.status_code == 415


@pytest.mark.parametrize("size", ["x", "-1", "1.5", ""])
def test_a_size_that_is_none_is_refused(service: Service, size: str) -> None:
    client = service.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = stage(client, image_id, TEN_BYTES, {"X-OpenStack-Image-Size": size})

    assert response.status_code == 400
    assert show_image(client, image_id)["status"] == "queued"


@pytest.mark.parametrize("announced", [9, 11])
def test_data_of_another_size_than_announced_is_refused(service: Service, announced: int) -> None:
    client = service.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = stage(client, image_id, iter([TEN_BYTES]), {"X-OpenStack-Image-Size": str(announced)})

    assert response.status_code == 400
    shown = show_image(client, image_id)
    assert (shown["status"], shown["size"]) == ("queued", None)


def test_absent_and_hidden_images_look_alike(service: Service) -> None:
    hidden = create_raw_image(service.client("publisher"), visibility="private")["id"]

    of_hidden, of_absent = (stage(service.client("other"), one, TEN_BYTES) for one in (hidden, UNKNOWN_ID))

    assert of_hidden.status_code == of_absent.status_code == 404
    assert explanation(of_hidden).replace(hidden, UNKNOWN_ID) == explanation(of_absent)


@pytest.mark.parametrize("caller", ["recipient", "other", "publisher-reader"])
def test_who_sees_an_image_and_may_not_change_it_stages_nothing(service: Service, caller: str) -> None:
    image_id = create_public_image(service)["id"]

    response = stage(service.client(caller), image_id, TEN_BYTES)

    assert response.status_code == 403
    assert explanation(response) == "You are not authorized to complete modify_image action."


def test_a_recipient_stages_nothing(service: Service) -> None:
    image_id = create_raw_image(service.client("publisher"))["id"]
    share_image(service, image_id, "accepted")

    assert stage(service.client("recipient"), image_id, TEN_BYTES).status_code == 403


def test_data_is_staged_once(service: Service) -> None:
    client = service.client("publisher")
    image_id = create_staged_image(client, TEN_BYTES)

    response = stage(client, image_id, b"other")

    assert (response.status_code, explanation(response)) == (409, NOT_ALLOWED.format("uploading"))
    assert show_image(client, image_id)["size"] == 10


def test_an_active_image_takes_no_staged_data(service: Service) -> None:
    client = service.client("publisher")
    image_id = create_active_image(client)["id"]

    response = stage(client, image_id, TEN_BYTES)

    assert (response.status_code, explanation(response)) == (409, NOT_ALLOWED.format("active"))


def test_a_staged_image_takes_no_upload(service: Service) -> None:
    client = service.client("publisher")
    image_id = create_staged_image(client, TEN_BYTES)

    response = upload_data(client, image_id, TEN_BYTES)

    assert response.status_code == 409
    assert explanation(response) == "Image status transition from uploading to saving is not allowed"


def test_the_bytes_of_a_deleted_image_go_with_it(make_service: MakeService) -> None:
    service = make_service("sqlite")
    client = service.client("publisher")
    image_id = create_staged_image(client, TEN_BYTES)
    staged = stored_files(service)

    delete_image(client, image_id)

    assert len(staged) == 1
    assert stored_files(service) == NO_FILES


def test_a_client_that_hangs_up_leaves_nothing_staged(make_service: MakeService) -> None:
    service = make_service("sqlite")
    client = service.client("publisher")
    image_id = create_raw_image(client)["id"]
    before = stored_files(service)

    with pytest.raises(RuntimeError, match="enough"):
        stage(client, image_id, _interrupted())

    status = eventually(lambda: stage(client, image_id, TEN_BYTES).status_code, 204)
    assert status == 204
    assert len(new_files(service, before)) == 1


def _interrupted() -> Iterator[bytes]:
    yield b"x" * (1 << 20)
    raise RuntimeError("enough")


def test_more_than_a_project_may_store_is_not_staged(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_USER_STORAGE_QUOTA="15")
    client = service.client("publisher")
    create_staged_image(client, TEN_BYTES)
    second = create_raw_image(client)["id"]

    refused = stage(client, second, TEN_BYTES)

    assert (refused.status_code, show_image(client, second)["status"]) == (413, "queued")
    assert "storage quota" in explanation(refused)


def test_more_than_the_largest_image_is_not_staged(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_IMAGE_SIZE_CAP="9")
    client = service.client("publisher")
    image_id = create_raw_image(client)["id"]

    refused = [stage(client, image_id, TEN_BYTES), stage(client, image_id, iter([TEN_BYTES]))]

    assert [one.status_code for one in refused] == [413, 413]
    assert stored_files(service) == NO_FILES


def test_without_glance_direct_there_is_no_staging(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_ENABLED_IMPORT_METHODS="")
    client = service.client("publisher")
    created = client.post("/v2/images", json={"disk_format": "raw", "container_format": "bare"})

    staged = stage(client, created.json()["id"], TEN_BYTES)
    imported = start_import(client, created.json()["id"])

    assert (staged.status_code, imported.status_code) == (404, 400)
    assert "openstack-image-import-methods" not in created.headers
    assert client.get("/v2/info/import").json()["import-methods"]["value"] == []
