"""Verified names of publishers (`/share/v1/publishers`): an administrator gives them, everybody sees them."""

from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec

from transom.api.http import Request, Response, no_content
from transom.api.services import Services
from transom.api.share.body import check_id, check_line, invalid, read_body
from transom.api.share.conditions import NOTHING, require_tag, tag_of, tagged_response
from transom.clock import now_us
from transom.domain.errors import InvalidError, NotFoundError
from transom.domain.fields import check_characters
from transom.domain.publishers import Publisher
from transom.domain.times import show_time
from transom.sharing import project_rules, publishers

_MOST_NAME = 255
_MOST_URL = 2048


class PublisherBody(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    url: str | None = None
    support: str | None = None


async def show_publisher(services: Services, request: Request) -> Response:
    """The name by which a project is known. NotFoundError when it has none."""
    found = await publishers.find_publisher(services.db, request.caller, request.params["project_id"])
    if found is None:
        raise _absent()
    return tagged_response(request, _show(found), _tag(found))


async def put_publisher(services: Services, request: Request) -> Response:
    """Give a project a verified name, or change it: 201 or 200. For admins."""
    project_rules.manage_publishers(request.caller)
    project_id = _project_of_path(request)
    body = await read_body(services, request, PublisherBody)
    name = check_line("/name", body.name, _MOST_NAME)
    check_characters("name", name)
    publisher = Publisher(
        project_id=project_id,
        name=" ".join(name.split()),
        url=_check_url(body.url) if body.url else None,
        support=check_line("/support", body.support, _MOST_NAME) if body.support else None,
        verified_at=now_us(),
    )
    is_new = await publishers.put_publisher(
        services.db, request.caller, publisher, partial(_require, request)
    )
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return tagged_response(request, _show(publisher), _tag(publisher), status)


async def delete_publisher(services: Services, request: Request) -> Response:
    project_id = request.params["project_id"]
    if not await publishers.delete_publisher(
        services.db, request.caller, project_id, partial(_require, request)
    ):
        raise _absent()
    return no_content()


def _project_of_path(request: Request) -> str:
    """NotFoundError for what no project's id can be."""
    try:
        return check_id("", request.params["project_id"])
    except InvalidError:
        raise NotFoundError("There is no such project.") from None


def _check_url(url: str) -> str:
    try:
        split_url = urlsplit(url)
    except ValueError:
        split_url = None
    if (
        split_url is None
        or split_url.scheme not in ("http", "https")
        or not split_url.hostname
        or len(url) > _MOST_URL
    ):
        raise invalid("/url", f"must be an http(s) URL of at most {_MOST_URL} characters.")
    return check_line("/url", url, _MOST_URL)


def _require(request: Request, seen: Publisher | None) -> None:
    require_tag(request, _tag(seen) if seen is not None else NOTHING)


def _tag(publisher: Publisher) -> str:
    return tag_of(publisher.project_id, publisher.name, publisher.url, publisher.support)


def _show(publisher: Publisher) -> dict[str, Any]:
    return {
        "project": publisher.project_id,
        "name": publisher.name,
        "url": publisher.url,
        "support": publisher.support,
        "verified_at": show_time(publisher.verified_at),
    }


def _absent() -> NotFoundError:
    return NotFoundError("This project is not a verified publisher.")
