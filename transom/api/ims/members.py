"""Sharing by the rules of the IMS API: one image at a time, and in batches that answer with a job."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from transom.api.actors import actor_of, answering_actor_of, giving_actor_of
from transom.api.http import Request, Response, json_response, no_content
from transom.api.ims import body
from transom.api.ims.body import read_object, require_project
from transom.api.new_jobs import new_job
from transom.api.pieces import MEMBERS_AT_ONCE, encode_all
from transom.api.services import Services
from transom.api.wire import member_body
from transom.domain.errors import (
    InvalidError,
    Reason,
)
from transom.domain.job_inputs import Batch
from transom.domain.model import Caller, Job, JobKind, JobStatus, Member, MemberStatus
from transom.domain.recipients import MemberType, domain_key, organization_key, split_member_id
from transom.sharing import rules, service

_ANSWERS = frozenset({MemberStatus.ACCEPTED, MemberStatus.REJECTED})
#: Members in a page of a list unless told, and at most.
_PAGE = 500
_MOST_IN_PAGE = 1000


# ---- batches (S6 to S8)


async def share_images(services: Services, request: Request) -> Response:
    """Offer each of `images` to each of `projects`, and share them with each of `domains` and of
    `organizations`, which are URNs here."""
    project_id, given = await _begin(services, request)
    _refuse_status(given)
    images = _images(given)
    organizations = map(services.operator_files.organizations.own_id_of, body.texts(given, "organizations"))
    recipients = _recipients(given, project_id, organizations)
    _check_size(services, len(images) * len(recipients))
    job = _new_job(request, JobKind.SHARE, images, recipients)
    limit = services.ims_limits.ims_member_quota
    caller, actor = request.caller, giving_actor_of(services, request)
    await service.share(services.db, services.recipients, caller, actor, images, recipients, limit, job)
    return _job_response(job)


async def answer_offers(services: Services, request: Request) -> Response:
    """Accept or reject each of `images` for the caller's own project."""
    project_id, given = await _begin(services, request)
    images = _images(given)
    if "project_id" not in given:
        raise InvalidError("project_id: is missing.")
    if body.check_id("project_id", given["project_id"]) != project_id:
        raise InvalidError(
            "project_id: only the project of the credentials can be answered for.", Reason.OTHER_PROJECT
        )
    status, vault_id = _answer(given)
    _check_size(services, len(images))
    job = _new_job(request, JobKind.ANSWER, images, [project_id])
    actor = answering_actor_of(services, request, status)
    await service.answer_offers(services.db, request.caller, actor, images, status, vault_id, job)
    return _job_response(job)


async def withdraw_images(services: Services, request: Request) -> Response:
    """Take back what `share_images` gave. Here `organizations` are ids, of what is no more as well."""
    project_id, given = await _begin(services, request)
    images = _images(given)
    recipients = _recipients(given, project_id, body.ids(given, "organizations"))
    _check_size(services, len(images) * len(recipients))
    job = _new_job(request, JobKind.WITHDRAW, images, recipients)
    await service.withdraw_offers(services.db, request.caller, actor_of(request), images, recipients, job)
    return _job_response(job)


async def _begin(services: Services, request: Request) -> tuple[str, dict[str, Any]]:
    """(the caller's project, the body). Whose role may not share learns no more than that."""
    project_id = require_project(request)
    rules.act_on_shares(request.caller)
    return project_id, await read_object(services, request)


def _images(given: dict[str, Any]) -> list[str]:
    found = body.image_ids(given, "images")
    if not found:
        raise InvalidError("images: at least one id is needed.")
    return found


def _recipients(given: dict[str, Any], project_id: str, organizations: Iterable[str]) -> list[str]:
    projects, domains = body.ids(given, "projects"), body.ids(given, "domains")
    units = dict.fromkeys(organizations)
    if not (projects or domains or units):
        raise InvalidError("projects, domains, organizations: at least one recipient is needed.")
    if project_id in projects:
        raise rules.shared_with_oneself("projects")
    return [*projects, *map(domain_key, domains), *map(organization_key, units)]


def _refuse_status(given: dict[str, Any]) -> None:
    """Of an offer that is made: only the recipient's answer has one."""
    if "status" in given:
        raise InvalidError("status: an offer is pending until its recipient answers.")


