"""Delivers events to webhooks: in their order, at least once, each hook by one worker at a time.

A hook is a cursor over the feed. The worker that has its lease sends what comes next, and moves the cursor
when the receiver has answered 2xx. Whatever else happens, a kill included, the same is sent again later, with
the same id. A receiver that does not answer holds up its own hook and no other.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from transom.clock import now_us
from transom.domain.errors import ConflictError, TransomError, UnavailableError, describe
from transom.domain.events import CLOCK, Event, EventQuery
from transom.domain.hooks import TEST_EACH_S, TESTS_AT_ONCE, Hook, Maker, pause_after
from transom.domain.model import Caller
from transom.domain.organizations import NO_ORGANIZATIONS, Organizations
from transom.identity import NameSource
from transom.lease import is_over
from transom.liveness import Liveness
from transom.outbound import Poster, Reply
from transom.rate_limit import RateLimit
from transom.sharing import hook_rules
from transom.sharing.events import NO_NAMES, EventNames, Viewer, matching_types
from transom.sharing.hidden_images import hide_images
from transom.sharing.hooks import (
    Message,
    message_of,
    record_disabled,
    signed_headers,
    test_message,
    viewer_of_hook,
)
from transom.sharing.names import NameBook
from transom.sharing.readers import Reader, Readers
from transom.sql import events, hooks
from transom.sql.db import Database, context_of

_log = logging.getLogger(__name__)

#: Requests to hooks that one process has under way, tests among them, and those of one project.
_MOST_RUNNING = 64
_MOST_OF_PROJECT = 4
#: Pause between two looks for events that other processes numbered, and for hooks whose pause is over.
_LOOK_S = 1.0
#: Events of a page, and so of a batch.
_PAGE = 100
#: How long a hook keeps a place that others of its project, or of all, may be waiting for, seconds. An event
#: that was begun is sent to its end.
_TURN_S = 5.0
#: A lease lasts for one try and so much more, seconds.
_SLACK_S = 30
_GONE = 410
_UNEXPECTED = "The service failed to send it; its log says more."
_TESTED = f"The project has tested its webhooks often: there is one more test each {TEST_EACH_S} seconds."
_NO_RIGHT = "The user who made it may not see these events any more. Whoever enables it takes it over."

FindMaker = Callable[[Hook], Awaitable[Maker]]


class Failed(Exception):  # noqa: N818 (what happened to a try, and no error of ours)
    """A try has failed. `status`: of the answer, None when there was none; `is_final`: there is no other
    try; `was_sent`: the receiver was asked."""

    def __init__(
        self,
        text: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        *,
        is_final: bool = False,
        was_sent: bool = True,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s
        self.is_final = is_final
        self.was_sent = was_sent


class Places:
    """The requests that are under way, by project."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    @property
    def are_full(self) -> bool:
        return self._taken.total() >= _MOST_RUNNING

    def are_full_for(self, project_id: str) -> bool:
        """Whether there is none for this project: the others are for other projects."""
        return self.are_full or self._taken[project_id] >= _MOST_OF_PROJECT

    @property
    def full_projects(self) -> list[str]:
        """Those that have all the places that a project may have."""
        return [project_id for project_id, taken in self._taken.items() if taken >= _MOST_OF_PROJECT]

    def take(self, project_id: str) -> None:
        self._taken[project_id] += 1

    def leave(self, project_id: str) -> None:
        self._taken[project_id] -= 1
        if not self._taken[project_id]:
            del self._taken[project_id]


