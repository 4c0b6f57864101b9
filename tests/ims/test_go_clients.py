"""What clients for Go and the Terraform providers of both clouds rely on (ims-api, 1.1, 1.2).

They take one status of each call and no other, read times as RFC 3339, and poll: a recipient for its own
offer, whoever sent a batch for its job, in which any word but two means an end and any but one a failure.
"""

import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from harness.service import Service
from sharing_calls import BATCH, create_image, project_of, show_job

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
JOB_ID = re.compile(r"[0-9a-f]{32}")
UNDER_WAY = {"INIT", "RUNNING"}


def call(service: Service, caller: str, method: str, path: str, body: object = None) -> httpx.Response:
    """By a token, under the prefix of the IMS API where the path is one of both APIs."""
    return service.client(caller).request(method, path, json=body)


def read_time(text: str) -> datetime:
    """As Go's `time.RFC3339`, which wants the zone."""
    assert RFC_3339.fullmatch(text), text
    return datetime.fromisoformat(text)


def end_of(service: Service, caller: str, answer: httpx.Response) -> str:
    """How the job of a batch ended, for a client that takes 200 and a `job_id` only."""
    assert answer.status_code == 200, answer.text
    assert JOB_ID.fullmatch(answer.json()["job_id"])
    job = show_job(service, caller, answer.json()["job_id"])
    assert job["status"] not in UNDER_WAY
    assert read_time(job["begin_time"]) <= read_time(job["end_time"])
    return str(job["status"])


def test_a_share_is_made_accepted_and_destroyed_in_batches(service: Service) -> None:
    """The resources `images_image_share` and `images_image_share_accepter`: to destroy the latter rejects."""
    image_id, recipient = create_image(service), project_of(service, "recipient")
    pairs = {"images": [image_id], "projects": [recipient]}
    reply = {"images": [image_id], "project_id": recipient}

    ends = [
        end_of(service, "publisher", call(service, "publisher", "POST", BATCH, pairs)),
        end_of(
            service, "recipient", call(service, "recipient", "PUT", BATCH, reply | {"status": "accepted"})
        ),
        end_of(
            service, "recipient", call(service, "recipient", "PUT", BATCH, reply | {"status": "rejected"})
        ),
        end_of(service, "publisher", call(service, "publisher", "DELETE", BATCH, pairs)),
    ]

    assert ends == ["SUCCESS"] * 4


@pytest.mark.parametrize("prefix", ["", "/ims"])
def test_an_image_is_shared_and_accepted_natively(service: Service, prefix: str) -> None:
    """`images_image_access_v2` and `…_access_accept_v2`: the recipient polls until it is `pending`."""
    visibility = "private" if prefix else "shared"
    image_id, recipient = create_image(service, visibility=visibility), project_of(service, "recipient")
    members = f"{prefix}/v2/images/{image_id}/members"
    own = f"{members}/{recipient}"

    before = call(service, "recipient", "GET", own)
    added = call(service, "publisher", "POST", members, {"member": recipient})
    polled = call(service, "recipient", "GET", own)
    accepted = call(service, "recipient", "PUT", own, {"status": "accepted"})
    listed = call(service, "publisher", "GET", members)
    removed = call(service, "publisher", "DELETE", own)

    assert before.status_code == 404
    assert [answer.status_code for answer in (added, polled, accepted, listed)] == [200] * 4
    assert [answer.json()["status"] for answer in (added, polled, accepted)] == [
        "pending",
        "pending",
        "accepted",
    ]
    assert [member["status"] for member in listed.json()["members"]] == ["accepted"]
    assert (removed.status_code, removed.content) == (204, b"")
    for answer in (added, polled, accepted):
        assert _is_told_in_full(answer.json(), image_id, recipient)


def _is_told_in_full(member: dict[str, Any], image_id: str, recipient: str) -> bool:
    created, updated = read_time(member["created_at"]), read_time(member["updated_at"])
    return (member["image_id"], member["member_id"], member["schema"]) == (
        image_id,
        recipient,
        "/v2/schemas/member",
    ) and created <= updated <= datetime.now(UTC)


def test_an_image_has_its_times_as_text_with_the_zone(service: Service) -> None:
    image = call(service, "publisher", "POST", "/ims/v2/images", {"name": "timed"}).json()

    assert read_time(image["created_at"]) == read_time(image["updated_at"])


def test_a_copy_is_polled_until_it_is_over(service: Service) -> None:
    """No call answers 202, and no job is in a state that the providers do not know."""
    image_id = create_image(service, disk_format="raw", container_format="bare")
    headers = {"Content-Type": "application/octet-stream"}
    service.client("publisher").put(f"/v2/images/{image_id}/file", content=b"data", headers=headers)

    taken = call(service, "publisher", "POST", f"/v1/cloudimages/{image_id}/copy", {"name": "copied"})

    assert taken.status_code == 200
    assert JOB_ID.fullmatch(taken.json()["job_id"])
    job = show_job(service, "publisher", taken.json()["job_id"])
    assert job["status"] in UNDER_WAY | {"SUCCESS"}
    assert (job["end_time"] is None) is (job["status"] in UNDER_WAY)
