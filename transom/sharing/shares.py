"""Whom the caller's project shares its images with: pages, counts, one share and its terms."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from transom.clock import now_us
from transom.domain import access
from transom.domain.errors import NotFoundError, Reason
from transom.domain.events import Actor
from transom.domain.families import GivenFamily
from transom.domain.memberships import NewTerms
from transom.domain.model import NEVER, Caller, Image, Member, Visibility
from transom.domain.shares import Counts, Given, RecipientShares, counts_of, offered_at
from transom.sharing import rules
from transom.sql import family_views, images, members, shares
from transom.sql.db import Database
from transom.sql.retry import TRIES, write_conflict

#: (recipient, end of the share) of each membership of an image: what somebody decided of the set.
Terms = Sequence[tuple[str, int]]


class Page(NamedTuple):
    """`terms`: of the whole set, None for a page that is not its first."""

    items: list[Given]
    following: str | None
    terms: Terms | None


async def list_shares(
    db: Database, caller: Caller, image_id: str, status: str | None, after: str | None, limit: int
) -> Page:
    """The memberships of one image, by recipient. An image that is not shared has none."""
    image = await _see(db, caller, image_id)
    if image.visibility != Visibility.SHARED:
        return Page([], None, ())
    now = now_us()
    # Before the page: a change between the two makes the set's tag too old, never the page.
    terms = await shares.list_terms(db, image_id, now) if after is None else None
    found = await shares.list_given(db, image_id, status, now, after=after or "", limit=limit + 1)
    if not found:
        await _see(db, caller, image_id)  # It has none, or was deleted since.
    following = found[limit - 1].member.member_id if len(found) > limit else None
    return Page(found[:limit], following, terms)


async def count_shares(db: Database, caller: Caller, image_id: str) -> Counts:
    image = await _see(db, caller, image_id)
    if image.visibility != Visibility.SHARED:
        return counts_of({})
    found = await shares.count_given(db, image_id, now_us())
    if not any(found.values()):
        await _see(db, caller, image_id)  # As above.
    return counts_of(found)


async def find_share(db: Database, caller: Caller, image_id: str, member_id: str) -> Given:
    image = await _see(db, caller, image_id)
    is_shared = image.visibility == Visibility.SHARED
    found = await shares.find_given(db, image_id, member_id, now_us()) if is_shared else None
    if found is None:
        raise NotFoundError(f"Image {image_id} is not shared with {member_id}.", Reason.MEMBER_UNKNOWN)
    return found


async def _see(db: Database, caller: Caller, image_id: str) -> Image:
    return rules.see_shares(caller, await images.find_image(db, image_id, caller.member_ids))


async def list_shares_to(
    db: Database, caller: Caller, member_id: str, before: tuple[int, str], limit: int
) -> tuple[list[Given | GivenFamily], tuple[int, str] | None]:
    """(a page of the images and families that the caller's project shares with one recipient, newest offer
    first; `before` of the next one)."""
    rules.list_own_shares(caller)
    owner, now = access.require_project(caller), now_us()
    found: list[Given | GivenFamily] = [
        *await shares.list_given_to(db, member_id, owner, now, before=before, limit=limit + 1),
        *await family_views.list_given_to(db, member_id, owner, now, before=before, limit=limit + 1),
    ]
    found.sort(key=position_of, reverse=True)
    return found[:limit], position_of(found[limit - 1]) if len(found) > limit else None


async def list_recipients(
    db: Database, caller: Caller, after: str, limit: int
) -> tuple[list[RecipientShares], str | None]:
    """(a page of whom the caller's project shares anything with, past `after` by their ids; `after` of the
    next one)."""
    rules.list_own_shares(caller)
    owner = access.require_project(caller)
    found = await shares.list_recipients(db, owner, now_us(), after=after, limit=limit + 1)
    return found[:limit], found[limit - 1].member_id if len(found) > limit else None


def position_of(share: Given | GivenFamily) -> tuple[int, str]:
    """Where it stands among what a recipient has."""
    if isinstance(share, GivenFamily):
        return share.member.offered_at, share.member.family_id
    return offered_at(share.member), share.member.image_id


async def change_terms(
    db: Database,
    caller: Caller,
    actor: Actor,
    image_id: str,
    member_id: str,
    new: NewTerms,
    require_unchanged: Callable[[Given], None],
) -> Given:
    """The share with its new terms. `require_unchanged`: raises unless it is what the client knows."""
    for _ in range(TRIES):
        found = await find_share(db, caller, image_id, member_id)
        seen = await images.find_image(db, image_id, caller.member_ids)
        rules.change_terms(caller, seen, member_id)
        require_unchanged(found)
        latest_end = await _find_latest_end(db, found.member)
        change = rules.change_of_terms(found.member, new, now_us(), latest_end)
        if change is None:
            return found
        changed = await members.change_member(db, change, actor)
        if changed is not None:
            return msgspec.structs.replace(found, member=changed)
    raise write_conflict(f"The members of image {image_id} are")


async def _find_latest_end(db: Database, member: Member) -> int:
    """When the family's membership ends by which this one was inherited; NEVER for a direct one."""
    if member.family_id is None:
        return NEVER
    found = await family_views.find_member(db, member.family_id, member.member_id, now_us())
    return found.member.ends_at if found is not None else NEVER
