"""PATCH /v2/images/{id}: both media types, every error, which one wins, all or nothing (images-v2, 3.4)."""

from uuid import uuid4

import pytest
from harness.databases import over_one_database
from harness.service import Service
from images import (
    EMOJI,
    JSON_PATCH,
    OLD_JSON_PATCH,
    UNKNOWN_ID,
    brief,
    create_active_image,
    create_image,
    create_public_image,
    explanation,
    list_ids,
    share_image,
    show_image,
    update_image,
)

Operation = dict[str, object]

READ_ONLY = [
    "created_at",
    "updated_at",
    "status",
    "checksum",
    "size",
    "virtual_size",
    "direct_url",
    "self",
    "file",
    "schema",
    "id",
    "os_hash_algo",
    "os_hash_value",
]
ATTRIBUTES = [
    "name",
    "visibility",
    "protected",
    "os_hidden",
    "container_format",
    "disk_format",
    "min_disk",
    "min_ram",
    "tags",
]
GOOD_VALUES = [
    ("name", "new"),
    ("name", None),
    ("name", ""),
    ("name", "schön"),
    ("visibility", "private"),
    ("visibility", "community"),
    ("protected", True),
    ("os_hidden", True),
    ("min_disk", 7),
    ("min_ram", 2147483647),
    ("disk_format", "qcow2"),
    ("disk_format", None),
    ("container_format", "ovf"),
    ("tags", []),
    ("tags", ["red"]),
    ("hw_disk_bus", "ide"),
    ("hw_disk_bus", ""),
    ("hw_disk_bus", "a" * 60000),
]
BAD_VALUES = [
    ("name", 1),
    ("name", "a" * 256),
    ("visibility", "secret"),
    ("visibility", None),
    ("protected", "true"),
    ("protected", 1),
    ("os_hidden", "true"),
    ("min_disk", "1"),
    ("min_disk", True),
    ("min_disk", 1.5),
    ("min_ram", None),
    ("disk_format", "floppy"),
    ("container_format", "box"),
    ("tags", "blue"),
    ("tags", [1]),
    ("tags", ["a" * 256]),
    ("hw_disk_bus", 1),
    ("hw_disk_bus", None),
    ("hw_disk_bus", {}),
]
BAD_BODIES = [
    (b"{", "Malformed JSON in request body."),
    (b"", "Body expected in request."),
    (b'"x"', "Unexpected body type. Expected list/dict."),
    (b"1", "Unexpected body type. Expected list/dict."),
    (b"null", "Unexpected body type. Expected list/dict."),
    (b"{}", "Request body must be a JSON array of operation objects."),
    (b'["x"]', "Operations must be JSON objects."),
    (b"[[]]", "Operations must be JSON objects."),
    (b"[null]", "Operations must be JSON objects."),
]
BAD_OPERATIONS = [
    (
        {"path": "/name", "value": "x"},
        "Unable to find `op` in JSON Schema change. It must be one of the following: add, remove, replace.",
    ),
    ({}, "Unable to find `op` in JSON Schema change."),
    ({"op": "move", "from": "/name", "path": "/a"}, "Invalid operation: `move`."),
    ({"op": "copy", "from": "/name", "path": "/a"}, "Invalid operation: `copy`."),
    ({"op": "test", "path": "/name", "value": "x"}, "Invalid operation: `test`."),
    ({"op": "Add", "path": "/name", "value": "x"}, "Invalid operation: `Add`."),
    ({"op": 1, "path": "/name", "value": "x"}, ""),
    ({"op": ["add"], "path": "/name", "value": "x"}, ""),
    ({"op": None, "path": "/name", "value": "x"}, ""),
    ({"op": "replace", "value": "x"}, "Unable to find 'path' in JSON Schema change"),
    ({"op": "replace", "path": 1, "value": "x"}, ""),
    ({"op": "replace", "path": None, "value": "x"}, ""),
    ({"op": "replace", "path": ["name"], "value": "x"}, ""),
    ({"op": "replace", "path": "name", "value": "x"}, "name"),
    ({"op": "replace", "path": "", "value": "x"}, ""),
    ({"op": "replace", "path": "/", "value": "x"}, ""),
    ({"op": "add", "path": "//a", "value": "x"}, "//a"),
    ({"op": "add", "path": "/a/", "value": "x"}, 'Pointer `/a/` end with "/".'),
    ({"op": "add", "path": "/a~b", "value": "x"}, "/a~b"),
    ({"op": "add", "path": "/a~2b", "value": "x"}, "/a~2b"),
    ({"op": "add", "path": "/a~", "value": "x"}, "/a~"),
    ({"op": "add", "path": "/a/b", "value": "x"}, "Invalid JSON pointer for this resource: '/a/b'"),
    ({"op": "add", "path": "/tags/-", "value": "x"}, "Invalid JSON pointer for this resource: '/tags/-'"),
    ({"op": "remove", "path": "/a/b"}, "Invalid JSON pointer for this resource: '/a/b'"),
    (
        {"op": "replace", "path": "/locations/0", "value": {}},
        "Invalid JSON pointer for this resource: '/locations/0'",
    ),
    ({"op": "add", "path": "/name"}, 'Operation "add" requires a member named "value".'),
    ({"op": "replace", "path": "/name"}, 'Operation "replace" requires a member named "value".'),
]
BAD_OLD_OPERATIONS = [
    {},
    {"value": "x"},
    {"add": "/a", "remove": "/b"},
    {"add": "/a", "replace": "/a", "value": "x"},
    {"move": "/a", "value": "x"},
    {"op": "add", "path": "/a", "value": "x"},
]


