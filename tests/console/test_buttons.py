"""A button is there for whom the API lets do what it does: roles × owner, recipient, stranger; admin."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from conftest import SharedServices
from harness.service import Service

from .story import Story
from .visitor import Page, Visitor

CALLERS = ("publisher", "publisher-reader", "recipient", "recipient-reader", "other", "other-reader", "admin")
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    """Not the one of the other tests: what they leave in an inbox shows buttons there."""
    return shared_services.get("sqlite", TRANSOM_CONSOLE_IDLE_S="3600")


class Things(NamedTuple):
    """What is acted on, the publisher's: an image and a family, offered to the recipient, a hook, a family
    with versions in all states, and an image offered to several. `verified`: a project with a verified name,
    for which the publisher has a rule."""

    image: str
    family: str
    recipient: str
    hook: str = ""
    released: str = ""
    shared: str = ""
    verified: str = ""


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
def shared(server: Service) -> str:
    client = server.client("publisher")
    image = client.post("/v2/images", json={"name": "to-several"}).json()["id"]
    to = {"images": [image], "projects": [uuid.uuid4().hex, uuid.uuid4().hex]}
    assert client.post("/share/v1/offers", json=to).json()["offered"] == 2
    return str(image)


@pytest.fixture(scope="module")
def verified(server: Service) -> Iterator[str]:
    project = uuid.uuid4().hex
    name, rule = f"/share/v1/publishers/{project}", f"/share/v1/rules/projects/{project}"
    assert server.client("admin").put(name, json={"name": f"Team {project}"}).is_success
    assert server.client("publisher").put(rule, json={"answer": "rejected"}).is_success
    yield project
    server.client("publisher").delete(rule)
    server.client("admin").delete(name)


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
    made = client.put(path, json={"answer": "rejected"})
    client.delete(path)
    return made.is_success


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


def _answer_image(client: httpx.Client, things: Things) -> bool:
    answer = client.post("/share/v1/answers", json={"images": [things.image], "answer": "pending"})
    return answer.status_code == 200 and not answer.json()["failures"]


def _answer_family(client: httpx.Client, things: Things) -> bool:
    answer = client.post("/share/v1/answers", json={"families": [things.family], "answer": "pending"})
    return answer.status_code == 200 and not answer.json()["failures"]


def _give_nothing(client: httpx.Client, things: Things) -> bool:
    """Whether all that the recipient has of the caller could be withdrawn, and there is something."""
    given = client.get("/share/v1/shares", params={"to": f"projects/{things.recipient}", "limit": 1})
    to = {"everything": True, "projects": [uuid.uuid4().hex]}
    return bool(given.json().get("items")) and client.post("/share/v1/withdrawals", json=to).is_success


def _remove_rule(client: httpx.Client, things: Things) -> bool:
    """Whose project has it, and who may."""
    path = f"/share/v1/rules/projects/{things.verified}"
    removed = client.delete(path).is_success
    if removed:
        client.put(path, json={"answer": "rejected"})
    return removed


_IMAGE, _FAMILY, _HOOK = "/images/{0.image}", "/families/{0.family}", "/hooks/{0.hook}"
_RELEASED = "/families/{0.released}"
_SEVERAL = "/images/{0.shared}"
#: Page, what of it is the button, the call that it makes.
BUTTONS: dict[str, tuple[str, str, Callable[[httpx.Client, Things], bool]]] = {
    "edit": (_IMAGE, ">Edit…<", _replace("name", "new")),
    "protect": (_IMAGE, ">Protect from deletion<", _replace("protected", True)),
    "hide": (_IMAGE, ">Hide from lists<", _replace("os_hidden", True)),
    "deactivate": (_IMAGE, ">Deactivate…<", _deactivate),
    "delete": (_IMAGE, ">Delete…<", _delete),
    "offer": (_IMAGE, "Offer to projects…", _verb("offers")),
    "withdraw": (_IMAGE, "Withdraw… from recipient", _verb("withdrawals")),
    "withdraw from everybody": (_IMAGE, "Withdraw from everybody…", _verb("withdrawals")),
    "withdraw from selected": (_SEVERAL, "Withdraw from selected…", _verb("withdrawals")),
    "withdraw everything": ("/shared?to=projects/{0.recipient}", "Withdraw everything…", _give_nothing),
    "end of a share": (_IMAGE, ": the share with recipient ends", _change_terms),
    "accept": (_IMAGE, ">Accept<", _verb("answers", answer="accepted")),
    "reject": (_IMAGE, ">Reject<", _verb("answers", answer="rejected")),
    "leave": (_IMAGE, ">Leave…<", _verb("answers", answer="left")),
    "accept in the inbox": ("/inbox", 'name="accept" value="image:{0.image}"', _answer_image),
    "accept all": ("/inbox", 'name="all-accept"', _answer_image),
    "reject all": ("/inbox", 'name="all-reject"', _answer_image),
    "ask each time": ("/inbox", 'name="ask" value="family:{0.family}"', _answer_family),
    "accept a family": (_FAMILY, 'name="accept" value="family:{0.family}"', _answer_family),
    "add version": (_FAMILY, "Add version", _change_family),
    "family settings": (_FAMILY + "/settings", "Save", _change_family),
    "promote": (_RELEASED, "Promote… version 4", _late("PUT", "/current", {"number": 4})),
    "make current": (_RELEASED, "Make current… version 2", _late("PUT", "/current", {"number": 2})),
    "roll back": (_RELEASED, "Roll back to 2…", _late("PUT", "/current", {"number": 2})),
    "revoke": (_RELEASED, "Revoke… version 2", _late("POST", "/versions/2/revoke", {"reason": "old"})),
    "restore": (_RELEASED, "Restore… version 1", _late("POST", "/versions/1/restore")),
    "take out": (_RELEASED, "Take out… version 4", _late("DELETE", "/versions/4")),
    "delete family": (_RELEASED + "/settings", "Delete family…", _late("DELETE", "")),
    "withdraw family": (_RELEASED + "/members", "Withdraw…", _family_verb("withdrawals")),
    "withdraw family from everybody": (
        _RELEASED + "/members",
        "Withdraw from everybody…",
        _family_verb("withdrawals"),
    ),
    "offer family": (_RELEASED, "Offer to projects…", _family_verb("offers")),
    "test a hook": (_HOOK, "Send a test", _change_hook),
    "disable a hook": (_HOOK, ">Disable<", _change_hook),
    "change a hook": (_HOOK, ">Save<", _change_hook),
    "another secret": (_HOOK, "Another secret…", _change_hook),
    "delete a hook": (_HOOK, ">Delete…<", _change_hook),
    "send again": (_HOOK, ">Send again<", _change_hook),
    "new hook": ("/hooks", "New webhook", _invalid("/share/v1/hooks", {"url": "http://10.0.0.1/"})),
    "upload": ("/images", "Upload an image", _invalid("/v2/images", {"min_disk": -1})),
    "new family": ("/families", "New family", _make_family),
    "new rule": ("/inbox/rules", "New rule", _keep_rule),
    "remove a rule": ("/inbox/rules", "Remove the rule for {0.verified}", _remove_rule),
    "bring to the cache": ("/operator/stores", ">Queue<", _look("/v2/cache")),
    "withdraw a name": ("/operator/publishers?q={0.verified}", ">Withdraw the name<", _verify),
    "verify a publisher": ("/operator/publishers?q={0.recipient}", ">Verify<", _verify),
    "see health": ("/operator", "<h1>Health", _look("/share/v1/operation")),
    "see stores": ("/operator/stores", "<h1>Stores", _look("/v2/info/stores/detail")),
    "see projects": ("/operator/projects", "<h1>Projects", _look("/share/v1/projects")),
    "see the audit": ("/operator/audit", "<h1>Audit", _look("/share/v1/events?all=true")),
}


@pytest.fixture
def found(things: Things, hook: str, released: str, shared: str, verified: str) -> Things:
    return things._replace(hook=hook, released=released, shared=shared, verified=verified)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("button", BUTTONS)
def test_a_button_is_shown_to_whom_the_api_lets(
    server: Service, visitors: dict[str, Visitor], found: Things, button: str, caller: str
) -> None:
    path, mark, may = BUTTONS[button]

    shown = html.unescape(visitors[caller].get(path.format(found)).text)
    # Words for those who do not see the row, too.
    shown = re.sub(r"<span class=\"sr\">|</span>", "", shown)

    assert (mark.format(found) in shown) == may(server.client(caller), found)


#: Button → the page that asks before it does what the button says.
QUESTIONS = {
    "edit": _IMAGE + "/edit",
    "deactivate": _IMAGE + "/deactivate",
    "delete": _IMAGE + "/delete",
    "offer": _IMAGE + "/offer",
    "end of a share": _IMAGE + "/terms?to=projects/{0.recipient}",
    "withdraw": _IMAGE + "/withdraw?to=projects/{0.recipient}",
    "withdraw from everybody": _IMAGE + "/withdraw?everybody=1",
    "leave": "/inbox/leave?id=image:{0.image}",
    "add version": _FAMILY + "/add",
    "promote": _RELEASED + "/versions/4/promote",
    "revoke": _RELEASED + "/versions/2/revoke",
    "restore": _RELEASED + "/versions/1/restore",
    "take out": _RELEASED + "/versions/4/remove",
    "delete family": _RELEASED + "/delete",
    "withdraw family": _RELEASED + "/withdraw?to=projects/{0.recipient}",
    "withdraw family from everybody": _RELEASED + "/withdraw?everybody=1",
    "offer family": _RELEASED + "/offer",
    "another secret": _HOOK + "/secret",
    "delete a hook": _HOOK + "/delete",
    "new hook": "/hooks/new",
    "upload": "/images/upload",
    "new family": "/families/new",
}


@pytest.mark.parametrize("caller", CALLERS)
def test_a_question_is_asked_of_whom_the_api_lets(
    server: Service, visitors: dict[str, Visitor], found: Things, caller: str
) -> None:
    client = server.client(caller)
    asked = {name: visitors[caller].get(path.format(found)).status_code for name, path in QUESTIONS.items()}

    # What is asked first changes nothing for those that follow: the questions are asked before any deed.
    kept = [name for name in QUESTIONS if name not in ("deactivate", "delete", "leave")]
    may = {name: BUTTONS[name][2](client, found) for name in (*kept, "leave", "deactivate", "delete")}
    assert {name: status == 200 for name, status in asked.items()} == may
    assert set(asked.values()) <= {200, 403, 404}


#: Of what changes nothing of the project's: it looks, leads on, or is the user's own; of the page of uploads,
#: which is a question above; and what stands beside *Send again* while something waits.
LOOKS = (
    *("Filter", "Find", "Show", "Next 25", "Download", "Look again", "As JSON lines", "clouds.yaml"),
    *("Open image", "Images", "Rules", "Select all", "Close", "Cancel", "Go there", "Upload its data"),
    *("Upload", "Try again", "Sign in", "End session", "Pass over what waits"),
)


def test_every_button_of_every_page_is_looked_at_here(story: Story) -> None:
    marks = [re.sub(r"^.*>|<.*$", "", mark) for _, mark, _ in BUTTONS.values()]
    known = (*LOOKS, *(re.split(r"(?<=…) | \d| \{", mark)[0] for mark in marks))
    unknown = set()
    for account, pages in story.pages().items():
        with Visitor(story.service) as visitor:
            visitor.sign_in(story.service.clouds[account])
            for path in pages.values():
                page = visitor.get(path)
                if 'id="dialog"' not in page.text:
                    unknown |= {one for one in Page(page.text).buttons if not one.startswith(known)}
    assert unknown == set()
