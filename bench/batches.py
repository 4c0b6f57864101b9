"""Batches of shares (`/v1/cloudimages/members`) on both databases: against the bare SQL that writes the same
rows, beside other people's requests, against single requests; and the list of a recipient of many offers.

Images and offers are copies, made in the database, of a few that the service made. Between two measurements
the database is tidied: SQLite's log is written back, PostgreSQL's tables are vacuumed.
"""

import dataclasses
import itertools
import json
import math
import statistics
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus

from harness.postgresql import PostgreSQL
from harness.service import Service

from bench.databases import ELEMENTS, Database, Databases, copy_images, to_json
from bench.figures import WRONG, Bound, Figure, Line, at_least, at_most, compare, note_strangers
from bench.lists import compare_pages, measure_pages
from bench.load import CONNECTIONS as LOAD_CONNECTIONS
from bench.load import Plan, make_request, run_load
from bench.processes import Watch
from bench.requests import plan_of_answers, set_all_pending
from bench.scene import Scene, ask, headers_of, make_image, note_errors, port_of, share_image
from bench.stream import CONNECTIONS, RATE, Call, p99_ms, run_in_turn, run_stream

_PAIRS = 10_000
#: As many images as recipients make a batch of pairs.
_SIDE = 100
#: Offers that the steady stream goes round.
_STREAM_OFFERS = 128
#: Batches whose processor time is one sample: the kernel counts it in steps of 10 ms.
_BATCHES_A_SAMPLE = 5
#: Single requests whose processor time is one sample, scaled to as many as a batch has pairs.
_SINGLES_A_SAMPLE = 2_000
_FEW, _MANY = 100, 100_000
_BATCH_PATH = "/v1/cloudimages/members"
_PENDING = "visibility=shared&member_status=pending"
_LISTS = {"native": f"/v2/images?{_PENDING}", "IMS": f"/v2/cloudimages?{_PENDING}&limit=25"}

_DECIDE = f"""
    update member set status = $1, updated_at = $2
    where member_id = $3 and image_id in (select value from {ELEMENTS.format("$4")})"""

_OFFER = f"""
    insert into member (image_id, member_id, status, image_created_at, created_at, updated_at)
    select image.id, recipient.value, 'pending', image.created_at, cast($3 as bigint), cast($3 as bigint)
    from image cross join {ELEMENTS.format("$2")} as recipient
    where image.id in (select value from {ELEMENTS.format("$1")})"""

_IS_PAIR = f"""
    image_id in (select value from {ELEMENTS.format("$1")})
    and member_id in (select value from {ELEMENTS.format("$2")})"""


def measure_batch(scene: Scene) -> Iterator[Line]:
    with PostgreSQL() as server:
        for databases in (Databases(), Databases(server)):
            yield from _measure_batches(scene, databases)
            yield from _measure_lists(scene, databases)


def _measure_batches(scene: Scene, databases: Databases) -> Iterator[Line]:
    with _open_desk(scene, databases) as desk:
        for _ in range(2):  # Statements prepared, files grown, offers no longer pending.
            desk.decide()
            desk.decide_bare()
        yield _measure_decisions(scene, desk)
        yield _measure_pairs(scene, desk)
        yield _measure_stream(scene, desk)
        yield _measure_cpu(scene, desk)


