"""The schema documents that clients build their models from (images-v2, 2.4 and 4.11)."""

import re
from typing import Any

import pytest
from conftest import SharedServices
from harness.service import Service
from images import UNKNOWN_ID

SCHEMAS = ["image", "images", "member", "members"]

READ_ONLY = [
    "checksum",
    "created_at",
    "direct_url",
    "file",
    "os_hash_algo",
    "os_hash_value",
    "schema",
    "self",
    "size",
    "status",
    "stores",
    "updated_at",
    "virtual_size",
]
WRITABLE = [
    "container_format",
    "disk_format",
    "id",
    "locations",
    "min_disk",
    "min_ram",
    "name",
    "os_hidden",
    "owner",
    "protected",
    "tags",
    "visibility",
]
MAX_LENGTHS = [("name", 255), ("owner", 255), ("checksum", 32), ("os_hash_algo", 64), ("os_hash_value", 128)]
ENUMS = [
    (
        "container_format",
        {None, "ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"},
    ),
    (
        "disk_format",
        {None, "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"},
    ),
    ("visibility", {"community", "public", "private", "shared"}),
    (
        "status",
        {
            "queued",
            "saving",
            "active",
            "killed",
            "deleted",
            "uploading",
            "importing",
            "pending_delete",
            "deactivated",
        },
    ),
]
TYPES = [
    ("name", {"null", "string"}),
    ("owner", {"null", "string"}),
    ("checksum", {"null", "string"}),
    ("size", {"null", "integer"}),
    ("virtual_size", {"null", "integer"}),
    ("container_format", {"null", "string"}),
    ("disk_format", {"null", "string"}),
    ("id", {"string"}),
    ("status", {"string"}),
    ("visibility", {"string"}),
    ("min_disk", {"integer"}),
    ("min_ram", {"integer"}),
    ("protected", {"boolean"}),
    ("os_hidden", {"boolean"}),
    ("tags", {"array"}),
    ("locations", {"array"}),
]
MEMBER_FIELDS = {"created_at", "image_id", "member_id", "schema", "status", "updated_at"}


@pytest.fixture(scope="session")
def service(shared_services: SharedServices) -> Service:
    """Over one database: schemas are in none."""
    return shared_services.get("sqlite")


def schema(service: Service, name: str) -> dict[str, Any]:
    """The document, as the reader of a project gets it."""
    return dict(service.client("publisher-reader").get(f"/v2/schemas/{name}").json())


def types_of(field: dict[str, Any]) -> set[str]:
    """The JSON types the field allows, whether its schema names one or several."""
    return set(re.findall(r"\w+", str(field["type"])))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_document_carries_its_own_name(service: Service, name: str) -> None:
    response = service.client("publisher").get(f"/v2/schemas/{name}")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["name"] == name


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_document_needs_a_token(service: Service, name: str) -> None:
    response = service.client(None).get(f"/v2/schemas/{name}")

    assert response.status_code == 401


@pytest.mark.parametrize("name", ["nonexistent", "Image", "image/x", UNKNOWN_ID])
def test_an_unknown_schema_is_not_found(service: Service, name: str) -> None:
    response = service.client("publisher").get(f"/v2/schemas/{name}")

    assert response.status_code == 404


@pytest.mark.parametrize("field", READ_ONLY)
def test_the_image_schema_marks_what_the_service_alone_writes(service: Service, field: str) -> None:
    properties = schema(service, "image")["properties"]

    assert properties[field]["readOnly"] is True


@pytest.mark.parametrize("field", WRITABLE)
def test_the_image_schema_leaves_writable_fields_unmarked(service: Service, field: str) -> None:
    properties = schema(service, "image")["properties"]

    assert properties[field].get("readOnly", False) is False


@pytest.mark.parametrize("field", sorted(READ_ONLY + WRITABLE))
def test_the_image_schema_describes_every_field(service: Service, field: str) -> None:
    properties = schema(service, "image")["properties"]

    assert properties[field]["description"]
    assert properties[field]["type"]


@pytest.mark.parametrize(("field", "max_length"), MAX_LENGTHS)
def test_the_image_schema_tells_the_longest_value(service: Service, field: str, max_length: int) -> None:
    properties = schema(service, "image")["properties"]

    assert properties[field]["maxLength"] == max_length


def test_the_image_schema_tells_the_longest_tag(service: Service) -> None:
    tags = schema(service, "image")["properties"]["tags"]

    assert tags["items"]["type"] == "string"
    assert tags["items"]["maxLength"] == 255


