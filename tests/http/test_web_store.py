"""Images whose data is on other people's servers (images-v2, 3.8, 6.2)."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness import plain_http
from harness.forks import forked_service
from harness.moody_server import MoodyServer
from harness.service import Service
from images import (
    create_active_image,
    create_raw_image,
    delete_image,
    eventually,
    explanation,
    show_image,
    upload_data,
)

DATA = bytes(range(256)) * 400
OTHER_DATA = DATA[::-1]
LARGE_DATA = DATA * 50
#: Comes in one piece, however the network cuts.
LITTLE_DATA = DATA[:1000]


class Web:
    """A service with a store of the web and one of files, a web server, and images that are there."""

    def __init__(self, service: Service, server: MoodyServer) -> None:
        self.service = service
        self.server = server
        self.publisher = service.client("publisher")
        self.admin = service.client("admin")

    def place(self, name: str, mood: str = "plain", recorded: bytes = DATA, *, is_hashed: bool = True) -> str:
        """The id of an active image whose data is there, and is recorded to be this."""
        image_id = str(create_raw_image(self.publisher)["id"])
        location = {"store": "web", "key": self.server.url(name, mood)}
        self._write(
            "status = 'active', size = ?, checksum = ?, os_hash_algo = ?, os_hash_value = ?, locations = ?",
            len(recorded),
            hashlib.md5(recorded).hexdigest() if is_hashed else None,
            "sha512" if is_hashed else None,
            hashlib.sha512(recorded).hexdigest() if is_hashed else None,
            json.dumps([location]),
            image_id,
        )
        return image_id

    def place_beside_file(self, name: str) -> str:
        """The id of an active image with a copy in the file store and one on the web."""
        image_id = str(create_active_image(self.publisher, DATA)["id"])
        location = {"store": "web", "key": self.server.url(name)}
        self._write("locations = json_insert(locations, '$[#]', json(?))", json.dumps(location), image_id)
        return image_id

    def _write(self, changes: str, *values: object) -> None:
        """As whoever gave the image its location would have."""
        path = self.service.database.removeprefix("sqlite:///")
        with sqlite3.connect(path, timeout=10) as connection:
            connection.execute(
                f"update image set {changes}, updated_at = updated_at + 1 where id = ?", values
            )
        connection.close()

    def download(self, image_id: str, **headers: str) -> httpx.Response:
        return self.publisher.get(f"/v2/images/{image_id}/file", headers=headers)

    def cached(self) -> set[str]:
        return {entry["image_id"] for entry in self.admin.get("/v2/cache").json()["cached_images"]}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder: Path = tmp_path_factory.mktemp("web")
    files = {
        "image.raw": DATA,
        "other.raw": OTHER_DATA,
        "shorter.raw": DATA[:-1],
        "changed.raw": LARGE_DATA[::-1],
        "little.raw": LITTLE_DATA[::-1],
    }
    with MoodyServer(files) as server:
        settings = {
            "TRANSOM_STORES": f"near={(folder / 'near').as_uri()}?weight=1, web=http://",
            "TRANSOM_ALLOWED_HOSTS": "127.0.0.1",
            "TRANSOM_ALLOWED_PORTS": str(server.port),
            "TRANSOM_SHOW_IMAGE_DIRECT_URL": "true",
        }
        with forked_service(folder, None, settings) as service:
            yield Web(service, server)


def test_the_store_of_the_web_is_listed_as_read_only(web: Web) -> None:
    stores = web.publisher.get("/v2/info/stores").json()["stores"]

    assert stores == [{"id": "near", "default": "true"}, {"id": "web", "read-only": "true"}]


def test_nothing_is_uploaded_to_the_web(web: Web) -> None:
    image_id = create_raw_image(web.publisher)["id"]

    response = upload_data(web.publisher, image_id, DATA, {"X-Image-Meta-Store": "web"})

    assert response.status_code == 400
    assert explanation(response) == "Store 'web' is read-only."


@pytest.mark.parametrize("mood", ["plain", "no-ranges", "no-head", "redirect"])
def test_data_on_the_web_is_served_whole_and_in_parts(web: Web, mood: str) -> None:
    image_id = web.place("image.raw", mood)

    part, whole = web.download(image_id, Range="bytes=300-309"), web.download(image_id)

    assert (part.status_code, part.content) == (206, DATA[300:310])
    assert (whole.status_code, whole.content) == (200, DATA)
    assert whole.headers["Content-MD5"] == hashlib.md5(DATA).hexdigest()


def test_an_image_on_the_web_says_where_it_is(web: Web) -> None:
    image = show_image(web.publisher, web.place("image.raw"))

    assert (image["stores"], image["direct_url"]) == ("web", web.server.url("image.raw"))


def test_data_on_the_web_is_fetched_once_and_then_cached(web: Web) -> None:
    image_id = web.place("image.raw")

    first = web.download(image_id)
    asked = len(web.server.asked)
    second = web.download(image_id)

    assert (first.content, second.content) == (DATA, DATA)
    assert len(web.server.asked) == asked


def test_data_without_a_recorded_hash_is_served_and_not_cached(web: Web) -> None:
    image_id = web.place("image.raw", is_hashed=False)

    response = web.download(image_id)

    assert (response.status_code, response.content) == (200, DATA)
    assert "Content-MD5" not in response.headers
    assert image_id not in web.cached()


def test_data_that_was_changed_on_the_web_is_not_given_whole(web: Web) -> None:
    """An answer that has begun breaks off; what comes in one piece is known to be wrong before."""
    large = web.place("changed.raw", recorded=LARGE_DATA)
    small = web.place("little.raw", recorded=LITTLE_DATA)

    with pytest.raises(httpx.RemoteProtocolError):
        web.download(large)

    assert web.download(small).status_code == 503
    assert {large, small} & web.cached() == set()


def test_changed_data_that_is_queued_for_the_cache_is_given_up(web: Web) -> None:
    image_id = web.place("other.raw")

    assert web.admin.put(f"/v2/cache/{image_id}").status_code == 202

    assert eventually(lambda: len(web.admin.get("/v2/cache").json()["queued_images"]), 0) == 0
    assert image_id not in web.cached()


@pytest.mark.parametrize(
    ("name", "mood"),
    [("shorter.raw", "plain"), ("nothing.raw", "plain"), ("image.raw", "redirect-to-localhost")],
)
def test_data_that_is_not_as_recorded_is_unavailable(web: Web, name: str, mood: str) -> None:
    """The last one redirects to a host that nobody may be sent to."""
    image_id = web.place(name, mood)

    assert web.download(image_id).status_code == 503


def test_a_deleted_image_leaves_the_data_of_others_alone(web: Web) -> None:
    first, second = (web.place("image.raw") for _ in range(2))

    delete_image(web.publisher, first)
    delete_image(web.publisher, second)

    assert plain_http.get(web.server.url("image.raw")).content == DATA


@pytest.mark.parametrize(("store", "other"), [("web", "near"), ("near", "web")])
def test_a_copy_beside_one_on_the_web_is_taken_away(web: Web, store: str, other: str) -> None:
    image_id = web.place_beside_file("image.raw")
    before = show_image(web.publisher, image_id)["stores"]

    response = web.admin.delete(f"/v2/stores/{store}/{image_id}")

    assert (before, response.status_code) == ("near,web", 204)
    assert show_image(web.publisher, image_id)["stores"] == other
    assert web.download(image_id).content == DATA


def test_the_copy_on_the_web_is_read_when_it_is_preferred(web: Web) -> None:
    image_id = web.place_beside_file("image.raw")
    asked = len(web.server.asked)

    response = web.publisher.get(f"/v2/images/{image_id}/file", params={"prefer": "web"})

    assert response.content == DATA
    assert len(web.server.asked) > asked