class _Desk:
    """A running service with 10,000 offers to the recipient, 100 images shared with nobody, and offers to
    somebody else; and what can be done with them. Times are in ms. What went wrong is in `wrong`."""

    def __init__(self, service: Service, database: Database) -> None:
        self.service = service
        self.database = database
        self.port = port_of(service)
        self.name = database.name
        self.wrong: list[str] = []
        self._statuses = itertools.cycle(("accepted", "rejected"))
        self._recipient = service.clouds["recipient"].project_id
        offered, alone, strange = (make_image(service, who) for who in ("publisher", "publisher", "admin"))
        share_image(service, offered, "pending")
        other = service.clouds["other"].project_id
        offer = {"member": other}
        ask(service.client("admin"), "POST", f"/v2/images/{strange}/members", json=offer)
        self._offers = copy_images(database, offered, _PAIRS)
        self._alone = copy_images(database, alone, _SIDE)
        strangers = copy_images(database, strange, _STREAM_OFFERS)
        paths = [f"/v2/images/{image_id}/members/{other}" for image_id in strangers]
        self.stream = itertools.cycle(plan_of_answers(paths, headers_of(service, "other")))
        self._single_paths = [f"/v2/images/{image_id}/members/{self._recipient}" for image_id in self._offers]
        decision = {"images": self._offers, "project_id": self._recipient}
        self._decisions = {
            status: self._batch_request("PUT", "recipient", {**decision, "status": status})
            for status in ("accepted", "rejected")
        }
        self.batches = self._mix_batches()
        database.tidy()

    def take_wrong(self) -> list[str]:
        """What went wrong since the last time, as a note."""
        found, self.wrong = self.wrong, []
        return [f"{WRONG}{found[0]} ({len(found)} in all)"] if found else []

    # ---- the two batches, by the service and without it

    def decide(self) -> float:
        status, request = self.next_decision()
        call = self._send(request)
        self.check_jobs("recipient", [call])
        self._expect_decided(status)
        return call.latency_ms

    def decide_bare(self) -> float:
        status, ids = next(self._statuses), to_json(self._offers)
        self.database.tidy()
        now_us = time.time_ns() // 1000
        taken_s = self.database.time_write(_DECIDE, status, now_us, self._recipient, ids)
        self._expect_decided(status)
        return taken_s * 1e3

    def offer(self) -> float:
        recipients = _new_projects()
        posted = self._send(self._pairs_request("POST", recipients))
        self._expect_pairs(recipients, _PAIRS)
        deleted = self._send(self._pairs_request("DELETE", recipients))
        self._expect_pairs(recipients, 0)
        self.check_jobs("publisher", [posted, deleted])
        return posted.latency_ms

    def offer_bare(self) -> float:
        images, recipients = to_json(self._alone), _new_projects()
        self.database.tidy()
        now_us = time.time_ns() // 1000
        taken_s = self.database.time_write(_OFFER, images, to_json(recipients), now_us)
        self._expect_pairs(recipients, _PAIRS)
        self.database.ask(f"delete from member where {_IS_PAIR}", images, to_json(recipients))
        return taken_s * 1e3

    # ---- requests

    def next_decision(self) -> tuple[str, bytes]:
        """(status, the request that gives it to all offers): another one than they have."""
        status = next(self._statuses)
        return status, self._decisions[status]

    def _pairs_request(self, method: str, recipients: list[str]) -> bytes:
        return self._batch_request(method, "publisher", {"images": self._alone, "projects": recipients})

    def _batch_request(self, method: str, account: str, body: dict[str, object]) -> bytes:
        headers = {**headers_of(self.service, account), "Content-Type": "application/json"}
        return make_request(method, _BATCH_PATH, headers, json.dumps(body).encode())

    def _mix_batches(self) -> Iterator[tuple[str, bytes]]:
        """(kind, request) without end: decisions, pairs, and the same pairs withdrawn."""
        while True:
            yield "decisions", self.next_decision()[1]
            recipients = _new_projects()
            yield "pairs", self._pairs_request("POST", recipients)
            yield "withdrawals", self._pairs_request("DELETE", recipients)

    def single_decisions(self, count: int) -> list[bytes]:
        """Requests that give `count` of the offers another status than they have, one each."""
        headers = {**headers_of(self.service, "recipient"), "Content-Type": "application/json"}
        body = json.dumps({"status": next(self._statuses)}).encode()
        return [make_request("PUT", path, headers, body) for path in self._single_paths[:count]]

    def crowd_of_decisions(self) -> Plan:
        """Requests that change a few of the offers again and again, which are pending at first."""
        paths = self._single_paths[-_STREAM_OFFERS:]
        set_all_pending(self.service, paths)
        return plan_of_answers(paths, headers_of(self.service, "recipient"))

    def _send(self, request: bytes) -> Call:
        self.database.tidy()
        return run_in_turn(self.port, [request])[0]

    # ---- whether it did what it should

    def check_jobs(self, account: str, batches: Sequence[Call]) -> None:
        """Each batch must have been answered with a job that succeeded whole."""
        project = self.service.clouds[account].project_id
        for batch in batches:
            if batch.is_error:
                self.wrong.append(f"a batch was answered {batch.status} {batch.body[:200]!r}")
                continue
            job_id = json.loads(batch.body)["job_id"]
            job = ask(self.service.client(account), "GET", f"/v1/{project}/jobs/{job_id}").json()
            done = [result["status"] for result in job["entities"]["results"]]
            if job["status"] != "SUCCESS" or done != ["SUCCESS"] * _PAIRS:
                self.wrong.append(f"job {job['status']}, {job['fail_reason']}, {len(done)} results")

    def check_calls(self, calls: Sequence[Call]) -> None:
        self.wrong += [f"a PUT was answered {call.status} {call.body!r}" for call in calls if call.is_error]

    def _expect_decided(self, status: str) -> None:
        # The offer that the others are copies of stays pending.
        sql = "select count(*) from member where member_id = $1 and status = $2"
        self._expect(self.database.ask(sql, self._recipient, status)[0][0], _PAIRS, status)

    def _expect_pairs(self, recipients: list[str], count: int) -> None:
        sql = f"select count(*) from member where {_IS_PAIR}"
        found = self.database.ask(sql, to_json(self._alone), to_json(recipients))[0][0]
        self._expect(found, count, "offered pairs")

    def _expect(self, found: int, expected: int, what: str) -> None:
        if found != expected:
            self.wrong.append(f"{found} {what}, not {expected}")