def add(name: str, value: object) -> Operation:
    """The operation that creates or overwrites."""
    return {"op": "add", "path": f"/{name}", "value": value}


def replace(name: str, value: object) -> Operation:
    """The operation that overwrites what is there."""
    return {"op": "replace", "path": f"/{name}", "value": value}


def remove(name: str) -> Operation:
    """The operation that takes a property away."""
    return {"op": "remove", "path": f"/{name}"}


def test_the_answer_is_the_whole_changed_image(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, name="old", hw_disk_bus="scsi")

    response = update_image(publisher, image["id"], replace("name", "new"))

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == image | {"name": "new", "updated_at": response.json()["updated_at"]}
    assert response.json() == show_image(publisher, image["id"])


def test_a_change_moves_the_time_of_update_and_not_that_of_creation(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    changed = update_image(publisher, image["id"], replace("name", "new")).json()

    assert changed["updated_at"] >= image["updated_at"]
    assert changed["created_at"] == image["created_at"]


def test_no_operations_are_a_change_of_nothing(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = update_image(publisher, image["id"])

    assert response.status_code == 200
    assert response.json() == image


@pytest.mark.parametrize("op", ["add", "replace"])
@pytest.mark.parametrize(("field", "value"), GOOD_VALUES, ids=brief)
def test_a_value_that_is_there_is_overwritten(service: Service, op: str, field: str, value: object) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, name="old", disk_format="raw", tags=["blue"], hw_disk_bus="scsi")

    response = update_image(publisher, image["id"], {"op": op, "path": f"/{field}", "value": value})

    assert response.status_code == 200
    assert response.json()[field] == value
    assert show_image(publisher, image["id"])[field] == value


@pytest.mark.parametrize(("field", "value"), GOOD_VALUES, ids=brief)
def test_the_old_media_type_replaces_the_same_values(service: Service, field: str, value: object) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, name="old", disk_format="raw", tags=["blue"], hw_disk_bus="scsi")

    response = update_image(
        publisher, image["id"], {"replace": f"/{field}", "value": value}, media_type=OLD_JSON_PATCH
    )

    assert response.status_code == 200
    assert show_image(publisher, image["id"])[field] == value


