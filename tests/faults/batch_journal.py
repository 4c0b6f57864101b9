"""What clients that share in batches were told, and whether the database agrees after a failure.

Each client has images of its own, so that it alone changes them and the model (`shares.py`) says what they
must look like after each answer. A call that got no answer was done whole, or not at all; of a batch, its job
tells which. The database is read as it lies there. Start reading at `Ledger.find_losses`.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any, NamedTuple

import asyncpg
from harness.service import Service

from . import shares
from .share_steps import Outcome, Step, brief, job_results
from .shares import Image, Offer, Results, World

KINDS = {
    "shares": "imsAddImageMembersJob",
    "answers": "imsUpdateImageMembersJob",
    "withdraws": "imsDelImageMembersJob",
}


class Batch(NamedTuple):
    """A batch as its job must describe it. `caller`: who started it."""

    caller: str
    kind: str
    images: tuple[str, ...]
    recipients: tuple[str, ...]
    results: Results


class Found(NamedTuple):
    """A job as the database has it."""

    kind: str
    project_id: str
    images: tuple[str, ...]
    recipients: tuple[str, ...]
    status: str
    is_over: bool


class Contents(NamedTuple):
    """All images, as the model has them, and all jobs."""

    images: dict[str, Image]
    jobs: dict[str, Found]


class Ledger:
    """One client's images, and its call that has no answer yet. Written by one thread."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._after: World | None = None
        self._batch: Batch | None = None
        self.answered: dict[str, Batch] = {}

    def attempt(self, step: Step) -> Outcome:
        """The step is about to be sent; it counts as unanswered until `settle`. What it must come to."""
        self._after, outcome = step.model(self.world)
        self._batch = None
        if not isinstance(outcome, str):
            images = tuple(dict.fromkeys(image_id for image_id, _member, _code in outcome))
            recipients = tuple(dict.fromkeys(member_id for _image, member_id, _code in outcome))
            kind = next(kind for verb, kind in KINDS.items() if f" {verb} " in step.text)
            self._batch = Batch(step.caller, kind, images, recipients, outcome)
        return outcome

    def settle(self, job_id: str | None) -> None:
        """The step was answered, a batch with its job."""
        assert self._after is not None
        self.world, self._after = self._after, None
        if self._batch is not None and job_id is not None:
            self.answered[job_id] = self._batch
        self._batch = None

    def find_losses(self, service: Service, contents: Contents) -> list[str]:
        """What the database has otherwise than it was answered for; empty when all is well.

        Afterwards what was seen counts for certain, and `answered` has the job of the batch that got no
        answer, if it is there.
        """
        seen = tuple(contents.images[one.image_id] for one in self.world if one.image_id in contents.images)
        before, after = self.world, self._after or self.world
        losses = []
        if seen not in (before, after):
            losses.append(
                f"{self._batch or 'a single call'} is half done, or lost: {_differences(seen, before, after)}"
            )
        if self._batch is not None:
            losses += self._judge_unanswered(
                contents, self._batch, is_done=seen == after, is_not=seen == before
            )
        for job_id, batch in self.answered.items():
            losses += _losses_of_job(service, job_id, batch, contents.jobs.get(job_id))
        self.world, self._after, self._batch = seen, None, None
        return losses

    def _judge_unanswered(
        self, contents: Contents, batch: Batch, *, is_done: bool, is_not: bool
    ) -> list[str]:
        """`is_done`, `is_not`: whether the images look like after it, like before it; maybe both."""
        own = [
            job_id
            for job_id, job in contents.jobs.items()
            if job_id not in self.answered
            and (job.kind, job.images, job.recipients) == (batch.kind, batch.images, batch.recipients)
        ]
        if len(own) > 1:
            return [f"one call, several jobs: {own}"]
        if own:
            self.answered[own[0]] = batch
            return [] if is_done else [f"job {own[0]} says that {batch.kind} was done, the images do not"]
        return [] if is_not else [f"{batch.kind} of {len(batch.results)} pairs was done without its job"]


def _losses_of_job(service: Service, job_id: str, batch: Batch, found: Found | None) -> list[str]:
    if found is None:
        return [f"job {job_id} of {len(batch.results)} pairs is lost"]
    project_id = service.clouds[batch.caller].project_id
    status = "FAIL" if any(code for _image, _member, code in batch.results) else "SUCCESS"
    expected = Found(batch.kind, project_id, batch.images, batch.recipients, status, is_over=True)
    return [] if found == expected else [f"job {job_id} is {found}, not {expected}"]


def find_strange_jobs(ledgers: Iterable[Ledger], contents: Contents) -> list[str]:
    """Jobs that nobody asked for. To be called when all ledgers have been judged."""
    known = {job_id for ledger in ledgers for job_id in ledger.answered}
    return [f"nobody asked for job {job_id}" for job_id in sorted(contents.jobs.keys() - known)]


def find_wrong_results(service: Service, job_ids: Iterable[str], ledger: Ledger) -> list[str]:
    """The jobs of these that are shown with other results than the model has."""
    wrong = []
    for job_id in job_ids:
        batch = ledger.answered[job_id]
        shown = job_results(service, batch.caller, job_id)
        if shown != batch.results:
            wrong.append(f"job {job_id} shows {brief(shown)}, not {brief(batch.results)}")
    return wrong


def _differences(seen: World, before: World, after: World) -> str:
    lines = []
    for image in before:
        found = shares.find(seen, image.image_id)
        if found != image or found != shares.find(after, image.image_id):
            expected = (image, shares.find(after, image.image_id))
            lines.append(f"{image.image_id}: {_size(found)} against {' or '.join(map(_size, expected))}")
    return "; ".join(lines[:10])


def _size(image: Image | None) -> str:
    return "gone" if image is None else f"{image.visibility} with {len(image.offers)} members"


# ---- the database as it lies there


def read_contents(service: Service) -> Contents:
    offers: dict[str, set[tuple[str, Offer]]] = {}
    for image_id, member_id, status, vault in _select(
        service, "select image_id, member_id, status, vault_id from member"
    ):
        offers.setdefault(image_id, set()).add((member_id, Offer(status, vault)))
    images = {
        image_id: Image(image_id, owner, visibility, frozenset(), frozenset(offers.get(image_id, ())))
        for image_id, owner, visibility in _select(service, "select id, owner, visibility from image")
    }
    rows = _select(service, "select id, kind, project_id, status, end_at, cast(input as text) from job")
    return Contents(images, {row[0]: _found(*row[1:]) for row in rows})


def _found(kind: str, project_id: str, status: str, end_at: int | None, given: str) -> Found:
    asked = json.loads(given)
    return Found(
        kind, project_id, tuple(asked["images"]), tuple(asked["recipients"]), status, end_at is not None
    )


def _select(service: Service, sql: str) -> list[tuple[Any, ...]]:
    if service.database.startswith("sqlite:///"):
        with closing(sqlite3.connect(service.database.removeprefix("sqlite:///"))) as connection:
            return list(connection.execute(sql))

    async def fetch() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(service.database)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(fetch())
