"""Batches of shares beside each other and beside single calls: each is one step, and does what its job says.

The specification is the model of `shares.py`. One client after another must be told just what the model says
(a stateful test); of many at once, an order of the calls must exist in which the model would have told each
of them what it was told, each batch in one step (`histories.py`). Sources: docs/ims.md, images-v2 4.4-4.7,
4.10. `TRANSOM_SOAK_ROUNDS` says how many histories are made, `TRANSOM_SOAK_SEED` repeats their plans.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from random import Random
from threading import Barrier
from typing import NamedTuple
from uuid import uuid4

import httpx
import pytest
from harness.forks import create_migrated_database, forked_service
from harness.postgresql import PostgreSQL
from harness.service import Service
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from . import shares
from .calls import (
    PATIENCE_S,
    STATUSES,
    Answer,
    list_all_images,
    member_statuses,
    new_client,
    timed,
    together,
)
from .calls import create_image as make_image
from .histories import Event, explain
from .share_steps import (
    BATCH,
    Outcome,
    Step,
    Steps,
    brief,
    create_image,
    look,
    look_at_list,
    look_at_vault,
    outcome_of,
)
from .shares import BACKUP, DOMAIN, ENCRYPTED, MOST, WHOLE, World

ROUNDS = int(os.environ.get("TRANSOM_SOAK_ROUNDS", "12"))
SEED = os.environ.get("TRANSOM_SOAK_SEED") or secrets.token_hex(4)
#: Calls that each client makes in a history.
CALLS = 4
#: States that a search for an explaining order may visit; a history of ours takes a few thousand at most.
MOST_STATES = 300_000
ANSWERS = ("accepted", "rejected")
DEPLOYMENTS = [
    pytest.param(("sqlite", "1"), id="sqlite"),
    pytest.param(("sqlite", "2"), id="sqlite with two workers"),
    pytest.param(("postgresql", "1"), id="postgresql"),
    pytest.param(("postgresql", "2"), id="postgresql with two workers"),
]
few = settings(
    max_examples=max(10, ROUNDS // 2),
    stateful_step_count=20,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL
) -> Iterator[Service]:
    """One service for all tests of a deployment. Nobody else makes images in it."""
    database, workers = request.param
    limits = {"TRANSOM_IMAGE_MEMBER_QUOTA": str(MOST), "TRANSOM_IMS_MEMBER_QUOTA": str(MOST)}
    url = create_migrated_database(postgresql) if database == "postgresql" else None
    with forked_service(
        tmp_path_factory.mktemp(f"batches-{database}"), url, {"TRANSOM_WORKERS": workers, **limits}
    ) as running:
        yield running


# ---- one client after another


class Sharing(RuleBasedStateMachine):
    """Publisher, recipient, other and admin take turns; after each, what is shown is what the model has."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service
        self._steps = Steps(service)
        self._world: World = ()
        self._ids: list[str] = []
        self._taken = 0
        self._named_last: frozenset[str] = frozenset()

    @initialize(kinds=st.lists(st.sampled_from([{}, ENCRYPTED, WHOLE, BACKUP]), min_size=2, max_size=2))
    def make_images(self, kinds: list[dict[str, str]]) -> None:
        publisher, recipient = self._steps.project("publisher"), self._steps.project("recipient")
        client = self._service.client("publisher")
        made = [
            create_image(client, publisher, "shared"),
            create_image(client, publisher, "private", kinds[0]),
            create_image(client, publisher, "shared", kinds[1]),
            create_image(client, publisher, "private", BACKUP),
            create_image(self._service.client("recipient"), recipient, "shared"),
        ]
        self._world = tuple(made)
        self._ids = [*(image.image_id for image in made), str(uuid4())]

    images = st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True)
    one = st.integers(0, 3)
    recipients = st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True)

    @rule(caller=st.sampled_from(["publisher", "recipient", "admin"]), images=images, recipients=recipients)
    def share(self, caller: str, images: list[int], recipients: list[int]) -> None:
        some = self._some(images)
        self._take(self._steps.share(caller, some, self._named(recipients, caller)), *some)

    @rule(
        caller=st.sampled_from(["recipient", "other"]),
        images=images,
        status=st.sampled_from(ANSWERS),
        vault=st.sampled_from([None, "vault-1", "vault-2"]),
    )
    def answer(self, caller: str, images: list[int], status: str, vault: str | None) -> None:
        some = self._some(images)
        self._take(self._steps.answer(caller, some, status, vault), *some)

    @rule(caller=st.sampled_from(["publisher", "recipient", "admin"]), images=images, recipients=recipients)
    def withdraw(self, caller: str, images: list[int], recipients: list[int]) -> None:
        some = self._some(images)
        self._take(self._steps.withdraw(caller, some, self._named(recipients, caller)), *some)

    @rule(image=one, recipient=st.integers(0, 2), is_ims=st.booleans())
    def add_member(self, image: int, recipient: int, is_ims: bool) -> None:
        add = self._steps.add_ims if is_ims else self._steps.add_native
        self._take_with(add, image, recipient)

    @rule(
        image=one,
        caller=st.sampled_from(["recipient", "other"]),
        status=st.sampled_from(ANSWERS),
        is_ims=st.booleans(),
    )
    def set_member(self, image: int, caller: str, status: str, is_ims: bool) -> None:
        found = shares.find(self._world, self._ids[image])
        # A vault's absence is refused in a batch; by the OpenStack API nobody asks for one.
        is_ims = is_ims and found is not None and dict(found.kind) != BACKUP
        answer = self._steps.set_ims if is_ims else self._steps.set_native
        self._take(answer(caller, self._ids[image], status), self._ids[image])

    @rule(image=one, recipient=st.integers(0, 2), is_ims=st.booleans())
    def remove_member(self, image: int, recipient: int, is_ims: bool) -> None:
        remove = self._steps.remove_ims if is_ims else self._steps.remove_native
        self._take_with(remove, image, recipient)

    @rule(image=one, visibility=st.sampled_from(["private", "shared", "shared", "community"]))
    def set_visibility(self, image: int, visibility: str) -> None:
        step = self._steps.set_visibility("publisher", self._ids[image], visibility)
        self._take(step, self._ids[image])

    @rule(image=st.integers(0, 1))
    def delete(self, image: int) -> None:
        self._take(self._steps.delete("publisher", self._ids[image]), self._ids[image])

    @invariant()
    def shows_what_the_model_has(self) -> None:
        """Of the images that the last step named; after every fourth step of all, and in lists."""
        if self._taken % 4:
            self._look_at(image for image in self._world if image.image_id in self._named_last)
            return
        self._look_at(self._world)
        for caller in ("recipient", "other"):
            actor, client = self._steps.actor(caller), self._service.client(caller)
            expected = shares.listed(self._world, actor)
            assert {status: look_at_list(client, actor.project, status) for status in STATUSES} == expected, (
                caller
            )

    def _look_at(self, images: Iterable[shares.Image]) -> None:
        for image in images:
            owner = "publisher" if image.owner == self._steps.project("publisher") else "recipient"
            assert look(self._service.client(owner), image.image_id) == shares.shown(image)
            for caller in ("recipient", "other"):
                actor = self._steps.actor(caller)
                vault = look_at_vault(self._service.client(caller), image.image_id, actor.project)
                assert vault == shares.vault_of(image, actor), caller

    def teardown(self) -> None:
        for image in self._world:
            self._service.client("admin").delete(f"/v2/images/{image.image_id}")

    def _some(self, images: list[int]) -> list[str]:
        return [self._ids[number] for number in images]

    def _named(self, recipients: list[int], caller: str) -> list[str]:
        """Member ids. Nobody may name its own project, that is refused at once; but an admin the owner."""
        known = [self._steps.project(name) for name in ("recipient", "other")]
        everybody = [*known, "third", self._steps.project("publisher"), DOMAIN]
        named = [everybody[n] for n in recipients if everybody[n] != self._steps.project(caller)]
        named = named or ["third"]
        return sorted(named, key=lambda member_id: member_id.startswith("domain/"))

    def _take_with(self, make: Callable[[str, str, str], Step], image: int, recipient: int) -> None:
        image_id = self._ids[image]
        self._take(make("publisher", image_id, self._named([recipient], "publisher")[0]), image_id)

    def _take(self, step: Step, *image_ids: str) -> None:
        """`image_ids`: of the images that the step names."""
        self._taken += 1
        self._named_last = frozenset(image_ids)
        response = step.send(self._service.client(step.caller))
        outcome = outcome_of(step, self._service, response)

        self._world, expected = step.model(self._world)
        assert outcome == expected, f"{step.text}: {brief(outcome)}, expected {brief(expected)}"