@pytest.mark.parametrize(
    ("media_type", "operation"),
    [
        (JSON_PATCH, {"op": "add", "path": "/hw_disk_bus", "value": "scsi"}),
        (OLD_JSON_PATCH, {"add": "/hw_disk_bus", "value": "scsi"}),
    ],
)
def test_a_property_is_added(service: Service, media_type: str, operation: Operation) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]

    response = update_image(publisher, image_id, operation, media_type=media_type)

    assert response.status_code == 200
    assert show_image(publisher, image_id)["hw_disk_bus"] == "scsi"


@pytest.mark.parametrize(
    ("media_type", "operation"),
    [
        (JSON_PATCH, {"op": "remove", "path": "/hw_disk_bus"}),
        (OLD_JSON_PATCH, {"remove": "/hw_disk_bus"}),
    ],
)
def test_a_property_is_removed(service: Service, media_type: str, operation: Operation) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher, hw_disk_bus="scsi")["id"]

    response = update_image(publisher, image_id, operation, media_type=media_type)

    assert response.status_code == 200
    assert "hw_disk_bus" not in show_image(publisher, image_id)


@pytest.mark.parametrize(
    ("media_type", "operation"),
    [
        (f"{JSON_PATCH}; charset=utf-8", {"op": "replace", "path": "/name", "value": "new"}),
        (f"{JSON_PATCH};charset=UTF-8", {"op": "replace", "path": "/name", "value": "new"}),
        (f"{OLD_JSON_PATCH}; charset=utf-8", {"replace": "/name", "value": "new"}),
    ],
)
def test_a_media_type_may_carry_parameters(service: Service, media_type: str, operation: Operation) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]

    response = update_image(publisher, image_id, operation, media_type=media_type)

    assert response.status_code == 200
    assert response.json()["name"] == "new"


def test_operations_apply_in_their_order(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]

    response = update_image(
        publisher, image_id, add("a", "1"), replace("a", "2"), add("b", "3"), remove("b"), add("b", "4")
    )

    assert response.status_code == 200
    assert (response.json()["a"], response.json()["b"]) == ("2", "4")


def test_equal_tags_merge(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]

    response = update_image(publisher, image_id, replace("tags", ["blue", "red", "blue"]))

    assert sorted(response.json()["tags"]) == ["blue", "red"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a~1b", "a/b"),
        ("/a~0b", "a~b"),
        ("/a~01b", "a~1b"),
        ("/trait:STORAGE_DISK_SSD", "trait:STORAGE_DISK_SSD"),
        ("/schön", "schön"),
        ("/ padded ", "padded"),
        ("/" + "a" * 255, "a" * 255),
    ],
    ids=brief,
)
def test_a_pointer_names_a_property(service: Service, path: str, name: str) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]

    response = update_image(publisher, image_id, {"op": "add", "path": path, "value": "x"})

    assert response.status_code == 200
    assert show_image(publisher, image_id)[name] == "x"


@pytest.mark.parametrize(
    "operation",
    [
        replace("name", "new"),
        replace("visibility", "private"),
        replace("protected", True),
        replace("os_hidden", True),
        replace("tags", ["blue"]),
        replace("min_disk", 1),
        replace("min_ram", 1),
        add("hw_disk_bus", "scsi"),
    ],
)
def test_an_active_image_may_be_described_anew(service: Service, operation: Operation) -> None:
    publisher = service.client("publisher")
    image_id = create_active_image(publisher)["id"]

    response = update_image(publisher, image_id, operation)

    assert response.status_code == 200
    assert response.json()["status"] == "active"


