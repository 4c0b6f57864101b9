"""Events reach webhooks in their order and at least once, whatever receivers do, on both databases."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, ROLES, STRANGER, caller
from harness.receiver import Received, Receiver
from standardwebhooks import WebhookVerificationError

from transom.clock import now_us
from transom.domain.errors import ConflictError, UnavailableError
from transom.domain.events import EventData, EventType, NewEvent
from transom.domain.hooks import PAUSES_S, SOONEST_S, TESTS_AT_ONCE, Hook
from transom.domain.model import Policy
from transom.domain.organizations import NO_ORGANIZATIONS, Organizations, Unit
from transom.domain.outbound import HookRules
from transom.domain.policy import DEFAULT_POLICY
from transom.liveness import Liveness
from transom.outbound import Poster
from transom.sharing import delivery as delivery_module
from transom.sharing import hooks as service
from transom.sharing.delivery import Delivery, FindMaker
from transom.sharing.relay import Relay
from transom.sql import events, hooks, outbox
from transom.sql.db import Database, Statement
from transom.transfers.requesters import Requesters

from .databases import Tap

pytestmark = pytest.mark.anyio

INSIDE = HookRules(schemes=frozenset({"http"}), hosts=frozenset({"127.0.0.1"}))
CLOSED = HookRules(schemes=frozenset({"http"}), ports=frozenset(range(1, 65536)))
PATIENCE_S = 30


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


#: As where only a token of the user tells its rights.
no_maker = Requesters(DEFAULT_POLICY).find_maker


class World:
    """A database with events and hooks, and deliveries that a test starts when it likes."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db = db
        self.liveness = Liveness(folder)
        self.relay = Relay(db, 1, lambda _seconds: None, lambda _lines: None)

    async def tell(self, *types: str, owner: str = OWNER, member_id: str = RECIPIENT) -> None:
        """Make events of these types, with numbers."""
        for number, kind in enumerate(types):
            data = EventData(image=f"image-{number}", status="pending")
            event = NewEvent(
                at=1, type=EventType(kind), owner=owner, member_id=member_id, image_id="image", data=data
            )
            await self.db.transact(outbox.append(event, ACTOR))
        await self.relay.run()

    async def hook(
        self, url: str, project: str = OWNER, types: tuple[str, ...] = ("*",), **more: bool
    ) -> Hook:
        made = {"is_batch": False, "is_global": False} | more
        role = "admin" if made["is_global"] else "member"
        return await service.create_hook(self.db, caller(role, project), url, types, -1, **made)

    def delivery(
        self,
        rules: HookRules = INSIDE,
        timeout_s: float = PATIENCE_S,
        find_maker: FindMaker = no_maker,
    ) -> Delivery:
        return Delivery(self.db, Poster(rules, timeout_s), self.liveness, self.relay.readers, find_maker)

    async def find(self, hook: Hook) -> Hook:
        found = await hooks.find_hook(self.db, hook.id)
        assert found is not None
        return found

    async def deliver_until(self, hook: Hook, holds: Any, delivery: Delivery | None = None) -> Hook:
        """Deliver until that holds for the hook, which nobody holds any more then; the hook."""
        running = delivery or self.delivery()
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(running.serve)
                # Nothing but its row tells how far a hook is.
                while not (holds(found := await self.find(hook)) and await self._is_free(hook)):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()
            await running.close()
        return found

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Deliver meanwhile."""
        running = self.delivery()
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(running.serve)
                yield
                tasks.cancel_scope.cancel()
            await running.close()

    async def _is_free(self, hook: Hook) -> bool:
        rows = await self.db.read("select holder from hook where id = $1", hook.id)
        return rows[0][0] is None

    async def last(self) -> int:
        return (await events.find_kept(self.db))[1]


@pytest.fixture
async def world(db: Database, tmp_path: Path) -> AsyncIterator[World]:
    await db.transact(
        *(Statement(f"delete from {table}", ()) for table in ("hook", "event", "outbox", "family_audience")),
        Statement("update singleton set last_seq = 0", ()),
    )
    made = World(db, tmp_path / "run")
    yield made
    made.liveness.close()


async def take(receiver: Receiver) -> Received:
    return await anyio.to_thread.run_sync(receiver.take)


def types_of(received: list[Received]) -> list[str]:
    return [event["type"].removeprefix("transom.") for one in received for event in one.events]


def has_come_to(cursor: int) -> Any:
    return lambda hook: hook.cursor == cursor


STORY = ("share.offered", "share.accepted", "share.withdrawn")


async def test_events_come_in_their_order_signed_and_as_the_feed_has_them(
    world: World, receiver: Receiver
) -> None:
    hook = await world.hook(f"{receiver.origin}/in")
    await world.tell(*STORY)

    done = await world.deliver_until(hook, has_come_to(3))

    received = [receiver.take() for _ in STORY]
    assert types_of(received) == list(STORY)
    for number, one in enumerate(received, start=1):
        one.verify(hook.secret)
        assert one.headers["webhook-id"] == one.events[0]["id"] == f"evt-{number:016d}"
        assert one.headers["content-type"] == "application/cloudevents+json"
    assert (done.attempts, done.last_status, done.last_error) == (0, 200, None)
    assert receiver.is_empty


async def test_what_an_organisation_is_told_comes_to_its_projects_alone(
    world: World, receiver: Receiver
) -> None:
    unit = "organization/unit"
    organizations = Organizations(
        units={"unit": Unit(name="Unit", urn="urn", above=(unit,))},
        of_projects={RECIPIENT: Unit(name="Unit", urn="urn", above=(unit,))},
    )
    inside = await world.hook(f"{receiver.origin}/in", RECIPIENT)
    outside = await world.hook(f"{receiver.origin}/out", STRANGER)
    await world.tell("share.offered", member_id=unit)
    await world.tell("share.offered", member_id="organization/another")
    delivery = world.delivery()
    delivery.use_organizations(organizations)

    await world.deliver_until(inside, has_come_to(2), delivery)

    assert (await take(receiver)).events[0]["data"]["recipient"] == {"organization": "unit"}
    assert receiver.is_empty
    assert (await world.find(outside)).last_status is None


async def test_a_batch_brings_what_waits_at_once(world: World, receiver: Receiver) -> None:
    hook = await world.hook(receiver.origin, is_batch=True)
    await world.tell(*STORY)

    await world.deliver_until(hook, has_come_to(3))

    batch = receiver.take()
    batch.verify(hook.secret)
    assert types_of([batch]) == list(STORY)
    assert batch.headers["webhook-id"] == "evt-0000000000000001-evt-0000000000000003"
    assert batch.headers["content-type"] == "application/cloudevents-batch+json"
    assert receiver.is_empty


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_what_is_sent_is_looked_for_and_recorded_on_behalf_of_the_hooks_project(
    world: World, receiver: Receiver
) -> None:
    world.db = tap = Tap(world.db)
    hook = await world.hook(receiver.origin)
    await world.tell(*STORY)
    tap.asked.clear()

    await world.deliver_until(hook, has_come_to(3))

    assert {one.tenant for one in tap.asked if one.sql == hooks.RECORD_SUCCESS} == {OWNER}
    assert {one.tenant for one in tap.asked if one.sql == hooks.LIST_DUE} == {None}


async def test_more_than_a_page_comes_whole(world: World, receiver: Receiver) -> None:
    hook = await world.hook(receiver.origin, is_batch=True)
    await world.tell(*["share.offered"] * 250)

    await world.deliver_until(hook, has_come_to(250))

    sizes = [len(receiver.take().events) for _ in range(3)]
    assert sizes == [100, 100, 50]


async def test_an_event_that_is_numbered_while_it_looks_is_not_left_to_a_later_look(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = await world.hook(receiver.origin)
    look, looks = hooks.list_due, []

    async def look_and_number(*given: Any, **named: Any) -> list[hooks.Due]:
        found = await look(*given, **named)
        looks.append(found)
        if len(looks) == 1:
            await world.tell("share.offered")
        return found

    monkeypatch.setattr(hooks, "list_due", look_and_number)
    monkeypatch.setattr(delivery_module, "_LOOK_S", 10 * PATIENCE_S)

    await world.deliver_until(hook, has_come_to(1))

    assert looks[0] == []
    assert types_of([receiver.take()]) == ["share.offered"]


async def test_a_hook_gets_what_its_filter_names_and_concerns_its_project(
    world: World, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.origin, types=("*.withdrawn", "share.accepted"))
    await world.tell(*STORY)
    await world.tell("share.withdrawn", owner="else", member_id="other")
    await world.tell("share.accepted", owner="else", member_id=OWNER)

    await world.deliver_until(hook, has_come_to(5))

    received = [receiver.take() for _ in range(3)]
    assert types_of(received) == ["share.accepted", "share.withdrawn", "share.accepted"]
    assert receiver.is_empty


async def test_a_hook_of_the_scope_all_gets_everything(world: World, receiver: Receiver) -> None:
    hook = await world.hook(receiver.origin, "admins", is_global=True, is_batch=True)
    await world.tell("share.offered", owner="a", member_id="b")
    await world.tell("share.accepted", owner="c", member_id="d")

    await world.deliver_until(hook, has_come_to(2))

    batch = receiver.take()
    assert types_of([batch]) == ["share.offered", "share.accepted"]
    assert batch.events[0]["data"]["by"]["user"] == "user"


async def test_it_begins_at_the_end_of_the_feed(world: World, receiver: Receiver) -> None:
    await world.tell("share.offered")
    hook = await world.hook(receiver.origin)
    await world.tell("share.accepted")

    await world.deliver_until(hook, has_come_to(2))

    assert types_of([receiver.take()]) == ["share.accepted"]
    assert receiver.is_empty


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
async def test_what_is_not_taken_comes_again_with_the_same_id_and_nothing_passes_it(
    world: World, receiver: Receiver, status: int
) -> None:
    """A redirect is not followed."""
    receiver.status, receiver.more = status, {"Location": f"{receiver.origin}/elsewhere"}
    hook = await world.hook(receiver.origin)
    await world.tell(*STORY)

    failed = await world.deliver_until(hook, lambda hook: hook.attempts == 1)
    first = receiver.take()
    assert receiver.is_empty
    assert (failed.cursor, failed.last_status, failed.is_enabled) == (0, status, True)
    assert failed.last_error == f"The receiver answered {status}."
    assert 0.8 * PAUSES_S[0] - 1 <= (failed.next_at - now_us()) / 1e6 + PATIENCE_S

    receiver.status = 200
    await world.db.write("update hook set next_at = 0")
    done = await world.deliver_until(hook, has_come_to(3))

    again = [receiver.take() for _ in STORY]
    assert (done.attempts, types_of(again)) == (0, list(STORY))
    assert again[0].headers["webhook-id"] == first.headers["webhook-id"]
    again[0].verify(hook.secret)


async def test_after_the_last_pause_the_hook_is_disabled_and_its_project_is_told(
    world: World, receiver: Receiver
) -> None:
    receiver.status = 500
    hook = await world.hook(receiver.origin)
    await world.tell("share.offered")
    await world.db.write("update hook set attempts = $1", len(PAUSES_S))

    failed = await world.deliver_until(hook, lambda hook: not hook.is_enabled)

    await world.db.run(lambda: events.relay(10))
    rows = await world.db.read("select type, owner, data from event order by seq desc limit 1")
    data = msgspec.json.decode(rows[0][2], type=EventData)
    assert (rows[0][0], rows[0][1], data.hook) == ("hook.disabled", OWNER, hook.id)
    assert data.reason == "The receiver answered 500."
    assert failed.cursor == 0


async def test_a_receiver_that_is_gone_is_not_asked_again(world: World, receiver: Receiver) -> None:
    receiver.status = 410
    hook = await world.hook(receiver.origin)
    await world.tell("share.offered")

    failed = await world.deliver_until(hook, lambda hook: not hook.is_enabled)

    assert (failed.attempts, failed.last_status) == (1, 410)


@pytest.mark.parametrize(("is_global", "role"), [(False, "none"), (True, "member")], ids=["project", "all"])
async def test_whose_maker_may_not_see_any_more_is_told_nothing_until_somebody_takes_it_over(
    world: World, receiver: Receiver, is_global: bool, role: str
) -> None:
    hook = await world.hook(receiver.origin, is_global=is_global)
    roles = {"user": ROLES[role], "successor": ROLES["admin"]}

    async def roles_of(user_id: str, _project_id: str | None) -> frozenset[str]:
        return roles[user_id]

    requesters = Requesters(DEFAULT_POLICY, roles_of)
    await world.tell("share.offered")

    disabled = await world.deliver_until(
        hook, lambda hook: not hook.is_enabled, world.delivery(find_maker=requesters.find_maker)
    )

    assert receiver.is_empty
    assert (disabled.cursor, disabled.last_status) == (0, None)
    assert "The user who made it may not see these events any more." in (disabled.last_error or "")
    await world.db.run(lambda: events.relay(10))
    rows = await world.db.read("select type, owner from event order by seq desc limit 1")
    assert tuple(rows[0]) == ("hook.disabled", OWNER)

    heir = msgspec.structs.replace(caller("admin"), user_id="successor")
    await service.change_hook(world.db, heir, ACTOR, hook.id, {"is_enabled": True}, lambda _hook: None)
    await world.deliver_until(hook, has_come_to(2), world.delivery(find_maker=requesters.find_maker))

    assert types_of([receiver.take(), receiver.take()]) == ["share.offered", "hook.disabled"]


@pytest.mark.parametrize("are_known", [False, True], ids=["roles unknown", "roles known"])
async def test_an_image_that_the_operators_rules_hide_is_not_named(
    world: World, receiver: Receiver, are_known: bool
) -> None:
    async def find_roles(_user_id: str, _project_id: str | None) -> frozenset[str]:
        return ROLES["member"]

    hook = await world.hook(receiver.origin)
    hiding = Policy({**DEFAULT_POLICY.rules, "get_image": lambda _caller, _target: False})
    requesters = Requesters(hiding, find_roles if are_known else None)
    await world.tell("share.offered")

    await world.deliver_until(hook, has_come_to(1), world.delivery(find_maker=requesters.find_maker))

    event = msgspec.json.decode(receiver.take().body)
    assert (event["type"], "subject" in event, "image" in event["data"]) == (
        "transom.share.offered",
        False,
        False,
    )


@pytest.mark.parametrize(("is_global", "role"), [(False, "none"), (True, "member")], ids=["project", "all"])
async def test_who_gives_it_another_address_takes_it_over(
    world: World, receiver: Receiver, is_global: bool, role: str
) -> None:
    """Else events would go on to that address after the right of who named it has ended."""
    hook = await world.hook("http://127.0.0.1:1/", is_global=is_global)
    roles = {"user": ROLES["admin"], "successor": ROLES[role]}

    async def roles_of(user_id: str, _project_id: str | None) -> frozenset[str]:
        return roles[user_id]

    requesters = Requesters(DEFAULT_POLICY, roles_of)
    heir = msgspec.structs.replace(caller("admin"), user_id="successor")
    await service.change_hook(world.db, heir, ACTOR, hook.id, {"url": receiver.origin}, lambda _hook: None)
    await world.tell("share.offered")

    await world.deliver_until(
        hook, lambda hook: not hook.is_enabled, world.delivery(find_maker=requesters.find_maker)
    )

    assert receiver.is_empty


async def test_retry_after_is_obeyed(world: World, receiver: Receiver) -> None:
    receiver.status, receiver.more = 429, {"Retry-After": "200"}
    hook = await world.hook(receiver.origin)
    await world.tell("share.offered")

    failed = await world.deliver_until(hook, lambda hook: hook.attempts == 1)

    assert 200e6 - PATIENCE_S * 1e6 < failed.next_at - now_us() <= 200e6


async def test_a_receiver_that_does_not_answer_is_given_up(world: World, receiver: Receiver) -> None:
    receiver.may_answer.clear()
    hook = await world.hook(receiver.origin)
    await world.tell("share.offered")

    failed = await world.deliver_until(hook, lambda hook: hook.attempts == 1, world.delivery(timeout_s=0.2))
    receiver.may_answer.set()

    assert failed.last_status is None
    assert failed.last_error == "'127.0.0.1' has not answered within 0.2 seconds."


async def test_a_receiver_that_hangs_holds_up_no_other_hook(world: World, receiver: Receiver) -> None:
    with Receiver() as hanging:
        hanging.may_answer.clear()
        await world.hook(hanging.origin)
        hook = await world.hook(receiver.origin)
        await world.tell("share.offered")

        await world.deliver_until(hook, has_come_to(1))

        assert types_of([receiver.take()]) == ["share.offered"]
        hanging.may_answer.set()


@pytest.mark.parametrize("inside", ["http://127.0.0.1:{port}/", "http://[::1]:{port}/"])
async def test_addresses_inside_are_refused_at_each_try(
    world: World, receiver: Receiver, inside: str
) -> None:
    hook = await world.hook(inside.format(port=receiver.port))
    await world.tell("share.offered")

    failed = await world.deliver_until(hook, lambda hook: hook.attempts == 1, world.delivery(CLOSED))

    assert "no address that may be connected to" in (failed.last_error or "")
    assert receiver.is_empty


async def test_while_a_secret_is_being_changed_both_sign(world: World, receiver: Receiver) -> None:
    hook = await world.hook(receiver.origin)
    new = await service.change_secret(world.db, caller(), hook.id, lambda _hook: None)
    await world.tell("share.offered")
    await world.deliver_until(new, has_come_to(1))
    both = receiver.take()
    await world.db.write("update hook set old_secret_until = 1")
    await world.tell("share.accepted")
    await world.deliver_until(new, has_come_to(2))
    one = receiver.take()

    both.verify(hook.secret)
    both.verify(new.secret)
    one.verify(new.secret)
    assert hook.secret != new.secret
    assert " " not in one.headers["webhook-signature"]


async def test_a_cursor_that_is_set_back_during_a_delivery_counts(world: World, receiver: Receiver) -> None:
    """What was sent meanwhile moves nothing."""
    hook = await world.hook(receiver.origin)
    await world.tell("share.offered", "share.accepted")
    await world.deliver_until(hook, has_come_to(2))
    received = [receiver.take(), receiver.take()]
    await world.tell("share.withdrawn")
    receiver.may_answer.clear()
    delivery = world.delivery()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.serve)
        received.append(await take(receiver))

        await service.set_cursor(world.db, caller(), hook.id, 0, lambda _hook: None)

        receiver.may_answer.set()
        received += [await take(receiver) for _ in range(3)]
        tasks.cancel_scope.cancel()
    await delivery.close()
    assert types_of(received) == [*STORY, *STORY]


async def test_the_hook_of_a_worker_that_is_dead_goes_on_with_another(
    world: World, receiver: Receiver, tmp_path: Path
) -> None:
    """Killed between the answer and the write, it sends the same once more."""
    hook = await world.hook(receiver.origin)
    await world.tell("share.offered")
    far = now_us() + 3_600_000_000
    dead = Liveness(tmp_path / "run")
    await world.db.write("update hook set holder = $1, held_until = $2", dead.name, far)
    path = tmp_path / "run" / f"{dead.name}.lock"
    dead.close()
    path.touch()

    done = await world.deliver_until(hook, has_come_to(1))

    assert types_of([receiver.take()]) == ["share.offered"]
    assert done.last_status == 200


async def test_a_hook_that_another_worker_holds_is_left_to_it(world: World, receiver: Receiver) -> None:
    held, free = await world.hook(receiver.origin), await world.hook(receiver.origin)
    await world.tell("share.offered")
    far = now_us() + 3_600_000_000
    await world.db.write("update hook set holder = 'other', held_until = $1 where id = $2", far, held.id)

    await world.deliver_until(free, has_come_to(1))

    receiver.take()
    assert receiver.is_empty
    assert (await world.find(held)).cursor == 0


async def test_no_change_by_a_user_brings_the_next_try_close_to_one_that_failed(
    world: World, receiver: Receiver
) -> None:
    """Else whoever names another's address for a receiver has it asked as fast as the API can be called."""
    receiver.status = 500
    hook = await world.hook(receiver.origin)
    await world.tell("share.offered")
    await world.db.write("update hook set attempts = 5")
    failed = await world.deliver_until(hook, lambda hook: hook.attempts == 6)
    assert failed.last_failure_at is not None
    soonest = failed.last_failure_at + SOONEST_S * 1_000_000

    moved = await service.set_cursor(world.db, caller(), hook.id, 0, lambda _hook: None)
    assert (moved.attempts, moved.next_at) == (6, soonest)
    again = await service.set_cursor(world.db, caller(), hook.id, 0, lambda _hook: None)
    assert (again.attempts, again.next_at) == (6, soonest)
    for is_enabled in (False, True):
        change = {"is_enabled": is_enabled}
        enabled = await service.change_hook(world.db, caller(), ACTOR, hook.id, change, lambda _hook: None)
    assert (enabled.attempts, enabled.next_at) == (0, soonest)


