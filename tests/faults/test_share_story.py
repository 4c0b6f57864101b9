"""Eight clients at once tell the whole story of sharing, about the same images and families, through all
three APIs (share-api 4, 13, 15).

They offer, answer, leave, withdraw, publish, promote, revoke, restore and delete, and shares end meanwhile.
When they have stopped, what each project is shown is what the memberships say, and the events, replayed from
the first one on, come to what there is; an answered call that is sent again does nothing.
`TRANSOM_SOAK_ROUNDS` says how often they meet on each database, `TRANSOM_SOAK_SEED` repeats a run that failed
(as far as the machine repeats itself).
"""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest
from harness.service import MakeService, Service

from .at_work import together_until_done
from .calls import (
    STATUSES,
    add_member,
    create_active_image,
    eventually,
    member_statuses,
    remove_member,
    set_member_status,
)
from .share_journal import Feed, Keyed, find_wrong_answers
from .share_steps import BATCH

ROUNDS = int(os.environ.get("TRANSOM_SOAK_ROUNDS", "2"))
SEED = os.environ.get("TRANSOM_SOAK_SEED") or secrets.token_hex(4)
SETTINGS = {"TRANSOM_FAMILY_QUOTA": "-1", "TRANSOM_IDEMPOTENCY_KEY_QUOTA": "-1"}
DEPLOYMENTS = [
    pytest.param("sqlite", "1", id="sqlite"),
    pytest.param("postgresql", "2", id="postgresql with two workers"),
]
RECIPIENTS = ("recipient", "other")
PUBLISHING = 4
STEPS = 12
IMAGES = 4
ANSWERS = ("accepted", "accepted", "rejected", "pending", "left")
#: What a call may answer when others are faster: what it is about is gone, or became something else; a time
#: has come.
EXPECTED = frozenset({200, 201, 204, 400, 404, 409, 412})
#: Of answered calls, so many are sent again.
REPEATED = 5
#: What a client of the Image API is shown of a membership.
SIX_FIELDS = {"image_id", "member_id", "status", "created_at", "updated_at", "schema"}


@pytest.mark.parametrize(("database", "workers"), DEPLOYMENTS)
def test_after_eight_clients_all_sees_what_the_events_and_the_memberships_say(
    make_service: MakeService,
    database: str,
    workers: str,
    record_property: Callable[[str, object], None],
) -> None:
    with closing(make_service(database, TRANSOM_WORKERS=workers, **SETTINGS)) as service:
        feed = Feed(service)
        for number in range(1, ROUNDS + 1):
            faults = _meet(service, feed, number)
            where = f"TRANSOM_SOAK_SEED={SEED}, round {number} of {ROUNDS}, {feed.last} events"
            assert not faults, "\n".join([where, *faults[:20]])
        record_property("events", feed.last)


def _meet(service: Service, feed: Feed, number: int) -> list[str]:
    """What is wrong after a round."""
    story = _Story(service)
    clients: list[_Client] = [
        _Publisher(story, Random(f"{SEED}-{number}-{one}")) for one in range(PUBLISHING)
    ]
    clients += [
        _Recipient(story, Random(f"{SEED}-{number}-{name}-{one}"), name)
        for name in RECIPIENTS
        for one in (1, 2)
    ]
    together_until_done([client.run for client in clients])

    dice = Random(f"{SEED}-{number}")
    keyed = [call for client in clients for call in client.keyed]
    faults = [surprise for client in clients for surprise in client.surprises]
    for call in dice.sample([one for one in keyed if one.is_done], REPEATED):
        faults += call.find_faults_of_another(service)
    story.settle()
    faults += feed.find_faults()
    faults += find_wrong_answers(keyed, feed.done)
    faults += story.find_faults()
    story.end()
    return faults


