"""Every error has a status, and every refusal has the one shape of its half of the surface."""

import re
from http import HTTPStatus
from typing import Protocol

import httpx
import pytest
from harness.service import Service

from transom.api.http import Request
from transom.api.identity.errors import render_error
from transom.api.routes import ROUTES, STATUS
from transom.api.v2.errors import error_response
from transom.domain.errors import TransomError

UNKNOWN = "00000000-0000-4000-8000-000000000000"
PATHS = sorted({re.sub(r"\{\w+\}", UNKNOWN, route.path) for route in ROUTES})
#: Those of the share API have a shape of their own (tests/share/test_frame.py).
ABOUT_IMAGES = [path for path in PATHS if not path.startswith(("/identity", "/share"))]
ABOUT_IDENTITY = [path for path in PATHS if path.startswith("/identity")]
BELOW_V2 = [path for path in PATHS if path.startswith("/v2")]
FORMS: dict[str, list[str | None]] = {
    "application/json": ["application/json", "*/*, application/json; q=0.5"],
    "text/html; charset=UTF-8": ["text/html", "text/html, text/plain", "*/*", "text/html, */*"],
    "text/plain; charset=UTF-8": ["text/plain", "text/plain; q=0.5, image/png", "image/png", None],
}


def _subclasses(of: type[TransomError]) -> set[type[TransomError]]:
    found = set(of.__subclasses__())
    return found.union(*(_subclasses(one) for one in found))


class Services(Protocol):
    def get(self, database: str) -> Service: ...


@pytest.fixture(scope="session")
def server(shared_services: Services) -> Service:
    """One database will do: no error of this page comes from there."""
    return shared_services.get("sqlite")


def test_every_error_has_a_status() -> None:
    """But for those that background work keeps to itself, in modules of its own."""
    of_the_domain = {one for one in _subclasses(TransomError) if one.__module__ == TransomError.__module__}

    assert set(STATUS) == of_the_domain


@pytest.mark.parametrize("error", STATUS)
def test_the_status_of_an_error_tells_a_refusal(error: type[TransomError]) -> None:
    assert HTTPStatus(STATUS[error]) >= 400


@pytest.mark.parametrize("error", STATUS)
def test_every_error_says_what_fact_it_is(error: type[TransomError]) -> None:
    assert error.__doc__


@pytest.mark.parametrize("status", sorted(set(STATUS.values())))
def test_every_status_is_told_in_the_one_shape(status: int) -> None:
    response = error_response(_request("application/json"), status, "why", [])

    reason = HTTPStatus(status).phrase
    assert httpx.Response(status, content=response.body).json() == {
        "message": "why",
        "code": f"{status} {reason}",
        "title": reason,
    }


@pytest.mark.parametrize("status", sorted(set(STATUS.values())))
def test_every_status_is_told_to_identity_clients_in_keystones_shape(status: int) -> None:
    response = render_error(status, "why")

    assert httpx.Response(status, content=response.body).json() == {
        "error": {"code": status, "title": HTTPStatus(status).phrase, "message": "why"}
    }


@pytest.mark.parametrize(
    ("form", "accept"), [(form, accept) for form, accepts in FORMS.items() for accept in accepts]
)
def test_a_refusal_has_the_form_that_was_asked_for(form: str, accept: str | None) -> None:
    response = error_response(_request(accept), 404, "<why>", [])

    assert dict(response.headers)[b"content-type"].decode() == form


@pytest.mark.parametrize("accept", FORMS["text/html; charset=UTF-8"])
def test_a_refusal_in_html_lets_no_markup_through(accept: str | None) -> None:
    response = error_response(_request(accept), 404, "<script>", [])

    assert b"<script>" not in response.body


@pytest.mark.parametrize("path", ABOUT_IMAGES)
def test_a_method_that_a_path_does_not_have_is_refused_in_the_one_shape(server: Service, path: str) -> None:
    response = server.client("publisher").request("PATCH" if "PATCH" not in _methods(path) else "PUT", path)

    assert response.status_code == 405
    assert _is_the_one_shape(response), response.text


@pytest.mark.parametrize("path", ABOUT_IDENTITY)
def test_a_method_that_an_identity_path_does_not_have_is_refused_in_its_shape(
    server: Service, path: str
) -> None:
    response = server.client("publisher").patch(path)

    assert response.status_code == 405
    assert _is_keystones_shape(response), response.text


@pytest.mark.parametrize("path", BELOW_V2)
def test_a_call_without_a_token_is_refused_in_the_one_shape(server: Service, path: str) -> None:
    response = server.client(None).get(path)

    assert response.status_code == 401
    assert _is_the_one_shape(response), response.text


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "BREW"])
@pytest.mark.parametrize("path", ["/v2/nothing", "/identity/nothing", f"/v2/images/{UNKNOWN}/nothing"])
def test_a_path_that_is_not_there_is_refused_in_the_shape_of_its_half(
    server: Service, path: str, method: str
) -> None:
    response = server.client("publisher").request(method, path)

    is_shaped = _is_keystones_shape if path.startswith("/identity") else _is_the_one_shape
    assert response.status_code in (404, 501)
    assert is_shaped(response), response.text


@pytest.mark.parametrize(
    "path",
    ["/v2/images/%ff", "/v2/images/%00", "/v2/images?name=%ff", "/v2/images?limit=x", "/v2/images?%00"],
)
def test_a_url_that_cannot_be_read_is_refused_in_the_one_shape(server: Service, path: str) -> None:
    response = server.client("publisher").get(path)

    assert response.status_code == 400
    assert _is_the_one_shape(response), response.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"\xff", b'{"a": "\\ud800"}', b'{"id": "\\n"}'])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/images"),
        ("POST", f"/v2/images/{UNKNOWN}/members"),
        ("PUT", f"/v2/images/{UNKNOWN}/members/x"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_in_the_one_shape(
    server: Service, method: str, path: str, body: bytes
) -> None:
    response = server.client("publisher").request(method, path, content=body)

    assert response.status_code == 400
    assert _is_the_one_shape(response), response.text


def test_an_id_that_ends_in_a_line_break_is_refused(server: Service) -> None:
    """It would stand in the Location header."""
    response = server.client("publisher").post("/v2/images", json={"id": f"{UNKNOWN}\n"})

    assert response.status_code == 400


def _request(accept: str | None) -> Request:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": headers,
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    return Request(scope, receive, "req-1")


def _methods(path: str) -> set[str]:
    return {route.method for route in ROUTES if re.sub(r"\{\w+\}", UNKNOWN, route.path) == path}


def _is_the_one_shape(response: httpx.Response) -> bool:
    body = response.json()
    reason = HTTPStatus(response.status_code).phrase
    return (
        response.headers["content-type"] == "application/json"
        and body.keys() == {"message", "code", "title"}
        and body["code"] == f"{response.status_code} {reason}"
        and body["title"] == reason
        and bool(body["message"])
    )


def _is_keystones_shape(response: httpx.Response) -> bool:
    body = response.json()
    return (
        response.headers["content-type"] == "application/json"
        and body.keys() == {"error"}
        and body["error"].keys() == {"code", "title", "message"}
        and body["error"]["code"] == response.status_code
        and bool(body["error"]["message"])
    )