def test_calls_one_after_another_do_and_tell_what_the_model_does(service: Service) -> None:
    run_state_machine_as_test(lambda: Sharing(service), settings=few)  # type: ignore[arg-type]


# ---- many at once


def test_an_image_gets_no_more_recipients_than_it_may_however_many_batches_share_it(service: Service) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(new_client(service, "publisher")) for _ in range(8)]
        for _ in range(ROUNDS):
            image_id = str(make_image(clients[0], visibility="shared")["id"])
            together(*(partial(_share_with_strangers, client, image_id, MOST - 1) for client in clients))

            assert len(member_statuses(clients[0], image_id)) == MOST


def _share_with_strangers(client: httpx.Client, image_id: str, count: int) -> httpx.Response:
    body = {"images": [image_id], "projects": [uuid4().hex for _ in range(count)]}
    return client.post(BATCH, json=body)


def test_batches_beside_single_calls_have_an_order_that_explains_all_answers(service: Service) -> None:
    for number in range(ROUNDS):
        _run_history(service, Random(f"{SEED}-{number}"), _Native(Steps(service)))


def test_batches_beside_removals_from_full_images_have_an_order_too(service: Service) -> None:
    """A place that a removal frees goes to one newcomer, and who was removed is not a member again."""
    for number in range(ROUNDS):
        dice, steps = Random(f"{SEED}-full-{number}"), Steps(service)
        _run_history(service, dice, _Native(steps), _plan_around_full_images)