class _Story:
    """What the clients of one round share. `images`: those that are there, as far as is known."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.owner = service.client("publisher")
        self.projects = {name: service.clouds[name].project_id for name in RECIPIENTS}
        for name in RECIPIENTS:
            service.client(name)
        self.images = [self.new_image() for _ in range(IMAGES)]
        self.families = [self._new_family() for _ in range(2)]

    def new_image(self) -> str:
        return create_active_image(self.owner, b"data", visibility="shared")

    def _new_family(self) -> str:
        made = self.owner.post("/share/v1/families", json={"name": f"family-{uuid.uuid4()}"})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def settle(self) -> None:
        """Wait until nothing ends any more, and give each family a member and then a new version: what
        happens to that one afterwards is nobody's doing."""
        assert eventually(self._ends, lambda ends: not ends) == []
        self._post("offers", {"families": self.families, "projects": list(self.projects.values())})
        answer = {"families": self.families, "answer": "accepted"}
        assert self.service.client("recipient").post("/share/v1/answers", json=answer).status_code == 200
        for family_id in self.families:
            self.images.append(self.new_image())
            self._post(f"families/{family_id}/versions", {"image_id": self.images[-1]})

    def _ends(self) -> list[Any]:
        shares = [self._get(f"/share/v1/images/{image_id}/shares")["items"] for image_id in self._living()]
        return [share for found in shares for share in found if share["expires_at"] or share["answer_by"]]

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        made = self.owner.post(f"/share/v1/{path}", json=body)
        assert made.is_success, made.text
        return made.json()

    def _get(self, path: str, caller: str = "publisher", **query: str) -> Any:
        found = self.service.client(caller).get(path, params=query or None)
        assert found.status_code == 200, f"{path}: {found.text}"
        return found.json()

    def _living(self) -> list[str]:
        """The images that were not deleted."""
        found = {one: self.owner.get(f"/v2/images/{one}").status_code for one in dict.fromkeys(self.images)}
        assert set(found.values()) <= {200, 404}
        return [image_id for image_id, status in found.items() if status == 200]

    # ---- what everybody sees

    def find_faults(self) -> list[str]:
        images = self._living()
        members = {image_id: member_statuses(self.owner, image_id) for image_id in images}
        faults = [fault for family_id in self.families for fault in self._faults_of_family(family_id)]
        for image_id in images:
            shown = self._get(f"/v2/images/{image_id}/members")["members"]
            faults += [f"a member has the fields {set(one)}" for one in shown if set(one) != SIX_FIELDS]
        for caller in RECIPIENTS:
            faults += self._faults_of_recipient(caller, members)
        return faults

    def _faults_of_family(self, family_id: str) -> list[str]:
        """At most one version is not hidden, and it is the current one."""
        current = self._get(f"/share/v1/families/{family_id}")["current_number"]
        versions = self._get(f"/share/v1/families/{family_id}/versions", limit="1000")["items"]
        shown = [
            one["number"]
            for one in versions
            if not self._get(f"/v2/images/{one['image']['id']}")["os_hidden"]
        ]
        return [f"version {current} is current, and {shown} are shown"] if shown != [current] else []

    def _faults_of_recipient(self, caller: str, members: dict[str, dict[str, str]]) -> list[str]:
        """Of each image the project sees what its membership says, in each API."""
        faults = []
        for status in STATUSES:
            expected = {
                image_id
                for image_id, statuses in members.items()
                if statuses.get(self.projects[caller]) == status
            }
            query = {
                "visibility": "shared",
                "member_status": status,
                "limit": "1000",
                "owner": self._owner_id,
            }
            listed = {
                image["id"]
                for hidden in ("false", "true")
                for image in self._get("/v2/images", caller, os_hidden=hidden, **query)["images"]
            }
            inbox = self._get("/share/v1/inbox", caller, status=status, kind="image", limit="1000")["items"]
            for name, found in (("list", listed), ("inbox", {one["image"]["id"] for one in inbox})):
                if found & members.keys() != expected:
                    faults.append(f"{caller}'s {name} of {status}: {found}, and it has {expected}")
        for image_id, statuses in members.items():
            faults += self._faults_of_look(caller, image_id, is_member=self.projects[caller] in statuses)
        return faults

    @property
    def _owner_id(self) -> str:
        return self.service.clouds["publisher"].project_id

    def _faults_of_look(self, caller: str, image_id: str, *, is_member: bool) -> list[str]:
        """What is not shared with it looks as if it were not there."""
        client, absent = self.service.client(caller), str(uuid.uuid4())
        faults = []
        for path in (f"/v2/images/{image_id}", f"/share/v1/inbox/images/{image_id}"):
            found, none = client.get(path), client.get(path.replace(image_id, absent))
            if is_member and found.status_code != 200:
                faults.append(f"{caller} has {path} and is told {found.text}")
            elif not is_member and _text_of(found, image_id) != _text_of(none, absent):
                faults.append(f"{caller} has not {path} and is told {found.text}, not {none.text}")
        return faults

    def end(self) -> None:
        """Remove it all: the next round looks at its own."""
        for family_id in self.families:
            assert self.owner.delete(f"/share/v1/families/{family_id}").status_code == 204
        for image_id in self._living():
            assert self.owner.delete(f"/v2/images/{image_id}").status_code == 204


def _text_of(answer: httpx.Response, image_id: str) -> tuple[int, str]:
    request_id = answer.headers["x-openstack-request-id"]
    return answer.status_code, answer.text.replace(image_id, "").replace(request_id, "")


