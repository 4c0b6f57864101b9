"""Uploads that somebody goes on with after the right to them has ended: at the least pace they take days."""

from __future__ import annotations

import socket

import pytest
from conftest import SharedServices
from harness.service import Service

from .strangers import PATIENCE_S, connect, head, read_status, wait_for

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
