"""The connections of one worker, watched from beside: those that stall, or are too many, are closed.

The HTTP server closes a connection whose request does not come; for bodies that do not come, answers that
nobody takes, and the number of connections of one client it has no limits. So a thread looks at the
process's own sockets, by what the kernel tells of each (tcp(7), TCP_INFO), and at what the application says
of the requests on it. It ends a connection with shutdown(2), which the server takes for a client that left.

It works on Linux. Elsewhere nothing is watched, and a proxy has to set limits. Start reading at
`Watch.look`; `_Watched.judge` has the rules.
"""

import asyncio
import logging
import os
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from transom.api.bodies import BodyMemory
from transom.api.forwarded import IsTrusted
from transom.api.pulse import Pulse
from transom.api.sockets import Sample, close_socket, read_sample
from transom.domain.addresses import group_address

_log = logging.getLogger(__name__)

#: Between two looks, seconds.
_LOOK_S = 1.0
#: The same while there are too many connections, or the service stops.
_HURRY_S = 0.25
#: Room for more connections than are allowed, so that health checks get in while others are closed.
SPARE = 64
#: When there are too many, one that asks for nothing is left alone for so long, seconds.
_GRACE_S = 1.0
#: To what part of the limit they are then brought down.
_LOW_WATER = 0.75
#: How long an answer may still go out before the connection is closed for another reason, seconds.
_LAST_WORDS_S = 3.0
#: Addresses that a line of the log names.
_NAMED = 5

_FDS = "/proc/self/fd"
#: As the ASGI scope has them: address and port.
Peer = tuple[str, str]


class ClientConnection:
    """What the application says of one connection. Written by the event loop, read by the watch.

    `active`: requests under way. `waits`: of these, how many wait for more of their body. `transfers`: of
    these, how many bring or take image data. `sends`: of these, how many wait for the client to take more of
    their answer. `served`: requests that have come. `sends_data`: the last answer was image data. `ends`: a
    body was left unread, so nothing more can come.
    """

    __slots__ = (
        "active",
        "ends",
        "inode",
        "is_http2",
        "memory",
        "sends",
        "sends_data",
        "served",
        "transfers",
        "waits",
    )

    def __init__(self, memory: BodyMemory) -> None:
        self.memory = memory
        self.active = 0
        self.waits = 0
        self.transfers = 0
        self.sends = 0
        self.served = 0
        self.sends_data = False
        self.ends = False
        self.is_http2 = False
        #: Of its socket, once the watch has seen it.
        self.inode = 0


#: That of a request that came by no socket.
UNWATCHED = ClientConnection(BodyMemory(1 << 62))


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """`head_s`: from a connection or a first byte to a request. `idle_s`: between two requests. `stall_s`:
    how far a client may fall behind `pace_bytes_s`, in sending a body or taking an answer. `total`,
    `by_address`: connections; an address of IPv6 stands for its /64."""

    head_s: float
    idle_s: float
    stall_s: float
    pace_bytes_s: int
    total: int
    by_address: int


