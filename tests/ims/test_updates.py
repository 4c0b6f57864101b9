"""Updates of images by the rules of the IMS API: the extension's and the native one (ims-api, 1.7)."""

from typing import Any

import httpx
import pytest
from harness.databases import over_one_database
from harness.service import Service
from image_calls import (
    CLOUD_IMAGES,
    IMAGES,
    JSON_PATCH,
    UNKNOWN_ID,
    create_active_image,
    create_image,
    create_native_image,
    operation,
    show_image,
)
from sharing_calls import create_shared_image, message_of, refusal

OLD_JSON_PATCH = "application/openstack-images-v2.0-json-patch"


def update(
    service: Service, image_id: str, *operations: object, caller: str = "publisher", media_type: str = ""
) -> httpx.Response:
    """The answer to the extension's update."""
    headers = {"Content-Type": media_type or "application/json"}
    return service.client(caller).patch(f"{CLOUD_IMAGES}/{image_id}", json=operations, headers=headers)


def update_natively(
    service: Service, image_id: str, *operations: object, media_type: str = JSON_PATCH
) -> httpx.Response:
    return service.client("publisher").patch(
        f"{IMAGES}/{image_id}", json=operations, headers={"Content-Type": media_type}
    )


# ---- the extension's update


CHANGES = [
    ("name", "web 2", "web 2"),
    ("__description", "for the web", "for the web"),
    ("min_ram", 2048, 2048),
    ("min_ram", "2048", 2048),
    ("max_ram", 4096, "4096"),
    ("protected", True, True),
    ("protected", "true", True),
    ("__is_config_init", "true", "true"),
    ("__support_xen", True, "true"),
    ("__support_kvm", "false", "false"),
    ("__support_kvm_gpu_type", "V100", "V100"),
    ("__support_fc_inject", "true", "true"),
    ("enterprise_project_id", "0", "0"),
    ("hw_vif_multiqueue_enabled", "true", "true"),
    ("hw_firmware_type", "uefi", "uefi"),
    ("free_attribute", "Any Thing", "Any Thing"),
]


@pytest.mark.parametrize("op", ["add", "replace"])
@pytest.mark.parametrize(("name", "value", "shown"), CHANGES)
def test_an_attribute_is_set_whether_it_was_there_or_not(
    service: Service, op: str, name: str, value: object, shown: object
) -> None:
    image_id = create_active_image(service)

    response = update(service, image_id, operation(op, name, value))

    assert response.status_code == 200, response.text
    assert response.json()[name] == shown
    assert show_image(service, image_id) == response.json()


def test_an_attribute_is_removed(service: Service) -> None:
    image_id = create_active_image(service, free="1")

    response = update(service, image_id, operation("remove", "free"))

    assert response.status_code == 200
    assert "free" not in show_image(service, image_id)


def test_what_is_not_there_cannot_be_removed(service: Service) -> None:
    response = update(service, create_active_image(service), operation("remove", "free"))

    assert refusal(response) == (400, "IMG.0035")


def test_an_operating_system_brings_what_it_fixes(service: Service) -> None:
    image_id = create_active_image(service)
    name = "Windows Server 2019 Standard 64bit"

    body = update(service, image_id, operation("replace", "__os_version", name)).json()

    assert (body["__os_version"], body["__os_type"], body["__platform"]) == (name, "Windows", "Windows")


@over_one_database
@pytest.mark.parametrize(
    ("step", "code"),
    [
        (operation("replace", "name", "a/b"), "IMG.0003"),
        (operation("replace", "name", ""), "IMG.0013"),
        (operation("replace", "name", "x" * 129), "IMG.0002"),
        (operation("remove", "name"), "IMG.0105"),
        (operation("replace", "__description", "<"), "IMG.0054"),
        (operation("replace", "min_ram", -1), "IMG.0055"),
        (operation("replace", "max_ram", "much"), "IMG.0055"),
        (operation("replace", "__os_version", "BeOS"), "IMG.0056"),
        (operation("replace", "hw_firmware_type", "efi"), "IMG.0141"),
        (operation("replace", "__support_kvm", "perhaps"), "IMG.0001"),
        (operation("add", "Capital", "x"), "IMG.0001"),
        (operation("move", "name", "x"), "IMG.0001"),
        ({"op": "replace", "path": "name", "value": "x"}, "IMG.0001"),
        ({"op": "replace", "path": "/name"}, "IMG.0001"),
        ({"op": "replace", "value": "x"}, "IMG.0001"),
        ({"replace": "/name", "value": "x"}, "IMG.0001"),
        ("replace", "IMG.0001"),
    ],
)
def test_an_update_that_makes_no_sense_changes_nothing(service: Service, step: object, code: str) -> None:
    image_id = create_active_image(service)
    before = show_image(service, image_id)

    response = update(service, image_id, operation("replace", "name", "else"), step)

    assert response.json()["error"]["code"] == code
    assert 400 <= response.status_code < 404
    assert show_image(service, image_id) == before


@over_one_database
@pytest.mark.parametrize(
    "name",
    [
        *("visibility", "id", "status", "size", "owner", "tags", "min_disk", "disk_format", "os_hidden"),
        *("__imagetype", "__isregistered", "__image_size", "__os_type", "__os_bit", "__platform"),
        *("__whole_image", "__system__cmkid", "virtual_env_type", "architecture", "self", "location"),
    ],
)
@pytest.mark.parametrize("op", ["replace", "remove"])
def test_what_this_call_does_not_change_is_named(service: Service, op: str, name: str) -> None:
    response = update(service, create_active_image(service), operation(op, name, "x"))

    assert refusal(response) == (400, "IMG.0105")
    assert name in message_of(response)


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json;charset=UTF-8", "text/plain", JSON_PATCH]
)
def test_the_media_type_means_nothing_to_the_extension(service: Service, media_type: str) -> None:
    image_id = create_active_image(service)

    response = update(service, image_id, operation("replace", "name", "new"), media_type=media_type)

    assert response.status_code == 200


