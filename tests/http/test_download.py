"""GET and HEAD /v2/images/{id}/file: who gets data, whole or in part, what it is told (images-v2, 3.8)."""

import hashlib

import pytest
from connections import LAST_CHUNK, read_status, upload_in_progress
from harness.service import Service
from images import (
    TEN_BYTES,
    UNKNOWN_ID,
    create_active_image,
    create_image,
    create_public_image,
    create_raw_image,
    explanation,
    share_image,
    upload_data,
)

GOOD_RANGES = [
    ("bytes=0-9", b"0123456789", "bytes 0-9/10"),
    ("bytes=0-0", b"0", "bytes 0-0/10"),
    ("bytes=0-4", b"01234", "bytes 0-4/10"),
    ("bytes=3-6", b"3456", "bytes 3-6/10"),
    ("bytes=9-9", b"9", "bytes 9-9/10"),
    ("bytes=5-", b"56789", "bytes 5-9/10"),
    ("bytes=0-", b"0123456789", "bytes 0-9/10"),
    ("bytes=9-", b"9", "bytes 9-9/10"),
    ("bytes=5-100", b"56789", "bytes 5-9/10"),
    ("bytes=5-99999999999999999999999999", b"56789", "bytes 5-9/10"),
    ("Bytes = 3 - 6", b"3456", "bytes 3-6/10"),
    ("bytes=-3", b"789", "bytes 7-9/10"),
    ("bytes=-10", b"0123456789", "bytes 0-9/10"),
    ("bytes=-100", b"0123456789", "bytes 0-9/10"),
]
RANGES_BEHIND_THE_END = [
    "bytes=10-",
    "bytes=10-10",
    "bytes=10-20",
    "bytes=99999999999999999999999999-",
]
RANGES_THAT_MEAN_NOTHING = [
    "bytes=5-2",
    "bytes=",
    "bytes=-",
    "bytes=a-b",
    "bytes=1",
    "bytes=--1",
    "bytes=-0",
    "bytes=0-" + "9" * 31,
]
RANGES_IN_NO_UNIT_WE_KNOW = ["items=0-1", "items=0-1,3-4", "bytes0-4", "0-4", "junk", "=0-4", ""]


def test_the_data_comes_as_it_was_uploaded(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher, b"\0\xff data \r\n")

    response = publisher.get(image["file"])

    assert response.status_code == 200
    assert response.content == b"\0\xff data \r\n"


def test_the_data_comes_with_its_type_and_length(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)

    response = publisher.get(image["file"])

    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Length"] == "10"


def test_the_data_comes_with_its_md5_in_hex(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)

    response = publisher.get(image["file"])

    assert response.headers["Content-MD5"] == hashlib.md5(TEN_BYTES).hexdigest() == image["checksum"]