class _Watched:
    """One connection over several looks. Times are monotonic, seconds."""

    __slots__ = (
        "_behind_in_s",
        "_behind_out_s",
        "_ended_since",
        "_head_s",
        "_idle_since",
        "_last",
        "_served",
        "address",
        "connection",
        "is_closed",
        "peer",
        "since",
    )

    def __init__(self, peer: Peer, now: float) -> None:
        self.peer = peer
        self.address = group_address(peer[0])
        self.since = now
        self.connection: ClientConnection | None = None
        self.is_closed = False
        self._last = Sample(0, 0, 0, 0)
        self._served = 0
        #: How long a request has been on its way, as far as that is the client's doing; None: none is.
        self._head_s: float | None = 0.0
        self._idle_since = now
        self._ended_since: float | None = None
        self._behind_in_s = 0.0
        self._behind_out_s = 0.0

    @property
    def is_idle(self) -> bool:
        """No request is under way, and no answer is still going out."""
        return (self.connection is None or not self.connection.active) and not self._last.unsent

    @property
    def has_asked(self) -> bool:
        return self.connection is not None and self.connection.served > 0

    @property
    def holds_up(self) -> bool:
        """A request waits for a body that is no image data."""
        at = self.connection
        return at is not None and at.waits > 0 and not at.transfers

    @property
    def idle_since(self) -> float:
        return self._idle_since

    def judge(
        self, now: float, elapsed_s: float, sample: Sample, limits: ConnectionLimits, *, is_heard: bool
    ) -> str | None:
        """Why it is to be closed, None: it is not. `is_heard`: since the last look the application has taken
        the requests that had come whole."""
        last, self._last = self._last, sample
        received, acked = sample.received - last.received, sample.acked - last.acked
        at = self.connection
        active, served = (at.active, at.served) if at is not None else (0, 0)

        # What it owes is time: a second passes for each look, and bytes pay for it.
        waits = at is not None and at.waits > 0 and not sample.unread
        self._behind_in_s = _owe(self._behind_in_s, elapsed_s if waits else 0.0, received, limits)
        # Over HTTP/2 a client holds up an answer without a byte of it in the kernel.
        gives = sample.unsent > 0 or (at is not None and at.sends > 0)
        self._behind_out_s = _owe(self._behind_out_s, elapsed_s, acked, limits) if gives else 0.0
        if not active:
            self._behind_in_s = 0.0
        if self._behind_in_s > limits.stall_s:
            return "body"
        if self._behind_out_s > limits.stall_s:
            return "answer"
        if self._has_ended(now):
            return "unread body"

        # Over HTTP/2 not all traffic belongs to requests: pings are answered, too.
        is_plain = at is None or not at.is_http2
        goes_out = bool(sample.unsent or acked) if is_plain else acked > received
        if active or goes_out or served != self._served:
            self._idle_since, self._head_s, self._served = now, None, served
        elif self._head_s is not None and now > self.since:
            self._head_s += elapsed_s if is_heard else 0.0
        elif received and self._head_s is None:
            self._head_s = 0.0
        if is_plain and self._head_s is not None:
            return "head" if self._head_s > limits.head_s else None
        # The server has a time-out of its own for this, but not for HTTP/2.
        return "idle" if now - self._idle_since > limits.idle_s + 2 * _LOOK_S else None

    def _has_ended(self, now: float) -> bool:
        """Not at once: a client that is still sending would lose the answer."""
        if self.connection is None or not self.connection.ends:
            return False
        self._ended_since = self._ended_since or now
        return now - self._ended_since > (_LAST_WORDS_S if self._last.unsent else _GRACE_S)

    def judge_at_stop(self, now: float) -> str | None:
        """Why it is to be closed when the service stops. It waits for requests that have come whole and for
        image data, and for nothing that may never come."""
        at = self.connection
        if at is not None and at.active:
            is_slow = at.sends > 0 and not at.transfers and self._behind_out_s > _LAST_WORDS_S
            return "stop" if self.holds_up or is_slow else None
        if self._last.unsent:
            sends_data = at is not None and at.sends_data
            return "stop" if not sends_data and self._behind_out_s > _LAST_WORDS_S else None
        # The server sends a file by itself, and may wait for the disk between two pieces.
        patience_s = _LAST_WORDS_S if at is not None and at.sends_data else 0.0
        return "stop" if now - self._idle_since >= patience_s else None


def _owe(behind_s: float, elapsed_s: float, moved: int, limits: ConnectionLimits) -> float:
    return max(0.0, behind_s + elapsed_s - moved / limits.pace_bytes_s)


class _Found(NamedTuple):
    """A connection at one look."""

    fd: int
    inode: int
    watched: _Watched


