"""kill -9 of the service while clients use the share API (share-api 13, 15).

Promotions, the relay, the removal of what has ended, deliveries to webhooks and calls with an Idempotency-Key
are cut off wherever they are.

What was written is in the outbox or in the feed, and all of it; the feed has each event once, a webhook each
at least once and in order; a call with a key was done once at most, and its answer tells what was done.
`TRANSOM_SOAK_ROUNDS` says how many times the service is killed on each database, `TRANSOM_SOAK_SEED` repeats
a run that failed (as far as the machine repeats itself).
"""

from __future__ import annotations

import os
import secrets
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from threading import Event
from typing import Any

import httpx
import pytest
from harness.receiver import Receiver
from harness.service import MakeService, Service

from .at_work import at_work
from .calls import create_active_image, create_image
from .journal import Journal
from .share_journal import Deliveries, Feed, Keyed, find_wrong_answers

ROUNDS = int(os.environ.get("TRANSOM_SOAK_ROUNDS", "2"))
SEED = os.environ.get("TRANSOM_SOAK_SEED") or secrets.token_hex(4)
SETTINGS = {
    "TRANSOM_HOOK_SCHEMES": "http",
    "TRANSOM_HOOK_HOSTS": "127.0.0.1",
    "TRANSOM_FAMILY_QUOTA": "-1",
    "TRANSOM_IDEMPOTENCY_KEY_QUOTA": "-1",
}
#: A round looks at all that those before it have left in the database, and so takes longer and longer.
ROUNDS_OF_A_DATABASE = 25
DEPLOYMENTS = [
    pytest.param("sqlite", "1", id="sqlite"),
    pytest.param("postgresql", "1", id="postgresql"),
    pytest.param("sqlite", "2", id="sqlite with two workers"),
]
PUBLISHERS = SHARERS = 4
#: At most so many calls are answered, or messages delivered, before the kill; a round is to be short.
MOST_ANSWERS = 30
MOST_DELIVERED = 12
IMAGES = 6
#: Of a family; domains, because they need not be asked.
MEMBERS = 40
RECIPIENTS = 60
#: What a call with a key may answer. A time may have come before the call did, or a version be revoked by it.
EXPECTED = frozenset({200, 201, 400, 409})


@pytest.mark.parametrize(("database", "workers"), DEPLOYMENTS)
def test_what_was_shared_is_told_once_and_keys_work_once_after_a_kill_of_the_service(
    make_service: MakeService,
    database: str,
    workers: str,
    record_property: Callable[[str, object], None],
) -> None:
    dice = Random(SEED)
    done: Counter[str] = Counter()
    for first in range(1, ROUNDS + 1, ROUNDS_OF_A_DATABASE):
        rounds = range(first, min(first + ROUNDS_OF_A_DATABASE, ROUNDS + 1))
        with closing(make_service(database, TRANSOM_WORKERS=workers, **SETTINGS)) as service:
            done.update(_kill_in_rounds(service, rounds, dice))
    for name, count in done.items():
        record_property(name, count)


def _kill_in_rounds(service: Service, rounds: range, dice: Random) -> Counter[str]:
    """Kill the new service in each round, and look at what is left. How much of what there was of it all."""
    journal, feed = Journal(), Feed(service)
    clients: list[_Client] = [_Publisher(service, journal, number) for number in range(PUBLISHERS)]
    clients += [_Sharer(service, journal, number) for number in range(PUBLISHERS, PUBLISHERS + SHARERS)]

    with Receiver() as receiver:
        deliveries = Deliveries(receiver, _make_hook(service, receiver))
        for number in rounds:
            faults: list[str] = []
            with at_work([partial(client.run, number) for client in clients]):
                if dice.random() < 0.5:
                    journal.wait_for_answers(dice.randint(1, MOST_ANSWERS))
                else:
                    for _ in range(dice.randint(1, MOST_DELIVERED)):
                        faults += deliveries.take()
                service.kill()
            service.start()

            faults += [*journal.surprises, *feed.find_faults()]
            faults += deliveries.take_until(feed.last)
            for client in clients:
                faults += find_wrong_answers(client.take_answered(), feed.done)
            where = f"TRANSOM_SOAK_SEED={SEED}, round {number} of {ROUNDS}, {feed.last} events"
            assert not faults, "\n".join([where, *faults[:20]])

        for client in clients:
            client.finish()
        faults = feed.find_faults()
        for client in clients:
            faults += find_wrong_answers(client.take_answered(), feed.done)
        faults += deliveries.take_until(feed.last)
    assert not faults, "\n".join([f"TRANSOM_SOAK_SEED={SEED}", *faults[:20]])
    return Counter(
        {
            "kills": len(rounds),
            "answers": journal.answers,
            "calls sent again": sum(client.again for client in clients),
            "calls done before the kill": sum(client.done_before for client in clients),
            "events": feed.last,
            "events delivered again": deliveries.repeated,
        }
    )


