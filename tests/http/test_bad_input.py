"""Whatever a client sends: the right refusal, nothing changed, nothing left over (images-v2, 1.6, 1.7, 9.3).

Rules with a text of their own stand in the modules of their calls; here is what no rule foresees.
All calls are made by `other`, whose images are compared before and after.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_from_bytes

import httpx
import pytest
from connections import (
    CHUNKED_UPLOAD,
    LAST_CHUNK,
    chunk,
    read_status,
    send_end,
    send_head,
    upload_in_progress,
)
from harness.databases import over_one_database
from harness.service import MakeService, Service
from harness.stores import MARK
from hypothesis import given, settings
from hypothesis import strategies as st
from images import (
    EMOJI,
    JSON_PATCH,
    NO_FILES,
    OCTET_STREAM,
    OLD_JSON_PATCH,
    TEN_BYTES,
    UNKNOWN_ID,
    Image,
    brief,
    create_raw_image,
    delete_image,
    escape,
    eventually,
    explanation,
    new_files,
    show_image,
    stored_files,
    update_image,
    upload_data,
)

Snapshot = list[tuple[Image, list[str]]]

CALLS_WITH_BODY = [
    pytest.param("POST", "/v2/images", "application/json", id="create"),
    pytest.param("PATCH", "/v2/images/{id}", JSON_PATCH, id="update"),
    pytest.param("PATCH", "/v2/images/{id}", OLD_JSON_PATCH, id="update the old way"),
    pytest.param("POST", "/v2/images/{id}/members", "application/json", id="add member"),
    pytest.param("PUT", "/v2/images/{id}/members/project", "application/json", id="answer"),
]

BODIES_OF_NO_USE = [
    pytest.param(b"{", id="half an object"),
    pytest.param(b"]", id="half an array"),
    pytest.param(b"name=i", id="a form"),
    pytest.param(b"<image/>", id="XML"),
    pytest.param(b"{'name': 'i'}", id="single quotes"),
    pytest.param(b'{"name": "i",}', id="trailing comma"),
    pytest.param(b'{"name": "i"} {}', id="two objects"),
    pytest.param(b'{"name": "i"}\0', id="NUL behind"),
    pytest.param(b'{"name": "a\0b"}', id="raw NUL within"),
    pytest.param(b"\0" * 100, id="NUL only"),
    pytest.param(b"   ", id="blanks only"),
    pytest.param(b"\xff\xfe\xfd", id="no UTF-8"),
    pytest.param(b'{"name": "\xff"}', id="no UTF-8 within an object"),
    pytest.param(b'[{"op": "\xff"}]', id="no UTF-8 within an array"),
    pytest.param(b'{"name": NaN}', id="NaN"),
    pytest.param(b'{"name": -Infinity}', id="minus infinity"),
    pytest.param(b'"text"', id="a text"),
    pytest.param(b"1", id="a number"),
    pytest.param(b"1e400", id="a number beyond floats"),
    pytest.param(b"9" * 5000, id="a number of 5000 digits"),
    pytest.param(b"null", id="null"),
    pytest.param(b"true", id="true"),
    pytest.param(b"[1]", id="an array of a number"),
    pytest.param(b"[" * 4_000 + b"]" * 4_000, id="4,000 arrays in each other"),
    pytest.param(b"[" * 4_000, id="4,000 arrays that do not end"),
    pytest.param(b'{"a":' * 4_000 + b"1" + b"}" * 4_000, id="4,000 objects in each other"),
    pytest.param(b'{"name": ' + b"[" * 4_000 + b"]" * 4_000 + b"}", id="4,000 arrays in a name"),
]

#: Within the limit of bytes, and more than anybody should have to look at.
TOO_MANY_VALUES = [
    pytest.param(b"[" + b"1," * 10_000 + b"1]", id="an array"),
    pytest.param(json.dumps({f"p{n}": "x" for n in range(5_001)}).encode(), id="properties"),
    pytest.param(json.dumps({"name": "i", "tags": [str(n) for n in range(10_000)]}).encode(), id="tags"),
    pytest.param(b"[" * 100_000 + b"]" * 100_000, id="100,000 arrays in each other"),
    pytest.param(b"[" * 100_000, id="100,000 arrays that do not end"),
    pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="100,000 objects in each other"),
    pytest.param(b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="100,000 arrays in a name"),
    pytest.param(b'{"a":[' + b"[]," * 10_000 + b"[]]}", id="empty arrays"),
    pytest.param(b'{"a":[' + b"[]," * 300_000 + b"[]]}", id="a mebibyte of empty arrays"),
    pytest.param(json.dumps([{"op": "remove", "path": "/a"}] * 2_001).encode(), id="operations"),
]

FIELDS = [
    "name",
    "visibility",
    "protected",
    "os_hidden",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "tags",
    "owner",
    "hw_disk_bus",
]
VALUES_OF_NO_FIELD = [
    pytest.param("-1", id="-1"),
    pytest.param(str(2**31), id="2**31"),
    pytest.param(str(2**63), id="2**63"),
    pytest.param(str(2**70), id="2**70"),
    pytest.param(str(-(2**63)), id="-2**63"),
    pytest.param(str(-(2**70)), id="-2**70"),
    pytest.param("0.5", id="0.5"),
    pytest.param("1e300", id="1e300"),
    pytest.param("1e400", id="1e400"),
    pytest.param("-1e400", id="-1e400"),
    pytest.param("9" * 5000, id="5000 digits"),
    pytest.param("{}", id="object"),
    pytest.param('{"a": {"b": [1]}}', id="nested object"),
    pytest.param("[[]]", id="nested array"),
    pytest.param("[null]", id="array of null"),
]
UNSTORABLE_TEXTS = [
    pytest.param("a\0b", id="NUL"),
    pytest.param("\0", id="NUL only"),
    pytest.param("\ud800", id="lone surrogate"),
    pytest.param("a\udfffb", id="lone low surrogate"),
    pytest.param(EMOJI, id="four bytes"),
]

CALLS_ON_AN_ID = [
    pytest.param("GET", "/v2/images/{id}", None, {}, id="show"),
    pytest.param("PATCH", "/v2/images/{id}", b"[]", {"Content-Type": JSON_PATCH}, id="update"),
    pytest.param("DELETE", "/v2/images/{id}", None, {}, id="delete"),
    pytest.param("GET", "/v2/images/{id}/file", None, {}, id="download"),
    pytest.param("PUT", "/v2/images/{id}/file", b"x", {"Content-Type": OCTET_STREAM}, id="upload"),
    pytest.param("POST", "/v2/images/{id}/actions/deactivate", None, {}, id="deactivate"),
    pytest.param("POST", "/v2/images/{id}/actions/reactivate", None, {}, id="reactivate"),
    pytest.param("PUT", "/v2/images/{id}/tags/blue", None, {}, id="add tag"),
    pytest.param("DELETE", "/v2/images/{id}/tags/blue", None, {}, id="remove tag"),
    pytest.param("GET", "/v2/images/{id}/members", None, {}, id="list members"),
    pytest.param("POST", "/v2/images/{id}/members", b'{"member": "x"}', {}, id="add member"),
    pytest.param("GET", "/v2/images/{id}/members/x", None, {}, id="show member"),
    pytest.param("PUT", "/v2/images/{id}/members/x", b'{"status": "accepted"}', {}, id="answer"),
    pytest.param("DELETE", "/v2/images/{id}/members/x", None, {}, id="remove member"),
]
IDS_OF_NO_IMAGE = [
    pytest.param("not-a-uuid", id="no UUID"),
    pytest.param("0", id="zero"),
    pytest.param("-1", id="negative"),
    pytest.param(UNKNOWN_ID.replace("-", ""), id="UUID without dashes"),
    pytest.param(f"{{{UNKNOWN_ID}}}", id="UUID in braces"),
    pytest.param(f"{UNKNOWN_ID}%20", id="UUID and blank"),
    pytest.param("%20", id="blank"),
    pytest.param("%27%20OR%20%271%27=%271", id="SQL"),
    pytest.param("%25", id="percent sign"),
    pytest.param("%2E%2E", id="two dots"),
    pytest.param("a%2Fb", id="escaped slash"),
    pytest.param("%2E%2E%2F%2E%2E%2Fetc%2Fpasswd", id="escaped path"),
    pytest.param("%C3%A9", id="two bytes"),
]
IDS_TO_BE_REFUSED_SOMEHOW = [
    pytest.param("a" * 10_000, id="10 kB"),
    pytest.param("%C3%A9" * 1_700, id="10 kB escaped"),
    pytest.param("%00", id="NUL"),
    pytest.param(f"{UNKNOWN_ID}%00", id="UUID and NUL"),
    pytest.param(escape(EMOJI), id="four bytes"),
]
IDS_THAT_ARE_NO_TEXT = ["%FF", "a%C3", f"{UNKNOWN_ID}%FE", "%ED%A0%80"]

MEMBER_CALLS = [
    pytest.param("GET", None, id="show"),
    pytest.param("PUT", b'{"status": "accepted"}', id="answer"),
    pytest.param("DELETE", None, id="remove"),
]

QUERIES_TO_BE_REFUSED = [
    "limit=1e3",
    "limit=%20",
    "limit=0x10",
    "limit=-99999999999999999999",
    "limit=NaN",
    "marker=%00",
    "marker=" + "a" * 10_000,
    "marker=" + escape(EMOJI),
    "sort_key=%00",
    "sort_key=name,size",
    "sort_key=" + "a" * 1_000,
    "sort_dir=" + "a" * 1_000,
    "sort=name:asc:desc",
    "sort=:asc",
    "visibility=%00",
    "visibility=Public",
    "member_status=%00",
    "member_status=Accepted",
    "protected=1",
    "os_hidden=1",
    "size=1.5",
    "size=1e400",
    "min_ram=x",
    "min_disk=%00",
    "size_min=0x10",
    "size_max=%00",
    "created_at=gt:",
    "created_at=gt:2001-13-01",
    "created_at=gt:2001-01-01T25:00:00Z",
    "created_at=gt:10000-01-01T00:00:00Z",
    "created_at=%00",
    "updated_at=between:2001-01-01",
    "name=%FF",
    "%FF=x",
    "tag=a%C3",
]
QUERIES_TO_BE_SURVIVED = [
    "name=%00",
    "tag=%00",
    "id=%00",
    "owner=%00",
    "status=%00",
    "checksum=%00",
    "os_hash_value=%00",
    "hw_disk_bus=%00",
    "%00=x",
    "=x",
    "=",
    "&&&",
    "%26=%3D",
    "name",
    "limit=1&limit=2",
    "name=a&name=b",
    "sort=",
    "sort=,",
    "sort_key=",
    "sort_dir=",
    "sort_key=name&sort_key=name",
    "sort=name,name:asc",
    "marker=",
    "name=in:",
    "name=in:,",
    'name=in:"%00"',
    "name=in:" + "a," * 2_000,
    "name=eq:",
    "name=" + "a" * 10_000,
    "tag=" + escape(EMOJI),
    "name=" + escape(EMOJI),
    escape(EMOJI) + "=x",
    f"size={2**63}",
    f"size={2**70}",
    f"size={-(2**70)}",
    f"size_min={2**63}",
    f"size_max={2**70}",
    f"size_min={-(2**70)}",
    f"min_ram={2**31}",
    f"min_disk={2**63}",
    f"virtual_size={2**63}",
    "min_ram_min=1",
    "virtual_size_max=1",
    "name_min=1",
    "status_max=1",
    "created_at_min=1",
    "id_max=1",
    "_min=1",
    "_max=x",
    "created_at=lt:0001-01-01T00:00:00%2B14:00",
    "created_at=gt:9999-12-31T23:59:59-14:00",
    "created_at=0001-01-01T00:00:00Z",
    "id=in:" + ",".join([UNKNOWN_ID] * 200),
    "&".join(f"tag=t{number}" for number in range(300)),
    "&".join(f"p{number}=x" for number in range(300)),
    "%27%3B%20DROP%20TABLE%20images%3B--=x",
    "x=%27%3B%20DROP%20TABLE%20images%3B--",
]

CUT_UPLOADS = [
    pytest.param({"Content-Type": OCTET_STREAM, "Content-Length": "10"}, b"01234", id="short of its length"),
    pytest.param(CHUNKED_UPLOAD, b"a\r\n01234", id="in the middle of a chunk"),
    pytest.param(CHUNKED_UPLOAD, b"5\r\n01234\r\n", id="between two chunks"),
    pytest.param(CHUNKED_UPLOAD, b"5\r\n01234\r\n1", id="in the middle of a chunk's length"),
    pytest.param(CHUNKED_UPLOAD, b"5\r\n01234\r\n0\r\n", id="before the very end"),
    pytest.param(
        CHUNKED_UPLOAD | {"X-OpenStack-Image-Size": "5"},
        b"5\r\n01234\r\n",
        id="of the announced size but without end",
    ),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=300),
    lambda values: (
        st.lists(values, max_size=4)
        | st.dictionaries(st.text(st.characters(), max_size=20), values, max_size=4)
    ),
    max_leaves=8,
)
field_names = st.sampled_from([*FIELDS, "id", "status", "locations", "size", "self"]) | st.text(max_size=20)
image_bodies = json_values | st.dictionaries(field_names, json_values, max_size=5)
operations = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "replace", "remove"]) | json_values,
        "path": field_names.map(lambda name: f"/{name}") | json_values,
        "value": json_values,
    },
)
patch_bodies = json_values | st.lists(operations, max_size=4)
query_names = st.sampled_from(
    [
        "limit",
        "marker",
        "sort",
        "sort_key",
        "sort_dir",
        "visibility",
        "member_status",
        "owner",
        "tag",
        "name",
        "id",
        "status",
        "size",
        "size_min",
        "size_max",
        "min_ram",
        "protected",
        "os_hidden",
        "created_at",
        "updated_at",
        "checksum",
        "changes-since",
    ]
).map(str.encode) | st.binary(max_size=20)
query_values = (
    st.sampled_from(
        [
            "",
            "x",
            "1",
            "-1",
            "99999999999999999999",
            "asc",
            "name",
            "name:asc,size",
            "in:a,b",
            'in:"a',
            "gt:",
            "eq:",
            "true",
            "all",
            "gt:2001-01-01",
            UNKNOWN_ID,
        ]
    ).map(str.encode)
    | st.text(max_size=60).map(str.encode)
    | st.binary(max_size=60)
)
queries = st.lists(st.tuples(query_names, query_values), max_size=5).map(
    lambda pairs: "&".join(f"{quote_from_bytes(name)}={quote_from_bytes(value)}" for name, value in pairs)
)
bounded = settings(max_examples=60, database=None)


@pytest.fixture
def victim(service: Service) -> Iterator[Image]:
    """A queued image of `other` with one member; gone after the test."""
    other = service.client("other")
    image = create_raw_image(other, name="victim", tags=["blue"], hw_disk_bus="scsi")
    other.post(f"{image['self']}/members", json={"member": "project"})
    yield image
    delete_image(other, image["id"])


@pytest.fixture(scope="module")
def target(service: Service) -> Image:
    """A queued image of `other` with one member, for many requests of which some succeed."""
    other = service.client("other")
    image = create_raw_image(other)
    other.post(f"{image['self']}/members", json={"member": "project"})
    return image


def take_snapshot(service: Service) -> Snapshot:
    """All that `other` owns: each image but for the time of its update, and its members."""
    other = service.client("other")
    owner = service.clouds["other"].project_id
    images = other.get(f"/v2/images?owner={owner}&limit=1000&sort=id:asc").json()["images"]
    return [
        (image | {"updated_at": ""}, other.get(f"{image['self']}/members").json().get("members"))
        for image in images
    ]


@contextmanager
def nothing_changes(service: Service) -> Iterator[None]:
    """What happens inside leaves no trace, neither in the images of `other` nor in the store."""
    before = take_snapshot(service)
    files_before = stored_files(service)
    yield
    assert eventually(lambda: take_snapshot(service), before) == before
    assert eventually(lambda: new_files(service, files_before), NO_FILES) == NO_FILES


@contextmanager
def tiny_disk(folder: Path) -> Iterator[None]:
    """The folder is a file system of 256 kB, with the folders that were in it and the mark of the store, and
    without the data."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = (folder / MARK).read_bytes()
    inner_folders = [path for path in sorted(folder.rglob("*")) if path.is_dir()]
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, timeout=60, check=False).returncode != 0:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        for inner_folder in inner_folders:
            inner_folder.mkdir()
        (folder / MARK).write_bytes(mark)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], timeout=60, check=True)


