"""Whom a family is offered to, for its owner: `/share/v1/families/{family_id}/members`.

The tag of the set covers the recipients and when their memberships end; not what they answered, so that an
answer never stands in the way of a publisher who replaces the set.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from transom.api.actors import actor_of, giving_actor_of, require_room_for
from transom.api.http import Request, Response, json_response
from transom.api.services import Services
from transom.api.share.body import read_body
from transom.api.share.conditions import require_if_match, require_tag, tag_of, tagged_response
from transom.api.share.families import show_end
from transom.api.share.problems import name_of_failure, type_of
from transom.api.share.query import (
    cut_page_response,
    encode_cursor,
    read_choice,
    read_cursor,
    read_limit,
    read_query,
)
from transom.api.share.recipients import recipient_of_path, recipients_of, show_recipient
from transom.api.share.terms import NewOffers, check_terms, read_new_terms, read_terms
from transom.domain.errors import TransomError
from transom.domain.families import FamilyMember, GivenFamily
from transom.domain.model import MemberStatus
from transom.domain.times import show_time
from transom.identity import Names
from transom.sharing import offers
from transom.sharing.families import service
from transom.sharing.model import NewSet

#: Parameters of the list.
QUERY = frozenset({"limit", "after", "status"})


def member_body(given: GivenFamily, names: Mapping[str, Names]) -> dict[str, Any]:
    """A member as its owner sees it. `names`: by `member_id`; one that is not known is null."""
    member, name = given.member, names.get(given.member.member_id)
    is_pending = member.status == MemberStatus.PENDING and member.ends_at < member.expires_at
    return {
        "recipient": show_recipient(member.member_id),
        "name": name.name if name else None,
        "status": member.status,
        "new_versions": member.new_versions,
        "offered_at": show_time(member.offered_at),
        "answered_at": show_end(member.answered_at),
        "answer_by": show_time(member.ends_at) if is_pending else None,
        "expires_at": show_end(member.expires_at),
        "message": member.message,
        "usage": {"last_used_at": show_end(given.last_used_at)},
    }


def member_tag(member: FamilyMember) -> str:
    """The tag of one member: its terms and its answer."""
    offer = member.offered_at, member.message, member.expires_at, member.ends_at
    return tag_of(member.family_id, member.member_id, member.status, member.new_versions, offer)


def set_tag(terms: Sequence[tuple[str, int]]) -> str:
    """The tag of the whole set. `terms`: (`member_id`, end) of each member, in the order of the ids."""
    return tag_of(terms)


async def list_members(services: Services, request: Request) -> Response:
    """A page of the members, by their ids; the first one with the tag of the whole set."""
    query = read_query(request, QUERY)
    limit = read_limit(query)
    status = read_choice(query, "status", MemberStatus, "") or None
    after = read_cursor(query, "family-members", tuple[str])
    family_id, caller = request.params["family_id"], request.caller
    place = after[0] if after is not None else None
    found, terms = await service.list_members(services.db, caller, family_id, status, place, limit + 1)
    page = found[:limit]
    names = await services.names.find(given.member.member_id for given in page)
    return await cut_page_response(
        request,
        page,
        lambda given: member_body(given, names),
        _cursor_of,
        _cursor_of(page[-1]) if len(found) > limit else None,
        services.lists.list_size_limit,
        # Of the whole set, which takes as long as the set is large: with its first page alone.
        [(b"etag", set_tag(terms).encode())] if terms is not None else None,
    )


def _cursor_of(given: GivenFamily) -> str:
    return encode_cursor("family-members", (given.member.member_id,))


async def show_member(services: Services, request: Request) -> Response:
    """One member with its tag. NotFoundError when the family is not offered to that recipient."""
    member_id = recipient_of_path(request)
    given = await service.show_member(services.db, request.caller, request.params["family_id"], member_id)
    names = await services.names.find([member_id])
    return tagged_response(request, member_body(given, names), member_tag(given.member))


async def change_member(services: Services, request: Request) -> Response:
    """Give a member other terms. 412 when `If-Match` names another state of it."""
    member_id = recipient_of_path(request)
    new = await read_new_terms(services, request)
    given = await service.change_member(
        services.db,
        request.caller,
        giving_actor_of(services, request),
        request.params["family_id"],
        member_id,
        new,
        lambda member: require_tag(request, member_tag(member)),
    )
    names = await services.names.find([member_id])
    return json_response(member_body(given, names), headers=[(b"etag", member_tag(given.member).encode())])


class MemberSet(NewOffers, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All members that a family is to have, and the terms for those that it does not have yet."""


async def set_members(services: Services, request: Request) -> Response:
    """Make these the only members: offer it to the new ones, withdraw it from all that are not named. 428
    without `If-Match`, 412 when the set is another one; LimitExceededError for more recipients than
    `share_batch_limit`."""
    require_if_match(request)
    asked = await read_body(services, request, MemberSet)
    member_ids = recipients_of(asked)
    offers.require_few(len(member_ids), services.share_limits.share_batch_limit)
    check_terms(asked)
    new = NewSet(member_ids, read_terms(services, asked), services.share_limits.family_member_quota)
    family_id = request.params["family_id"]

    def require(there: list[tuple[str, int]]) -> None:
        require_tag(request, set_tag(there))
        require_room_for(services, request, member_ids, there)

    actor = actor_of(request)
    done = await service.set_members(
        services.db, services.recipients, request.caller, actor, family_id, new, require
    )
    body = {
        "offered": done.offered.offered,
        "renewed": done.offered.renewed,
        "unchanged": done.offered.unchanged,
        "withdrawn": done.withdrawn,
        "failures": [failure_body(family_id, *failure) for failure in done.offered.failures],
    }
    return json_response(body, headers=[(b"etag", set_tag(done.terms).encode())])


def failure_body(family_id: str, member_id: str | None, error: TransomError) -> dict[str, Any]:
    """What could not be done of a family, for one recipient or (None) at all."""
    body: dict[str, Any] = {"family": family_id}
    if member_id is not None:
        body["recipient"] = show_recipient(member_id)
    return {**body, "type": type_of(name_of_failure(error)), "detail": str(error)}
