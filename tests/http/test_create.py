"""POST /v2/images: what a new image looks like, and every reason not to make one (images-v2, 2.1 and 3.1)."""

import re
from uuid import uuid4

import pytest
from access.answers import IMAGE_KEYS
from harness.databases import over_one_database
from harness.service import Service
from images import (
    EMOJI,
    brief,
    create_image,
    delete_image,
    explanation,
    list_ids,
    show_image,
)

DEFAULTS: dict[str, object] = {
    "name": None,
    "status": "queued",
    "visibility": "shared",
    "protected": False,
    "os_hidden": False,
    "checksum": None,
    "os_hash_algo": None,
    "os_hash_value": None,
    "size": None,
    "virtual_size": None,
    "container_format": None,
    "disk_format": None,
    "min_disk": 0,
    "min_ram": 0,
    "tags": [],
    "schema": "/v2/schemas/image",
}
CONTAINER_FORMATS = [None, "ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"]
DISK_FORMATS = [
    None,
    "ami",
    "ari",
    "aki",
    "vhd",
    "vhdx",
    "vmdk",
    "raw",
    "qcow2",
    "vdi",
    "iso",
    "ploop",
]
KEPT_VALUES = [
    ("name", None),
    ("name", ""),
    ("name", "a" * 255),
    ("name", "schöne Grüße, 世界"),
    ("visibility", "private"),
    ("visibility", "shared"),
    ("visibility", "community"),
    ("protected", True),
    ("os_hidden", True),
    ("min_disk", 2147483647),
    ("min_ram", 2147483647),
    ("tags", ["a" * 255]),
    ("ramdisk_id", "some text"),
    ("hw_disk_bus", ""),
    ("trait:STORAGE_DISK_SSD", "required"),
    ("a" * 255, "long name"),
    ("long_value", "a" * 60000),
]
BAD_VALUES = [
    ("name", 1),
    ("name", ["i"]),
    ("name", "a" * 256),
    ("id", "not-a-uuid"),
    ("id", None),
    ("visibility", "secret"),
    ("visibility", "all"),
    ("visibility", None),
    ("protected", "true"),
    ("protected", 1),
    ("protected", None),
    ("os_hidden", "true"),
    ("os_hidden", 0),
    ("min_disk", "1"),
    ("min_disk", True),
    ("min_disk", 1.5),
    ("min_disk", None),
    ("min_ram", "1"),
    ("min_ram", False),
    ("disk_format", "floppy"),
    ("disk_format", ""),
    ("container_format", "box"),
    ("container_format", ""),
    ("tags", "blue"),
    ("tags", None),
    ("tags", {"blue": True}),
    ("tags", [1]),
    ("tags", [None]),
    ("tags", ["a" * 256]),
    ("owner", 1),
    ("status", "unheard-of"),
    ("size", "10"),
    ("hw_disk_bus", 1),
    ("hw_disk_bus", True),
    ("hw_disk_bus", None),
    ("hw_disk_bus", ["scsi"]),
    ("hw_disk_bus", {"bus": "scsi"}),
    ("deleted", True),
]
FIRST_READ_ONLY = ["direct_url", "self", "file", "schema", "stores"]
LATER_READ_ONLY = [
    ("created_at", "2026-01-01T00:00:00Z"),
    ("updated_at", "2026-01-01T00:00:00Z"),
    ("status", "active"),
    ("checksum", "a" * 32),
    ("size", 10),
    ("virtual_size", 10),
    ("os_hash_algo", "sha512"),
    ("os_hash_value", "a" * 128),
]
BODIES_OF_NO_OBJECT = [
    (b"{", "Malformed JSON in request body."),
    (b"name=i", "Malformed JSON in request body."),
    (b'"name"', "Unexpected body type. Expected list/dict."),
    (b"1", "Unexpected body type. Expected list/dict."),
    (b"null", "Unexpected body type. Expected list/dict."),
    (b"true", "Unexpected body type. Expected list/dict."),
    (b"", "Body expected in request."),
]
UNSTORABLE_TEXTS = [
    ({"name": EMOJI}, "Name can't contain 4 byte unicode characters."),
    ({EMOJI: "x"}, "Property names can't contain 4 byte unicode"),
    ({"hw_disk_bus": EMOJI}, "4 byte unicode"),
    ({"tags": [EMOJI]}, "4 byte unicode"),
]
TEXTS_WITH_NUL = [
    {"name": "a\0b"},
    {"hw_disk_bus": "a\0b"},
    {"hw\0disk_bus": "scsi"},
    {"tags": ["a\0b"]},
]


