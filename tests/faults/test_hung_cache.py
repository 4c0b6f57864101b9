"""The disk of the cache hangs: the stores have all data, and everything goes on without it."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
from harness.hung_disk import hung_disk
from harness.service import MakeService, Service
from harness.swift import Swift

from .calls import create_active_image, eventually

DATA = secrets.token_bytes(1000)
#: More than the cache has threads.
COUNT = 24


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def service(make_service: MakeService, swift: Swift, cache: Path) -> Service:
    url = swift.store_url(prefix=secrets.token_hex(4))
    return make_service(
        "sqlite", TRANSOM_STORES=f"cold={url}", TRANSOM_CACHE_DIR=str(cache), **swift.settings()
    )


def _download(client: httpx.Client, image_id: str) -> bytes:
    answer = client.get(f"/v2/images/{image_id}/file")
    assert answer.status_code == 200, answer.text
    return answer.content


def _cached(cache: Path) -> set[str]:
    return {path.name for path in cache.glob("*/entries/*")}


def test_a_cache_whose_disk_hangs_is_gone_around_and_then_used_again(service: Service, cache: Path) -> None:
    publisher = service.client("publisher")
    images = [create_active_image(publisher, DATA) for _ in range(COUNT)]
    _download(publisher, images[0])
    before = _cached(cache)

    with hung_disk(cache), ThreadPoolExecutor(COUNT) as threads:
        downloads = list(threads.map(partial(_download, publisher), images))
        deleted = publisher.delete(f"/v2/images/{images[0]}")
        queued = service.client("admin").put(f"/v2/cache/{images[1]}")

    def is_used_again() -> bool:
        return _download(publisher, images[1]) == DATA and images[1] in _cached(cache)

    assert before == {images[0]}
    assert downloads == [DATA] * COUNT
    assert (deleted.status_code, queued.status_code) == (204, 503)
    assert eventually(is_used_again, bool)
