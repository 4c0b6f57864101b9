"""Images by the rules of the IMS API: created, looked at, filled and deleted (ims-api, 1.6, 1.7, 1.11)."""

import hashlib
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pytest
from harness.service import Service
from image_calls import (
    CLOUD_IMAGES,
    IMAGES,
    OCTET_STREAM,
    UNKNOWN_ID,
    create_active_image,
    create_image,
    create_native_image,
    create_public_image,
    new_mark,
    show_image,
    upload,
)
from sharing_calls import (
    DEFAULT_DOMAIN,
    create_shared_image,
    outcomes,
    refusal,
    send_batch,
    set_visibility,
    share_with_domain,
    show_job,
    withdraw,
)

PATIENCE_S = 20
DELETE_PATHS = [IMAGES, "/v1.1/images"]
UNSUPPORTED = [
    ("POST", "/v2/cloudimages/action"),
    ("POST", "/v2.1/cloudimages/action"),
    ("POST", "/v2/cloudimages/quickimport/action"),
    ("POST", "/v2.1/cloudimages/quickimport/action"),
    ("POST", "/v1/cloudimages/dataimages/action"),
    ("POST", "/v2.1/cloudimages/dataimages/action"),
    ("POST", "/v1/cloudimages/wholeimages/action"),
    ("PUT", f"/v1/cloudimages/{UNKNOWN_ID}/upload"),
    ("POST", f"/v1/cloudimages/{UNKNOWN_ID}/file"),
    ("POST", f"/v2.1/cloudimages/{UNKNOWN_ID}/file"),
    ("POST", f"/v1/cloudimages/{UNKNOWN_ID}/cross_region_copy"),
]


def qcow2(backing_file: bytes = b"") -> bytes:
    """A version 3 header, its numbers those of the format's description, in a file of one cluster."""
    start = struct.pack(">4sIQI", b"QFI\xfb", 3, len(backing_file) and 104, len(backing_file))
    rest = struct.pack(">IQIIQQIIQQQQII", 16, 2**26, 0, 1, 3 << 16, 1 << 16, 1, 0, 0, 0, 0, 0, 4, 104)
    return (start + rest + backing_file).ljust(65536, b"\0")


# ---- creation


def test_a_new_image_is_private_and_has_the_defaults(service: Service) -> None:
    image = create_image(service, name="web 1")

    assert (
        image.items()
        >= {
            "name": "web 1",
            "status": "queued",
            "visibility": "private",
            "container_format": "bare",
            "disk_format": "zvhd2",
            "min_disk": 0,
            "min_ram": 0,
            "protected": False,
            "tags": [],
            "owner": service.clouds["publisher"].project_id,
            "__imagetype": "private",
            "__isregistered": "true",
            "__image_source_type": "uds",
            "virtual_env_type": "FusionCompute",
            "__support_kvm": "true",
            "__os_version": "Other Linux(64 bit)",
            "__os_type": "Linux",
            "__os_bit": "64",
            "__platform": "Other",
            "self": f"/v2/images/{image['id']}",
            "file": f"/v2/images/{image['id']}/file",
            "schema": "/v2/schemas/image",
        }.items()
    )
    assert not image.keys() & {"__image_size", "__image_location"}
    assert show_image(service, image["id"]) == image


def test_the_location_leads_to_the_image(service: Service) -> None:
    publisher = service.client("publisher")

    created = publisher.post(IMAGES, json={})

    assert publisher.get(created.headers["Location"]).json() == created.json()


def test_openstack_clients_see_the_same_image_by_their_rules(service: Service) -> None:
    image_id = create_image(service, __os_version="CentOS 7.6 64bit")["id"]

    seen = show_image(service, image_id, path="/v2/images")

    assert seen["visibility"] == "private"
    assert (seen["__os_version"], seen["__platform"]) == ("CentOS 7.6 64bit", "CentOS")
    assert not seen.keys() & {"__imagetype", "__isregistered", "__image_source_type"}


