"""Import by web-download: what may be fetched, and what comes of it (images-v2, 5.3 to 5.5)."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

import disk_formats
import pytest
from harness.certificates import make_certificate, server_context
from harness.file_server import FileServer
from harness.service import MakeService, Service
from images import (
    TEN_BYTES,
    create_raw_image,
    explanation,
    share_image,
    show_image,
    stored_files,
)
from importing import finish_import, start_import, told

DATA = bytes(range(256)) * 8192


def download(service: Service, url: str, **fields: object) -> tuple[str, dict[str, Any]]:
    """(the image's id, its task) after an import from this URL."""
    client = service.client("publisher")
    image_id = create_raw_image(client, **fields)["id"]
    started = start_import(client, image_id, "web-download", uri=url)
    assert started.status_code == 202, started.text
    return image_id, finish_import(client, image_id)


def test_what_a_url_gives_becomes_the_images_data(importing: Service, files: FileServer) -> None:
    client = importing.client("publisher")

    image_id, task = download(importing, files.offer(DATA))

    assert task["status"] == "success", task
    shown = show_image(client, image_id)
    assert (shown["status"], shown["size"], shown["stores"]) == ("active", len(DATA), "fast")
    assert shown["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert client.get(f"/v2/images/{image_id}/file").content == DATA
    assert told(client, image_id) == (None, "", "")


def test_the_task_names_the_url_and_nothing_that_is_the_workers(
    importing: Service, files: FileServer
) -> None:
    url = files.offer(TEN_BYTES)

    _image_id, task = download(importing, url)

    assert task["input"] == {
        "image_id": task["image_id"],
        "import_req": {"method": {"name": "web-download", "uri": url}},
        "backend": ["fast"],
    }


def test_redirects_are_followed(importing: Service, files: FileServer) -> None:
    image_id, task = download(importing, files.redirect(files.redirect(files.offer(DATA))))

    assert task["status"] == "success", task
    assert show_image(importing.client("publisher"), image_id)["size"] == len(DATA)


def test_data_goes_to_every_store_that_is_named(importing: Service, files: FileServer) -> None:
    client = importing.client("publisher")
    image_id = create_raw_image(client)["id"]

    start_import(client, image_id, "web-download", uri=files.offer(DATA), all_stores=True)
    task = finish_import(client, image_id)

    assert task["status"] == "success", task
    assert show_image(client, image_id)["stores"] == "fast,slow"


@pytest.mark.parametrize(
    ("data", "status", "headers", "text"),
    [
        (b"", 404, {}, "answered 404"),
        (b"", 304, {}, "answered 304"),
        (b"", 302, {}, "redirects to nowhere"),
        (b"", 302, {"Location": "http://127.1/"}, "host"),
        (b"", 302, {"Location": "file:///etc/passwd"}, "scheme"),
        (b"", 302, {"Location": "http://169.254.169.254/latest"}, "host '169.254.169.254' is not allowed"),
        (disk_formats.QCOW2, 200, {}, "does not match"),
        (b"", 204, {}, "answered 204 instead of 200"),
        (TEN_BYTES, 201, {}, "answered 201 instead of 200"),
        (TEN_BYTES, 206, {"Content-Range": "bytes 0-9/20"}, "answered 206 instead of 200"),
        (gzip.compress(DATA), 200, {"Content-Encoding": "gzip"}, "content coding 'gzip'"),
        (TEN_BYTES, 200, {"Content-Encoding": "identity, br"}, "content coding 'identity, br'"),
    ],
    ids=[
        "absent",
        "not modified",
        "to nowhere",
        "an odd host",
        "a file",
        "metadata service",
        "other data",
        "no content",
        "created",
        "a part that nobody asked for",
        "packed",
        "packed in an unknown way",
    ],
)
def test_what_cannot_be_fetched_or_used_fails_the_task_and_frees_the_image(
    importing: Service, files: FileServer, data: bytes, status: int, headers: dict[str, str], text: str
) -> None:
    image_id, task = download(importing, files.offer(data, status, headers), disk_format="vmdk")

    assert (task["status"], text in task["message"]) == ("failure", True), task
    shown = show_image(importing.client("publisher"), image_id)
    assert (shown["status"], shown["size"]) == ("queued", None)
    assert told(importing.client("publisher"), image_id) == (None, "", "fast")


def test_the_identity_coding_may_be_named(importing: Service, files: FileServer) -> None:
    image_id, task = download(importing, files.offer(DATA, headers={"Content-Encoding": "Identity"}))

    assert task["status"] == "success", task
    assert show_image(importing.client("publisher"), image_id)["size"] == len(DATA)


def test_a_certificate_that_is_not_trusted_fails_the_task_at_the_first_try(
    importing: Service, tmp_path: Path
) -> None:
    with FileServer(server_context(make_certificate(tmp_path))) as secure:
        image_id, task = download(importing, secure.offer(DATA))

    assert (task["status"], "'127.0.0.1' has a certificate that is not trusted" in task["message"]) == (
        "failure",
        True,
    ), task
    assert show_image(importing.client("publisher"), image_id)["status"] == "queued"
    assert secure.handshakes == 1


def test_an_https_url_of_a_server_without_tls_fails_the_task_at_the_first_try(
    importing: Service, files: FileServer
) -> None:
    _image_id, task = download(importing, files.offer(DATA).replace("http:", "https:"))

    assert (task["status"], "TLS" in task["message"]) == ("failure", True), task


def test_an_endless_redirect_comes_to_an_end(importing: Service, files: FileServer) -> None:
    url = files.offer(b"", 302, {"Location": "#again"})

    _image_id, task = download(importing, url)

    assert (task["status"], task["message"]) == ("failure", "The URL redirects too often.")
    assert files.times_asked(url) == 11


@pytest.mark.parametrize(
    "uri",
    [
        None,
        7,
        "",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http:///x",
        "http://127.1/x",
        "http://2130706433/x",
        "http://0x7f000001/x",
        "http://0177.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/x",
        "http://example.invalid/x",
        "http://127.0.0.1\\@example.org/x",
        "http://127.0.0.1 /x",
        "http://127.0.0.1:99999/x",
        "http://[fe80::1%25eth0]/x",
    ],
)
def test_urls_that_may_not_be_fetched_are_refused_at_once(importing: Service, uri: object) -> None:
    client = importing.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = start_import(client, image_id, "web-download", **({} if uri is None else {"uri": uri}))

    assert response.status_code == 400
    assert f"URI for web-download does not pass filtering: {uri}" in explanation(response)
    assert show_image(client, image_id)["status"] == "queued"


def test_by_default_nothing_is_fetched_from_this_machine(service: Service, files: FileServer) -> None:
    client = service.client("publisher")
    image_id = create_raw_image(client)["id"]
    url = files.offer(DATA)

    refused = [
        start_import(client, image_id, "web-download", uri=uri)
        for uri in (url, url.replace(f":{files.port}", ""), "http://localhost/x", "http://[::1]/x")
    ]

    assert [one.status_code for one in refused] == [400] * 4
    assert files.times_asked(url) == 0


def test_who_may_not_import_learns_nothing_of_the_filter(importing: Service) -> None:
    image_id = create_raw_image(importing.client("publisher"))["id"]
    share_image(importing, image_id)

    response = start_import(importing.client("recipient"), image_id, "web-download", uri="file:///x")

    assert response.status_code == 403


def test_more_than_may_be_stored_is_not_fetched(make_service: MakeService, files: FileServer) -> None:
    service = make_service(
        "sqlite",
        TRANSOM_IMAGE_SIZE_CAP="9",
        TRANSOM_ALLOWED_HOSTS="127.0.0.1",
        TRANSOM_ALLOWED_PORTS="",
    )

    image_id, task = download(service, files.offer(TEN_BYTES))

    assert task["status"] == "failure"
    assert "too large" in task["message"]
    assert show_image(service.client("publisher"), image_id)["status"] == "queued"
    assert stored_files(service) == set()
