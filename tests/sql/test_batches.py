"""Batches of shares as scripts on a real database: what they write, what they refuse, whom they wait for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import anyio
import asyncpg
import msgspec
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, STRANGER, caller, image, member

from transom.domain.errors import NotFoundError, Reason
from transom.domain.job_inputs import Batch
from transom.domain.model import Caller, Failure, Image, Job, JobStatus, Member, Visibility
from transom.domain.recipients import domain_key
from transom.sharing.batches import answer, share, withdraw
from transom.sharing.plans import MOST_OF_WHOLE
from transom.sql.db import Database, Result, Row, Script, Statement
from transom.sql.deletion import delete_image
from transom.sql.images import find_image, update_image
from transom.sql.jobs import find_job

from .databases import NOBODY, count, delete_member, insert_member, set_member_status, write_world

pytestmark = pytest.mark.anyio

NO_LIMIT = -1
NOW = 7
RECEIVER = caller(project=RECIPIENT)
BOTH = [RECIPIENT, STRANGER]
DOMAIN = domain_key("default")
WHOLE = {"__whole_image": "true"}
BACKUP = WHOLE | {"__backup_id": "backup"}
ENCRYPTED = {"__system__cmkid": "key"}
PATIENCE_S = 20
ROUNDS = 10


async def _share(
    db: Database,
    images: Sequence[str],
    recipients: Sequence[str],
    limit: int = NO_LIMIT,
    who: Caller | None = None,
    job: Job | None = None,
) -> list[Failure]:
    return await db.run(lambda: share(who or caller(), ACTOR, images, recipients, limit, NOW, job))


async def _answer(
    db: Database, images: Sequence[str], status: str, vault: str | None = None, job: Job | None = None
) -> list[Failure]:
    return await db.run(lambda: answer(caller(project=RECIPIENT), ACTOR, images, status, vault, NOW, job))


async def _withdraw(
    db: Database, images: Sequence[str], recipients: Sequence[str], who: Caller | None = None
) -> list[Failure]:
    return await db.run(lambda: withdraw(who or caller(), ACTOR, images, recipients, NOW, None))


def _images(*ids: str, **changes: Any) -> list[Image]:
    return [image(id=one, **changes) for one in ids]


def _member(image_id: str, member_id: str = RECIPIENT, status: str = "pending") -> Member:
    return msgspec.structs.replace(member(member_id, status), image_id=image_id)


def _job(job_id: str = "job") -> Job:
    return Job(
        id=job_id,
        kind="imsAddImageMembersJob",
        project_id=OWNER,
        status=JobStatus.RUNNING,
        input=Batch(images=("image",), recipients=(RECIPIENT,)),
        failures=(),
        begin_at=1,
        end_at=None,
    )


async def _statuses(db: Database) -> dict[tuple[str, str], str]:
    """(image, member) → status, of all memberships there are."""
    return {
        (row[0], row[1]): row[2] for row in await db.read("select image_id, member_id, status from member")
    }


async def _rows(db: Database) -> list[tuple[Any, ...]]:
    rows = await db.read(
        "select image_id, member_id, status, image_created_at, created_at, updated_at, vault_id"
        " from member order by image_id, member_id"
    )
    return [tuple(row) for row in rows]


async def _visibility(db: Database, image_id: str) -> str:
    found = (await find_image(db, image_id, NOBODY)).image
    assert found is not None
    return found.visibility


def _told(failures: list[Failure]) -> list[tuple[str | None, str | None, str]]:
    return [(one.image_id, one.member_id, one.reason) for one in failures]


# ---- sharing


async def test_each_image_is_offered_to_each_recipient(db: Database) -> None:
    await write_world(db, _images("a", "b", created_at=3), [])

    failures = await _share(db, ["b", "a"], [STRANGER, RECIPIENT, DOMAIN])

    assert failures == []
    assert await _rows(db) == [
        (image_id, member_id, status, 3, NOW, NOW, None)
        for image_id in ("a", "b")
        for member_id, status in ((DOMAIN, "accepted"), (RECIPIENT, "pending"), (STRANGER, "pending"))
    ]


async def test_sharing_again_keeps_answers_but_makes_a_rejected_offer_anew(db: Database) -> None:
    rejected = msgspec.structs.replace(_member("image", "r", "rejected"), vault_id="vault")
    accepted = msgspec.structs.replace(_member("image", "a", "accepted"), vault_id="vault")
    await write_world(db, [image()], [accepted, rejected, _member("image", "p")])

    failures = await _share(db, ["image"], ["a", "p", "r"], 3)

    assert failures == []
    assert await _rows(db) == [
        ("image", "a", "accepted", 1, 1, 1, "vault"),
        ("image", "p", "pending", 1, 1, 1, None),
        ("image", "r", "pending", 1, 1, NOW, None),
    ]


async def test_a_private_image_becomes_shared_and_its_old_memberships_do_not_come_back(db: Database) -> None:
    await write_world(
        db,
        _images("image", visibility=Visibility.PRIVATE),
        [_member("image", "old", "accepted"), _member("image", RECIPIENT, "accepted")],
    )

    failures = await _share(db, ["image"], [RECIPIENT], 1)

    assert failures == []
    assert await _statuses(db) == {("image", RECIPIENT): "pending"}
    assert await _visibility(db, "image") == Visibility.SHARED


async def test_a_private_image_of_which_no_recipient_is_taken_stays_as_it_is(db: Database) -> None:
    old = [_member("image", "old", "accepted")]
    await write_world(db, _images("image", visibility=Visibility.PRIVATE), old)

    failures = await _share(db, ["image"], [RECIPIENT], 0)

    assert _told(failures) == [("image", RECIPIENT, Reason.MEMBERS_FULL)]
    assert await _statuses(db) == {("image", "old"): "accepted"}
    assert await _visibility(db, "image") == Visibility.PRIVATE


@pytest.mark.parametrize("visibility", [Visibility.PRIVATE, Visibility.SHARED])
async def test_places_go_to_the_recipients_named_first_and_who_has_one_keeps_it(
    db: Database, visibility: str
) -> None:
    await write_world(db, _images("image", visibility=visibility), [_member("image", "d", "rejected")])

    failures = await _share(db, ["image"], ["c", "b", "a", "d"], 3)

    # A private image's old memberships take no places.
    taken = ["c", "b"] if visibility == Visibility.SHARED else ["c", "b", "a"]
    refused = ["a"] if visibility == Visibility.SHARED else ["d"]
    kept = {"d"} if visibility == Visibility.SHARED else set()
    assert _told(failures) == [("image", one, Reason.MEMBERS_FULL) for one in refused]
    assert await _statuses(db) == {("image", one): "pending" for one in {*taken, *kept}}


async def test_an_image_that_is_full_does_not_hinder_the_others(db: Database) -> None:
    full = [_member("b", f"m{n}") for n in range(3)]
    await write_world(db, _images("a", "b", "c"), full)

    failures = await _share(db, ["a", "b", "c"], [RECIPIENT, STRANGER], 3)

    assert _told(failures) == [("b", one, Reason.MEMBERS_FULL) for one in (RECIPIENT, STRANGER)]
    assert set(await _statuses(db)) == {
        *((one, who) for one in ("a", "c") for who in (RECIPIENT, STRANGER)),
        *(("b", f"m{n}") for n in range(3)),
    }


@pytest.mark.parametrize("limit", [NO_LIMIT, 256])
async def test_an_image_of_a_whole_server_has_ten_recipients_at_most(db: Database, limit: int) -> None:
    await write_world(db, [image(properties=BACKUP)], [])

    failures = await _share(db, ["image"], [f"p{n:02}" for n in range(12)], limit)

    assert [one.member_id for one in failures] == ["p10", "p11"]
    assert await count(db, "member") == MOST_OF_WHOLE


async def test_what_cannot_be_shared_is_told_image_by_image_in_the_order_named(db: Database) -> None:
    await write_world(
        db,
        [
            *_images("public", visibility=Visibility.PUBLIC),
            *_images("encrypted", properties=ENCRYPTED),
            *_images("whole", properties=WHOLE),
            *_images("offered", "hidden", owner=STRANGER),
            *_images("good", properties=BACKUP),
        ],
        [_member("offered", OWNER, "accepted")],
    )
    named = ["public", "absent", "hidden", "good", "offered", "whole", "encrypted"]

    failures = await _share(db, named, [RECIPIENT])

    assert _told(failures) == [
        ("public", None, Reason.PUBLIC_NOT_SHARED),
        ("absent", None, Reason.IMAGE_UNKNOWN),
        ("hidden", None, Reason.IMAGE_UNKNOWN),
        ("offered", None, Reason.NOT_OWNER),
        ("whole", None, Reason.WHOLE_NOT_SHARED),
        ("encrypted", None, Reason.ENCRYPTED_NOT_SHARED),
    ]
    assert set(await _statuses(db)) == {("offered", OWNER), ("good", RECIPIENT)}


async def test_an_image_is_not_shared_with_its_owner_by_an_admin_either(db: Database) -> None:
    await write_world(db, [image()], [])

    failures = await _share(db, ["image"], [RECIPIENT, OWNER], who=caller("admin", "admin-project"))

    assert _told(failures) == [("image", OWNER, Reason.ONESELF)]
    assert await _statuses(db) == {("image", RECIPIENT): "pending"}


@pytest.mark.parametrize("full", [False, True])
async def test_many_images_take_as_many_statements_as_few_whoever_is_named(db: Database, full: bool) -> None:
    """Be it that the owner is among the recipients, or that the images have no more room: each image once
    took its own statements then, of which a batch of thousands has tens of thousands."""
    ids = [f"image-{number}" for number in range(12)]
    admin = caller("admin", "admin-project")
    limit = 2 if full else NO_LIMIT
    counts, told = [], []

    for few in (ids[:2], ids):
        had = [_member(one, "third-project", "accepted") for one in few]
        await write_world(db, _images(*few), had + [_member(one) for one in few] if full else had)
        statements: list[Statement] = []
        make = partial(share, admin, ACTOR, few, [*BOTH, OWNER], limit, NOW, None)
        told.append(await db.run(partial(_noting, statements, make)))
        counts.append(len(statements))

    assert counts[0] == counts[1]
    refused = [STRANGER] if full else []
    assert sorted(_told(told[1])) == sorted(
        [(one, OWNER, Reason.ONESELF) for one in ids]
        + [(one, each, Reason.MEMBERS_FULL) for one in ids for each in refused]
    )
    expected = {RECIPIENT, "third-project"} if full else {*BOTH, "third-project"}
    assert set(await _statuses(db)) == {(one, each) for one in ids for each in expected}


def _noting(noted: list[Statement], make: Callable[[], Script[Result]]) -> Script[Result]:
    """The script, which notes its statements as it goes."""
    script = make()
    rows: list[Row] | None = None
    while True:
        try:
            statement = next(script) if rows is None else script.send(rows)
        except StopIteration as end:
            result: Result = end.value
            return result
        noted.append(statement)
        rows = yield statement


async def test_who_sees_an_image_by_its_domain_is_told_that_it_is_anothers(db: Database) -> None:
    await write_world(db, [image(owner=STRANGER)], [_member("image", DOMAIN, "accepted")])
    of_domain = msgspec.structs.replace(caller(), domain_id="default")

    assert _told(await _share(db, ["image"], [RECIPIENT], who=of_domain)) == [
        ("image", None, Reason.NOT_OWNER)
    ]


# ---- versions


@pytest.mark.parametrize(
    ("visibility", "recipient", "moves"),
    [
        (Visibility.SHARED, RECIPIENT, False),
        (Visibility.SHARED, DOMAIN, True),
        (Visibility.PRIVATE, RECIPIENT, True),
        (Visibility.PRIVATE, DOMAIN, True),
    ],
)
async def test_what_saw_the_image_before_looks_again_when_it_was_opened_or_shared_with_a_domain(
    db: Database, visibility: str, recipient: str, moves: bool
) -> None:
    seen = image(visibility=visibility)
    await write_world(db, [seen, *_images("beside")], [])

    await _share(db, ["image"], [recipient])

    assert await delete_image(db, seen, 8, ACTOR) is not moves
    assert await delete_image(db, image(id="beside"), 8, ACTOR) is True


async def test_a_version_moves_on_though_the_clock_stands_behind_it(db: Database) -> None:
    seen = image(updated_at=100)
    await write_world(db, [seen], [])

    await _share(db, ["image"], [DOMAIN])
    first = (await find_image(db, "image", NOBODY)).image
    await _share(db, ["image"], [DOMAIN])
    second = (await find_image(db, "image", NOBODY)).image

    assert first is not None
    assert second is not None
    assert 100 < first.updated_at < second.updated_at


async def test_a_refused_offer_to_a_domain_does_not_move_the_version(db: Database) -> None:
    seen = image()
    await write_world(db, [seen], [_member("image", RECIPIENT)])

    await _share(db, ["image"], [DOMAIN], 1)

    assert await update_image(db, seen, msgspec.structs.replace(seen, updated_at=9), ACTOR) is True


# ---- answering


async def test_an_answer_reaches_the_offers_to_the_caller_and_no_others(db: Database) -> None:
    await write_world(
        db,
        _images("a", "b", "c", owner=OWNER),
        [_member("a"), _member("b", status="rejected"), _member("a", STRANGER), _member("c")],
    )

    failures = await _answer(db, ["b", "a"], "accepted")

    assert failures == []
    assert await _statuses(db) == {
        ("a", RECIPIENT): "accepted",
        ("b", RECIPIENT): "accepted",
        ("a", STRANGER): "pending",
        ("c", RECIPIENT): "pending",
    }


async def test_the_same_answer_again_changes_nothing(db: Database) -> None:
    await write_world(db, [image()], [_member("image", status="accepted")])

    assert await _answer(db, ["image"], "accepted") == []
    assert await _rows(db) == [("image", RECIPIENT, "accepted", 1, 1, 1, None)]


async def test_what_is_not_offered_looks_alike_whatever_it_is(db: Database) -> None:
    await write_world(
        db,
        [
            *_images("own", owner=RECIPIENT),
            *_images("other", "good"),
            *_images("private", visibility=Visibility.PRIVATE),
            *_images("public", visibility=Visibility.PUBLIC),
            *_images("domain"),
        ],
        [_member("private"), _member("public"), _member("domain", DOMAIN, "accepted"), _member("good")],
    )
    named = ["own", "other", "good", "private", "public", "domain", "absent"]

    failures = await _answer(db, named, "rejected")

    assert _told(failures) == [(one, None, Reason.MEMBER_UNKNOWN) for one in named if one != "good"]
    assert (await _statuses(db))["good", RECIPIENT] == "rejected"
    assert list((await _statuses(db)).values()).count("rejected") == 1


async def test_a_servers_backup_is_accepted_with_a_vault_only(db: Database) -> None:
    await write_world(
        db, [*_images("backup", properties=BACKUP), *_images("plain")], [_member("backup"), _member("plain")]
    )

    without = await _answer(db, ["plain", "backup"], "accepted")
    after_without = await _rows(db)
    with_vault = await _answer(db, ["plain", "backup"], "accepted", "vault")

    assert _told(without) == [("backup", None, Reason.VAULT_MISSING)]
    assert [(row[0], row[2], row[6]) for row in after_without] == [
        ("backup", "pending", None),
        ("plain", "accepted", None),
    ]
    assert with_vault == []
    assert [(row[0], row[2], row[6]) for row in await _rows(db)] == [
        ("backup", "accepted", "vault"),
        ("plain", "accepted", None),
    ]


async def test_a_servers_backup_is_rejected_without_a_vault(db: Database) -> None:
    await write_world(db, [image(properties=BACKUP)], [_member("image")])

    assert await _answer(db, ["image"], "rejected") == []
    assert await _statuses(db) == {("image", RECIPIENT): "rejected"}


# ---- withdrawing


async def test_offers_are_taken_back_and_what_was_not_offered_counts_as_withdrawn(db: Database) -> None:
    kept = {("a", "third"): "pending", ("other", RECIPIENT): "pending"}
    await write_world(
        db,
        _images("a", "b", "other"),
        [
            _member("a", RECIPIENT),
            _member("a", "third"),
            _member("b", DOMAIN, "accepted"),
            _member("other", RECIPIENT),
        ],
    )

    failures = await _withdraw(db, ["b", "a"], [RECIPIENT, STRANGER, DOMAIN])

    assert failures == []
    assert await _statuses(db) == kept


async def test_others_images_are_not_withdrawn(db: Database) -> None:
    await write_world(
        db,
        [*_images("good"), *_images("offered", "hidden", owner=STRANGER)],
        [_member("good"), _member("hidden"), _member("offered"), _member("offered", OWNER)],
    )

    failures = await _withdraw(db, ["offered", "absent", "hidden", "good"], [RECIPIENT])

    assert _told(failures) == [
        ("offered", None, Reason.NOT_OWNER),
        ("absent", None, Reason.IMAGE_UNKNOWN),
        ("hidden", None, Reason.IMAGE_UNKNOWN),
    ]
    assert set(await _statuses(db)) == {("hidden", RECIPIENT), ("offered", RECIPIENT), ("offered", OWNER)}


# ---- the job


async def test_the_job_is_written_with_the_batch_and_says_what_could_not_be_done(db: Database) -> None:
    await write_world(db, [image()], [])

    done = await _share(db, ["image"], [RECIPIENT], job=_job("done"))
    failed = await _share(db, ["image", "absent"], [RECIPIENT], job=_job("failed"))
    jobs = [await find_job(db, one, OWNER) for one in ("done", "failed")]

    assert (done, len(failed)) == ([], 1)
    assert jobs[0] is not None
    assert jobs[1] is not None
    assert [one.status for one in jobs if one] == [JobStatus.SUCCESS, JobStatus.FAIL]
    assert [one.failures for one in jobs if one] == [(), tuple(failed)]
    assert all(one is not None and one.end_at is not None for one in jobs)


@pytest.mark.parametrize("verb", ["share", "answer", "withdraw"])
async def test_a_batch_of_unknown_images_only_is_refused_and_leaves_no_job(db: Database, verb: str) -> None:
    await write_world(db, _images("hidden", owner=STRANGER), [])
    scripts: dict[str, Callable[[], Script[list[Failure]]]] = {
        "share": lambda: share(caller(), ACTOR, ["hidden", "absent"], [RECIPIENT], NO_LIMIT, NOW, _job()),
        "answer": lambda: answer(caller(), ACTOR, ["hidden", "absent"], "accepted", None, NOW, _job()),
        "withdraw": lambda: withdraw(caller(), ACTOR, ["hidden", "absent"], [RECIPIENT], NOW, _job()),
    }

    with pytest.raises(NotFoundError, match="hidden"):
        await db.run(scripts[verb])

    assert await count(db, "job") == 0
    assert await _statuses(db) == {}


@pytest.mark.parametrize("verb", ["share", "answer", "withdraw"])
async def test_a_batch_that_breaks_half_way_leaves_neither_memberships_nor_a_job(
    db: Database, verb: str
) -> None:
    before = [_member("image", status="rejected")]
    await write_world(db, [*_images("image"), *_images("new", visibility=Visibility.PRIVATE)], before)
    scripts: dict[str, Callable[[], Script[list[Failure]]]] = {
        "share": lambda: share(caller(), ACTOR, ["image", "new"], [RECIPIENT], NO_LIMIT, NOW, _job()),
        "answer": lambda: answer(caller(project=RECIPIENT), ACTOR, ["image"], "accepted", None, NOW, _job()),
        "withdraw": lambda: withdraw(caller(), ACTOR, ["image"], [RECIPIENT], NOW, _job()),
    }

    def broken() -> Script[None]:
        yield from scripts[verb]()
        raise ValueError("at the end")

    with pytest.raises(ValueError, match="at the end"):
        await db.run(broken)

    assert await _statuses(db) == {("image", RECIPIENT): "rejected"}
    assert await _visibility(db, "new") == Visibility.PRIVATE
    assert await count(db, "job") == 0


# ---- batches that meet


class _Counted:
    """Runs scripts and counts how often one was begun: one that is begun again has met others in a circle."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun = 0

    async def run(self, db: Database, make_script: Callable[[], Script[Result]]) -> Result:
        def begin() -> Script[Result]:
            self.begun += 1
            return make_script()

        self.runs += 1
        return await db.run(begin)