class _Client:
    """Makes calls, each of them whatever the dice say."""

    name: str

    def __init__(self, story: _Story, dice: Random) -> None:
        self.story = story
        self.dice = dice
        self.keyed: list[Keyed] = []
        self.surprises: list[str] = []

    def run(self) -> None:
        for _ in range(STEPS):
            self._note(self._step())

    def _step(self) -> httpx.Response:
        raise NotImplementedError

    def _note(self, answer: httpx.Response) -> None:
        if answer.status_code not in EXPECTED:
            asked = f"{answer.request.method} {answer.request.url.path} {answer.request.content!r}"
            self.surprises.append(f"{asked} → {answer.status_code} {answer.text[:200]}")

    def _post(self, path: str, **body: Any) -> httpx.Response:
        call = Keyed(self.name, f"/share/v1/{path}", body or None, str(uuid.uuid4()))
        self.keyed.append(call)
        return call.send(self.story.service)

    def _some_images(self) -> list[str]:
        images = list(dict.fromkeys(self.story.images))
        return self.dice.sample(images, self.dice.randint(1, 3))


class _Publisher(_Client):
    name = "publisher"

    def _step(self) -> httpx.Response:
        verbs = [self._offer, self._withdraw, self._publish, self._promote, self._judge, self._delete]
        (verb,) = self.dice.choices(verbs, (6, 3, 2, 2, 2, 1))
        return verb()

    def _offer(self) -> httpx.Response:
        """An image or a family, by one of the APIs."""
        projects = self.dice.sample(list(self.story.projects.values()), self.dice.randint(1, 2))
        match self.dice.randrange(5):
            case 0:
                return add_member(self.story.owner, self.dice.choice(self.story.images), projects[0])
            case 1:
                return self.story.owner.post(
                    BATCH, json={"images": self._some_images(), "projects": projects}
                )
            case 2:
                return self._post(
                    "offers", families=[self.dice.choice(self.story.families)], projects=projects
                )
        ends = (
            {self.dice.choice(("expires_at", "answer_by")): self._soon()} if self.dice.random() < 0.4 else {}
        )
        return self._post("offers", images=self._some_images(), projects=projects, **ends)

    def _soon(self) -> str:
        return (datetime.now(UTC) + timedelta(seconds=self.dice.uniform(0.1, 2))).isoformat()

    def _withdraw(self) -> httpx.Response:
        project = self.dice.choice(list(self.story.projects.values()))
        match self.dice.randrange(4):
            case 0:
                return remove_member(self.story.owner, self.dice.choice(self.story.images), project)
            case 1:
                body = {"images": self._some_images(), "projects": [project]}
                return self.story.owner.request("DELETE", BATCH, json=body)
            case 2:
                family_id = self.dice.choice(self.story.families)
                return self._post("withdrawals", families=[family_id], projects=[project])
        return self._post("withdrawals", images=self._some_images(), projects=[project])

    def _publish(self) -> httpx.Response:
        image_id = self.story.new_image()
        self.story.images.append(image_id)
        return self._post(f"families/{self.dice.choice(self.story.families)}/versions", image_id=image_id)

    def _promote(self) -> httpx.Response:
        """Move the pointer of who knows where it is."""
        path = f"/share/v1/families/{self.dice.choice(self.story.families)}/current"
        tag = self.story.owner.get(path).headers["etag"]
        body = {"number": self.dice.randint(1, 4)}
        return self.story.owner.put(path, json=body, headers={"If-Match": tag})

    def _judge(self) -> httpx.Response:
        versions = f"families/{self.dice.choice(self.story.families)}/versions/{self.dice.randint(1, 4)}"
        if self.dice.random() < 0.5:
            return self._post(f"{versions}/revoke", reason="A test.")
        return self._post(f"{versions}/restore")

    def _delete(self) -> httpx.Response:
        """An image, which may be a version; another one comes in its place."""
        image_id = self.dice.choice(self.story.images)
        self.story.images.append(self.story.new_image())
        return self.story.owner.delete(f"/v2/images/{image_id}")


class _Recipient(_Client):
    def __init__(self, story: _Story, dice: Random, name: str) -> None:
        super().__init__(story, dice)
        self.name = name

    def _step(self) -> httpx.Response:
        client, project = self.story.service.client(self.name), self.story.projects[self.name]
        status = self.dice.choice(STATUSES)
        match self.dice.randrange(6):
            case 0:
                return set_member_status(client, self.dice.choice(self.story.images), project, status)
            case 1:
                body = {"images": self._some_images(), "project_id": project, "status": status}
                return client.put(BATCH, json=body)
            case 2 | 3:
                family_id, answer = self.dice.choice(self.story.families), self.dice.choice(ANSWERS)
                return self._post("answers", families=[family_id], answer=answer)
        return self._post("answers", images=self._some_images(), answer=self.dice.choice(ANSWERS))