@pytest.mark.parametrize(("field", "values"), ENUMS)
def test_the_image_schema_lists_the_values_of_a_closed_set(
    service: Service, field: str, values: set[str | None]
) -> None:
    enum = schema(service, "image")["properties"][field]["enum"]

    assert set(enum) == values
    assert len(enum) == len(values)


@pytest.mark.parametrize("field", ["container_format", "disk_format"])
def test_the_image_schema_names_null_first_among_the_formats(service: Service, field: str) -> None:
    enum = schema(service, "image")["properties"][field]["enum"]

    assert enum[0] is None


@pytest.mark.parametrize(("field", "types"), TYPES)
def test_the_image_schema_tells_the_type_of_a_field(service: Service, field: str, types: set[str]) -> None:
    properties = schema(service, "image")["properties"]

    assert types_of(properties[field]) == types


def test_the_image_schema_asks_for_a_uuid_as_id(service: Service) -> None:
    pattern = schema(service, "image")["properties"]["id"]["pattern"]

    assert re.match(pattern, UNKNOWN_ID)
    assert not re.match(pattern, "not-a-uuid")


def test_the_image_schema_allows_further_properties_that_are_strings(service: Service) -> None:
    assert schema(service, "image")["additionalProperties"] == {"type": "string"}


def test_the_image_schema_links_to_self_file_and_schema(service: Service) -> None:
    links = schema(service, "image")["links"]

    assert {link["rel"]: link["href"] for link in links} == {
        "self": "{self}",
        "enclosure": "{file}",
        "describedby": "{schema}",
    }


def test_the_images_schema_describes_a_page(service: Service) -> None:
    properties = schema(service, "images")["properties"]

    assert set(properties) == {"images", "first", "next", "schema"}
    assert {properties[field]["type"] for field in ("first", "next", "schema")} == {"string"}


def test_the_images_schema_repeats_the_image_schema_for_its_items(service: Service) -> None:
    items = schema(service, "images")["properties"]["images"]

    assert items["type"] == "array"
    assert items["items"] == schema(service, "image")


def test_the_images_schema_links_to_the_first_and_the_next_page(service: Service) -> None:
    links = schema(service, "images")["links"]

    assert {link["rel"]: link["href"] for link in links} == {
        "first": "{first}",
        "next": "{next}",
        "describedby": "{schema}",
    }


def test_the_member_schema_has_a_name_and_properties_and_nothing_else(service: Service) -> None:
    assert set(schema(service, "member")) == {"name", "properties"}


def test_the_member_schema_describes_six_strings(service: Service) -> None:
    properties = schema(service, "member")["properties"]

    assert {field: properties[field]["type"] for field in properties} == dict.fromkeys(
        MEMBER_FIELDS, "string"
    )


@pytest.mark.parametrize("field", ["created_at", "image_id", "member_id", "status", "updated_at"])
def test_the_member_schema_explains_its_fields(service: Service, field: str) -> None:
    assert schema(service, "member")["properties"][field]["description"]


def test_the_member_schema_marks_the_schema_link_read_only(service: Service) -> None:
    assert schema(service, "member")["properties"]["schema"] == {"type": "string", "readOnly": True}


def test_the_member_schema_lists_the_three_statuses(service: Service) -> None:
    assert schema(service, "member")["properties"]["status"]["enum"] == ["pending", "accepted", "rejected"]


def test_the_member_schema_asks_for_a_uuid_as_image_id(service: Service) -> None:
    pattern = schema(service, "member")["properties"]["image_id"]["pattern"]

    assert pattern == (
        "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
    )


def test_the_members_schema_is_a_list_of_members_that_links_to_its_schema(service: Service) -> None:
    assert schema(service, "members") == {
        "name": "members",
        "properties": {
            "members": {"type": "array", "items": schema(service, "member")},
            "schema": {"type": "string"},
        },
        "links": [{"rel": "describedby", "href": "{schema}"}],
    }


def test_the_tasks_schema_is_a_list_of_tasks_that_links_to_its_schema(service: Service) -> None:
    assert set(schema(service, "tasks")["properties"]) == {"tasks", "schema"}
    assert schema(service, "tasks")["links"] == [{"rel": "describedby", "href": "{schema}"}]


def test_the_image_schema_says_that_validation_data_is_never_shown(service: Service) -> None:
    location = schema(service, "image")["properties"]["locations"]["items"]["properties"]

    assert location["validation_data"]["writeOnly"] is True
