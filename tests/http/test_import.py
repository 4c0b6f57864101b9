"""POST /v2/images/{id}/import and what comes of it, by `glance-direct` (images-v2, 5.3, 5.4, 5.7)."""

import hashlib
from typing import Any

import disk_formats
import pytest
from harness.service import MakeService, Service
from images import (
    TEN_BYTES,
    UNKNOWN_ID,
    create_active_image,
    create_image,
    create_public_image,
    create_raw_image,
    delete_image,
    explanation,
    share_image,
    show_image,
    stored_files,
    update_image,
)
from importing import (
    FAILED,
    TASK,
    create_staged_image,
    finish_import,
    import_data,
    list_tasks,
    stage,
    start_import,
    told,
)

DATA = bytes(range(256)) * 8192


def test_staged_data_becomes_the_images(service: Service) -> None:
    client = service.client("publisher")

    image_id, task = import_data(client, DATA)

    assert task["status"] == "success"
    shown = show_image(client, image_id)
    assert (shown["status"], shown["size"], shown["virtual_size"]) == ("active", len(DATA), len(DATA))
    assert shown["checksum"] == hashlib.md5(DATA).hexdigest()
    assert (shown["os_hash_algo"], shown["os_hash_value"]) == ("sha512", hashlib.sha512(DATA).hexdigest())
    assert client.get(f"/v2/images/{image_id}/file").content == DATA


def test_afterwards_the_image_is_free_and_the_lists_of_stores_are_empty(service: Service) -> None:
    client = service.client("publisher")

    image_id, _task = import_data(client, TEN_BYTES)

    assert told(client, image_id) == (None, "", "")


def test_an_import_needs_the_room_of_its_data_once(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_USER_STORAGE_QUOTA=str(len(DATA)))

    _image_id, task = import_data(service.client("publisher"), DATA)

    assert task["status"] == "success"
    assert [path.stat().st_size for path in stored_files(service)] == [len(DATA)]


def test_the_answer_is_empty_and_its_request_id_is_the_tasks(service: Service) -> None:
    client = service.client("publisher")
    image_id = create_staged_image(client, TEN_BYTES)

    response = start_import(client, image_id)

    assert (response.status_code, response.content) == (202, b"")
    task = finish_import(client, image_id)
    assert task["request_id"] == response.headers["x-openstack-request-id"]


def test_a_task_tells_all_about_its_import(service: Service) -> None:
    client = service.client("publisher")

    image_id, task = import_data(client, TEN_BYTES)

    assert len(list_tasks(client, image_id)) == 1
    assert {
        name: task[name] for name in ("type", "owner", "image_id", "deleted", "deleted_at", "message")
    } == {
        "type": "api_image_import",
        "owner": service.clouds["publisher"].project_id,
        "image_id": image_id,
        "deleted": False,
        "deleted_at": None,
        "message": "Copied 0 MiB",
    }
    assert task["input"]["import_req"] == {"method": {"name": "glance-direct"}}
    assert task["input"]["image_id"] == image_id
    assert task["result"] == {"image_id": image_id}
    assert task["user_id"]
    for moment in ("created_at", "updated_at", "expires_at"):
        assert len(task[moment]) == len("2020-12-18T05:20:38.000000")


def test_an_image_that_was_uploaded_has_no_tasks(service: Service) -> None:
    client = service.client("publisher")

    assert list_tasks(client, create_active_image(client)["id"]) == []


def test_tasks_are_shown_to_their_project_and_to_admins(service: Service) -> None:
    image_id, task = import_data(service.client("publisher"), TEN_BYTES)
    share_image(service, image_id, "accepted")

    seen = {name: list_tasks(service.client(name), image_id) for name in ("publisher", "admin", "recipient")}

    assert [len(tasks) for tasks in seen.values()] == [1, 1, 0]
    assert seen["admin"][0]["id"] == task["id"]
    assert service.client("other").get(f"/v2/images/{image_id}/tasks").status_code == 404


