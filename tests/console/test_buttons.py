"""A button is there for whom the API lets do what it does: roles × owner, recipient, stranger; admin."""

from __future__ import annotations

import html
import re
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
    """What is acted on, the publisher's: an image and a family, offered to the recipient, a hook, and a
    family with versions in all states."""

    image: str
    family: str
    recipient: str
    hook: str = ""
    released: str = ""


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
    yield Things(image, str(family), recipient)
    # A project has only so many.
    client.delete(f"/share/v1/families/{family}")


@pytest.fixture(scope="module")
def hook(server: Service) -> Iterator[str]:
    client = server.client("publisher")
    made = client.post("/share/v1/hooks", json={"url": "https://ci.example.org/images"}).json()["id"]
    yield str(made)
    client.delete(f"/share/v1/hooks/{made}")


@pytest.fixture(scope="module")
def released(server: Service) -> Iterator[str]:
    """1 is revoked, 2 superseded, 3 current and 4 a candidate; the recipient is a member."""
    client, recipient = server.client("publisher"), server.client("recipient")
    family = client.post("/share/v1/families", json={"name": f"r-{uuid.uuid4().hex[:20]}"}).json()["id"]
    for number in range(1, 5):
        body = {"name": f"version-{number}", "disk_format": "raw", "container_format": "bare"}
        image = client.post("/v2/images", json=body).json()["id"]
        kind = {"Content-Type": "application/octet-stream"}
        client.put(f"/v2/images/{image}/file", content=b"data", headers=kind)
        version = {"image_id": image, "promote": number < 4}
        assert client.post(f"/share/v1/families/{family}/versions", json=version).is_success
    assert client.post(f"/share/v1/families/{family}/versions/1/revoke", json={"reason": "old"}).is_success
    to = {"families": [family], "projects": [server.clouds["recipient"].project_id]}
    assert client.post("/share/v1/offers", json=to).json()["offered"] == 1
    recipient.post("/share/v1/answers", json={"families": [family], "answer": "accepted"})
    yield str(family)
    client.delete(f"/share/v1/families/{family}")


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


def _family_verb(verb: str) -> Callable[[httpx.Client, Things], bool]:
    """The same of the family, for a project that does not matter."""

    def ask(client: httpx.Client, things: Things) -> bool:
        body = {"families": [things.family], "projects": [uuid.uuid4().hex]}
        answer = client.post(f"/share/v1/{verb}", json=body)
        return answer.status_code == 200 and not answer.json()["failures"]

    return ask


def _deactivate(client: httpx.Client, things: Things) -> bool:
    return client.post(f"/v2/images/{things.image}/actions/deactivate").is_success


def _delete(client: httpx.Client, things: Things) -> bool:
    return client.delete(f"/v2/images/{things.image}").is_success


def _change_family(client: httpx.Client, things: Things) -> bool:
    return client.patch(f"/share/v1/families/{things.family}", json={"title": "New"}).is_success


def _change_terms(client: httpx.Client, things: Things) -> bool:
    path = f"/share/v1/images/{things.image}/shares/projects/{things.recipient}"
    return client.patch(path, json={"message": "new"}).is_success


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


def _late(
    method: str, path: str, body: dict[str, Any] | None = None
) -> Callable[[httpx.Client, Things], bool]:
    """Whether the request is refused for what it was made for, rather than for who sends it."""

    def ask(client: httpx.Client, things: Things) -> bool:
        place = f"/share/v1/families/{things.released}{path}"
        status = client.request(method, place, json=body, headers={"If-Match": '"of-before"'}).status_code
        assert status in (403, 404, 412)
        return status == 412

    return ask


def _verify(client: httpx.Client, _things: Things) -> bool:
    path = f"/share/v1/publishers/{uuid.uuid4().hex}"
    made = client.put(path, json={"name": f"Team {uuid.uuid4().hex}"})
    client.delete(path)
    return made.is_success