def in_many_pieces(body: bytes) -> list[bytes]:
    """The body in pieces of 1 MB, to be sent in chunks."""
    return [body[position : position + 1_000_000] for position in range(0, len(body), 1_000_000)]


def send_json(client: httpx.Client, method: str, path: str, body: object) -> httpx.Response:
    """The answer to a body that Python can write, lone surrogates, NaN and all."""
    headers = {"Content-Type": JSON_PATCH}
    return client.request(method, path, content=json.dumps(body).encode(), headers=headers)


# Bodies


@over_one_database
@pytest.mark.parametrize("body", BODIES_OF_NO_USE)
@pytest.mark.parametrize(("method", "path", "content_type"), CALLS_WITH_BODY)
def test_a_body_of_no_use_is_refused_and_changes_nothing(
    service: Service, victim: Image, method: str, path: str, content_type: str, body: bytes
) -> None:
    with nothing_changes(service):
        response = service.client("other").request(
            method, path.format(id=victim["id"]), content=body, headers={"Content-Type": content_type}
        )

    assert response.status_code == 400
    assert explanation(response)


@over_one_database
def test_a_query_of_more_than_1_000_parameters_is_refused(service: Service) -> None:
    response = service.client("other").get("/v2/images?" + "&".join(["name=x"] * 1_001))

    assert response.status_code == 400
    assert "more than 1000 parameters" in explanation(response)