def test_data_that_is_not_what_the_image_claims_fails_the_task_and_frees_the_image(service: Service) -> None:
    client = service.client("publisher")

    image_id, task = import_data(client, disk_formats.QCOW2, disk_format="vmdk")

    assert (task["status"], task["result"]) == ("failure", None)
    assert "does not match" in task["message"]
    shown = show_image(client, image_id)
    assert (shown["status"], shown["size"], shown["checksum"]) == ("queued", None, None)
    holder, waiting, failed = told(client, image_id)
    assert (holder, waiting) == (None, "")
    assert failed


def test_after_a_failure_the_image_can_be_staged_and_imported_anew(service: Service) -> None:
    client = service.client("publisher")
    image_id, _failure = import_data(client, TEN_BYTES, disk_format="qcow2")

    staged = stage(client, image_id, disk_formats.QCOW2)
    started = start_import(client, image_id)
    task = finish_import(client, image_id)

    assert (staged.status_code, started.status_code, task["status"]) == (204, 202, "success")
    assert told(client, image_id) == (None, "", "")
    assert len(list_tasks(client, image_id)) == 2


def test_what_failed_leaves_no_bytes(make_service: MakeService) -> None:
    service = make_service("sqlite")

    import_data(service.client("publisher"), TEN_BYTES, disk_format="qcow2")

    assert stored_files(service) == set()


@pytest.mark.parametrize(
    ("disk_format", "data", "virtual_size"),
    [("qcow2", disk_formats.QCOW2, 64 << 20), ("iso", disk_formats.ISO, 350 * 2048)],
)
def test_formats_are_looked_at_as_in_an_upload(
    service: Service, disk_format: str, data: bytes, virtual_size: int
) -> None:
    client = service.client("publisher")

    image_id, task = import_data(client, data, disk_format=disk_format)

    assert task["status"] == "success"
    assert show_image(client, image_id)["virtual_size"] == virtual_size


BAD_REQUESTS: list[tuple[str, Any, str]] = [
    ("no method", {}, "Import request requires a 'method' field."),
    ("an array", [], "Import request requires a 'method' field."),
    ("a method that is none", {"method": "glance-direct"}, "'method' must be an object."),
    ("no name", {"method": {}}, "Import request requires a 'name' field."),
    ("an unknown name", {"method": {"name": "foo"}}, "Unknown import method name 'foo'."),
    ("a name that is none", {"method": {"name": ["x"]}}, "Unknown import method name ['x']."),
    (
        "a switch that is none",
        {"method": {"name": "glance-direct"}, "all_stores": "yes"},
        "'all_stores' must be boolean value only",
    ),
    (
        "another switch that is none",
        {"method": {"name": "glance-direct"}, "all_stores_must_succeed": 1},
        "'all_stores_must_succeed' must be boolean value only",
    ),
    (
        "stores that are none",
        {"method": {"name": "glance-direct"}, "stores": "fast"},
        "'stores' must be a list of names of stores.",
    ),
    (
        "a NUL",
        {"method": {"name": "glance-direct", "x": "\0"}},
        "The request can't contain NUL characters or unpaired surrogates.",
    ),
]


@pytest.mark.parametrize(
    ("body", "text"), [case[1:] for case in BAD_REQUESTS], ids=[case[0] for case in BAD_REQUESTS]
)
def test_a_bad_request_is_refused_before_the_image_is_looked_up(
    service: Service, body: Any, text: str
) -> None:
    response = service.client("publisher").post(f"/v2/images/{UNKNOWN_ID}/import", json=body)

    assert (response.status_code, explanation(response)) == (400, text)


@pytest.mark.parametrize("body", [b"", b"{", b"7"], ids=["none", "no JSON", "a number"])
def test_a_body_that_is_no_object_is_refused(service: Service, body: bytes) -> None:
    response = service.client("publisher").post(f"/v2/images/{UNKNOWN_ID}/import", content=body)

    assert response.status_code == 400


def test_absent_and_hidden_images_look_alike(service: Service) -> None:
    hidden = create_staged_image(service.client("publisher"), TEN_BYTES, visibility="private")

    of_hidden, of_absent = (start_import(service.client("other"), one) for one in (hidden, UNKNOWN_ID))

    assert of_hidden.status_code == of_absent.status_code == 404
    assert explanation(of_hidden).replace(hidden, UNKNOWN_ID) == explanation(of_absent)


