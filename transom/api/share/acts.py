"""What a POST does, and what it answers: two functions, so that the answer can be kept with the work.

`act` makes a handler of them. Only there is it known that a request may have an Idempotency-Key: its answer
is kept in the transaction that does the work, and given again when the request comes again.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from typing import TypeVar

from transom.api.http import Headers, Request, Response
from transom.api.parts import Parts
from transom.api.share.problems import ProblemError
from transom.domain.answers import Answer, Asked
from transom.domain.errors import InvalidError
from transom.sharing.answers import AnsweredError, KeyInUseError

Result = TypeVar("Result")

HEADER = "Idempotency-Key"
KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"
#: Of a longer answer is kept that it was given: a batch of which nothing could be done has two megabytes.
MOST_KEPT_BYTES = 64 << 10
_KEY = re.compile(KEY_PATTERN)
_REPLAYED: Headers = [(b"idempotency-replayed", b"true")]
_SOON: Headers = [(b"retry-after", b"1")]


def act(
    do: Callable[[Parts, Request], Awaitable[Result]],
    show: Callable[[Request, Result], Response],
    *,
    has_secret: bool = False,
) -> Callable[[Parts, Request], Awaitable[Response]]:
    """The handler of a POST. `do`: reads the request and does the work, in one transaction at most, whose
    result it returns as it is. `show`: the answer, made of nothing else, with a status of success.
    `has_secret`: what it answers is shown once, and not kept."""

    async def handle(parts: Parts, request: Request) -> Response:
        key = _read_key(request)
        if key is None:
            return show(request, await do(parts, request))
        asked = await _read_asked(parts, request, key)
        try:
            with parts.answers.hold(asked):
                answer = await parts.answers.find(asked)
                if answer is None:
                    return await handle_first(parts, request, asked)
        except KeyInUseError as error:
            if not error.is_same:
                raise _reused() from None
            text = f"The first request with this {HEADER} is still running."
            raise ProblemError("key-in-use", text, _SOON) from None
        except AnsweredError as error:
            answer = error.answer
        return _replay(asked, answer, has_secret=has_secret)

    async def handle_first(parts: Parts, request: Request, asked: Asked) -> Response:
        response = Response()

        def answer_of(result: Result) -> Answer:
            nonlocal response
            response = show(request, result)
            return _answer_of(asked, response, has_secret=has_secret)

        keyed = parts.answers.keyed(asked, answer_of)
        result = await do(replace(parts, db=keyed.as_database()), request)
        if keyed.answer is None:
            await keyed.keep(result)
        return response

    return handle


def _read_key(request: Request) -> str | None:
    """The key; None when there is none. InvalidError for one that is malformed."""
    if HEADER.lower().encode() not in request.headers:
        return None
    key = request.joined(HEADER.lower().encode())
    if not _KEY.fullmatch(key):
        raise InvalidError(f"{HEADER} must be one key of 1 to 255 visible ASCII characters.")
    return key


async def _read_asked(parts: Parts, request: Request, key: str) -> Asked:
    body = await request.hash_body(parts.settings.json_body_limit, keep=True)
    caller = request.caller
    text = f"{request.method} {request.path}\n{body}"
    return Asked(
        project_id=caller.project_id or "",
        user_id=caller.user_id,
        key=key,
        fingerprint=sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    )


def _answer_of(asked: Asked, response: Response, *, has_secret: bool) -> Answer:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
    return Answer(
        fingerprint=asked.fingerprint,
        status=response.status,
        headers=[] if has_secret else headers,
        body="" if has_secret or len(response.body) > MOST_KEPT_BYTES else response.body.decode(),
    )


def _replay(asked: Asked, answer: Answer, *, has_secret: bool) -> Response:
    if answer.fingerprint != asked.fingerprint:
        raise _reused()
    if has_secret:
        text = (
            "The first request with this key did the work. Its response had the secret, which is shown once."
        )
        raise ProblemError("key-reused", text, status=409)
    if not answer.body and any(name == "content-type" for name, _value in answer.headers):
        text = "It was done by the first request with this key, whose answer was longer than is kept."
        raise ProblemError("key-reused", text, status=409)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    return Response(answer.status, answer.body.encode(), [*headers, *_REPLAYED])


def _reused() -> ProblemError:
    return ProblemError("key-reused", f"The {HEADER} came with another path or body before.")
