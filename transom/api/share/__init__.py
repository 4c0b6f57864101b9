"""The share API: offers and answers, who has what, and what happened. The whole surface is the table below.

Its errors are problem details (`problems.py`), its bodies types (`body.py`), its lists pages with cursors
(`query.py`). What a call does is in `transom/sharing`; the handlers here read, ask and show.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from transom.api.http import Request, Response
from transom.api.parts import Parts
from transom.api.share import problems, root
from transom.api.share.query import read_query
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
]


def checked(call: Call) -> Handler:
    """The call's handler behind the check of its query."""

    async def handle(parts: Parts, request: Request) -> Response:
        read_query(request, call.query)
        return await call.handler(parts, request)

    return handle