@over_one_database
@pytest.mark.parametrize("body", TOO_MANY_VALUES)
@pytest.mark.parametrize(("method", "path", "content_type"), CALLS_WITH_BODY)
def test_a_body_of_more_than_10_000_values_is_refused_and_changes_nothing(
    service: Service, victim: Image, method: str, path: str, content_type: str, body: bytes
) -> None:
    with nothing_changes(service):
        response = service.client("other").request(
            method, path.format(id=victim["id"]), content=body, headers={"Content-Type": content_type}
        )

    assert response.status_code == 413
    assert "more than 10000 values" in explanation(response)


def test_a_body_of_10_000_values_is_looked_at(service: Service) -> None:
    tags = ["t"] * (10_000 - 2)

    response = service.client("other").post("/v2/images", json={"tags": tags})

    assert response.status_code == 201
    assert response.json()["tags"] == ["t"]
    delete_image(service.client("other"), response.json()["id"])


def test_signs_within_a_text_are_not_counted_as_values(service: Service) -> None:
    text = ",[{:" * 10_000

    response = service.client("other").post("/v2/images", json={"text": text})

    assert response.status_code == 201
    assert response.json()["text"] == text
    delete_image(service.client("other"), response.json()["id"])


@over_one_database
@pytest.mark.parametrize(("method", "path", "content_type"), CALLS_WITH_BODY)
def test_an_absent_body_is_refused_and_changes_nothing(
    service: Service, victim: Image, method: str, path: str, content_type: str
) -> None:
    with nothing_changes(service):
        response = service.client("other").request(
            method, path.format(id=victim["id"]), headers={"Content-Type": content_type}
        )

    assert response.status_code == 400
    assert "Body expected in request." in explanation(response)