@pytest.mark.parametrize("field", ["disk_format", "container_format"])
@pytest.mark.parametrize("op", ["add", "replace"])
def test_the_formats_of_an_active_image_are_settled(service: Service, op: str, field: str) -> None:
    publisher = service.client("publisher")
    image_id = create_active_image(publisher)["id"]

    response = update_image(publisher, image_id, {"op": op, "path": f"/{field}", "value": "ami"})

    assert response.status_code == 403
    assert f"Attribute {field} can be only replaced for a queued image." in explanation(response)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json-patch+json",
        "application/openstack-images-v2.2-json-patch",
        "application/openstack-images-v2.1-json-patchx",
        "text/plain",
        "",
    ],
)
def test_any_other_media_type_is_refused_with_the_two_accepted(service: Service, media_type: str) -> None:
    response = update_image(service.client("publisher"), UNKNOWN_ID, media_type=media_type)

    assert response.status_code == 415
    assert response.headers["Accept-Patch"] == f"{OLD_JSON_PATCH}, {JSON_PATCH}"


def test_a_body_without_media_type_is_refused(service: Service) -> None:
    response = service.client("publisher").patch(f"/v2/images/{UNKNOWN_ID}", content=b"[]")

    assert response.status_code == 415
    assert "${" not in explanation(response)


@over_one_database
@pytest.mark.parametrize("media_type", [JSON_PATCH, OLD_JSON_PATCH])
@pytest.mark.parametrize(("body", "reason"), BAD_BODIES, ids=brief)
def test_a_body_that_is_no_array_of_objects_is_refused_before_the_image_is_looked_up(
    service: Service, body: bytes, reason: str, media_type: str
) -> None:
    response = service.client("publisher").patch(
        f"/v2/images/{UNKNOWN_ID}", content=body, headers={"Content-Type": media_type}
    )

    assert response.status_code == 400
    assert reason in explanation(response)


@over_one_database
@pytest.mark.parametrize(("operation", "reason"), BAD_OPERATIONS, ids=brief)
def test_a_malformed_operation_is_refused_before_the_image_is_looked_up(
    service: Service, operation: Operation, reason: str
) -> None:
    response = update_image(service.client("publisher"), UNKNOWN_ID, operation)

    assert response.status_code == 400
    assert reason in explanation(response)


@pytest.mark.parametrize("operation", BAD_OLD_OPERATIONS, ids=brief)
def test_an_old_operation_must_be_exactly_one(service: Service, operation: Operation) -> None:
    response = update_image(service.client("publisher"), UNKNOWN_ID, operation, media_type=OLD_JSON_PATCH)

    assert response.status_code == 400
    assert "Operation objects must contain exactly one member named" in explanation(response)


@pytest.mark.parametrize("op", ["add", "replace"])
def test_an_old_operation_needs_its_value_too(service: Service, op: str) -> None:
    response = update_image(service.client("publisher"), UNKNOWN_ID, {op: "/name"}, media_type=OLD_JSON_PATCH)

    assert response.status_code == 400
    assert f'Operation "{op}" requires a member named "value".' in explanation(response)


@over_one_database
@pytest.mark.parametrize("operation", [{"op": "add"}, {"op": "replace"}, {"op": "remove"}], ids=brief)
@pytest.mark.parametrize("field", READ_ONLY)
def test_what_the_service_alone_writes_is_read_only_even_on_an_absent_image(
    service: Service, operation: Operation, field: str
) -> None:
    response = update_image(
        service.client("publisher"), UNKNOWN_ID, operation | {"path": f"/{field}", "value": "x"}
    )

    assert response.status_code == 403
    assert f"Attribute '{field}' is read-only." in explanation(response)


def test_the_stores_cannot_be_added(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]

    response = update_image(publisher, image_id, add("stores", "x"))

    assert response.status_code == 403
    assert "Attribute 'stores' is read-only." in explanation(response)


@over_one_database
@pytest.mark.parametrize("operation", [{"op": "add"}, {"op": "replace"}, {"op": "remove"}], ids=brief)
@pytest.mark.parametrize("name", ["location", "deleted", "os_glance", "os_glance_x", "os_share_family"])
def test_a_reserved_property_is_out_of_reach_even_on_an_absent_image(
    service: Service, operation: Operation, name: str
) -> None:
    response = update_image(
        service.client("publisher"), UNKNOWN_ID, operation | {"path": f"/{name}", "value": "x"}
    )

    assert response.status_code == 403
    assert f"Attribute '{name}' is reserved." in explanation(response)


