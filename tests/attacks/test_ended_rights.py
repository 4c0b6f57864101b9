"""Uploads and downloads that somebody goes on with after the right to them has ended: at the least pace they
take days."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from conftest import SharedServices
from harness.organizations import WHOLE, put_in_force, tree
from harness.service import MakeService, Service

from transom.api.signing import JUST_DONE_S

from .strangers import MIB, PATIENCE_S, connect, head, read_status, wait_for

#: Path below the image → its status while data comes.
UPLOADS = {"file": "saving", "stage": "uploading"}
DRAFT = {"disk_format": "raw", "container_format": "bare"}


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")


@pytest.mark.parametrize("path", UPLOADS)
def test_an_upload_of_who_was_removed_is_not_published(server: Service, path: str) -> None:
    name = f"leaver-{path}"
    server.add_user(name, "publisher", "member")
    owner = server.client("publisher")
    image_id = owner.post("/v2/images", json=DRAFT).json()["id"]
    with _begun(server, name, image_id, path) as upload:
        wait_for(lambda: owner.get(f"/v2/images/{image_id}").json()["status"] == UPLOADS[path])
        server.run("accounts", "remove", name)
        upload.sendall(b"x" * 1000)

        assert read_status(upload) == 403

    assert owner.get(f"/v2/images/{image_id}").json()["status"] == "queued"


@pytest.mark.parametrize("path", UPLOADS)
def test_an_upload_is_published_though_its_token_was_revoked(server: Service, path: str) -> None:
    """As with one that has expired: the user may still do what it began."""
    name = f"stayer-{path}"
    server.add_user(name, "publisher", "member")
    owner = server.client("publisher")
    image_id = owner.post("/v2/images", json=DRAFT).json()["id"]
    with _begun(server, name, image_id, path) as upload:
        wait_for(lambda: owner.get(f"/v2/images/{image_id}").json()["status"] == UPLOADS[path])
        token = server.token(name)
        server.client(name).delete("/identity/v3/auth/tokens", headers={"X-Subject-Token": token})
        upload.sendall(b"x" * 1000)

        assert read_status(upload) == 204


def _begun(server: Service, name: str, image_id: str, path: str) -> socket.socket:
    lines = (
        f"X-Auth-Token: {server.token(name)}",
        "Content-Type: application/octet-stream",
        "Content-Length: 2000",
    )
    connection = connect(server)
    connection.settimeout(PATIENCE_S)
    connection.sendall(head("PUT", f"/v2/images/{image_id}/{path}", *lines) + b"x" * 1000)
    return connection


def test_a_download_is_broken_off_when_the_right_to_it_has_ended(server: Service) -> None:
    """At the least pace one takes days, and keeps the data of a deleted image on the disk."""
    server.add_user("reader-who-leaves", "recipient", "member")
    owner = server.client("publisher")
    shared = {end: _shared_image(server) for end in (*_ENDS, "none")}
    with ExitStack() as stack:
        downloads = {
            end: stack.enter_context(
                _downloading(server, "reader-who-leaves" if end == "removal" else "recipient", image_id)
            )
            for end, image_id in shared.items()
        }

        for end, act in _ENDS.items():
            act(server, owner, shared[end])

        wait_for(lambda: all(_is_broken_off(downloads[end]) for end in _ENDS))
        assert not _is_broken_off(downloads["none"])


def test_a_download_is_broken_off_when_its_reader_leaves_the_organisation(
    make_service: MakeService, tmp_path: Path
) -> None:
    file = tmp_path / "organizations.yaml"
    file.write_text(tree())
    server = make_service("sqlite", TRANSOM_ORGANIZATIONS_FILE=str(file))
    reader = server.clouds["other"].project_id
    put_in_force(server, file, tree(of_sales=[reader]))
    image_id = _shared_image(server)
    offer = {"images": [image_id], "organizations": [WHOLE]}
    assert server.client("publisher").post("/share/v1/offers", json=offer).json()["offered"] == 1
    with _downloading(server, "other", image_id) as download:
        put_in_force(server, file, tree())

        wait_for(lambda: _is_broken_off(download))


def _withdraw(server: Service, owner: httpx.Client, image_id: str) -> None:
    path = f"/v2/images/{image_id}/members/{server.clouds['recipient'].project_id}"
    assert owner.delete(path).status_code == 204


def _deactivate(_server: Service, owner: httpx.Client, image_id: str) -> None:
    assert owner.post(f"/v2/images/{image_id}/actions/deactivate").status_code == 204


def _delete(_server: Service, owner: httpx.Client, image_id: str) -> None:
    assert owner.delete(f"/v2/images/{image_id}").status_code == 204


def _remove_user(server: Service, _owner: httpx.Client, _image_id: str) -> None:
    assert server.run("accounts", "remove", "reader-who-leaves").returncode == 0


_ENDS = {
    "withdrawal": _withdraw,
    "deactivation": _deactivate,
    "deletion": _delete,
    "removal": _remove_user,
}


def _shared_image(server: Service) -> str:
    """Larger than what the kernel takes ahead of a reader."""
    owner = server.client("publisher")
    image_id: str = owner.post("/v2/images", json=DRAFT | {"visibility": "shared"}).json()["id"]
    data = owner.put(
        f"/v2/images/{image_id}/file",
        content=bytes(32 * MIB),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert data.status_code == 204
    member = {"member": server.clouds["recipient"].project_id}
    assert owner.post(f"/v2/images/{image_id}/members", json=member).status_code == 200
    return image_id


def _is_broken_off(connection: socket.socket) -> bool:
    """Whatever waits to be read."""
    poll = select.poll()
    poll.register(connection, 0)
    return bool(poll.poll(0))


def _asking_for(server: Service, name: str, image_id: str) -> bytes:
    return head("GET", f"/v2/images/{image_id}/file", f"X-Auth-Token: {server.token(name)}")


def _downloading(server: Service, name: str, image_id: str) -> socket.socket:
    """Begun, and read no further."""
    connection = connect(server, buffer_bytes=64 << 10)
    connection.sendall(_asking_for(server, name, image_id))
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def test_a_connection_goes_on_whose_download_has_come_to_its_end(server: Service) -> None:
    """It may be a proxy's, and bring the requests of others."""
    owner = server.client("publisher")
    finished, under_way = _shared_image(server), _shared_image(server)
    with connect(server) as connection, _downloading(server, "recipient", under_way) as other:
        connection.sendall(_asking_for(server, "recipient", finished))
        assert read_status(connection) == 200
        for image_id in (finished, under_way):
            _delete(server, owner, image_id)
        # It is judged in the same round.
        wait_for(lambda: _is_broken_off(other))

        connection.sendall(_asking_for(server, "recipient", finished))
        assert read_status(connection) == 404


