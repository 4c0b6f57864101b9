"""Digests that clients send with data, or expect of what is fetched, are verified (RFC 9530, RFC 1864).

Expected values are made by hashlib from the data, and for one piece of data stand here as openssl
prints them, so that encoding and decoding cannot be wrong alike.
"""

import base64
import gzip
import hashlib
from pathlib import Path
from typing import Any

import pytest
from conftest import IMPORTING, SharedServices
from harness.file_server import FileServer
from harness.service import Service
from images import TEN_BYTES, create_active_image, create_raw_image, explanation, show_image, upload_data
from importing import finish_import, stage, start_import

DATA = bytes(range(256)) * 12_000
#: `printf 0123456789 | openssl dgst -sha256 -binary | base64`, and so on.
SHA256_OF_TEN_BYTES = "hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII="
MD5_OF_TEN_BYTES = "eB5eJF1ptWaXm4bijSPyxw=="


def encode(algorithm: str, data: bytes) -> str:
    return base64.b64encode(hashlib.new(algorithm, data).digest()).decode()


SHA256, SHA512, MD5 = (encode(algorithm, DATA) for algorithm in ("sha256", "sha512", "md5"))
OTHER_SHA256, OTHER_SHA512, OTHER_MD5 = (encode(name, DATA + b"x") for name in ("sha256", "sha512", "md5"))
RIGHT = [
    ("Repr-Digest", f"sha-256=:{SHA256}:"),
    ("Repr-Digest", f"sha-512=:{SHA512}:"),
    ("Content-Digest", f"sha-256=:{SHA256}:, sha-512=:{SHA512}:"),
    # Members of any value and with parameters, which say nothing to whoever does not know them.
    ("Content-Digest", f"unixsum=30637, x, adler=:AA==:;q=1, sha-256=:{SHA256}:;q=0.5"),
    # Of two members of one name the last one counts (RFC 9651, 4.2.2).
    ("Repr-Digest", f"sha-256=:{OTHER_SHA256}:,\tsha-256=:{SHA256}:"),
    ("Content-MD5", MD5),
    ("Content-MD5", hashlib.md5(DATA).hexdigest()),
]
WRONG = [
    ("Repr-Digest", f"sha-256=:{OTHER_SHA256}:"),
    ("Repr-Digest", f"sha-512=:{OTHER_SHA512}:"),
    ("Content-Digest", f"sha-256=:{OTHER_SHA256}:"),
    ("Content-Digest", f"sha-512=:{SHA512}:, sha-256=:{OTHER_SHA256}:"),
    ("Content-MD5", OTHER_MD5),
    ("Content-MD5", hashlib.md5(DATA + b"x").hexdigest()),
]
MALFORMED = [
    ("Repr-Digest", "sha-256"),
    ("Repr-Digest", f"sha-256={SHA256}"),
    ("Repr-Digest", f'sha-256="{SHA256}"'),
    ("Repr-Digest", f"sha-256=:{MD5}:"),
    ("Repr-Digest", f"sha-512=:{SHA256}:"),
    ("Repr-Digest", "sha-256=:not base64:"),
    ("Repr-Digest", f"sha-256=:{SHA256}:,"),
    ("Repr-Digest", f"SHA-256=:{SHA256}:"),
    ("Content-Digest", f"sha-256=:{SHA256}"),
    ("Content-MD5", "x"),
    ("Content-MD5", SHA256),
    ("Content-MD5", ""),
]


@pytest.fixture(scope="module")
def server(shared_services: SharedServices, tmp_path_factory: pytest.TempPathFactory) -> Service:
    folder = tmp_path_factory.mktemp("digests")
    return shared_services.get("sqlite", TRANSOM_STORES=f"local=file://{folder}", **IMPORTING)


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_an_upload_that_has_the_digest_is_taken(server: Service, name: str, value: str) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = upload_data(client, image_id, DATA, {name: value})

    assert response.status_code == 204, response.text
    assert show_image(client, image_id)["os_hash_value"] == hashlib.sha512(DATA).hexdigest()


@pytest.mark.parametrize(
    ("name", "value"),
    [("Repr-Digest", f"sha-256=:{SHA256_OF_TEN_BYTES}:"), ("Content-MD5", MD5_OF_TEN_BYTES)],
)
def test_digests_are_encoded_as_other_tools_do(server: Service, name: str, value: str) -> None:
    client = server.client("publisher")

    response = upload_data(client, create_raw_image(client)["id"], TEN_BYTES, {name: value})

    assert response.status_code == 204, response.text


@pytest.mark.parametrize("put", [upload_data, stage], ids=["upload", "stage"])
@pytest.mark.parametrize(("name", "value"), WRONG)
def test_data_of_another_digest_is_refused_and_nothing_of_it_is_kept(
    server: Service, put: Any, name: str, value: str
) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = put(client, image_id, DATA, {name: value})

    assert (response.status_code, explanation(response).startswith(f"{name}: the data has the")) == (
        400,
        True,
    )
    shown = show_image(client, image_id)
    assert (shown["status"], shown["size"], shown["checksum"]) == ("queued", None, None)
    assert image_id not in str(list(_store(server).rglob("*")))
    assert upload_data(client, image_id, DATA).status_code == 204


@pytest.mark.parametrize("put", [upload_data, stage], ids=["upload", "stage"])
@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_a_malformed_digest_is_refused_by_name(server: Service, put: Any, name: str, value: str) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = put(client, image_id, DATA, {name: value})

    assert (response.status_code, explanation(response).partition(":")[0]) == (400, name)
    assert show_image(client, image_id)["status"] == "queued"


