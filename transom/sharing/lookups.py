"""Which recipients of a request do not exist, asked only for a caller who may offer something of it."""

from collections.abc import Collection, Sequence

from transom.clock import now_us
from transom.domain.errors import TransomError
from transom.domain.model import Caller
from transom.sharing import batches
from transom.sharing.families import rules
from transom.sharing.plans import may_share_any
from transom.sharing.recipients import Recipients
from transom.sharing.rules import offer_to
from transom.sql import family_views
from transom.sql.db import Database


async def find_unknown(
    db: Database,
    recipients: Recipients,
    caller: Caller,
    images: Sequence[str],
    families: Sequence[str],
    member_ids: Collection[str],
) -> Collection[str]:
    """The recipients of these images and families that do not exist, as far as this caller may learn that.
    ForbiddenError unless the caller may offer to all of them, whatever it is: what is seen here of images and
    families may have changed when they are offered."""
    offer_to(caller, member_ids)
    if not recipients.are_checked(member_ids):
        return ()
    may_offer = bool(images) and may_share_any(caller, images, await batches.see_images(db, caller, images))
    if may_offer or await _may_offer_any(db, caller, families):
        return await recipients.find_unknown(caller, member_ids)
    return ()


async def _may_offer_any(db: Database, caller: Caller, families: Sequence[str]) -> bool:
    for family_id in families:
        seen = await family_views.find_family(db, family_id, caller.member_ids, now_us())
        try:
            rules.offer_family(caller, rules.see_family(caller, seen, family_id))
        except TransomError:
            continue
        return True
    return False
