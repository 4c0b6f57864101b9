"""Answers held against `docs/openapi.json`: is the status one that the call may have, the body of its shape?

It knows the service only by that document. Every client of `harness.service` asks here about every answer, so
each test of a call is one of the document, too.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import httpx
import jsonschema_rs

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
_URN = "urn:transom:openapi"
#: How a signed request begins its Authorization.
_SIGNED = ("SDK-HMAC-", "V11-HMAC-", "AWS4-HMAC-", "OTC-HMAC-")
_JSON = "application/json"
_PROBLEM = "application/problem+json"


class UndocumentedAnswerError(AssertionError):
    """An answer that the document does not have."""


class Call(NamedTuple):
    """A call as the document has it. `error`: the schema of its refusals where they are not its own."""

    path: str
    method: str
    error: str | None


@functools.cache
def read_document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return document


def check(response: httpx.Response) -> None:
    """For the hook of a client. UndocumentedAnswerError when the answer is none of its call. What is no call
    of the document, or has no such method there, is passed over."""
    call = find_call(response.request)
    if call is None or response.status_code == httpx.codes.METHOD_NOT_ALLOWED:
        return
    operation = read_document()["paths"][call.path][call.method]
    status = str(response.status_code)
    asked = f"{response.request.method} {response.request.url.raw_path.decode()}"
    if status == "404" and call.path.startswith("/identity"):
        return  # With Keystone there is no identity here, and the document has none.
    if status not in operation["responses"]:
        response.read()
        raise UndocumentedAnswerError(
            f"{asked}: {status} is no answer of {call.method} {call.path}: {response.text[:300]}"
        )
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if media_type not in (_JSON, _PROBLEM) or call.method == "head" or status == "304":
        return
    validator = _validator(call.path, call.method, status, media_type, call.error)
    response.read()
    if validator is None:
        raise UndocumentedAnswerError(
            f"{asked}: {status} has no body of {media_type}, but: {response.text[:300]}"
        )
    for error in validator.iter_errors(response.json()):
        where = "/".join(map(str, error.instance_path))
        raise UndocumentedAnswerError(f"{asked}: {status}: {where}: {error.message[:500]}")


def find_call(request: httpx.Request) -> Call | None:
    """The call that the request is of, by its plain path; None for any other form of a path."""
    path = request.url.raw_path.decode().partition("?")[0]
    if "%2f" in path.lower():
        return None  # An encoded slash counts as one.
    paths, method = read_document()["paths"], request.method.lower()
    below_ims = path.startswith("/ims/")
    is_ims = below_ims or request.headers.get("authorization", "").startswith(_SIGNED)
    plain = path.removeprefix("/ims") if below_ims else path
    if is_ims:
        found = _find_path(f"/ims{plain}")
        if found is not None and method in paths[found]:
            return Call(found, method, None)
    found = _find_path(plain)
    if found is None or method not in paths[found]:
        return None
    tag = paths[found][method]["tags"][0]
    is_foreign = is_ims and tag in ("images", "operating", "metadata definitions", "service")
    return Call(found, method, "ImsError" if is_foreign else None)


@functools.lru_cache(maxsize=4096)
def _find_path(path: str) -> str | None:
    """The template that fits; a literal segment wins over a variable one."""
    segments = path.split("/")
    for named, template in _templates().get(len(segments), ()):
        if all(
            one == given or (one.startswith("{") and bool(unquote(given)))
            for one, given in zip(named, segments, strict=True)
        ):
            return template
    return None


@functools.cache
def _templates() -> dict[int, list[tuple[list[str], str]]]:
    """Each template and its segments, by their number; where several fit a path, the first has the earliest
    literal."""
    by_number: dict[int, list[tuple[list[str], str]]] = {}
    for template in read_document()["paths"]:
        named = template.split("/")
        by_number.setdefault(len(named), []).append((named, template))
    for templates in by_number.values():
        templates.sort(key=lambda one: ([segment.startswith("{") for segment in one[0]], one[1]))
    return by_number


@functools.cache
def _validator(path: str, method: str, status: str, media_type: str, error: str | None) -> Any:
    """Of the answer's body of this media type; None when it has none."""
    answer = read_document()["paths"][path][method]["responses"][status]
    at = f"/paths/{_escape(path)}/{method}/responses/{status}"
    if "$ref" in answer:
        at = answer["$ref"].removeprefix("#")
        answer = read_document()["components"]["responses"][at.rsplit("/", 1)[1]]
        if error is not None:
            return _of(f"/components/schemas/{error}")
    if media_type not in answer.get("content", {}):
        return None
    return _of(f"{at}/content/{_escape(media_type)}/schema")


def _of(pointer: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"$ref": f"{_URN}#{pointer}"}, registry=_registry())


@functools.cache
def _registry() -> Any:
    return jsonschema_rs.Registry([(_URN, read_document())], draft=jsonschema_rs.Draft202012)


def _escape(segment: str) -> str:
    """A segment of a JSON pointer within a URL's fragment."""
    return segment.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