@pytest.mark.parametrize("operations", [[], [operation("replace", "name", "new")]])
def test_only_an_active_image_is_updated(service: Service, operations: list[Any]) -> None:
    response = update(service, create_image(service)["id"], *operations)

    assert refusal(response) == (400, "IMG.0046")


def test_no_operations_change_nothing(service: Service) -> None:
    image_id = create_active_image(service)
    before = show_image(service, image_id)

    assert update(service, image_id).status_code == 200
    assert show_image(service, image_id) == before


@pytest.mark.parametrize(
    ("caller", "status", "code"),
    [("recipient", 400, "IMG.0047"), ("publisher-reader", 403, "IMG.0026"), ("other", 400, "IMG.0027")],
)
def test_only_the_owner_updates(service: Service, caller: str, status: int, code: str) -> None:
    image_id = create_shared_image(service)

    response = update(service, image_id, operation("replace", "name", "new"), caller=caller)

    assert refusal(response) == (status, code)


def test_what_is_absent_cannot_be_updated(service: Service) -> None:
    assert refusal(update(service, UNKNOWN_ID, operation("replace", "name", "new"))) == (400, "IMG.0027")


def test_an_image_cannot_be_loaded_with_attributes_without_end(service: Service) -> None:
    steps = [operation("add", f"a{n}", "x") for n in range(128)]

    response = update(service, create_active_image(service), *steps)

    assert refusal(response) == (413, "IMG.0001")


# ---- the native update


@pytest.mark.parametrize(
    ("media_type", "step"),
    [
        (JSON_PATCH, operation("replace", "name", "new")),
        (JSON_PATCH, operation("add", "name", "new")),
        (OLD_JSON_PATCH, {"replace": "/name", "value": "new"}),
    ],
)
def test_the_native_update_takes_both_of_its_media_types(
    service: Service, media_type: str, step: object
) -> None:
    image_id = create_image(service, name="old")["id"]

    response = update_natively(service, image_id, step, media_type=media_type)

    assert response.status_code == 200, response.text
    assert response.json() == show_image(service, image_id)
    assert (response.json()["name"], response.json()["__imagetype"]) == ("new", "private")


def test_the_native_update_takes_no_other_media_type(service: Service) -> None:
    image_id = create_image(service)["id"]

    response = update_natively(service, image_id, media_type="application/json")

    assert response.status_code == 415
    assert JSON_PATCH in response.headers["Accept-Patch"]


@pytest.mark.parametrize(
    ("step", "status", "code"),
    [
        (operation("replace", "visibility", "public"), 403, "IMG.0105"),
        (operation("replace", "visibility", "private"), 403, "IMG.0105"),
        (operation("replace", "__imagetype", "gold"), 403, "IMG.0105"),
        (operation("remove", "__platform"), 403, "IMG.0105"),
        (operation("replace", "status", "active"), 403, "IMG.0105"),
        (operation("replace", "absent", "x"), 409, "IMG.0035"),
        (operation("remove", "absent"), 409, "IMG.0035"),
        (operation("replace", "name", "a/b"), 400, "IMG.0003"),
        (operation("replace", "min_disk", 1025), 400, "IMG.0055"),
        (operation("add", "architecture", "sparc"), 400, "IMG.0212"),
        (operation("replace", "tags", [str(n) for n in range(11)]), 413, "IMG.0116"),
        (operation("replace", "owner", "somebody"), 403, "IMG.0026"),
    ],
)
def test_the_native_update_keeps_the_rules_of_both_apis(
    service: Service, step: dict[str, Any], status: int, code: str
) -> None:
    image_id = create_image(service)["id"]
    before = show_image(service, image_id)

    assert refusal(update_natively(service, image_id, step)) == (status, code)
    assert show_image(service, image_id) == before


def test_a_queued_image_changes_its_format_to_one_of_the_services_own(service: Service) -> None:
    image_id = create_image(service, disk_format="raw")["id"]

    response = update_natively(service, image_id, operation("replace", "disk_format", "zvhd"))

    assert response.json()["disk_format"] == "zvhd"


def test_removing_the_operating_system_removes_what_it_fixed(service: Service) -> None:
    image_id = create_image(service)["id"]

    body = update_natively(service, image_id, operation("remove", "__os_version")).json()

    assert not body.keys() & {"__os_version", "__os_type", "__os_bit", "__platform"}


def test_an_update_shows_who_the_image_is_shared_with(service: Service) -> None:
    image_id = create_shared_image(service)

    body = update_natively(service, image_id, operation("replace", "name", "new")).json()

    assert (body["visibility"], body["__imagetype"]) == ("shared", "shared")


def test_openstack_clients_update_by_their_own_rules(service: Service) -> None:
    image_id = create_native_image(service, architecture="x86_64")

    response = service.client("publisher").patch(
        f"/v2/images/{image_id}",
        json=[operation("replace", "name", "a/b"), operation("replace", "architecture", "sparc")],
        headers={"Content-Type": JSON_PATCH},
    )

    assert response.status_code == 200, response.text