def test_the_data_comes_with_a_tag_that_stays(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    entity_tag = publisher.get(path).headers["ETag"]

    assert entity_tag.startswith('"')
    assert entity_tag.endswith('"')
    assert publisher.get(path).headers["ETag"] == entity_tag


def test_other_data_has_another_tag(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher, b"some data")
    other_image = create_active_image(publisher, b"more data")

    entity_tag = publisher.get(image["file"]).headers["ETag"]

    assert publisher.get(other_image["file"]).headers["ETag"] != entity_tag


def test_the_data_may_be_asked_for_in_ranges(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    assert publisher.get(path).headers["Accept-Ranges"] == "bytes"


def test_head_tells_everything_that_get_tells_but_the_data(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]
    told = ["Content-Type", "Content-Length", "Content-MD5", "ETag", "Accept-Ranges"]

    head = publisher.head(path)

    get = publisher.get(path)
    assert head.status_code == 200
    assert head.content == b""
    assert [head.headers[name] for name in told] == [get.headers[name] for name in told]


def test_head_is_forbidden_to_whom_get_is(service: Service) -> None:
    path = create_active_image(service.client("publisher"))["file"]

    response = service.client("publisher-reader").head(path)

    assert response.status_code == 403
    assert response.content == b""


def test_head_of_an_image_without_data_says_that_there_is_none(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_image(publisher)["file"]

    response = publisher.head(path)

    assert response.status_code == 204


@pytest.mark.parametrize(("requested", "content", "answered"), GOOD_RANGES)
def test_a_part_is_cut_out_of_the_data(
    service: Service, requested: str, content: bytes, answered: str
) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.get(path, headers={"Range": requested})

    assert response.status_code == 206
    assert response.content == content
    assert response.headers["Content-Range"] == answered
    assert response.headers["Content-Length"] == str(len(content))


def test_a_part_comes_with_the_md5_of_the_whole(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)

    response = publisher.get(image["file"], headers={"Range": "bytes=0-4"})

    assert response.headers["Content-MD5"] == image["checksum"]


def test_a_part_has_the_tag_of_the_whole(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.get(path, headers={"Range": "bytes=0-4"})

    assert response.headers["ETag"] == publisher.get(path).headers["ETag"]


def test_the_parts_of_large_data_make_up_the_whole(service: Service) -> None:
    publisher = service.client("publisher")
    data = bytes(range(256)) * 10_001
    path = create_active_image(publisher, data)["file"]

    head = publisher.get(path, headers={"Range": "bytes=0-1234567"}).content
    tail = publisher.get(path, headers={"Range": "bytes=1234568-"}).content

    assert hashlib.sha512(head + tail).digest() == hashlib.sha512(data).digest()


@pytest.mark.parametrize("requested", RANGES_BEHIND_THE_END)
def test_a_part_behind_the_end_cannot_be_had(service: Service, requested: str) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.get(path, headers={"Range": requested})

    assert response.status_code == 416
    assert "Start position MUST be in the inclusive range [0, 9]." in explanation(response)


@pytest.mark.parametrize("requested", RANGES_THAT_MEAN_NOTHING)
def test_a_range_that_means_nothing_is_refused(service: Service, requested: str) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.get(path, headers={"Range": requested})

    assert (response.status_code, explanation(response)) == (416, "Invalid Range header.")
    assert response.headers["Content-Range"] == "bytes */10"


@pytest.mark.parametrize("requested", RANGES_IN_NO_UNIT_WE_KNOW)
def test_a_range_in_a_unit_that_we_do_not_know_is_ignored(service: Service, requested: str) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.get(path, headers={"Range": requested})

    assert (response.status_code, response.content) == (200, TEN_BYTES)


@pytest.mark.parametrize("requested", ["bytes=0-4", "bytes=5-2", "bytes=10-", "bytes=0-1,3-4"])
def test_head_takes_no_range(service: Service, requested: str) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.head(path, headers={"Range": requested})

    assert (response.status_code, response.headers["Content-Length"]) == (200, "10")


def test_several_ranges_at_once_are_refused(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.get(path, headers={"Range": "bytes=0-1,3-4"})

    assert response.status_code == 400


def test_a_content_range_in_the_request_works_like_a_range(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.get(path, headers={"Content-Range": "bytes 0-4/*"})

    assert response.status_code == 206
    assert response.content == b"01234"


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-4"}], ids=["whole", "part"])
def test_an_image_without_data_has_no_content(service: Service, headers: dict[str, str]) -> None:
    publisher = service.client("publisher")
    path = create_image(publisher)["file"]

    response = publisher.get(path, headers=headers)

    assert response.status_code == 204
    assert response.content == b""
    assert "Content-Type" not in response.headers


def test_an_image_whose_data_still_comes_has_no_content(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher)

    with upload_in_progress(service, "publisher", image["id"]) as connection:
        response = publisher.get(image["file"])
        connection.sendall(LAST_CHUNK)
        read_status(connection)

    assert response.status_code == 204
    assert response.content == b""


def test_data_of_no_bytes_is_downloaded_as_no_bytes(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher, b"")["file"]

    response = publisher.get(path)

    assert response.status_code in (200, 204)
    assert response.content == b""


def test_a_part_of_no_bytes_cannot_be_had(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher, b"")["file"]

    response = publisher.get(path, headers={"Range": "bytes=0-4"})

    assert response.status_code in (204, 416)


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
def test_a_member_downloads_whatever_it_answered(service: Service, status: str) -> None:
    image = create_active_image(service.client("publisher"))
    share_image(service, image["id"], status)

    response = service.client("recipient").get(image["file"])

    assert response.status_code == 200
    assert response.content == TEN_BYTES


@pytest.mark.parametrize("visibility", ["public", "community"])
def test_anybody_downloads_what_is_for_everybody(service: Service, visibility: str) -> None:
    image = create_active_image(service.client("admin"), visibility=visibility)

    response = service.client("other").get(image["file"])

    assert response.status_code == 200
    assert response.content == TEN_BYTES


def test_an_admin_downloads_the_data_of_another_project(service: Service) -> None:
    path = create_active_image(service.client("publisher"), visibility="private")["file"]

    response = service.client("admin").get(path)

    assert response.status_code == 200


@pytest.mark.parametrize("reader", ["publisher-reader", "recipient-reader"])
def test_a_reader_downloads_nothing(service: Service, reader: str) -> None:
    image = create_active_image(service.client("publisher"))
    share_image(service, image["id"], "accepted")

    response = service.client(reader).get(image["file"])

    assert response.status_code == 403
    assert "You are not authorized to complete download_image action." in explanation(response)


def test_a_reader_downloads_nothing_public_either(service: Service) -> None:
    image = create_public_image(service)
    upload_data(service.client("admin"), image["id"], TEN_BYTES)

    response = service.client("recipient-reader").get(image["file"])

    assert response.status_code == 403


def test_a_reader_is_refused_before_it_learns_that_there_is_no_data(service: Service) -> None:
    path = create_image(service.client("publisher"))["file"]

    response = service.client("publisher-reader").get(path)

    assert response.status_code == 403


def test_a_reader_learns_of_the_withdrawal_first(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)
    publisher.post(f"{image['self']}/actions/deactivate")

    response = service.client("publisher-reader").get(image["file"])

    assert response.status_code == 403
    assert "The requested image has been deactivated." in explanation(response)


@pytest.mark.parametrize("image_id", [UNKNOWN_ID, "not-a-uuid"])
def test_an_absent_image_is_not_found(service: Service, image_id: str) -> None:
    response = service.client("publisher").get(f"/v2/images/{image_id}/file")

    assert response.status_code == 404
    assert f"No image found with ID {image_id}" in explanation(response)


@pytest.mark.parametrize("visibility", ["private", "shared"])
def test_an_image_the_caller_cannot_see_is_not_found(service: Service, visibility: str) -> None:
    image = create_active_image(service.client("publisher"), visibility=visibility)

    response = service.client("other").get(image["file"])

    assert response.status_code == 404
    assert f"No image found with ID {image['id']}" in explanation(response)


def test_a_body_is_refused(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.request("GET", path, content=b"{}")

    assert response.status_code == 400
    assert "A body is not expected with this request." in explanation(response)


def test_a_store_that_is_not_there_cannot_be_preferred(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.get(path, params={"prefer": "nowhere"})

    assert response.status_code == 400
    assert "Store 'nowhere' is not configured." in explanation(response)
