"""The share API against a model of it: whatever is done in whatever order, all of its answers agree.

Offers, answers, withdrawals, promotes, revocations and deletions are made at random, by the share API, the
Image API and IMS, and time passes to the microsecond before, at or behind an end; after each, what owner and
recipients see by the Image API and the share API is what the model says.
"""

import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import DATABASES
from harness.service import MakeService, Service
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from .calls import Body, list_all, post, project_of
from .family_calls import Published, ok
from .model import ACCEPTED, LEFT, NEVER, PENDING, REJECTED, Terms, World
from .stopped_clock import StoppedClock, text_of

RECIPIENTS = ("recipient", "other")
#: Versions of the family, and an image that is none.
VERSIONS, IMAGES = ("first", "second"), ("first", "second", "apart")

some_images = st.lists(st.sampled_from(IMAGES), min_size=1, max_size=3, unique=True)
some_recipients = st.lists(st.sampled_from(RECIPIENTS), min_size=1, max_size=2, unique=True)
an_image, a_recipient = st.sampled_from(IMAGES), st.sampled_from(RECIPIENTS)
a_version = st.sampled_from(VERSIONS)
#: In how many seconds an offer lapses and its share ends.
some_terms = st.sampled_from(((None, None), (None, None), (60, None), (None, 60), (60, 120), (120, 60)))
In = tuple[int | None, int | None]
a_decision = st.sampled_from((ACCEPTED, REJECTED))
an_answer = st.sampled_from((ACCEPTED, ACCEPTED, REJECTED, PENDING, LEFT))