@over_one_database
@pytest.mark.parametrize("op", ["add", "replace"])
@pytest.mark.parametrize(("field", "value"), BAD_VALUES, ids=brief)
def test_a_value_outside_the_schema_is_refused_with_its_name(
    service: Service, op: str, field: str, value: object
) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, name="old", hw_disk_bus="scsi")

    response = update_image(publisher, image["id"], {"op": op, "path": f"/{field}", "value": value})

    assert response.status_code == 400
    assert field in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("field", ["min_disk", "min_ram"])
@pytest.mark.parametrize("value", [-1, 2**31, 2**63, 2**70])
def test_a_minimum_out_of_range_is_refused_with_its_name(service: Service, field: str, value: int) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = update_image(publisher, image["id"], replace(field, value))

    assert response.status_code == 400
    assert field in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize(
    "operation",
    [
        replace("name", EMOJI),
        replace("name", "a\0b"),
        replace("tags", [EMOJI]),
        replace("tags", ["a\0b"]),
        add("hw_disk_bus", EMOJI),
        add("hw_disk_bus", "a\0b"),
        add(EMOJI, "x"),
        add("a\0b", "x"),
        add("a" * 256, "x"),
    ],
    ids=brief,
)
def test_a_text_that_cannot_be_stored_is_refused(service: Service, operation: Operation) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = update_image(publisher, image["id"], operation)

    assert response.status_code == 400
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("operation", [replace("nothing", "x"), remove("nothing")], ids=brief)
def test_a_property_that_is_not_there_is_a_conflict(service: Service, operation: Operation) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = update_image(publisher, image["id"], operation)

    assert response.status_code == 409
    assert "Property nothing does not exist." in explanation(response)
    assert show_image(publisher, image["id"]) == image


def test_the_old_media_type_adds_no_property_twice(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher, hw_disk_bus="scsi")["id"]

    response = update_image(
        publisher, image_id, {"add": "/hw_disk_bus", "value": "ide"}, media_type=OLD_JSON_PATCH
    )

    assert response.status_code == 409
    assert "Property hw_disk_bus already present." in explanation(response)


@pytest.mark.parametrize("field", ATTRIBUTES)
def test_an_attribute_cannot_be_removed(service: Service, field: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, name="old")

    response = update_image(publisher, image["id"], remove(field))

    assert response.status_code == 403
    assert f"Property {field} may not be removed." in explanation(response)
    assert show_image(publisher, image["id"]) == image


def test_the_locations_cannot_be_emptied(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]

    response = update_image(publisher, image_id, replace("locations", []))

    assert response.status_code == 403
    assert "Cannot set locations to empty list." in explanation(response)


@pytest.mark.parametrize("op", ["add", "replace"])
def test_an_owner_gives_no_image_away(service: Service, op: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)
    new_owner = service.clouds["recipient"].project_id

    response = update_image(publisher, image["id"], {"op": op, "path": "/owner", "value": new_owner})

    assert response.status_code == 403
    assert "Owner can't be updated by non admin." in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("op", ["add", "replace"])
def test_an_admin_gives_an_image_to_another_project(service: Service, op: str) -> None:
    new_owner = service.clouds["recipient"].project_id
    image_id = create_image(service.client("publisher"))["id"]

    response = update_image(
        service.client("admin"), image_id, {"op": op, "path": "/owner", "value": new_owner}
    )

    assert response.status_code == 200
    assert show_image(service.client("recipient"), image_id)["owner"] == new_owner


