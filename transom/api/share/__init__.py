"""The share API: offers and answers, who has what, and what happened. The whole surface is the table below.

Its errors are problem details (`problems.py`), its bodies types (`body.py`), its lists pages with cursors
(`query.py`). What a call does is in `transom/sharing`; the handlers here read, ask and show.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from transom.api.http import Request, Response
from transom.api.parts import Parts
from transom.api.share import problems, publishers, root, rules
from transom.api.share.query import PAGING, read_query
from transom.api.share.root import PREFIX

Handler = Callable[[Parts, Request], Awaitable[Response]]


class Call(NamedTuple):
    """`query`: the parameters that it knows. `takes_body`, `is_open`: as of `routes.Route`."""

    method: str
    path: str
    handler: Handler
    query: frozenset[str] = frozenset()
    takes_body: bool = False
    is_open: bool = False


CALLS: list[Call] = [
    Call("GET", PREFIX, root.show_root),
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
    Call("GET", f"{PREFIX}/publishers/{{project_id}}", publishers.show_publisher),
    Call("PUT", f"{PREFIX}/publishers/{{project_id}}", publishers.put_publisher, takes_body=True),
    Call("DELETE", f"{PREFIX}/publishers/{{project_id}}", publishers.delete_publisher),
]


def checked(call: Call) -> Handler:
    """The call's handler behind the check of its query."""

    async def handle(parts: Parts, request: Request) -> Response:
        read_query(request, call.query)
        return await call.handler(parts, request)

    return handle
