"""The three verbs: `POST offers`, `answers` and `withdrawals`, each over sets and in one transaction.

What could be done is done and counted; what could not is a list of failures. Errors of the request itself
change nothing.
"""

from typing import Literal

import msgspec

from transom.api.actors import actor_of, answering_actor_of, giving_actor_of
from transom.api.http import Request, Response, json_response
from transom.api.services import Services
from transom.api.share.body import (
    MAX_REASON,
    check_id,
    check_ids,
    check_image_ids,
    check_optional_text,
    invalid,
    read_body,
)
from transom.api.share.recipients import RecipientSets, recipients_of
from transom.api.share.terms import NewOffers, check_terms, read_terms
from transom.api.share.wire import AnswersGiven, OffersMade, Withdrawn, show_failures
from transom.domain import access
from transom.domain.model import MemberStatus
from transom.domain.recipients import KINDS_BY_PLURAL
from transom.sharing import offers, rules, sets


class Offers(NewOffers, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Offer each of the images and families to each of the recipients."""

    images: list[str] = msgspec.field(default_factory=list)
    families: list[str] = msgspec.field(default_factory=list)


class Answers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer offers to the caller's project: those named, or `all` of one status."""

    answer: Literal["accepted", "rejected", "pending", "left"]
    images: list[str] = []
    families: list[str] = []
    all: MemberStatus | None = None
    owner: str | None = msgspec.field(name="from", default=None)
    new_versions: Literal["accepted", "pending"] | None = None
    vault_id: str | None = None


class Withdrawals(RecipientSets, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take things back: the named ones or `everything`, from the named recipients or from `everybody`."""

    images: list[str] = msgspec.field(default_factory=list)
    families: list[str] = msgspec.field(default_factory=list)
    everything: bool = False
    everybody: bool = False
    sure: str | None = None
    reason: str | None = None


async def make_offers(services: Services, request: Request) -> sets.Outcome:
    """Offer each image and family to each recipient, each pair for itself. Raises InvalidError for a body
    that names nothing or nobody, LimitExceededError for more pairs than `share_batch_limit`."""
    rules.act_on_shares(request.caller)
    body = await read_body(services, request, Offers)
    things = _things_of(body.images, body.families)
    member_ids = require_recipients(recipients_of(body))
    check_terms(body)
    offers.require_few(len(things) * len(member_ids), services.share_limits.share_batch_limit)
    return await sets.offer(
        services.db,
        services.recipients,
        request.caller,
        giving_actor_of(services, request),
        things,
        member_ids,
        read_terms(services, body),
        services.share_limits.share_member_quota,
        services.share_limits.family_member_quota,
    )


def show_offers(_request: Request, done: sets.Outcome) -> Response:
    """How many pairs were offered, renewed and unchanged, and why the others were not."""
    return json_response(
        OffersMade(
            offered=done.done,
            renewed=done.renewed,
            unchanged=done.unchanged,
            failures=show_failures(done),
        )
    )


async def answer_offers(services: Services, request: Request) -> sets.Outcome:
    """Answer the named offers or, with `all`, those that have this status, as many as one request takes.
    InvalidError for a body that asks for both."""
    rules.act_on_offers(request.caller)
    body = await read_body(services, request, Answers)
    vault_id = check_id("/vault_id", body.vault_id) if body.vault_id else None
    limit = services.share_limits.share_batch_limit
    gives = body.new_versions is not None
    actor = (
        giving_actor_of(services, request) if gives else answering_actor_of(services, request, body.answer)
    )
    if body.all is not None:
        if body.images or body.families:
            raise invalid("/all", "cannot be combined with `images` or `families`.")
        owner = check_id("/from", body.owner) if body.owner is not None else None
        return await sets.answer_all(
            services.db,
            request.caller,
            actor,
            body.all,
            owner,
            body.answer,
            body.new_versions,
            vault_id,
            limit,
        )
    if body.owner is not None:
        raise invalid("/from", "is allowed only together with `all`, not with named images or families.")
    things = _things_of(body.images, body.families)
    offers.require_few(len(things), limit)
    return await sets.answer(
        services.db, request.caller, actor, things, body.answer, body.new_versions, vault_id
    )


def show_answers(_request: Request, done: sets.Outcome) -> Response:
    """How many were changed, how many are left for another request, and why others were not changed."""
    return json_response(
        AnswersGiven(
            changed=done.done,
            unchanged=done.unchanged,
            remaining=done.remaining,
            failures=show_failures(done),
        )
    )


async def withdraw_offers(services: Services, request: Request) -> sets.Outcome:
    rules.act_on_withdrawals(request.caller)
    body = await read_body(services, request, Withdrawals)
    reason = check_optional_text("/reason", body.reason, MAX_REASON)
    return await _withdraw(services, request, body, reason)


def show_withdrawals(_request: Request, done: sets.Outcome) -> Response:
    return json_response(
        Withdrawn(
            withdrawn=done.done,
            absent=done.unchanged,
            remaining=done.remaining,
            failures=show_failures(done),
        )
    )


async def _withdraw(
    services: Services, request: Request, body: Withdrawals, reason: str | None
) -> sets.Outcome:
    member_ids = recipients_of(body)
    if body.everybody and member_ids:
        raise invalid("/everybody", "cannot be combined with named recipients.")
    if not body.everybody:
        require_recipients(member_ids)
    db, caller, actor = services.db, request.caller, actor_of(request)
    limit = services.share_limits.share_batch_limit
    if body.everything:
        if body.images or body.families:
            raise invalid("/everything", "cannot be combined with `images` or `families`.")
        if body.everybody and body.sure != access.require_project(caller):
            raise invalid(
                "/sure", "must be the id of your own project to withdraw everything from everybody."
            )
        recipients = None if body.everybody else member_ids
        return await sets.withdraw_everything(db, caller, actor, recipients, reason, limit)
    things = _things_of(body.images, body.families)
    if body.everybody:
        offers.require_few(len(things), limit)
        return await sets.withdraw(db, caller, actor, things, None, reason, limit)
    offers.require_few(len(things) * len(member_ids), limit)
    return await sets.withdraw(db, caller, actor, things, member_ids, reason, limit)


# ---- what the bodies have in common


def _things_of(images: list[str], families: list[str]) -> sets.Things:
    found = sets.Things(check_image_ids("/images", images), check_ids("/families", families))
    if not len(found):
        raise invalid("/images", "at least one image or family is needed, in `images` or `families`.")
    return found


def require_recipients(member_ids: list[str]) -> list[str]:
    if not member_ids:
        *first, last = (f"`{one}`" for one in KINDS_BY_PLURAL)
        raise invalid("/projects", f"at least one recipient is needed, in {', '.join(first)} or {last}.")
    return member_ids
