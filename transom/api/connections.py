"""The connections of one worker, watched from beside: those that stall, or are too many, are closed.

The HTTP server closes a connection whose request does not come; for bodies that do not come, answers that
nobody takes, and the number of connections of one client it has no limits. So a thread looks at the
process's own sockets, by what the kernel tells of each (tcp(7), TCP_INFO), and at what the application says
of the requests on it. It ends a connection with shutdown(2), which the server takes for a client that left.

It works on Linux. Elsewhere nothing is watched, and a proxy has to set limits. Start reading at
`Watch.look`; `watched.py` and `surplus.py` have the rules.
"""

import asyncio
import faulthandler
import logging
import os
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

from transom.api.bodies import BodyMemory
from transom.api.clients import ClientConnection
from transom.api.forwarded import IsTrusted
from transom.api.pulse import Pulse
from transom.api.sockets import close_socket, read_sample
from transom.api.surplus import choose_surplus
from transom.api.watched import LOOK_S, ConnectionLimits, Found, Peer, Watched

_log = logging.getLogger(__name__)

#: Pause between two looks while there are too many connections or the service stops, seconds; else `LOOK_S`.
_HURRY_S = 0.25
#: How long nothing of Python may run during a stop, seconds. Beyond, the process ends as after a crash: the
#: server then waits for a thread of its own that wants Python's lock, and holds it (`sending._send_pieces`;
#: over HTTP/2 it does so at the end of each connection with several answers on their way).
_DEAD_S = 10.0
#: Room for more connections than are allowed, so that health checks get in while others are closed.
SPARE = 64
#: Reasons for which what the client has not taken yet is thrown away.
_UNWANTED = frozenset({"answer", "right ended"})
#: Addresses that a line of the log names.
_NAMED = 5

_FDS = "/proc/self/fd"


class _Stop(IntEnum):
    """How far a stop of the service is."""

    NOT_ASKED = 0
    #: It will come, perhaps before the next look.
    ASKED = 1
    #: The server has left the port.
    BEGUN = 2


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
        self._watched: dict[int, Watched | None] = {}
        self._listeners: set[int] = set()
        self._thread: threading.Thread | None = None
        self._stop = _Stop.NOT_ASKED
        #: When it was last seen not to have begun to stop.
        self._ran_at = time.monotonic()
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

    def list_downloading(self) -> list[ClientConnection]:
        """The connections by which image data may be on its way."""
        return [one for one in self._connections.values() if one.downloads]

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count no time against clients in which this loop, the application's, is busy."""
        self._pulse = Pulse(loop)

    def start(self) -> None:
        """Look from now on, on a thread. To be called on the application's event loop."""
        self.follow(asyncio.get_running_loop())
        if not Path(_FDS).is_dir() or not hasattr(socket, "TCP_INFO"):
            _log.warning("connections are not watched on this system: let a proxy limit them")
            return
        self._thread = threading.Thread(target=self._run, name="connections", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """A stop was asked, and will come."""
        self._stop = max(self._stop, _Stop.ASKED)
        if self._thread is not None:
            faulthandler.dump_traceback_later(_DEAD_S, exit=True)

    def close(self) -> None:
        self._end.set()

    def _run(self) -> None:
        pause_s = LOOK_S
        while not self._end.wait(pause_s):
            if self._stop is not _Stop.NOT_ASKED:
                faulthandler.dump_traceback_later(_DEAD_S, exit=True)
            try:
                pause_s = _HURRY_S if self.look() else LOOK_S
            except Exception:  # noqa: BLE001 (it must never stop for good)
                _log.exception("the connections could not be looked at")
        faulthandler.cancel_dump_traceback_later()

    def look(self) -> bool:
        """Look at all connections and close what must not go on; whether to look again soon."""
        now = time.monotonic()
        # A machine that slept, or a thread that did not run, is no fault of the clients.
        elapsed_s, self._looked_at = min(now - self._looked_at, 2 * LOOK_S), now
        is_heard = self._pulse is None or self._pulse.take()
        known = list(self._connections.items())
        was_stopping = self._stop is _Stop.BEGUN
        if not was_stopping:
            self._ran_at = now
        found = self._find_connections(now)
        left: list[Found] = []
        closings: list[tuple[Found, str]] = []
        for one in found:
            watched = one.watched
            self._meet(watched, one.inode)
            sample = read_sample(one.fd)
            if sample is None or watched.is_closed:
                continue
            why = watched.judge(now, elapsed_s, sample, self._limits, is_heard=is_heard)
            # Not at the first look: what has come whole may still be on its way to the application.
            if why is None and was_stopping and is_heard:
                why = watched.judge_at_stop(now, now - self._ran_at)
            if why is None:
                left.append(one)
            else:
                closings.append((one, why))
        closings += [(one, "too many") for one in choose_surplus(left, now, self._limits, self._is_proxy)]
        self._close_all(closings)
        self._forget_gone(known, found)
        return self._stop is _Stop.BEGUN or len(left) > self._limits.total

    def _close_all(self, closings: list[tuple[Found, str]]) -> None:
        reasons: Counter[str] = Counter()
        addresses: Counter[str] = Counter()
        for one, why in closings:
            if not close_socket(one.fd, one.inode, forget=why in _UNWANTED):
                continue
            one.watched.is_closed = True
            self._count_closed(why)
            if why != "stop":
                reasons[why] += 1
                addresses[one.watched.address] += 1
        if reasons:
            fields = {"reasons": dict(reasons), "clients": dict(addresses.most_common(_NAMED))}
            _log.warning("closed %d connections", reasons.total(), extra={"fields": fields})

    def _find_connections(self, now: float) -> list[Found]:
        """All connections with clients. Notes as well whether the port is still listened on: the server
        leaves it when it was told to stop."""
        found: list[Found] = []
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
                found.append(Found(fd, inode, watched))
        for inode in self._watched.keys() - alive:
            del self._watched[inode]
        self._listeners &= alive
        # It may have been told to stop before the first look; connections there are only of a listener.
        self._has_listened = self._has_listened or bool(self._listeners or found)
        if self._has_listened and not self._listeners:
            self._stop = _Stop.BEGUN
        return found

    def _recognise(self, fd: int, inode: int, now: float) -> Watched | None:
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
        return Watched((host.partition("%")[0], str(port)), now)

    def _meet(self, watched: Watched, inode: int) -> None:
        """Find what the application says of it."""
        connection = watched.connection or self._connections.get(watched.peer)
        if connection is None:
            return
        if connection.inode and connection.inode != inode:
            # That of another one, which had the same port.
            connection.ends = connection.has_no_right = False
        connection.inode = inode
        watched.connection = connection

    def _forget_gone(self, known: list[tuple[Peer, ClientConnection]], found: list[Found]) -> None:
        """Those that were known before the look, and have no socket."""
        alive = {one.watched.peer for one in found}
        for peer, connection in known:
            if peer not in alive and not connection.active:
                self._connections.pop(peer, None)

    def _is_proxy(self, watched: Watched) -> bool:
        return self._is_trusted is not None and self._is_trusted(watched.peer[0])
