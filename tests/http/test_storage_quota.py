"""`user_storage_quota` holds for data that comes at once, whatever way it comes by."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest
from conftest import SharedServices
from harness.service import Service
from images import OCTET_STREAM, create_raw_image, delete_image, show_image, stored_files

QUOTA = 2_000_000
SIZE = 600_000
AT_ONCE = 8
FIT = QUOTA // SIZE

Send = Callable[[httpx.Client, str, Barrier], httpx.Response]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def limited(request: pytest.FixtureRequest, shared_services: SharedServices) -> Service:
    return shared_services.get(request.param, TRANSOM_USER_STORAGE_QUOTA=str(QUOTA), TRANSOM_WORKERS="2")


def _put(call: str, *, announces: bool) -> Send:
    """Send half of the data, wait until the others have done so, too, and send the rest."""

    def send(client: httpx.Client, image_id: str, all_are_half_way: Barrier) -> httpx.Response:
        def data() -> Iterator[bytes]:
            yield b"x" * (SIZE // 2)
            all_are_half_way.wait(30)
            yield b"x" * (SIZE - SIZE // 2)

        headers = {"Content-Type": OCTET_STREAM}
        if announces:
            headers["Content-Length"] = str(SIZE)
            all_are_half_way.wait(30)
            return client.put(f"/v2/images/{image_id}/{call}", content=b"x" * SIZE, headers=headers)
        return client.put(f"/v2/images/{image_id}/{call}", content=data(), headers=headers)

    return send


WAYS = [
    pytest.param(_put("file", announces=True), id="uploads of announced sizes"),
    pytest.param(_put("file", announces=False), id="uploads of unknown sizes"),
    pytest.param(_put("stage", announces=True), id="staged data of announced sizes"),
    pytest.param(_put("stage", announces=False), id="staged data of unknown sizes"),
]


@pytest.mark.parametrize("send", WAYS)
def test_data_that_comes_at_once_does_not_pass_the_quota(limited: Service, send: Send) -> None:
    client = limited.client("publisher")
    image_ids = [create_raw_image(client)["id"] for _ in range(AT_ONCE)]
    all_are_half_way = Barrier(AT_ONCE, timeout=60)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda one: send(client, one, all_are_half_way), image_ids))
    codes = sorted(answer.status_code for answer in answers)
    sizes = [show_image(client, image_id)["size"] or 0 for image_id in image_ids]
    refused = [one for one, answer in zip(image_ids, answers, strict=True) if answer.status_code == 413]
    states = {show_image(client, image_id)["status"] for image_id in refused}
    for image_id in image_ids:
        delete_image(client, image_id)

    assert codes == [204] * FIT + [413] * (AT_ONCE - FIT)
    assert sum(sizes) == FIT * SIZE
    assert states == {"queued"}
    assert stored_files(limited) == set()


def test_room_that_was_reserved_for_refused_data_is_free_again(limited: Service) -> None:
    client = limited.client("publisher")
    image_id = create_raw_image(client)["id"]
    headers = {"Content-Type": OCTET_STREAM, "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}

    refused = client.put(f"/v2/images/{image_id}/file", content=b"x" * QUOTA, headers=headers)
    taken = client.put(
        f"/v2/images/{image_id}/file", content=b"x" * QUOTA, headers={"Content-Type": OCTET_STREAM}
    )
    delete_image(client, image_id)

    assert refused.status_code == 400
    assert taken.status_code == 204
