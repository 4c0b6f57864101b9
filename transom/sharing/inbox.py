"""What was offered to the caller's project: pages, counts, one item.

Offers are of kinds, `KINDS`: each lists its own, newest first, and a page is the newest of all.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NamedTuple

from transom.clock import now_us
from transom.domain import access
from transom.domain.errors import NotFoundError, Reason
from transom.domain.model import NEVER, Caller, MemberStatus
from transom.domain.shares import Counts, Received, counts_of
from transom.sharing import rules
from transom.sql import inbox
from transom.sql.db import Database

#: Before any offer: where the newest ones begin.
NEWEST = (NEVER, "")


class Asked(NamedTuple):
    """`member_id`: whose offers, the caller's project's or its domain's. `owner`: only those of this project,
    None: of all. `before`: only those below (time of the offer, id)."""

    member_id: str
    status: str
    owner: str | None = None
    before: tuple[int, str] = NEWEST
    limit: int = 25


class Page(NamedTuple):
    """`following`: `before` of the next page, None when this is the last."""

    items: list[Received]
    following: tuple[int, str] | None


#: Lists what was offered of one kind: at most one more than the limit, so that the end is known.
ListOffers = Callable[[Database, Caller, Asked, int], Awaitable[list[Received]]]


async def _list_images(db: Database, caller: Caller, asked: Asked, now: int) -> list[Received]:
    return await inbox.list_received(
        db,
        asked.member_id,
        access.require_project(caller),
        asked.status,
        now,
        before=asked.before,
        owner=asked.owner,
        limit=asked.limit + 1,
    )


KINDS: Mapping[str, ListOffers] = {"image": _list_images}


async def list_offers(db: Database, caller: Caller, asked: Asked, kinds: Collection[str]) -> Page:
    """A page of the offers of these kinds. Those that the operator's rules hide are left out of it."""
    rules.list_offers(caller)
    now = now_us()
    found = [item for kind in kinds for item in await KINDS[kind](db, caller, asked, now)]
    found.sort(key=position_of, reverse=True)
    page = found[: asked.limit]
    following = position_of(page[-1]) if len(found) > asked.limit else None
    return Page([item for item in page if rules.is_listed(caller, item.image)], following)


def position_of(item: Received) -> tuple[int, str]:
    """Where it stands in an inbox."""
    return item.offered_at, item.image.id


class Summary(NamedTuple):
    """`through_domain`: images that are shared with the caller's whole domain."""

    images: Counts
    through_domain: int
    more: bool
    newest_offered_at: int | None


async def summarize(db: Database, caller: Caller) -> Summary:
    rules.list_offers(caller)
    project_id, domain_key = caller.member_ids
    by_status, through_domain, newest = await inbox.count_received(db, project_id or "", domain_key, now_us())
    counts = counts_of({**by_status, "through_domain": through_domain})
    images = Counts(by_status={name: counts.by_status[name] for name in MemberStatus}, more=counts.more)
    return Summary(images, counts.by_status["through_domain"], counts.more, newest)


async def find_offer(db: Database, caller: Caller, image_id: str) -> Received:
    """The offer of one image to the caller's project. NotFoundError when there is none, or it has ended."""
    rules.list_offers(caller)
    project_id = access.require_project(caller)
    found = await inbox.find_received(db, project_id, project_id, image_id, now_us())
    if found is None or not rules.is_listed(caller, found.image):
        raise NotFoundError(f"Image {image_id} is not offered to this project.", Reason.MEMBER_UNKNOWN)
    return found
