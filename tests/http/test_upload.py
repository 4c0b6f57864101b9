"""PUT /v2/images/{id}/file: how data comes in, what is kept, what is turned away (images-v2, 3.7, 5.6)."""

import hashlib
from threading import Barrier, Thread
from uuid import uuid4

import disk_formats
import pytest
from connections import LAST_CHUNK, chunk, read_status, send_head, upload_in_progress
from harness.service import Service
from images import (
    NO_FILES,
    OCTET_STREAM,
    TEN_BYTES,
    UNKNOWN_ID,
    brief,
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
    update_image,
    upload_data,
)

GOOD_CONTENT = [
    pytest.param("qcow2", disk_formats.QCOW2, 64 * 2**20, id="qcow2"),
    pytest.param("qcow2", disk_formats.QCOW2_OF_VERSION_2, 64 * 2**20, id="qcow2 of version 2"),
    pytest.param("vmdk", disk_formats.VMDK, 10 * 2**20, id="vmdk"),
    pytest.param("iso", disk_formats.ISO, 350 * 2048, id="iso"),
    pytest.param("iso", disk_formats.HYBRID_ISO, 350 * 2048, id="iso with a partition table"),
    pytest.param("vdi", disk_formats.VDI, 5 * 2**20, id="vdi"),
    pytest.param("vhd", disk_formats.VHD, 6 * 2**20, id="vhd"),
    pytest.param("vhdx", disk_formats.VHDX, 7 * 2**20, id="vhdx"),
    pytest.param("raw", disk_formats.ZEROS, 65536, id="raw"),
    pytest.param("raw", b"", None, id="nothing as raw"),
    pytest.param("ami", disk_formats.ZEROS, 65536, id="ami"),
    pytest.param("ploop", disk_formats.ZEROS, None, id="ploop"),
    pytest.param("raw", disk_formats.QCOW2, 65536, id="qcow2 as raw"),
    pytest.param("raw", disk_formats.ISO, 36864, id="iso as raw"),
    pytest.param("raw", disk_formats.MBR, 65536, id="partition table as raw"),
]
MISMATCHES = [
    pytest.param("qcow2", disk_formats.ZEROS, "raw", id="zeros as qcow2"),
    pytest.param("qcow2", TEN_BYTES, "raw", id="a few bytes as qcow2"),
    pytest.param("qcow2", disk_formats.VMDK, "vmdk", id="vmdk as qcow2"),
    pytest.param("qcow2", disk_formats.ISO, "iso", id="iso as qcow2"),
    pytest.param("vmdk", disk_formats.QCOW2, "qcow2", id="qcow2 as vmdk"),
    pytest.param("vmdk", disk_formats.ZEROS, "raw", id="zeros as vmdk"),
    pytest.param("vdi", disk_formats.VHD, "vhd", id="vhd as vdi"),
    pytest.param("vhd", disk_formats.VDI, "vdi", id="vdi as vhd"),
    pytest.param("vhdx", disk_formats.VHD, "vhd", id="vhd as vhdx"),
    pytest.param("iso", disk_formats.QCOW2, "qcow2", id="qcow2 as iso"),
    pytest.param("iso", disk_formats.ZEROS, "raw", id="zeros as iso"),
    pytest.param("ami", disk_formats.QCOW2, "qcow2", id="qcow2 as ami"),
    pytest.param("ploop", disk_formats.ISO, "iso", id="iso as ploop"),
]
UNSAFE_CONTENT = [
    pytest.param("qcow2", disk_formats.QCOW2_WITH_BACKING_FILE, id="qcow2 with backing file"),
    pytest.param("qcow2", disk_formats.QCOW2_WITH_DATA_FILE, id="qcow2 with data file"),
    pytest.param("qcow2", disk_formats.QCOW2_WITH_UNKNOWN_FEATURE, id="qcow2 with unknown feature"),
    pytest.param("vmdk", disk_formats.VMDK_OF_SEVERAL_FILES, id="vmdk of several files"),
    pytest.param("vmdk", disk_formats.VMDK_WITH_FOREIGN_EXTENT, id="vmdk with foreign extent"),
    pytest.param("vmdk", disk_formats.VMDK_DESCRIPTOR_ALONE, id="vmdk descriptor alone"),
    pytest.param("raw", disk_formats.QCOW2_WITH_BACKING_FILE, id="qcow2 with backing file as raw"),
    pytest.param("raw", disk_formats.QCOW2_WITH_DATA_FILE, id="qcow2 with data file as raw"),
    pytest.param("raw", disk_formats.QCOW2_WITH_UNKNOWN_FEATURE, id="qcow2 with unknown feature as raw"),
    pytest.param("raw", disk_formats.VMDK_OF_SEVERAL_FILES, id="vmdk of several files as raw"),
    pytest.param("raw", disk_formats.VMDK_DESCRIPTOR_ALONE, id="vmdk descriptor alone as raw"),
    pytest.param("raw", disk_formats.QED, id="qed as raw"),
    pytest.param("raw", disk_formats.MBR_WITH_BAD_BOOT_FLAG, id="partition table with bad boot flag as raw"),
    pytest.param("vmdk", disk_formats.VMDK_WITH_PARENT, id="vmdk with parent"),
    pytest.param(
        "vmdk", disk_formats.VMDK_WITH_PARENT_BEHIND_ITS_TEXT, id="vmdk with parent behind its text"
    ),
    pytest.param("vmdk", disk_formats.VMDK_OF_TWO_TYPES, id="vmdk of two types"),
    pytest.param("vmdk", disk_formats.VMDK_WITHOUT_CAPACITY, id="vmdk without capacity"),
    pytest.param("vmdk", disk_formats.VMDK_WITH_TABS_IN_AN_EXTENT, id="vmdk with tabs in an extent"),
    pytest.param("vmdk", disk_formats.VMDK_WITH_EXTENT_BESIDE_IT, id="vmdk with an extent beside it"),
    pytest.param("vmdk", disk_formats.VMDK_WITH_ENDLESS_TEXT, id="vmdk with endless text"),
    pytest.param("raw", disk_formats.VMDK_WITH_PARENT, id="vmdk with parent as raw"),
    pytest.param(
        "raw", disk_formats.VMDK_OF_VERSION_3_WITH_PARENT, id="vmdk of version 3 with parent as raw"
    ),
    pytest.param(
        "raw", disk_formats.VMDK_DESCRIPTOR_IN_ODD_SPELLING, id="vmdk descriptor in odd spelling as raw"
    ),
    pytest.param(
        "raw", disk_formats.SHORT_QCOW2_WITH_BACKING_FILE, id="short qcow2 with backing file as raw"
    ),
    pytest.param("qcow2", disk_formats.SHORT_QCOW2_WITH_BACKING_FILE, id="short qcow2 with backing file"),
    pytest.param("vhd", disk_formats.VHD_WITH_PARENT, id="vhd with parent"),
    pytest.param("raw", disk_formats.VHD_WITH_PARENT, id="vhd with parent as raw"),
    pytest.param("vhdx", disk_formats.VHDX_WITH_PARENT, id="vhdx with parent"),
    pytest.param("vhdx", disk_formats.VHDX_OF_MANY_ITEMS, id="vhdx of many items"),
]


