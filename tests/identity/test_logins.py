"""Turns at checking passwords: who is next, who has to pause, and who is refused when there are too many."""

import asyncio
from collections.abc import Awaitable, Callable

from transom.domain.errors import UnavailableError
from transom.identity.logins import (
    CHECKS_AT_ONCE,
    FREE_FAILURES,
    MOST_WAITING,
    Attempt,
    LoginTurns,
    mark_account,
)

Check = Callable[[], Awaitable[None]]


def _attempt(client: str, account: str = "alice") -> Attempt:
    return Attempt(client, mark_account(account))


class Crowd:
    """Logins that wait for their turn behind checks that hold all places until `open_doors`."""

    def __init__(self) -> None:
        self.turns = LoginTurns()
        self.served: list[str] = []
        self._doors = asyncio.Event()
        self._logins: list[asyncio.Task[None]] = []

    async def fill_places(self) -> None:
        for number in range(CHECKS_AT_ONCE):
            await self.come("holder", _attempt(f"holder-{number}"))

    async def come(self, name: str, attempt: Attempt) -> asyncio.Task[None]:
        """Returns when the login waits."""
        login = asyncio.create_task(self._log_in(name, attempt))
        self._logins.append(login)
        await asyncio.sleep(0)
        return login

    async def _log_in(self, name: str, attempt: Attempt) -> None:
        async with self.turns.turn(attempt):
            self.served.append(name)
            await self._doors.wait()

    async def finish(self) -> list[str]:
        """Who was served after the holders, in order."""
        self._doors.set()
        await asyncio.gather(*self._logins, return_exceptions=True)
        return self.served[CHECKS_AT_ONCE:]


def test_clients_take_turns() -> None:
    async def tell() -> list[str]:
        crowd = Crowd()
        await crowd.fill_places()
        for _ in range(20):
            await crowd.come("many", _attempt("192.0.2.1"))
        await crowd.come("one", _attempt("192.0.2.2", "bob"))
        return await crowd.finish()

    assert asyncio.run(tell()).index("one") <= 1


def test_an_account_without_failures_goes_before_one_that_has_some() -> None:
    async def tell() -> list[str]:
        crowd = Crowd()
        await crowd.fill_places()
        crowd.turns.record_failure(_attempt("192.0.2.1", "guessed"))
        for _ in range(10):
            await crowd.come("guessed", _attempt("192.0.2.1", "guessed"))
        await crowd.come("bob", _attempt("192.0.2.1", "bob"))
        for _ in range(10):
            await crowd.come("guessed", _attempt("192.0.2.1", "guessed"))
        return await crowd.finish()

    assert asyncio.run(tell())[0] == "bob"


def test_a_newcomer_goes_before_most_of_a_burst() -> None:
    """From the same address, for the same account: nothing else tells them apart."""

    async def tell() -> list[str]:
        crowd = Crowd()
        await crowd.fill_places()
        for _ in range(50):
            await crowd.come("burst", _attempt("192.0.2.1"))
        await crowd.come("newcomer", _attempt("192.0.2.1"))
        return await crowd.finish()

    assert asyncio.run(tell()).index("newcomer") <= 1


def test_after_failures_a_client_pauses_at_the_account_and_another_does_not() -> None:
    async def tell() -> list[str]:
        crowd = Crowd()
        for _ in range(FREE_FAILURES + 10):
            crowd.turns.record_failure(_attempt("192.0.2.1"))
        await crowd.come("failed", _attempt("192.0.2.1"))
        await crowd.come("other", _attempt("192.0.2.2"))
        served = list(crowd.served)
        await crowd.finish()
        return [*served, *crowd.served[len(served) :]]

    assert asyncio.run(tell()) == ["other", "failed"]


def test_a_client_that_fails_everywhere_pauses_and_is_served() -> None:
    async def tell() -> list[str]:
        crowd = Crowd()
        for number in range(FREE_FAILURES + 10):
            crowd.turns.record_failure(_attempt("192.0.2.1", f"account-{number}"))
        await crowd.come("sprayed", _attempt("192.0.2.1", "one more"))
        before = list(crowd.served)
        await crowd.finish()
        return [*before, "then", *crowd.served]

    assert asyncio.run(tell()) == ["then", "sprayed"]


def test_a_full_queue_refuses_whoever_fills_it() -> None:
    async def tell() -> tuple[list[str], list[BaseException | None]]:
        crowd = Crowd()
        await crowd.fill_places()
        flood = [await crowd.come("flood", _attempt("192.0.2.1")) for _ in range(MOST_WAITING)]
        await crowd.come("one", _attempt("192.0.2.2", "bob"))
        served = await crowd.finish()
        return served, [login.exception() for login in flood if login.exception() is not None]

    served, refused = asyncio.run(tell())

    assert "one" in served
    assert len(served) == MOST_WAITING
    assert [type(error) for error in refused] == [UnavailableError]


def test_logins_that_are_given_up_leave_their_places_to_others() -> None:
    """At whatever moment: while they wait, with the place just given, and while they are served."""

    async def tell() -> list[str]:
        crowd = Crowd()
        for _ in range(3):
            logins = [await crowd.come("gone", _attempt("192.0.2.1")) for _ in range(3 * CHECKS_AT_ONCE)]
            for login in logins:
                login.cancel()
            await asyncio.gather(*logins, return_exceptions=True)
        crowd.served.clear()
        await crowd.fill_places()
        return list(crowd.served)

    assert asyncio.run(tell()) == ["holder"] * CHECKS_AT_ONCE
