"""What the pages' script asks of the API: the cookie becomes a token, and the request goes on as it is.

The body is not read here: an upload streams from the browser to the store.
"""

from http import HTTPStatus

from transom.api.http import HttpError, Request, Response
from transom.console import guard
from transom.console.client import AnswerRequest
from transom.console.session import Session
from transom.domain.errors import InvalidError, NotFoundError, UnauthenticatedError

#: What a script of the pages may ask. Signing in and out is for the pages themselves.
_ROOTS = frozenset({"v2", "share"})
_API = "/console/api"
#: Credentials of another kind would go before the session's, or vouch for it.
_TAKEN_OUT = frozenset({b"authorization", b"cookie", b"x-auth-token", b"x-service-token"})


async def pass_on(
    request: Request, segments: list[str], session: Session | None, answer_request: AnswerRequest
) -> tuple[str, Response]:
    """Raises UnauthenticatedError without a session, NotFoundError for what is not for scripts, and HttpError
    (409) for a page that was made for another project or another user."""
    if not segments or segments[0] not in _ROOTS:
        raise NotFoundError("The resource could not be found.")
    if session is None or session.box.token is None:
        raise UnauthenticatedError("The console session has ended: sign in again.")
    meant = request.header(guard.PROJECT_HEADER)
    if meant is not None and meant != session.project_id:
        raise HttpError(HTTPStatus.CONFLICT, "This page was made for another project than the current one.")
    if request.header(guard.USER_HEADER) not in (None, session.row.user_id):
        raise HttpError(HTTPStatus.CONFLICT, "This page was made for another user than the current one.")
    token = session.box.token.encode("latin-1")
    headers = [pair for pair in request.raw_headers if pair[0] not in _TAKEN_OUT]
    raw_path = request.raw_path.removeprefix(_API.encode())
    if not raw_path.startswith(b"/"):
        raise InvalidError("The path cannot be read.")
    request.redirect(raw_path, [*headers, (b"x-auth-token", token)])
    route, response = await answer_request(request)
    own = {name for name, _ in guard.HEADERS}
    response.headers = [pair for pair in response.headers if pair[0].lower() not in own]
    response.headers.extend(guard.DATA_HEADERS)
    if not any(name.lower() == b"cache-control" for name, _ in response.headers):
        response.headers.append((b"cache-control", b"no-store"))
    return route, response


async def download(
    request: Request, image_id: str, token: str, saved_as: str, answer_request: AnswerRequest
) -> Response:
    """An image's data, to be saved. `saved_as`: ASCII."""
    headers = [pair for pair in request.raw_headers if pair[0] not in _TAKEN_OUT]
    request.redirect(
        f"/v2/images/{image_id}/file".encode(), [*headers, (b"x-auth-token", token.encode("latin-1"))]
    )
    _, response = await answer_request(request)
    replaced = {b"content-type", b"content-disposition", *(name for name, _ in guard.DATA_HEADERS)}
    response.headers = [pair for pair in response.headers if pair[0].lower() not in replaced]
    response.headers += [
        (b"content-type", b"application/octet-stream"),
        (b"content-disposition", f'attachment; filename="{saved_as}"'.encode()),
        (b"cache-control", b"no-store"),
        *guard.DATA_HEADERS,
    ]
    return response