def in_single_bytes(data: bytes) -> list[bytes]:
    """The data cut so that no two of its bytes come in one chunk."""
    return [data[position : position + 1] for position in range(len(data))]


def upload_twice_at_once(service: Service, image_id: str) -> list[int]:
    """The statuses of two uploads to one image that start at the same moment, smallest first."""
    start = Barrier(2)
    statuses: list[int] = []

    def upload(caller: str) -> None:
        client = service.client(caller)
        start.wait(30)
        statuses.append(upload_data(client, image_id, TEN_BYTES).status_code)

    threads = [Thread(target=upload, args=(caller,)) for caller in ("publisher", "admin")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(statuses)


@pytest.mark.parametrize(
    "data", [b"0123456789", [b"01234", b"56789"], in_single_bytes(b"0123456789")], ids=brief
)
def test_data_is_kept_however_it_comes(service: Service, data: bytes | list[bytes]) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher)

    response = upload_data(publisher, image["id"], data)

    assert response.status_code == 204
    assert response.content == b""
    assert publisher.get(image["file"]).content == b"0123456789"


@pytest.mark.parametrize("data", [b"", []], ids=["with Content-Length", "in chunks"])
def test_no_bytes_at_all_make_an_active_image_of_size_zero(
    service: Service, data: bytes | list[bytes]
) -> None:
    publisher = service.client("publisher")
    image_id = create_raw_image(publisher)["id"]

    response = upload_data(publisher, image_id, data)

    assert response.status_code == 204
    image = show_image(publisher, image_id)
    assert (image["status"], image["size"]) == ("active", 0)
    assert image["checksum"] == hashlib.md5(b"").hexdigest()


