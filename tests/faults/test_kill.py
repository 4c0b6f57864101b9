"""kill -9 of the service, or of one of its workers, while clients write (images-v2, 3.7, 4.13).

Whatever was answered is there afterwards, nothing is half done, and no byte lies about that no image owns.
`TRANSOM_SOAK_ROUNDS` says how many times the service is killed on each database, `TRANSOM_SOAK_SEED` repeats
a run that failed (as far as the machine repeats itself).
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random

import httpx
import pytest
from harness import plain_http
from harness.service import MakeService, Service

from .calls import (
    add_member,
    create_active_image,
    create_image,
    eventually,
    expect_eventually,
    list_all_images,
    member_statuses,
    new_client,
    owned_sizes,
    show_image,
    stored_sizes,
    upload_data,
    worker_pids,
    workers_with_open,
)
from .journal import Journal
from .uploads import HeldUpload
from .workload import Workload

ROUNDS = int(os.environ.get("TRANSOM_SOAK_ROUNDS", "5"))
SEED = os.environ.get("TRANSOM_SOAK_SEED") or secrets.token_hex(4)
#: At most so many writes are answered before the kill; a round is to be short.
MOST_ANSWERS = 120
MIB = 1 << 20
DEPLOYMENTS = [
    pytest.param("sqlite", "1", id="sqlite"),
    pytest.param("postgresql", "1", id="postgresql"),
    pytest.param("sqlite", "2", id="sqlite with two workers"),
]
DATABASES = ["sqlite", "postgresql"]


@pytest.mark.parametrize(("database", "workers"), DEPLOYMENTS)
def test_every_answered_write_outlives_a_kill_of_the_service(
    make_service: MakeService, database: str, workers: str
) -> None:
    service = make_service(database, TRANSOM_WORKERS=workers)
    dice = Random(SEED)
    journal = Journal()
    workload = Workload(service, journal, SEED)

    for number in range(1, ROUNDS + 1):
        with workload.running():
            journal.wait_for_answers(dice.randint(1, MOST_ANSWERS))
            service.kill()
        service.start()

        saving = [image["id"] for image in list_all_images(service) if image["status"] == "saving"]
        losses = journal.find_losses(service)

        where = f"TRANSOM_SOAK_SEED={SEED}, round {number} of {ROUNDS}, {journal.answers} answered writes"
        assert not saving, f"{where}: still saving once ready: {saving}"
        assert not losses, "\n".join([where, *losses])


@pytest.mark.parametrize("database", DATABASES)
def test_an_upload_whose_worker_is_killed_can_be_made_again_while_the_service_goes_on(
    make_service: MakeService, database: str
) -> None:
    service = make_service(database, TRANSOM_WORKERS="2", TRANSOM_UPLOAD_LEASE_S="3")
    client = service.client("publisher")

    with ExitStack() as stack:
        doomed, survivor, victim = _uploads_in_two_workers(service, stack)
        os.kill(victim, signal.SIGKILL)
        survivor.send(b"x" * MIB)
        survived = survivor.finish()

    _expect_answers(service)
    expect_eventually(lambda: _status(service, doomed.image_id), "queued")
    again = _persistent(lambda: upload_data(client, doomed.image_id, b"again"))
    assert survived == 204
    assert again.status_code == 204
    assert show_image(client, survivor.image_id)["size"] == 2 * MIB
    assert client.get(f"/v2/images/{doomed.image_id}/file").content == b"again"
    expect_eventually(lambda: stored_sizes(service), owned_sizes(service))


@pytest.mark.parametrize("database", DATABASES)
def test_a_worker_that_slept_past_its_lease_does_not_disturb_the_upload_that_took_its_place(
    make_service: MakeService, database: str
) -> None:
    service = make_service(database, TRANSOM_WORKERS="2", TRANSOM_UPLOAD_LEASE_S="3")

    with ExitStack() as stack:
        sleeper, _other, asleep = _uploads_in_two_workers(service, stack)
        os.kill(asleep, signal.SIGSTOP)
        try:
            expect_eventually(lambda: _status(service, sleeper.image_id), "queued")
        finally:
            os.kill(asleep, signal.SIGCONT)
        client = service.client("publisher")
        replacement = upload_data(client, sleeper.image_id, b"replacement")
        sleeper.send(b"x" * MIB)
        outcome = sleeper.finish()

    assert replacement.status_code == 204
    assert outcome in (409, 410, 503)
    assert client.get(f"/v2/images/{sleeper.image_id}/file").content == b"replacement"
    expect_eventually(lambda: stored_sizes(service), [len(b"replacement")])


@pytest.mark.parametrize("database", DATABASES)
def test_images_and_members_made_while_a_worker_is_killed_are_there(
    make_service: MakeService, database: str
) -> None:
    service = make_service(database, TRANSOM_WORKERS="2")
    client = service.client("publisher")
    active = create_active_image(client, b"data")
    members = [f"project-{number}" for number in range(10)]

    os.kill(worker_pids(service)[0], signal.SIGKILL)
    # Offered until it is known to be there: an offer without an answer may have been taken.
    answers = [_persistent(partial(add_member, client, active, member)).status_code for member in members]

    assert set(answers) <= {200, 409}
    assert sorted(member_statuses(client, active)) == members
    assert len(eventually(lambda: worker_pids(service), lambda pids: len(pids) == 2)) == 2


def test_workers_do_not_outlive_the_process_that_watches_over_them(make_service: MakeService) -> None:
    """Left alone they would hold the port, and no signal to the service would ever reach them."""
    service = make_service("sqlite", TRANSOM_WORKERS="2")
    workers = worker_pids(service)

    os.kill(service.pid, signal.SIGKILL)
    try:
        left = eventually(lambda: [pid for pid in workers if _is_running(pid)], lambda pids: not pids)
    finally:
        # All of the group: what is left of it would outlive the test.
        service.kill()

    assert left == []


def _is_running(pid: int) -> bool:
    """Whether the process is there and has not ended; one that nobody reaped has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _uploads_in_two_workers(service: Service, stack: ExitStack) -> tuple[HeldUpload, HeldUpload, int]:
    """(an upload, one in another worker, the first one's worker), a MiB of each on its way to the store."""
    first, first_pid = _hold_upload(service, stack)
    for _ in range(50):
        second, second_pid = _hold_upload(service, stack)
        if second_pid != first_pid:
            return first, second, first_pid
    raise AssertionError("the same worker takes every connection")