def _look(path: str) -> Callable[[httpx.Client, Things], bool]:
    def ask(client: httpx.Client, _things: Things) -> bool:
        return client.get(path).is_success

    return ask


_IMAGE, _FAMILY, _HOOK = "/images/{0.image}", "/families/{0.family}", "/hooks/{0.hook}"
_RELEASED = "/families/{0.released}"
#: Page, what of it is the button, the call that it makes.
BUTTONS: dict[str, tuple[str, str, Callable[[httpx.Client, Things], bool]]] = {
    "edit": (_IMAGE, ">Edit…<", _replace("name", "new")),
    "protect": (_IMAGE, ">Protect from deletion<", _replace("protected", True)),
    "hide": (_IMAGE, ">Hide from lists<", _replace("os_hidden", True)),
    "deactivate": (_IMAGE, ">Deactivate…<", _deactivate),
    "delete": (_IMAGE, ">Delete…<", _delete),
    "offer": (_IMAGE, '/offer" data-dialog', _verb("offers")),
    "withdraw": (_IMAGE, "Withdraw… from recipient", _verb("withdrawals")),
    "end of a share": (_IMAGE, ": the share with recipient ends", _change_terms),
    "accept": (_IMAGE, 'name="accept"', _verb("answers", answer="accepted")),
    "reject": (_IMAGE, 'name="reject"', _verb("answers", answer="rejected")),
    "leave": (_IMAGE, "Leave…", _verb("answers", answer="left")),
    "add version": (_FAMILY, "Add version", _change_family),
    "family settings": (_FAMILY + "/settings", "Save", _change_family),
    "promote": (_RELEASED, "Promote… version 4", _late("PUT", "/current", {"number": 4})),
    "roll back": (_RELEASED, "Roll back to 2…", _late("PUT", "/current", {"number": 2})),
    "revoke": (_RELEASED, "Revoke… version 2", _late("POST", "/versions/2/revoke", {"reason": "old"})),
    "restore": (_RELEASED, "Restore… version 1", _late("POST", "/versions/1/restore")),
    "take out": (_RELEASED, "Take out… version 4", _late("DELETE", "/versions/4")),
    "delete family": (_RELEASED + "/settings", "Delete family…", _late("DELETE", "")),
    "withdraw family": (_RELEASED + "/members", "Withdraw…", _family_verb("withdrawals")),
    "offer family": (_RELEASED, "Offer to projects…", _family_verb("offers")),
    "test a hook": (_HOOK, "Send a test", _change_hook),
    "new hook": ("/hooks", "New webhook", _invalid("/share/v1/hooks", {"url": "http://10.0.0.1/"})),
    "upload": ("/images", "Upload an image", _invalid("/v2/images", {"min_disk": -1})),
    "new family": ("/families", "New family", _make_family),
    "new rule": ("/inbox/rules", "New rule", _keep_rule),
    "verify a publisher": ("/operator/publishers?q={0.recipient}", ">Verify<", _verify),
    "see health": ("/operator", "<h1>Health", _look("/share/v1/operation")),
    "see stores": ("/operator/stores", "<h1>Stores", _look("/v2/info/stores/detail")),
    "see projects": ("/operator/projects", "<h1>Projects", _look("/share/v1/projects")),
    "see the audit": ("/operator/audit", "<h1>Audit", _look("/share/v1/events?all=true")),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("button", BUTTONS)
def test_a_button_is_shown_to_whom_the_api_lets(
    server: Service,
    visitors: dict[str, Visitor],
    things: Things,
    hook: str,
    released: str,
    button: str,
    caller: str,
) -> None:
    path, mark, may = BUTTONS[button]
    found = things._replace(hook=hook, released=released)

    shown = html.unescape(visitors[caller].get(path.format(found)).text)
    # Words for those who do not see the row, too.
    shown = re.sub(r"<span class=\"sr\">|</span>", "", shown)

    assert (mark in shown) == may(server.client(caller), found)
