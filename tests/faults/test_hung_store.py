"""The disk of one store hangs, as that of a file server that is away: all that does not need it goes on."""

from __future__ import annotations

import secrets
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest
from harness.forks import forked_service
from harness.hung_disk import hung_disk
from harness.service import Service
from harness.stores import stored_files

from .calls import OCTET_STREAM, PATIENCE_S, create_image, expect_eventually, upload_data

DATA = secrets.token_bytes(1000)
#: Requests of each kind: more than there are threads for a store, and than asyncio would share out.
OF_EACH = 20


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    for name in ("data", "good", "slow"):
        (tmp_path / name).mkdir(exist_ok=True)
    good, slow = (f"{name}={(tmp_path / name).as_uri()}" for name in ("good", "slow"))
    settings = {
        "TRANSOM_STORES": f"{good}?weight=300,{slow}?weight=100",
        "TRANSOM_CACHE_SIZE_BYTES": "1000000",
        "TRANSOM_STOP_TIMEOUT_S": "1",
        "TRANSOM_UPLOAD_LEASE_S": "3",
    }
    with forked_service(tmp_path, None, settings) as service:
        yield service


def _make_images(client: httpx.Client, store: str, count: int) -> list[str]:
    """Active images with their data in the store."""
    made = [str(create_image(client)["id"]) for _ in range(count)]
    headers = {"Content-Type": OCTET_STREAM, "X-Image-Meta-Store": store}
    for image_id in made:
        client.put(f"/v2/images/{image_id}/file", content=DATA, headers=headers).raise_for_status()
    return made


class Asked:
    """A request that was sent, whose answer nobody has read yet."""

    def __init__(self, service: Service, method: str, path: str, *lines: str, body: bytes = b"") -> None:
        url = httpx.URL(service.url)
        self._connection = socket.create_connection((url.host, url.port or 80), timeout=PATIENCE_S)
        token = f"X-Auth-Token: {service.token('publisher')}"
        head = [f"{method} {path} HTTP/1.1", "Host: images", token, *lines, f"Content-Length: {len(body)}"]
        self._connection.sendall("\r\n".join([*head, "", ""]).encode() + body)

    @property
    def is_answered(self) -> bool:
        return bool(select.select([self._connection], [], [], 0)[0])

    def read_status(self) -> int:
        response = HTTPResponse(self._connection)
        response.begin()
        response.read()
        return response.status

    def close(self) -> None:
        self._connection.close()


def _ask_for_all(service: Service, images: list[str]) -> list[Asked]:
    """Every way in which a user's request needs the files of a store."""
    client, asked = service.client("publisher"), []
    for number, image_id in enumerate(images):
        path = f"/v2/images/{image_id}/file"
        asked.append(Asked(service, "GET", path))
        asked.append(Asked(service, "GET", path, "Range: bytes=10-20"))
        empty = create_image(client)["id"]
        lines = (f"Content-Type: {OCTET_STREAM}", "X-Image-Meta-Store: slow")
        asked.append(Asked(service, "PUT", f"/v2/images/{empty}/file", *lines, body=DATA))
        if number % 2:
            asked.append(Asked(service, "DELETE", f"/v2/images/{image_id}"))
    return asked


def _go_on(service: Service, kept: str, gone: str) -> dict[str, int]:
    """What everybody else does meanwhile, each part of the service in its turn; the statuses."""
    publisher, stranger = service.client("publisher"), service.client(None)
    scope = {"project": {"name": "publisher", "domain": {"id": "default"}}}
    user = {"name": "publisher", "domain": {"id": "default"}, "password": "not the one"}
    identity = {"methods": ["password"], "password": {"user": user}}
    account = publisher.get(
        "/identity/v3/auth/tokens", headers={"X-Subject-Token": service.token("publisher")}
    )
    user_id = account.json()["token"]["user"]["id"]
    draft = {"application_credential": {"name": secrets.token_hex(4)}}
    new = create_image(publisher)["id"]
    answers = {
        "log in": stranger.post(
            "/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
        ),
        "credential": publisher.post(f"/identity/v3/users/{user_id}/application_credentials", json=draft),
        "show": publisher.get(f"/v2/images/{kept}"),
        "list": publisher.get("/v2/images"),
        "download": publisher.get(f"/v2/images/{kept}/file"),
        "range": publisher.get(f"/v2/images/{kept}/file", headers={"Range": "bytes=1-2"}),
        "upload": upload_data(publisher, new, DATA),
        "delete": publisher.delete(f"/v2/images/{gone}"),
        "document": publisher.get("/openapi.json"),
        "cache": service.client("admin").get("/v2/cache"),
        "ready": stranger.get("/readyz"),
        "metrics": stranger.get("/metrics"),
    }
    return {name: answer.status_code for name, answer in answers.items()}