def test_a_digest_of_no_algorithm_that_is_known_says_nothing(server: Service) -> None:
    client = server.client("publisher")
    digest = {"Repr-Digest": "md5=:AA==:, sha=:AA==:, sha-384=1"}

    assert upload_data(client, create_raw_image(client)["id"], DATA, digest).status_code == 204


def test_lines_of_one_field_are_one_list(server: Service) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]
    lines = [("Repr-Digest", f"sha-256=:{OTHER_SHA256}:"), ("Repr-Digest", f"sha-512=:{SHA512}:")]

    response = client.put(
        f"/v2/images/{image_id}/file",
        content=DATA,
        headers=[("Content-Type", "application/octet-stream"), *lines],
    )

    assert response.status_code == 400


def test_staged_data_that_has_the_digest_is_imported(server: Service) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]

    staged = stage(client, image_id, DATA, {"Repr-Digest": f"sha-256=:{SHA256}:"})
    start_import(client, image_id)

    assert (staged.status_code, finish_import(client, image_id)["status"]) == (204, "success")


@pytest.mark.parametrize("put", [upload_data, stage], ids=["upload", "stage"])
def test_data_in_a_content_coding_is_refused(server: Service, put: Any) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = put(client, image_id, gzip.compress(DATA), {"Content-Encoding": "gzip"})

    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")
    assert put(client, image_id, DATA, {"Content-Encoding": "identity"}).status_code == 204


@pytest.mark.parametrize("put", [upload_data, stage], ids=["upload", "stage"])
def test_a_part_of_the_data_is_not_taken_for_all_of_it(server: Service, put: Any) -> None:
    """RFC 9110, 14.5: a client that goes on with an upload would leave an image of its end."""
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = put(client, image_id, DATA[5:], {"Content-Range": f"bytes 5-{len(DATA) - 1}/{len(DATA)}"})

    assert (response.status_code, "Content-Range" in response.json()["message"]) == (400, True)
    assert client.get(f"/v2/images/{image_id}").json()["status"] == "queued"


# ---- what is fetched


@pytest.mark.parametrize(
    "expected",
    [
        {"os_hash_value": hashlib.sha512(DATA).hexdigest()},
        {"os_hash_algo": "sha256", "os_hash_value": hashlib.sha256(DATA).hexdigest().upper()},
        {"os_hash_algo": "md5", "os_hash_value": hashlib.md5(DATA).hexdigest()},
    ],
)
def test_a_download_that_has_the_expected_hash_is_taken(
    server: Service, files: FileServer, expected: dict[str, str]
) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]

    start_import(client, image_id, "web-download", uri=files.offer(DATA), **expected)
    task = finish_import(client, image_id)

    assert task["status"] == "success", task
    assert show_image(client, image_id)["status"] == "active"


@pytest.mark.parametrize("algorithm", ["sha512", "sha256", "sha1"])
def test_a_download_of_another_hash_fails_the_task_and_frees_the_image(
    server: Service, files: FileServer, algorithm: str
) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]
    value, found = (hashlib.new(algorithm, data).hexdigest() for data in (DATA + b"x", DATA))
    url = files.offer(DATA)

    start_import(client, image_id, "web-download", uri=url, os_hash_algo=algorithm, os_hash_value=value)
    task = finish_import(client, image_id)

    assert (task["status"], task["message"]) == (
        "failure",
        f"os_hash_value: the data has the {algorithm} digest {found}, not {value}.",
    )
    assert (show_image(client, image_id)["status"], files.times_asked(url)) == ("queued", 1)
    assert image_id not in str(list(_store(server).rglob("*")))


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        ({"os_hash_algo": "sha512"}, "os_hash_value"),
        ({"os_hash_value": 7}, "os_hash_value"),
        ({"os_hash_value": "00"}, "os_hash_value"),
        ({"os_hash_algo": "sha256", "os_hash_value": "x" * 64}, "os_hash_value"),
        ({"os_hash_algo": "crc32", "os_hash_value": "00"}, "os_hash_algo"),
        ({"os_hash_algo": [], "os_hash_value": "00"}, "os_hash_algo"),
    ],
)
def test_an_expected_hash_that_can_be_none_is_refused_at_once(
    server: Service, files: FileServer, expected: dict[str, Any], name: str
) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]

    response = start_import(client, image_id, "web-download", uri=files.offer(DATA), **expected)

    assert (response.status_code, explanation(response).partition(":")[0]) == (400, name)
    assert show_image(client, image_id)["status"] == "queued"


def test_a_copy_from_another_service_has_the_hash_that_this_one_has_on_record(server: Service) -> None:
    """The source is this very service, whose data somebody changed on its disk."""
    client = server.client("publisher")
    source_id = create_active_image(client, DATA)["id"]
    file = next(path for path in _store(server).rglob("*") if source_id in path.name)
    file.write_bytes(DATA[1:] + b"x")
    image_id = create_raw_image(client)["id"]

    start_import(client, image_id, "glance-download", glance_region="RegionOne", glance_image_id=source_id)
    task = finish_import(client, image_id)

    assert task["status"] == "failure"
    assert task["message"].startswith("os_hash_value of the source: the data has the sha512 digest")
    assert show_image(client, image_id)["status"] == "queued"


def _store(server: Service) -> Path:
    return Path(server.settings["TRANSOM_STORES"].partition("file://")[2])
