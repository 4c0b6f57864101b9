"""The share API: offers and answers, who has what, and what happened. The whole surface is the table below.

Its errors are problem details (`problems.py`), its bodies types (`body.py`), its lists pages with cursors
(`query.py`). What a call does is in `transom/sharing`; the handlers here read, ask and show.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from transom.api.http import Request, Response
from transom.api.services import Services
from transom.api.share import (
    events,
    families,
    family_members,
    hooks,
    inbox,
    offers,
    operation,
    problems,
    publishers,
    root,
    rules,
    shares,
    versions,
)
from transom.api.share.acts import act
from transom.api.share.query import PAGING, read_query
from transom.api.share.root import PREFIX

Handler = Callable[[Services, Request], Awaitable[Response]]


class Call(NamedTuple):
    """`query`: the parameters that it knows. `takes_body`, `is_open`: as of `routes.Route`."""

    method: str
    path: str
    handler: Handler
    query: frozenset[str] = frozenset()
    takes_body: bool = False
    is_open: bool = False


_SHARES = f"{PREFIX}/images/{{image_id}}/shares"
_FAMILY = f"{families.PATH}/{{family_id}}"
_VERSION = f"{_FAMILY}/versions/{{number}}"
_MEMBERS = f"{_FAMILY}/members"

CALLS: list[Call] = [
    Call("GET", PREFIX, root.show_root),
    Call("GET", f"{PREFIX}/openapi.json", root.redirect_to_openapi, is_open=True),
    # The recipient's side.
    Call("GET", f"{PREFIX}/inbox", inbox.list_inbox, inbox.QUERY),
    Call("GET", f"{PREFIX}/inbox/summary", inbox.summarize_inbox),
    Call("GET", f"{PREFIX}/inbox/images/{{image_id}}", inbox.show_offer),
    Call("GET", f"{PREFIX}/inbox/families/{{family_id}}", inbox.show_family_offer),
    Call("POST", f"{PREFIX}/answers", act(offers.answer_offers, offers.show_answers), takes_body=True),
    # The publisher's side.
    Call("POST", f"{PREFIX}/offers", act(offers.make_offers, offers.show_offers), takes_body=True),
    Call(
        "POST", f"{PREFIX}/withdrawals", act(offers.withdraw_offers, offers.show_withdrawals), takes_body=True
    ),
    Call("GET", f"{PREFIX}/recipients", shares.list_recipients, PAGING),
    Call("GET", f"{PREFIX}/shares", shares.list_shares_to, shares.QUERY_TO),
    Call("GET", _SHARES, shares.list_shares, shares.QUERY),
    Call("PUT", _SHARES, shares.replace_shares, takes_body=True),
    Call("GET", f"{_SHARES}/summary", shares.summarize_shares),
    Call("GET", f"{_SHARES}/{{recipients}}/{{recipient_id}}", shares.show_share),
    Call("PATCH", f"{_SHARES}/{{recipients}}/{{recipient_id}}", shares.update_share, takes_body=True),
    Call("GET", f"{PREFIX}/problems/{{name}}", problems.show_problem, is_open=True),
    Call("GET", f"{PREFIX}/rules", rules.list_rules, PAGING),
    *(
        call
        for path in ("{recipients}/{recipient_id}", "everybody")
        for call in (
            Call("GET", f"{PREFIX}/rules/{path}", rules.show_rule),
            Call("PUT", f"{PREFIX}/rules/{path}", rules.put_rule, takes_body=True),
            Call("DELETE", f"{PREFIX}/rules/{path}", rules.delete_rule),
        )
    ),
    Call("GET", f"{PREFIX}/events", events.show_events, events.QUERY),
    Call("GET", f"{PREFIX}/publishers/{{project_id}}", publishers.show_publisher),
    Call("PUT", f"{PREFIX}/publishers/{{project_id}}", publishers.put_publisher, takes_body=True),
    Call("DELETE", f"{PREFIX}/publishers/{{project_id}}", publishers.delete_publisher),
    Call("GET", families.PATH, families.list_families, families.QUERY),
    Call("POST", families.PATH, act(families.create_family, families.show_created), takes_body=True),
    Call("GET", _FAMILY, families.show_family),
    Call("PATCH", _FAMILY, families.change_family, takes_body=True),
    Call("DELETE", _FAMILY, families.delete_family),
    Call("GET", f"{_FAMILY}/versions", versions.list_versions, PAGING),
    Call("POST", f"{_FAMILY}/versions", act(versions.publish, versions.show_published), takes_body=True),
    Call("GET", _VERSION, versions.show_version),
    Call("PATCH", _VERSION, versions.change_version, takes_body=True),
    Call("DELETE", _VERSION, versions.remove_version),
    Call("POST", f"{_VERSION}/revoke", act(versions.revoke, versions.show_changed), takes_body=True),
    Call("POST", f"{_VERSION}/restore", act(versions.restore, versions.show_changed)),
    Call("GET", f"{_FAMILY}/current", versions.show_current),
    Call("PUT", f"{_FAMILY}/current", versions.set_current, takes_body=True),
    Call("GET", _MEMBERS, family_members.list_members, family_members.QUERY),
    Call("PUT", _MEMBERS, family_members.set_members, takes_body=True),
    Call("GET", f"{_MEMBERS}/{{recipients}}/{{recipient_id}}", family_members.show_member),
    Call(
        "PATCH", f"{_MEMBERS}/{{recipients}}/{{recipient_id}}", family_members.change_member, takes_body=True
    ),
    Call("GET", f"{PREFIX}/hooks", hooks.list_hooks, PAGING),
    Call(
        "POST",
        f"{PREFIX}/hooks",
        act(hooks.create_hook, hooks.show_created, has_secret=True),
        takes_body=True,
    ),
    Call("GET", f"{PREFIX}/hooks/{{hook_id}}", hooks.show_hook),
    Call("PATCH", f"{PREFIX}/hooks/{{hook_id}}", hooks.change_hook, takes_body=True),
    Call("DELETE", f"{PREFIX}/hooks/{{hook_id}}", hooks.delete_hook),
    Call(
        "POST",
        f"{PREFIX}/hooks/{{hook_id}}/secret",
        act(hooks.change_secret, hooks.show_secret, has_secret=True),
    ),
    Call("POST", f"{PREFIX}/hooks/{{hook_id}}/test", act(hooks.test_hook, hooks.show_test)),
    Call("PUT", f"{PREFIX}/hooks/{{hook_id}}/cursor", hooks.set_cursor, takes_body=True),
    # The operator's.
    Call("GET", f"{PREFIX}/operation", operation.show_operation),
    Call("GET", f"{PREFIX}/projects", operation.list_projects, operation.QUERY),
]


def checked(call: Call) -> Handler:
    """The call's handler behind the check of its query."""

    async def handle(services: Services, request: Request) -> Response:
        read_query(request, call.query)
        return await call.handler(services, request)

    return handle