def test_only_an_admin_publishes(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = update_image(publisher, image["id"], replace("visibility", "public"))

    assert response.status_code == 403
    assert "You are not authorized to complete publicize_image action." in explanation(response)
    assert show_image(publisher, image["id"]) == image


def test_an_admin_publishes_the_image_of_another_project(service: Service) -> None:
    image_id = create_image(service.client("publisher"))["id"]

    response = update_image(service.client("admin"), image_id, replace("visibility", "public"))

    assert response.status_code == 200
    assert show_image(service.client("other"), image_id)["visibility"] == "public"


def test_the_owner_of_a_public_image_keeps_its_rights(service: Service) -> None:
    image_id = create_public_image(service)["id"]

    response = update_image(service.client("publisher"), image_id, replace("name", "new"))

    assert response.status_code == 200
    assert response.json()["name"] == "new"


def test_an_admin_changes_the_image_of_another_project(service: Service) -> None:
    image_id = create_image(service.client("publisher"), visibility="private")["id"]

    response = update_image(service.client("admin"), image_id, replace("name", "new"))

    assert response.status_code == 200


@pytest.mark.parametrize("caller", ["publisher-reader", "recipient", "recipient-reader"])
@pytest.mark.parametrize(
    "operation",
    [replace("name", "new"), add("a", "x"), remove("hw_disk_bus"), replace("visibility", "private")],
    ids=brief,
)
def test_who_merely_sees_an_image_changes_nothing_of_it(
    service: Service, caller: str, operation: Operation
) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, hw_disk_bus="scsi")
    share_image(service, image["id"], "accepted")

    response = update_image(service.client(caller), image["id"], operation)

    assert response.status_code == 403
    assert "You are not authorized to complete modify_image action." in explanation(response)
    assert show_image(publisher, image["id"]) == image


def test_a_stranger_changes_no_public_image(service: Service) -> None:
    image_id = create_public_image(service)["id"]

    response = update_image(service.client("other"), image_id, replace("name", "new"))

    assert response.status_code == 403


@pytest.mark.parametrize(
    "operation",
    [replace("name", "new"), replace("visibility", "public"), replace("owner", "x"), remove("name")],
    ids=brief,
)
def test_an_image_the_caller_cannot_see_is_absent(service: Service, operation: Operation) -> None:
    image_id = create_image(service.client("publisher"))["id"]

    response = update_image(service.client("other"), image_id, operation)

    assert response.status_code == 404
    assert f"No image found with ID {image_id}" in explanation(response)


def test_a_deleted_image_is_absent(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]
    publisher.delete(f"/v2/images/{image_id}")

    response = update_image(publisher, image_id, replace("name", "new"))

    assert response.status_code == 404
    assert f"No image found with ID {image_id}" in explanation(response)


@pytest.mark.parametrize(
    ("operations", "status", "reason"),
    [
        ([replace("a/b", "x"), replace("id", "x")], 400, "Invalid JSON pointer"),
        ([replace("id", "x"), replace("a/b", "x")], 403, "Attribute 'id' is read-only."),
        ([replace("name", 1), replace("id", "x")], 400, "name"),
        ([replace("deleted", "x"), replace("name", 1)], 403, "Attribute 'deleted' is reserved."),
        ([replace("nothing", "x"), replace("id", "x")], 403, "Attribute 'id' is read-only."),
        ([replace("nothing", "x"), replace("name", 1)], 400, "name"),
        ([replace("nothing", "x"), remove("name")], 409, "Property nothing does not exist."),
        ([remove("name"), replace("nothing", "x")], 403, "Property name may not be removed."),
        ([replace("visibility", "public"), replace("nothing", "x")], 403, "publicize_image"),
        ([{"op": "replace", "path": "/id"}], 400, 'requires a member named "value"'),
        ([{"op": "replace", "path": "/id/x", "value": "x"}], 400, "Invalid JSON pointer"),
    ],
    ids=brief,
)
def test_the_first_rule_that_is_broken_decides(
    service: Service, operations: list[Operation], status: int, reason: str
) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = update_image(publisher, image["id"], *operations)

    assert response.status_code == status
    assert reason in explanation(response)
    assert show_image(publisher, image["id"]) == image