#: What is done by a body → a call for it, below an image of project `publisher`.
ACTS = {
    "create": ("POST", "/v2/images", b'{"name": "made by who has gone"}'),
    "offer": ("POST", "/share/v1/offers", b'{"images": ["%s"], "projects": ["somebody"]}'),
    "keyed offer": ("POST", "/share/v1/offers", b'{"images": ["%s"], "projects": ["somebody"]}'),
    "share": ("POST", "/v1/cloudimages/members", b'{"images": ["%s"], "projects": ["somebody"]}'),
    "change": ("PATCH", "/v2/images/%s", b'[{"op": "replace", "path": "/name", "value": "changed"}]'),
}
PATCH = "application/openstack-images-v2.1-json-patch"


def _remove(server: Service, name: str) -> None:
    assert server.run("accounts", "remove", name).returncode == 0


def _revoke(server: Service, name: str) -> None:
    token = {"X-Subject-Token": server.token(name)}
    assert server.client(name).delete("/identity/v3/auth/tokens", headers=token).status_code == 204


@pytest.mark.parametrize("end", [_remove, _revoke])
@pytest.mark.parametrize("act", ACTS)
def test_a_body_that_comes_after_the_right_to_it_has_ended_does_nothing(
    server: Service, act: str, end: Callable[[Service, str], None]
) -> None:
    name = f"late-{act.replace(' ', '-')}-{end.__name__.strip('_')}"
    server.add_user(name, "publisher", "member")
    owner = server.client("publisher")
    image = owner.post("/v2/images", json={"name": name, "visibility": "shared"}).json()
    method, path, body = ACTS[act]
    path, body = path.replace("%s", image["id"]), body.replace(b"%s", image["id"].encode())
    lines = [
        f"X-Auth-Token: {server.token(name)}",
        f"Content-Type: {PATCH if method == 'PATCH' else 'application/json'}",
        f"Content-Length: {len(body)}",
        *(["Idempotency-Key: late"] if act == "keyed offer" else []),
    ]
    with connect(server) as connection:
        connection.settimeout(PATIENCE_S)
        connection.sendall(head(method, path, *lines) + body[:10])
        # The service has taken it up: another request, on a connection that came later, is answered.
        owner.get("/v2/images?limit=1")
        end(server, name)
        time.sleep(JUST_DONE_S)
        connection.sendall(body[10:])

        assert read_status(connection) == 401

    assert owner.get(f"/v2/images/{image['id']}/members").json()["members"] == []
    assert owner.get(f"/v2/images/{image['id']}").json()["updated_at"] == image["updated_at"]
    assert owner.get("/v2/images?name=made by who has gone").json()["images"] == []
