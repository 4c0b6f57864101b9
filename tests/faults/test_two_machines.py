"""kill -9 of machines that share a PostgreSQL server and S3 stores, while clients do all that moves data.

Whatever was answered is there afterwards: data with its hash, members, deletions; each job that was taken on
comes to its end; and when all images are deleted, no object is left. `TRANSOM_SOAK_ROUNDS` says how many
kills there are, `TRANSOM_SOAK_SEED` repeats a run that failed (as far as the machine repeats itself).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import httpx
import pytest
from conftest import IMPORTING
from harness.file_server import FileServer
from harness.forks import forked_service
from harness.postgresql import PostgreSQL
from harness.service import Service
from harness.swift import Swift

from .calls import (
    create_image,
    eventually,
    expect_eventually,
    list_all_images,
    member_statuses,
    show_image,
    upload_data,
    worker_pids,
)
from .journal import Journal

ROUNDS = int(os.environ.get("TRANSOM_SOAK_ROUNDS", "1"))
SEED = os.environ.get("TRANSOM_SOAK_SEED") or secrets.token_hex(4)
#: After so many kills all is compared and deleted: the time of a round is not to grow with those before.
ROUNDS_TO_RECKONING = 25
CLIENTS = 6
#: At most so many calls are answered before the kill; a round is to be short.
MOST_ANSWERS = 30
#: Of one object, and of one of several parts, which a kill may leave half sent.
SIZES = (1, 300_000, 2 << 20, 11 << 20)
OVER = {"SUCCESS", "FAIL"}
DATA = Random(1).randbytes(3 << 20)


@pytest.fixture
def machines(tmp_path: Path, postgresql: PostgreSQL, swift: Swift) -> Iterator[list[Service]]:
    """Two, each with a data folder of its own and the same accounts in it."""
    prefix = secrets.token_hex(4)
    stores = [f"{one}={swift.store_url(prefix=f'{prefix}/{one}')}" for one in ("cold", "deep")]
    settings = {
        **IMPORTING,
        **swift.settings(),
        "TRANSOM_STORES": ",".join(stores),
        "TRANSOM_DEFAULT_STORE": "cold",
        "TRANSOM_WORKERS": "2",
        "TRANSOM_UPLOAD_LEASE_S": "3",
        "TRANSOM_OPEN_JOBS_QUOTA": "1000",
    }
    url = postgresql.create_database()
    with ExitStack() as stack:
        found: list[Service] = []
        for name in ("a", "b"):
            folder = tmp_path / name
            folder.mkdir()
            service = forked_service(folder, url, settings)
            if found:
                first, own = found[0].data_dir, service.data_dir
                shutil.copytree(first / "identity", own / "identity")
                shutil.copy(first / "clouds.yaml", own)
            found.append(stack.enter_context(service))
        yield found


def test_nothing_answered_is_lost_or_stuck_when_machines_are_killed(
    machines: list[Service], swift: Swift, files: FileServer
) -> None:
    before = swift.kept()
    dice = Random(SEED)
    source = files.offer(DATA)
    for first in range(1, ROUNDS + 1, ROUNDS_TO_RECKONING):
        journal = Journal()
        clients = [_Client(machines, journal, source, number) for number in range(CLIENTS)]
        last = min(ROUNDS, first + ROUNDS_TO_RECKONING - 1)
        for number in range(first, last + 1):
            with _running(clients, number):
                journal.wait_for_answers(dice.randint(1, MOST_ANSWERS))
                killed = _kill(dice, machines)
            for service in killed:
                service.start()

            where = f"TRANSOM_SOAK_SEED={SEED}, round {number} of {ROUNDS}, {journal.answers} answered calls"
            faults = [*journal.surprises, *_stuck(machines[0])]
            faults += [
                fault for client in clients for fault in client.find_losses(looks_at_all=number == last)
            ]
            assert not faults, "\n".join([where, *faults])
        _expect_no_orphans(machines, swift, before)


def _expect_no_orphans(machines: list[Service], swift: Swift, before: set[Path]) -> None:
    """Database and stores agree; and when all images are deleted, no object of theirs is left."""
    check = machines[0].run("check", "--deep", "--output", "json", within_s=60 * ROUNDS_TO_RECKONING)
    assert check.returncode == 0, check.stdout
    admin = machines[1].client("admin")
    assert {admin.delete(f"/v2/images/{one['id']}").status_code for one in list_all_images(machines[1])} <= {
        204
    }
    expect_eventually(lambda: swift.kept() - before, set())


def _kill(dice: Random, machines: list[Service]) -> list[Service]:
    """Kill a machine, both, or a worker, which its machine replaces by itself; the machines that are gone."""
    victim = dice.choice(machines)
    if dice.random() < 0.25:
        os.kill(dice.choice(worker_pids(victim)), signal.SIGKILL)
        return []
    victims = machines if dice.random() < 0.3 else [victim]
    for service in victims:
        service.kill()
    return victims


@contextmanager
def _running(clients: list[_Client], number: int) -> Iterator[None]:
    """The clients are at work inside; after it they have stopped."""
    stop = Event()
    with ThreadPoolExecutor(len(clients)) as threads:
        running = [threads.submit(client.run, number, stop) for client in clients]
        try:
            yield
        finally:
            stop.set()
            for future in running:
                future.result()


def _stuck(service: Service) -> list[str]:
    """The images whose data stays on its way."""

    def moving() -> list[str]:
        return [
            f"{image['id']} stays {image['status']}"
            for image in list_all_images(service)
            if image["status"] not in ("active", "queued") or image.get("os_glance_importing_to_stores")
        ]

    return eventually(moving, lambda found: not found)


class _Client:
    """Does one thing after another, each at one of the machines, to images of its own; and knows what must be
    so. What got no answer it lets alone: `transom check` says at the end whether that is whole."""

    def __init__(self, machines: list[Service], journal: Journal, source: str, number: int) -> None:
        self._machines = machines
        self._journal = journal
        self._source = source
        self._number = number
        self._project_id = machines[0].clouds["publisher"].project_id
        for service in machines:
            for name in ("publisher", "admin"):
                service.client(name)
        #: Images with the hash of their data; their members; jobs, each with what must be so after it.
        self._data: dict[str, bytes] = {}
        #: Data that was found to be there after an earlier round.
        self._seen: set[str] = set()
        self._members: dict[str, set[str]] = {}
        self._jobs: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._imports: dict[str, bytes] = {}
        #: Images whose deletion was answered: since the last look, and before it.
        self._deleted: set[str] = set()
        self._gone: set[str] = set()
        #: What a job of this round works on, and is not deleted before its end.
        self._busy: set[str] = set()

    def run(self, number: int, stop: Event) -> None:
        dice = Random(f"{SEED}-{number}-{self._number}")
        while not stop.is_set() and not self._journal.surprises:
            service = dice.choice(self._machines)
            steps = [self._upload, self._download]
            if self._data:
                steps += [self._copy, self._copy_to_store, self._share, self._share]
            # Each round looks at all data again: there is not to be more and more of it.
            steps += [self._delete] * max(0, len(self._data.keys() - self._busy) - 2)
            try:
                dice.choice(steps)(service, dice)
            except httpx.TransportError:
                stop.wait(0.2)  # It was killed.

    def find_losses(self, *, looks_at_all: bool) -> list[str]:
        """What is not as it was answered, once the jobs are over. Data and deletions that an earlier look
        found as they should be are looked at again if `looks_at_all`, which takes the longer the more rounds
        there were."""
        client = self._machines[self._number % 2].client("publisher")
        losses = []
        for job_id, then in self._jobs.items():
            job = eventually(partial(self._show_job, client, job_id), lambda one: one["status"] in OVER)
            if job["status"] == "SUCCESS":
                then(job.get("entities", {}))
            else:
                losses.append(f"job {job_id}: {job}")
        self._jobs.clear()
        self._busy.clear()
        for image_id, hashed in self._imports.items():
            eventually(partial(show_image, client, image_id), lambda one: one["status"] == "active")
            self._data[image_id] = hashed
        self._imports.clear()
        unseen = {one: self._data[one] for one in self._data if looks_at_all or one not in self._seen}
        for image_id, hashed in unseen.items():
            answer = client.get(f"/v2/images/{image_id}/file")
            if answer.status_code != 200 or hashlib.sha256(answer.content).digest() != hashed:
                losses.append(f"data of {image_id}: {answer.status_code}, {len(answer.content)} bytes")
        self._seen.update(unseen)
        for image_id, members in self._members.items():
            if not members <= member_statuses(client, image_id).keys():
                losses.append(f"members of {image_id}: not all of {sorted(members)}")
        self._gone |= self._deleted
        looked_for = self._gone if looks_at_all else self._deleted
        shown = {image_id: client.get(f"/v2/images/{image_id}").status_code for image_id in looked_for}
        self._deleted = set()
        return losses + [f"{image_id} is back" for image_id, status in shown.items() if status != 404]

    def _show_job(self, client: httpx.Client, job_id: str) -> dict[str, Any]:
        return dict(client.get(f"/v1/{self._project_id}/jobs/{job_id}").json())

    # ---- the steps

    def _upload(self, service: Service, dice: Random) -> None:
        client = service.client("publisher")
        image_id = str(create_image(client)["id"])
        data = dice.randbytes(dice.choice(SIZES))
        if self._is_done(upload_data(client, image_id, data), 204):
            self._data[image_id] = hashlib.sha256(data).digest()

    def _download(self, service: Service, _dice: Random) -> None:
        client = service.client("publisher")
        image_id = str(create_image(client)["id"])
        body = {"method": {"name": "web-download", "uri": self._source}}
        if self._is_done(client.post(f"/v2/images/{image_id}/import", json=body), 202):
            self._imports[image_id] = hashlib.sha256(DATA).digest()

    def _copy(self, service: Service, dice: Random) -> None:
        source = dice.choice(sorted(self._data))
        self._busy.add(source)
        answer = service.client("publisher").post(f"/v1/cloudimages/{source}/copy", json={"name": "copy"})
        if self._is_done(answer, 200):
            hashed = self._data[source]
            self._jobs[answer.json()["job_id"]] = lambda made: self._data.update({made["image_id"]: hashed})

    def _copy_to_store(self, service: Service, dice: Random) -> None:
        body = {"method": {"name": "copy-image"}, "stores": ["deep"]}
        image_id = dice.choice(sorted(self._data))
        self._busy.add(image_id)
        # 409: a copy of it is under way. 400: it is there already.
        self._is_done(service.client("admin").post(f"/v2/images/{image_id}/import", json=body), 202, 400, 409)

    def _share(self, service: Service, dice: Random) -> None:
        images = dice.sample(sorted(self._data), k=dice.randint(1, len(self._data)))
        self._busy.update(images)
        projects = {f"project-{dice.randrange(40)}" for _ in range(5)}
        body = {"images": images, "projects": sorted(projects)}
        answer = service.client("publisher").post("/v1/cloudimages/members", json=body)
        if self._is_done(answer, 200):

            def note(_entities: object) -> None:
                for image_id in images:
                    if image_id in self._data:
                        self._members.setdefault(image_id, set()).update(projects)

            self._jobs[answer.json()["job_id"]] = note

    def _delete(self, service: Service, dice: Random) -> None:
        image_id = dice.choice(sorted(self._data.keys() - self._busy))
        # From now on nobody knows whether it is there, unless there is an answer.
        del self._data[image_id]
        self._members.pop(image_id, None)
        if self._is_done(service.client("publisher").delete(f"/v2/images/{image_id}"), 204):
            self._deleted.add(image_id)

    def _is_done(self, answer: httpx.Response, success: int, *refusals: int) -> bool:
        if answer.status_code == success:
            self._journal.note_answer()
            return True
        # 503: it was stopped while it worked.
        if answer.status_code not in (503, *refusals):
            told = f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
            self._journal.note_surprise(told)
        return False