async def test_a_try_that_fails_counts_although_the_hook_was_changed_meanwhile(
    world: World, receiver: Receiver
) -> None:
    """Else whoever changes it again and again has the receiver asked without a pause."""
    receiver.status = 500
    receiver.may_answer.clear()
    hook = await world.hook(receiver.origin)
    await world.tell("share.offered")
    delivery = world.delivery()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.serve)
        await take(receiver)
        change = {"is_batch": True}
        await service.change_hook(world.db, caller(), ACTOR, hook.id, change, lambda _hook: None)
        receiver.may_answer.set()
        tasks.cancel_scope.cancel()
    failed = await world.deliver_until(hook, lambda hook: hook.attempts > 0, delivery)

    assert failed.last_failure_at is not None
    assert (failed.is_batch, failed.attempts) == (True, 1)
    assert failed.next_at >= failed.last_failure_at + SOONEST_S * 900_000
    assert receiver.is_empty


async def test_another_url_is_tried_soon_and_what_failed_at_the_old_one_does_not_count(
    world: World, receiver: Receiver
) -> None:
    hook = await world.hook("http://127.0.0.1:1/")
    await world.tell("share.offered")
    await world.db.write("update hook set attempts = 7, next_at = $1", 1 << 60)
    change = {"url": receiver.origin}
    await service.change_hook(world.db, caller(), ACTOR, hook.id, change, lambda _hook: None)

    done = await world.deliver_until(hook, has_come_to(1))

    assert types_of([receiver.take()]) == ["share.offered"]
    assert done.attempts == 0