class Watch:
    """`port`: the one that is served. `is_trusted`: which addresses are proxies, whose connections are those
    of many clients; None: there are none. `count_closed` is called with the reason of each that is closed."""

    def __init__(
        self,
        limits: ConnectionLimits,
        memory: BodyMemory,
        port: int,
        is_trusted: IsTrusted | None,
        count_closed: Callable[[str], None],
    ) -> None:
        self._limits = limits
        self._memory = memory
        self._port = port
        self._is_trusted = is_trusted
        self._count_closed = count_closed
        self._connections: dict[Peer, ClientConnection] = {}
        #: By inode. None: a socket that is no connection of a client.
        self._watched: dict[int, _Watched | None] = {}
        self._listeners: set[int] = set()
        self._is_stopping = False
        self._has_listened = False
        self._looked_at = time.monotonic()
        self._pulse: Pulse | None = None
        self._end = threading.Event()

    def find(self, scope: Mapping[str, Any]) -> ClientConnection:
        """The connection of a request, by the ASGI scope."""
        peer = scope["client"]
        connection = self._connections.get(peer)
        if connection is None:
            connection = self._connections[peer] = ClientConnection(self._memory)
            connection.is_http2 = scope["http_version"] == "2"
        return connection

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count no time against clients in which this loop, the application's, is busy."""
        self._pulse = Pulse(loop)

    def start(self) -> None:
        """Look from now on, on a thread. To be called on the application's event loop."""
        self.follow(asyncio.get_running_loop())
        if not Path(_FDS).is_dir() or not hasattr(socket, "TCP_INFO"):
            _log.warning("connections are not watched on this system: let a proxy limit them")
            return
        threading.Thread(target=self._run, name="connections", daemon=True).start()

    def close(self) -> None:
        self._end.set()

    def _run(self) -> None:
        pause_s = _LOOK_S
        while not self._end.wait(pause_s):
            try:
                pause_s = _HURRY_S if self.look() else _LOOK_S
            except Exception:  # noqa: BLE001 (it must never stop for good)
                _log.exception("the connections could not be looked at")

    def look(self) -> bool:
        """Look at all connections and close what must not go on; whether to look again soon."""
        now = time.monotonic()
        # A machine that slept, or a thread that did not run, is no fault of the clients.
        elapsed_s, self._looked_at = min(now - self._looked_at, 2 * _LOOK_S), now
        is_heard = self._pulse is None or self._pulse.take()
        known = list(self._connections.items())
        was_stopping = self._is_stopping
        found = self._find_connections(now)
        left: list[_Found] = []
        closings: list[tuple[_Found, str]] = []
        for one in found:
            watched = one.watched
            self._meet(watched, one.inode)
            sample = read_sample(one.fd)
            if sample is None or watched.is_closed:
                continue
            why = watched.judge(now, elapsed_s, sample, self._limits, is_heard=is_heard)
            # Not at the first look: what has come whole may still be on its way to the application.
            if why is None and was_stopping and is_heard:
                why = watched.judge_at_stop(now)
            if why is None:
                left.append(one)
            else:
                closings.append((one, why))
        closings += [(one, "too many") for one in self._choose_surplus(left, now)]
        self._close_all(closings)
        self._forget_gone(known, found)
        return self._is_stopping or len(left) > self._limits.total

    def _close_all(self, closings: list[tuple[_Found, str]]) -> None:
        reasons: Counter[str] = Counter()
        addresses: Counter[str] = Counter()
        for one, why in closings:
            if not close_socket(one.fd, one.inode, forget=why == "answer"):
                continue
            one.watched.is_closed = True
            self._count_closed(why)
            if why != "stop":
                reasons[why] += 1
                addresses[one.watched.address] += 1
        if reasons:
            fields = {"reasons": dict(reasons), "clients": dict(addresses.most_common(_NAMED))}
            _log.warning("closed %d connections", reasons.total(), extra={"fields": fields})

    def _find_connections(self, now: float) -> list[_Found]:
        """All connections with clients. Notes as well whether the port is still listened on: the server
        leaves it when it was told to stop."""
        found: list[_Found] = []
        alive: set[int] = set()
        for name in os.listdir(_FDS):  # noqa: PTH208 (names are all that is wanted, once a second)
            fd = int(name)
            try:
                status = os.fstat(fd)
            except OSError:
                continue
            if not stat.S_ISSOCK(status.st_mode):
                continue
            inode = status.st_ino
            alive.add(inode)
            if inode in self._watched:
                watched = self._watched[inode]
            else:
                watched = self._watched[inode] = self._recognise(fd, inode, now)
            if watched is not None:
                found.append(_Found(fd, inode, watched))
        for inode in self._watched.keys() - alive:
            del self._watched[inode]
        self._listeners &= alive
        # It may have been told to stop before the first look; connections there are only of a listener.
        self._has_listened = self._has_listened or bool(self._listeners or found)
        self._is_stopping = self._has_listened and not self._listeners
        return found

    def _recognise(self, fd: int, inode: int, now: float) -> _Watched | None:
        try:
            with socket.socket(fileno=os.dup(fd)) as own:
                if own.family not in (socket.AF_INET, socket.AF_INET6) or own.type != socket.SOCK_STREAM:
                    return None
                our_port = own.getsockname()[1]
                if own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    # The only one that a worker has. Port 0 lets the kernel choose.
                    self._listeners.add(inode)
                    self._port = our_port
                    return None
                if our_port != self._port:
                    return None
                host, port = own.getpeername()[:2]
        except OSError:
            return None
        return _Watched((host.partition("%")[0], str(port)), now)

    def _meet(self, watched: _Watched, inode: int) -> None:
        """Find what the application says of it."""
        connection = watched.connection or self._connections.get(watched.peer)
        if connection is None:
            return
        if connection.inode and connection.inode != inode:
            # That of another one, which had the same port.
            connection.ends = False
        connection.inode = inode
        watched.connection = connection

    def _forget_gone(self, known: list[tuple[Peer, ClientConnection]], found: list[_Found]) -> None:
        """Those that were known before the look, and have no socket."""
        alive = {one.watched.peer for one in found}
        for peer, connection in known:
            if peer not in alive and not connection.active:
                self._connections.pop(peer, None)

    def _choose_surplus(self, left: list[_Found], now: float) -> Iterable[_Found]:
        """Those to be closed because there are too many: of those that only hold their place the oldest, of
        the addresses with the most first. Requests that came whole, and image data, go on."""
        limits = self._limits
        counts = Counter(one.watched.address for one in left)
        if counts.total() <= min(limits.total, limits.by_address):
            return
        idle = [one for one in left if _may_go(one.watched, now)]
        by_address: dict[str, list[_Found]] = {}
        for one in sorted(idle, key=lambda one: (one.watched.has_asked, one.watched.idle_since)):
            by_address.setdefault(one.watched.address, []).append(one)
        for address, candidates in by_address.items():
            while candidates and counts[address] > limits.by_address:
                if self._is_proxy(candidates[0].watched):
                    break
                counts[address] -= 1
                yield candidates.pop(0)
        if counts.total() <= limits.total:
            return
        for _ in range(counts.total() - int(limits.total * _LOW_WATER)):
            heaviest = max(by_address, key=lambda one: (bool(by_address[one]), counts[one]), default=None)
            if heaviest is None or not by_address[heaviest]:
                return
            counts[heaviest] -= 1
            yield by_address[heaviest].pop(0)

    def _is_proxy(self, watched: _Watched) -> bool:
        return self._is_trusted is not None and self._is_trusted(watched.peer[0])


def _may_go(watched: _Watched, now: float) -> bool:
    if watched.holds_up:
        return True
    return watched.is_idle and now - max(watched.since, watched.idle_since) > _GRACE_S