def test_an_empty_object_makes_an_image(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", json={})

    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"


def test_a_fresh_image_has_exactly_the_base_fields(service: Service) -> None:
    image = create_image(service.client("publisher"))

    assert set(image) == IMAGE_KEYS


@pytest.mark.parametrize(("field", "value"), DEFAULTS.items())
def test_a_field_that_is_not_given_takes_its_default(service: Service, field: str, value: object) -> None:
    image = create_image(service.client("publisher"))

    assert image[field] == value


def test_a_new_image_belongs_to_the_project_of_its_maker(service: Service) -> None:
    image = create_image(service.client("publisher"))

    assert image["owner"] == service.clouds["publisher"].project_id


def test_a_new_image_gets_a_random_uuid(service: Service) -> None:
    image = create_image(service.client("publisher"))

    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", image["id"])


def test_a_new_image_links_to_itself_and_its_file(service: Service) -> None:
    image = create_image(service.client("publisher"))

    assert image["self"] == f"/v2/images/{image['id']}"
    assert image["file"] == f"/v2/images/{image['id']}/file"


def test_a_new_image_was_updated_when_it_was_created(service: Service) -> None:
    image = create_image(service.client("publisher"))

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", image["created_at"])
    assert image["updated_at"] == image["created_at"]


def test_the_answer_tells_the_absolute_address_of_the_image(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", json={})

    assert response.headers["Location"] == service.url.rstrip("/") + response.json()["self"]


def test_the_answer_is_what_showing_the_image_gives(service: Service) -> None:
    publisher = service.client("publisher")

    image = create_image(publisher, name="i", tags=["blue"], hw_disk_bus="scsi")

    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize(("field", "value"), KEPT_VALUES, ids=brief)
def test_a_good_value_is_kept(service: Service, field: str, value: object) -> None:
    publisher = service.client("publisher")

    image = create_image(publisher, **{field: value})

    assert show_image(publisher, image["id"])[field] == value


@pytest.mark.parametrize("disk_format", DISK_FORMATS)
def test_every_disk_format_is_accepted(service: Service, disk_format: str | None) -> None:
    image = create_image(service.client("publisher"), disk_format=disk_format)

    assert image["disk_format"] == disk_format


@pytest.mark.parametrize("container_format", CONTAINER_FORMATS)
def test_every_container_format_is_accepted(service: Service, container_format: str | None) -> None:
    image = create_image(service.client("publisher"), container_format=container_format)

    assert image["container_format"] == container_format


def test_a_float_without_fraction_is_an_integer(service: Service) -> None:
    image = create_image(service.client("publisher"), min_ram=64.0)

    assert image["min_ram"] == 64


def test_equal_tags_merge(service: Service) -> None:
    image = create_image(service.client("publisher"), tags=["blue", "red", "blue"])

    assert sorted(image["tags"]) == ["blue", "red"]


@pytest.mark.parametrize(
    "image_id", ["2c0c7f2e-5b1d-4d6e-8f0a-{:012d}", "2C0C7F2E-5B1D-4D6E-8F0A-{:012d}"], ids=["lower", "upper"]
)
def test_a_given_id_is_kept_as_it_is_written(service: Service, image_id: str) -> None:
    given_id = image_id.format(uuid4().int % 10**12)

    image = create_image(service.client("publisher"), id=given_id)

    assert image["id"] == given_id


def test_text_is_answered_as_utf_8_and_not_escaped(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", json={"name": "schön"})

    assert "schön".encode() in response.content


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "application/x-unheard"])
def test_the_body_is_read_whatever_its_media_type(service: Service, content_type: str) -> None:
    response = service.client("publisher").post(
        "/v2/images", content=b'{"name": "i"}', headers={"Content-Type": content_type}
    )

    assert response.status_code == 201
    assert response.json()["name"] == "i"


def test_the_body_is_read_without_a_media_type(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", content=b'{"name": "i"}')

    assert response.status_code == 201
    assert response.json()["name"] == "i"


def test_the_body_may_come_in_chunks(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", content=[b'{"na', b'me": "i"}'])

    assert response.status_code == 201
    assert response.json()["name"] == "i"


def test_two_images_may_have_one_name(service: Service) -> None:
    publisher = service.client("publisher")
    name = str(uuid4())

    ids = {create_image(publisher, name=name)["id"], create_image(publisher, name=name)["id"]}

    assert set(list_ids(publisher, f"name={name}")) == ids


@over_one_database
@pytest.mark.parametrize(("body", "reason"), BODIES_OF_NO_OBJECT, ids=brief)
def test_a_body_that_is_no_json_object_is_refused(service: Service, body: bytes, reason: str) -> None:
    response = service.client("publisher").post("/v2/images", content=body)

    assert response.status_code == 400
    assert reason in explanation(response)


def test_an_array_for_an_image_is_refused(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", json=[{"name": "i"}])

    assert response.status_code == 400


@over_one_database
@pytest.mark.parametrize(("field", "value"), BAD_VALUES, ids=brief)
def test_a_value_outside_the_schema_is_refused_with_its_name(
    service: Service, field: str, value: object
) -> None:
    response = service.client("publisher").post("/v2/images", json={field: value})

    assert response.status_code == 400
    assert "Provided object does not match schema 'image'" in explanation(response)
    assert field in explanation(response)


@pytest.mark.parametrize("field", FIRST_READ_ONLY)
def test_a_link_or_store_cannot_be_given(service: Service, field: str) -> None:
    response = service.client("publisher").post("/v2/images", json={field: "/v2/images/x"})

    assert response.status_code == 403
    assert f"Attribute '{field}' is read-only." in explanation(response)


@over_one_database
@pytest.mark.parametrize(("field", "value"), LATER_READ_ONLY, ids=brief)
def test_what_the_service_alone_writes_cannot_be_given(service: Service, field: str, value: object) -> None:
    response = service.client("publisher").post("/v2/images", json={field: value})

    assert response.status_code == 403
    assert f"Attribute '{field}' is read-only." in explanation(response)


def test_locations_cannot_be_given(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", json={"locations": []})

    assert response.status_code == 403
    assert "Attribute 'locations' is reserved." in explanation(response)


@pytest.mark.parametrize("name", ["location", "deleted", "deleted_at"])
def test_a_reserved_property_cannot_be_given(service: Service, name: str) -> None:
    response = service.client("publisher").post("/v2/images", json={name: "x"})

    assert response.status_code == 403
    assert f"Attribute '{name}' is reserved." in explanation(response)


@pytest.mark.parametrize("name", ["os_glance_x", "os_glance", "os_glancex", "os_glance_import_task"])
def test_a_property_of_the_service_cannot_be_given(service: Service, name: str) -> None:
    response = service.client("publisher").post("/v2/images", json={name: "x"})

    assert response.status_code == 403
    assert f"Attribute '{name}' is reserved." in explanation(response)


@pytest.mark.parametrize("value", ["web", 7, None])
def test_what_the_service_says_of_a_family_is_not_taken_over_from_another_image(
    service: Service, value: object
) -> None:
    """As Nova makes a snapshot: with the properties of the image that its server was booted from."""
    given = {"os_share_family": value, "os_share_state": value, "base_image_ref": "x"}

    response = service.client("publisher").post("/v2/images", json=given)

    assert response.status_code == 201
    left = {name for name in response.json() if name.startswith("os_share_")}
    assert (left, response.json()["base_image_ref"]) == (set(), "x")


def test_a_property_name_of_256_characters_is_refused(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", json={"a" * 256: "x"})

    assert response.status_code == 400
    assert "Custom property should not be greater than 255 characters." in explanation(response)


def test_a_property_without_a_name_is_refused(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", json={"": "x"})

    assert response.status_code == 400


@pytest.mark.parametrize("reader", ["publisher-reader", "recipient-reader"])
def test_a_reader_makes_no_images(service: Service, reader: str) -> None:
    response = service.client(reader).post("/v2/images", json={})

    assert response.status_code == 403
    assert "You are not authorized to complete add_image action." in explanation(response)


def test_an_image_cannot_be_made_for_another_project(service: Service) -> None:
    owner = service.clouds["recipient"].project_id

    response = service.client("publisher").post("/v2/images", json={"owner": owner})

    assert response.status_code == 403
    assert f"You are not permitted to create images owned by '{owner}'" in explanation(response)


def test_the_own_project_may_be_named_as_owner(service: Service) -> None:
    owner = service.clouds["publisher"].project_id

    image = create_image(service.client("publisher"), owner=owner)

    assert image["owner"] == owner


@pytest.mark.parametrize(("given", "kept"), [("any-project", "any-project"), (None, None), ("", None)])
def test_an_admin_makes_images_for_anybody(service: Service, given: str | None, kept: str | None) -> None:
    image = create_image(service.client("admin"), owner=given, visibility="private")

    assert image["owner"] == kept


def test_an_owner_of_256_characters_is_refused_to_an_admin_too(service: Service) -> None:
    response = service.client("admin").post("/v2/images", json={"owner": "a" * 256})

    assert response.status_code == 400
    assert "owner" in explanation(response)


def test_only_an_admin_publishes(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", json={"visibility": "public"})

    assert response.status_code == 403
    assert "You are not authorized to complete publicize_image action." in explanation(response)


def test_an_admin_publishes(service: Service) -> None:
    image = create_image(service.client("admin"), visibility="public")

    assert image["visibility"] == "public"


def test_128_tags_are_accepted(service: Service) -> None:
    image = create_image(service.client("publisher"), tags=[f"t{number}" for number in range(128)])

    assert len(image["tags"]) == 128


def test_129_tags_are_over_the_quota(service: Service) -> None:
    response = service.client("publisher").post(
        "/v2/images", json={"tags": [f"t{number}" for number in range(129)]}
    )

    assert response.status_code == 413
    assert "The limit has been exceeded on the number of allowed image tags." in explanation(response)
    assert "Attempted: 129, Maximum: 128" in explanation(response)


def test_128_properties_are_accepted(service: Service) -> None:
    properties = {f"p{number}": "x" for number in range(128)}

    image = create_image(service.client("publisher"), **properties)

    assert set(image) == IMAGE_KEYS | set(properties)


def test_129_properties_are_over_the_quota(service: Service) -> None:
    response = service.client("publisher").post(
        "/v2/images", json={f"p{number}": "x" for number in range(129)}
    )

    assert response.status_code == 413
    assert "The limit has been exceeded on the number of allowed image properties." in explanation(response)
    assert "Attempted: 129, Maximum: 128" in explanation(response)


@pytest.mark.parametrize("field", ["min_disk", "min_ram"])
def test_a_negative_minimum_is_refused(service: Service, field: str) -> None:
    response = service.client("publisher").post("/v2/images", json={field: -1})

    assert response.status_code == 400
    assert f"Invalid value '-1' for parameter '{field}': Cannot be a negative value" in explanation(response)


@pytest.mark.parametrize("field", ["min_disk", "min_ram"])
@pytest.mark.parametrize("value", [2**31, 2**63, 2**70])
def test_a_minimum_over_31_bits_is_refused(service: Service, field: str, value: int) -> None:
    response = service.client("publisher").post("/v2/images", json={field: value})

    assert response.status_code == 400
    assert f"'{field}' value out of range, must not exceed 2147483647." in explanation(response)


@pytest.mark.parametrize(("fields", "reason"), UNSTORABLE_TEXTS, ids=brief)
def test_characters_of_four_bytes_are_refused(
    service: Service, fields: dict[str, object], reason: str
) -> None:
    response = service.client("publisher").post("/v2/images", json=fields)

    assert response.status_code == 400
    assert reason in explanation(response)


@pytest.mark.parametrize("fields", TEXTS_WITH_NUL, ids=brief)
def test_nul_in_a_text_is_refused(service: Service, fields: dict[str, object]) -> None:
    response = service.client("publisher").post("/v2/images", json=fields)

    assert response.status_code == 400


def test_an_id_that_is_taken_is_a_conflict(service: Service) -> None:
    image_id = create_image(service.client("publisher"))["id"]

    response = service.client("publisher").post("/v2/images", json={"id": image_id})

    assert response.status_code == 409
    assert f"Image ID {image_id} already exists!" in explanation(response)


def test_an_id_taken_by_an_image_the_caller_cannot_see_is_a_conflict_too(service: Service) -> None:
    image_id = create_image(service.client("publisher"))["id"]

    response = service.client("other").post("/v2/images", json={"id": image_id})

    assert response.status_code == 409


def test_the_id_of_a_deleted_image_is_never_given_again(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]
    delete_image(publisher, image_id)

    response = publisher.post("/v2/images", json={"id": image_id})

    assert response.status_code == 409
    assert f"Image ID {image_id} already exists!" in explanation(response)


@over_one_database
@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"self": "/x", "name": 1}, 403, "Attribute 'self' is read-only."),
        ({"self": 1}, 403, "Attribute 'self' is read-only."),
        ({"self": "/x", "os_glance_x": "x"}, 403, "Attribute 'self' is read-only."),
        ({"name": 1, "os_glance_x": "x"}, 400, "does not match schema"),
        ({"name": 1, "size": 10}, 400, "does not match schema"),
        ({"os_glance_x": "x", "visibility": "public"}, 403, "Attribute 'os_glance_x' is reserved."),
        ({"visibility": "public", "size": 10}, 403, "publicize_image"),
        ({"size": 10, "min_disk": -1}, 403, "Attribute 'size' is read-only."),
        ({"size": 10, "tags": [str(number) for number in range(129)]}, 403, "Attribute 'size' is read-only."),
    ],
)
def test_the_first_rule_that_is_broken_decides(
    service: Service, fields: dict[str, object], status: int, reason: str
) -> None:
    response = service.client("publisher").post("/v2/images", json=fields)

    assert response.status_code == status
    assert reason in explanation(response)


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"self": "/x"}, 403, "Attribute 'self' is read-only."),
        ({"name": 1}, 400, "does not match schema"),
        ({"os_glance_x": "x"}, 403, "Attribute 'os_glance_x' is reserved."),
        ({"visibility": "public"}, 403, "add_image"),
        ({"size": 10}, 403, "add_image"),
        ({"min_disk": -1}, 403, "add_image"),
    ],
)
def test_a_reader_learns_of_a_bad_body_before_the_policy(
    service: Service, fields: dict[str, object], status: int, reason: str
) -> None:
    response = service.client("publisher-reader").post("/v2/images", json=fields)

    assert response.status_code == status
    assert reason in explanation(response)


@pytest.mark.parametrize(
    "fields",
    [{"min_disk": -1}, {"visibility": "public"}, {"size": 10}, {"hw_disk_bus": "a\0b"}, {"tags": [EMOJI]}],
)
def test_a_refused_image_is_not_made(service: Service, fields: dict[str, object]) -> None:
    publisher = service.client("publisher")
    name = str(uuid4())

    response = publisher.post("/v2/images", json={"name": name} | fields)

    assert 400 <= response.status_code < 500
    assert list_ids(publisher, f"name={name}") == []