async def test_another_url_brings_no_try_close_to_one_that_failed(world: World) -> None:
    hook = await world.hook("http://127.0.0.1:1/")
    failed_at = now_us()
    await world.db.write(
        "update hook set attempts = 7, next_at = $1, last_failure_at = $2", 1 << 60, failed_at
    )
    change = {"url": "http://127.0.0.1:2/"}

    new = await service.change_hook(world.db, caller(), ACTOR, hook.id, change, lambda _hook: None)

    assert (new.attempts, new.next_at) == (0, failed_at + SOONEST_S * 1_000_000)


async def test_a_project_tests_its_hooks_at_a_pace(world: World, receiver: Receiver) -> None:
    """Its other hooks as well, else it makes a new one for each test."""
    delivery = world.delivery()
    for _ in range(TESTS_AT_ONCE):
        hook = await world.hook(receiver.origin)
        delivery.test(hook)
        await take(receiver)
        while (await world.find(hook)).last_status is None:  # noqa: ASYNC110
            await anyio.sleep(0.001)
    mine, others = await world.hook(receiver.origin), await world.hook(receiver.origin, project=STRANGER)

    with pytest.raises(UnavailableError, match="tested its webhooks often"):
        delivery.test(mine)
    delivery.test(others)

    await take(receiver)
    await delivery.close()
    assert receiver.is_empty


