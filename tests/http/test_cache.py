"""The cache of a machine, and the calls that manage it (images-v2, 7.2)."""

import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import plain_http
from harness.forks import forked_service
from harness.service import Service
from harness.swift import Swift
from images import (
    TEN_BYTES,
    UNKNOWN_ID,
    create_active_image,
    create_raw_image,
    delete_image,
    eventually,
    explanation,
)

CALLS = [
    ("GET", "/v2/cache", "cache_list"),
    ("DELETE", "/v2/cache", "cache_delete"),
    ("POST", "/v2/cache/clean", "cache_clean"),
    ("POST", "/v2/cache/prune", "cache_prune"),
    ("GET", f"/v2/cache/nodes/{UNKNOWN_ID}", "list_cached_nodes"),
]
MIB = 1 << 20


class Cached:
    """A service whose default store is far, with a file store beside it, and room in its cache."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.admin = service.client("admin")
        self.publisher = service.client("publisher")

    @property
    def folder(self) -> Path:
        (folder,) = (self.service.work_dir / "cache").iterdir()
        return folder

    def list(self) -> dict[str, Any]:
        response = self.admin.get("/v2/cache")
        assert response.status_code == 200, response.text
        return dict(response.json())

    def ids(self) -> set[str]:
        return {entry["image_id"] for entry in self.list()["cached_images"]}

    def entry(self, image_id: str) -> dict[str, Any]:
        (entry,) = (one for one in self.list()["cached_images"] if one["image_id"] == image_id)
        return dict(entry)

    def download(self, image_id: str, **headers: str) -> httpx.Response:
        return self.publisher.get(f"/v2/images/{image_id}/file", headers=headers)

    def bring(self, image_id: str) -> None:
        """Queue the image, and wait until it is there."""
        assert self.admin.put(f"/v2/cache/{image_id}").status_code == 202
        assert eventually(lambda: image_id in self.ids(), True)

    def age(self, image_id: str) -> None:
        """As if the image had not been used for a day."""
        os.utime(self.folder / "entries" / image_id / "hits", (0, 0))


def start_cached(folder: Path, swift: Swift, size: int, workers: int = 1) -> Service:
    settings = {
        "TRANSOM_STORES": f"far={swift.store_url(prefix=secrets.token_hex(4))},"
        f"near={(folder / 'near').as_uri()}",
        "TRANSOM_CACHE_DIR": str(folder / "cache"),
        "TRANSOM_CACHE_SIZE_BYTES": str(size),
        "TRANSOM_WORKERS": str(workers),
        **swift.settings(),
    }
    return forked_service(folder, None, settings)


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory, swift: Swift) -> Iterator[Cached]:
    with start_cached(tmp_path_factory.mktemp("cached"), swift, 64 * MIB) as service:
        yield Cached(service)


# ---- filling and serving


def test_a_whole_download_from_afar_is_kept(cached: Cached) -> None:
    data = secrets.token_bytes(3 * MIB + 1)
    image_id = create_active_image(cached.publisher, data)["id"]
    before = cached.ids()

    first, second = cached.download(image_id), cached.download(image_id)

    entry = cached.entry(image_id)
    assert image_id not in before
    assert (first.content == data, second.content == data) == (True, True)
    assert {name: first.headers[name] for name in ("Content-MD5", "ETag", "Content-Length")} == {
        name: second.headers[name] for name in ("Content-MD5", "ETag", "Content-Length")
    }
    assert (entry["hits"], entry["size"], entry["checksum"]) == (1, len(data), first.headers["Content-MD5"])
    assert entry["last_accessed"] >= entry["last_modified"] > 0


def test_a_part_of_a_download_is_not_kept(cached: Cached) -> None:
    image_id = create_active_image(cached.publisher, TEN_BYTES)["id"]

    response = cached.download(image_id, Range="bytes=2-5")

    assert (response.status_code, response.content) == (206, TEN_BYTES[2:6])
    assert image_id not in cached.ids()


def test_a_look_at_the_size_is_not_kept(cached: Cached) -> None:
    image_id = create_active_image(cached.publisher, TEN_BYTES)["id"]

    response = cached.publisher.head(f"/v2/images/{image_id}/file")

    assert (response.status_code, response.headers["Content-Length"]) == (200, "10")
    assert image_id not in cached.ids()


def test_a_download_from_a_file_is_not_kept(cached: Cached) -> None:
    image_id = create_raw_image(cached.publisher)["id"]
    headers = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": "near"}
    cached.publisher.put(f"/v2/images/{image_id}/file", content=TEN_BYTES, headers=headers)

    assert cached.download(image_id).content == TEN_BYTES
    assert image_id not in cached.ids()


def test_a_kept_image_is_served_though_its_store_is_away(tmp_path: Path) -> None:
    (tmp_path / "swift").mkdir()
    with Swift(tmp_path / "swift") as swift, start_cached(tmp_path, swift, MIB) as service:
        cached = Cached(service)
        kept, other = (create_active_image(cached.publisher, TEN_BYTES)["id"] for _ in range(2))
        cached.download(kept)
        swift.stop()

        answers = cached.download(kept), cached.download(other)

        swift.start()
    assert [answer.status_code for answer in answers] == [200, 503]
    assert answers[0].content == TEN_BYTES


def test_data_that_is_not_the_one_on_record_is_neither_given_whole_nor_kept(
    cached: Cached, swift: Swift
) -> None:
    """The last bytes of an answer are held back until all of them are known to be right."""
    data = secrets.token_bytes(2 * MIB)
    before = swift.kept()
    image_id = create_active_image(cached.publisher, data)["id"]
    (stored,) = swift.kept() - before
    with stored.open("r+b") as file:
        file.seek(MIB)
        file.write(b"not what was there")

    with pytest.raises(httpx.RemoteProtocolError):
        cached.download(image_id)

    assert image_id not in cached.ids()


def test_a_client_that_hangs_up_leaves_nothing_half_kept(cached: Cached) -> None:
    image_id = create_active_image(cached.publisher, secrets.token_bytes(24 * MIB))["id"]

    with cached.publisher.stream("GET", f"/v2/images/{image_id}/file") as response:
        next(response.iter_bytes())

    parts = cached.folder / "parts"
    assert eventually(lambda: len(list(parts.iterdir())), 0) == 0
    assert image_id not in cached.ids()


def test_a_deactivated_image_is_not_served_from_the_cache(cached: Cached) -> None:
    image_id = create_active_image(cached.publisher, TEN_BYTES)["id"]
    cached.download(image_id)
    cached.publisher.post(f"/v2/images/{image_id}/actions/deactivate")

    refused = cached.download(image_id)
    given = cached.admin.get(f"/v2/images/{image_id}/file")

    assert (refused.status_code, given.status_code, given.content) == (403, 200, TEN_BYTES)
    assert cached.entry(image_id)["hits"] == 0


def test_a_deleted_image_is_in_the_cache_no_more(cached: Cached) -> None:
    image_id = create_active_image(cached.publisher, TEN_BYTES)["id"]
    cached.download(image_id)

    delete_image(cached.publisher, image_id)

    assert image_id not in cached.ids()


# ---- the calls


@pytest.mark.parametrize("store", ["far", "near"])
def test_a_queued_image_is_brought(cached: Cached, store: str) -> None:
    image_id = create_raw_image(cached.publisher)["id"]
    headers = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": store}
    cached.publisher.put(f"/v2/images/{image_id}/file", content=TEN_BYTES, headers=headers)

    cached.bring(image_id)

    assert eventually(lambda: cached.list()["queued_images"], []) == []
    assert cached.download(image_id).content == TEN_BYTES
    assert cached.entry(image_id)["hits"] == 1


def test_an_unknown_image_is_not_queued(cached: Cached) -> None:
    response = cached.admin.put(f"/v2/cache/{UNKNOWN_ID}")

    assert response.status_code == 404
    assert explanation(response) == f"Image {UNKNOWN_ID} not found."


def test_an_image_without_data_is_not_queued(cached: Cached) -> None:
    image_id = create_raw_image(cached.publisher)["id"]

    response = cached.admin.put(f"/v2/cache/{image_id}")

    assert response.status_code == 400
    assert "Only images with status active can be targeted for queueing" in explanation(response)


def test_an_image_is_queued_by_admins_only(cached: Cached) -> None:
    image_id = create_active_image(cached.publisher, TEN_BYTES)["id"]

    own, foreign = (
        cached.service.client(name).put(f"/v2/cache/{image_id}") for name in ("publisher", "other")
    )

    assert (own.status_code, foreign.status_code) == (403, 404)
    assert "You are not authorized to complete cache_image action." in explanation(own)


def test_an_image_is_let_go_of(cached: Cached) -> None:
    image_id = create_active_image(cached.publisher, TEN_BYTES)["id"]
    cached.download(image_id)

    first, second = (cached.admin.delete(f"/v2/cache/{image_id}") for _ in range(2))

    assert (first.status_code, second.status_code) == (204, 204)
    assert image_id not in cached.ids()
    assert cached.download(image_id).content == TEN_BYTES


def test_an_image_is_let_go_of_by_admins_only(cached: Cached) -> None:
    """To a stranger a cached image looks as absent as any other."""
    image_id = create_active_image(cached.publisher, TEN_BYTES)["id"]
    cached.download(image_id)

    own, foreign = (
        cached.service.client(name).delete(f"/v2/cache/{image_id}") for name in ("publisher", "other")
    )

    assert (own.status_code, foreign.status_code) == (403, 404)
    assert image_id in cached.ids()


@pytest.mark.parametrize("image_id", [UNKNOWN_ID, "nothing", "%2e%2e"])
def test_what_is_neither_an_image_nor_cached_is_not_let_go_of(cached: Cached, image_id: str) -> None:
    assert cached.admin.delete(f"/v2/cache/{image_id}").status_code == 404


@pytest.mark.parametrize("target", [None, "", "cache", "Cache"])
def test_the_cache_is_cleared(cached: Cached, target: str | None) -> None:
    cached.download(create_active_image(cached.publisher, TEN_BYTES)["id"])

    headers = {} if target is None else {"X-Image-Cache-Clear-Target": target}
    response = cached.admin.delete("/v2/cache", headers=headers)

    assert response.status_code == 204
    assert cached.list() == {"cached_images": [], "queued_images": []}


def test_the_queue_is_cleared_and_the_cache_is_not(cached: Cached) -> None:
    image_id = create_active_image(cached.publisher, TEN_BYTES)["id"]
    cached.download(image_id)

    response = cached.admin.delete("/v2/cache", headers={"X-Image-Cache-Clear-Target": "QUEUE"})

    assert response.status_code == 204
    assert image_id in cached.ids()


def test_nothing_else_is_cleared(cached: Cached) -> None:
    response = cached.admin.delete("/v2/cache", headers={"X-Image-Cache-Clear-Target": "invalid"})

    assert response.status_code == 400
    assert "must be 'cache', 'queue' or empty string." in explanation(response)


def test_a_machine_knows_its_own_cache_only(cached: Cached) -> None:
    response = cached.admin.get(f"/v2/cache/nodes/{UNKNOWN_ID}")

    assert response.status_code == 409
    assert "Centralized caching is not enabled" in explanation(response)


def test_a_clean_cache_is_cleaned_of_nothing(cached: Cached) -> None:
    image_id = create_active_image(cached.publisher, TEN_BYTES)["id"]
    cached.download(image_id)

    response = cached.admin.post("/v2/cache/clean")

    assert (response.status_code, response.content) == (200, b"")
    assert image_id in cached.ids()


def test_a_cache_with_room_is_pruned_of_nothing(cached: Cached) -> None:
    response = cached.admin.post("/v2/cache/prune")

    assert response.status_code == 200
    assert response.json() == {"total_files_pruned": 0, "total_bytes_pruned": 0}


@pytest.mark.parametrize(("method", "path", "rule"), CALLS)
def test_the_cache_is_an_admins_business(cached: Cached, method: str, path: str, rule: str) -> None:
    response = cached.publisher.request(method, path)

    assert response.status_code == 403
    assert f"You are not authorized to complete {rule} action." in explanation(response)


def test_a_service_without_a_cache_says_so_and_promises_none(tmp_path: Path) -> None:
    with forked_service(tmp_path, None, {"TRANSOM_CACHE_SIZE_BYTES": "0"}) as service:
        answers = [service.client("admin").request(method, path) for method, path, _rule in CALLS]
        refused = service.client("publisher").get("/v2/cache").status_code
        versions = [one["id"] for one in service.client(None).get("/versions").json()["versions"]]

    assert {answer.status_code for answer in answers} == {404}
    assert "Caching via API is not supported at this site." in explanation(answers[0])
    assert refused == 403
    assert {"v2.18", "v2.16", "v2.14"} & set(versions) == set()


def test_all_versions_are_served_with_a_cache(cached: Cached) -> None:
    versions = cached.service.client(None).get("/versions").json()["versions"]

    assert [one["id"] for one in versions] == [f"v2.{minor}" for minor in range(18, -1, -1)]


# ---- many at once


def test_many_readers_get_every_image_right_from_a_cache_too_small_for_them(
    tmp_path: Path, swift: Swift
) -> None:
    """Two workers share the cache; what one keeps the other may let go of."""
    with start_cached(tmp_path, swift, 3 * MIB, workers=2) as service:
        cached = Cached(service)
        contents = {}
        for _ in range(4):
            data = secrets.token_bytes(MIB + MIB // 4)
            contents[create_active_image(cached.publisher, data)["id"]] = data

        def read(number: int) -> bool:
            image_id = list(contents)[number % 4]
            url = f"{service.url}/v2/images/{image_id}/file"
            headers = {"X-Auth-Token": service.token("publisher")}
            response = plain_http.get(url, headers=headers, timeout=30)
            return response.content == contents[image_id]

        right = []
        for _round in range(4):
            # So that what nobody asks for first may go at once.
            for image_id in cached.ids():
                cached.age(image_id)
            with ThreadPoolExecutor(8) as readers:
                right += list(readers.map(read, range(16)))
        kept = sum(path.stat().st_size for path in cached.folder.rglob("data"))

    assert right == [True] * 64
    assert kept <= 3 * MIB
