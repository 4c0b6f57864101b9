"""One watched connection: by how much its client is behind, and when it has to go."""

from dataclasses import dataclass
from typing import NamedTuple

from transom.api.clients import ClientConnection
from transom.api.sockets import Sample
from transom.domain.addresses import group_address

#: Between two looks, seconds.
LOOK_S = 1.0
#: How long a connection that asks for nothing is left alone, and one that has ended, seconds.
GRACE_S = 1.0
#: How long an answer may still go out before the connection is closed for another reason, seconds.
_LAST_WORDS_S = 3.0
#: How long one that is no image data may go out when the service stops, at whatever pace, seconds.
_LAST_ANSWERS_S = 5.0
#: As the ASGI scope has them: address and port.
Peer = tuple[str, str]


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


class Watched:
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
        "moved",
        "peer",
        "since",
    )

    def __init__(self, peer: Peer, now: float) -> None:
        self.peer = peer
        self.address = group_address(peer[0])
        self.since = now
        self.connection: ClientConnection | None = None
        self.is_closed = False
        #: Bytes that came and went between the last two looks.
        self.moved = 0
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
    def is_held(self) -> bool:
        """Its client has it wait: for a body, for room for an answer, or for something to happen."""
        at = self.connection
        return self._last.unsent > 0 or (at is not None and at.waits + at.sends + at.polls > 0)

    @property
    def is_transfer(self) -> bool:
        """Image data comes, or goes out."""
        at = self.connection
        return at is not None and (at.transfers > 0 or at.sends_data)

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
        self.moved = received + acked
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
        if at is not None and at.has_no_right and not self.is_idle:
            return "right ended"
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
        return "idle" if now - self._idle_since > limits.idle_s + 2 * LOOK_S else None

    def _has_ended(self, now: float) -> bool:
        """Not at once: a client that is still sending would lose the answer."""
        if self.connection is None or not self.connection.ends:
            return False
        self._ended_since = self._ended_since or now
        return now - self._ended_since > (_LAST_WORDS_S if self._last.unsent else GRACE_S)

    def judge_at_stop(self, now: float, stopping_s: float) -> str | None:
        """Why it is to be closed when the service stops. It waits for requests that have come whole and for
        image data, and for nothing that may never come; for other answers that go out a while only.
        `stopping_s`: since when it stops."""
        at = self.connection
        is_late = self._behind_out_s > _LAST_WORDS_S or stopping_s > _LAST_ANSWERS_S
        if at is not None and at.active:
            is_slow = at.sends > 0 and not at.transfers and is_late
            return "stop" if self.holds_up or is_slow else None
        if self._last.unsent:
            sends_data = at is not None and at.sends_data
            return "stop" if not sends_data and is_late else None
        # The server sends a file by itself, and may wait for the disk between two pieces.
        patience_s = _LAST_WORDS_S if at is not None and at.sends_data else 0.0
        return "stop" if now - self._idle_since >= patience_s else None


def _owe(behind_s: float, elapsed_s: float, moved: int, limits: ConnectionLimits) -> float:
    return max(0.0, behind_s + elapsed_s - moved / limits.pace_bytes_s)


class Found(NamedTuple):
    """A connection at one look."""

    fd: int
    inode: int
    watched: Watched
