"""Fetch what users name: only from where the rules allow, and from nowhere else.

A URL is checked, its host's name resolved, its addresses checked, and the connection made to one of these
very addresses: what the name leads to a moment later does not matter. Redirects go the same way, one by one.
The rules are in `domain/outbound.py`. An answer counts only when it is the data itself: see `_require_data`.
"""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import copy
from email.utils import parsedate_to_datetime
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit
from weakref import WeakValueDictionary

from transom.domain.errors import InvalidError, SourceAwayError, UnavailableError, UnusableSourceError
from transom.domain.outbound import (
    DEFAULT_LIMITS,
    Address,
    FetchLimits,
    HookRules,
    OutboundRules,
    Target,
    allowed_addresses,
    check_hook_url,
    check_url,
    is_literal,
    normalize_host,
    unreachable,
)
from transom.late_imports import import_beside
from transom.threads import Threads

if TYPE_CHECKING:
    import aiohttp

_MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Longest waits, seconds: for a name, for a connection, for an answer to begin, for the next bytes.
_RESOLVE_S = 10.0
_CONNECT_S = 15.0
_ANSWER_S = 60.0
_READ_S = 60.0
_BUFFER_BYTES = 1 << 20
#: Names looked up at a time.
MOST_LOOK_UPS = 16
_RANGE = re.compile(r"bytes=([0-9]+)-")


class Answer:
    """What a server answered: all of the data (200), or the part that was asked for (206), as it comes and
    within the limits."""

    def __init__(self, response: "aiohttp.ClientResponse", limits: FetchLimits) -> None:
        self._response = response
        self._limits = limits

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def size(self) -> int | None:
        """How many bytes there will be, None when the server does not say."""
        return self._response.content_length

    async def chunks(self) -> AsyncIterator[bytes]:
        """The data; SourceAwayError when it breaks off, UnusableSourceError when it takes too long."""
        with _renamed(self._response.url.raw_host or ""):
            async for chunk in keep_pace(self._response.content.iter_any(), self._limits, time.monotonic):
                yield chunk

    async def read(self, limit_bytes: int) -> bytes:
        """All of the data, InvalidError when there is more of it."""
        found = bytearray()
        async for chunk in self.chunks():
            found += chunk
            if len(found) > limit_bytes:
                raise InvalidError(f"The answer is larger than {limit_bytes} bytes.")
        return bytes(found)


async def keep_pace(
    chunks: AsyncIterator[bytes], limits: FetchLimits, clock: Callable[[], float]
) -> AsyncIterator[bytes]:
    """The same chunks; UnusableSourceError when they come slower than the limits allow. `clock`: seconds.

    Only the time counts in which nothing was there to be taken: a store or a client that takes the data
    slowly is not the source's fault.
    """
    waited, waited_in_window, received = 0.0, 0.0, 0
    while True:
        asked_at = clock()
        try:
            chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        passed = clock() - asked_at
        waited, waited_in_window, received = waited + passed, waited_in_window + passed, received + len(chunk)
        if limits.total_s and waited > limits.total_s:
            raise UnusableSourceError(f"The server has not sent all of its data in {limits.total_s} seconds.")
        if waited_in_window >= limits.window_s:
            if received < limits.least_bytes_s * waited_in_window:
                raise UnusableSourceError(
                    f"The server sends less than {limits.least_bytes_s} bytes a second, which is too slow."
                )
            waited_in_window, received = 0.0, 0
        yield chunk


