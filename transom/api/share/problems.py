"""What can go wrong in the share API: problem types and the bodies of refusals (RFC 9457).

A type is the path of a page that says what it means, which anybody may read. Start at `PROBLEMS`.
"""

import html
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from transom.api.http import Headers, HttpError, Request, Response, encode_json
from transom.api.services import Services
from transom.domain.errors import (
    BodyTooLargeError,
    ForbiddenError,
    LimitExceededError,
    NotFoundError,
    Reason,
    TransomError,
)

MEDIA_TYPE = b"application/problem+json"
PATH = "/share/v1/problems"


class Problem(NamedTuple):
    """`status`: of the answer that has it as its own type; a failure within a list has none. `text`: what it
    means and what to do, for the page."""

    status: int
    title: str
    text: str


PROBLEMS: Mapping[str, Problem] = {
    "invalid": Problem(
        400,
        "The request is not valid",
        "The body, a parameter of the query or a header has the wrong shape or value. `field` is the part of "
        "the body as a JSON Pointer, `parameter` the one of the query. Unknown keys and parameters are "
        "refused, so that a misspelt one does not go unnoticed.",
    ),
    "unauthenticated": Problem(
        401,
        "No valid credentials",
        "The request needs a token (X-Auth-Token) or a signature, and the one it had is missing, has expired "
        "or was revoked.",
    ),
    "forbidden": Problem(
        403, "Not allowed", "The caller's roles, or the rules of the operator, do not allow this."
    ),
    "not-found": Problem(
        404,
        "Not found",
        "There is no such thing, or the caller may not know of it: the two look alike. An offer that has "
        "ended or was withdrawn is not found either.",
    ),
    "method-not-allowed": Problem(
        405, "The path has no such method", "The header Allow lists the methods that it has."
    ),
    "conflict": Problem(
        409, "The state does not allow this", "What is there now does not allow it; `detail` says what."
    ),
    "image-not-active": Problem(
        409, "The image is not active", "The image has no data yet, or was deactivated."
    ),
    "not-shareable": Problem(
        409,
        "The image cannot be shared so",
        "Public and community images need no shares, encrypted ones and whole servers cannot be shared, and "
        "nobody shares with itself.",
    ),
    "key-in-use": Problem(
        409,
        "The first request with this Idempotency-Key is still running",
        "Try again after the seconds of Retry-After.",
    ),
    "cursor-too-old": Problem(
        410,
        "The cursor is older than what is kept",
        "Events are removed after a time. Start again from `oldest`, or without a cursor.",
    ),
    "precondition-failed": Problem(
        412,
        "Somebody changed it since",
        "If-Match or If-None-Match does not hold: read it again, then decide.",
    ),
    "limit": Problem(
        413,
        "A limit would be passed",
        "The limits that are in force are in `limits` of GET /share/v1; `detail` says which one it is.",
    ),
    "payload-too-large": Problem(
        413,
        "The body is too large",
        "The body has more bytes or values than are read. Send several requests.",
    ),
    "key-reused": Problem(
        422,
        "This Idempotency-Key was used for another request",
        "The same key came with another path or body before. With status 409 it came with the same ones, and "
        "the first answer had a secret that is shown once.",
    ),
    "precondition-required": Problem(
        428,
        "If-Match is needed",
        "What this call replaces is read first; If-Match names the ETag that it had then.",
    ),
    "unavailable": Problem(
        503,
        "Not available now",
        "The database or the identity service cannot be reached, or the service is overloaded. Try again "
        "after the seconds of Retry-After.",
    ),
}

