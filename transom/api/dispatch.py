"""The ASGI application: one request in, one response out, whatever happens in between.

In this order: request id; host; path; token (below /v2, before the path is judged, as Glance's pipeline has
it); route; handler; error → answer; then the count and the log line. Written on bare ASGI: what a framework
would add per request is a good part of what a whole request may cost here (docs/decisions/0001).
"""

import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from itertools import chain
from typing import Any

from transom.api import routes
from transom.api.clients import ClientConnection, ClientCounts, Download
from transom.api.connections import Watch
from transom.api.cors import Cors
from transom.api.dialect import Dialect
from transom.api.forwarded import make_trust
from transom.api.heads import MOST_HEAD_BYTES
from transom.api.http import (
    Headers,
    HttpError,
    Receive,
    Request,
    Response,
    Scope,
    Send,
)
from transom.api.identity.errors import render_error as render_identity_error
from transom.api.ims.errors import render_error as render_ims_error
from transom.api.ims.errors import status_of
from transom.api.options import FrontOptions
from transom.api.paths import (
    IDENTITY,
    below_identity,
    join_slashes,
    name_version,
    names_no_version,
    read_segments,
)
from transom.api.router import Match, Router
from transom.api.sending import PIECE_BYTES, send_response
from transom.api.services import Services
from transom.api.share.problems import render_error as render_problem
from transom.api.share.problems import status_of as status_of_problem
from transom.api.signing import authenticate, confirm_later, has_signature
from transom.api.turns import Turns
from transom.api.v2.errors import error_response
from transom.api.v2.versions import choose_version
from transom.api.versions import base_url, served_versions
from transom.domain.addresses import group_address
from transom.domain.errors import (
    InvalidError,
    SpentError,
    TransomError,
    UnauthenticatedError,
    UnavailableError,
    describe,
)
from transom.sql.db import TENANT
from transom.telemetry import ObserveRequest, RequestLog

_log = logging.getLogger(__name__)

AnswerRequest = Callable[[Request], Awaitable[tuple[str, Response]]]
OpenConsole = Callable[[AnswerRequest], AnswerRequest]

_CONSOLE = "/console"
_IMS_PREFIX = "ims"
_ALL_ROUTES = (*routes.ROUTES, *routes.IMS_ROUTES)
_IMS_PATHS = (f"/{_IMS_PREFIX}/", "/v1/", "/v1.1/", "/v2/cloudimages")
_SHARE = "share"
_SHARE_ROOT = f"/{_SHARE}"
_IDENTITY_ROOT = f"/{IDENTITY}"
#: How paths start that may be of another dialect than the Image API's.
_OTHER_PATHS = (_SHARE_ROOT, _IDENTITY_ROOT, *_IMS_PATHS)
_IDENTITY_VERSION = "v3"
#: Segments up to the version of the Identity API.
_IDENTITY_DEPTH = 2
#: Below these a token or a signature is needed.
_GUARDED = frozenset({"v1", "v1.1", "v2", "share"})
#: In these a body that the call does not take is refused.
_WITHOUT_BODIES = (Dialect.OPENSTACK, Dialect.SHARE)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]+")
#: How much of an unread body is read and thrown away, bytes and seconds, so that the client sees the answer.
_DRAIN_BYTES = 16 << 20
_DRAIN_S = 3.0
#: Path, query and signature that are longer in all take the loop a while to read, bytes.
_LONG_HEAD = 4 << 10
_RETRY_AFTER: Headers = [(b"retry-after", b"5")]
_NO_CREDENTIALS = (
    "This server could not verify that you are authorized to access the document you requested. Either you "
    "supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply "
    "the credentials required."
)


