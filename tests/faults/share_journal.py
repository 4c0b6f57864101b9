"""Whether the feed, the database and a receiver of webhooks agree with what clients were told.

The events of outbox and feed are the only account of what was written: replayed from the first one on, they
must come to the memberships and families that the database has. Start reading at `Feed`.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from typing import Any, NamedTuple

import asyncpg
import httpx
from harness.receiver import Receiver
from harness.service import Service

from .calls import eventually

Row = tuple[Any, ...]
_SQLITE = "sqlite:///"
_NEVER = 1 << 62
_EVENT = "type, image_id, family_id, member_id, request_id, cast(data as text)"
#: A membership that has ended, or its image or family with it.
_ENDS = frozenset({"left", "withdrawn", "lapsed", "expired"})
#: What changes a membership without its status.
_KEEPS = frozenset({"changed"})
_OF_MEMBERS = frozenset({"offered", "accepted", "rejected", "reset"}) | _ENDS
#: What the event of an answer is called.
_ANSWERED = {"accepted": "accepted", "rejected": "rejected", "pending": "reset", "left": "left"}
_PAGE = 1000


class Event(NamedTuple):
    type: str
    image_id: str | None
    family_id: str | None
    member_id: str | None
    request_id: str | None
    data: dict[str, Any]


class Contents(NamedTuple):
    """The database at one moment. `waiting`: in the outbox; `versions`: (family, number) of all there are;
    `without`: (image, member) pairs that a family owes its current version."""

    numbered: dict[int, Event]
    waiting: list[Event]
    state: State
    versions: set[tuple[str, int]]
    without: list[Row]


class State(NamedTuple):
    """(image or family, member) → status; family → the number of its current version; revoked versions."""

    members: dict[tuple[str, str], str]
    family_members: dict[tuple[str, str], str]
    current: dict[str, int]
    revoked: set[tuple[str, int]]

    def copy(self) -> State:
        members, family_members, current, revoked = self
        return State(members.copy(), family_members.copy(), current.copy(), revoked.copy())

    def without_versions_but(self, versions: set[tuple[str, int]]) -> State:
        """A version goes with its image, and of images the feed tells their members alone."""
        current = {
            family_id: number for family_id, number in self.current.items() if (family_id, number) in versions
        }
        return self._replace(current=current, revoked=self.revoked & versions)


class Feed:
    """The feed as it was read so far, and what it says there is."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._cursor: str | None = None
        self._known = State({}, {}, {}, set())
        self._last = self._seen = 0
        #: Of each request: what it did.
        self.done: dict[str, Counter[str]] = {}

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self._last

    def find_faults(self) -> list[str]:
        """What is wrong after a failure; empty when all is well. Nobody may write meanwhile but time."""
        faults = self._compare(read_contents(self._service, self._last))
        contents = eventually(
            lambda: read_contents(self._service, self._last), lambda found: not found.waiting
        )
        if contents.waiting:
            return [*faults, f"{len(contents.waiting)} events never get a number"]
        faults += self._compare(contents)
        faults += [f"the family's member lacks the current version: {row}" for row in contents.without]
        faults += self._read_on(max(contents.numbered, default=0))
        for seq, event in sorted(contents.numbered.items()):
            faults += replay(self._known, event, seq)
            if event.request_id is not None:
                self.done.setdefault(event.request_id, Counter())[event.type] += 1
            self._last = seq
        return faults

    def _compare(self, contents: Contents) -> list[str]:
        """Events in their order, those that wait behind the others, against the memberships there are."""
        state = self._known.copy()
        faults = [
            f"number {seq} comes after {before}"
            for before, seq in enumerate(sorted(contents.numbered), self._last)
            if seq != before + 1
        ]
        events = [event for _seq, event in sorted(contents.numbered.items())] + contents.waiting
        for event in events:
            faults += replay(state, event, "an event")
        state = state.without_versions_but(contents.versions)
        for name, told, found in zip(State._fields, state, contents.state, strict=True):
            if told != found:
                faults.append(f"{name}: by the events {_differing(told, found)}, in the database the other")
        return faults

    def _read_on(self, last: int) -> list[str]:
        """The feed shows each event once, in its order, to this number or, as time goes on, further."""
        client = self._service.client("admin")
        while self._seen < last:
            query: dict[str, str | int] = {"all": "true", "order": "asc", "limit": _PAGE}
            if self._cursor is not None:
                query["after"] = self._cursor
            answer = client.get("/share/v1/events", params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            numbers = [int(event["sequence"]) for event in page["events"]]
            expected = list(range(self._seen + 1, self._seen + 1 + len(numbers)))
            if not numbers or numbers != expected:
                return [f"the feed shows {numbers} after {self._seen}, and there is {last}"]
            self._cursor, self._seen = page["cursor"], numbers[-1]
        return []


def replay(state: State, event: Event, where: object) -> list[str]:
    """Make the state what it is after the event; the fault in words when the event does not fit to it."""
    subject, _, what = event.type.partition(".")
    if (subject == "share" and what not in _KEEPS) or event.type == "image.deleted":
        return _replay_status(state.members, (str(event.image_id), str(event.member_id)), event, where)
    if subject != "family":
        return []
    family_id, number = str(event.family_id), event.data.get("number")
    if what in _OF_MEMBERS:
        return _replay_status(state.family_members, (family_id, str(event.member_id)), event, where)
    if what == "promoted":
        state.current[family_id] = number  # type: ignore[assignment]
    elif what == "revoked":
        state.revoked.add((family_id, number))  # type: ignore[arg-type]
        if state.current.get(family_id) == number:
            del state.current[family_id]
    elif what == "restored":
        state.revoked.remove((family_id, number))  # type: ignore[arg-type]
    elif what == "deleted":
        for pair in [one for one in state.family_members if one[0] == family_id]:
            del state.family_members[pair]
    return []


def _replay_status(
    known: dict[tuple[str, str], str], pair: tuple[str, str], event: Event, where: object
) -> list[str]:
    was, status = event.data.get("was"), event.data.get("status")
    before = known.pop(pair, None)
    if status is not None:
        known[pair] = status
    if was != before:
        return [f"{where}: {event.type} of {pair} says that it was {was}, and it was {before}"]
    return []


def _differing(told: Any, found: Any) -> str:
    pairs = (
        set(told.items()) ^ set(found.items())
        if isinstance(told, dict) and isinstance(found, dict)
        else told ^ found
    )
    return str(sorted(map(str, pairs))[:6])


class Deliveries:
    """What one receiver was sent: `expected` in their order, each once or more."""

    def __init__(self, receiver: Receiver, secret: str) -> None:
        self._receiver = receiver
        self._secret = secret
        self._known: dict[int, dict[str, Any]] = {}
        self.repeated = 0

    @property
    def last(self) -> int:
        return max(self._known, default=0)

    def take(self) -> list[str]:
        """Wait for a message; what is wrong with it."""
        received = self._receiver.take(120)
        received.verify(self._secret)
        faults = []
        for event in received.events:
            seq, last = int(event["sequence"]), self.last
            if seq in self._known:
                self.repeated += 1
                if self._known[seq] != event:
                    faults.append(f"event {seq} is sent as {event}, before as {self._known[seq]}")
            elif seq != last + 1:
                faults.append(f"event {seq} is sent after {last}")
            self._known[seq] = event
        return faults

    def take_until(self, last: int) -> list[str]:
        """Wait for the event of this number, and for what the receiver has besides."""
        faults: list[str] = []
        while not faults and (self.last < last or not self._receiver.is_empty):
            faults += self.take()
        return faults


def find_wrong_answers(requests: Iterable[Keyed], done: dict[str, Counter[str]]) -> list[str]:
    """Requests with a key that did their work twice, or whose answer tells otherwise than the events."""
    faults = []
    for request in requests:
        assert request.answer is not None
        works = [done[one] for one in request.request_ids if one in done]
        claimed = request.claim()
        found = works[0] if works else Counter[str]()
        if len(works) > 1:
            faults.append(f"{request} was done {len(works)} times: {works}")
        elif request.may_change_nothing and not found:
            continue
        elif any(found[kind] != count for kind, count in claimed.items()) or (found and not claimed):
            faults.append(f"{request} is answered {claimed}, and did {found}")
    return faults


class Keyed:
    """A POST with an Idempotency-Key, sent until it is answered."""

    def __init__(self, caller: str, path: str, body: dict[str, Any] | None, key: str) -> None:
        self.caller = caller
        self.path = path
        self.body = body
        self.key = key
        #: Of each time that it was sent.
        self.request_ids: list[str] = []
        self.answer: httpx.Response | None = None

    def send(self, service: Service) -> httpx.Response:
        request_id = f"req-{self.key}-{len(self.request_ids)}"
        self.request_ids.append(request_id)
        headers = {"Idempotency-Key": self.key, "X-Openstack-Request-Id": request_id}
        client = service.client(self.caller)
        if self.body is None:
            self.answer = client.post(self.path, headers=headers)
        else:
            self.answer = client.post(self.path, json=self.body, headers=headers)
        return self.answer

    @property
    def is_done(self) -> bool:
        """Whether it was answered that it was done."""
        return self.answer is not None and self.answer.is_success

    def find_faults_of_another(self, service: Service) -> list[str]:
        """What is wrong with the answer when the same is sent once more: it is to be the first one again."""
        assert self.answer is not None
        first, again = self.answer, self.send(service)
        if (again.status_code, again.text) == (first.status_code, first.text):
            return []
        return [f"{self}: the first answer was {first.status_code} {first.text[:300]}"]

    def claim(self) -> Counter[str]:
        """Events of what the answer says was done; none of a refusal."""
        assert self.answer is not None
        if not self.answer.is_success:
            return Counter()
        told, verb, body = self.answer.json(), self.path.rpartition("/")[2], self.body or {}
        subject = "family" if "families" in body else "share"
        match verb:
            case "offers":
                if subject == "family":
                    return +Counter({"family.offered": told["offered"] + told["renewed"]})
                return +Counter({"share.offered": told["offered"], "share.renewed": told["renewed"]})
            case "answers":
                return +Counter({f"{subject}.{_ANSWERED[body['answer']]}": told["changed"]})
            case "withdrawals":
                return +Counter({f"{subject}.withdrawn": told["withdrawn"]})
            case "versions":
                return Counter({"family.version_published": 1, "family.promoted": 1})
            case "revoke":
                return Counter({"family.changed" if "at" in body else "family.revoked": 1})
            case "restore":
                return Counter({"family.restored": 1})
        raise ValueError(verb)

    @property
    def may_change_nothing(self) -> bool:
        """Whether the answer is that of success where nothing had to be done: it tells how it is then."""
        return self.path.endswith(("/revoke", "/restore"))

    def __str__(self) -> str:
        answer = "no answer" if self.answer is None else f"{self.answer.status_code} {self.answer.text[:300]}"
        return f"POST {self.path} ({len(self.request_ids)} times, {answer})"


# ---- the database as it lies there

_MEMBERS = "select image_id, member_id, status from member"
_FAMILY_MEMBERS = "select family_id, member_id, status from family_member"
_CURRENT = "select id, current_number from family where current_number is not null"
_REVOKED = "select family_id, number from family_version where revoked_at is not null"
_VERSIONS = "select family_id, number from family_version"
_WITHOUT = f"""
    select version.image_id, one.member_id
    from family
    join family_version as version
        on version.family_id = family.id and version.number = family.current_number
    join family_member as one
        on one.family_id = family.id and one.status = 'accepted' and one.ends_at = {_NEVER}
    where not exists (select 1 from member
                      where member.image_id = version.image_id and member.member_id = one.member_id)"""


def read_contents(service: Service, after: int) -> Contents:
    """What there is, and the events behind this number, all of one moment."""
    events = f"select seq, {_EVENT} from event where seq > {after} order by seq"
    waiting = f"select {_EVENT} from outbox order by id"
    found = _select(
        service, events, waiting, _MEMBERS, _FAMILY_MEMBERS, _CURRENT, _REVOKED, _VERSIONS, _WITHOUT
    )
    numbered, outbox, members, family_members, current, revoked, versions, without = found
    state = State(
        {(row[0], row[1]): row[2] for row in members},
        {(row[0], row[1]): row[2] for row in family_members},
        {row[0]: row[1] for row in current},
        {(row[0], row[1]) for row in revoked},
    )
    return Contents(
        {row[0]: _event(row[1:]) for row in numbered},
        [_event(row) for row in outbox],
        state,
        {(row[0], row[1]) for row in versions},
        without,
    )


def _event(row: Row) -> Event:
    kind, image_id, family_id, member_id, request_id, data = row
    return Event(kind, image_id, family_id, member_id, request_id, json.loads(data))


def _select(service: Service, *statements: str) -> list[list[Row]]:
    """The rows of each, all in one transaction."""
    if service.database.startswith(_SQLITE):
        with closing(sqlite3.connect(service.database.removeprefix(_SQLITE), timeout=30)) as connection:
            connection.execute("begin")
            return [list(connection.execute(sql)) for sql in statements]

    async def fetch() -> list[list[Row]]:
        connection = await asyncpg.connect(service.database)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return [[tuple(row) for row in await connection.fetch(sql)] for sql in statements]
        finally:
            await connection.close()

    return asyncio.run(fetch())
