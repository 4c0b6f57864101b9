"""Every resource for images of both clouds' Terraform providers has a test that replays what it asks, and its
place in docs/clients/terraform.md."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "clients" / "terraform.md"
OBJECTS, SERVERS, COPIES = "test_provider_objects", "test_provider_servers", "test_provider_copies"
OTHERS = "test_go_clients"

#: Resource → the file and the function of its test.
STORIES = {
    "huaweicloud_images_image": (OBJECTS, "test_huaweicloud_images_image_of_an_object"),
    "huaweicloud_images_image_copy": (COPIES, "test_huaweicloud_images_image_copy_to_another_region"),
    "huaweicloud_images_image_share": (OTHERS, "test_a_share_is_made_accepted_and_destroyed_in_batches"),
    "huaweicloud_images_image_share_accepter": (
        OTHERS,
        "test_a_share_is_made_accepted_and_destroyed_in_batches",
    ),
    "huaweicloud_ims_cbr_whole_image": (SERVERS, "test_huaweicloud_ims_cbr_whole_image"),
    "huaweicloud_ims_ecs_system_image": (SERVERS, "test_huaweicloud_ims_ecs_system_image"),
    "huaweicloud_ims_ecs_whole_image": (SERVERS, "test_huaweicloud_ims_ecs_whole_image"),
    "huaweicloud_ims_evs_data_image": (SERVERS, "test_huaweicloud_ims_evs_data_image"),
    "huaweicloud_ims_evs_system_image": (SERVERS, "test_huaweicloud_ims_evs_system_image"),
    "huaweicloud_ims_image_export": (OBJECTS, "test_huaweicloud_ims_image_export"),
    "huaweicloud_imsv21_image_export": (OBJECTS, "test_huaweicloud_ims_image_export"),
    "huaweicloud_ims_image_metadata": (OBJECTS, "test_huaweicloud_ims_image_metadata"),
    "huaweicloud_ims_image_registration": (OBJECTS, "test_huaweicloud_ims_image_registration"),
    "huaweicloud_ims_obs_data_image": (OBJECTS, "test_huaweicloud_ims_obs_data_image"),
    "huaweicloud_ims_obs_iso_image": (OBJECTS, "test_huaweicloud_ims_obs_iso_image"),
    "huaweicloud_ims_obs_system_image": (OBJECTS, "test_huaweicloud_ims_obs_system_image"),
    "huaweicloud_ims_quickimport_data_image": (OBJECTS, "test_huaweicloud_ims_quickimport_data_image"),
    "huaweicloud_ims_quickimport_system_image": (OBJECTS, "test_huaweicloud_ims_quickimport_system_image"),
    "opentelekomcloud_images_image_access_accept_v2": (
        OTHERS,
        "test_an_image_is_shared_and_accepted_natively",
    ),
    "opentelekomcloud_images_image_access_v2": (OTHERS, "test_an_image_is_shared_and_accepted_natively"),
    "opentelekomcloud_images_image_v2": (
        "test_catalog_endpoint",
        "test_an_image_lives_as_the_provider_has_it",
    ),
    "opentelekomcloud_ims_data_image_v2": (OBJECTS, "test_opentelekomcloud_ims_data_image_v2"),
    "opentelekomcloud_ims_image_v2": (OBJECTS, "test_opentelekomcloud_ims_image_v2"),
}


@pytest.mark.parametrize("resource", STORIES)
def test_a_resource_has_its_test(resource: str) -> None:
    file, name = STORIES[resource]
    tree = ast.parse((HERE / f"{file}.py").read_text(encoding="utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_a_test_of_a_resource_is_that_of_one() -> None:
    """By its name, in the files that replay providers."""
    names = [
        node.name.removeprefix("test_")
        for file in (OBJECTS, SERVERS, COPIES)
        for node in ast.parse((HERE / f"{file}.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]

    assert [name for name in names if not name.startswith(tuple(STORIES))] == []


@pytest.mark.parametrize("resource", STORIES)
def test_the_page_of_the_providers_tells_of_each_resource(resource: str) -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert resource in page or f"`{resource.removeprefix('huaweicloud_')}`" in page