def test_what_the_service_works_out_is_left_aside(service: Service) -> None:
    image = create_image(service, __imagetype="gold", __isregistered="false", __image_size="1")

    assert (image["__imagetype"], image["__isregistered"]) == ("private", "true")
    assert "__image_size" not in image


def test_what_another_image_said_of_its_family_is_left_out(service: Service) -> None:
    image = create_image(service, os_share_family="web", os_share_version=7)

    assert not [name for name in image if name.startswith("os_share_")]


def test_a_whole_image_is_told_by_a_switch_all_else_by_text(service: Service) -> None:
    image = create_image(service, __whole_image=True, __lazyloading=True, max_ram=2048)

    assert (image["__whole_image"], image["__lazyloading"], image["max_ram"]) == (True, "true", "2048")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"visibility": "public"}, 400, "IMG.0001"),
        ({"visibility": "shared"}, 400, "IMG.0001"),
        ({"name": ""}, 400, "IMG.0013"),
        ({"name": "x" * 129}, 400, "IMG.0002"),
        ({"name": "a/b"}, 400, "IMG.0003"),
        ({"__description": "x" * 1025}, 400, "IMG.0004"),
        ({"__description": "a\nb"}, 400, "IMG.0054"),
        ({"min_disk": 1025}, 400, "IMG.0055"),
        ({"min_ram": -1}, 400, "IMG.0055"),
        ({"__os_version": "BeOS"}, 400, "IMG.0056"),
        ({"__os_version": []}, 400, "IMG.0001"),
        ({"hw_firmware_type": "efi"}, 400, "IMG.0141"),
        ({"architecture": "sparc"}, 400, "IMG.0212"),
        ({"tags": [""]}, 400, "IMG.0115"),
        ({"tags": [str(n) for n in range(11)]}, 413, "IMG.0116"),
        ({"disk_format": "zip"}, 400, "IMG.0001"),
        ({"id": "1"}, 400, "IMG.0001"),
        ({"status": "active"}, 403, "IMG.0105"),
        ({"self": "/"}, 403, "IMG.0105"),
        ({"os_glance_x": "y"}, 403, "IMG.0105"),
        ({"owner": "somebody"}, 403, "IMG.0026"),
    ],
)
def test_an_image_that_cannot_be_is_not_made(
    service: Service, fields: dict[str, object], status: int, code: str
) -> None:
    mark = new_mark()

    response = service.client("publisher").post(IMAGES, json={"os_tag": mark} | fields)

    assert refusal(response) == (status, code)
    assert service.client("publisher").get(f"{CLOUD_IMAGES}?os_tag={mark}").json() == {"images": []}


@pytest.mark.parametrize(("content", "code"), [(b"", "IMG.0007"), (b"[]", "IMG.0001"), (b"{", "IMG.0001")])
def test_a_body_that_is_no_image_is_refused(service: Service, content: bytes, code: str) -> None:
    assert refusal(service.client("publisher").post(IMAGES, content=content)) == (400, code)


def test_an_id_is_given_once(service: Service) -> None:
    image_id = create_image(service)["id"]

    assert refusal(service.client("publisher").post(IMAGES, json={"id": image_id})) == (409, "IMG.0035")


def test_a_reader_makes_no_image(service: Service) -> None:
    assert refusal(service.client("publisher-reader").post(IMAGES, json={})) == (403, "IMG.0026")


# ---- the view


def test_an_image_of_openstack_clients_shows_nothing_that_they_did_not_say(service: Service) -> None:
    image_id = create_native_image(service, name="native", os_type="linux")

    shown = show_image(service, image_id)

    invented = {name for name in shown if name.startswith("__")}
    assert invented == {"__imagetype", "__isregistered", "__image_source_type"}
    assert shown["os_type"] == "linux"
    assert "virtual_env_type" not in shown