def _new_projects() -> list[str]:
    return [uuid.uuid4().hex for _ in range(_SIDE)]


@contextmanager
def _open_desk(scene: Scene, databases: Databases) -> Iterator[_Desk]:
    service = Service(scene.make_folder(), databases.create())
    with service, databases.open(service.database) as database:
        yield _Desk(service, database)


# ---- against bare SQL


def _measure_decisions(scene: Scene, desk: _Desk) -> Line:
    ours, theirs = [], []
    with Watch(desk.service.pid, desk.database.server) as watch:
        for _ in range(2 * scene.rounds):
            theirs.append(desk.decide_bare())
            ours.append(desk.decide())
    line = _compare_times(desk, "batch of 10,000 decisions", ours, theirs, "bare update", watch)
    return dataclasses.replace(line, notes=(desk.database.about, *line.notes))


def _measure_pairs(scene: Scene, desk: _Desk) -> Line:
    desk.offer_bare()
    desk.offer()
    ours, theirs = [], []
    with Watch(desk.service.pid, desk.database.server) as watch:
        for _ in range(2 * scene.rounds):
            theirs.append(desk.offer_bare())
            ours.append(desk.offer())
    return _compare_times(desk, "batch of 100 × 100 pairs", ours, theirs, "bare insert", watch)


def _compare_times(
    desk: _Desk, what: str, ours: list[float], theirs: list[float], against: str, watch: Watch
) -> Line:
    return compare(
        f"{desk.name}: {what}",
        "ms",
        Figure(tuple(ours)),
        (against, Figure(tuple(theirs))),
        at_most(3),
        [*desk.take_wrong(), *note_strangers([watch.other_cores])],
    )


# ---- beside others


def _measure_stream(scene: Scene, desk: _Desk) -> Line:
    alone: list[list[Call]] = []
    beside: list[list[Call]] = []
    batches: list[Call] = []
    by_kind: dict[str, list[Call]] = {"decisions": [], "pairs": [], "withdrawals": []}
    with Watch(desk.service.pid, desk.database.server) as watch:
        for _ in range(scene.rounds):
            alone.append(run_stream(desk.port, desk.stream, scene.seconds).small)
            stream = run_stream(desk.port, desk.stream, scene.seconds + 1, desk.batches)
            beside.append(stream.during(stream.large))
            batches += stream.large
            for kind, calls in by_kind.items():
                calls += stream.during([batch for batch in stream.large if batch.kind == kind])
            desk.check_calls([*alone[-1], *stream.small])
    for batch in batches:
        desk.check_jobs("recipient" if batch.kind == "decisions" else "publisher", [batch])
    measured = Figure(tuple(map(p99_ms, beside)))
    times = {
        kind: Figure(tuple(batch.latency_ms for batch in batches if batch.kind == kind)) for kind in by_kind
    }
    return Line(
        name=f"{desk.name}: p99 of others' PUT during batches",
        unit="ms",
        measured=measured,
        bound=at_most(100),
        value=measured.median,
        notes=(
            f"without batches {Figure(tuple(map(p99_ms, alone)))} ms; {RATE}/s on {CONNECTIONS} connections, "
            f"{sum(map(len, beside))} PUTs during {len(batches)} batches, "
            f"the slowest {max(map(_slowest_ms, beside)):.0f} ms",
            "; ".join(
                f"during {kind} (each {times[kind]} ms) the slowest {_slowest_ms(calls):.0f} ms"
                for kind, calls in by_kind.items()
            ),
            *desk.take_wrong(),
            *note_strangers([watch.other_cores]),
        ),
    )


