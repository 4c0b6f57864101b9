"""Jobs in the database: who may take one, who may finish it, and how long it is kept."""

import asyncio

import msgspec
import pytest
from domain.samples import image

from transom.clock import now_us
from transom.domain.job_inputs import Copy, Import
from transom.domain.model import Failure, Job, JobKind, JobStatus
from transom.jobs.runner import in_turn, pause_after
from transom.sql.db import Database
from transom.sql.images import find_image
from transom.sql.jobs import (
    OpenJob,
    claim_job,
    count_open_jobs,
    find_job,
    finish_job,
    hold_job,
    insert_job,
    list_image_tasks,
    list_open_jobs,
    release_job,
    start_job,
)
from transom.sql.old_jobs import delete_old_jobs, delete_surplus_jobs

from .databases import NOBODY

pytestmark = pytest.mark.anyio

JOB = Job(
    id="a" * 32,
    kind=JobKind.COPY,
    project_id="project",
    status=JobStatus.INIT,
    input=Copy(image_id="image", name=None, source_id="source", size=1 << 40, checksum=None),
    failures=(),
    begin_at=10,
    end_at=None,
)
ENDED = msgspec.structs.replace(
    JOB, status=JobStatus.FAIL, failures=(Failure(None, "m", "", "why"),), end_at=20, progress=40
)


NO_LIMIT = -1


async def _start(db: Database) -> None:
    await db.transact(insert_job(JOB))


async def test_a_job_is_found_by_its_project_only(db: Database) -> None:
    await _start(db)

    assert await find_job(db, JOB.id, "project") == JOB
    assert await find_job(db, JOB.id, "other") is None
    assert await find_job(db, "b" * 32, "project") is None


async def test_a_job_and_its_image_start_together_or_not_at_all(db: Database) -> None:
    first, second = image(id="first", owner="owner"), image(id="second", owner="owner")

    started = await start_job(db, JOB, first, 1, NO_LIMIT)
    refused = await start_job(db, msgspec.structs.replace(JOB, id="b" * 32), second, 1, NO_LIMIT)

    assert (started, refused) == (True, False)
    assert (await find_image(db, "second", NOBODY)).image is None
    assert await find_job(db, "b" * 32, "project") is None


async def test_every_project_has_its_oldest_job_before_anybody_has_a_second(db: Database) -> None:
    begun = [("many-1", "many", 1), ("many-2", "many", 2), ("many-3", "many", 3), ("few-1", "few", 9)]
    for job_id, project_id, begin_at in begun:
        job = msgspec.structs.replace(JOB, id=job_id, project_id=project_id, begin_at=begin_at)
        await db.transact(insert_job(job))

    listed = await list_open_jobs(db)

    assert [job.id for job in listed] == ["many-1", "few-1", "many-2", "many-3"]


async def test_of_many_claims_at_once_exactly_one_is_granted(db: Database) -> None:
    await _start(db)
    (seen,) = await list_open_jobs(db)

    claims = await asyncio.gather(*(claim_job(db, seen, f"worker-{n}", 100) for n in range(8)))

    ((number, job),) = ((number, job) for number, job in enumerate(claims) if job is not None)
    (claimed,) = await list_open_jobs(db)
    assert (claimed.holder, claimed.held_until, claimed.attempts) == (f"worker-{number}", 100, 1)
    assert job == msgspec.structs.replace(JOB, status=JobStatus.RUNNING)


async def test_a_job_whose_holder_gave_a_sign_since_is_not_taken(db: Database) -> None:
    await _start(db)
    (seen,) = await list_open_jobs(db)
    await claim_job(db, seen, "first", 100)
    (held,) = await list_open_jobs(db)

    assert await hold_job(db, JOB.id, "first", 200, 30, 50)
    assert not await claim_job(db, held, "second", 300)


async def test_a_job_that_was_taken_is_no_longer_its_first_holders(db: Database) -> None:
    await _start(db)
    (seen,) = await list_open_jobs(db)
    await claim_job(db, seen, "first", 100)
    (held,) = await list_open_jobs(db)
    await claim_job(db, held, "second", 300)

    assert not await hold_job(db, JOB.id, "first", 400, 90, 50)
    assert not await finish_job(db, ENDED, "first")
    assert await finish_job(db, ENDED, "second")
    assert await find_job(db, JOB.id, "project") == msgspec.structs.replace(ENDED, told_at=ENDED.end_at)


@pytest.mark.parametrize(("has_failed", "attempts"), [(True, 1), (False, 0)])
async def test_a_released_job_can_be_taken_and_keeps_its_attempts_that_failed(
    db: Database, has_failed: bool, attempts: int
) -> None:
    """One that waits for others, or was stopped with its worker, is to outlast an outage all the same."""
    await _start(db)
    (seen,) = await list_open_jobs(db)
    await claim_job(db, seen, "first", 100)

    await release_job(db, JOB.id, "first", 50, has_failed=has_failed)

    (free,) = await list_open_jobs(db)
    assert (free.holder, free.held_until, free.attempts) == (None, 50, attempts)
    assert await claim_job(db, free, "second", 300)


async def test_a_finished_job_is_neither_open_nor_taken(db: Database) -> None:
    await _start(db)
    (seen,) = await list_open_jobs(db)
    await claim_job(db, seen, "first", 100)
    (held,) = await list_open_jobs(db)
    await finish_job(db, ENDED, "first")

    assert await list_open_jobs(db) == []
    assert not await claim_job(db, held, "second", 300)
    assert not await finish_job(db, ENDED, "first")