@pytest.mark.parametrize("visibility", ["shared", "private"])
def test_an_image_without_recipients_is_private_whatever_it_is_called(
    service: Service, visibility: str
) -> None:
    shown = show_image(service, create_native_image(service, visibility=visibility))

    assert (shown["visibility"], shown["__imagetype"]) == ("private", "private")


@pytest.mark.parametrize("caller", ["publisher", "recipient", "admin"])
def test_an_image_with_recipients_is_shared_for_whoever_looks(service: Service, caller: str) -> None:
    shown = show_image(service, create_shared_image(service), caller)

    assert (shown["visibility"], shown["__imagetype"]) == ("shared", "shared")


def test_an_image_is_private_again_when_all_was_withdrawn(service: Service) -> None:
    image_id = create_shared_image(service)
    withdraw(service, image_id)

    assert show_image(service, image_id)["visibility"] == "private"


def test_shares_of_an_image_that_was_made_private_do_not_count(service: Service) -> None:
    image_id = create_shared_image(service, "accepted")
    set_visibility(service, image_id, "private")

    assert show_image(service, image_id)["__imagetype"] == "private"


@pytest.mark.parametrize("caller", ["publisher", "other", "admin"])
def test_a_public_image_is_gold(service: Service, caller: str) -> None:
    shown = show_image(service, create_public_image(service), caller)

    assert (shown["visibility"], shown["__imagetype"]) == ("public", "gold")


def test_a_community_image_is_gold_too(service: Service) -> None:
    shown = show_image(service, create_native_image(service, visibility="community"), "other")

    assert (shown["visibility"], shown["__imagetype"]) == ("community", "gold")


def test_a_hidden_image_looks_absent(service: Service) -> None:
    hidden = service.client("other").get(f"{IMAGES}/{create_image(service)['id']}")
    absent = service.client("other").get(f"{IMAGES}/{UNKNOWN_ID}")

    assert refusal(hidden) == refusal(absent) == (404, "IMG.0027")


# ---- data


@pytest.mark.parametrize("disk_format", ["zvhd2", "zvhd"])
@pytest.mark.parametrize("data", [b"not known to anybody", qcow2()], ids=["opaque", "qcow2"])
def test_the_services_own_formats_take_any_data_and_keep_it(
    service: Service, disk_format: str, data: bytes
) -> None:
    image_id = create_image(service, disk_format=disk_format)["id"]

    uploaded = upload(service, image_id, data)

    assert uploaded.status_code == 204, uploaded.text
    shown = show_image(service, image_id)
    assert (shown["status"], shown["disk_format"]) == ("active", disk_format)
    assert (shown["size"], shown["__image_size"]) == (len(data), str(len(data)))
    assert shown["checksum"] == hashlib.md5(data).hexdigest()
    assert service.client("publisher").get(f"{IMAGES}/{image_id}/file").content == data


@pytest.mark.parametrize("disk_format", ["zvhd2", "zvhd", "qcow2"])
def test_unsafe_data_is_refused_whatever_the_format(service: Service, disk_format: str) -> None:
    image_id = create_image(service, disk_format=disk_format)["id"]

    uploaded = upload(service, image_id, qcow2(backing_file=b"/etc/passwd"))

    assert refusal(uploaded) == (415, "IMG.0057")
    assert show_image(service, image_id)["status"] == "queued"


def test_other_formats_still_take_their_own_data_only(service: Service) -> None:
    image_id = create_image(service, disk_format="vmdk")["id"]

    assert refusal(upload(service, image_id, qcow2())) == (415, "IMG.0057")


def test_openstack_clients_cannot_choose_the_services_own_formats(service: Service) -> None:
    publisher = service.client("publisher")
    image = publisher.post("/v2/images", json={"disk_format": "raw"}).json()

    created = publisher.post("/v2/images", json={"disk_format": "zvhd2"})
    patched = publisher.patch(
        image["self"],
        json=[{"op": "replace", "path": "/disk_format", "value": "zvhd2"}],
        headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
    )

    assert (created.status_code, patched.status_code) == (400, 400)