def test_an_uploaded_image_tells_size_and_digests_of_its_data(service: Service) -> None:
    publisher = service.client("publisher")
    before = create_raw_image(publisher)

    upload_data(publisher, before["id"], TEN_BYTES)

    after = show_image(publisher, before["id"])
    assert after == before | {
        "status": "active",
        "size": 10,
        "virtual_size": 10,
        "checksum": hashlib.md5(TEN_BYTES).hexdigest(),
        "os_hash_algo": "sha512",
        "os_hash_value": hashlib.sha512(TEN_BYTES).hexdigest(),
        "stores": "local",
        "updated_at": after["updated_at"],
    }


def test_data_of_many_buffers_is_kept_whole(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher)
    data = bytes(range(256)) * 20_001

    upload_data(publisher, image["id"], data)

    downloaded = publisher.get(image["file"]).content
    assert hashlib.sha512(downloaded).digest() == hashlib.sha512(data).digest()
    assert show_image(publisher, image["id"])["os_hash_value"] == hashlib.sha512(data).hexdigest()


def test_the_store_holds_one_file_with_the_data(service: Service) -> None:
    publisher = service.client("publisher")
    data = uuid4().bytes
    files_before = stored_files(service)

    create_active_image(publisher, data)

    assert [path.read_bytes() for path in new_files(service, files_before)] == [data]


@pytest.mark.parametrize("data", [TEN_BYTES, [b"01234", b"56789"]], ids=["with Content-Length", "in chunks"])
def test_the_announced_size_may_be_told_in_a_header(service: Service, data: bytes | list[bytes]) -> None:
    publisher = service.client("publisher")
    image_id = create_raw_image(publisher)["id"]

    response = upload_data(publisher, image_id, data, {"X-OpenStack-Image-Size": "10"})

    assert response.status_code == 204
    assert show_image(publisher, image_id)["size"] == 10


def test_a_client_may_wait_for_leave_to_send(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher)

    response = upload_data(publisher, image["id"], TEN_BYTES, {"Expect": "100-continue"})

    assert response.status_code == 204


def test_an_admin_uploads_to_the_image_of_another_project(service: Service) -> None:
    image_id = create_raw_image(service.client("publisher"), visibility="private")["id"]

    response = upload_data(service.client("admin"), image_id, TEN_BYTES)

    assert response.status_code == 204


def test_the_owner_uploads_to_its_public_image(service: Service) -> None:
    image_id = create_public_image(service)["id"]

    response = upload_data(service.client("publisher"), image_id, TEN_BYTES)

    assert response.status_code == 204


def test_an_image_is_saving_while_its_data_comes(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher)

    with upload_in_progress(service, "publisher", image["id"]) as connection:
        during = show_image(publisher, image["id"])
        connection.sendall(chunk(b"56789") + LAST_CHUNK)
        status = read_status(connection)

    assert during["status"] == "saving"
    assert during["checksum"] is None
    assert status == 204
    assert publisher.get(image["file"]).content == b"0123456789"