async def test_batches_that_cross_are_all_done_and_none_waits_in_a_circle(
    db: Database, neighbour: Database
) -> None:
    images = [f"i{n:02}" for n in range(24)]
    recipients = [RECIPIENT, *(f"p{n:02}" for n in range(24))]
    everything = [_member(one, who) for one in images[::2] for who in recipients[::2]]
    await write_world(db, _images(*images), everything)
    counted = _Counted()

    def batches(of: Database, ids: list[str], whom: list[str]) -> list[Any]:
        return [
            counted.run(of, lambda: share(caller(), ACTOR, ids, whom, NO_LIMIT, NOW, None)),
            counted.run(of, lambda: withdraw(caller(), ACTOR, ids, whom, NOW, None)),
            counted.run(
                of, lambda: answer(caller(project=RECIPIENT), ACTOR, ids, "accepted", None, NOW, None)
            ),
        ]

    with anyio.fail_after(PATIENCE_S):
        for _ in range(ROUNDS):
            results = await asyncio.gather(
                *batches(db, images, recipients),
                *batches(neighbour, images[::-1], recipients[::-1]),
                *batches(db, images[12:] + images[:12], recipients[::-1]),
                *batches(neighbour, images[::2] + images[1::2], recipients),
            )
            shares_and_withdrawals = [one for n, one in enumerate(results) if n % 3 != 2]
            assert not any(shares_and_withdrawals)

    assert counted.begun == counted.runs


