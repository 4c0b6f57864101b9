"""Queue for password checks: fair between clients, and slower for those who guess.

A check costs much, so few run at once and the others wait. The clients (by address) take turns; of a client's
logins those for the account with the fewest failures are next, and of these the newest and a random one in
turn, so that a burst of guesses does not stand between the user and the service. After some failures both the
client and the account have to pause, for a second at most. Nobody is refused for the failures of others:
refused is a login that has waited for `LONGEST_WAIT_S` or, when the queue is full, one of the client with the
most logins in it.

Per worker process, and used by its event loop only.
"""

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import msgspec

from transom.domain.errors import UnavailableError

#: Per worker process: more would take the processor from everybody else.
CHECKS_AT_ONCE = 2
#: Logins that wait, of all clients together; some KiB each.
MOST_WAITING = 512
LONGEST_WAIT_S = 10.0
#: Failures without which nobody waits: people mistype, and programs start with an old password.
FREE_FAILURES = 10
#: The longest pause between two checks for one account, by clients that have failed there already.
MOST_ACCOUNT_PAUSE_S = 1.0
#: The longest pause between two checks for one client: it may be the address of a whole company.
MOST_CLIENT_PAUSE_S = 0.1
#: Failures are forgotten when none has come for so long.
FORGET_S = 300.0
#: Clients and accounts whose failures are remembered.
REMEMBERED = 8192

_TOO_MANY = "Too many logins at once. Try again in a few seconds."


class Attempt(msgspec.Struct, frozen=True):
    """`client`: the address it comes from. `account`: see `mark_account`."""

    client: str
    account: bytes


def mark_account(*named: object) -> bytes:
    """A short mark of the account as the client names it, whether it exists or not: pauses must not tell."""
    return hashlib.blake2b(repr(named).encode("utf-8", "surrogatepass"), digest_size=16).digest()


class LoginTurns:
    def __init__(self) -> None:
        self._free = CHECKS_AT_ONCE
        self._queues: dict[str, list[_Waiting]] = {}
        self._takes_newest = True
        self._failures = _Failures()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, attempt: Attempt) -> AsyncIterator[None]:
        """Wait for a place. UnavailableError for one that does not get it in time."""
        await self._wait(attempt)
        try:
            yield
        finally:
            self._free += 1
            self._serve()

    def record_failure(self, attempt: Attempt) -> None:
        """The password was wrong. Call it before the turn ends."""
        for key in (attempt.client, (attempt.account,), attempt):
            self._failures.add(key)

    def record_success(self, attempt: Attempt) -> None:
        """The client knows the account's password now. What others did to the account stays."""
        self._failures.forget(attempt)

    async def _wait(self, attempt: Attempt) -> None:
        waiting = _Waiting(attempt, asyncio.get_running_loop().create_future())
        if sum(map(len, self._queues.values())) >= MOST_WAITING:
            self._refuse_one()
        self._queues.setdefault(attempt.client, []).append(waiting)
        self._serve()
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                await waiting.place
        except BaseException as error:
            self._give_up(waiting)
            if isinstance(error, TimeoutError):
                raise UnavailableError(_TOO_MANY) from None
            raise

    def _give_up(self, waiting: "_Waiting") -> None:
        """Leave the queue, or pass on the place that came in the moment in which it was given up."""
        if waiting in self._queues.get(waiting.attempt.client, ()):
            self._remove(waiting)
        elif waiting.place.done() and not waiting.place.cancelled() and waiting.place.exception() is None:
            self._free += 1
            self._serve()

    def _serve(self) -> None:
        """Give the free places away, and come back when a pause is over."""
        now = time.monotonic()
        while self._free > 0 and (waiting := self._choose(now)) is not None:
            self._remove(waiting)
            if not waiting.place.done():
                self._free -= 1
                waiting.place.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._free > 0 and self._queues:
            everybody = (waiting for queue in self._queues.values() for waiting in queue)
            pause_s = min(self._find_pause_end(waiting.attempt) for waiting in everybody) - now
            self._timer = asyncio.get_running_loop().call_later(max(pause_s, 0.001), self._serve)

    def _choose(self, now: float) -> "_Waiting | None":
        for client, queue in self._queues.items():
            ready = [waiting for waiting in queue if self._find_pause_end(waiting.attempt) <= now]
            if not ready:
                continue
            # The client's next turn comes after those of all others.
            self._queues[client] = self._queues.pop(client)
            fewest = min(self._count(waiting) for waiting in ready)
            best = [waiting for waiting in ready if self._count(waiting) == fewest]
            self._takes_newest = not self._takes_newest
            return best[-1] if self._takes_newest else random.choice(best)  # noqa: S311 (fairness, no secret)
        return None

    def _remove(self, waiting: "_Waiting") -> None:
        queue = self._queues[waiting.attempt.client]
        queue.remove(waiting)
        if not queue:
            del self._queues[waiting.attempt.client]

    def _refuse_one(self) -> None:
        """Of the client that has the most logins waiting, one for the account with the most failures."""
        queue = max(self._queues.values(), key=len)
        waiting = max(queue, key=self._count)
        self._remove(waiting)
        if not waiting.place.done():
            waiting.place.set_exception(UnavailableError(_TOO_MANY))

    def _count(self, waiting: "_Waiting") -> int:
        return self._failures.count((waiting.attempt.account,))

    def _find_pause_end(self, attempt: Attempt) -> float:
        """When the next check may begin. A client that has not failed at the account does not wait for those
        that have."""
        of_client = self._failures.find_pause_end(attempt.client, MOST_CLIENT_PAUSE_S)
        if not self._failures.count(attempt):
            return of_client
        return max(of_client, self._failures.find_pause_end((attempt.account,), MOST_ACCOUNT_PAUSE_S))


class _Waiting(msgspec.Struct, frozen=True, eq=False):
    attempt: Attempt
    place: "asyncio.Future[None]"


class _Failures:
    """How often something has failed of late, and when last."""

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[int, float]] = {}

    def add(self, key: Hashable) -> None:
        count = self.count(key) + 1
        self._found.pop(key, None)
        if len(self._found) >= REMEMBERED:
            del self._found[next(iter(self._found))]
        self._found[key] = (count, time.monotonic())

    def forget(self, key: Hashable) -> None:
        self._found.pop(key, None)

    def count(self, key: Hashable) -> int:
        count, last = self._found.get(key, (0, 0.0))
        return count if time.monotonic() - last < FORGET_S else 0

    def find_pause_end(self, key: Hashable, most_s: float) -> float:
        count = self.count(key)
        if count < FREE_FAILURES:
            return 0.0
        _, last = self._found[key]
        return last + min(most_s, 0.01 * float(2 ** min(count - FREE_FAILURES, 10)))