#: So many that a run takes some twenty seconds.
BOUNDED = settings(
    max_examples=14,
    stateful_step_count=20,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


class Sharing(RuleBasedStateMachine):
    """One service; each run has images and a family of its own."""

    service: Service
    clock: StoppedClock

    def __init__(self) -> None:
        super().__init__()
        self.family = Published(self.service, f"f-{uuid.uuid4()}")
        self.images = {name: self.family.image() for name in VERSIONS}
        shared = self.family.owner.post("/v2/images", json={"name": "apart", "visibility": "shared"})
        self.images["apart"] = ok(shared, 201)["id"]
        for name in VERSIONS:
            self.family.publish(self.images[name], promote=False)
        for name in VERSIONS:
            self._make_shared(name)
        self.world = World(dict(enumerate(VERSIONS, 1)), now=self.clock.now)
        self.steps = 0

    def _make_shared(self, name: str) -> None:
        """A private image becomes shared when it is offered first; here all are from the start."""
        for verb in ("offers", "withdrawals"):
            self._post("publisher", verb, images=[name], projects=["recipient"])

    @initialize(to=some_recipients, terms=some_terms, version=a_version)
    def begin(self, to: list[str], terms: In, version: str) -> None:
        """Most of what can go wrong needs members that have something."""
        self.offer_family(to, terms)
        for caller in to:
            self.answer_family(caller, ACCEPTED, None)
        self.promote(version)

    def teardown(self) -> None:
        self._see_shares_by_image()
        self.family.owner.delete(self.family.path)
        for image_id in self.images.values():
            self.family.owner.delete(f"/v2/images/{image_id}")

    def _post(self, caller: str, verb: str, **body: Any) -> Body:
        if "images" in body:
            body["images"] = [self.images[name] for name in body["images"]]
        if "projects" in body:
            body["projects"] = [project_of(self.service, name) for name in body["projects"]]
        return post(self.service, caller, verb, **body)

    def _is_told(self, answered: Body, outcomes: list[str]) -> None:
        expected = Counter(outcomes)
        failed = expected.pop("failure", 0)
        assert len(answered["failures"]) == failed
        assert {name: answered[name] for name in expected} == dict(expected)
        counted = ("offered", "renewed", "unchanged", "changed", "withdrawn", "absent")
        assert sum(answered.get(name, 0) for name in counted) == expected.total()

    # ---- time

    @rule(which=st.integers(0, 3), by=st.sampled_from((-1, 0, 1)))
    def pass_to_an_end(self, which: int, by: int) -> None:
        """A microsecond before it, at it, or a microsecond behind it."""
        if ends := self.world.ends():
            now = max(ends[which % len(ends)] + by, self.clock.now)
            self.clock.set(now)
            self.world.pass_to(now)

    def _terms(self, terms: In) -> tuple[Terms, Body]:
        """The terms of an offer that is made now, for the model and for a request."""
        moments = [self.clock.now + one * 1_000_000 if one is not None else NEVER for one in terms]
        named = zip(("answer_by", "expires_at"), moments, strict=True)
        return Terms(*moments), {name: text_of(moment) for name, moment in named if moment != NEVER}

    # ---- images

    @rule(images=some_images, to=some_recipients, terms=some_terms)
    def offer(self, images: list[str], to: list[str], terms: In) -> None:
        known, asked = self._terms(terms)
        done = self._post("publisher", "offers", images=images, projects=to, **asked)
        self._is_told(done, [self.world.offer(image, project, known) for image in images for project in to])

    @rule(images=some_images, caller=a_recipient, answer=an_answer)
    def answer(self, images: list[str], caller: str, answer: str) -> None:
        done = self._post(caller, "answers", images=images, answer=answer)
        self._is_told(done, [self.world.answer(image, caller, answer) for image in images])

    @rule(images=some_images, whom=some_recipients)
    def withdraw(self, images: list[str], whom: list[str]) -> None:
        done = self._post("publisher", "withdrawals", images=images, projects=whom)
        self._is_told(done, [self.world.withdraw(image, project) for image in images for project in whom])

    @rule(images=some_images)
    def withdraw_from_everybody(self, images: list[str]) -> None:
        done = self._post("publisher", "withdrawals", images=images, everybody=True)
        told = [self.world.withdraw(image, project) for image in images for project in RECIPIENTS]
        self._is_told(done, [one for one in told if one != "absent"])

    @rule(image=an_image, to=a_recipient)
    def offer_by_the_image_api(self, image: str, to: str) -> None:
        path = f"/v2/images/{self.images[image]}/members"
        made = self.family.owner.post(path, json={"member": project_of(self.service, to)})
        assert made.status_code == (409 if (image, to) in self.world.shares else 200), made.text
        if made.is_success:
            self.world.offer(image, to)

    @rule(image=an_image, caller=a_recipient, answer=st.sampled_from((ACCEPTED, REJECTED, PENDING)))
    def answer_by_the_image_api(self, image: str, caller: str, answer: str) -> None:
        path = f"/v2/images/{self.images[image]}/members/{project_of(self.service, caller)}"
        told = self.service.client(caller).put(path, json={"status": answer})
        expected = self.world.answer(image, caller, answer)
        assert told.status_code == (404 if expected == "failure" else 200), told.text

    @rule(
        images=some_images, whom=a_recipient, verb=st.sampled_from(("POST", "PUT", "DELETE")), says=a_decision
    )
    def share_by_ims(self, images: list[str], whom: str, verb: str, says: str) -> None:
        """Offer, answer or withdraw: the job is done when it is answered. An answer is refused where nothing
        of it was offered."""
        project = project_of(self.service, whom)
        body: Body = {"images": [self.images[name] for name in images]}
        body |= {"project_id": project, "status": says} if verb == "PUT" else {"projects": [project]}
        client = self.service.client(whom) if verb == "PUT" else self.family.owner
        done = client.request(verb, "/v1/cloudimages/members", json=body)
        if verb == "POST":
            told = [self.world.offer(image, whom) for image in images]
        elif verb == "PUT":
            told = [self.world.answer(image, whom, says) for image in images]
        else:
            told = [self.world.withdraw(image, whom) for image in images]
        assert done.status_code == (400 if {*told} == {"failure"} else 200), done.text

    # ---- the family

    @rule(to=some_recipients, terms=some_terms)
    def offer_family(self, to: list[str], terms: In) -> None:
        known, asked = self._terms(terms)
        done = self._post("publisher", "offers", families=[self.family.id], projects=to, **asked)
        self._is_told(done, [self.world.offer_family(project, known) for project in to])

    @rule(caller=a_recipient, answer=an_answer, new_versions=st.sampled_from((None, None, ACCEPTED, PENDING)))
    def answer_family(self, caller: str, answer: str, new_versions: str | None) -> None:
        more = {} if new_versions is None else {"new_versions": new_versions}
        done = self._post(caller, "answers", families=[self.family.id], answer=answer, **more)
        self._is_told(done, [self.world.answer_family(caller, answer, new_versions)])

    @rule(whom=some_recipients)
    def withdraw_family(self, whom: list[str]) -> None:
        done = self._post("publisher", "withdrawals", families=[self.family.id], projects=whom)
        self._is_told(done, [self.world.withdraw_family(project) for project in whom])

    @rule(version=a_version)
    def promote(self, version: str) -> None:
        number = self.world.number_of(version)
        done = self.family.point_at(number)
        assert done.status_code == (200 if self.world.promote(number) else 409), done.text

    @rule(version=a_version)
    def revoke(self, version: str) -> None:
        number = self.world.number_of(version)
        assert self.family.act(number, "revoke", reason="broken").status_code == 200
        self.world.revoke(number)

    @rule(version=a_version)
    def restore(self, version: str) -> None:
        number = self.world.number_of(version)
        assert self.family.act(number, "restore").status_code == 200
        self.world.restore(number)

    @rule(version=a_version)
    def replace(self, version: str) -> None:
        """Its image is deleted, and another one is a version, not yet current."""
        deleted = self.family.owner.delete(f"/v2/images/{self.images[version]}")
        assert deleted.status_code == 204, deleted.text
        self.world.delete(self.world.number_of(version))
        self.images[version] = self.family.image()
        made = self.family.publish(self.images[version], promote=False)
        self.world.versions[made["number"]] = version
        self._make_shared(version)

    # ---- what everybody sees

    @invariant()
    def the_owner_sees_all_of_it(self) -> None:
        members = ok(self.family.owner.get(f"{self.family.path}/members"))["items"]
        assert {one["recipient"]["project"]: (one["status"], one["new_versions"]) for one in members} == {
            project_of(self.service, project): (member.status, member.new_versions)
            for project, member in self.world.members.items()
        }
        states = {number: self.world.state(number) for number in self.world.versions}
        assert self.family.states() == states
        for project in RECIPIENTS:
            found = list_all(self.service, "publisher", "shares", to=project_of(self.service, project))
            shown = {one[one["kind"]]["id"]: one for one in found if one[one["kind"]]["id"] in self._mine()}
            assert {one: shown[one]["status"] for one in shown} == self._given_to(project)
            brought = {one for one, share in shown.items() if share["kind"] == "image" and share["family"]}
            assert brought == {
                self.images[image]
                for (image, recipient), share in self.world.shares.items()
                if recipient == project and share.is_brought
            }

    @invariant()
    def a_recipient_sees_what_it_has(self) -> None:
        """One of them after each step, in turns."""
        project = RECIPIENTS[self.steps % len(RECIPIENTS)]
        self.steps += 1
        client, given = self.service.client(project), self._given_to(project)
        shown: dict[str, str] = {}
        for status in (PENDING, ACCEPTED, REJECTED):
            found = list_all(self.service, project, "inbox", status=status, limit=100)
            shown |= {one[one["kind"]]["id"]: status for one in found}
        assert {one: status for one, status in shown.items() if one in self._mine()} == given
        listed = {one["id"] for one in ok(client.get("/v2/images", params={"limit": 100}))["images"]}
        for name, image_id in self.images.items():
            is_listed = given.get(image_id) == ACCEPTED and not self.world.is_hidden(name)
            assert (image_id in listed) == is_listed, name
            seen = client.get(f"/v2/images/{image_id}").status_code
            assert seen == (200 if image_id in given else 404), name

    def _mine(self) -> set[str]:
        return {*self.images.values(), self.family.id}

    def _given_to(self, project: str) -> dict[str, str]:
        """Id of an image or the family → status."""
        given = {
            self.images[image]: share.status
            for (image, recipient), share in self.world.shares.items()
            if recipient == project
        }
        member = self.world.members.get(project)
        return given if member is None else {**given, self.family.id: member.status}

    def _see_shares_by_image(self) -> None:
        for name, image_id in self.images.items():
            found = list_all(self.service, "publisher", f"images/{image_id}/shares")
            assert {one["recipient"]["project"]: one["status"] for one in found} == {
                project_of(self.service, project): share.status
                for (image, project), share in self.world.shares.items()
                if image == name
            }


@pytest.fixture
def stopped(tmp_path: Path) -> StoppedClock:
    return StoppedClock(tmp_path)


@pytest.fixture(params=DATABASES, ids=DATABASES)
def quiet(request: pytest.FixtureRequest, make_service: MakeService, stopped: StoppedClock) -> Service:
    """A service that nobody else fills."""
    return make_service(request.param, **stopped.settings)


def test_whatever_is_done_all_answers_agree_with_the_model(quiet: Service, stopped: StoppedClock) -> None:
    class OfThisService(Sharing):
        service, clock = quiet, stopped

    run_state_machine_as_test(OfThisService, settings=BOUNDED)