@over_one_database
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", "/v2/images", b"[]", id="create"),
        pytest.param("POST", "/v2/images", b'[{"name": "i"}]', id="create of an array"),
        pytest.param("PATCH", "/v2/images/{id}", b"{}", id="update"),
        pytest.param("POST", "/v2/images/{id}/members", b'["x"]', id="add member"),
        pytest.param("PUT", "/v2/images/{id}/members/project", b'["accepted"]', id="answer"),
    ],
)
def test_an_array_is_no_object_and_an_object_no_array(
    service: Service, victim: Image, method: str, path: str, body: bytes
) -> None:
    with nothing_changes(service):
        response = service.client("other").request(
            method, path.format(id=victim["id"]), content=body, headers={"Content-Type": JSON_PATCH}
        )

    assert response.status_code == 400


@over_one_database
@pytest.mark.parametrize("pieces", [bytes, in_many_pieces], ids=["with Content-Length", "in chunks"])
@pytest.mark.parametrize(("method", "path", "content_type"), CALLS_WITH_BODY)
def test_a_body_of_100_megabytes_is_refused(
    service: Service,
    victim: Image,
    method: str,
    path: str,
    content_type: str,
    pieces: type[bytes],
) -> None:
    body = b'[{"name": "' + b"a" * 100_000_000 + b'"}]'

    with nothing_changes(service):
        response = service.client("other").request(
            method,
            path.format(id=victim["id"]),
            content=pieces(body),
            headers={"Content-Type": content_type},
        )

    assert response.status_code in (400, 413)


