"""Members of an image: the five calls of sharing (Image API v2, "Sharing")."""

from typing import Any

from transom.api.actors import actor_of, answering_actor_of, giving_actor_of
from transom.api.http import Request, Response, json_response
from transom.api.pieces import MEMBERS_AT_ONCE, encode_all
from transom.api.services import Services
from transom.api.wire import member_body
from transom.domain.errors import InvalidError
from transom.domain.fields import MAX_NAME, check_id_text
from transom.sharing import service


async def add_member(services: Services, request: Request) -> Response:
    member_id = _member_id_of(await request.json(services.bodies.json_body_limit))
    image_id, quota = request.params["image_id"], services.image_options.image_member_quota
    caller, actor = request.caller, giving_actor_of(services, request)
    member = await service.offer(services.db, services.recipients, caller, actor, image_id, member_id, quota)
    return json_response(member_body(member))


def _member_id_of(body: dict[str, Any] | list[Any]) -> str:
    if not isinstance(body, dict):
        # Glance's text, which says image_id and means the id of a project.
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


async def list_members(services: Services, request: Request) -> Response:
    members = await service.list_members(services.db, request.caller, request.params["image_id"])
    shown = await encode_all(members, member_body, request.take_turn, MEMBERS_AT_ONCE)
    return json_response({"members": shown, "schema": "/v2/schemas/members"})


async def show_member(services: Services, request: Request) -> Response:
    image_id, member_id = request.params["image_id"], request.params["member_id"]
    return json_response(
        member_body(await service.show_member(services.db, request.caller, image_id, member_id))
    )


async def set_member_status(services: Services, request: Request) -> Response:
    """A recipient's answer to an offer."""
    status = _status_of(await request.json(services.bodies.json_body_limit))
    image_id, member_id = request.params["image_id"], request.params["member_id"]
    actor = answering_actor_of(services, request, status)
    member = await service.answer(services.db, request.caller, actor, image_id, member_id, status)
    return json_response(member_body(member))


def _status_of(body: dict[str, Any] | list[Any]) -> object:
    """The status as sent: whether it is one is judged last, after the right to set it (reference, 4.6)."""
    if not isinstance(body, dict):
        raise InvalidError('Expected a status in the form: {"status": "status"}')
    if "status" not in body:
        raise InvalidError("Status not specified")
    return body["status"]


async def remove_member(services: Services, request: Request) -> Response:
    image_id, member_id = request.params["image_id"], request.params["member_id"]
    await service.withdraw(services.db, request.caller, actor_of(request), image_id, member_id)
    return Response(204)
