"""Webhooks over HTTP: who may, what is refused, and a whole story with a real receiver."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from conftest import SharedServices
from harness.receiver import Receiver
from harness.service import MakeService, Service

from .calls import problem_of

PATH = "/share/v1/hooks"
URL = "https://ci.example.org/images"
#: The receivers of these tests are on this machine.
INSIDE = {"TRANSOM_HOOK_SCHEMES": "http,https", "TRANSOM_HOOK_HOSTS": "127.0.0.1", "TRANSOM_HOOK_QUOTA": "-1"}


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite", **INSIDE)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def each(request: pytest.FixtureRequest, shared_services: SharedServices) -> Service:
    return shared_services.get(request.param, **INSIDE)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


def make_hook(client: httpx.Client, **body: Any) -> dict[str, Any]:
    made = client.post(PATH, json={"url": URL} | body)
    assert made.status_code == 201, made.text
    hook: dict[str, Any] = made.json()
    return hook


def share_image(service: Service, to: str = "recipient") -> str:
    """The id of a new image of the publisher's that is offered."""
    client = service.client("publisher")
    image_id: str = client.post("/v2/images", json={"name": "web"}).json()["id"]
    project = service.clouds[to].project_id
    assert client.post(f"/v2/images/{image_id}/members", json={"member": project}).status_code == 200
    return image_id


def test_a_hook_is_told_of_what_happens_and_shows_that_it_was(each: Service, receiver: Receiver) -> None:
    client = each.client("recipient")
    hook = make_hook(client, url=f"{receiver.origin}/in", types=["share.*"])

    image_id = share_image(each)

    received = receiver.take()
    received.verify(hook["secret"])
    event = received.events[0]
    assert (event["type"], event["data"]["image"]["id"]) == ("transom.share.offered", image_id)
    assert event["data"]["by"]["user"] is None
    feed = client.get("/share/v1/events", params={"image": image_id}).json()["events"]
    assert event == feed[0]
    assert event["data"]["owner"]["name"] is not None
    project = each.clouds["recipient"].project_id
    client.put(f"/v2/images/{image_id}/members/{project}", json={"status": "accepted"})
    by = receiver.take().events[0]["data"]["by"]
    assert by["user_name"] == each.clouds["recipient"].username
    assert client.delete(f"{PATH}/{hook['id']}").status_code == 204


def test_the_secret_is_shown_once(server: Service) -> None:
    client = server.client("publisher")
    hook = make_hook(client)
    path = f"{PATH}/{hook['id']}"

    again = client.post(f"{path}/secret")

    assert hook["secret"].startswith("whsec_")
    assert again.json()["secret"] not in ("", hook["secret"])
    shown = client.get(path).text + client.get(PATH).text + client.patch(path, json={"batch": True}).text
    assert "whsec_" not in shown
    assert "whsec_" not in server.read_log()
    log = server.read_log()
    assert hook["secret"] not in log
    assert again.json()["secret"] not in log


def test_a_test_is_sent_at_once_whatever_the_filter_and_tells_what_came_of_it(
    server: Service, receiver: Receiver
) -> None:
    client = server.client("publisher")
    hook = make_hook(client, url=receiver.origin, types=["family.revoked"])
    receiver.status = 418

    assert client.post(f"{PATH}/{hook['id']}/test").status_code == 202

    received = receiver.take()
    received.verify(hook["secret"])
    assert received.events[0]["type"] == "transom.hook.test"
    assert "sequence" not in received.events[0]
    while (shown := client.get(f"{PATH}/{hook['id']}").json())["last_status"] is None:
        pass
    assert (shown["last_status"], shown["last_error"]) == (418, "The receiver answered 418.")
    assert "what nobody is shown" not in str(shown)
    assert (shown["enabled"], shown["failed_tries"]) == (True, 0)