@over_one_database
@pytest.mark.parametrize("value", VALUES_OF_NO_FIELD)
@pytest.mark.parametrize("field", [*FIELDS, "id"])
def test_no_image_is_made_with_a_value_that_fits_no_field(service: Service, field: str, value: str) -> None:
    with nothing_changes(service):
        response = service.client("other").post(
            "/v2/images", content=f'{{"name": "i", "{field}": {value}}}'.encode()
        )

    assert response.status_code == 400


@over_one_database
@pytest.mark.parametrize("value", VALUES_OF_NO_FIELD)
@pytest.mark.parametrize("field", FIELDS)
def test_no_image_is_given_a_value_that_fits_no_field(
    service: Service, victim: Image, field: str, value: str
) -> None:
    body = f'[{{"op": "replace", "path": "/{field}", "value": {value}}}]'.encode()

    with nothing_changes(service):
        response = service.client("other").patch(
            victim["self"], content=body, headers={"Content-Type": JSON_PATCH}
        )

    assert response.status_code == 400


@over_one_database
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [{}, [[]], -1, 0.5], ids=brief)
def test_the_refusal_of_a_value_names_its_field(service: Service, field: str, value: object) -> None:
    response = service.client("other").post("/v2/images", json={field: value})

    assert response.status_code == 400
    assert field in explanation(response)


@pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
@pytest.mark.parametrize("place", ["name", "tags", "hw_disk_bus", "property name"])
def test_no_image_is_made_with_a_text_that_cannot_be_stored(service: Service, place: str, text: str) -> None:
    bodies: dict[str, object] = {
        "name": {"name": text},
        "tags": {"tags": ["blue", text]},
        "hw_disk_bus": {"hw_disk_bus": text},
        "property name": {text: "scsi"},
    }

    with nothing_changes(service):
        response = send_json(service.client("other"), "POST", "/v2/images", bodies[place])

    assert response.status_code == 400


@pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
@pytest.mark.parametrize("path", ["/name", "/hw_disk_bus", "/tags"])
def test_no_image_is_given_a_text_that_cannot_be_stored(
    service: Service, victim: Image, path: str, text: str
) -> None:
    values: dict[str, object] = {"/name": text, "/hw_disk_bus": text, "/tags": [text]}
    operation = {"op": "replace", "path": path, "value": values[path]}

    with nothing_changes(service):
        response = send_json(service.client("other"), "PATCH", victim["self"], [operation])

    assert response.status_code == 400


@pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
def test_no_member_is_added_whose_name_cannot_be_stored(service: Service, victim: Image, text: str) -> None:
    with nothing_changes(service):
        response = send_json(service.client("other"), "POST", f"{victim['self']}/members", {"member": text})

    assert response.status_code == 400


@pytest.mark.parametrize("status", UNSTORABLE_TEXTS)
def test_no_answer_is_a_text_that_cannot_be_stored(service: Service, victim: Image, status: str) -> None:
    with nothing_changes(service):
        response = send_json(
            service.client("admin"), "PUT", f"{victim['self']}/members/project", {"status": status}
        )

    assert response.status_code == 400


def test_a_key_given_twice_is_taken_once_or_refused(service: Service) -> None:
    response = service.client("publisher").post("/v2/images", content=b'{"name": "a", "name": "b"}')

    assert response.status_code in (201, 400)


# Ids and paths


@pytest.mark.parametrize("image_id", IDS_OF_NO_IMAGE)
@pytest.mark.parametrize(("method", "path", "body", "headers"), CALLS_ON_AN_ID)
def test_an_id_that_no_image_has_is_not_found(
    service: Service, method: str, path: str, body: bytes | None, headers: dict[str, str], image_id: str
) -> None:
    with nothing_changes(service):
        response = service.client("other").request(
            method, path.format(id=image_id), content=body, headers=headers
        )

    assert response.status_code == 404