@pytest.mark.parametrize("disk_format", ["zvhd2", "zvhd"])
def test_the_schema_of_images_lists_the_formats_of_its_own_api(service: Service, disk_format: str) -> None:
    publisher = service.client("publisher")
    ims, openstack = (
        publisher.get(f"{prefix}/v2/schemas/image").json()["properties"]["disk_format"]["enum"]
        for prefix in ("/ims", "")
    )

    assert set(ims) - set(openstack) >= {disk_format}
    in_lists = publisher.get("/ims/v2/schemas/images").json()["properties"]["images"]["items"]
    assert in_lists["properties"]["disk_format"]["enum"] == ims


# ---- deletion


@pytest.mark.parametrize("path", DELETE_PATHS)
@pytest.mark.parametrize("body", [None, {"delete_backup": True}])
def test_an_image_is_deleted_with_or_without_a_body(
    service: Service, path: str, body: dict[str, bool] | None
) -> None:
    image_id = create_image(service)["id"]

    deleted = service.client("publisher").request("DELETE", f"{path}/{image_id}", json=body)

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert refusal(service.client("publisher").get(f"{IMAGES}/{image_id}")) == (404, "IMG.0027")


@pytest.mark.parametrize("path", DELETE_PATHS)
def test_a_protected_image_stays(service: Service, path: str) -> None:
    image_id = create_image(service, protected=True)["id"]

    deleted = service.client("publisher").delete(f"{path}/{image_id}")

    assert refusal(deleted) == (403, "IMG.0028")
    assert show_image(service, image_id)["protected"] is True


@pytest.mark.parametrize("caller", ["publisher", "admin"])
def test_a_public_image_stays(service: Service, caller: str) -> None:
    image_id = create_public_image(service)

    assert refusal(service.client(caller).delete(f"{IMAGES}/{image_id}")) == (403, "IMG.0094")


def test_an_image_shared_with_projects_goes_from_all_of_them(service: Service) -> None:
    image_id = create_shared_image(service, "accepted")

    assert service.client("publisher").delete(f"{IMAGES}/{image_id}").status_code == 204
    assert service.client("recipient").get(f"{IMAGES}/{image_id}").status_code == 404


@pytest.mark.parametrize("path", DELETE_PATHS)
def test_an_image_shared_with_a_domain_stays_until_that_is_withdrawn(service: Service, path: str) -> None:
    image_id = str(create_image(service)["id"])
    share_with_domain(service, image_id)
    publisher = service.client("publisher")

    assert refusal(publisher.delete(f"{path}/{image_id}")) == (409, "IMG.9005")

    body = {"images": [image_id], "domains": ["default"]}
    assert publisher.request("DELETE", "/v1/cloudimages/members", json=body).status_code == 200
    assert publisher.delete(f"{path}/{image_id}").status_code == 204


def test_openstack_clients_delete_what_is_shared_with_a_domain(service: Service) -> None:
    image_id = str(create_image(service)["id"])
    share_with_domain(service, image_id)

    assert service.client("publisher").delete(f"/v2/images/{image_id}").status_code == 204


@pytest.mark.parametrize(
    ("caller", "status", "code"),
    [("recipient", 403, "IMG.0047"), ("publisher-reader", 403, "IMG.0026"), ("other", 404, "IMG.0027")],
)
def test_only_the_owner_deletes(service: Service, caller: str, status: int, code: str) -> None:
    image_id = create_shared_image(service)

    assert refusal(service.client(caller).delete(f"{IMAGES}/{image_id}")) == (status, code)


