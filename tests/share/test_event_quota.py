"""A project that has caused its events of the day gives no more, and takes away as before."""

from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import pytest
from conftest import DATABASES, SharedServices
from harness.service import Service

from .calls import answer, create_image, find_share, get, offer, post, problem_of, project_of
from .family_calls import Published, active_image, patched_image
from .test_shares import put, set_path, tag_of_set

QUOTA = 40
BATCH = "/v1/cloudimages/members"
_RETRY = "retry-after"


class Spent:
    """Projects `publisher` and `recipient` that have spent their events, and what they had before."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.publisher = service.client("publisher")
        self.recipient = service.client("recipient")
        self.recipient_id = project_of(service, "recipient")
        self.images = [create_image(service) for _ in range(5)]
        for image in self.images:
            offer(service, image)
        answer(service, self.images[4])
        self.closed = active_image(self.publisher)["id"]
        assert patched_image(self.publisher, self.closed, visibility="private").status_code == 200
        self.family = Published(service, "spent")
        self.family.publish()
        self.family.publish()
        post(service, "publisher", "offers", families=[self.family.id], projects=["customer", "other"])
        self.family.act(1, "revoke")
        names = count()
        self._spend(
            lambda: self.publisher.post(
                "/share/v1/offers",
                json={"images": [self.images[0]], "projects": [f"p{next(names)}" for _ in range(9)]},
            )
        )
        statuses = count()
        self._spend(
            lambda: self._answer(self.images[4], ("pending", "accepted")[next(statuses) % 2]),
        )

    def _spend(self, once: Callable[[], httpx.Response]) -> None:
        # The events are counted soon, not at once.
        while (response := once()).status_code == 200:
            pass
        assert response.status_code == 413, response.text

    def _answer(self, image: str, status: str) -> httpx.Response:
        return self.recipient.put(f"/v2/images/{image}/members/{self.recipient_id}", json={"status": status})


@pytest.fixture(scope="module", params=DATABASES)
def spent(request: pytest.FixtureRequest, shared_services: SharedServices) -> Spent:
    return Spent(shared_services.get(request.param, TRANSOM_EVENT_QUOTA_PER_DAY=str(QUOTA)))


def in_a_day(response: httpx.Response) -> bool:
    return 0 < int(response.headers[_RETRY]) <= 86_401


REFUSED: dict[str, Callable[[Spent], tuple[str, str, Any]]] = {
    "offers": lambda s: ("POST", "/share/v1/offers", {"images": [s.images[1]], "projects": ["new"]}),
    "other terms": lambda s: (
        "PATCH",
        f"{set_path(s.images[0])}/projects/{s.recipient_id}",
        {"message": "Hello."},
    ),
    "a new family": lambda _s: ("POST", "/share/v1/families", {"name": "another"}),
    "a change of a family": lambda s: ("PATCH", s.family.path, {"title": "Another"}),
    "a new version": lambda s: ("POST", f"{s.family.path}/versions", {"image_id": s.images[0]}),
    "a change of a version": lambda s: ("PATCH", f"{s.family.path}/versions/2", {"notes": "new"}),
    "a restored version": lambda s: ("POST", f"{s.family.path}/versions/1/restore", None),
    "a revocation to come": lambda s: (
        "POST",
        f"{s.family.path}/versions/2/revoke",
        {"at": "2999-01-01T00:00:00Z"},
    ),
    "terms of a member": lambda s: ("PATCH", f"{s.family.path}/members/projects/other", {"message": "Hi."}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_gives_is_refused_until_the_day_is_over(spent: Spent, what: str) -> None:
    method, path, body = REFUSED[what](spent)

    response = spent.publisher.request(method, path, **({} if body is None else {"json": body}))

    assert "event_quota_per_day" in problem_of(response, "limit", 413)["detail"]
    assert in_a_day(response)


def test_the_older_protocols_refuse_with_their_own_errors(spent: Spent) -> None:
    image = spent.images[1]
    native = spent.publisher.post(f"/v2/images/{image}/members", json={"member": "new"})
    opened = patched_image(spent.publisher, spent.closed, visibility="shared")
    batch = spent.publisher.post(BATCH, json={"images": [image], "projects": ["new"]})
    one = spent.publisher.post(f"/ims/v2/images/{image}/members", json={"member": "new"})
    accepted = spent.recipient.put(
        BATCH, json={"images": [image], "project_id": spent.recipient_id, "status": "accepted"}
    )
    own = spent._answer(image, "accepted")

    assert [one.status_code for one in (native, opened, own)] == [413] * 3
    assert [(one.status_code, one.json()["error"]["code"]) for one in (batch, one, accepted)] == [
        (400, "IMG.9011"),
        (413, "IMG.9011"),
        (400, "IMG.9011"),
    ]
    assert all(map(in_a_day, (native, opened, own, batch, one, accepted)))


def test_the_limit_is_shown_but_not_among_glances_quotas(spent: Spent) -> None:
    assert get(spent.service, "publisher", "")["limits"]["event_quota_per_day"] == QUOTA
    assert spent.publisher.get("/v2/info/usage").json() == {"usage": {}}


def test_another_project_gives_as_before(spent: Spent) -> None:
    foreign = create_image(spent.service, "other")

    assert post(spent.service, "other", "offers", images=[foreign], projects=["new"])["offered"] == 1


def test_a_recipient_rejects_and_leaves(spent: Spent) -> None:
    first, second, third, *_more = spent.images
    assert spent._answer(first, "rejected").json()["status"] == "rejected"
    batch = {"images": [second], "project_id": spent.recipient_id, "status": "rejected"}
    assert spent.recipient.put(BATCH, json=batch).status_code == 200
    assert post(spent.service, "recipient", "answers", images=[third], answer="rejected")["changed"] == 1
    assert post(spent.service, "recipient", "answers", images=[third], answer="left")["changed"] == 1


def test_a_publisher_withdraws_revokes_closes_and_deletes(spent: Spent) -> None:
    first, second, third, fourth, fifth = spent.images
    client, service = spent.publisher, spent.service
    others = ["customer", "other"]

    assert client.delete(f"/v2/images/{fourth}/members/{spent.recipient_id}").status_code == 204
    batch = {"images": [fifth], "projects": [spent.recipient_id]}
    assert client.request("DELETE", BATCH, json=batch).status_code == 200
    assert find_share(service, fifth) is None
    kept = put(service, first, tag_of_set(service, first), projects=["p0"]).json()
    assert (kept["offered"], kept["unchanged"]) == (0, 1)
    more = put(service, first, tag_of_set(service, first), projects=["p0", "new"])
    assert problem_of(more, "limit", 413)
    assert post(service, "publisher", "withdrawals", images=[second], everybody=True)["withdrawn"] == 1
    assert spent.family.act(2, "revoke").status_code == 200
    withdrawn = post(service, "publisher", "withdrawals", families=[spent.family.id], projects=others)
    assert withdrawn["withdrawn"] == 2
    assert client.delete(f"{spent.family.path}/versions/1").status_code == 204
    assert client.delete(spent.family.path).status_code == 204
    assert patched_image(client, first, visibility="private").status_code == 200
    assert client.delete(f"/v2/images/{third}").status_code == 204