class Outbound:
    """Fetches for one worker process, by the rules and within the limits that it is given."""

    def __init__(self, rules: OutboundRules, limits: FetchLimits = DEFAULT_LIMITS) -> None:
        self._rules = rules
        self._limits = limits
        self._resolver = _Resolver()
        self._tenant: str | None = None

    def asked_by(self, project_id: str | None) -> "Outbound":
        """The same for what this project asks, whose names wait for one another."""
        of_project = copy(self)
        of_project._tenant = project_id
        return of_project

    async def check(self, url: object) -> None:
        """InvalidError when the URL may not be fetched as things are now."""
        await self._addresses(check_url(url, self._rules))

    @asynccontextmanager
    async def open(
        self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> AsyncIterator[Answer]:
        """The answer to a request, redirects followed. `headers` go to the first server only.

        InvalidError when the URL or one that it redirects to may not be fetched, or the server refuses
        (4xx, 501); UnusableSourceError when it answers with something else than the data, or is not the one
        that it should be; UnavailableError when it cannot be reached or fails.
        """
        given = dict(headers or {})
        for _ in range(_MOST_REDIRECTS + 1):
            target = check_url(url, self._rules)
            addresses = await self._addresses(target)
            async with _request(target, addresses, given, method) as response:
                following = _redirect(target, response)
                if following is None:
                    _require_success(target, response)
                    _require_data(target, response, given.get("Range"))
                    yield Answer(response, self._limits)
                    return
            if urlsplit(following)[:2] != urlsplit(url)[:2]:
                given = {}  # Also where the same host is asked without TLS.
            url = following
        raise InvalidError("The URL redirects too often.")

    async def _addresses(self, target: Target) -> tuple[str, ...]:
        found = await self._resolver.resolve(target, self._tenant)
        return allowed_addresses(target, found, self._rules, is_own_address)


class Reply(NamedTuple):
    """What is used of a receiver's answer. `retry_after_s`: when it wants to be
    asked again, seconds; None when it does not say."""

    status: int
    retry_after_s: float | None


class Poster:
    """Sends to the addresses that users gave for events, by the rules it is given, and waits no longer than
    `timeout_s` for each answer, look-up and connection included."""

    def __init__(self, rules: HookRules, timeout_s: float) -> None:
        self._rules = rules
        self.timeout_s = timeout_s
        self._resolver = _Resolver()

    def check(self, url: object) -> None:
        """InvalidError for a URL that may never be sent to. Of a name, that shows at each try only."""
        target, rules = check_hook_url(url, self._rules)
        if is_literal(target.host):
            allowed_addresses(target, [target.host], rules, is_own_address)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], tenant: str | None = None
    ) -> Reply:
        """Redirects are not followed. `tenant`: the project whose names wait for one another. InvalidError
        when the URL may not be sent to as things are now, UnavailableError when there is no answer."""
        target, rules = check_hook_url(url, self._rules)
        try:
            async with asyncio.timeout(self.timeout_s):
                found = await self._resolver.resolve(target, tenant)
                addresses = allowed_addresses(target, found, rules, is_own_address)
                async with _request(target, addresses, headers, "POST", body) as response:
                    return Reply(response.status, _read_retry_after(response.headers.get("Retry-After")))
        except TimeoutError:
            raise UnavailableError(
                f"'{target.host}' has not answered within {self.timeout_s:g} seconds."
            ) from None


def _read_retry_after(text: str | None) -> float | None:
    """Seconds, from a number of them or a date (RFC 9110, 10.2.3); None for anything else."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def is_own_address(address: Address) -> bool:
    """Whether a connection to the address would end at this machine, as its interfaces are now.

    The kernel chooses for such a one the address itself to come from. Nothing is sent for that.
    """
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:  # There is no way to it.
            return False
        return ip_address(probe.getsockname()[0]) == address


class _Resolver:
    """Looks up names that users chose, some at a time, and one at a time for each project. A hanging DNS
    look-up occupies a thread for about 30 s, even when nobody waits for it any more. So they have threads
    of their own: libuv, which looks up the service's own hosts, looks up two at a time. And a project with
    such names delays its own look-ups."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MOST_LOOK_UPS)
        self._of_tenants: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._threads = Threads("names", MOST_LOOK_UPS)

    async def resolve(self, target: Target, tenant: str | None) -> list[str]:
        """The addresses of the host, each once. The dot at the end keeps resolvers from taking it for a
        number, and from trying it in the domains of this machine. `tenant`: None for nobody that others would
        have to be kept from."""
        if is_literal(target.host):
            return [target.host]
        try:
            async with asyncio.timeout(_RESOLVE_S):
                turn = await self._enter(tenant)
                found = await asyncio.shield(self._look_up(target.host + ".", target.port, turn))
        except (OSError, UnicodeError, TimeoutError):
            raise unreachable(target) from None
        return list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))

    async def _enter(self, tenant: str | None) -> asyncio.Lock:
        """The tenant's own turn, taken, and with it one of the places for all."""
        turn = asyncio.Lock()
        if tenant is not None:
            turn = self._of_tenants.setdefault(tenant, turn)
        await turn.acquire()
        try:
            await self._free.acquire()
        except BaseException:
            turn.release()
            raise
        return turn

    def _look_up(self, name: str, port: int, turn: asyncio.Lock) -> "asyncio.Future[list[Any]]":
        """The place is free again when the thread is, not when its caller gave up."""
        looking = self._threads.begin(_resolve, name, port)
        looking.add_done_callback(partial(self._finish, turn))
        return looking

    def _finish(self, turn: asyncio.Lock, looking: "asyncio.Future[list[Any]]") -> None:
        self._free.release()
        turn.release()
        if not looking.cancelled():
            looking.exception()  # Seen, even where nobody waits for it any more.


def _resolve(name: str, port: int) -> list[Any]:
    return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)