def test_an_image_that_is_being_filled_stays(service: Service) -> None:
    image_id = str(create_image(service)["id"])
    answers = []

    def send() -> Iterator[bytes]:
        yield b"0123456789"
        deadline = time.monotonic() + PATIENCE_S
        while show_image(service, image_id)["status"] != "saving":
            assert time.monotonic() < deadline
        answers.append(service.client("publisher").delete(f"{IMAGES}/{image_id}"))

    uploaded = service.client("publisher").put(
        f"{IMAGES}/{image_id}/file", content=send(), headers={"Content-Type": OCTET_STREAM}
    )

    assert uploaded.status_code == 204
    assert [refusal(response) for response in answers] == [(409, "IMG.0090")]


def test_of_deleting_and_sharing_with_a_domain_at_once_exactly_one_is_done(service: Service) -> None:
    with ThreadPoolExecutor(2) as threads:
        for _ in range(10):
            image_id = str(create_image(service)["id"])
            body = {"images": [image_id], "domains": [DEFAULT_DOMAIN]}
            sharing = threads.submit(send_batch, service, "publisher", "POST", body)
            deleting = threads.submit(service.client("publisher").delete, f"{IMAGES}/{image_id}")

            shared, deleted = sharing.result(), deleting.result().status_code

            if deleted == 204:
                assert refusal(shared) == (400, "IMG.0027")
            else:
                assert (shared.status_code, deleted) == (200, 409)
                assert outcomes(show_job(service, "publisher", shared.json()["job_id"])) == ["SUCCESS"]


# ---- what is not here, and what is left of v1


@pytest.mark.parametrize(("method", "path"), UNSUPPORTED)
def test_what_needs_other_services_is_refused_as_unsupported(
    service: Service, method: str, path: str
) -> None:
    given = {"name": "x", "instance_id": UNKNOWN_ID}

    response = service.client("publisher").request(method, path, json=given)

    assert refusal(response) == (400, "IMG.0105")


@pytest.mark.parametrize(("method", "path"), UNSUPPORTED)
def test_what_is_unsupported_is_told_to_known_callers_only(service: Service, method: str, path: str) -> None:
    assert refusal(service.client(None).request(method, path, json={})) == (401, "IMG.0087")


def test_the_headers_of_v1_tell_all_of_an_image(service: Service) -> None:
    image_id = create_active_image(service, name="web 1", __description="50 % für 镜", min_disk=40)

    response = service.client("publisher").head(f"/v1/images/{image_id}")

    assert (response.status_code, response.content) == (200, b"")
    found = {
        name.removeprefix("x-image-meta-"): value
        for name, value in response.headers.items()
        if name.startswith("x-image-meta-")
    }
    assert unquote(found.pop("property-__description")) == "50 % für 镜"
    assert (
        found.items()
        >= {
            "id": image_id,
            "name": "web 1",
            "status": "active",
            "is_public": "False",
            "protected": "False",
            "deleted": "False",
            "min_disk": "40",
            "min_ram": "0",
            "size": "10",
            "checksum": hashlib.md5(b"0123456789").hexdigest(),
            "container_format": "bare",
            "disk_format": "zvhd2",
            "owner": service.clouds["publisher"].project_id,
            "property-__os_type": "Linux",
        }.items()
    )


def test_a_property_whose_name_no_header_can_have_is_left_out(service: Service) -> None:
    image_id = create_native_image(service, **{"a b": "1", "über": "2", "x:y": "3", "plain": "a\r\nb: c"})

    headers = service.client("publisher").head(f"/v1/images/{image_id}").headers

    properties = {name: value for name, value in headers.items() if "-property-" in name}
    assert properties == {"x-image-meta-property-plain": "a%0D%0Ab: c"}


def test_the_headers_of_a_hidden_image_are_not_told(service: Service) -> None:
    image_id = create_image(service)["id"]

    assert service.client("other").head(f"/v1/images/{image_id}").status_code == 404
    assert service.client(None).head(f"/v1/images/{image_id}").status_code == 401