def test_a_cursor_that_is_set_back_brings_events_again(server: Service, receiver: Receiver) -> None:
    client = server.client("publisher")
    hook = make_hook(client, url=receiver.origin, types=["share.offered"])
    image_id = share_image(server)
    first = receiver.take()
    assert first.events[0]["data"]["image"]["id"] == image_id

    again = client.put(f"{PATH}/{hook['id']}/cursor", json={"after": hook["cursor"]})

    assert again.status_code == 200
    assert receiver.take().body == first.body
    assert client.delete(f"{PATH}/{hook['id']}").status_code == 204


def test_a_hook_that_is_enabled_again_says_when_it_is_tried(server: Service, receiver: Receiver) -> None:
    client = server.client("publisher")
    hook = make_hook(client, url=receiver.origin, types=["share.offered"])
    path = f"{PATH}/{hook['id']}"
    receiver.status = 410
    share_image(server)
    receiver.take()
    told = client.get(
        "/share/v1/events", params={"after": hook["cursor"], "type": "hook.disabled", "wait": 30}
    )
    assert len(told.json()["events"]) == 1
    assert client.get(path).json()["next_try_at"] is None

    enabled = client.patch(path, json={"enabled": True}).json()

    assert enabled["failed_tries"] == 0
    assert enabled["next_try_at"] > enabled["last_failure_at"]
    assert client.delete(path).status_code == 204


def test_after_a_kill_everything_comes_at_least_once_and_in_order(
    make_service: MakeService, receiver: Receiver
) -> None:
    service = make_service("sqlite", **INSIDE)
    hook = make_hook(service.client("recipient"), url=receiver.origin, types=["share.offered"])
    receiver.may_answer.clear()
    images = [share_image(service) for _ in range(3)]
    receiver.take()

    service.kill()
    receiver.may_answer.set()
    service.start()
    images.append(share_image(service))

    received: list[str] = []
    while not received or received[-1] != images[-1]:
        one = receiver.take()
        one.verify(hook["secret"])
        received.append(one.events[0]["data"]["image"]["id"])
    assert [one for number, one in enumerate(received) if one not in received[:number]] == images


# ---- who may


def test_hooks_are_the_projects_own(server: Service) -> None:
    hook = make_hook(server.client("publisher"))
    path = f"{PATH}/{hook['id']}"

    for who in ("recipient", "other"):
        client = server.client(who)
        problem_of(client.get(path), "not-found", 404)
        problem_of(client.patch(path, json={"enabled": False}), "not-found", 404)
        problem_of(client.post(f"{path}/secret"), "not-found", 404)
        problem_of(client.post(f"{path}/test"), "not-found", 404)
        problem_of(client.put(f"{path}/cursor", json={"after": hook["cursor"]}), "not-found", 404)
        problem_of(client.delete(path), "not-found", 404)
        assert hook["id"] not in client.get(PATH).text


@pytest.mark.parametrize("caller", ["recipient", "other-reader"])
@pytest.mark.parametrize(
    ("method", "below", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"enabled": False}),
        ("POST", "/secret", None),
        ("POST", "/test", None),
        ("PUT", "/cursor", {"after": "WyJldmVudHMiLDFd"}),
        ("DELETE", "", None),
    ],
)
def test_a_hook_of_others_looks_absent(
    server: Service, caller: str, method: str, below: str, body: dict[str, Any] | None
) -> None:
    hook = make_hook(server.client("publisher"))
    client, headers = server.client(caller), {"X-Openstack-Request-Id": "req-same"}

    hidden, absent = (
        client.request(method, f"{PATH}/{one}{below}", json=body, headers=headers)
        for one in (hook["id"], str(uuid.uuid4()))
    )

    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)


def test_a_reader_looks_and_changes_nothing(server: Service) -> None:
    hook = make_hook(server.client("publisher"))
    path, reader = f"{PATH}/{hook['id']}", server.client("publisher-reader")

    assert reader.get(path).status_code == 200
    assert hook["id"] in reader.get(PATH).text
    problem_of(reader.post(PATH, json={"url": URL}), "forbidden", 403)
    problem_of(reader.patch(path, json={"enabled": False}), "forbidden", 403)
    problem_of(reader.post(f"{path}/secret"), "forbidden", 403)
    problem_of(reader.post(f"{path}/test"), "forbidden", 403)
    problem_of(reader.delete(path), "forbidden", 403)