async def test_batches_beside_single_calls_none_waits_in_a_circle(db: Database, neighbour: Database) -> None:
    images = [f"i{n:02}" for n in range(12)]
    await write_world(db, _images(*images), [_member(one) for one in images])
    counted = _Counted()

    with anyio.fail_after(PATIENCE_S):
        for _ in range(ROUNDS):
            await asyncio.gather(
                counted.run(db, lambda: share(caller(), ACTOR, images, BOTH, NO_LIMIT, NOW, None)),
                counted.run(
                    neighbour,
                    lambda: answer(
                        caller(project=RECIPIENT), ACTOR, images[::-1], "rejected", None, NOW, None
                    ),
                ),
                *(insert_member(neighbour, one, "third", NO_LIMIT, NOW) for one in images[::-1]),
                *(set_member_status(db, one, RECIPIENT, "accepted", NOW) for one in images),
                *(delete_member(neighbour, one, RECIPIENT) for one in images[::-1]),
            )

    assert counted.begun == counted.runs


async def test_batches_made_at_once_do_not_pass_the_limit(db: Database, neighbour: Database) -> None:
    images = ["a", "b"]
    for _ in range(ROUNDS):
        await write_world(db, _images(*images), [])

        failures = await asyncio.gather(
            *(
                _share(one, ids, [f"{number}-{n}" for n in range(2)], 3)
                for number, (one, ids) in enumerate([(db, images), (neighbour, images[::-1])] * 3)
            )
        )

        rows = await db.read("select image_id, count(*) from member group by image_id order by image_id")
        assert [tuple(row) for row in rows] == [("a", 3), ("b", 3)]
        assert sum(map(len, failures)) == 6 * 2 * 2 - 6