def _slowest_ms(calls: Sequence[Call]) -> float:
    return max((call.latency_ms for call in calls), default=math.nan)


# ---- processor time


def _measure_cpu(scene: Scene, desk: _Desk) -> Line:
    """One after the other, as a script would send them, and many at once, which share commits."""
    batch, in_turn, at_once = _Cpu(), _Cpu(), _Cpu()
    others: list[float] = []
    for _ in range(scene.rounds):
        desk.decide()  # Whatever singles left: now all offers have the same status.
        requests = [desk.next_decision()[1] for _ in range(_BATCHES_A_SAMPLE)]
        with Watch(desk.service.pid, desk.database.server) as watch:
            calls = run_in_turn(desk.port, requests)
        desk.check_jobs("recipient", calls)
        batch.add(watch, len(calls))
        others.append(watch.other_cores)

        requests = desk.single_decisions(_SINGLES_A_SAMPLE)
        with Watch(desk.service.pid, desk.database.server) as watch:
            calls = run_in_turn(desk.port, requests)
        desk.check_calls(calls)
        in_turn.add(watch, len(calls) / _PAIRS)
        others.append(watch.other_cores)

        load = run_load(desk.service.pid, desk.port, desk.crowd_of_decisions(), 1, desk.database.server)
        at_once.service_ms.append(load.cpu_us / 1e3 * _PAIRS)
        at_once.all_ms.append((load.cpu_us + load.beside_cpu_us) / 1e3 * _PAIRS)
        desk.wrong += note_errors([load])
    once = _ratio(at_once.service_ms, batch.service_ms)
    notes = [
        f"{_SINGLES_A_SAMPLE:,} PUTs on one connection, scaled; on {LOAD_CONNECTIONS} at once, which share "
        f"commits: {Figure(tuple(at_once.service_ms))} ms, ratio {once:.0f}"
    ]
    if desk.database.server is not None:
        notes.append(
            f"the service's only; with {desk.name} {Figure(tuple(in_turn.all_ms))} ms against "
            f"{Figure(tuple(batch.all_ms))}, ratio {_ratio(in_turn.all_ms, batch.all_ms):.0f}"
        )
    return compare(
        f"{desk.name}: CPU of 10,000 PUTs",
        "ms",
        Figure(tuple(in_turn.service_ms)),
        ("one batch", Figure(tuple(batch.service_ms))),
        at_least(50),
        [*notes, *desk.take_wrong(), *note_strangers(others)],
    )


class _Cpu:
    """Samples of processor time, ms: the service's, and with that of its database."""

    def __init__(self) -> None:
        self.service_ms: list[float] = []
        self.all_ms: list[float] = []

    def add(self, watch: Watch, divisor: float) -> None:
        self.service_ms.append(watch.cpu_s * 1e3 / divisor)
        self.all_ms.append((watch.cpu_s + watch.beside_cpu_s) * 1e3 / divisor)


def _ratio(some: list[float], others: list[float]) -> float:
    return statistics.median(some) / statistics.median(others)


# ---- the recipient's list


def _measure_lists(scene: Scene, databases: Databases) -> Iterator[Line]:
    seconds = max(scene.seconds - 1, 1)
    with ExitStack() as stack:
        (few, database), (many, _) = (
            stack.enter_context(open_filled(scene, databases, count)) for count in (_FEW, _MANY)
        )
        for kind, path in _LISTS.items():
            name = f"pending list ({kind}), {_MANY:,} offers"
            status = few.client("recipient").get(path).status_code
            if status != HTTPStatus.OK:
                yield _skip(f"{database.name}: {name}", at_most(1.5), f"{path} answers {status}")
                continue
            small, large = measure_pages(scene, few, many, path, seconds, database.server)
            for line in compare_pages(name, small, large, f"with {_FEW:,} offers"):
                yield dataclasses.replace(line, name=f"{database.name}: {line.name}")


@contextmanager
def open_filled(scene: Scene, databases: Databases, count: int) -> Iterator[tuple[Service, Database]]:
    """A running service with so many offers, all pending, to the recipient."""
    service = Service(scene.make_folder(), databases.create())
    with service, databases.open(service.database) as database:
        template = make_image(service, "publisher")
        share_image(service, template, "pending")
        copy_images(database, template, count - 1)
        database.tidy()
        yield service, database


def _skip(name: str, bound: Bound, reason: str) -> Line:
    return Line(
        name=name, unit="", measured=None, bound=bound, value=None, notes=(f"not measured: {reason}",)
    )
