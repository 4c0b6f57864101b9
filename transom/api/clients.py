"""What is known of clients while their requests are under way: by connection, and by address."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from transom.api.bodies import BodyMemory
from transom.domain.errors import UnavailableError


class Download(NamedTuple):
    """An image's data on its way to a client. `tenant`: on whose behalf the database is asked; `judge` raises
    ForbiddenError or VanishedError when the client may have it no longer."""

    tenant: str | None
    judge: Callable[[], Awaitable[None]]


class ClientConnection:
    """What the application says of one connection. Written by the event loop, read by the watch.

    `active`: requests under way. `waits`: of these, how many wait for more of their body. `transfers`: of
    these, how many bring or take image data. `sends`: of these, how many wait for the client to take more of
    their answer. `polls`: of these, how many wait for something to happen. `served`: requests that have come.
    `sends_data`: the last answer was image data. `ends`: a body was left unread, so nothing more can come.
    `downloads`: the image data that may be on its way. `has_no_right`: the right to some of that has ended.
    """

    __slots__ = (
        "active",
        "downloads",
        "ends",
        "has_no_right",
        "inode",
        "is_http2",
        "memory",
        "polls",
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
        self.polls = 0
        self.served = 0
        self.sends_data = False
        self.ends = False
        self.downloads: list[Download] = []
        self.has_no_right = False
        self.is_http2 = False
        #: Of its socket, once the watch has seen it.
        self.inode = 0

    def forget_downloads(self) -> None:
        """They have come to their end."""
        self.downloads.clear()
        self.has_no_right = False


#: That of a request that came by no socket.
UNWATCHED = ClientConnection(BodyMemory(1 << 62))


class ClientCounts:
    """Requests under way by the client's address, where proxies hide whose connections there are. `limit`: of
    one address."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}

    def enter(self, client: str) -> None:
        """UnavailableError when this address has too many."""
        count = self._counts.get(client, 0)
        if count >= self._limit:
            raise UnavailableError("Too many requests at once from your address. Try again in a few seconds.")
        self._counts[client] = count + 1

    def leave(self, client: str) -> None:
        left = self._counts.pop(client) - 1
        if left:
            self._counts[client] = left
