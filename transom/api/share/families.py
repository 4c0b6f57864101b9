"""Families: `/share/v1/families`. Their versions: `versions.py`; their members: `family_members.py`.

The tag of a family covers what is said of it and of its current version; that of `current` is the version's.
A family where nothing is current has the tag of nothing there (`conditions.NOTHING`).
"""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from transom.api.actors import actor_of, giving_actor_of
from transom.api.http import Request, Response, json_response, no_content
from transom.api.services import Services
from transom.api.share.body import (
    MAX_DESCRIPTION,
    MAX_TITLE,
    Time,
    check_line,
    check_optional_text,
    invalid,
    read_body,
    to_microseconds,
)
from transom.api.share.conditions import NOTHING, require_tag, tag_of, tagged_response
from transom.api.share.query import (
    cut_page_response,
    encode_cursor,
    read_choice,
    read_cursor,
    read_id,
    read_limit,
    read_query,
)
from transom.domain.families import Family, MemberCounts, Overview, Seen, Version, state_of
from transom.domain.model import NEVER
from transom.domain.shares import MOST_COUNTED, Usage
from transom.domain.times import show_time
from transom.sharing.families import service, views

PATH = "/share/v1/families"
#: Parameters of the list.
QUERY = frozenset({"limit", "after", "role", "owner", "name"})

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_MAX_URL = 1_000


# ---- how it looks


def family_body(seen: Seen) -> dict[str, Any]:
    """A family as lists show it."""
    return {**_show_details(seen.family), "status": seen.status}


def _show_details(family: Family) -> dict[str, Any]:
    return {
        "id": family.id,
        "name": family.name,
        "title": family.title,
        "description": family.description,
        "support_url": family.support_url,
        "owner": {"project": family.owner},
        "current_number": family.current_number,
        "provided_until": show_end(family.provided_until),
        "created_at": show_time(family.created_at),
        "updated_at": show_time(family.updated_at),
    }


def show_end(at: int | None) -> str | None:
    """A time; None for what has no end, or has not happened."""
    return show_time(at) if at is not None and at < NEVER else None


def version_body(shown: views.Shown) -> dict[str, Any]:
    """A version as the caller sees it. Its image is null for who does not see that."""
    version = shown.version
    image = version.image
    return {
        "number": version.number,
        "image": {"id": image.id, "name": image.name, "status": image.status} if shown.sees_image else None,
        "hidden": image.os_hidden,
        "state": state_of(version, shown.current_number),
        "name": version.name,
        "notes": version.notes,
        "published_at": show_time(version.published_at),
        "promoted_at": show_end(version.promoted_at),
        "end_of_life": show_end(version.end_of_life),
        "revoke_at": show_end(version.revoke_at),
        "revoked_at": show_end(version.revoked_at),
        "revoke_reason": version.revoke_reason,
        "usage": _show_usage(shown.use),
    }


def _show_usage(use: Usage | None) -> dict[str, Any] | None:
    """None where nobody looked: in answers to writes."""
    if use is None:
        return None
    last = {"last_used_at": show_end(use.last_used_at)}
    return last if use.projects is None else {"projects_30d": min(use.projects, MOST_COUNTED), **last}


def version_tag(version: Version | None, current_number: int | None) -> str:
    """The tag of a version, or of there being none."""
    if version is None:
        return NOTHING
    said = version.name, version.notes, version.end_of_life, version.published_at, version.promoted_at
    revoking = version.revoke_at, version.revoked_at, version.revoke_reason
    image = version.image
    looks = image.id, image.name, image.status, image.os_hidden
    return tag_of(version.family_id, version.number, state_of(version, current_number), said, revoking, looks)


def family_tag(family: Family, current: Version | None) -> str:
    said = family.title, family.description, family.support_url, family.provided_until
    return tag_of(family.id, said, version_tag(current, family.current_number))


async def _full_body(
    services: Services, request: Request, seen: Seen, current: views.Shown | None
) -> dict[str, Any]:
    body = {**family_body(seen), "current": version_body(current) if current is not None else None}
    if views.is_owner(request.caller, seen):
        counts = await views.count_members(services.db, seen)
        body["members"] = _show_counts(counts, max(counts.accepted, counts.pending, counts.rejected))
    return body


def _show_counts(counts: MemberCounts, most: int) -> dict[str, Any]:
    """`most`: what was counted at once, which ends beyond MOST_COUNTED."""
    limit = views.MOST_COUNTED
    return {
        "accepted": min(counts.accepted, limit),
        "asked_each_time": min(counts.asked_each_time, limit),
        "pending": min(counts.pending, limit),
        "rejected": min(counts.rejected, limit),
        "more": most > limit,
    }


# ---- families


async def list_families(services: Services, request: Request) -> Response:
    """A page, by name, of the families that the caller owns or is a member of."""
    query = read_query(request, QUERY)
    limit = read_limit(query)
    role = read_choice(query, "role", ("owner", "member"), "")
    found = await views.list_families(
        services.db,
        request.caller,
        role=role or None,
        owner=read_id(query, "owner"),
        name=query.get("name"),
        after=read_cursor(query, "families", tuple[str, str]) or ("", ""),
        limit=limit + 1,
    )
    page = found[:limit]
    overviews = await views.find_overviews(services.db, request.caller, page)
    return await cut_page_response(
        request,
        page,
        lambda seen: {**family_body(seen), **_show_overview(overviews.get(seen.family.id))},
        _cursor_of,
        _cursor_of(page[-1]) if len(found) > limit else None,
        services.lists.list_size_limit,
    )