async def test_a_batch_and_single_offers_at_once_do_not_pass_the_limit(
    db: Database, neighbour: Database
) -> None:
    for _ in range(ROUNDS):
        await write_world(db, [image()], [_member("image", "first")])

        failures, inserted = await asyncio.gather(
            _share(db, ["image"], ["a", "b"], 3),
            asyncio.gather(*(insert_member(neighbour, "image", f"single-{n}", 3, NOW) for n in range(4))),
        )

        assert await count(db, "member") == 3
        assert 2 - len(failures) + sum(one is not None for one in inserted) == 2


async def test_a_batch_and_a_deletion_at_once_agree_on_which_came_first(
    db: Database, neighbour: Database
) -> None:
    for _ in range(ROUNDS):
        await write_world(db, _images("a", "b"), [_member("a", STRANGER)])

        failures, deleted = await asyncio.gather(
            _share(db, ["b", "a"], [RECIPIENT]), delete_image(neighbour, image(id="a"), 8, ACTOR)
        )

        assert deleted is True
        assert _told(failures) in ([], [("a", None, Reason.IMAGE_UNKNOWN)])
        assert await _statuses(db) == {("b", RECIPIENT): "pending"}


async def test_an_image_shared_with_a_domain_is_not_deleted_by_who_saw_it_before(
    db: Database, neighbour: Database
) -> None:
    for _ in range(ROUNDS):
        await write_world(db, [image()], [])

        failures, deleted = await asyncio.gather(
            _share(db, ["image"], [DOMAIN]), delete_image(neighbour, image(), 8, ACTOR)
        )

        assert deleted is bool(failures)
        assert await count(db, "member") == (0 if deleted else 1)