ALL_IS_WELL = {
    "log in": 401,
    "credential": 201,
    "show": 200,
    "list": 200,
    "download": 200,
    "range": 206,
    "upload": 204,
    "delete": 204,
    "document": 200,
    "cache": 200,
    "ready": 200,
    "metrics": 200,
}


def test_what_hangs_with_its_disk_holds_up_nothing_else(service: Service, tmp_path: Path) -> None:
    """And goes on, or fails, when the disk is there again; nothing is lost or left."""
    publisher = service.client("publisher")
    kept, gone = _make_images(publisher, "good", 2)
    of_slow = _make_images(publisher, "slow", OF_EACH)
    with ExitStack() as connections:
        with hung_disk(tmp_path / "slow"):
            asked = _ask_for_all(service, of_slow)
            for one in asked:
                connections.callback(one.close)

            statuses = _go_on(service, kept, gone)
            answered = [one.is_answered for one in asked]

        ends = [one.read_status() for one in asked]

    assert statuses == ALL_IS_WELL
    assert not any(answered)
    assert {status // 100 for status in ends} <= {2, 4, 5}
    assert 500 not in ends
    left = [image for image in of_slow if publisher.get(f"/v2/images/{image}").status_code == 200]
    assert len(left) == OF_EACH - OF_EACH // 2
    # Some of the uploads came through when the disk was there again.
    listed = publisher.get("/v2/images?limit=200&status=active").json()["images"]
    whole = {image["id"] for image in listed if image["stores"] == "slow"}
    assert whole.issuperset(left)
    assert {publisher.get(f"/v2/images/{image}/file").content for image in whole} == {DATA}
    expect_eventually(lambda: {path.name[:36] for path in stored_files(tmp_path / "slow")}, whole)


def test_a_service_whose_store_hangs_can_be_stopped(service: Service, tmp_path: Path) -> None:
    publisher = service.client("publisher")
    of_slow = _make_images(publisher, "slow", OF_EACH)
    with hung_disk(tmp_path / "slow"):
        asked = _ask_for_all(service, of_slow)

        status = service.stop()

        for one in asked:
            one.close()
    assert status == 0


def test_a_service_starts_while_a_store_hangs_that_owes_removals(service: Service, tmp_path: Path) -> None:
    """They are made when the disk is there again."""
    publisher = service.client("publisher")
    (gone,) = _make_images(publisher, "slow", 1)
    with hung_disk(tmp_path / "slow"):
        asked = Asked(service, "DELETE", f"/v2/images/{gone}")
        # The row is deleted first.
        expect_eventually(lambda: publisher.get(f"/v2/images/{gone}").status_code, 404)
        service.kill()
        asked.close()

        service.start()

        statuses = _go_on(service, *_make_images(service.client("publisher"), "good", 2))

    assert statuses == ALL_IS_WELL
    expect_eventually(lambda: stored_files(tmp_path / "slow"), set())


def test_accounts_that_hang_hold_up_nobody_who_needs_none(service: Service, tmp_path: Path) -> None:
    """They may be on a file server, too. Requests with credentials wait for them, others do not."""
    stranger = service.client(None)
    asked: list[Asked] = []

    def others_are_answered_first() -> bool:
        """From when on a look at the accounts is due."""
        asked.append(Asked(service, "GET", "/v2/images"))
        answers = [stranger.get(path).status_code for path in ("/healthz", "/metrics", "/openapi.json")]
        assert answers == [200, 200, 200]
        return not asked[-1].is_answered

    with hung_disk(tmp_path / "data" / "identity"):
        expect_eventually(others_are_answered_first, True)

    ends = [one.read_status() for one in asked]
    for one in asked:
        one.close()
    # That disk gives errors as it goes.
    assert set(ends) <= {200, 503}
    assert service.client("publisher").get("/v2/images").status_code == 200


def test_an_operators_file_that_hangs_takes_no_worker_from_its_balancer(tmp_path: Path) -> None:
    """Whether it was changed is told as it was seen last."""
    folder = tmp_path / "etc"
    folder.mkdir()
    policy = folder / "policy.yaml"
    policy.write_text('"get_images": ""\n')
    with forked_service(tmp_path, None, {"TRANSOM_POLICY_FILE": str(policy)}) as service:
        stranger = service.client(None)
        policy.write_text('"get_images": "!"\n')
        changed = stranger.get("/readyz").json()["files_not_in_force"]

        with hung_disk(folder):
            seen = [stranger.get("/readyz").json()["files_not_in_force"] for _ in range(2)]
            images = service.client("publisher").get("/v2/images").status_code

    assert changed == ["policy_file"]
    assert seen == [changed, changed]
    assert images == 200