def test_the_formats_are_settled_while_data_comes(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_raw_image(publisher)["id"]

    with upload_in_progress(service, "publisher", image_id) as connection:
        response = update_image(
            publisher, image_id, {"op": "replace", "path": "/disk_format", "value": "qcow2"}
        )
        connection.sendall(LAST_CHUNK)
        read_status(connection)

    assert response.status_code == 403


def test_a_change_made_while_data_comes_is_kept(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_raw_image(publisher)["id"]

    with upload_in_progress(service, "publisher", image_id) as connection:
        update_image(publisher, image_id, {"op": "replace", "path": "/name", "value": "new"})
        connection.sendall(LAST_CHUNK)
        read_status(connection)

    image = show_image(publisher, image_id)
    assert (image["name"], image["status"], image["size"]) == ("new", "active", 5)


def test_an_image_deleted_while_its_data_comes_is_gone_with_it(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_raw_image(publisher)["id"]
    files_before = stored_files(service)

    with upload_in_progress(service, "publisher", image_id) as connection:
        delete_image(publisher, image_id)
        connection.sendall(chunk(b"56789") + LAST_CHUNK)
        status = read_status(connection)

    assert status == 410
    assert publisher.get(f"/v2/images/{image_id}").status_code == 404
    assert eventually(lambda: new_files(service, files_before), NO_FILES) == NO_FILES


def test_a_second_upload_is_turned_away_while_the_first_runs(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher)

    with upload_in_progress(service, "publisher", image["id"]) as connection:
        second = upload_data(publisher, image["id"], b"other data")
        connection.sendall(chunk(b"56789") + LAST_CHUNK)
        first_status = read_status(connection)

    assert second.status_code == 409
    assert "Image status transition from saving to saving is not allowed" in explanation(second)
    assert first_status == 204
    assert publisher.get(image["file"]).content == b"0123456789"


def test_of_two_uploads_at_once_one_wins_and_one_conflicts(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_raw_image(publisher)["id"]

    statuses = upload_twice_at_once(service, image_id)

    assert statuses == [204, 409]
    assert show_image(publisher, image_id)["status"] == "active"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "application/octet-streams", "multipart/form-data", ""],
)
def test_data_of_any_other_media_type_is_refused_first_of_all(service: Service, content_type: str) -> None:
    response = upload_data(
        service.client("publisher"),
        UNKNOWN_ID,
        TEN_BYTES,
        {"Content-Type": content_type, "X-OpenStack-Image-Size": "x"},
    )

    assert response.status_code == 415


def test_data_without_media_type_is_refused(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher)

    response = publisher.put(image["file"], content=TEN_BYTES)

    assert response.status_code == 415
    assert "${" not in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("size", ["x", "1.5", "1e3", "0x10", "ten"])
def test_a_size_that_is_no_integer_is_refused_before_the_image_is_looked_up(
    service: Service, size: str
) -> None:
    response = upload_data(
        service.client("publisher"), UNKNOWN_ID, TEN_BYTES, {"X-OpenStack-Image-Size": size}
    )

    assert response.status_code == 400
    assert "Invalid or missing image size in request headers." in explanation(response)


def test_an_unknown_store_is_refused_before_the_image_is_looked_up(service: Service) -> None:
    response = upload_data(
        service.client("publisher"), UNKNOWN_ID, TEN_BYTES, {"X-Image-Meta-Store": "nowhere"}
    )

    assert response.status_code == 400


@pytest.mark.parametrize("image_id", [UNKNOWN_ID, "not-a-uuid"])
def test_an_absent_image_is_not_found(service: Service, image_id: str) -> None:
    response = upload_data(service.client("publisher"), image_id, TEN_BYTES)

    assert response.status_code == 404
    assert f"No image found with ID {image_id}" in explanation(response)


def test_an_image_the_caller_cannot_see_is_not_found(service: Service) -> None:
    image_id = create_raw_image(service.client("publisher"))["id"]

    response = upload_data(service.client("other"), image_id, TEN_BYTES)

    assert response.status_code == 404
    assert f"No image found with ID {image_id}" in explanation(response)


@pytest.mark.parametrize("caller", ["publisher-reader", "recipient", "recipient-reader"])
def test_who_merely_sees_an_image_fills_nothing_in(service: Service, caller: str) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher)
    share_image(service, image["id"], "accepted")

    response = upload_data(service.client(caller), image["id"], TEN_BYTES)

    assert response.status_code == 403
    assert "You are not authorized to complete upload_image action." in explanation(response)
    assert show_image(publisher, image["id"]) == image


def test_who_may_not_upload_learns_nothing_of_the_status(service: Service) -> None:
    image_id = create_active_image(service.client("publisher"))["id"]

    response = upload_data(service.client("publisher-reader"), image_id, TEN_BYTES)

    assert response.status_code == 403


def test_an_active_image_takes_no_new_data(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)

    response = upload_data(publisher, image["id"], b"other data")

    assert response.status_code == 409
    assert "Image status transition from active to saving is not allowed" in explanation(response)
    assert show_image(publisher, image["id"]) == image
    assert publisher.get(image["file"]).content == TEN_BYTES


@pytest.mark.parametrize(
    ("formats", "reason"),
    [
        ({}, "Properties disk_format, container_format must be set prior to saving data."),
        ({"disk_format": "raw"}, "Property container_format must be set prior to saving data."),
        ({"container_format": "bare"}, "Property disk_format must be set prior to saving data."),
    ],
    ids=brief,
)
def test_data_needs_its_formats_first(service: Service, formats: dict[str, str], reason: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, **formats)

    response = upload_data(publisher, image["id"], TEN_BYTES)

    assert response.status_code == 400
    assert reason in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize(
    ("data", "chunk_bytes"),
    [(disk_formats.QCOW2, 1024), (disk_formats.QCOW2[:600], 1)],
    ids=["small chunks", "single bytes"],
)
def test_a_format_is_found_over_the_bounds_of_chunks(service: Service, data: bytes, chunk_bytes: int) -> None:
    publisher = service.client("publisher")
    image_id = create_raw_image(publisher, disk_format="qcow2")["id"]
    chunks = [data[position : position + chunk_bytes] for position in range(0, len(data), chunk_bytes)]

    response = upload_data(publisher, image_id, chunks)

    assert response.status_code == 204
    assert show_image(publisher, image_id)["virtual_size"] == 64 * 2**20


@pytest.mark.parametrize(("disk_format", "content", "virtual_size"), GOOD_CONTENT)
def test_content_that_is_what_it_claims_tells_its_virtual_size(
    service: Service, disk_format: str, content: bytes, virtual_size: int | None
) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher, disk_format=disk_format, container_format="bare")["id"]

    response = upload_data(publisher, image_id, content)

    assert response.status_code == 204
    image = show_image(publisher, image_id)
    assert (image["size"], image["virtual_size"]) == (len(content), virtual_size)