class Dispatcher:
    """Answers requests with the handlers of `routes.py`. `observe` or `request_log` None: switched off."""

    def __init__(
        self,
        services: Services,
        options: FrontOptions,
        watch: Watch,
        observe: ObserveRequest | None,
        request_log: RequestLog | None,
        open_console: OpenConsole | None = None,
    ) -> None:
        """`open_console`: is given `answer`, and gives what answers below /console. None: nothing does."""
        self._services = services
        self._watch = watch
        self._observe = observe
        self._request_log = request_log
        networks = options.trusted_networks
        self._is_trusted = make_trust(networks) if networks else None
        self._clients = ClientCounts(options.max_connections_per_address)
        self._turns = Turns()
        services.db.use_turns(self._turns.take)
        self._cors = Cors(options.cors) if options.cors is not None else None
        self._max_request_id_length = options.max_request_id_length
        self._versions = frozenset({"v2", *served_versions(services)})
        # With Keystone nobody logs in here.
        self._answer_console = open_console(self.answer) if open_console is not None else None
        self._logs_in = services.cloud.auth_url is None
        own = [route for route in routes.ROUTES if self._logs_in or not route.path.startswith("/identity")]
        # Calls that the IMS API does not define are those of the Image API.
        of_ims = _make_router((*own, *routes.IMS_ROUTES))
        #: Paths that need no credentials, below roots that do.
        self._open_paths = {route.path for route in _ALL_ROUTES if route.is_open} - {
            route.path for route in _ALL_ROUTES if not route.is_open
        }
        self._routers = dict.fromkeys(Dialect, _make_router(own)) | {Dialect.IMS: of_ims}

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of the ASGI server, from its first byte to its log line."""
        connection = self._watch.find(scope)
        if connection.downloads and not connection.is_http2:
            # They have come to their end, else this request would not have come.
            connection.forget_downloads()
        request = Request(scope, receive, _new_request_id(), connection)
        started = time.perf_counter()
        route = ""
        status = 500
        sends_data = False
        try:
            route, response = await self._respond(request)
            if len(response.body) > PIECE_BYTES and request.method != "HEAD":
                response = self._hold(request, response)
            if request.has_unread_body:
                await request.drain(_DRAIN_BYTES, _DRAIN_S)
            status = response.status
            if self._cors is not None and not route.startswith(_CONSOLE):
                response.headers.extend(self._cors.headers_for(request))
            sends_data = response.file is not None or response.chunks is not None
            sending = send_response(request, response, send)
            await (sending if response.judge is None else _send_judged(connection, response, sending))
        except UnavailableError:
            # The room of a long answer went to others: it is cut short, and the server ends its connection.
            pass
        finally:
            request.finish(sends_data=sends_data)
            elapsed_s = time.perf_counter() - started
            if self._observe is not None:
                # A label that the client could choose freely would fill the memory with counters.
                method = request.method if request.method in _METHODS else "other"
                self._observe(route, method, status, elapsed_s)
            if self._request_log is not None:
                caller = request.found_caller
                self._request_log.write(
                    request.method,
                    request.path,
                    status,
                    elapsed_s,
                    request.request_id,
                    request.client_address,
                    caller.user_id if caller is not None else None,
                    caller.project_id if caller is not None else None,
                )

    async def _respond(self, request: Request) -> tuple[str, Response]:
        """(the route's template or "", the response)."""
        try:
            request.dialect = _dialect_of(request)
            _require_short_head(request)
            if (given := request.headers.get(b"x-openstack-request-id")) is not None:
                request.request_id = _read_request_id(given, self._max_request_id_length)
            if b"transfer-encoding" in request.headers:
                _require_plain_transfer(request)
            request.find_origin(self._is_trusted)
            if self._is_trusted is not None:
                request.count_client(self._clients)
            if self._answer_console is not None and _is_below(request.path, _CONSOLE):
                await self._take_strangers_turn(request)
                return await self._answer_console(request)
        except (TransomError, HttpError) as error:
            return "", self._refuse(request, error)
        if request.method == "OPTIONS":
            return "", Response()
        return await self._answer(request)

    async def answer(self, request: Request) -> tuple[str, Response]:
        """As `_answer`, for a request that another part of the service makes: the console."""
        request.dialect = _dialect_of(request)
        return await self._answer(request)

    async def _answer(self, request: Request) -> tuple[str, Response]:
        """(the route's template or "", the response) of a request whose dialect and origin were found."""
        route = ""
        try:
            if _has_long_head(request):
                await self._take_strangers_turn(request)
            segments = self._read_path(request)
            found = self._find(request, segments)
            is_guarded = segments[0] in _GUARDED and (found is None or found.template not in self._open_paths)
            if not is_guarded:
                await self._take_strangers_turn(request)
            if names_no_version(request, segments, found):
                request.dialect = Dialect.OPENSTACK
                return route, await choose_version(self._services, request)
            if is_guarded:
                request.caller = await authenticate(self._services, request)
                if request.awaits_body:
                    request.confirm_with(confirm_later(self._services, request))
                tenant = request.caller.project_id or request.caller.user_id
                TENANT.set(tenant)
                await request.join_turns(self._turns.take, tenant)
            if found is None:
                raise _no_route(request)
            route = found.template
            handler = _handler_of(request, found.methods)
            request.params = found.params
            return route, await handler(self._services, request)
        except (TransomError, HttpError) as error:
            return route, self._refuse(request, error)
        except Exception:  # noqa: BLE001 (the last boundary: whatever it is, the client gets an answer)
            _log.exception("unexpected error", extra={"fields": {"request_id": request.request_id}})
            return route, self._render(request, 500, "The server has erred; its log says more.", [], None)

    def _take_strangers_turn(self, request: Request) -> Awaitable[None]:
        """Wait for the turn of a client that is not authenticated, which its address stands for."""
        return request.join_turns(self._turns.take_as_stranger, group_address(request.client_address))

    def _read_path(self, request: Request) -> list[str]:
        """The segments as the routes have them; sets `prefix`, and the dialects of the Identity API and the
        share API. Raises what `read_segments` does."""
        segments = read_segments(request)
        if segments[0] == _IMS_PREFIX:
            request.prefix = f"/{_IMS_PREFIX}"
            segments = segments[1:] or [""]
        segments = name_version(request, segments, self._versions)
        if segments[0] == _IDENTITY_VERSION and self._logs_in and not request.prefix:
            segments = below_identity(segments)
        if segments[0] == IDENTITY:
            request.dialect = Dialect.KEYSTONE
            join_slashes(segments, behind=_IDENTITY_DEPTH)
        elif segments[0] == _SHARE:
            request.dialect = Dialect.SHARE
            join_slashes(segments, behind=1)
            if not segments[-1]:
                del segments[-1]
        return segments

    def _find(self, request: Request, segments: list[str]) -> Match | None:
        """The route. A path that only the IMS API has is in its dialect."""
        found = self._routers[request.dialect].find(segments)
        if found is None and request.dialect is Dialect.OPENSTACK and segments[0] in _GUARDED:
            found = self._routers[Dialect.IMS].find(segments)
            if found is not None:
                request.dialect = Dialect.IMS
        return found

    def _hold(self, request: Request, response: Response) -> Response:
        """The long response, once there is memory for it while the client takes it; else a refusal."""
        try:
            request.hold(len(response.body))
        except UnavailableError as error:
            return self._refuse(request, error)
        return response

    def _refuse(self, request: Request, error: TransomError | HttpError) -> Response:
        if isinstance(error, HttpError):
            return self._render(request, error.status, str(error), error.headers, error)
        status = routes.STATUS[type(error)]
        if request.dialect is Dialect.IMS:
            status = status_of(error, status, request.path)
        elif request.dialect is Dialect.SHARE:
            status = status_of_problem(error, status)
        if isinstance(error, UnauthenticatedError):
            challenge = f'Keystone uri="{self._identity_uri(request)}"'.encode("latin-1")
            is_glances = request.dialect in (Dialect.OPENSTACK, Dialect.IMS)
            has_own_text = not is_glances or b"authorization" in request.headers
            message = str(error) if has_own_text else _NO_CREDENTIALS
            return self._render(request, status, message, [(b"www-authenticate", challenge)], error)
        headers = list(_RETRY_AFTER) if status == HTTPStatus.SERVICE_UNAVAILABLE else []
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            # What a driver said stays in the log: it names users, hosts and tables.
            _log.warning("%s", describe(error), extra={"fields": {"request_id": request.request_id}})
        if isinstance(error, SpentError):
            headers.append((b"retry-after", str(error.retry_after_s).encode()))
        return self._render(request, status, str(error), headers, error)

    def _identity_uri(self, request: Request) -> str:
        """Where one gets a token."""
        return self._services.cloud.auth_url or f"{base_url(self._services, request)}/identity/v3"

    def _render(
        self,
        request: Request,
        status: int,
        message: str,
        headers: Headers,
        error: TransomError | HttpError | None,
    ) -> Response:
        if request.dialect is Dialect.SHARE:
            return render_problem(request, status, message, headers, error)
        if request.dialect is Dialect.IMS:
            reason = error.reason if isinstance(error, TransomError) else None
            return render_ims_error(status, message, headers, reason)
        if request.dialect is Dialect.KEYSTONE:
            response = render_identity_error(status, message)
            response.headers.extend(headers)
            return response
        return error_response(request, status, message, headers)


async def answer_not_ready(watch: Watch, scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to everything while a worker waits for its database."""
    request = Request(scope, receive, _new_request_id(), watch.find(scope))
    try:
        await request.drain(_DRAIN_BYTES, _DRAIN_S)
        message = "The service is starting, or waits for its database."
        response = error_response(request, HTTPStatus.SERVICE_UNAVAILABLE, message, list(_RETRY_AFTER))
        await send_response(request, response, send)
    finally:
        request.finish()


async def _send_judged(connection: ClientConnection, response: Response, sending: Awaitable[None]) -> None:
    """Have image data judged while it is sent. A file may still be on its way after that."""
    assert response.judge is not None, "there is something to judge"  # noqa: S101
    download = Download(TENANT.get(), response.judge)
    connection.downloads.append(download)
    try:
        await sending
    finally:
        if response.file is None:
            connection.downloads.remove(download)
            connection.has_no_right = False


def _is_below(path: str, root: str) -> bool:
    return path.startswith(root) and (path == root or path[len(root)] == "/")


def _make_router(table: Iterable[routes.Route]) -> Router:
    return Router((route.method, route.path, route) for route in table)


def _dialect_of(request: Request) -> Dialect:
    """By the start of the path and the headers, which an answer to an unreadable URL has, too."""
    path = request.path
    # Of the Image API's paths, which most have, nothing more is asked.
    if path.startswith(_OTHER_PATHS):
        if _is_below(path, _SHARE_ROOT):
            return Dialect.SHARE
        if path.startswith(_IDENTITY_ROOT):
            return Dialect.KEYSTONE
        if path.startswith(_IMS_PATHS):
            return Dialect.IMS
    return Dialect.IMS if has_signature(request) else Dialect.OPENSTACK


def _new_request_id() -> str:
    """A UUID in form. It has to be unlike the others, not hard to guess, so no system call is made for it."""
    digits = f"{random.getrandbits(128):032x}"
    return f"req-{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _read_request_id(sent: bytes, longest: int) -> str:
    given = sent.decode("latin-1")
    if len(given) > longest:
        raise HttpError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"X-Openstack-Request-Id is longer than {longest} characters.",
        )
    if not _REQUEST_ID.fullmatch(given):
        raise InvalidError("X-Openstack-Request-Id may hold letters, digits and _ . : - only.")
    return given if given.startswith("req-") else f"req-{given}"


def _require_plain_transfer(request: Request) -> None:
    """HttpError 501 for a body in another transfer coding than chunks, which the server has taken off (RFC
    9112, 6.1). A proxy that unpacks it, or sees another end of it, would speak of another body."""
    if request.joined(b"transfer-encoding").strip().lower() != "chunked":
        raise HttpError(
            HTTPStatus.NOT_IMPLEMENTED, "Transfer-Encoding: no transfer coding but chunked is understood."
        )


def _require_short_head(request: Request) -> None:
    """HttpError 431 for a head that takes too long to be read: cookies, digests, entity tags and the like are
    taken apart on the event loop."""
    size = len(request.method) + len(request.raw_path) + len(request.query)
    if size + sum(map(len, chain.from_iterable(request.raw_headers))) > MOST_HEAD_BYTES:
        text = f"The method, URL and headers of the request have more than {MOST_HEAD_BYTES} bytes in all."
        raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text)


def _has_long_head(request: Request) -> bool:
    """Whether what is read of it before its caller is known takes a while."""
    authorization = request.headers.get(b"authorization", b"")
    return len(request.raw_path) + len(request.query) + len(authorization) > _LONG_HEAD


def _no_route(request: Request) -> HttpError:
    if request.method not in _METHODS:
        return HttpError(HTTPStatus.NOT_IMPLEMENTED, f"The method {request.method} is not implemented.")
    return HttpError(HTTPStatus.NOT_FOUND, "The resource could not be found.")


def _handler_of(request: Request, methods: dict[str, Any]) -> routes.Handler:
    route: routes.Route | None = methods.get(request.method)
    if route is None and request.method == "HEAD" and request.dialect is Dialect.SHARE:
        route = methods.get("GET")
    if route is None:
        # HEAD is a convenience of ours that Glance's clients do not expect to be named.
        allow = ", ".join(method for method in methods if method != "HEAD").encode()
        raise HttpError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"The method {request.method} is not allowed for this resource.",
            [(b"allow", allow)],
        )
    if route.takes_body is False and request.has_body and request.dialect in _WITHOUT_BODIES:
        raise InvalidError("A body is not expected with this request.")
    return route.handler
