"""Versions of families, and which one is current: below `/share/v1/families/{family_id}`."""

import re
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from transom.api.actors import actor_of, giving_actor_of
from transom.api.http import Headers, Request, Response, json_response, no_content
from transom.api.services import Services
from transom.api.share.body import (
    MAX_NOTES,
    MAX_REASON,
    Time,
    check_future,
    check_image_ids,
    check_line,
    check_optional_text,
    invalid,
    read_body,
)
from transom.api.share.conditions import NOTHING, require_condition, require_tag, tagged_response
from transom.api.share.families import PATH, read_end, version_body, version_tag
from transom.api.share.problems import ProblemError
from transom.api.share.query import cut_page_response, encode_cursor, read_cursor, read_limit, read_query
from transom.clock import now_us
from transom.domain.errors import NotFoundError
from transom.domain.families import Known
from transom.domain.fields import MAX_NAME
from transom.domain.model import NEVER
from transom.sharing.families import service, views
from transom.sharing.families.scripts import NewVersion

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


def _shown_of(known: Known, number: int) -> views.Shown:
    """A version as its owner sees it."""
    version = known.find(number)
    if version is None:
        raise NotFoundError(f"The family has no version {number}.")
    return views.Shown(version=version, current_number=known.family.current_number, sees_image=True)


def _number(request: Request) -> int:
    """The number in the path. NotFoundError for what no version has."""
    text = request.params["number"]
    if not _NUMBER.fullmatch(text):
        raise NotFoundError(f"The family has no version {text[:40]}.")
    return int(text)


async def list_versions(services: Services, request: Request) -> Response:
    """A page, the newest first, of the versions that the caller may see. NotFoundError for a family it does
    not see."""
    query = read_query(request, frozenset({"limit", "after"}))
    limit = read_limit(query)
    (before,) = read_cursor(query, "versions", tuple[int]) or (NEVER,)
    family_id = request.params["family_id"]
    _seen, found = await views.list_versions(services.db, request.caller, family_id, before, limit + 1)
    return await cut_page_response(
        request,
        found[:limit],
        version_body,
        _cursor_of,
        _cursor_of(found[limit - 1]) if len(found) > limit else None,
        services.lists.list_size_limit,
    )


def _cursor_of(shown: views.Shown) -> str:
    return encode_cursor("versions", (shown.version.number,))


class Publishing(msgspec.Struct, forbid_unknown_fields=True):
    image_id: str
    name: str | None = None
    notes: str | None = None
    promote: bool = True
    end_of_life: Time | None = None


async def publish(services: Services, request: Request) -> tuple[Known, int]:
    """Make an image a version of the family and, unless `promote` is false, the current one. Raises
    InvalidError for a value that its field does not take, and what `service.publish` does."""
    asked = await read_body(services, request, Publishing)
    check_image_ids("/image_id", [asked.image_id])
    new = NewVersion(
        image_id=asked.image_id,
        name=check_line("/name", asked.name, MAX_NAME) if asked.name else None,
        notes=check_optional_text("/notes", asked.notes, MAX_NOTES),
        end_of_life=read_end("/end_of_life", asked.end_of_life),
    )
    return await service.publish(
        services.db,
        request.caller,
        giving_actor_of(services, request),
        request.params["family_id"],
        new,
        services.share_limits.family_version_quota,
        promotes=asked.promote,
    )


def show_published(request: Request, published: tuple[Known, int]) -> Response:
    """201 with the version and where it is."""
    known, number = published
    location = f"{request.prefix}{PATH}/{request.params['family_id']}/versions/{number}".encode()
    return _version_response(request, known, number, HTTPStatus.CREATED, [(b"location", location)])


def _version_response(
    request: Request,
    known: Known,
    number: int,
    status: int = HTTPStatus.OK,
    headers: Headers | None = None,
) -> Response:
    shown = _shown_of(known, number)
    tag = version_tag(shown.version, shown.current_number)
    return json_response(version_body(shown), status, [(b"etag", tag.encode()), *(headers or ())])


async def show_version(services: Services, request: Request) -> Response:
    """One version with its tag. NotFoundError for what the caller does not see."""
    number = _number(request)
    _seen, shown = await views.show_version(services.db, request.caller, request.params["family_id"], number)
    return tagged_response(request, version_body(shown), version_tag(shown.version, shown.current_number))


def _require_version(request: Request, number: int) -> Any:
    def require(known: Known) -> None:
        version = known.find(number)
        if version is not None:
            require_tag(request, version_tag(version, known.family.current_number))

    return require


