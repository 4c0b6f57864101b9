"""What a POST does, and what it answers: two functions, so that the response can be stored with the work.

`act` makes a handler of them. Only there is it known that a request may have an Idempotency-Key: its response
is stored in the transaction that does the work, and given again when the request is repeated.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from typing import TypeVar

from transom.api.http import Headers, Request, Response
from transom.api.services import Services
from transom.api.share.problems import ProblemError
from transom.domain.errors import InvalidError
from transom.domain.idempotency import KeyedRequest, StoredResponse
from transom.sharing.idempotency import AlreadyDoneError, KeyInUseError

Result = TypeVar("Result")

HEADER = "Idempotency-Key"
KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"
#: Of a longer response only the fact is stored: that of a batch which failed as a whole has two megabytes.
MOST_KEPT_BYTES = 64 << 10
_KEY = re.compile(KEY_PATTERN)
_REPLAYED: Headers = [(b"idempotency-replayed", b"true")]
_SOON: Headers = [(b"retry-after", b"1")]


def act(
    do: Callable[[Services, Request], Awaitable[Result]],
    show: Callable[[Request, Result], Response],
    *,
    has_secret: bool = False,
) -> Callable[[Services, Request], Awaitable[Response]]:
    """The handler of a POST. `do`: reads the request and does the work, in one transaction at most, whose
    result it returns as it is. `show`: the response, made of nothing else, with a status of success.
    `has_secret`: the response is given once, and not stored."""

    async def handle(services: Services, request: Request) -> Response:
        key = _read_key(request)
        if key is None:
            return show(request, await do(services, request))
        keyed = await _read_keyed(services, request, key)
        try:
            with services.stored_responses.hold(keyed):
                stored = await services.stored_responses.find(keyed)
                if stored is None:
                    return await handle_first(services, request, keyed)
        except KeyInUseError as error:
            if not error.is_same:
                raise _reused() from None
            text = f"The first request with this {HEADER} is still running."
            raise ProblemError("key-in-use", text, _SOON) from None
        except AlreadyDoneError as error:
            stored = error.response
        return _replay(keyed, stored, has_secret=has_secret)

    async def handle_first(services: Services, request: Request, keyed: KeyedRequest) -> Response:
        response = Response()

        def stored_of(result: Result) -> StoredResponse:
            nonlocal response
            response = show(request, result)
            return _stored_of(keyed, response, has_secret=has_secret)

        db = services.stored_responses.keyed(keyed, stored_of)
        result = await do(replace(services, db=db.as_database()), request)
        if db.response is None:
            await db.keep(result)
        return response

    return handle


def _read_key(request: Request) -> str | None:
    """The key; None when there is none. InvalidError for one that is malformed."""
    if request.header(b"idempotency-key") is None:
        return None
    key = request.joined(b"idempotency-key")
    if not _KEY.fullmatch(key):
        raise InvalidError(f"{HEADER} must be one key of 1 to 255 visible ASCII characters.")
    return key


async def _read_keyed(services: Services, request: Request, key: str) -> KeyedRequest:
    body = await request.hash_body(services.bodies.json_body_limit, keep=True)
    caller = request.caller
    text = f"{request.method} {request.path}\n{body}"
    return KeyedRequest(
        project_id=caller.project_id or "",
        user_id=caller.user_id,
        key=key,
        fingerprint=sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    )


def _stored_of(keyed: KeyedRequest, response: Response, *, has_secret: bool) -> StoredResponse:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
    return StoredResponse(
        fingerprint=keyed.fingerprint,
        status=response.status,
        headers=[] if has_secret else headers,
        body="" if has_secret or len(response.body) > MOST_KEPT_BYTES else response.body.decode(),
    )


def _replay(keyed: KeyedRequest, stored: StoredResponse, *, has_secret: bool) -> Response:
    if stored.fingerprint != keyed.fingerprint:
        raise _reused()
    if has_secret:
        text = (
            "The first request with this key did the work. Its response had the secret, which is shown once."
        )
        raise ProblemError("key-reused", text, status=409)
    if not stored.body and any(name == "content-type" for name, _value in stored.headers):
        text = "The first request with this key did the work. Its response was longer than what is stored."
        raise ProblemError("key-reused", text, status=409)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in stored.headers]
    return Response(stored.status, stored.body.encode(), [*headers, *_REPLAYED])


def _reused() -> ProblemError:
    return ProblemError("key-reused", f"The {HEADER} came with another path or body before.")