@asynccontextmanager
async def _request(
    target: Target,
    addresses: tuple[str, ...],
    headers: Mapping[str, str],
    method: str,
    body: bytes | None = None,
) -> AsyncIterator["aiohttp.ClientResponse"]:
    await import_beside("transom.guarded_http")
    import aiohttp
    from yarl import URL

    from transom.guarded_http import guarded_connector

    url = URL(target.url, encoded=True)
    # As it is sent, for not every name that is spelled in ASCII stands for another one (RFC 5891).
    if normalize_host(url.raw_host or "") != target.host or url.port != target.port:
        raise InvalidError("The URL is ambiguous: programs understand it differently.")
    async with aiohttp.ClientSession(
        connector=guarded_connector(_pinned(target, addresses)),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_BUFFER_BYTES,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_READ_S),
    ) as session:
        sent = {"Accept-Encoding": "identity", **headers}
        # The time-out of the session counts from byte to byte: headers could drip for days.
        with _renamed(target.host):
            async with asyncio.timeout(_ANSWER_S):
                response = await session.request(method, url, headers=sent, data=body, allow_redirects=False)
        try:
            yield response
        finally:
            response.close()


def _pinned(target: Target, addresses: tuple[str, ...]) -> Any:
    """A resolver that knows one host, and of that the addresses that were checked."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Pinned(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            if normalize_host(host) != target.host:
                raise OSError(None, f"{host} was not checked")
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in addresses
            ]

        async def close(self) -> None:
            """Nothing is held."""

    return Pinned()


class _renamed:  # noqa: N801 (a context manager is used like a function)
    """The library's errors as ours."""

    def __init__(self, host: str) -> None:
        self._host = host

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        import aiohttp

        # Neither a certificate nor a server without TLS is another one a moment later.
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            raise UnusableSourceError(
                f"'{self._host}' has a certificate that is not trusted: {_reason(error.certificate_error)}."
            ) from error
        if isinstance(error, aiohttp.ClientConnectorSSLError):
            raise UnusableSourceError(
                f"No TLS connection to '{self._host}' can be made: {_reason(error.os_error)}."
            ) from error
        if isinstance(error, aiohttp.ClientResponseError):  # It is not HTTP, for one.
            raise UnusableSourceError(f"'{self._host}' gave an answer that cannot be read.") from error
        if isinstance(error, aiohttp.ClientError | TimeoutError | OSError):
            raise SourceAwayError(f"'{self._host}' cannot be reached, or broke off.") from error
        if isinstance(error, ValueError):  # For one, a header that the server made up.
            raise InvalidError(f"'{self._host}' gave an answer that cannot be read.") from error


def _reason(error: BaseException) -> str:
    """What the TLS library says, without its numbers and places in the source."""
    return str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or error).rstrip(".")


def _redirect(target: Target, response: "aiohttp.ClientResponse") -> str | None:
    """Where the answer sends the client, None when it is one itself."""
    if response.status not in _REDIRECTS:
        return None
    location = response.headers.get("Location")
    if location is None:
        raise InvalidError(f"'{target.host}' redirects to nowhere.")
    try:
        return urljoin(target.url, location)
    except ValueError:
        raise InvalidError(f"'{target.host}' redirects to a malformed URL.") from None


def _require_success(target: Target, response: "aiohttp.ClientResponse") -> None:
    # 501: it does not know the method, and will not later on.
    if response.status >= 500 and response.status != 501:
        raise SourceAwayError(f"'{target.host}' answered {response.status}.")
    if response.status >= 300:
        raise InvalidError(f"'{target.host}' answered {response.status}.")


def _require_data(target: Target, response: "aiohttp.ClientResponse", asked: str | None) -> None:
    """UnusableSourceError unless the answer's body is the data as it was asked for. `asked`: the Range header
    that was sent to this server, None for all of the data.

    No other status of success stands for the data (RFC 9110, 15.3), and a part that was not asked for is
    less than all of it. `Accept-Encoding: identity` was sent: what comes packed all the same is refused
    rather than unpacked, for some servers say `gzip` of files that are themselves archives (RFC 9110, 8.4).
    """
    if response.status == 206 and asked is not None:
        _require_part(target, response.headers.get("Content-Range", ""), asked)
    elif response.status != 200:
        raise UnusableSourceError(f"'{target.host}' answered {response.status} instead of 200.")
    codings = ", ".join(response.headers.getall("Content-Encoding", []))
    if codings.strip().lower() not in ("", "identity"):
        raise UnusableSourceError(
            f"'{target.host}' answered in the content coding '{codings}', which was not asked for."
        )


def _require_part(target: Target, sent: str, asked: str) -> None:
    first = _RANGE.match(asked)
    if first is None or not sent.lower().startswith(f"bytes {first[1]}-"):
        raise UnusableSourceError(f"'{target.host}' answered with another part than was asked for.")