@pytest.mark.parametrize("disk_format", ["ami", "ari", "aki", "ploop"])
def test_content_of_a_format_without_signature_passes_as_raw(service: Service, disk_format: str) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher, disk_format=disk_format, container_format="bare")["id"]

    response = upload_data(publisher, image_id, disk_formats.ZEROS)

    assert response.status_code == 204


@pytest.mark.parametrize(("disk_format", "content", "found"), MISMATCHES)
def test_content_that_is_not_what_it_claims_is_refused(
    service: Service, disk_format: str, content: bytes, found: str
) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, disk_format=disk_format, container_format="bare")
    files_before = stored_files(service)

    response = upload_data(publisher, image["id"], content)

    assert response.status_code == 415
    assert f"Image disk_format {disk_format} does not match stream data {found}" in explanation(response)
    after = show_image(publisher, image["id"])
    assert after == image | {"updated_at": after["updated_at"]}
    assert new_files(service, files_before) == NO_FILES


@pytest.mark.parametrize(("disk_format", "content"), UNSAFE_CONTENT)
def test_unsafe_content_is_refused_whatever_it_claims_to_be(
    service: Service, disk_format: str, content: bytes
) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, disk_format=disk_format, container_format="bare")
    files_before = stored_files(service)

    response = upload_data(publisher, image["id"], content)

    assert response.status_code == 415
    assert "Image failed safety checks" in explanation(response)
    after = show_image(publisher, image["id"])
    assert after == image | {"updated_at": after["updated_at"]}
    assert new_files(service, files_before) == NO_FILES


