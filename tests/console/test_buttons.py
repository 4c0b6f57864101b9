"""A button is there for whom the API lets do what it does: roles × owner, recipient, stranger; admin."""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from harness.service import Service

from .visitor import Visitor

CALLERS = ("publisher", "publisher-reader", "recipient", "recipient-reader", "other", "other-reader", "admin")
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


class Things(NamedTuple):
    """What is acted on, the publisher's: an image and a family, offered to the recipient, and a hook."""

    image: str
    family: str
    hook: str
    recipient: str


@pytest.fixture
def things(server: Service) -> Iterator[Things]:
    client, recipient = server.client("publisher"), server.clouds["recipient"].project_id
    body = {"name": "acted-on", "disk_format": "raw", "container_format": "bare"}
    image = str(client.post("/v2/images", json=body).json()["id"])
    kind = {"Content-Type": "application/octet-stream"}
    client.put(f"/v2/images/{image}/file", content=b"data", headers=kind)
    family = client.post("/share/v1/families", json={"name": f"f-{uuid.uuid4().hex[:20]}"}).json()["id"]
    offered = {"images": [image], "families": [family], "projects": [recipient]}
    done = client.post("/share/v1/offers", json=offered).json()
    assert done["offered"] == 2, done
    yield Things(image, str(family), "", recipient)
    # A project has only so many.
    client.delete(f"/share/v1/families/{family}")


@pytest.fixture(scope="module")
def hook(server: Service) -> Iterator[str]:
    client = server.client("publisher")
    made = client.post("/share/v1/hooks", json={"url": "https://ci.example.org/images"}).json()["id"]
    yield str(made)
    client.delete(f"/share/v1/hooks/{made}")


@pytest.fixture(scope="module")
def visitors(server: Service) -> Iterator[dict[str, Visitor]]:
    found = {}
    for name in CALLERS:
        found[name] = Visitor(server)
        found[name].sign_in(server.clouds[name])
    yield found
    for visitor in found.values():
        visitor.http.close()


def _replace(field: str, value: Any) -> Callable[[httpx.Client, Things], bool]:
    def ask(client: httpx.Client, things: Things) -> bool:
        change = [{"op": "replace", "path": f"/{field}", "value": value}]
        return client.patch(f"/v2/images/{things.image}", json=change, headers=PATCH).is_success

    return ask


def _verb(verb: str, **more: Any) -> Callable[[httpx.Client, Things], bool]:
    """Whether the verb does it to the image: refused as a whole, or by a failure, it does not."""

    def ask(client: httpx.Client, things: Things) -> bool:
        to = {} if verb == "answers" else {"projects": [things.recipient]}
        answer = client.post(f"/share/v1/{verb}", json={"images": [things.image], **to, **more})
        return answer.status_code == 200 and not answer.json()["failures"]

    return ask


def _deactivate(client: httpx.Client, things: Things) -> bool:
    return client.post(f"/v2/images/{things.image}/actions/deactivate").is_success


def _delete(client: httpx.Client, things: Things) -> bool:
    return client.delete(f"/v2/images/{things.image}").is_success


def _change_family(client: httpx.Client, things: Things) -> bool:
    return client.patch(f"/share/v1/families/{things.family}", json={"title": "New"}).is_success


def _make_family(client: httpx.Client, _things: Things) -> bool:
    made = client.post("/share/v1/families", json={"name": f"n-{uuid.uuid4().hex[:20]}"})
    if made.is_success:
        client.delete(f"/share/v1/families/{made.json()['id']}")
    return made.is_success


def _change_hook(client: httpx.Client, things: Things) -> bool:
    return client.patch(f"/share/v1/hooks/{things.hook}", json={"batch": False}).is_success


def _invalid(path: str, body: dict[str, Any]) -> Callable[[httpx.Client, Things], bool]:
    """Whether the request is refused for what it says, rather than for who sends it."""

    def ask(client: httpx.Client, _things: Things) -> bool:
        status = client.post(path, json=body).status_code
        assert status in (400, 403)
        return status == 400

    return ask


def _keep_rule(client: httpx.Client, _things: Things) -> bool:
    path = f"/share/v1/rules/projects/{uuid.uuid4().hex}"
    return client.put(path, json={"answer": "rejected"}).is_success


_IMAGE, _FAMILY, _HOOK = "/images/{0.image}", "/families/{0.family}", "/hooks/{0.hook}"
#: Page, what of it is the button, the call that it makes.
BUTTONS: dict[str, tuple[str, str, Callable[[httpx.Client, Things], bool]]] = {
    "edit": (_IMAGE, ">Edit…<", _replace("name", "new")),
    "protect": (_IMAGE, ">Protect from deletion<", _replace("protected", True)),
    "hide": (_IMAGE, ">Hide from lists<", _replace("os_hidden", True)),
    "deactivate": (_IMAGE, ">Deactivate…<", _deactivate),
    "delete": (_IMAGE, ">Delete…<", _delete),
    "offer": (_IMAGE, '/offer" data-dialog', _verb("offers")),
    "withdraw": (_IMAGE, ">Withdraw…<", _verb("withdrawals")),
    "accept": (_IMAGE, 'name="accept"', _verb("answers", answer="accepted")),
    "reject": (_IMAGE, 'name="reject"', _verb("answers", answer="rejected")),
    "leave": (_IMAGE, 'name="leave"', _verb("answers", answer="left")),
    "add version": (_FAMILY, "Add version", _change_family),
    "family settings": (_FAMILY + "/settings", "Save", _change_family),
    "test a hook": (_HOOK, "Send a test", _change_hook),
    "new hook": ("/hooks", "New webhook", _invalid("/share/v1/hooks", {"url": "http://10.0.0.1/"})),
    "upload": ("/images", "Upload an image", _invalid("/v2/images", {"min_disk": -1})),
    "new family": ("/families", "New family", _make_family),
    "new rule": ("/inbox/rules", "New rule", _keep_rule),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("button", BUTTONS)
def test_a_button_is_shown_to_whom_the_api_lets(
    server: Service, visitors: dict[str, Visitor], things: Things, hook: str, button: str, caller: str
) -> None:
    path, mark, may = BUTTONS[button]
    found = things._replace(hook=hook)

    shown = html.unescape(visitors[caller].get(path.format(found)).text)

    assert (mark in shown) == may(server.client(caller), found)