async def test_an_offer_answered_and_withdrawn_at_once_is_gone(db: Database, neighbour: Database) -> None:
    for _ in range(ROUNDS):
        await write_world(db, _images("a", "b"), [_member("a"), _member("b")])

        answered, _ = await asyncio.gather(
            _answer(db, ["b", "a"], "accepted"), _withdraw(neighbour, ["a", "b"], [RECIPIENT])
        )

        assert _told(answered) in ([], [(one, None, Reason.MEMBER_UNKNOWN) for one in ("b", "a")])
        assert await count(db, "member") == 0


# ---- what a batch that waited for a lock has to see


@pytest.fixture
async def other(url: str, db: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody who changes something, slowly."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


OFFER = "insert into member values ($1, $2, 'pending', 1, 1, 1, null)"


async def _while_waiting(
    other: asyncpg.Connection, url: str, run: Callable[[], Any], *statements: tuple[Any, ...]
) -> Any:
    """What `run` comes to when the statements, in one transaction, are committed while it waits for them."""
    watcher = await asyncpg.connect(url)
    async with other.transaction():
        await other.execute("select id from image order by id for update")
        for sql, *values in statements:
            await other.execute(sql, *values)
        running = asyncio.ensure_future(run())
        with anyio.fail_after(PATIENCE_S):
            while not await watcher.fetchval("select count(*) from pg_locks where not granted"):
                pass
    await watcher.close()
    return await running


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_a_batch_that_waited_counts_the_offers_made_meanwhile(
    url: str, db: Database, other: asyncpg.Connection
) -> None:
    await write_world(db, [image()], [])

    failures = await _while_waiting(
        other, url, lambda: _share(db, ["image"], [RECIPIENT], 1), (OFFER, "image", STRANGER)
    )

    assert _told(failures) == [("image", RECIPIENT, Reason.MEMBERS_FULL)]
    assert await _statuses(db) == {("image", STRANGER): "pending"}


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_a_batch_that_waited_finds_the_image_opened_by_another(
    url: str, db: Database, other: asyncpg.Connection
) -> None:
    await write_world(db, _images("image", visibility=Visibility.PRIVATE), [])

    failures = await _while_waiting(
        other,
        url,
        lambda: _share(db, ["image"], [RECIPIENT], 2),
        ("update image set visibility = 'shared', updated_at = 2 where id = $1", "image"),
        (OFFER, "image", STRANGER),
    )

    assert failures == []
    assert await _statuses(db) == {("image", STRANGER): "pending", ("image", RECIPIENT): "pending"}


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_an_answer_that_waited_meets_all_that_was_offered_in_one_step(
    url: str, db: Database, other: asyncpg.Connection
) -> None:
    """The other batch offers both images. An answer that comes after it for one comes after it for both."""
    await write_world(db, _images("a", "b"), [_member("a", status="rejected")])

    failures = await _while_waiting(
        other,
        url,
        lambda: _answer(db, ["a", "b"], "rejected"),
        ("update member set status = 'pending' where image_id = $1", "a"),
        (OFFER, "b", RECIPIENT),
    )

    assert failures == []
    assert await _statuses(db) == {("a", RECIPIENT): "rejected", ("b", RECIPIENT): "rejected"}


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_who_was_made_a_member_meanwhile_is_told_that_the_image_is_anothers(
    url: str, db: Database, other: asyncpg.Connection
) -> None:
    await write_world(db, [image(owner=STRANGER)], [])

    failures = await _while_waiting(
        other, url, lambda: _share(db, ["image"], [RECIPIENT]), (OFFER, "image", OWNER)
    )

    assert _told(failures) == [("image", None, Reason.NOT_OWNER)]


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_a_batch_that_waited_finds_deleted_images_gone(
    url: str, db: Database, other: asyncpg.Connection
) -> None:
    await write_world(db, _images("a", "b"), [])

    failures = await _while_waiting(
        other, url, lambda: _share(db, ["a", "b"], [RECIPIENT]), ("delete from image where id = $1", "a")
    )

    assert _told(failures) == [("a", None, Reason.IMAGE_UNKNOWN)]
    assert await _statuses(db) == {("b", RECIPIENT): "pending"}