class VersionPatch(msgspec.Struct, forbid_unknown_fields=True):
    """A merge patch: null removes, what is left out stays."""

    notes: str | UnsetType | None = UNSET
    end_of_life: Time | UnsetType | None = UNSET
    revoke_at: Time | UnsetType | None = UNSET


async def change_version(services: Services, request: Request) -> Response:
    """Apply the merge patch. 412 when `If-Match` names another state; raises what `service.change_version`
    does."""
    number = _number(request)
    asked = await read_body(services, request, VersionPatch)
    revoke_at: int | UnsetType = UNSET
    if not isinstance(asked.revoke_at, UnsetType):
        given = asked.revoke_at
        revoke_at = check_future("/revoke_at", given, now_us()) if given is not None else NEVER
    change = service.VersionChange(
        notes=UNSET
        if isinstance(asked.notes, UnsetType)
        else check_optional_text("/notes", asked.notes, MAX_NOTES),
        end_of_life=UNSET
        if isinstance(asked.end_of_life, UnsetType)
        else read_end("/end_of_life", asked.end_of_life),
        revoke_at=revoke_at,
    )
    known = await service.change_version(
        services.db,
        request.caller,
        giving_actor_of(services, request),
        request.params["family_id"],
        number,
        change,
        _require_version(request, number),
    )
    return _version_response(request, known, number)


async def remove_version(services: Services, request: Request) -> Response:
    """Take the image out of the family; memberships of it inherited from the family stay, as direct ones."""
    number = _number(request)
    family_id = request.params["family_id"]
    await service.remove_version(
        services.db, request.caller, actor_of(request), family_id, number, _require_version(request, number)
    )
    return no_content()


class Revoking(msgspec.Struct, forbid_unknown_fields=True):
    reason: str | None = None
    fall_back: bool = True
    at: Time | None = None


async def revoke(services: Services, request: Request) -> Known:
    """Revoke the version now or, with `at`, then. If it is the current one, an earlier one takes its place;
    ConflictError where `fall_back` forbids that."""
    number = _number(request)
    asked = await read_body(services, request, Revoking)
    at = check_future("/at", asked.at, now_us()) if asked.at is not None else None
    if at is not None and not asked.fall_back:
        raise invalid("/fall_back", "must be true with `at`: a scheduled revocation can refuse nobody.")
    return await service.revoke(
        services.db,
        request.caller,
        actor_of(request) if at is None else giving_actor_of(services, request),
        request.params["family_id"],
        number,
        check_optional_text("/reason", asked.reason, MAX_REASON),
        fall_back=asked.fall_back,
        at=at,
        require=_require_version(request, number),
    )


async def restore(services: Services, request: Request) -> Known:
    """Take a revocation back; the version does not become current by that."""
    number = _number(request)
    return await service.restore(
        services.db,
        request.caller,
        giving_actor_of(services, request),
        request.params["family_id"],
        number,
        _require_version(request, number),
    )


def show_changed(request: Request, known: Known) -> Response:
    """The version in the path."""
    return _version_response(request, known, _number(request))


# ---- which one is current


async def show_current(services: Services, request: Request) -> Response:
    """The current version with its tag. Without one 404, whose tag the first write names in `If-Match`."""
    seen = await views.see_family(services.db, request.caller, request.params["family_id"])
    _seen, current = await views.find_current(services.db, request.caller, seen)
    if current is None:
        # What a first write of it names in If-Match.
        text = "The family has no current version that the caller could see."
        raise ProblemError("not-found", text, [(b"etag", NOTHING.encode())])
    return tagged_response(
        request, version_body(current), version_tag(current.version, current.current_number)
    )


class Pointing(msgspec.Struct, forbid_unknown_fields=True):
    number: int


async def set_current(services: Services, request: Request) -> Response:
    """Promote the version of this number. 428 without a condition, 412 when another version is current than
    the condition names."""
    require_condition(request)
    asked = await read_body(services, request, Pointing)
    if not 0 < asked.number < NEVER:
        raise invalid("/number", "must be the number of a version.")

    def require(known: Known) -> None:
        require_tag(request, version_tag(known.current, known.family.current_number))

    family_id, actor = request.params["family_id"], giving_actor_of(services, request)
    known = await service.promote(services.db, request.caller, actor, family_id, asked.number, require)
    return _version_response(request, known, asked.number)