class Delivery:
    """Runs in one process. `wake` it when a hook was changed."""

    def __init__(
        self,
        db: Database,
        poster: Poster,
        liveness: Liveness,
        readers: Readers,
        find_maker: FindMaker,
    ) -> None:
        """`readers`: of the events that this process numbers; `find_maker`: finds the user with whose rights
        a hook is sent events."""
        self._db = db
        self._find_maker = find_maker
        self._readers = readers
        self._organizations = NO_ORGANIZATIONS
        self._names: NameSource | None = None
        self._poster = poster
        self._liveness = liveness
        self._running: dict[str, asyncio.Task[None]] = {}
        self._places = Places()
        self._testing: dict[str, asyncio.Task[None]] = {}
        self._tests = RateLimit(TESTS_AT_ONCE, TEST_EACH_S, time.monotonic)
        self._woken = Reader()

    def wake(self) -> None:
        self._woken.tell(None)

    def use_organizations(self, organizations: Organizations) -> None:
        """Tell hooks of later events what concerns these."""
        self._organizations = organizations

    def use_names(self, source: NameSource) -> None:
        """Take names in later events from it. Without a source, events have no names."""
        self._names = source

    async def serve(self) -> None:
        """Deliver until cancelled: woken by this process, or looking by itself for what others wrote."""
        with self._readers.listen(self._woken):
            while True:
                self._woken.forget()
                try:
                    await self._start_due()
                except TransomError as error:
                    _log.warning("webhooks cannot be claimed now: %s", describe(error))
                except Exception:  # noqa: BLE001 (it must never stop for good)
                    _log.exception("looking for hooks failed")
                await self._woken.wait(_LOOK_S)

    async def close(self) -> None:
        """Break off what is under way; it is left to the next worker."""
        tasks = [*self._running.values(), *self._testing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def check_url(self, url: str) -> None:
        """InvalidError for a URL that may never be sent to."""
        self._poster.check(url)

    # ---- tests

    def test(self, hook: Hook) -> None:
        """Send the hook an event that is in no feed, beside the order. ConflictError when one is on its way,
        UnavailableError when all places are taken, or the project has tested much lately."""
        if hook.id in self._testing:
            raise ConflictError("A test of this hook is on its way.")
        if self._places.are_full_for(hook.project_id):
            raise UnavailableError("All deliveries are busy: test the hook again in a few seconds.")
        self._tests.take(hook.project_id, _TESTED)
        self._occupy(self._testing, hook, self._test(hook))

    async def _test(self, hook: Hook) -> None:
        status: int | None
        error: str | None = None
        try:
            reply = await self._post(hook, test_message(hook))
        except Failed as failed:
            status, error = failed.status, str(failed)
        else:
            status = reply.status
        try:
            await hooks.record_test(self._db, hook.id, now_us(), status, error)
        except TransomError as problem:
            _log.warning("what came of a hook's test is not on record: %s", describe(problem))

    # ---- deliveries

    async def _start_due(self) -> None:
        now = now_us()
        full = self._places.full_projects
        for due in await hooks.list_due(self._db, now, 2 * _MOST_RUNNING, self._organizations, but=full):
            if self._places.are_full:
                return
            if due.id in self._running:
                continue
            if not await is_over(self._db, self._liveness, due):
                continue
            if self._places.are_full_for(due.project_id):
                continue
            hook = await hooks.claim_hook(self._db, due, self._liveness.name, self._lease())
            if hook is not None:
                self._occupy(self._running, hook, self._run(hook))

    def _occupy(
        self, tasks: dict[str, asyncio.Task[None]], hook: Hook, work: Coroutine[Any, Any, None]
    ) -> None:
        """Do the work for the hook, in a place that is taken until it is done."""
        tasks[hook.id] = task = asyncio.create_task(work, context=context_of(hook.project_id))
        self._places.take(hook.project_id)
        task.add_done_callback(partial(self._forget, tasks, hook))

    def _forget(self, tasks: dict[str, asyncio.Task[None]], hook: Hook, _task: asyncio.Task[None]) -> None:
        del tasks[hook.id]
        self._places.leave(hook.project_id)
        self.wake()

    def _lease(self) -> int:
        return now_us() + int((self._poster.timeout_s + _SLACK_S) * 1e6)

    async def _run(self, hook: Hook) -> None:
        """Deliver until nothing is left, a try fails, the hook was changed meanwhile, or it has had its
        turn."""
        current: Hook | None = hook
        turn_ends_at = time.monotonic() + _TURN_S
        try:
            while current is not None:
                current = await self._deliver_page(current, turn_ends_at)
        except TransomError as error:
            _log.warning("hook %s cannot be delivered to now: %s", hook.id, describe(error))
        except Exception:  # noqa: BLE001 (whatever it is, the hook must not stay held, nor be tried at once)
            _log.exception("hook %s failed", hook.id)
            with suppress(TransomError):
                await self._record_failure(current or hook, Failed(_UNEXPECTED))
        finally:
            with suppress(TransomError):
                await asyncio.shield(hooks.release_hook(self._db, hook.id, self._liveness.name))

    async def _deliver_page(self, hook: Hook, turn_ends_at: float) -> Hook | None:
        """Deliver one page of events. Returns the updated hook after a full page; None when no events are
        left, a delivery failed, the hook was changed or taken over meanwhile, or its turn has ended and
        others may want its place: it then comes after all that have waited."""
        _oldest, last = await events.find_kept(self._db)
        viewer = viewer_of_hook(hook, self._organizations)
        found = await events.list_events(self._db, _query_of(hook, viewer))
        # All events up to `last` were numbered before the page was read: the cursor may skip to `last`.
        behind = max(last, found[-1].seq if found else 0)
        parts = [found] if hook.is_batch and found else [[event] for event in found]
        for part in parts:
            delivered = await self._deliver(hook, part, viewer)
            if delivered is None:
                return None
            hook = delivered
            if time.monotonic() >= turn_ends_at and self._places.are_full_for(hook.project_id):
                return None
        if len(found) == _PAGE:
            return hook
        if behind > hook.cursor:
            await hooks.move_cursor(self._db, hook, self._liveness.name, behind, self._lease())
        return None

    async def _deliver(self, hook: Hook, found: Sequence[Event], viewer: Viewer) -> Hook | None:
        """Send it, and write what came of it: the hook behind the events, None to stop."""
        try:
            maker = await self._require_right(hook)
            viewer = await hide_images(self._db, maker, viewer, found)
            message = message_of(hook, found, viewer, await self._find_names(found, viewer))
            reply = await self._post(hook, message)
        except Failed as failed:
            await self._record_failure(hook, failed)
            return None
        holder, until = self._liveness.name, self._lease()
        return await hooks.record_success(
            self._db, hook, holder, found[-1].seq, until, now_us(), reply.status
        )

    async def _find_names(self, found: Sequence[Event], viewer: Viewer) -> EventNames:
        if self._names is None:
            return NO_NAMES
        return await NameBook(self._names, self._organizations).find_in(found, viewer)

    async def _require_right(self, hook: Hook) -> Caller:
        """The user who made the hook. Raises Failed when it may no longer see its events."""
        maker = await self._find_maker(hook)
        if maker.are_roles_known and not hook_rules.sees_hook(maker.caller, hook):
            raise Failed(_NO_RIGHT, is_final=True, was_sent=False)
        return maker.caller

    async def _record_failure(self, hook: Hook, failed: Failed) -> None:
        pause_s = None
        if not failed.is_final:
            pause_s = pause_after(hook.attempts + 1, failed.retry_after_s, random.random())  # noqa: S311
        disabled = record_disabled(hook, CLOCK, str(failed)) if pause_s is None else None
        next_at = now_us() + int(pause_s * 1e6) if pause_s is not None else 0
        holder = self._liveness.name
        was_recorded = await hooks.record_failure(
            self._db,
            hook,
            holder,
            now_us(),
            next_at,
            failed.status,
            str(failed),
            disabled,
            was_sent=failed.was_sent,
        )
        if was_recorded and pause_s is None:
            _log.warning("hook %s is disabled: %s", hook.id, failed)

    async def _post(self, hook: Hook, message: Message) -> Reply:
        """The answer, which is 2xx; else Failed."""
        headers = signed_headers(hook, message, now_us())
        try:
            reply = await self._poster.post(hook.url, message.body, headers, hook.project_id)
        except TransomError as error:
            raise Failed(str(error)) from error
        except Exception as error:  # (whatever it is, it is a failed try: the next one waits)
            _log.exception("hook %s cannot be sent to", hook.id)
            raise Failed(_UNEXPECTED) from error
        if not 200 <= reply.status < 300:
            text, is_gone = f"The receiver answered {reply.status}.", reply.status == _GONE
            raise Failed(text, reply.status, reply.retry_after_s, is_final=is_gone)
        return reply


def _query_of(hook: Hook, viewer: Viewer) -> EventQuery:
    types = matching_types(hook.types)
    query = EventQuery(limit=_PAGE, after=hook.cursor, types=sorted(types))
    if hook.is_global:
        return query
    return EventQuery(
        limit=_PAGE,
        after=hook.cursor,
        types=sorted(types),
        project=hook.project_id,
        member_ids=sorted(viewer.member_ids),
    )


async def release_hooks_of_dead(db: Database, liveness: Liveness) -> None:
    """Take the hooks of workers that this machine knows to be dead from them, before it forgets them."""
    for held in await hooks.list_held(db):
        if liveness.is_dead(held.holder):
            await hooks.release_hook(db, held.id, held.holder)
