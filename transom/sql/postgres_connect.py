"""From a URL to one connection to PostgreSQL: host by host, and with the session that our statements need.

asyncpg tries the hosts of a URL in turn as well, but within one time limit: a host that hangs takes it all.
"""

import asyncio
import time
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import asyncpg

from transom.clock import RemoteClock

#: Longest that one host may take to let us in, seconds: when there is no other one, and when there is.
_ONLY_HOST_S = 10.0
_EACH_HOST_S = 3.0
_CLOCK_US = "select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)"
#: The system's identifier, which a server and its copies share, and the timeline, which grows with each
#: promotion of one of them and begins the names of its log files. No row of a standby.
_HISTORY = """
    select (select system_identifier::text from pg_control_system()),
           cast(cast('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as bit(32)) as integer)
    where not pg_is_in_recovery()"""
#: A server ends by itself what takes longer than this part of the time that we wait for it. It undoes what it
#: ends so, and never ends the wait for a synchronous standby.
_SERVER_PART = 0.8
#: Encodings of databases that keep every text.
_ANY_TEXT = {"UTF8", "SQL_ASCII"}
#: What keeps us from a server, so that the next one is tried.
_FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class StaleServerError(ConnectionError):
    """The server was a primary once, and a copy of it has taken its place since."""


class EncodingError(ConnectionError):
    """The database cannot keep every text."""


class Connector:
    """Makes connections to the server of a URL. `command_s`: longest that a statement may take.

    After a failover the old primary may come back as it was, and take writes that nobody will ever see. So a
    server is refused whose timeline is older than one that was seen before. A process that has seen none asks
    all hosts that the URL names first.
    """

    def __init__(self, url: str, command_s: float) -> None:
        self._hosts = split_hosts(url)
        #: The server's, as of the last connection or look.
        self.clock = RemoteClock()
        self._settings = _write_settings(command_s)
        is_alone = len(self._hosts) == 1
        self._most_s = _ONLY_HOST_S if is_alone else _EACH_HOST_S
        # Only one of several hosts accepts writes. If the URL sets target_session_attrs, asyncpg obeys that.
        is_said = "target_session_attrs" in dict(parse_qsl(urlsplit(url).query))
        self._wanted = None if is_alone or is_said else "read-write"
        self._must_ask_all = self._wanted is not None
        #: The newest timeline that was seen of each system, by its identifier.
        self._timelines: dict[str, int] = {}

    async def connect(self) -> asyncpg.Connection:
        """A connection to the first host that lets us in, the last one that did going first. TimeoutError,
        OSError or an error of asyncpg's if none does; TooManyConnectionsError if that stopped any of them."""
        if self._must_ask_all:
            await self._ask_all_hosts()
        failures: list[Exception] = []
        for host in self._hosts:
            try:
                connection = await self._connect_to(host)
            except _FAILURES as error:
                failures.append(error)
            else:
                self._hosts = [host, *(other for other in self._hosts if other != host)]
                return connection
        if len(failures) == 1:
            raise failures[0]
        for failure in failures:
            if isinstance(failure, asyncpg.TooManyConnectionsError):
                raise failure
        named = zip(self._hosts, failures, strict=True)
        raise ConnectionError("; ".join(f"{_place_of(host)}: {failure}" for host, failure in named))

    async def _ask_all_hosts(self) -> None:
        """See the newest timeline of the servers that let us in; these are tried first from now on."""
        found = await asyncio.gather(*map(self._is_let_in, self._hosts))
        reached = [host for host, is_reached in zip(self._hosts, found, strict=True) if is_reached]
        self._hosts = [*reached, *(host for host in self._hosts if host not in reached)]
        self._must_ask_all = not reached

    async def _is_let_in(self, host: str) -> bool:
        try:
            connection = await self._connect_to(host)
        except _FAILURES:
            return False
        connection.terminate()
        return True

    async def _require_newest(self, connection: asyncpg.Connection) -> None:
        """StaleServerError for a server that was replaced by a copy of it. Of a standby, or where the role
        may not ask, that is not known."""
        try:
            found = await connection.fetchrow(_HISTORY, timeout=self._most_s)
        except asyncpg.PostgresError:
            return
        if found is None:
            return
        system, timeline = found
        newest = max(timeline, self._timelines.get(system, timeline))
        if timeline < newest:
            raise StaleServerError(f"it was replaced: its timeline is {timeline}, another one's was {newest}")
        self._timelines[system] = newest

    async def read_clock(self, connection: asyncpg.Connection, most_s: float) -> None:
        """Set `clock` by the server's."""
        asked_at = time.monotonic()
        told_us = await connection.fetchval(_CLOCK_US, timeout=most_s)
        self.clock.correct(told_us, round((time.monotonic() - asked_at) * 1e6))

    async def _connect_to(self, host: str) -> asyncpg.Connection:
        connection = None
        try:
            connection = await asyncpg.connect(
                host,
                timeout=self._most_s,
                statement_cache_size=512,
                target_session_attrs=self._wanted,
                server_settings={"application_name": "transom"},
            )
            # By a statement: pgbouncer refuses all but a few settings at the start of a session.
            await connection.execute(self._settings, timeout=self._most_s)
            _require_any_text(connection)
            await self._require_newest(connection)
            await self.read_clock(connection, self._most_s)
        except BaseException as error:
            if connection is not None:
                connection.terminate()
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"no connection within {self._most_s:g} s") from None
            raise
        return connection


