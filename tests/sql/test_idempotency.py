"""Responses to requests with an Idempotency-Key are stored with the work, on both databases."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from transom.clock import now_us
from transom.domain.idempotency import KeyedRequest, StoredResponse
from transom.sharing.idempotency import AlreadyDoneError, KeyInUseError, StoredResponses, serve_removal
from transom.sql.db import Database, Script, Statement
from transom.sql.idempotency import find_oldest, remove_old

pytestmark = pytest.mark.anyio

REQUEST = KeyedRequest(project_id="project", user_id="user", key="key", fingerprint="first")
_HOUR_US = 3_600_000_000
_WORK = "insert into share_rule (project_id, publisher, answer, updated_at) values ($1, $2, 'accepted', 1)"


def response_of(name: str) -> StoredResponse:
    return StoredResponse(
        fingerprint="first", status=200, headers=[("etag", '"1"')], body=f'{{"name": "{name}"}}'
    )


def work(name: str) -> Callable[[], Script[str]]:
    """A script that leaves a row, and returns the name."""

    def script() -> Script[str]:
        yield Statement(_WORK, ("project", name))
        return name

    return script


async def done_in(db: Database) -> list[str]:
    return sorted(row[0] for row in await db.read("select publisher from share_rule"))


async def do(db: Database, name: str, request: KeyedRequest = REQUEST) -> str:
    return await StoredResponses(db, 24, -1).keyed(request, response_of).run(work(name))


async def test_the_response_is_stored_with_the_work(db: Database) -> None:
    await do(db, "one")

    assert await StoredResponses(db, 24, -1).find(REQUEST) == response_of("one")
    assert await done_in(db) == ["one"]


async def test_a_key_that_has_a_response_does_nothing_more(db: Database, neighbour: Database) -> None:
    await do(db, "one")

    with pytest.raises(AlreadyDoneError) as caught:
        await do(neighbour, "two")

    assert caught.value.response == response_of("one")
    assert await done_in(db) == ["one"]


@pytest.mark.parametrize("other", [{"user_id": "other"}, {"project_id": "other"}, {"key": "Key"}])
async def test_a_key_is_one_users_in_one_project(db: Database, other: dict[str, str]) -> None:
    request = msgspec.structs.replace(REQUEST, **other)
    await do(db, "one")

    assert await StoredResponses(db, 24, -1).find(request) is None
    await do(db, "two", request)

    assert await done_in(db) == ["one", "two"]


async def test_of_equal_requests_at_once_in_several_processes_one_is_done(
    db: Database, neighbour: Database
) -> None:
    names = [f"name-{number}" for number in range(8)]

    outcomes = await asyncio.gather(
        *(do((db, neighbour)[number % 2], name) for number, name in enumerate(names)), return_exceptions=True
    )

    (done,) = [outcome for outcome in outcomes if isinstance(outcome, str)]
    others = [outcome.response for outcome in outcomes if isinstance(outcome, AlreadyDoneError)]
    assert await done_in(db) == [done]
    assert others == [response_of(done)] * 7


async def test_work_that_fails_leaves_no_response_and_its_key_to_the_next(db: Database) -> None:
    def fails() -> Script[str]:
        yield from work("one")()
        raise LookupError

    with pytest.raises(LookupError):
        await StoredResponses(db, 24, -1).keyed(REQUEST, response_of).run(fails)

    assert await StoredResponses(db, 24, -1).find(REQUEST) is None
    assert await done_in(db) == []
    assert await do(db, "two") == "two"


async def test_a_response_that_cannot_be_made_undoes_the_work(db: Database) -> None:
    def show(_name: str) -> StoredResponse:
        raise LookupError

    with pytest.raises(LookupError):
        await StoredResponses(db, 24, -1).keyed(REQUEST, show).run(work("one"))

    assert await done_in(db) == []
    assert await StoredResponses(db, 24, -1).find(REQUEST) is None


async def test_a_response_that_has_expired_is_as_if_it_were_not_there(db: Database) -> None:
    await do(db, "one")
    await db.write("update answered_request set at = $1", now_us() - 24 * _HOUR_US)

    assert await StoredResponses(db, 24, -1).find(REQUEST) is None
    await do(db, "two", msgspec.structs.replace(REQUEST, fingerprint="second"))

    assert await done_in(db) == ["one", "two"]
    rows = await db.read("select fingerprint, body from answered_request")
    assert [tuple(row) for row in rows] == [("second", response_of("two").body)]


async def test_old_responses_are_deleted_the_oldest_first(db: Database) -> None:
    for number in range(4):
        await do(db, f"name-{number}", msgspec.structs.replace(REQUEST, key=f"key-{number}"))
        await db.write("update answered_request set at = $1 where key = $2", number + 1, f"key-{number}")

    assert await db.run(lambda: remove_old(3, 2)) == 2
    assert await find_oldest(db) == 3
    assert await db.run(lambda: remove_old(3, 2)) == 1
    assert await db.run(lambda: remove_old(3, 2)) == 0

    assert await find_oldest(db) == 4


async def test_what_is_too_old_is_removed_as_long_as_the_service_runs(db: Database) -> None:
    await do(db, "old")
    await db.write("update answered_request set at = 1")
    young = msgspec.structs.replace(REQUEST, key="young")
    await do(db, "young", young)

    removing = asyncio.create_task(serve_removal(db, 24))
    try:
        async with asyncio.timeout(60):
            while len(await db.read("select key from answered_request")) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0)
    finally:
        removing.cancel()

    assert await StoredResponses(db, 24, -1).find(young) == response_of("young")


async def test_what_needs_no_transaction_has_its_response_stored_too(db: Database) -> None:
    keyed = StoredResponses(db, 24, -1).keyed(REQUEST, response_of)

    await keyed.keep("one")

    assert await StoredResponses(db, 24, -1).find(REQUEST) == keyed.response == response_of("one")


async def test_a_second_transaction_is_refused(db: Database) -> None:
    keyed = StoredResponses(db, 24, -1).keyed(REQUEST, response_of)
    await keyed.run(work("one"))

    with pytest.raises(RuntimeError):
        await keyed.run(work("two"))

    assert await done_in(db) == ["one"]


async def test_a_key_is_held_while_its_request_is_under_way(db: Database) -> None:
    responses = StoredResponses(db, 24, -1)

    with responses.hold(REQUEST):
        for fingerprint in ("first", "second"):
            again = msgspec.structs.replace(REQUEST, fingerprint=fingerprint)
            with pytest.raises(KeyInUseError) as caught, responses.hold(again):
                pass
            assert caught.value.is_same == (fingerprint == "first")
        with responses.hold(msgspec.structs.replace(REQUEST, user_id="other")):
            pass

    with responses.hold(REQUEST):
        pass
