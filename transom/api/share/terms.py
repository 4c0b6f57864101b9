"""Terms of offers and of shares: message, time to answer by and end, as bodies have them."""

import msgspec
from msgspec import UNSET, UnsetType

from transom.api.http import Request
from transom.api.services import Services
from transom.api.share.body import MAX_MESSAGE, Time, check_future, check_optional_text, invalid, read_body
from transom.api.share.recipients import RecipientSets, names_groups
from transom.clock import now_us
from transom.domain.errors import InvalidError
from transom.domain.memberships import NewTerms, Terms
from transom.domain.recipients import GROUPS, KINDS
from transom.domain.times import DAY_US
from transom.sharing import rules

#: Further than any time that can be shown.
_FAR_DAYS = 3_000_000


class NewOffers(RecipientSets, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body that names recipients, and the terms of what they are offered."""

    message: str | None = None
    answer_by: Time | None = None
    expires_at: Time | None = None


class ChangedTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch (RFC 7396): null removes, what is left out stays."""

    message: str | UnsetType | None = UNSET
    answer_by: Time | UnsetType | None = UNSET
    expires_at: Time | UnsetType | None = UNSET


def check_terms(body: NewOffers) -> None:
    """InvalidError for terms that recipients of the kinds in the body cannot have."""
    if names_groups(body) and body.answer_by is not None:
        groups = " or ".join(f"`{KINDS[kind].plural}`" for kind in GROUPS)
        raise invalid("/answer_by", f"is not allowed with {groups}: their shares need no answer.")


def read_terms(services: Services, body: NewOffers) -> Terms:
    """The terms of new offers. Without a time to answer by, the operator's holds, if there is one."""
    now = now_us()
    expires_at = check_future("/expires_at", body.expires_at, now) if body.expires_at is not None else None
    answer_by = check_future("/answer_by", body.answer_by, now) if body.answer_by is not None else None
    days = min(services.share_limits.offer_lifetime_days, _FAR_DAYS)
    if answer_by is None and days > 0:
        answer_by = now + days * DAY_US
    message = check_optional_text("/message", body.message, MAX_MESSAGE)
    return rules.terms_of(message, answer_by, expires_at)


async def read_new_terms(services: Services, request: Request) -> NewTerms:
    """What is to become of the terms of an offer, or of an accepted share."""
    body = await read_body(services, request, ChangedTerms)
    now = now_us()
    message = body.message
    return NewTerms(
        message=message if message is UNSET else check_optional_text("/message", message, MAX_MESSAGE),
        answer_by=_new_end("/answer_by", body.answer_by, now),
        expires_at=_new_end("/expires_at", body.expires_at, now),
    )


def _new_end(pointer: str, time: Time | UnsetType | None, now: int) -> int | UnsetType | None:
    if time is UNSET or time is None:
        return time
    try:
        return check_future(pointer, time, now)
    except InvalidError as error:
        text = f"{error} To end a share now, withdraw it (POST /share/v1/withdrawals)."
        raise InvalidError(text, field=pointer) from None