#: Problems that a reason tells more precisely than the status does.
_BY_REASON: Mapping[Reason, str] = {
    Reason.IMAGE_NOT_READY: "image-not-active",
    Reason.IMAGE_IN_CREATION: "image-not-active",
    Reason.ONESELF: "not-shareable",
    Reason.PUBLIC_NOT_SHARED: "not-shareable",
    Reason.ENCRYPTED_NOT_SHARED: "not-shareable",
    Reason.WHOLE_NOT_SHARED: "not-shareable",
}
#: The types of what could not be done of a set, besides.
_OF_FAILURES: Mapping[Reason, str] = {
    Reason.IMAGE_UNKNOWN: "not-found",
    Reason.MEMBER_UNKNOWN: "not-found",
    Reason.RECIPIENT_UNKNOWN: "not-found",
    Reason.ORGANIZATION_UNKNOWN: "not-found",
    Reason.NOT_OWNER: "forbidden",
    Reason.ROLE_LACKS: "forbidden",
    Reason.MEMBERS_FULL: "limit",
    Reason.VAULT_MISSING: "invalid",
    Reason.SHARED_WITH_DOMAIN: "conflict",
}
_BY_STATUS: Mapping[int, str] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "limit",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "invalid",
} | {
    problem.status: name
    for name, problem in PROBLEMS.items()
    if problem.status not in (HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
}


class ProblemError(HttpError):
    """A refusal of this type. `more`: further members of its body; `status`: another than the type's."""

    def __init__(
        self,
        name: str,
        message: str,
        headers: Headers | None = None,
        more: Mapping[str, Any] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(status or PROBLEMS[name].status, message, headers)
        self.name = name
        self.more = more or {}


def type_of(name: str) -> str:
    """The `type` of the problem of this name."""
    return f"{PATH}/{name}"


def name_of_reason(reason: str) -> str:
    """The name of the problem that a failure within a set is."""
    known = Reason(reason) if reason else None
    if known is None:
        return "conflict"
    return _BY_REASON.get(known) or _OF_FAILURES.get(known, "conflict")


def name_of_failure(error: TransomError) -> str:
    """The name of the problem that a failure within a set is, by its reason or else its kind."""
    if error.reason is not None:
        name = _BY_REASON.get(error.reason) or _OF_FAILURES.get(error.reason)
        if name is not None:
            return name
    return next((name for kind, name in _OF_KINDS.items() if isinstance(error, kind)), "conflict")


_OF_KINDS: Mapping[type[TransomError], str] = {
    NotFoundError: "not-found",
    ForbiddenError: "forbidden",
    LimitExceededError: "limit",
}


def status_of(error: TransomError, status: int) -> int:
    """The status of `error`, which is `status` to clients of the Image API: that of its type."""
    name = _BY_REASON.get(error.reason) if error.reason is not None else None
    return PROBLEMS[name].status if name is not None else status


def name_of(error: Exception | None, status: int) -> str | None:
    """The name of the problem that an error is, given its status; None when no type says more than that."""
    if isinstance(error, ProblemError):
        return error.name
    if isinstance(error, BodyTooLargeError):
        return "payload-too-large"
    if isinstance(error, TransomError) and error.reason is not None and error.reason in _BY_REASON:
        return _BY_REASON[error.reason]
    return _BY_STATUS.get(status)


def render_error(
    request: Request, status: int, message: str, headers: Headers, error: Exception | None
) -> Response:
    """The refusal as problem details. `error`: what it was, None for what nobody expected."""
    name = name_of(error, status)
    body: dict[str, Any] = {
        "type": type_of(name) if name is not None else "about:blank",
        "title": PROBLEMS[name].title if name is not None else HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
        "instance": f"urn:x-request:{request.request_id}",
    }
    if isinstance(error, TransomError):
        if error.field is not None:
            body["field"] = error.field
        if error.parameter is not None:
            body["parameter"] = error.parameter
    elif isinstance(error, ProblemError):
        body |= error.more
    return Response(status, encode_json(body), [(b"content-type", MEDIA_TYPE), *headers])


async def show_problem(_services: Services, request: Request) -> Response:
    """The page of a problem type: HTML for a browser, else plain text."""
    name = request.params["name"]
    problem = PROBLEMS.get(name)
    if problem is None:
        raise NotFoundError("There is no problem of this name.")
    if "text/html" in (request.header(b"accept") or ""):
        title, text = html.escape(problem.title), html.escape(problem.text)
        page = _PAGE.format(name=name, title=title, status=problem.status, text=text)
        return Response(body=page.encode(), headers=[(b"content-type", b"text/html; charset=UTF-8")])
    page = f"{name} ({problem.status})\n\n{problem.title}.\n\n{problem.text}\n"
    return Response(body=page.encode(), headers=[(b"content-type", b"text/plain; charset=UTF-8")])


_PAGE = (
    '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{name}</title></head>\n'
    "<body>\n<h1>{title}</h1>\n<p><code>{name}</code>, status {status}</p>\n<p>{text}</p>\n</body>\n</html>\n"
)