def test_batches_beside_single_calls_of_the_ims_api_have_an_order_too(service: Service) -> None:
    """Their answers tell of one moment: 409 has made nothing, of two withdrawals one finds nothing."""
    for number in range(ROUNDS):
        _run_history(service, Random(f"{SEED}-ims-{number}"), _Ims(Steps(service)))


class _Native:
    """Single calls by the OpenStack API."""

    def __init__(self, steps: Steps) -> None:
        self.add, self.set, self.remove = steps.add_native, steps.set_native, steps.remove_native


class _Ims:
    """Single calls by the IMS API."""

    def __init__(self, steps: Steps) -> None:
        self.add, self.set, self.remove = steps.add_ims, steps.set_ims, steps.remove_ims


Singles = _Native | _Ims


class _Done(NamedTuple):
    step: Step
    answer: Answer
    response: httpx.Response


def _run_history(service: Service, dice: Random, singles: Singles, plan: Plan | None = None) -> None:
    """Make a history of three images and judge it; then remove them, whatever came of it."""
    try:
        _judge_history(service, dice, singles, plan or _plan)
    finally:
        for image in list_all_images(service):
            service.client("admin").delete(f"/v2/images/{image['id']}")


def _judge_history(service: Service, dice: Random, singles: Singles, plan: Plan) -> None:
    steps = Steps(service)
    world = tuple(
        create_image(service.client("publisher"), steps.project("publisher"), visibility)
        for visibility in ("shared", "shared", "private")
    )
    plans = plan(steps, singles, [image.image_id for image in world], dice)

    history = _run_in_parallel(service, plans)
    events = [_event(service, one) for one in history]
    shown_last = _look_at_all(service, world)

    order = explain([*events, *shown_last], world, MOST_STATES)
    assert order is not None, _tell([*events, *shown_last], steps, [image.image_id for image in world])


#: The calls of each client of a history, one after another.
Plan = Callable[[Steps, Singles, list[str], Random], list[list[Step]]]


def _plan(steps: Steps, singles: Singles, images: list[str], dice: Random) -> list[list[Step]]:
    """The calls of each client, one after another."""
    recipients = [steps.project("recipient"), steps.project("other"), "third", "fourth", DOMAIN]

    def batch(make: Callable[[str, list[str], list[str]], Step]) -> Step:
        whom = dice.sample(recipients, dice.randint(1, 3))
        whom.sort(key=lambda member_id: member_id.startswith("domain/"))
        caller = dice.choice(["publisher", "publisher", "admin"])
        return make(caller, dice.sample(images, dice.randint(1, 3)), whom)

    def answer(caller: str) -> Step:
        if dice.random() < 0.3:
            return singles.set(caller, dice.choice(images), dice.choice(ANSWERS))
        return steps.answer(caller, dice.sample(images, dice.randint(1, 3)), dice.choice(ANSWERS))

    def single() -> Step:
        make = dice.choice([singles.add, singles.add, singles.remove])
        return make("publisher", dice.choice(images), dice.choice(recipients[:4]))

    def change() -> Step:
        image_id = dice.choice(images)
        if dice.random() < 0.2:
            return steps.delete("publisher", image_id)
        return steps.set_visibility("publisher", image_id, dice.choice(["private", "shared"]))

    makers: list[Callable[[], Step]] = [
        lambda: batch(steps.share),
        lambda: batch(dice.choice([steps.share, steps.withdraw])),
        lambda: batch(steps.withdraw),
        lambda: answer("recipient"),
        lambda: answer("other"),
        single,
        change,
    ]
    return [[make() for _ in range(CALLS)] for make in makers]