async def test_tests_of_a_projects_hooks_take_the_places_of_its_deliveries(
    world: World, receiver: Receiver
) -> None:
    """Else a project has as many requests under way as it may have hooks, and all projects any number."""
    receiver.may_answer.clear()
    made = [await world.hook(receiver.origin) for _ in range(5)]
    others = await world.hook(receiver.origin, STRANGER)
    delivery = world.delivery()
    for hook in made[:4]:
        delivery.test(hook)

    with pytest.raises(ConflictError):
        delivery.test(made[0])
    with pytest.raises(UnavailableError):
        delivery.test(made[4])
    delivery.test(others)

    receiver.may_answer.set()
    await world.deliver_until(made[3], lambda hook: hook.last_status == 200, delivery)
    delivery.test(made[4])
    await world.deliver_until(made[4], lambda hook: hook.last_status == 200, delivery)


async def test_one_that_was_disabled_goes_on_where_it_was_or_tells_of_a_hole(
    world: World, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.origin)
    off, on = {"is_enabled": False}, {"is_enabled": True}
    await service.change_hook(world.db, caller(), ACTOR, hook.id, off, lambda _hook: None)
    await world.tell(*STORY)
    goes_on = await service.change_hook(world.db, caller(), ACTOR, hook.id, on, lambda _hook: None)
    assert (goes_on.cursor, goes_on.last_error) == (0, None)

    await service.change_hook(world.db, caller(), ACTOR, hook.id, off, lambda _hook: None)
    await world.db.write("delete from event where seq <= 2")
    lost = await service.change_hook(world.db, caller(), ACTOR, hook.id, on, lambda _hook: None)

    assert lost.cursor == 2
    assert lost.last_error == "Events 1 to 2 are not kept any more, and were not delivered."