@pytest.mark.parametrize("caller", ["other", "publisher-reader"])
def test_who_may_not_change_an_image_does_not_import_into_it(service: Service, caller: str) -> None:
    image_id = create_public_image(service)["id"]

    assert start_import(service.client(caller), image_id).status_code == 403


def test_an_active_image_is_no_target(service: Service) -> None:
    client = service.client("publisher")

    response = start_import(client, create_active_image(client)["id"])

    assert (response.status_code, explanation(response)) == (
        409,
        "Image with status active cannot be target for import",
    )


def test_glance_direct_needs_staged_data(service: Service) -> None:
    client = service.client("publisher")

    response = start_import(client, create_raw_image(client)["id"])

    assert (response.status_code, explanation(response)) == (
        409,
        "Image needs to be staged before 'glance-direct' method can be used",
    )


@pytest.mark.parametrize("missing", ["container_format", "disk_format"])
def test_both_formats_have_to_be_set(service: Service, missing: str) -> None:
    client = service.client("publisher")
    formats = {"container_format": "bare", "disk_format": "raw"}
    del formats[missing]
    image_id = create_image(client, **formats)["id"]
    stage(client, image_id, TEN_BYTES)

    response = start_import(client, image_id)

    assert (response.status_code, explanation(response)) == (
        409,
        f"'{missing}' needs to be set before import",
    )


def test_an_unknown_store_is_a_conflict(service: Service) -> None:
    client = service.client("publisher")
    image_id = create_staged_image(client, TEN_BYTES)

    response = start_import(client, image_id, stores=["nowhere"])

    assert response.status_code == 409
    assert "nowhere" in explanation(response)


@pytest.mark.parametrize(
    ("body", "header"),
    [
        ({"all_stores": True, "stores": ["x"]}, None),
        ({"all_stores": True}, "x"),
        ({"stores": ["x"]}, "x"),
    ],
)
def test_stores_are_named_in_one_way(service: Service, body: dict[str, Any], header: str | None) -> None:
    client = service.client("publisher")
    image_id = create_staged_image(client, TEN_BYTES)

    response = client.post(
        f"/v2/images/{image_id}/import",
        json={"method": {"name": "glance-direct"}, **body},
        headers={} if header is None else {"X-Image-Meta-Store": header},
    )

    assert response.status_code == 400


def test_all_stores_can_be_named_where_there_is_one(service: Service) -> None:
    client = service.client("publisher")
    image_id = create_staged_image(client, TEN_BYTES)

    response = start_import(client, image_id, all_stores=True)

    assert response.status_code == 202
    assert finish_import(client, image_id)["status"] == "success"


def test_the_properties_of_an_import_are_the_services(service: Service) -> None:
    client = service.client("publisher")
    image_id, _task = import_data(client, TEN_BYTES)

    refused = [
        update_image(client, image_id, {"op": "replace", "path": f"/{name}", "value": "x"}).status_code
        for name in (TASK, FAILED)
    ]

    assert refused == [403, 403]


def test_changes_made_during_an_import_are_kept(service: Service) -> None:
    client = service.client("publisher")
    image_id = create_staged_image(client, DATA)

    start_import(client, image_id)
    update_image(client, image_id, {"op": "add", "path": "/os_distro", "value": "debian"})
    finish_import(client, image_id)

    shown = show_image(client, image_id)
    assert (shown["status"], shown["os_distro"]) == ("active", "debian")


def test_an_image_deleted_during_its_import_is_gone_with_its_bytes(make_service: MakeService) -> None:
    service = make_service("sqlite")
    client = service.client("publisher")
    image_id = create_staged_image(client, DATA * 8)

    start_import(client, image_id)
    delete_image(client, image_id)

    assert client.get(f"/v2/images/{image_id}").status_code == 404
    again, task = import_data(client, TEN_BYTES)  # Behind it in the same worker.
    assert task["status"] == "success"
    delete_image(client, again)


def test_creating_an_image_tells_the_methods_of_import(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", json={})
    methods = service.client("publisher").get("/v2/info/import").json()["import-methods"]

    assert response.headers["openstack-image-import-methods"] == ",".join(methods["value"])
    assert "glance-direct" in methods["value"]
    assert (methods["type"], methods["description"]) == ("array", "Import methods available.")
