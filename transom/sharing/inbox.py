"""What was offered to the caller's project: pages, counts, one item.

Offers are of kinds, `KINDS`: each lists its own, newest first, and a page is the newest of all.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from transom.clock import now_us
from transom.domain import access
from transom.domain.errors import NotFoundError, Reason
from transom.domain.families import ReceivedFamily
from transom.domain.model import NEVER, Caller, MemberStatus
from transom.domain.policy import looks_at_images
from transom.domain.shares import Counts, Received, counts_of
from transom.sharing import rules
from transom.sql import family_inbox, inbox
from transom.sql.db import Database

#: Before any offer: where the newest ones begin.
NEWEST = (NEVER, "")


class Asked(NamedTuple):
    """`member_ids`: whose offers, the caller's project's, its domain's or its organisations'. `owner`: only
    those of this project, None: of all. `before`: only those below (time of the offer, id)."""

    member_ids: tuple[str, ...]
    status: str
    owner: str | None = None
    before: tuple[int, str] = NEWEST
    limit: int = 25


class Page(NamedTuple):
    """`following`: `before` of the next page, None when this is the last."""

    items: list[Received | ReceivedFamily]
    following: tuple[int, str] | None


#: Lists what was offered of one kind to one of these: at most one more than the limit, so that the end is
#: known.
ListOffers = Callable[[Database, Caller, Asked, str, int], Awaitable[Sequence[Received | ReceivedFamily]]]


async def _list_images(
    db: Database, caller: Caller, asked: Asked, member_id: str, now: int
) -> list[Received]:
    return await inbox.list_received(
        db,
        member_id,
        access.require_project(caller),
        asked.status,
        now,
        before=asked.before,
        owner=asked.owner,
        limit=asked.limit + 1,
        whole=looks_at_images(caller.policy),
    )


async def _list_families(
    db: Database, caller: Caller, asked: Asked, member_id: str, now: int
) -> list[ReceivedFamily]:
    return await family_inbox.list_received(
        db,
        member_id,
        asked.status,
        now,
        before=asked.before,
        owner=asked.owner,
        limit=asked.limit + 1,
    )


KINDS: Mapping[str, ListOffers] = {"image": _list_images, "family": _list_families}


async def list_offers(db: Database, caller: Caller, asked: Asked, kinds: Collection[str]) -> Page:
    """A page of the offers of these kinds. Those that the operator's rules hide are left out of it. What an
    organisation and its unit were given at the same moment is one item, the unit's."""
    rules.list_offers(caller)
    now = now_us()
    by_place: dict[tuple[int, str], Received | ReceivedFamily] = {}
    for member_id in asked.member_ids:
        for kind in kinds:
            for item in await KINDS[kind](db, caller, asked, member_id, now):
                by_place.setdefault(position_of(item), item)
    found = [by_place[place] for place in sorted(by_place, reverse=True)]
    page = found[: asked.limit]
    following = position_of(page[-1]) if len(found) > asked.limit else None
    shown = [item for item in page if isinstance(item, ReceivedFamily) or rules.is_listed(caller, item.image)]
    return Page(shown, following)


def position_of(item: Received | ReceivedFamily) -> tuple[int, str]:
    """Where it stands in an inbox."""
    return item.offered_at, item.family.id if isinstance(item, ReceivedFamily) else item.image.id


async def find_family_offer(db: Database, caller: Caller, family_id: str) -> ReceivedFamily:
    """The offer of one family to the caller's project. NotFoundError when there is none, or it has ended."""
    rules.list_offers(caller)
    project_id = access.require_project(caller)
    found = await family_inbox.find_received(db, family_id, project_id, now_us())
    if found is None:
        raise NotFoundError(f"Family {family_id} is not offered to this project.", Reason.MEMBER_UNKNOWN)
    return found


class Summary(NamedTuple):
    """`through_domain`: images that are shared with the caller's whole domain; `through_organization`: with
    one or several of its organisations and units."""

    images: Counts
    families: Counts
    through_domain: int
    through_organization: int
    more: bool
    newest_offered_at: int | None


async def summarize(db: Database, caller: Caller) -> Summary:
    rules.list_offers(caller)
    project_id, domain_key, *_organizations = caller.member_ids
    by_status, through_domain, newest = await inbox.count_received(db, project_id or "", domain_key, now_us())
    through_organization = await inbox.count_shared_with(db, project_id or "", caller.organizations, now_us())
    counts = counts_of(
        {**by_status, "through_domain": through_domain, "through_organization": through_organization}
    )
    images = Counts(by_status={name: counts.by_status[name] for name in MemberStatus}, more=counts.more)
    of_families, newest_family = await family_inbox.count_received(db, project_id or "", now_us())
    families = counts_of(of_families)
    newest = max((one for one in (newest, newest_family) if one is not None), default=None)
    more = counts.more or families.more
    return Summary(
        images,
        families,
        counts.by_status["through_domain"],
        counts.by_status["through_organization"],
        more,
        newest,
    )


async def find_offer(db: Database, caller: Caller, image_id: str) -> Received:
    """The offer of one image to the caller's project. NotFoundError when there is none, or it has ended."""
    rules.list_offers(caller)
    project_id = access.require_project(caller)
    found = await inbox.find_received(db, project_id, project_id, image_id, now_us())
    if found is None or not rules.is_listed(caller, found.image):
        raise NotFoundError(f"Image {image_id} is not offered to this project.", Reason.MEMBER_UNKNOWN)
    return found