def _answer(given: dict[str, Any]) -> tuple[str, str | None]:
    """(status, vault id) of an answer to an offer."""
    if "status" not in given:
        raise InvalidError("status: is missing.", Reason.MEMBER_STATUS_INVALID)
    status = given["status"]
    if not isinstance(status, str) or status not in _ANSWERS:
        raise InvalidError("status: must be accepted or rejected.", Reason.MEMBER_STATUS_INVALID)
    return status, body.text(given, "vault_id")


def _check_size(services: Services, pairs: int) -> None:
    limit = services.ims_limits.ims_batch_limit
    if pairs > limit:
        raise InvalidError(
            f"The batch has {pairs} pairs of an image and a recipient; at most {limit} are taken.",
            Reason.TOO_MANY_PAIRS,
        )


def _new_job(request: Request, kind: JobKind, images: list[str], recipients: list[str]) -> Job:
    batch = Batch(images=tuple(images), recipients=tuple(recipients))
    return new_job(request, kind, batch, status=JobStatus.RUNNING)


def _job_response(job: Job) -> Response:
    return json_response({"job_id": job.id})


# ---- one image (S1 to S5)


async def add_member(services: Services, request: Request) -> Response:
    """A rejected offer becomes a new one; one that stands is a conflict."""
    project_id = require_project(request)
    given = await read_object(services, request)
    if "member" not in given:
        raise InvalidError("member: is missing.")
    _refuse_status(given)
    member_id = body.check_id("member", given["member"])
    if member_id == project_id:
        raise rules.shared_with_oneself("member")
    image_id, limit = request.params["image_id"], services.ims_limits.ims_member_quota
    caller, actor = request.caller, giving_actor_of(services, request)
    member = await service.share_one(
        services.db, services.recipients, caller, actor, image_id, member_id, limit
    )
    return json_response(ims_member(services, request.caller, member))


async def set_member_status(services: Services, request: Request) -> Response:
    require_project(request)
    image_id, member_id = request.params["image_id"], request.params["member_id"]
    given = await read_object(services, request)
    actor = answering_actor_of(services, request, given.get("status"))
    answered = await service.answer_for_itself(
        services.db, request.caller, actor, image_id, member_id, lambda: _answer(given)
    )
    return json_response(ims_member(services, request.caller, answered))


async def remove_member(services: Services, request: Request) -> Response:
    image_id, member_id = request.params["image_id"], request.params["member_id"]
    await service.withdraw(services.db, request.caller, actor_of(request), image_id, member_id)
    return no_content()


# ---- reading (S3, S4, S9, S10)


async def show_member(services: Services, request: Request) -> Response:
    require_project(request)
    image_id, member_id = request.params["image_id"], request.params["member_id"]
    member = await service.show_member(services.db, request.caller, image_id, member_id)
    return json_response(ims_member(services, request.caller, member))


async def list_members(services: Services, request: Request) -> Response:
    """In pages, by member id. An image without recipients has an empty list."""
    require_project(request)
    pairs = body.query_values(request)
    limit = body.page_limit(pairs, _PAGE, _MOST_IN_PAGE)
    after = body.decode_marker(pairs["marker"]) if pairs.get("marker") else ""
    image_id, caller = request.params["image_id"], request.caller
    seen = await service.list_recipients(services.db, caller, image_id)
    page = [member for member in seen if member.member_id > after][:limit]
    page_info: dict[str, Any] = {"current_count": len(page)}
    show = partial(ims_member, services, caller)
    if page and page[-1] is not seen[-1]:
        page_info["next_marker"] = body.encode_marker(page[-1].member_id)
    return json_response(
        {
            "members": await encode_all(page, show, request.take_turn, MEMBERS_AT_ONCE),
            "schema": "/v2/schemas/members",
            "page_info": page_info,
        }
    )


def ims_member(services: Services, caller: Caller, member: Member) -> dict[str, Any]:
    """A member as the IMS API shows it: with what kind of recipient it is, the URN of an organisation or a
    unit, and its vault to itself alone."""
    kind, own_id = split_member_id(member.member_id)
    shown = {**member_body(member), "member_id": own_id, "member_type": kind}
    unit = services.operator_files.organizations.units.get(own_id)
    if kind is MemberType.ORGANIZATION and unit is not None:
        shown["urn"] = unit.urn
    if member.vault_id is not None and member.member_id in caller.member_ids:
        shown["vault_id"] = member.vault_id
    return shown
