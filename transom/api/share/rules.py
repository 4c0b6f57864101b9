"""Rules: how a project answers what a publisher offers, before anybody looks (`/share/v1/rules`).

They are the project's own secret: no call shows them to others, and no answer to an offer tells of them.
"""

from functools import partial
from http import HTTPStatus
from typing import Any, Literal

import msgspec

from transom.api.http import Request, Response, no_content
from transom.api.services import Services
from transom.api.share.body import read_body
from transom.api.share.conditions import NOTHING, require_tag, tag_of, tagged_response
from transom.api.share.query import cut_page_response, encode_cursor, read_cursor, read_limit, read_query
from transom.api.share.recipients import recipient_of_path, show_recipient
from transom.clock import now_us
from transom.domain.errors import NotFoundError
from transom.domain.recipients import kind_of
from transom.domain.share_rules import EVERYBODY, ShareRule
from transom.domain.times import show_time
from transom.sharing import project_rules, share_rules

_CURSOR = "rules"


class RuleBody(msgspec.Struct, forbid_unknown_fields=True):
    answer: Literal["accepted", "rejected"]


async def list_rules(services: Services, request: Request) -> Response:
    project_rules.look_at_share_rules(request.caller)
    query = read_query(request, {"limit", "after"})
    limit = read_limit(query)
    after = read_cursor(query, _CURSOR, tuple[str])
    found = await share_rules.list_rules(services.db, request.caller, after[0] if after else "", limit + 1)
    return await cut_page_response(
        request,
        found[:limit],
        _show,
        _cursor_of,
        _cursor_of(found[limit - 1]) if len(found) > limit else None,
        services.lists.list_size_limit,
    )


def _cursor_of(rule: ShareRule) -> str:
    return encode_cursor(_CURSOR, (rule.publisher,))


async def show_rule(services: Services, request: Request) -> Response:
    """The rule for one publisher. NotFoundError when there is none."""
    found = await share_rules.find_rule(services.db, request.caller, _publisher_of_path(request))
    if found is None:
        raise _absent()
    return tagged_response(request, _show(found), _tag(found))


async def put_rule(services: Services, request: Request) -> Response:
    """Make the rule, or change it: 201 or 200. LimitExceededError beyond `share_rule_quota`."""
    project_rules.manage_share_rules(request.caller)
    publisher = _publisher_of_path(request)
    body = await read_body(services, request, RuleBody)
    rule = ShareRule(publisher=publisher, answer=body.answer, updated_at=now_us())
    is_new = await share_rules.put_rule(
        services.db, request.caller, rule, services.share_limits.share_rule_quota, partial(_require, request)
    )
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return tagged_response(request, _show(rule), _tag(rule), status)


async def delete_rule(services: Services, request: Request) -> Response:
    publisher = _publisher_of_path(request)
    if not await share_rules.delete_rule(services.db, request.caller, publisher, partial(_require, request)):
        raise _absent()
    return no_content()


def _publisher_of_path(request: Request) -> str:
    """NotFoundError for what owns no images as well: it never publishes any."""
    if "recipients" not in request.params:
        return EVERYBODY
    publisher = recipient_of_path(request)
    if not kind_of(publisher).owns_images:
        raise NotFoundError("The resource could not be found.")
    return publisher


def _require(request: Request, seen: ShareRule | None) -> None:
    require_tag(request, _tag(seen) if seen is not None else NOTHING)


def _tag(rule: ShareRule) -> str:
    return tag_of(rule.publisher, rule.answer)


def _show(rule: ShareRule) -> dict[str, Any]:
    publisher = {"everybody": True} if rule.publisher == EVERYBODY else show_recipient(rule.publisher)
    return {"publisher": publisher, "answer": rule.answer, "updated_at": show_time(rule.updated_at)}


def _absent() -> NotFoundError:
    return NotFoundError("The project has no rule for this publisher.")