async def test_jobs_are_kept_while_they_run_and_for_a_time_after(db: Database) -> None:
    await _start(db)
    await db.transact(insert_job(msgspec.structs.replace(ENDED, id="b" * 32)))

    await delete_old_jobs(db, 20, 0)
    kept = await find_job(db, "b" * 32, "project")
    await delete_old_jobs(db, 21, 0)

    assert kept is not None
    assert await find_job(db, "b" * 32, "project") is None
    assert await find_job(db, JOB.id, "project") is not None


async def test_jobs_written_at_once_stay_within_what_a_project_may_have_open(db: Database) -> None:
    async def start(number: int) -> bool:
        job = msgspec.structs.replace(JOB, id=f"job-{number}")
        return await start_job(db, job, image(id=f"image-{number}", owner="owner"), NO_LIMIT, 3)

    started = await asyncio.gather(*(start(number) for number in range(8)))

    assert sorted(started) == [False] * 5 + [True] * 3
    assert await count_open_jobs(db, "project") == 3
    assert await count_open_jobs(db, "other") == 0


async def test_ended_jobs_do_not_count_as_open(db: Database) -> None:
    await db.transact(insert_job(ENDED))

    assert await start_job(db, msgspec.structs.replace(JOB, id="b" * 32), image(), NO_LIMIT, 1)


async def test_of_ended_jobs_the_oldest_go_beyond_what_a_project_may_keep(db: Database) -> None:
    for project in ("many", "few"):
        for number in range(6 if project == "many" else 2):
            job = msgspec.structs.replace(
                ENDED, id=f"{project}-{number}", project_id=project, end_at=100 + number
            )
            await db.transact(insert_job(job))
    await db.transact(insert_job(msgspec.structs.replace(JOB, id="open", project_id="many")))

    untouched = await delete_surplus_jobs(db, 4 * 1000, 106, 0)
    forgotten = await delete_surplus_jobs(db, 4 * 1000, 105, 0)

    left = {row[0] for row in await db.read("select id from job")}
    assert (untouched, forgotten) == (0, 3)
    assert left == {"many-3", "many-4", "many-5", "few-0", "few-1", "open"}


async def test_the_newest_ended_jobs_of_a_project_stay_however_large(db: Database) -> None:
    for number in range(4):
        await db.transact(insert_job(msgspec.structs.replace(ENDED, id=f"{number}", end_at=100 + number)))

    forgotten = await delete_surplus_jobs(db, 1, 100, 3)

    assert forgotten == 1
    assert {row[0] for row in await db.read("select id from job")} == {"1", "2", "3"}


async def test_a_job_whose_row_cannot_be_read_has_failed(db: Database) -> None:
    await _start(db)
    await db.write("update job set input = '{\"image_id\": 1}' where id = $1", JOB.id)
    (seen,) = await list_open_jobs(db)

    claimed = await claim_job(db, seen, "holder", now_us() + 10**6)

    assert claimed is None
    assert await list_open_jobs(db) == []
    assert [tuple(row) for row in await db.read("select status, holder from job")] == [("FAIL", None)]


async def test_jobs_with_images_for_each_others_project_do_not_wait_in_a_circle(db: Database) -> None:
    pairs = [("one", "other"), ("other", "one")] * 20

    started = await asyncio.gather(
        *(
            start_job(
                db,
                msgspec.structs.replace(JOB, id=f"{number}", project_id=project),
                image(id=f"image {number}", owner=owner),
                1000,
                1000,
            )
            for number, (project, owner) in enumerate(pairs)
        )
    )

    assert all(started)


async def test_the_tasks_of_an_image_come_in_pages_and_of_one_project(db: Database) -> None:
    given = Import(import_req={}, backend=())
    for number in range(5):
        for project in ("mine", "other"):
            task = msgspec.structs.replace(
                JOB,
                id=f"{project}-{number}",
                kind=JobKind.IMPORT,
                project_id=project,
                image_id="image",
                input=given,
                begin_at=number // 2,
            )
            await db.transact(insert_job(task))

    pages: list[list[str]] = []
    after = None
    while page := await list_image_tasks(db, "image", "mine", after, 2):
        pages.append([task.id for task in page])
        after = page[-1].id
    everybodys = await list_image_tasks(db, "image", None, None, 100)

    assert pages == [["mine-4", "mine-3"], ["mine-2", "mine-1"], ["mine-0"]]
    assert len(everybodys) == 10


def test_twenty_attempts_bridge_a_quarter_of_an_hour() -> None:
    pauses = [pause_after(attempt) for attempt in range(1, 20)]

    assert pauses[:6] == [2_000_000, 4_000_000, 8_000_000, 16_000_000, 32_000_000, 60_000_000]
    assert sum(pauses) >= 15 * 60_000_000
    assert pause_after(10_000) == 60_000_000


def test_a_project_that_had_its_turn_lets_another_one_go_first() -> None:
    found = [
        OpenJob(f"{project}{number}", "copy", project, 0, None, 0) for number in "123" for project in "abc"
    ]

    order = [job.id for job in in_turn(found, {"a": 7, "b": -1, "c": 3})]

    assert order == ["b1", "c1", "a1", "b2", "c2", "a2", "b3", "c3", "a3"]
