"""The feed of events, and history, over HTTP: what the Image API and the IMS API do is there, too."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from conftest import SharedServices
from harness import plain_http
from harness.service import Service

from .calls import problem_of

FEED = "/share/v1/events"
#: An event is numbered within a second of its commit at the latest.
PATIENCE_S = 30


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")


def create_image(service: Service, name: str = "web-1") -> str:
    image: str = service.client("publisher").post("/v2/images", json={"name": name}).json()["id"]
    return image


def events_of(client: httpx.Client, image: str, least: int, **query: str) -> list[dict[str, Any]]:
    """The events of the image, once there are so many."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found: list[dict[str, Any]] = client.get(FEED, params={"image": image, **query}).json()["events"]
        if len(found) >= least or time.monotonic() > until:
            return found


def offer(service: Service, image: str, to: str = "recipient") -> str:
    project = service.clouds[to].project_id
    answer = service.client("publisher").post(f"/v2/images/{image}/members", json={"member": project})
    assert answer.status_code == 200
    return project


def new_token(service: Service, name: str) -> str:
    cloud = service.clouds[name]
    domain = {"domain": {"id": "default"}}
    user = {"name": cloud.username, "password": cloud.password, **domain}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": cloud.project_name, **domain}}
    login = {"auth": {"identity": identity, "scope": scope}}
    token: str = service.client(None).post("/identity/v3/auth/tokens", json=login).headers["x-subject-token"]
    return token


def test_an_offer_and_its_answer_are_told_to_both_sides(service: Service) -> None:
    image = create_image(service)
    project = offer(service, image)
    answered = service.client("recipient").put(
        f"/v2/images/{image}/members/{project}", json={"status": "accepted"}
    )

    by_owner = events_of(service.client("publisher"), image, 2)
    by_recipient = events_of(service.client("recipient"), image, 2)

    assert [event["type"] for event in by_owner] == ["transom.share.offered", "transom.share.accepted"]
    assert [event["id"] for event in by_owner] == [event["id"] for event in by_recipient]
    accepted = by_recipient[1]
    assert accepted["data"]["owner"]["name"] == "publisher"
    assert accepted["data"]["recipient"]["name"] == accepted["data"]["by"]["name"] == "recipient"
    owner = {"project": service.clouds["publisher"].project_id, "name": accepted["data"]["owner"]["name"]}
    assert accepted["data"] == {
        "image": {"id": image, "name": "web-1"},
        "owner": owner,
        "recipient": {"project": project, "name": accepted["data"]["recipient"]["name"]},
        "status": "accepted",
        "was": "pending",
        "by": accepted["data"]["by"],
        "via": "images-v2",
        "request_id": answered.headers["x-openstack-request-id"],
    }
    assert accepted["data"]["by"]["user"] is not None
    assert accepted["data"]["by"]["user_name"] == service.clouds["recipient"].username
    assert by_owner[1]["data"]["by"] == {**accepted["data"]["by"], "user": None, "user_name": None}
    assert by_owner[0]["data"]["by"]["user"] is not None
    assert by_owner[0]["data"]["by"]["user_name"] == service.clouds["publisher"].username
    assert by_recipient[0]["data"]["by"]["user"] is by_recipient[0]["data"]["by"]["user_name"] is None


def test_an_event_is_a_cloud_event(server: Service) -> None:
    image = create_image(server)
    offer(server, image)

    (event,) = events_of(server.client("publisher"), image, 1)

    assert event["specversion"] == "1.0"
    assert event["source"] == "/share/v1"
    assert event["subject"] == f"images/{image}"
    assert event["id"] == f"evt-{event['sequence']}"
    assert event["time"].endswith("Z")
    assert event["datacontenttype"] == "application/json"


def test_strangers_see_nothing_of_it(server: Service) -> None:
    image = create_image(server)
    offer(server, image)
    events_of(server.client("publisher"), image, 1)

    hidden = server.client("other").get(FEED, params={"image": image})
    absent = server.client("other").get(FEED, params={"image": str(uuid.uuid4())})

    assert hidden.json()["events"] == []
    assert hidden.text == absent.text