def _require_any_text(connection: asyncpg.Connection) -> None:
    """EncodingError for a database of one part of the world's letters: whatever names others would be refused
    for ever as if the database were away. Of no encoding at all, it keeps bytes as they are. The server says
    it at the start of a session; some pgbouncer does not."""
    encoding = getattr(connection.get_settings(), "server_encoding", "UTF8")
    if encoding not in _ANY_TEXT:
        raise EncodingError(f"the database has the encoding {encoding}: make one with UTF8")


def split_hosts(url: str) -> list[str]:
    """A URL for each of the hosts that this one names, in its order; itself when it names one or none.

    libpq, "Connection URIs": `//a:1,b:2/…`, or `?host=a,b&port=1,2`, where one port is that of all hosts.
    """
    parts = urlsplit(url)
    account, at, places = parts.netloc.rpartition("@")
    if places:
        return [parts._replace(netloc=f"{account}{at}{place}").geturl() for place in places.split(",")]
    return list(_split_query(parts))


def _split_query(parts: SplitResult) -> Iterator[str]:
    query = dict(parse_qsl(parts.query))
    hosts, ports = query.get("host", "").split(","), query.get("port", "").split(",")
    if len(hosts) == 1:
        yield parts.geturl()
        return
    for number, host in enumerate(hosts):
        port = ports[number] if len(ports) == len(hosts) else ports[0]
        named = {**query, "host": host} | ({"port": port} if port else {})
        yield parts._replace(query=urlencode(named)).geturl()


def _place_of(url: str) -> str:
    """The host that the URL names, without the account."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or dict(parse_qsl(parts.query)).get("host", "")


def _write_settings(command_s: float) -> str:
    longest_ms = round(command_s * _SERVER_PART * 1000)
    settings = {
        # Our statements are short, and compiling them buys nothing.
        "jit": "off",
        # To plan a page of a list costs several times as much as to read it. So a plan is made once, by an
        # index, in its order. It is good for a project that has everything and for one that has nothing
        # (docs/decisions/0013).
        "plan_cache_mode": "force_generic_plan",
        "enable_bitmapscan": "off",
        "enable_seqscan": "off",
        "statement_timeout": longest_ms,
        "lock_timeout": longest_ms,
        # An administrator may have set these otherwise for the database or the role. Our statements rely on
        # seeing the newest version of a row that they have waited for, and the pool closes idle connections.
        "default_transaction_isolation": "'read committed'",
        "idle_session_timeout": 0,
    }
    return "; ".join(f"set {name} = {value}" for name, value in settings.items())