@over_one_database
@pytest.mark.parametrize("image_id", IDS_TO_BE_REFUSED_SOMEHOW)
@pytest.mark.parametrize(("method", "path", "body", "headers"), CALLS_ON_AN_ID)
def test_an_id_that_no_image_can_have_is_refused(
    service: Service, method: str, path: str, body: bytes | None, headers: dict[str, str], image_id: str
) -> None:
    with nothing_changes(service):
        response = service.client("other").request(
            method, path.format(id=image_id), content=body, headers=headers
        )

    assert response.status_code in (400, 404, 414)


@over_one_database
@pytest.mark.parametrize("image_id", IDS_THAT_ARE_NO_TEXT)
@pytest.mark.parametrize(("method", "path", "body", "headers"), CALLS_ON_AN_ID)
def test_an_id_that_is_no_text_is_a_bad_request(
    service: Service, method: str, path: str, body: bytes | None, headers: dict[str, str], image_id: str
) -> None:
    with nothing_changes(service):
        response = service.client("other").request(
            method, path.format(id=image_id), content=body, headers=headers
        )

    assert response.status_code == 400


@pytest.mark.parametrize("member_id", ["nobody", "%20", "%25", "a%2Fb", "%C3%A9", "Project", "project%20"])
@pytest.mark.parametrize(("method", "body"), MEMBER_CALLS)
def test_a_member_that_is_not_there_is_not_found(
    service: Service, victim: Image, method: str, body: bytes | None, member_id: str
) -> None:
    with nothing_changes(service):
        response = service.client("other").request(
            method, f"{victim['self']}/members/{member_id}", content=body
        )

    assert response.status_code == 404


@over_one_database
@pytest.mark.parametrize("member_id", IDS_TO_BE_REFUSED_SOMEHOW)
@pytest.mark.parametrize(("method", "body"), MEMBER_CALLS)
def test_a_member_that_can_never_be_is_refused(
    service: Service, victim: Image, method: str, body: bytes | None, member_id: str
) -> None:
    with nothing_changes(service):
        response = service.client("other").request(
            method, f"{victim['self']}/members/{member_id}", content=body
        )

    assert response.status_code in (400, 404, 414)


@over_one_database
@pytest.mark.parametrize("member_id", IDS_THAT_ARE_NO_TEXT)
@pytest.mark.parametrize(("method", "body"), MEMBER_CALLS)
def test_a_member_that_is_no_text_is_a_bad_request(
    service: Service, victim: Image, method: str, body: bytes | None, member_id: str
) -> None:
    with nothing_changes(service):
        response = service.client("other").request(
            method, f"{victim['self']}/members/{member_id}", content=body
        )

    assert response.status_code == 400


@pytest.mark.parametrize(
    "tag", ["%00", "a%00", "%FF", "a%C3", "%ED%A0%80", "a" * 256, "a" * 10_000, escape(EMOJI)], ids=brief
)
def test_a_tag_that_cannot_be_is_refused(service: Service, victim: Image, tag: str) -> None:
    with nothing_changes(service):
        response = service.client("other").put(f"{victim['self']}/tags/{tag}")

    assert response.status_code in (400, 414)


@pytest.mark.parametrize("tag", ["%00", "%FF", "a" * 256, "a" * 10_000, escape(EMOJI), "a%2Fb"], ids=brief)
def test_a_tag_that_cannot_be_cannot_be_removed(service: Service, victim: Image, tag: str) -> None:
    with nothing_changes(service):
        response = service.client("other").delete(f"{victim['self']}/tags/{tag}")

    assert response.status_code in (400, 404, 414)


@over_one_database
@pytest.mark.parametrize(
    "request_line",
    [
        "GET /v2/images/%zz",
        "GET /v2/images/%",
        "GET /v2/images/%0",
        "GET /v2/images/..%2f..%2fetc%2fpasswd",
        "GET /v2/images/../../etc/passwd",
        "GET //v2/images/x",
        "PROPFIND /v2/images/x",
        "G\xe9T /v2/images/x",
        "GET /v2/images/\xff",
        "GET /v2/images/x y",
        "GET",
    ],
)
def test_a_malformed_request_line_is_answered_without_failing(service: Service, request_line: str) -> None:
    with send_head(service, "other", request_line) as connection:
        status = read_status(connection)

    assert status in (None, 300, 400, 404, 405, 501)


# Queries


@over_one_database
@pytest.mark.parametrize("query", QUERIES_TO_BE_REFUSED, ids=brief)
def test_a_query_of_no_use_is_a_bad_request(service: Service, query: str) -> None:
    response = service.client("other").get(f"/v2/images?{query}")

    assert response.status_code in (400, 414)


@pytest.mark.parametrize("query", QUERIES_TO_BE_SURVIVED, ids=brief)
def test_a_strange_query_is_answered_or_refused(service: Service, query: str) -> None:
    response = service.client("other").get(f"/v2/images?{query}")

    assert response.status_code in (200, 400, 414)