def test_batches_and_deletion_are_told(service: Service) -> None:
    image = create_image(service)
    project = service.clouds["recipient"].project_id
    publisher = service.client("publisher")
    batch = {"images": [image], "projects": [project, "another"]}
    assert publisher.post("/v1/cloudimages/members", json=batch).status_code == 200
    assert publisher.delete(f"/v2/images/{image}").status_code == 204

    found = events_of(publisher, image, 4)
    by_recipient = events_of(service.client("recipient"), image, 2)

    assert [event["type"].removeprefix("transom.") for event in found] == [
        *("share.offered", "share.offered", "image.deleted", "image.deleted"),
    ]
    assert {event["data"]["via"] for event in found[:2]} == {"ims"}
    assert [event["type"] for event in by_recipient] == ["transom.share.offered", "transom.image.deleted"]


def test_a_reader_that_follows_next_sees_each_event_once(server: Service) -> None:
    publisher = server.client("publisher")
    images = [create_image(server) for _ in range(5)]
    for image in images:
        offer(server, image)
    events_of(publisher, images[-1], 1)

    seen = []
    url = f"{FEED}?limit=2&type=share.offered"
    while url:
        page = publisher.get(url).json()
        seen += [event["id"] for event in page["events"]]
        url = page["next"]
    rest = publisher.get(FEED, params={"after": page["cursor"], "type": "share.offered"}).json()

    assert len(seen) == len(set(seen)) >= 5
    assert seen == sorted(seen)
    assert rest["events"] == []


def test_history_is_the_feed_backwards(server: Service) -> None:
    image = create_image(server)
    for _ in range(3):
        project = offer(server, image)
        server.client("publisher").delete(f"/v2/images/{image}/members/{project}")
    forwards = events_of(server.client("publisher"), image, 6)

    backwards = events_of(server.client("publisher"), image, 6, order="desc", limit="6")
    first = (
        server.client("publisher").get(FEED, params={"image": image, "order": "desc", "limit": "4"}).json()
    )
    second = server.client("publisher").get(first["next"]).json()

    assert backwards == forwards[::-1]
    assert first["events"] + second["events"] == backwards
    assert second["next"] is None


def test_a_reader_may_wait_for_the_next_event(server: Service) -> None:
    publisher = server.client("publisher")
    image = create_image(server)
    cursor = publisher.get(FEED, params={"image": image}).json()["cursor"]
    query = {"image": image, "after": cursor, "wait": "30"}

    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(lambda: publisher.get(FEED, params=query, timeout=60).json())
        offer(server, image)
        page = waiting.result()

    assert [event["type"] for event in page["events"]] == ["transom.share.offered"]


def test_who_loses_the_right_while_waiting_is_told_nothing(server: Service) -> None:
    image, recipient = create_image(server), server.client("recipient")
    after = recipient.get(FEED, params={"order": "desc", "limit": "1"}).json()["cursor"]
    token = new_token(server, "recipient")
    query, headers = {"after": after, "wait": "30"}, {"X-Auth-Token": token}

    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(
            lambda: plain_http.get(server.url + FEED, params=query, headers=headers, timeout=60)
        )
        recipient.get(FEED)
        gone = recipient.delete("/identity/v3/auth/tokens", headers={"X-Subject-Token": token})
        offer(server, image)
        answer = waiting.result()

    assert gone.status_code == 204
    problem_of(answer, "unauthenticated", 401)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "wait=31",
        "wait=-1",
        "wait=1&order=desc",
        "order=up",
        "all=yes",
        "type=nothing.*",
        "type=share.*,nothing.*",
        "type=share.[a-z]*",
        "type=" + ",".join(["share.*"] * 51),
        "image=",
        f"image={'x' * 300}",
        "after=forged",
        "after=",
        "colour=red",
        "limit=1&limit=2",
        "with=%00",
    ],
)
def test_a_wrong_query_is_refused_by_name(server: Service, query: str) -> None:
    problem = problem_of(server.client("publisher").get(f"{FEED}?{query}"), "invalid", 400)

    assert problem["parameter"] == query.partition("=")[0]


def test_everything_is_for_administrators(server: Service) -> None:
    image = create_image(server)
    offer(server, image)
    events_of(server.client("publisher"), image, 1)

    refused = server.client("publisher").get(FEED, params={"all": "true"})
    (seen,) = events_of(server.client("admin"), image, 1, all="true")

    problem_of(refused, "forbidden", 403)
    assert events_of(server.client("admin"), image, 0) == []
    assert seen["data"]["by"]["user"] is not None


def test_the_feed_needs_credentials(server: Service) -> None:
    assert server.client(None).get(FEED).status_code == 401
