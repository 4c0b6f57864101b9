"""What an operator's rules hide of images is not told by events either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from harness.forks import forked_service
from harness.service import Service

#: What is quarantined is hidden from all but admins.
POLICY = """
get_image: "rule:context_is_admin or not 'yes':%(quarantined)s"
"""
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("events")
    (folder / "policy.yaml").write_text(POLICY)
    settings = {"TRANSOM_POLICY_FILE": str(folder / "policy.yaml")}
    with forked_service(folder, settings=settings) as service:
        yield service


def offered(governed: Service, name: str) -> str:
    """An image that the recipient was offered, and told of."""
    owner, project = governed.client("publisher"), governed.clouds["recipient"].project_id
    image = str(owner.post("/v2/images", json={"name": name, "visibility": "shared"}).json()["id"])
    body = {"images": [image], "projects": [project], "message": "Look at this."}
    assert owner.post("/share/v1/offers", json=body).json()["offered"] == 1
    assert owner.get("/share/v1/events", params={"image": image, "wait": "20"}).json()["events"]
    return image


def quarantine(governed: Service, image: str, value: str) -> None:
    change = [{"op": "add", "path": "/quarantined", "value": value}]
    assert governed.client("admin").patch(f"/v2/images/{image}", json=change, headers=PATCH).is_success


def events_of(governed: Service, name: str, **query: str) -> str:
    answer = governed.client(name).get("/share/v1/events", params={"order": "desc", **query})
    assert answer.status_code == 200
    return str(answer.text)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_events_do_not_name_an_image_that_is_hidden(governed: Service, order: str) -> None:
    name = f"hidden-{order}"
    image, other = offered(governed, name), offered(governed, "shown")
    quarantine(governed, image, "yes")

    for who in ("publisher", "recipient"):
        assert governed.client(who).get(f"/v2/images/{image}").status_code == 404
        told = events_of(governed, who, order=order, limit="1000")
        assert other in told
        assert image not in told
        assert name not in told
    assert name in events_of(governed, "admin", all="true")
    quarantine(governed, image, "no")
    assert name in events_of(governed, "recipient", order=order, limit="1000")


def test_an_event_that_was_waited_for_does_not_name_it_either(governed: Service) -> None:
    image = offered(governed, "hidden")
    quarantine(governed, image, "yes")
    recipient = governed.client("recipient")
    cursor = recipient.get("/share/v1/events", params={"limit": "1000"}).json()["cursor"]
    project = governed.clouds["recipient"].project_id
    body: dict[str, Any] = {"images": [image], "projects": [project], "reason": "Over."}
    assert governed.client("admin").post("/share/v1/withdrawals", json=body).json()["withdrawn"] == 1

    asked = {"after": cursor, "wait": "20", "type": "share.withdrawn"}
    (event,) = recipient.get("/share/v1/events", params=asked).json()["events"]

    assert (event["type"], event["data"]["reason"]) == ("transom.share.withdrawn", "Over.")
    assert "image" not in event["data"]
    assert "subject" not in event
