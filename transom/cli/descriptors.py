"""File descriptors: as many as this process may have, and no more connections than they are enough for."""

import dataclasses
import logging
import resource

from transom.api.connections import SPARE
from transom.config import Settings

_log = logging.getLogger(__name__)

#: What a worker has open beside its connections: libraries, logs, stores, the database.
_RESERVE = 96
#: More than any setting needs, where the system allows a great number: some programs walk through all.
_MOST = 1 << 16
#: Of HTTP/2: requests of a connection at once.
MOST_STREAMS = 16


def fit_to_descriptors(settings: Settings) -> Settings:
    """Raise the soft limit, and lower `max_connections` where that is not enough: a connection takes one, and
    one for each file that may be sent over it at once. With too few, the server would try in vain to accept
    connections, without a pause, and stores and health checks could not open theirs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        return settings
    of_connection = 1 + (MOST_STREAMS if settings.http2 else 1)
    room = max(1, (soft - _RESERVE - settings.database_pool) // of_connection)
    possible = max(1, room - room_beside(room))
    if possible >= settings.max_connections:
        return settings
    _log.warning(
        "%d file descriptors are enough for %d connections a worker, not for max_connections, %d",
        soft,
        possible,
        settings.max_connections,
    )
    return dataclasses.replace(settings, max_connections=possible)


def room_beside(connections: int) -> int:
    """How many more are accepted for a moment, so that the watch can choose which to close."""
    return min(SPARE, max(1, connections // 4))