def _show_overview(overview: Overview | None) -> dict[str, Any]:
    """The fields that only the owner of the family sees. `overview`: None for others, and for a family that
    was deleted meanwhile."""
    if overview is None:
        return {}
    counts = overview.members
    return {
        "promoted_at": show_end(overview.promoted_at),
        "members": _show_counts(counts, counts.accepted + counts.pending + counts.rejected),
    }


def _cursor_of(seen: Seen) -> str:
    return encode_cursor("families", (seen.family.name, seen.family.id))


class NewFamily(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    title: str | None = None
    description: str | None = None
    support_url: str | None = None
    provided_until: Time | None = None


async def create_family(services: Services, request: Request) -> Family:
    """Make a family without versions or members. InvalidError for a value that its field does not take,
    ConflictError when the project has one of this name, LimitExceededError beyond `family_quota`."""
    asked = await read_body(services, request, NewFamily)
    if not _NAME.fullmatch(asked.name):
        why = "must be 1 to 63 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit."
        raise invalid("/name", why)
    details = service.FamilyDetails(
        title=_title(asked.title),
        description=check_optional_text("/description", asked.description, MAX_DESCRIPTION),
        support_url=_url(asked.support_url),
        provided_until=read_end("/provided_until", asked.provided_until),
    )
    limit, actor = services.share_limits.family_quota, giving_actor_of(services, request)
    return await service.create_family(services.db, request.caller, actor, asked.name, details, limit)


def show_created(request: Request, family: Family) -> Response:
    """201 with the family and where it is."""
    body = {**_show_details(family), "status": None, "current": None, "members": _NO_MEMBERS}
    location = f"{request.prefix}{PATH}/{family.id}".encode()
    return tagged_response(
        request, body, family_tag(family, None), HTTPStatus.CREATED, [(b"location", location)]
    )


_NO_MEMBERS = {"accepted": 0, "asked_each_time": 0, "pending": 0, "rejected": 0, "more": False}


def _title(title: str | None) -> str | None:
    return check_line("/title", title, MAX_TITLE) if title else None


def _url(url: str | None) -> str | None:
    if not url:
        return None
    check_line("/support_url", url, _MAX_URL)
    if not re.fullmatch(r"https?://\S+", url):
        raise invalid("/support_url", "must be a URL that begins with https:// or http://.")
    return url


def read_end(pointer: str, time: datetime | None) -> int:
    """A time of a body; NEVER for none."""
    return to_microseconds(pointer, time) if time is not None else NEVER


async def show_family(services: Services, request: Request) -> Response:
    """The family with its current version and its tag. NotFoundError for one that the caller does not see."""
    seen = await views.see_family(services.db, request.caller, request.params["family_id"])
    seen, current = await views.find_current(services.db, request.caller, seen)
    body = await _full_body(services, request, seen, current)
    return tagged_response(request, body, _seen_tag(seen, current))


def _seen_tag(seen: Seen, current: views.Shown | None) -> str:
    return family_tag(seen.family, current.version if current is not None else None)


def _require_family(request: Request) -> Any:
    return lambda known: require_tag(request, family_tag(known.family, known.current))


class FamilyChange(msgspec.Struct, forbid_unknown_fields=True):
    """A merge patch (RFC 7396): null removes, what is left out stays."""

    title: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    support_url: str | UnsetType | None = UNSET
    provided_until: Time | UnsetType | None = UNSET


async def change_family(services: Services, request: Request) -> Response:
    """Apply the merge patch. 412 when `If-Match` names another state."""
    asked = await read_body(services, request, FamilyChange)
    changed: dict[str, Any] = {}
    if asked.title is not UNSET:
        changed["title"] = _title(asked.title)
    if asked.description is not UNSET:
        changed["description"] = check_optional_text("/description", asked.description, MAX_DESCRIPTION)
    if asked.support_url is not UNSET:
        changed["support_url"] = _url(asked.support_url)
    if asked.provided_until is not UNSET:
        changed["provided_until"] = read_end("/provided_until", asked.provided_until)

    def change_it(family: Family) -> Family:
        return msgspec.structs.replace(family, **changed)

    family_id, actor = request.params["family_id"], giving_actor_of(services, request)
    await service.change_family(
        services.db, request.caller, actor, family_id, change_it, _require_family(request)
    )
    return await show_family_again(services, request)


async def show_family_again(services: Services, request: Request) -> Response:
    """The family after a write: whatever its conditions were, they held before it."""
    seen = await views.see_family(services.db, request.caller, request.params["family_id"])
    seen, current = await views.find_current(services.db, request.caller, seen)
    body = await _full_body(services, request, seen, current)
    return json_response(body, headers=[(b"etag", _seen_tag(seen, current).encode())])


async def delete_family(services: Services, request: Request) -> Response:
    family_id = request.params["family_id"]
    await service.delete_family(
        services.db, request.caller, actor_of(request), family_id, _require_family(request)
    )
    return no_content()