def _hold_upload(service: Service, stack: ExitStack) -> tuple[HeldUpload, int]:
    image_id = create_image(service.client("publisher"))["id"]
    upload = stack.enter_context(HeldUpload(service, "publisher", image_id))
    upload.send(b"x" * MIB)
    pids = eventually(lambda: workers_with_open(service, image_id), lambda found: len(found) == 1)
    return upload, pids[0]


def _expect_answers(service: Service) -> None:
    with new_client(service, "publisher") as client:
        assert _persistent(lambda: client.get("/v2/images")).status_code == 200


def _persistent(call: Callable[[], httpx.Response]) -> httpx.Response:
    """The first answer; a connection that ended in the dead worker is made again."""

    def ask() -> httpx.Response | None:
        try:
            return call()
        except httpx.TransportError:
            return None

    answer = eventually(ask, lambda response: response is not None)
    assert answer is not None, "nobody answers any more"
    return answer


def _status(service: Service, image_id: str) -> str | None:
    """The image's status; None when the connection went to a worker that cannot answer."""
    with plain_http.open_client(base_url=service.url, timeout=1) as client:
        try:
            response = client.get(
                f"/v2/images/{image_id}", headers={"X-Auth-Token": service.token("publisher")}
            )
        except httpx.TransportError:
            return None
    return str(response.json()["status"])
