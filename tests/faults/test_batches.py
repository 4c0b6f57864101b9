"""kill -9 of the service while clients share in batches (docs/ims.md, "Batches").

Each batch that was answered is there afterwards, with its job; each other one is there whole, with its job,
or leaves no trace. `TRANSOM_SOAK_ROUNDS` says how many times the service is killed on each database,
`TRANSOM_SOAK_SEED` repeats a run that failed (as far as the machine repeats itself).
"""

from __future__ import annotations

import os
import secrets
from functools import partial
from random import Random
from threading import Event

import httpx
import pytest
from harness.service import MakeService, Service

from .at_work import at_work
from .batch_journal import Ledger, find_strange_jobs, find_wrong_results, read_contents
from .journal import Journal
from .share_steps import Step, Steps, create_image, outcome_of
from .shares import DOMAIN

ROUNDS = int(os.environ.get("TRANSOM_SOAK_ROUNDS", "3"))
SEED = os.environ.get("TRANSOM_SOAK_SEED") or secrets.token_hex(4)
CLIENTS = 4
#: At most so many calls are answered before the kill; a round is to be short.
MOST_ANSWERS = 40
IMAGES = 25
RECIPIENTS = 120
#: The service's default; nothing here comes near it.
MOST_RECIPIENTS = 256
#: Of images and of recipients in one batch: from one pair to three thousand.
SIZES_OF_IMAGES = (1, 1, 3, 10, IMAGES)
SIZES_OF_RECIPIENTS = (1, 1, 5, 40, RECIPIENTS)
DEPLOYMENTS = [
    pytest.param("sqlite", "1", id="sqlite"),
    pytest.param("postgresql", "1", id="postgresql"),
    pytest.param("sqlite", "2", id="sqlite with two workers"),
]


@pytest.mark.parametrize(("database", "workers"), DEPLOYMENTS)
def test_a_batch_is_answered_and_kept_or_whole_or_absent_after_a_kill_of_the_service(
    make_service: MakeService, database: str, workers: str
) -> None:
    service = make_service(database, TRANSOM_WORKERS=workers)
    dice = Random(SEED)
    journal = Journal()
    clients = [_Client(service, journal, number) for number in range(CLIENTS)]
    ledgers = [client.ledger for client in clients]

    for number in range(1, ROUNDS + 1):
        known = [frozenset(ledger.answered) for ledger in ledgers]
        for name in ("publisher", "recipient"):
            service.client(name)  # Made here: two threads that find none would each make one.
        with at_work([partial(client.run, number) for client in clients]):
            journal.wait_for_answers(dice.randint(1, MOST_ANSWERS))
            service.kill()
        service.start()

        contents = read_contents(service)
        losses = [*journal.surprises]
        for ledger, before in zip(ledgers, known, strict=True):
            losses += ledger.find_losses(service, contents)
            losses += find_wrong_results(service, ledger.answered.keys() - before, ledger)
        losses += find_strange_jobs(ledgers, contents)

        where = f"TRANSOM_SOAK_SEED={SEED}, round {number} of {ROUNDS}, {journal.answers} answered calls"
        assert not losses, "\n".join([where, *losses])


class _Client:
    """Shares, withdraws and answers images of its own, in batches of all sizes, until it is cut off."""

    def __init__(self, service: Service, journal: Journal, number: int) -> None:
        self._service = service
        self._journal = journal
        self._number = number
        self._steps = Steps(service, MOST_RECIPIENTS)
        owner = self._steps.project("publisher")
        world = tuple(create_image(service.client("publisher"), owner) for _ in range(IMAGES))
        self.ledger = Ledger(world)
        self._images = [image.image_id for image in world]
        fillers = [f"project-{one:03}" for one in range(RECIPIENTS - 2)]
        self._recipients = [self._steps.project("recipient"), *fillers, DOMAIN]

    def run(self, number: int, stop: Event) -> None:
        dice = Random(f"{SEED}-{number}-{self._number}")
        try:
            while not stop.is_set() and not self._journal.surprises:
                self._take(self._choose(dice))
        except httpx.TransportError:
            pass  # The service is gone, and the step without an answer.

    def _choose(self, dice: Random) -> Step:
        images = dice.sample(self._images, dice.choice(SIZES_OF_IMAGES))
        size = dice.choice(SIZES_OF_RECIPIENTS)
        # The first of them can answer, and the last is a domain: both are to be met often.
        recipients = self._recipients[:size] if dice.random() < 0.5 else self._recipients[-size:]
        verb = dice.random()
        if verb < 0.1:
            return self._steps.set_visibility("publisher", images[0], "private")
        if verb < 0.3:
            return self._steps.answer("recipient", images, dice.choice(["accepted", "rejected"]))
        make = self._steps.share if verb < 0.7 else self._steps.withdraw
        return make("publisher", images, recipients)

    def _take(self, step: Step) -> None:
        expected = self.ledger.attempt(step)
        response = step.send(self._service.client(step.caller))
        if step.is_batch and isinstance(expected, str):
            if outcome_of(step, self._service, response) != expected:
                self._journal.note_surprise(f"{step.text[:200]}: {response.status_code} {response.text}")
            self.ledger.settle(None)
            return
        if response.status_code != 200:
            self._journal.note_surprise(f"{step.text[:200]}: {response.status_code} {response.text}")
            return
        self.ledger.settle(response.json()["job_id"] if step.is_batch else None)
        self._journal.note_answer()
