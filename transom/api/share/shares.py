"""Whom the caller's project shares with: the shares of an image, one of them, and those of one recipient."""

from transom.api.actors import actor_of, giving_actor_of, require_room_for
from transom.api.http import Request, Response, json_response
from transom.api.services import Services
from transom.api.share.body import read_body
from transom.api.share.conditions import require_if_match, require_tag, tag_of, tagged_response
from transom.api.share.counts import ShareSummary, show_recipient_shares
from transom.api.share.query import (
    PAGING,
    cut_page_response,
    encode_cursor,
    read_choice,
    read_cursor,
    read_limit,
    read_query,
    wrong_parameter,
)
from transom.api.share.recipients import recipient_of_path, recipients_of
from transom.api.share.terms import NewOffers, check_terms, read_new_terms, read_terms
from transom.api.share.wire import (
    SetReplaced,
    decided_of,
    show_failure,
    show_given,
    show_given_to,
)
from transom.clock import now_us
from transom.domain.model import MemberStatus
from transom.domain.recipients import KINDS_BY_PLURAL, member_key
from transom.domain.shares import Given
from transom.sharing import offers, rules, shares
from transom.sharing.inbox import NEWEST
from transom.sharing.model import NewSet

QUERY = frozenset({"status", "limit", "after"})
QUERY_TO = frozenset({"to", "limit", "after"})
_CURSOR = "shares"
_CURSOR_TO = "shares-to"
_CURSOR_RECIPIENTS = "recipients"


class Recipients(NewOffers, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All recipients that an image is to have, and the terms for those that it does not have yet."""


async def list_shares(services: Services, request: Request) -> Response:
    """A page of whom the caller's image is shared with, by their ids; the first page with the tag of the
    whole set."""
    query = read_query(request, QUERY)
    status = read_choice(query, "status", MemberStatus, "") or None
    after = read_cursor(query, _CURSOR, tuple[str])
    page = await shares.list_shares(
        services.db,
        request.caller,
        request.params["image_id"],
        status,
        after[0] if after is not None else None,
        read_limit(query),
    )
    names = await services.names.find(share.member.member_id for share in page.items)
    now = now_us()
    return await cut_page_response(
        request,
        page.items,
        lambda share: show_given(share, names, now),
        lambda share: encode_cursor(_CURSOR, (share.member.member_id,)),
        encode_cursor(_CURSOR, (page.following,)) if page.following is not None else None,
        services.lists.list_size_limit,
        [(b"etag", tag_of_set(page.terms).encode())] if page.terms is not None else None,
    )


def tag_of_set(terms: shares.Terms) -> str:
    """The entity tag of the list of recipients and the ends of their shares. Their answers do not change it:
    the publisher does not decide on these."""
    return tag_of(*sorted(terms))


async def summarize_shares(services: Services, request: Request) -> Response:
    counts = await shares.count_shares(services.db, request.caller, request.params["image_id"])
    shown = {status: counts.by_status.get(status, 0) for status in MemberStatus}
    return json_response(ShareSummary(**shown, more=counts.more))


async def show_share(services: Services, request: Request) -> Response:
    member_id = recipient_of_path(request)
    share = await shares.find_share(services.db, request.caller, request.params["image_id"], member_id)
    return await _share_response(services, request, share)


async def update_share(services: Services, request: Request) -> Response:
    """Other terms for one share; what is shorter than until now ends sooner, and nobody is asked again."""
    member_id = recipient_of_path(request)
    rules.act_on_shares(request.caller)
    new = await read_new_terms(services, request)

    def require_unchanged(share: Given) -> None:
        require_tag(request, tag_of(*decided_of(share.member)))

    image_id, actor = request.params["image_id"], giving_actor_of(services, request)
    share = await shares.change_terms(
        services.db, request.caller, actor, image_id, member_id, new, require_unchanged
    )
    return await _share_response(services, request, share)


async def _share_response(services: Services, request: Request, share: Given) -> Response:
    names = await services.names.find([share.member.member_id])
    tag = tag_of(*decided_of(share.member))
    return tagged_response(request, show_given(share, names, now_us()), tag)


async def replace_shares(services: Services, request: Request) -> Response:
    """The image has these recipients from now on, and no others."""
    rules.act_on_shares(request.caller)
    require_if_match(request)
    body = await read_body(services, request, Recipients)
    member_ids = recipients_of(body)
    offers.require_few(len(member_ids), services.share_limits.share_batch_limit)
    check_terms(body)

    def require(terms: shares.Terms) -> None:
        require_tag(request, tag_of_set(terms))
        require_room_for(services, request, member_ids, terms)

    new = NewSet(member_ids, read_terms(services, body), services.share_limits.share_member_quota)
    image_id, actor = request.params["image_id"], actor_of(request)
    done = await offers.replace(
        services.db, services.recipients, request.caller, actor, image_id, new, require
    )
    answer = SetReplaced(
        offered=done.offered,
        renewed=0,
        unchanged=done.unchanged,
        withdrawn=done.withdrawn,
        failures=list(map(show_failure, done.failures)),
    )
    return json_response(answer, headers=[(b"etag", tag_of_set(done.terms).encode())])


async def list_shares_to(services: Services, request: Request) -> Response:
    """All that the caller's project shares with one recipient."""
    query = read_query(request, QUERY_TO)
    before = read_cursor(query, _CURSOR_TO, tuple[int, str]) or NEWEST
    found, following = await shares.list_shares_to(
        services.db, request.caller, _read_to(query.get("to")), before, read_limit(query)
    )
    now = now_us()
    return await cut_page_response(
        request,
        found,
        lambda share: show_given_to(share, now),
        lambda share: encode_cursor(_CURSOR_TO, shares.position_of(share)),
        encode_cursor(_CURSOR_TO, following) if following is not None else None,
        services.lists.list_size_limit,
    )


async def list_recipients(services: Services, request: Request) -> Response:
    """Whom the caller's project shares with, and how much each of them has."""
    query = read_query(request, PAGING)
    after = read_cursor(query, _CURSOR_RECIPIENTS, tuple[str])
    page, following = await shares.list_recipients(
        services.db, request.caller, after[0] if after is not None else "", read_limit(query)
    )
    names = await services.names.find(one.member_id for one in page)
    return await cut_page_response(
        request,
        page,
        lambda one: show_recipient_shares(one, names),
        lambda one: encode_cursor(_CURSOR_RECIPIENTS, (one.member_id,)),
        encode_cursor(_CURSOR_RECIPIENTS, (following,)) if following is not None else None,
        services.lists.list_size_limit,
    )


def _read_to(value: str | None) -> str:
    """The `member_id` of `<project id>`, or of one with the plural of its kind before it: `domains/<id>`."""
    if not value:
        raise wrong_parameter("to", "is missing: the id of a project.")
    kind, slash, own_id = value.rpartition("/")
    if slash and kind not in KINDS_BY_PLURAL:
        kinds = ", ".join(f"{one}/<id>" for one in KINDS_BY_PLURAL)
        raise wrong_parameter("to", f"must be the id of a project, or one of {kinds}.")
    return member_key(KINDS_BY_PLURAL[kind or "projects"], own_id)
