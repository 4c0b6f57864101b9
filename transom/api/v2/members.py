"""Members of an image: the five calls of sharing (Image API v2, "Sharing").

Each looks once, asks `domain/access.py`, and writes with a guard that repeats what was seen. A guard that
fails means that somebody else was quicker: look again, and answer for the new state.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from transom.api.http import Request, Response, json_response
from transom.api.parts import Parts
from transom.api.v2.answers import TRIES, absent, outrun
from transom.api.wire import member_body
from transom.clock import now_us
from transom.domain import access
from transom.domain.errors import ConflictError, InvalidError, LimitExceededError
from transom.domain.fields import MAX_NAME, check_id_text
from transom.domain.model import Image, Member
from transom.sharing import rules
from transom.sql import members
from transom.sql.db import Database
from transom.sql.images import MemberIds

Find = Callable[[Database, str, MemberIds, str], Awaitable[tuple[Image | None, bool, Member | None]]]


async def _see_member(
    parts: Parts, request: Request, member_id: str, find: Find = members.find_member
) -> tuple[Image, bool, Member | None]:
    image_id = request.params["image_id"]
    image, is_member, member = await find(parts.db, image_id, request.caller.member_ids, member_id)
    return access.see_image(request.caller, image, is_member, absent(image_id)), is_member, member


async def add_member(parts: Parts, request: Request) -> Response:
    member_id = _member_id_of(await request.json(parts.settings.json_body_limit))
    limit = parts.settings.image_member_quota
    for _ in range(TRIES):
        image, is_member, existing = await _see_member(parts, request, member_id)
        rules.add_member(request.caller, image, is_member)
        if existing is not None:
            raise ConflictError(f"Member {member_id} is duplicated for image {image.id}")
        if await parts.recipients.find_unknown([member_id]):
            raise rules.recipient_unknown(member_id)
        added = await members.insert_member(parts.db, image.id, member_id, limit, now_us())
        if added is not None:
            return json_response(member_body(added))
        present = await members.count_members(parts.db, image.id)
        if 0 <= limit <= present:
            raise LimitExceededError(
                f"Image member limit exceeded for image {image.id}: The limit has been exceeded on the "
                f"number of allowed image members for this image. Attempted: {present + 1}, Maximum: {limit}"
            )
    raise outrun(f"The members of image {request.params['image_id']} are")


def _member_id_of(body: dict[str, Any] | list[Any]) -> str:
    if not isinstance(body, dict):
        raise InvalidError('Expected a member in the form: {"member": "image_id"}')
    if "member" not in body:
        raise InvalidError("Member to be added not specified")
    member_id = body["member"]
    if not member_id:
        raise InvalidError("Member can't be empty")
    if not isinstance(member_id, str):
        raise InvalidError("Member must be a string: the id of a project.")
    if len(member_id) > MAX_NAME:
        raise InvalidError(f"Member must not be longer than {MAX_NAME} characters.")
    if "/" in member_id:
        raise InvalidError("Member can't contain '/': no URL could name it.")
    check_id_text("Member", member_id)
    if "status" in body:
        raise InvalidError("status can't be given to a new member: the offer is pending until it answers.")
    return member_id


async def list_members(parts: Parts, request: Request) -> Response:
    image_id, caller = request.params["image_id"], request.caller
    found, is_member, all_members = await members.list_members(parts.db, image_id, caller.member_ids)
    image = access.see_image(caller, found, is_member, absent(image_id))
    rules.list_members(caller, image, is_member)
    sees_all = rules.sees_all_members(caller, image)
    return json_response(
        {
            "members": [
                member_body(member)
                for member in all_members
                if sees_all or member.member_id in caller.member_ids
            ],
            "schema": "/v2/schemas/members",
        }
    )


async def show_member(parts: Parts, request: Request) -> Response:
    member_id = request.params["member_id"]
    image, is_member, member = await _see_member(parts, request, member_id, members.find_any_member)
    return json_response(member_body(rules.show_member(request.caller, image, is_member, member_id, member)))


async def set_member_status(parts: Parts, request: Request) -> Response:
    """A recipient's answer to an offer."""
    status = _status_of(await request.json(parts.settings.json_body_limit))
    member_id = request.params["member_id"]
    for _ in range(TRIES):
        image, is_member, seen = await _see_member(parts, request, member_id)
        member, wanted = rules.set_member_status(request.caller, image, is_member, member_id, seen, status)
        if member.status == wanted:
            return json_response(member_body(member))
        changed = await members.set_member_status(parts.db, image.id, member_id, wanted, now_us())
        if changed is not None:
            return json_response(member_body(changed))
    raise outrun(f"The members of image {request.params['image_id']} are")


def _status_of(body: dict[str, Any] | list[Any]) -> object:
    """The status as sent: whether it is one is judged last, after the right to set it (reference, 4.6)."""
    if not isinstance(body, dict):
        raise InvalidError('Expected a status in the form: {"status": "status"}')
    if "status" not in body:
        raise InvalidError("Status not specified")
    return body["status"]


async def remove_member(parts: Parts, request: Request) -> Response:
    member_id = request.params["member_id"]
    for _ in range(TRIES):
        image, is_member, member = await _see_member(parts, request, member_id, members.find_any_member)
        found = rules.remove_member(request.caller, image, is_member, member_id, member)
        if await members.delete_member(parts.db, image.id, found.member_id):
            return Response(204)
    raise outrun(f"The members of image {request.params['image_id']} are")