def test_a_filter_nobody_knows_finds_nothing(service: Service, victim: Image) -> None:
    response = service.client("other").get(f"/v2/images?no_such_property={victim['id']}")

    assert response.status_code == 200
    assert response.json()["images"] == []


# Headers


@pytest.mark.parametrize(
    "header",
    ["Range", "Accept", "X-Openstack-Request-Id", "Content-Type", "If-None-Match", "X-Image-Meta-Store"],
)
@pytest.mark.parametrize("value", ["\xff\xfe", "a" * 7000, ";", "=", ",,,", '"', "%00"], ids=brief)
def test_a_strange_header_breaks_nothing(service: Service, victim: Image, header: str, value: str) -> None:
    request_line = f"GET /v2/images/{victim['id']}"

    with send_head(service, "other", request_line, {header: value}) as connection:
        status = read_status(connection)

    assert status in (200, 300, 400, 406, 431)


# Uploads


@pytest.mark.parametrize(("headers", "sent"), CUT_UPLOADS)
def test_an_upload_cut_short_leaves_no_trace(
    service: Service, victim: Image, headers: dict[str, str], sent: bytes
) -> None:
    with (
        nothing_changes(service),
        upload_in_progress(service, "other", victim["id"], headers, sent) as connection,
    ):
        connection.close()

    assert show_image(service.client("other"), victim["id"])["status"] == "queued"


@pytest.mark.parametrize(("headers", "sent"), CUT_UPLOADS)
def test_an_upload_that_stops_sending_is_not_taken_for_whole(
    service: Service, victim: Image, headers: dict[str, str], sent: bytes
) -> None:
    with (
        nothing_changes(service),
        upload_in_progress(service, "other", victim["id"], headers, sent) as connection,
    ):
        send_end(connection)
        status = read_status(connection)

    assert status in (None, 400, 408)


def test_an_image_may_be_filled_after_an_upload_cut_short(service: Service, victim: Image) -> None:
    other = service.client("other")
    with upload_in_progress(service, "other", victim["id"]) as connection:
        connection.close()
    status_after_cut = eventually(lambda: show_image(other, victim["id"])["status"], "queued")

    response = upload_data(other, victim["id"], TEN_BYTES)

    assert status_after_cut == "queued"
    assert response.status_code == 204
    assert other.get(victim["file"]).content == TEN_BYTES


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        pytest.param({"Content-Length": "-1"}, b"01234", id="negative length"),
        pytest.param({"Content-Length": "five"}, b"01234", id="length in words"),
        pytest.param({"Content-Length": "5, 6"}, b"01234", id="two lengths"),
        pytest.param({"Transfer-Encoding": "chunked"}, b"zz\r\n01234\r\n", id="chunk without length"),
        pytest.param({"Transfer-Encoding": "chunked"}, b"-5\r\n01234\r\n", id="chunk of negative length"),
        pytest.param(
            {"Transfer-Encoding": "chunked"},
            b"ffffffffffffffffffff\r\n01234\r\n",
            id="chunk of a length over 64 bits",
        ),
        pytest.param(
            {"Transfer-Encoding": "chunked"}, b"5\r\n0123456789\r\n", id="chunk longer than its length"
        ),
    ],
)
def test_a_body_whose_length_makes_no_sense_leaves_no_trace(
    service: Service, victim: Image, headers: dict[str, str], sent: bytes
) -> None:
    request_line = f"PUT /v2/images/{victim['id']}/file"

    with (
        nothing_changes(service),
        send_head(service, "other", request_line, {"Content-Type": OCTET_STREAM} | headers) as connection,
    ):
        send_end(connection, sent)
        status = read_status(connection)

    assert status in (None, 400, 411, 413)


def test_an_upload_without_any_length_is_empty_or_refused(service: Service, victim: Image) -> None:
    request_line = f"PUT /v2/images/{victim['id']}/file"

    with send_head(service, "other", request_line, {"Content-Type": OCTET_STREAM}) as connection:
        status = read_status(connection)

    assert status in (204, 400, 411)
    assert show_image(service.client("other"), victim["id"])["size"] in (0, None)


@pytest.mark.parametrize("size", ["x", "-1", "1.5", "1e1", "0x10", "5 5", "9" * 5000], ids=brief)
def test_a_size_header_that_makes_no_sense_leaves_no_trace(
    service: Service, victim: Image, size: str
) -> None:
    with nothing_changes(service):
        response = upload_data(
            service.client("other"), victim["id"], TEN_BYTES, {"X-OpenStack-Image-Size": size}
        )

    assert response.status_code in (400, 413)
    assert explanation(response)


@pytest.mark.parametrize(
    ("announced", "data"),
    [("10", b"01234"), ("10", [b"01234"]), ("5", TEN_BYTES), ("5", [b"01234", b"56789"])],
    ids=brief,
)
def test_a_size_header_that_is_wrong_leaves_no_trace(
    service: Service, victim: Image, announced: str, data: bytes | list[bytes]
) -> None:
    with nothing_changes(service):
        response = upload_data(
            service.client("other"), victim["id"], data, {"X-OpenStack-Image-Size": announced}
        )

    assert response.status_code == 400