def _plan_around_full_images(
    steps: Steps, singles: Singles, images: list[str], dice: Random
) -> list[list[Step]]:
    """The first call of every client fills the images; batches then ask for places that removals free."""
    regulars = [steps.project("recipient"), steps.project("other"), "third"]

    def fill() -> Step:
        return steps.share("publisher", images, regulars)

    def crowd() -> Step:
        newcomer = dice.choice(["fourth", "fifth"])
        named = dice.sample(images, dice.randint(1, 2))
        return steps.share("publisher", named, [newcomer, *dice.sample(regulars, dice.randint(1, 2))])

    def remove() -> Step:
        return singles.remove("publisher", dice.choice(images), dice.choice(regulars))

    def of_recipient() -> Step:
        make = dice.choice([steps.share, steps.withdraw])
        return make("recipient", dice.sample(images, dice.randint(1, 2)), ["fourth"])

    makers = [crowd, crowd, remove, remove, of_recipient]
    return [[fill(), *(make() for _ in range(CALLS))] for make in makers]


def _run_in_parallel(service: Service, plans: list[list[Step]]) -> list[_Done]:
    """What all clients did, each one call after another over connections of its own, all starting at once."""
    barrier = Barrier(len(plans))
    with ExitStack() as stack:
        clients = [
            {
                caller: stack.enter_context(new_client(service, caller))
                for caller in {step.caller for step in plan}
            }
            for plan in plans
        ]

        def run(own: dict[str, httpx.Client], plan: list[Step]) -> list[_Done]:
            done: list[_Done] = []
            barrier.wait(PATIENCE_S)
            for step in plan:
                kept: list[httpx.Response] = []

                def call(step: Step = step, kept: list[httpx.Response] = kept) -> httpx.Response:
                    kept.append(step.send(own[step.caller]))
                    return kept[0]

                done.append(_Done(step, timed(call), kept[0]))
            return done

        with ThreadPoolExecutor(len(plans)) as threads:
            running = [threads.submit(run, own, plan) for own, plan in zip(clients, plans, strict=True)]
            return [one for future in running for one in future.result()]


def _event(service: Service, done: _Done) -> Event[World]:
    step, answer = done.step, done.answer
    outcome = outcome_of(step, service, done.response)

    def act(world: World) -> tuple[World] | None:
        after, expected = step.model(world)
        if (outcome, expected) == ("413", "409") and step.is_full(world):
            # The look before the offer found no such member, the one after it a full image: both are so.
            return (world,)
        return (after,) if outcome == expected else None

    return Event(
        f"{step.text}: {brief(outcome)}", answer.start, answer.end, act, is_look=_is_refused(outcome)
    )


def _is_refused(outcome: Outcome) -> bool:
    """Whether so told, the call has done nothing, whatever it met."""
    if isinstance(outcome, str):
        return outcome[0] == "4"
    return all(code is not None for _image, _member, code in outcome)


def _look_at_all(service: Service, world: World) -> list[Event[World]]:
    """What is shown in the end, as calls that come after all others: images, lists, and what lies dormant."""
    steps, owner = Steps(service), service.client("publisher")
    ids = [image.image_id for image in world]
    first = _looked(service, steps, ids, 0)
    opened: list[Event[World]] = []
    for number, image_id in enumerate(ids):
        step = steps.set_visibility("publisher", image_id, "shared")
        response = step.send(owner)
        outcome = outcome_of(step, service, response)

        def act(world: World, step: Step = step, outcome: Outcome = outcome) -> tuple[World] | None:
            after, expected = step.model(world)
            return (after,) if outcome == expected else None

        opened.append(Event(f"{step.text} at last", _LAST + 2 + number, _LAST + 2.5 + number, act, False))
    return [first, *opened, _looked(service, steps, ids, 10)]


#: On no client's clock so late.
_LAST = 1e12


def _looked(service: Service, steps: Steps, ids: list[str], when: int) -> Event[World]:
    owner = service.client("publisher")
    seen = [look(owner, image_id) for image_id in ids]
    lists = {
        caller: {
            status: look_at_list(service.client(caller), steps.project(caller), status) for status in STATUSES
        }
        for caller in ("recipient", "other")
    }

    def act(world: World) -> tuple[World] | None:
        is_right = [shares.shown(shares.find(world, one)) for one in ids] == seen and lists == {
            caller: shares.listed(world, steps.actor(caller)) for caller in lists
        }
        return (world,) if is_right else None

    return Event(f"see {seen}", _LAST + when, _LAST + when + 0.5, act, is_look=True)


def _tell(events: list[Event[World]], steps: Steps, images: list[str]) -> str:
    """For the reader of a failed test: times in ms, images and projects by short names."""
    short = dict(zip(images, "ABC", strict=True))
    short |= {steps.project(name): name for name in ("publisher", "recipient", "other", "admin")}
    first = min(event.start for event in events)
    lines = [f"TRANSOM_SOAK_SEED={SEED}: no order explains"]
    for event in sorted(events, key=lambda event: event.end):
        text = event.name
        for long_name, name in short.items():
            text = text.replace(long_name, name)
        when = "at last" if event.start >= _LAST else f"{event.start - first:.6f} {event.end - first:.6f}"
        lines.append(f"{when} {text}")
    return "\n".join(lines)