def test_only_an_admin_has_hooks_for_everybodys_events(server: Service) -> None:
    refused = server.client("publisher-manager").post(PATH, json={"url": URL, "scope": "all"})
    made = make_hook(server.client("admin"), scope="all")

    problem_of(refused, "forbidden", 403)
    assert made["scope"] == "all"
    assert server.client("admin").delete(f"{PATH}/{made['id']}").status_code == 204


# ---- what is refused


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://168.63.129.16/",
        "https://ci.example.org:8443/",
        "http://ci.example.org/",
        "ftp://ci.example.org/",
        "https://user:password@ci.example.org/",
        "https://ci.example.org/#part",
        "https://2130706433/",
        "https://ci.example.org/a b",
        "https://",
        "",
    ],
)
def test_a_url_that_may_not_be_sent_to_is_refused(server: Service, url: str) -> None:
    client = server.client("publisher")
    hook = make_hook(client)

    made = client.post(PATH, json={"url": url})
    changed = client.patch(f"{PATH}/{hook['id']}", json={"url": url})

    assert problem_of(made, "invalid", 400)["field"] == "/url"
    assert problem_of(changed, "invalid", 400)["field"] == "/url"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/url"),
        ({"url": 7}, "/url"),
        ({"url": URL, "types": []}, "/types"),
        ({"url": URL, "types": ["share.ofered"]}, "/types"),
        ({"url": URL, "types": ["transom.share.offered"]}, "/types"),
        ({"url": URL, "types": ["share.[a-z]*"]}, "/types"),
        ({"url": URL, "types": ["*"] * 51}, "/types"),
        ({"url": URL, "types": "share.*"}, "/types"),
        ({"url": URL, "scope": "everything"}, "/scope"),
        ({"url": URL, "secret": "whsec_own"}, "/secret"),
    ],
)
def test_a_body_that_is_wrong_is_refused_naming_the_field(
    server: Service, body: dict[str, Any], field: str
) -> None:
    assert problem_of(server.client("publisher").post(PATH, json=body), "invalid", 400)["field"] == field


@pytest.mark.parametrize("after", ["", "x", "WyJldmVudHMiLDFd"])
def test_a_cursor_that_no_feed_gave_is_refused(server: Service, after: str) -> None:
    client = server.client("publisher")
    hook = make_hook(client)

    response = client.put(f"{PATH}/{hook['id']}/cursor", json={"after": after})

    assert problem_of(response, "invalid", 400)["field"] == "/after"


def test_conditions_hold(server: Service) -> None:
    client = server.client("publisher")
    hook = make_hook(client)
    path = f"{PATH}/{hook['id']}"
    tag = client.get(path).headers["ETag"]

    changed = client.patch(path, json={"batch": True}, headers={"If-Match": tag})
    stale = client.patch(path, json={"batch": False}, headers={"If-Match": tag})

    assert (changed.status_code, changed.json()["batch"]) == (200, True)
    problem_of(stale, "precondition-failed", 412)
    known = client.get(path, headers={"If-None-Match": changed.headers["ETag"]})
    assert known.status_code == 304


def test_a_project_has_no_more_hooks_than_the_quota(make_service: MakeService) -> None:
    client = make_service("sqlite", TRANSOM_HOOK_QUOTA="1").client("publisher")
    make_hook(client)

    problem_of(client.post(PATH, json={"url": URL}), "limit", 413)


def test_hosts_that_are_not_named_can_be_closed(make_service: MakeService) -> None:
    settings = {"TRANSOM_HOOK_HOSTS": "ci.example.org", "TRANSOM_HOOK_PUBLIC_HOSTS": "false"}
    client = make_service("sqlite", **settings).client("publisher")
    make_hook(client, url="https://ci.example.org:8443/")

    refused = client.post(PATH, json={"url": "https://ci.example.com/"})

    assert problem_of(refused, "invalid", 400)["field"] == "/url"
