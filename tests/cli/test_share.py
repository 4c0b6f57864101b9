"""`transom share` and `transom family`: the publisher's and the recipient's story."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from harness.service import Service

from .conftest import Run


def _make_image(service: Service, name: str) -> str:
    owner = service.client("publisher")
    body = {"name": name, "disk_format": "raw", "container_format": "bare"}
    image_id = str(owner.post("/v2/images", json=body).json()["id"])
    headers = {"Content-Type": "application/octet-stream"}
    owner.put(f"/v2/images/{image_id}/file", content=b"data", headers=headers)
    return image_id


def test_an_image_is_offered_accepted_listed_and_withdrawn(
    service: Service, run: Run, tmp_path: Path
) -> None:
    name = f"web-{uuid.uuid4()}"
    image_id = _make_image(service, name)
    (tmp_path / "to.csv").write_text("project\nrecipient\nother\n")

    offered = run("publisher", "share", "offer", name, "--to-file", "to.csv", "--expires-at", "90d")
    inbox = run("recipient", "share", "inbox", "-f", "json")
    accepted = run("recipient", "share", "accept", name)
    shares = run("publisher", "share", "list", name, "-f", "json")
    unasked = run("publisher", "share", "withdraw", name, "--everybody")
    withdrawn = run("publisher", "share", "withdraw", name, "--everybody", "--yes")

    assert (offered.returncode, offered.stdout) == (0, "offered: 2\n"), offered.stderr
    assert image_id in [item["id"] for item in json.loads(inbox.stdout)]
    assert (accepted.returncode, accepted.stdout) == (0, "changed: 1\n"), accepted.stderr
    assert sorted(item["status"] for item in json.loads(shares.stdout)) == ["accepted", "pending"]
    assert unasked.returncode == 1
    assert "2 shares" in unasked.stderr
    assert (withdrawn.returncode, withdrawn.stdout) == (0, "withdrawn: 2\n"), withdrawn.stderr


def test_what_could_not_be_done_is_told_and_the_status_is_3(service: Service, run: Run) -> None:
    image_id = _make_image(service, f"web-{uuid.uuid4()}")

    done = run("publisher", "share", "offer", image_id, "--to", "publisher", "--to", "recipient")

    assert (done.returncode, done.stdout) == (3, "offered: 1\n")
    assert image_id in done.stderr


def test_nobody_is_offered_anything_when_one_is_not_found(service: Service, run: Run, tmp_path: Path) -> None:
    image_id = _make_image(service, f"web-{uuid.uuid4()}")
    (tmp_path / "to.txt").write_text("recipient\nnobody\nno one\n")

    done = run("publisher", "share", "offer", image_id, "--to-file", "to.txt")

    assert done.returncode == 1
    assert "'nobody'" in done.stderr
    assert "'no one'" in done.stderr
    members = service.client("publisher").get(f"/v2/images/{image_id}/members").json()["members"]
    assert members == []


def test_a_revoked_version_gives_way_to_the_one_before(service: Service, run: Run) -> None:
    family = f"f-{uuid.uuid4()}"
    images = [_make_image(service, f"web-{uuid.uuid4()}") for _ in range(2)]
    run("publisher", "family", "create", family)
    for image_id in images:
        published = run("publisher", "family", "publish", family, image_id)
        assert published.returncode == 0, published.stderr

    revoked = run("publisher", "family", "revoke", family, "2", "--reason", "A hole.", "--yes")

    assert revoked.returncode == 0, revoked.stderr
    shown = run("publisher", "family", "show", family, "--versions", "-f", "value", "-c", "state")
    assert shown.stdout == "revoked\ncurrent\n"