def test_a_wrong_media_type_is_found_before_a_bad_body(service: Service) -> None:
    response = service.client("publisher").patch(
        f"/v2/images/{UNKNOWN_ID}", content=b"{", headers={"Content-Type": "application/json"}
    )

    assert response.status_code == 415


def test_a_value_outside_the_schema_is_found_before_the_image_is_looked_up(service: Service) -> None:
    response = update_image(service.client("publisher"), UNKNOWN_ID, replace("name", 1))

    assert response.status_code == 400


def test_a_good_change_of_an_absent_image_is_not_found(service: Service) -> None:
    response = update_image(service.client("publisher"), UNKNOWN_ID, replace("name", "new"))

    assert response.status_code == 404
    assert f"No image found with ID {UNKNOWN_ID}" in explanation(response)


def test_a_reader_may_not_change_the_owner_for_the_first_of_two_reasons(service: Service) -> None:
    image_id = create_image(service.client("publisher"))["id"]

    response = update_image(service.client("publisher-reader"), image_id, replace("owner", "x"))

    assert response.status_code == 403
    assert "Owner can't be updated by non admin." in explanation(response)


@pytest.mark.parametrize(
    "last",
    [
        replace("nothing", "x"),
        remove("nothing"),
        remove("name"),
        replace("visibility", "public"),
        replace("owner", "x"),
        replace("min_ram", -1),
        replace("min_ram", 2**31),
        replace("tags", [f"t{number}" for number in range(129)]),
        add("a\0b", "x"),
    ],
    ids=brief,
)
def test_a_failing_operation_undoes_those_before_it(service: Service, last: Operation) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, name="old", tags=["blue"], hw_disk_bus="scsi")

    response = update_image(
        publisher,
        image["id"],
        replace("name", "new"),
        replace("tags", ["red"]),
        add("a", "x"),
        remove("hw_disk_bus"),
        last,
    )

    assert 400 <= response.status_code < 500
    assert show_image(publisher, image["id"]) == image


def test_129_tags_are_over_the_quota(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]

    response = update_image(publisher, image_id, replace("tags", [f"t{number}" for number in range(129)]))

    assert response.status_code == 413
    assert "Attempted: 129, Maximum: 128" in explanation(response)


def test_one_property_too_many_is_over_the_quota(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, **{f"p{number}": "x" for number in range(128)})

    response = update_image(publisher, image["id"], add("one_more", "x"))

    assert response.status_code == 413
    assert "Attempted: 129, Maximum: 128" in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize(
    "operations",
    [
        [replace("p0", "y")],
        [remove("p0")],
        [remove("p0"), add("one_more", "x")],
        [add("one_more", "x"), remove("p0")],
        [replace("name", "new")],
    ],
    ids=brief,
)
def test_an_image_with_all_its_properties_may_still_be_changed(
    service: Service, operations: list[Operation]
) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher, **{f"p{number}": "x" for number in range(128)})["id"]

    response = update_image(publisher, image_id, *operations)

    assert response.status_code == 200


@pytest.mark.parametrize("name", ["image_id", "member", "extra_properties", "base_url", "properties"])
def test_an_internal_name_is_a_property_like_any_or_refused(service: Service, name: str) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]

    response = update_image(publisher, image_id, add(name, "x"))

    assert response.status_code in (200, 403)
    assert show_image(publisher, image_id)["id"] == image_id


def test_a_removed_property_is_found_no_more(service: Service) -> None:
    publisher = service.client("publisher")
    value = str(uuid4())
    image_id = create_image(publisher, hw_disk_bus=value)["id"]

    update_image(publisher, image_id, remove("hw_disk_bus"))

    assert list_ids(publisher, f"hw_disk_bus={value}") == []