def test_content_of_two_formats_at_once_is_refused(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_raw_image(publisher, disk_format="qcow2")["id"]
    files_before = stored_files(service)

    response = upload_data(publisher, image_id, disk_formats.QCOW2_AND_ISO)

    assert response.status_code == 415
    assert show_image(publisher, image_id)["status"] == "queued"
    assert new_files(service, files_before) == NO_FILES


@pytest.mark.parametrize("container_format", ["ovf", "ova", "docker", "compressed", "ami"])
def test_content_in_a_container_is_not_looked_into(service: Service, container_format: str) -> None:
    publisher = service.client("publisher")
    image_id = create_raw_image(publisher, disk_format="qcow2", container_format=container_format)["id"]

    response = upload_data(publisher, image_id, disk_formats.ZEROS)

    assert response.status_code == 204


def test_an_image_may_be_filled_after_a_refused_upload(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher, disk_format="qcow2")
    upload_data(publisher, image["id"], disk_formats.ZEROS)

    response = upload_data(publisher, image["id"], disk_formats.QCOW2)

    assert response.status_code == 204
    assert publisher.get(image["file"]).content == disk_formats.QCOW2


@pytest.mark.parametrize(
    ("announced", "data"),
    [("10", b"12345"), ("5", b"1234567890"), ("5", b""), ("10", [b"12345"]), ("5", [b"12345", b"67890"])],
    ids=brief,
)
def test_data_of_another_size_than_announced_is_refused(
    service: Service, announced: str, data: bytes | list[bytes]
) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher)
    files_before = stored_files(service)

    response = upload_data(publisher, image["id"], data, {"X-OpenStack-Image-Size": announced})

    assert response.status_code == 400
    after = show_image(publisher, image["id"])
    assert after == image | {"updated_at": after["updated_at"]}
    assert new_files(service, files_before) == NO_FILES


@pytest.mark.parametrize(
    ("disk_format", "data", "status"),
    [
        pytest.param("raw", b"Q" * 512 + b"\xff" * 8 + b"Q" * 70_000, 204, id="raw that breaks a parser"),
        pytest.param("raw", b"vhdxfile" + bytes(500), 415, id="cut vhdx as raw"),
        pytest.param("vhdx", b"vhdxfile" + bytes(500), 415, id="cut vhdx"),
        pytest.param("vhd", b"conectix", 415, id="cut vhd"),
        pytest.param("vmdk", b"KDMV" + b"\x01" * 70_000, 415, id="broken vmdk"),
    ],
)
def test_data_that_breaks_a_parser_is_judged_all_the_same(
    service: Service, disk_format: str, data: bytes, status: int
) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher, disk_format=disk_format, container_format="bare")["id"]

    assert upload_data(publisher, image_id, data).status_code == status


def test_a_refusal_does_not_wait_for_a_body_that_never_comes(service: Service) -> None:
    """The rest of a refused body is read for a few seconds only."""
    head = {"Content-Type": OCTET_STREAM, "Content-Length": "100"}

    with send_head(service, "publisher", f"PUT /v2/images/{uuid4()}/file", head) as connection:
        connection.sendall(b"1")

        assert read_status(connection) == 404