@pytest.mark.parametrize("size", [2**40 + 1, 2**63, 2**70], ids=brief)
def test_a_size_over_the_largest_image_is_refused(service: Service, victim: Image, size: int) -> None:
    with nothing_changes(service):
        response = upload_data(
            service.client("other"), victim["id"], TEN_BYTES, {"X-OpenStack-Image-Size": str(size)}
        )

    assert response.status_code in (400, 413)


def test_content_that_is_not_what_it_claims_leaves_no_trace(service: Service, victim: Image) -> None:
    other = service.client("other")
    update_image(other, victim["id"], {"op": "replace", "path": "/disk_format", "value": "qcow2"})

    with nothing_changes(service):
        response = upload_data(other, victim["id"], bytes(70_000))

    assert response.status_code == 415
    assert "disk_format" in explanation(response)


def test_a_second_upload_leaves_no_trace_of_itself(service: Service, victim: Image) -> None:
    other = service.client("other")
    files_before = stored_files(service)

    with upload_in_progress(service, "other", victim["id"]) as connection:
        second = upload_data(other, victim["id"], b"other data")
        connection.sendall(chunk(b"56789") + LAST_CHUNK)
        first_status = read_status(connection)

    assert (second.status_code, first_status) == (409, 204)
    assert [path.read_bytes() for path in new_files(service, files_before)] == [TEN_BYTES]


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        pytest.param(bytes(1001), {}, id="with Content-Length"),
        pytest.param([bytes(500), bytes(501)], {}, id="in chunks"),
        pytest.param(bytes(1001), {"X-OpenStack-Image-Size": "1001"}, id="announced"),
        pytest.param([bytes(100_000)] * 50, {}, id="far over"),
    ],
)
def test_data_over_the_cap_is_refused_and_leaves_no_trace(
    make_service: MakeService, data: bytes | list[bytes], headers: dict[str, str]
) -> None:
    service = make_service("sqlite", TRANSOM_IMAGE_SIZE_CAP="1000")
    other = service.client("other")
    image = create_raw_image(other)

    with nothing_changes(service):
        response = upload_data(other, image["id"], data, headers)

    assert response.status_code == 413
    assert "The incoming image is too large" in explanation(response)


def test_data_up_to_the_cap_is_accepted(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_IMAGE_SIZE_CAP="1000")
    other = service.client("other")
    image = create_raw_image(other)

    response = upload_data(other, image["id"], bytes(1000))

    assert response.status_code == 204
    assert show_image(other, image["id"])["size"] == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="a small file system is mounted the way Linux does it")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bytes(1_000_000), id="with Content-Length"),
        pytest.param([bytes(100_000)] * 10, id="in chunks"),
    ],
)
def test_a_full_disk_leaves_no_trace_of_the_upload(
    make_service: MakeService, data: bytes | list[bytes]
) -> None:
    service = make_service("sqlite")
    other = service.client("other")
    image = create_raw_image(other)

    with tiny_disk(service.data_dir / "images"):
        with nothing_changes(service):
            refused = upload_data(other, image["id"], data)
        smaller = upload_data(other, image["id"], TEN_BYTES)

    assert refused.status_code in (413, 503, 507)
    assert smaller.status_code == 204


# Anything at all


@bounded
@given(body=image_bodies)
def test_no_body_breaks_create(service: Service, body: object) -> None:
    response = send_json(service.client("other"), "POST", "/v2/images", body)

    assert response.status_code < 500


@bounded
@given(body=patch_bodies)
def test_no_body_breaks_update(service: Service, target: Image, body: object) -> None:
    response = send_json(service.client("other"), "PATCH", target["self"], body)

    assert response.status_code < 500


@bounded
@given(body=json_values | st.fixed_dictionaries({"member": json_values}))
def test_no_body_breaks_the_adding_of_a_member(service: Service, target: Image, body: object) -> None:
    response = send_json(service.client("other"), "POST", f"{target['self']}/members", body)

    assert response.status_code < 500


@bounded
@given(body=json_values | st.fixed_dictionaries({"status": json_values}))
def test_no_body_breaks_an_answer(service: Service, target: Image, body: object) -> None:
    response = send_json(service.client("admin"), "PUT", f"{target['self']}/members/project", body)

    assert response.status_code < 500


@bounded
@given(body=st.binary(max_size=200))
@pytest.mark.parametrize(("method", "path", "content_type"), CALLS_WITH_BODY)
def test_no_bytes_break_a_call_that_takes_a_body(
    service: Service, target: Image, method: str, path: str, content_type: str, body: bytes
) -> None:
    response = service.client("other").request(
        method, path.format(id=target["id"]), content=body, headers={"Content-Type": content_type}
    )

    assert response.status_code < 500


@bounded
@given(query=queries)
def test_no_query_breaks_the_list(service: Service, query: str) -> None:
    response = service.client("other").get(f"/v2/images?{query}")

    assert response.status_code < 500
