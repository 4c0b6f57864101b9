"""Import by copy-image: an active image to further stores (images-v2, 5.3, 5.4)."""

from pathlib import Path
from typing import Any

import pytest
from conftest import IMPORTING
from harness.service import MakeService, Service
from harness.stores import stored_files
from images import TEN_BYTES, create_active_image, create_raw_image, explanation, show_image
from importing import FAILED, WAITING, create_staged_image, finish_import, start_import


def copy(service: Service, image_id: str, caller: str = "admin", **arguments: Any) -> dict[str, Any]:
    started = start_import(service.client(caller), image_id, "copy-image", **arguments)
    assert started.status_code == 202, started.text
    return finish_import(service.client(caller), image_id)


def test_a_copy_in_another_store_is_added(importing: Service) -> None:
    image_id = create_active_image(importing.client("publisher"))["id"]

    task = copy(importing, image_id, stores=["slow"])

    shown = show_image(importing.client("publisher"), image_id)
    assert (task["status"], shown["status"], shown["stores"]) == ("success", "active", "fast,slow")
    assert (shown[WAITING], shown[FAILED]) == ("", "")


def test_of_all_stores_those_without_the_image_get_it(importing: Service) -> None:
    image_id = create_active_image(importing.client("publisher"))["id"]

    task = copy(importing, image_id, all_stores=True, all_stores_must_succeed=False)

    assert (task["status"], task["input"]["backend"]) == ("success", ["slow"])
    assert show_image(importing.client("publisher"), image_id)["stores"] == "fast,slow"


def test_an_image_that_is_everywhere_is_left_alone(importing: Service) -> None:
    client = importing.client("admin")
    image_id = create_active_image(client)["id"]
    copy(importing, image_id, all_stores=True)

    again = start_import(client, image_id, "copy-image", all_stores=True)

    assert again.status_code == 202
    assert len(client.get(f"/v2/images/{image_id}/tasks").json()["tasks"]) == 1


def test_a_store_that_has_the_image_cannot_be_named(importing: Service) -> None:
    image_id = create_active_image(importing.client("publisher"))["id"]

    response = start_import(importing.client("admin"), image_id, "copy-image", stores=["fast"])

    assert (response.status_code, explanation(response)) == (400, "Image is already present at store 'fast'")


def test_only_active_images_are_copied(importing: Service) -> None:
    image_id = create_raw_image(importing.client("publisher"))["id"]

    response = start_import(importing.client("admin"), image_id, "copy-image", stores=["slow"])

    assert (response.status_code, explanation(response)) == (
        409,
        "Only images with status active can be targeted for copying",
    )


@pytest.mark.parametrize("caller", ["publisher", "publisher-manager"])
def test_only_admins_copy(importing: Service, caller: str) -> None:
    image_id = create_active_image(importing.client("publisher"))["id"]

    response = start_import(importing.client(caller), image_id, "copy-image", stores=["slow"])

    assert (response.status_code, explanation(response)) == (
        403,
        "You are not authorized to complete copy_image action.",
    )


@pytest.fixture
def broken(make_service: MakeService, tmp_path: Path) -> Service:
    """A service whose store `slow` cannot take a byte: a file stands where its folder should."""
    (tmp_path / "slow").write_text("in the way")
    stores = f"fast=file://{tmp_path}/fast?weight=10,slow=file://{tmp_path}/slow"
    return make_service("sqlite", TRANSOM_STORES=stores, TRANSOM_DEFAULT_STORE="fast", **IMPORTING)


def test_a_store_that_fails_is_named_and_the_others_go_on(broken: Service, tmp_path: Path) -> None:
    client = broken.client("publisher")
    image_id = create_active_image(client, TEN_BYTES)["id"]
    staged_id = create_staged_image(client, TEN_BYTES)

    task = copy(broken, image_id, stores=["slow"], all_stores_must_succeed=False)
    start_import(client, staged_id, all_stores=True, all_stores_must_succeed=False)
    of_staged = finish_import(client, staged_id)

    for one, found in ((image_id, task), (staged_id, of_staged)):
        shown = show_image(client, one)
        assert (found["status"], shown["status"], shown["stores"]) == ("success", "active", "fast")
        assert (shown[WAITING], shown[FAILED]) == ("", "slow")
    assert len(stored_files(tmp_path / "fast")) == 2


def test_stores_that_fail_all_are_told_with_their_reasons(make_service: MakeService, tmp_path: Path) -> None:
    for name in ("slow", "slower"):
        (tmp_path / name).write_text("in the way")
    names = ("fast", "slow", "slower")
    stores = ",".join(f"{name}=file://{tmp_path}/{name}" for name in names)
    service = make_service("sqlite", TRANSOM_STORES=stores, TRANSOM_DEFAULT_STORE="fast", **IMPORTING)
    client = service.client("publisher")
    image_id = create_staged_image(client, TEN_BYTES)

    start_import(client, image_id, stores=["slow", "slower"], all_stores_must_succeed=False)
    task = finish_import(client, image_id)

    assert (task["status"], show_image(client, image_id)["status"]) == ("failure", "queued")
    assert task["message"].startswith("None of the uploads finished! slow: ")
    assert " slower: " in task["message"]
    assert str(tmp_path) not in task["message"]
