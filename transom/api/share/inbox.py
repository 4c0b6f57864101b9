"""The inbox: what was offered to the caller's project, and what its domain and its organisations have."""

from transom.api.http import Request, Response
from transom.api.services import Services
from transom.api.share.conditions import tag_of, tagged_response
from transom.api.share.counts import ByStatus, InboxSummary
from transom.api.share.family_members import member_tag
from transom.api.share.query import (
    cut_page_response,
    encode_cursor,
    read_choice,
    read_cursor,
    read_id,
    read_limit,
    read_query,
    wrong_parameter,
)
from transom.api.share.wire import (
    decided_of,
    owner_of,
    show_item,
    show_received,
    show_received_family,
)
from transom.domain.model import MemberStatus
from transom.domain.recipients import GROUPS, MemberType, split_member_id
from transom.domain.times import show_time
from transom.sharing import inbox

#: Parameters of the list.
QUERY = frozenset({"status", "kind", "from", "through", "limit", "after"})
_CURSOR = "inbox"


async def list_inbox(services: Services, request: Request) -> Response:
    """A page, the newest first, of what was offered to the caller's project or (`through`) to a group that it
    is in. InvalidError for a parameter with a value that it does not take."""
    query = read_query(request, QUERY)
    through = query.get("through")
    if through not in (None, *GROUPS):
        raise wrong_parameter("through", f"must be {' or '.join(GROUPS)}.")
    default = MemberStatus.PENDING if through is None else MemberStatus.ACCEPTED
    status = read_choice(query, "status", MemberStatus, default)
    if through is not None and status != MemberStatus.ACCEPTED:
        raise wrong_parameter(
            "status", f"must be accepted with through={through}: such shares need no answer."
        )
    kind = read_choice(query, "kind", inbox.KINDS, "") or None
    caller = request.caller
    own = [caller.project_id or ""] if through is None else caller.groups
    kind_of = MemberType.PROJECT if through is None else MemberType(through)
    asked = inbox.Asked(
        member_ids=tuple(one for one in own if split_member_id(one)[0] is kind_of),
        status=status,
        owner=read_id(query, "from"),
        before=read_cursor(query, _CURSOR, tuple[int, str]) or inbox.NEWEST,
        limit=read_limit(query),
    )
    page = await inbox.list_offers(services.db, request.caller, asked, [kind] if kind else list(inbox.KINDS))
    names = await services.names.find(map(owner_of, page.items))
    return await cut_page_response(
        request,
        page.items,
        lambda item: show_item(item, names),
        lambda item: encode_cursor(_CURSOR, inbox.position_of(item)),
        encode_cursor(_CURSOR, page.following) if page.following is not None else None,
        services.lists.list_size_limit,
    )


async def summarize_inbox(services: Services, request: Request) -> Response:
    """How many offers there are in each state; counts end at a bound, which `more` says."""
    found = await inbox.summarize(services.db, request.caller)
    newest = found.newest_offered_at
    body = InboxSummary(
        images=ByStatus(**found.images.by_status),
        families=ByStatus(**found.families.by_status),
        through_domain=found.through_domain,
        through_organization=found.through_organization,
        more=found.more,
        newest_offered_at=show_time(newest) if newest is not None else None,
    )
    return tagged_response(request, body, tag_of(body))


async def show_offer(services: Services, request: Request) -> Response:
    """What was offered of one image, with its tag. NotFoundError without an offer."""
    item = await inbox.find_offer(services.db, request.caller, request.params["image_id"])
    names = await services.names.find([item.image.owner])
    shown = show_received(item, names)
    tag = tag_of(decided_of(item.member), shown.image, shown.family, shown.sender.publisher)
    return tagged_response(request, shown, tag)


async def show_family_offer(services: Services, request: Request) -> Response:
    item = await inbox.find_family_offer(services.db, request.caller, request.params["family_id"])
    names = await services.names.find([item.family.owner])
    shown = show_received_family(item, names)
    tag = tag_of(member_tag(item.member), shown.family, shown.sender.publisher)
    return tagged_response(request, shown, tag)