async def test_what_fails_unexpectedly_is_a_failed_try(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be tried again at once, and again."""
    look_up = socket.getaddrinfo

    def fail(name: str, *more: Any, **kind: Any) -> Any:
        if name != "receiver.test.":
            return look_up(name, *more, **kind)
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    rules = HookRules(schemes=frozenset({"https"}))
    hook = await world.hook("https://receiver.test/")
    await world.tell(*STORY)

    failed = await world.deliver_until(hook, lambda hook: hook.attempts > 0, world.delivery(rules))

    assert (failed.attempts, failed.cursor, failed.is_enabled) == (1, 0, True)
    assert failed.next_at > now_us()
    assert failed.last_error == "The service failed to send it; its log says more."


async def test_a_hook_that_was_served_waits_behind_those_that_were_not(world: World) -> None:
    """Else those whose ids come first, if they are many and their events never end, are served alone."""
    made = [await world.hook(f"http://127.0.0.1/{number}") for number in range(3)]
    await world.tell(*STORY)
    first, *others = await hooks.list_due(world.db, now_us(), 10, NO_ORGANIZATIONS)
    until = now_us() + 60_000_000
    held = await hooks.claim_hook(world.db, first, "worker", until)
    assert held is not None

    await hooks.record_success(world.db, held, "worker", held.cursor + 1, until, now_us(), 200)
    await hooks.release_hook(world.db, first.id, "worker")

    due = await hooks.list_due(world.db, now_us(), 10, NO_ORGANIZATIONS)
    assert [one.id for one in due] == [*(one.id for one in others), first.id]
    assert len(due) == len(made)


async def take_from(receiver: Receiver, secrets: dict[str, str], count: int) -> list[str]:
    """Who was sent the next requests, by the hooks' secrets; each is answered."""
    senders = []
    for _ in range(count):
        received = await take(receiver)
        senders.append(next(name for name, secret in secrets.items() if is_signed_by(received, secret)))
    return senders


def is_signed_by(received: Received, secret: str) -> bool:
    try:
        received.verify(secret)
    except WebhookVerificationError:
        return False
    return True


@pytest.mark.parametrize(
    ("limit", "second"),
    [("_MOST_OF_PROJECT", OWNER), ("_MOST_RUNNING", RECIPIENT)],
    ids=["a project", "a process"],
)
async def test_hooks_take_turns_in_the_last_place(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, limit: str, second: str
) -> None:
    """A receiver that is slow and always has more to come would keep its place from the others for good."""
    monkeypatch.setattr(delivery_module, limit, 1)
    monkeypatch.setattr(delivery_module, "_TURN_S", 0.0)
    hooks_made = {
        "first": await world.hook(receiver.origin),
        "second": await world.hook(receiver.origin, second),
    }
    await world.tell(*STORY)

    async with world.delivering():
        senders = await take_from(receiver, {name: one.secret for name, one in hooks_made.items()}, 6)

    assert sorted(senders[:2]) == sorted(senders[2:4]) == sorted(senders[4:]) == ["first", "second"]


async def test_hooks_that_wait_for_their_own_project_hide_no_other_one(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "_MOST_OF_PROJECT", 1)
    monkeypatch.setattr(delivery_module, "_MOST_RUNNING", 2)
    for _ in range(6):
        await world.hook(receiver.origin)
    other = await world.hook(receiver.origin, RECIPIENT)
    await world.tell(*STORY)
    # It has been served lately, so all others come first.
    await world.db.transact(Statement("update hook set next_at = 1 where id = $1", (other.id,)))
    receiver.may_answer.clear()

    async with world.delivering():
        received = [await take(receiver), await take(receiver)]
        receiver.may_answer.set()

    assert any(is_signed_by(one, other.secret) for one in received)