def _make_hook(service: Service, receiver: Receiver) -> str:
    """The secret of a webhook that is told of everything, many events at a time."""
    body = {"url": receiver.origin, "types": ["*"], "batch": True, "scope": "all"}
    made = service.client("admin").post("/share/v1/hooks", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["secret"])


class _Client:
    """Makes one call with a key after another until it is cut off, and then the same call again first."""

    def __init__(self, service: Service, journal: Journal, number: int) -> None:
        self._service = service
        self._journal = journal
        self._number = number
        self._unanswered: Keyed | None = None
        self._answered: list[Keyed] = []
        #: Calls that were sent once more after a kill, and those of them that had been done before it.
        self.again = self.done_before = 0
        self._projects = {name: service.clouds[name].project_id for name in ("recipient", "other")}
        for name in ("publisher", "recipient"):
            service.client(name)

    def run(self, number: int, stop: Event) -> None:
        dice = Random(f"{SEED}-{number}-{self._number}")
        try:
            self.finish()
            self._begin(dice)
            while not stop.is_set() and not self._journal.surprises:
                self._step(dice)
        except httpx.TransportError:
            pass  # The service is gone, and the call without an answer.

    def finish(self) -> None:
        """Send what was not answered once more."""
        if self._unanswered is not None:
            answer = self._send(self._unanswered)
            self.again += 1
            self.done_before += "idempotency-replayed" in answer.headers

    def take_answered(self) -> list[Keyed]:
        """The calls that were answered since this was asked last."""
        answered, self._answered = self._answered, []
        return answered

    def _begin(self, dice: Random) -> None:
        pass

    def _step(self, dice: Random) -> None:
        raise NotImplementedError

    def _post(self, caller: str, path: str, **body: Any) -> httpx.Response:
        call = Keyed(caller, f"/share/v1/{path}", body or None, str(uuid.uuid4()))
        self._unanswered = call
        return self._send(call)

    def _send(self, call: Keyed) -> httpx.Response:
        answer = call.send(self._service)
        if answer.status_code not in EXPECTED:
            self._journal.note_surprise(str(call))
        self._unanswered = None
        self._answered.append(call)
        self._journal.note_answer()
        return answer


def _soon(dice: Random) -> str:
    return (datetime.now(UTC) + timedelta(seconds=dice.uniform(1, 3))).isoformat()


class _Publisher(_Client):
    """Has a family of its own in each round: publishes, revokes and restores versions of it."""

    def _begin(self, dice: Random) -> None:
        client = self._service.client("publisher")
        made = client.post("/share/v1/families", json={"name": f"family-{uuid.uuid4()}"})
        assert made.status_code == 201, made.text
        self._family = made.json()["id"]
        self._numbers: list[int] = []
        domains = [f"domain-{number}" for number in range(MEMBERS)]
        self._post("publisher", "offers", families=[self._family], domains=domains)

    def _step(self, dice: Random) -> None:
        versions = f"families/{self._family}/versions"
        verb = dice.random()
        if verb < 0.6 or len(self._numbers) < 2:
            image_id = create_active_image(self._service.client("publisher"), b"data")
            answer = self._post("publisher", versions, image_id=image_id)
            if answer.is_success:
                self._numbers.append(answer.json()["number"])
        elif verb < 0.7:
            domains = [f"guest-{dice.randrange(1000)}" for _ in range(10)]
            soon = _soon(dice)
            self._post("publisher", "offers", families=[self._family], domains=domains, expires_at=soon)
        elif verb < 0.9:
            when = {"at": _soon(dice)} if dice.random() < 0.3 else {}
            path = f"{versions}/{dice.choice(self._numbers)}/revoke"
            self._post("publisher", path, reason="A test.", **when)
        else:
            self._post("publisher", f"{versions}/{dice.choice(self._numbers)}/restore")


class _Sharer(_Client):
    """Offers, withdraws and answers images of its own, in sets of all sizes; most of it ends soon."""

    def __init__(self, service: Service, journal: Journal, number: int) -> None:
        super().__init__(service, journal, number)
        client = service.client("publisher")
        self._images = [create_image(client)["id"] for _ in range(IMAGES)]
        fillers = [f"project-{one}" for one in range(RECIPIENTS)]
        self._recipients = [*self._projects.values(), *fillers]

    def _step(self, dice: Random) -> None:
        images = dice.sample(self._images, dice.randint(1, IMAGES))
        projects = self._recipients[: dice.choice((1, 2, 10, RECIPIENTS))]
        verb = dice.random()
        if verb < 0.6:
            ends = {dice.choice(("expires_at", "answer_by")): _soon(dice)} if dice.random() < 0.7 else {}
            self._post("publisher", "offers", images=images, projects=projects, **ends)
        elif verb < 0.8:
            self._post("recipient", "answers", images=images, answer="accepted")
        else:
            self._post("publisher", "withdrawals", images=images, projects=projects, reason="A test.")
