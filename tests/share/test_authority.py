"""Who may call what of offers and shares, written from the specification: every call for every caller.

The image is the publisher's and shared with the project `recipient`, in the status of the row. Each cell is
the status of the answer, and for the verbs what became of the one pair: `done`, or the type of its failure.
"""

from typing import Any

import httpx
import pytest
from conftest import SharedServices
from harness import plain_http
from harness.service import Service

from .calls import UNKNOWN_ID, answer, create_image, offer, post, project_of
from .ending import end_share

#: The callers of the columns, by their accounts.
CALLERS = ("publisher", "publisher-reader", "recipient", "recipient-reader", "other", "other-reader", "admin")
#: Rows: the call, the status of the recipient's membership, a cell for each caller.
TABLE = """
                            publisher            recipient            other                admin
                            member     reader    member     reader    member     reader    admin
list_shares     any         200        200       404        404       404        404       200
summarize       any         200        200       404        404       404        404       200
show_share      any         200        200       404        404       404        404       200
show_share      none        404        404       404        404       404        404       404
patch_share     any         200        403       404        403       404        403       200
put_set         any         200        403       404        403       404        403       200
show_offer      any         404        404       200        200       404        404       404
show_offer      none        404        404       404        404       404        404       404
list_inbox      any         200        200       200        200       200        200       200
count_inbox     any         200        200       200        200       200        200       200
list_to         any         200        200       200        200       200        200       200
list_recipients any         200        200       200        200       200        200       200
offer           any         done       403       forbidden  403       not-found  403       done
offer           none        done       403       not-found  403       not-found  403       done
withdraw        any         done       403       forbidden  403       not-found  403       done
withdraw        none        done       403       not-found  403       not-found  403       done
answer          any         not-found  403       done       403       not-found  403       not-found
answer          none        not-found  403       not-found  403       not-found  403       not-found
leave           any         not-found  403       done       403       not-found  403       not-found
"""
STATUSES = {"any": ("pending", "accepted", "rejected"), "none": ("none", "left", "withdrawn", "lapsed")}
_SHARES = "/share/v1/images/{image}/shares"
_SHARE = f"{_SHARES}/projects/{{recipient}}"
#: Call → (method, path, body, headers).
CALLS: dict[str, tuple[str, str, Any]] = {
    "list_shares": ("GET", _SHARES, None),
    "summarize": ("GET", f"{_SHARES}/summary", None),
    "show_share": ("GET", _SHARE, None),
    "patch_share": ("PATCH", _SHARE, {"message": "new"}),
    "put_set": ("PUT", _SHARES, {"projects": ["{recipient}"]}),
    "show_offer": ("GET", "/share/v1/inbox/images/{image}", None),
    "list_inbox": ("GET", "/share/v1/inbox", None),
    "count_inbox": ("GET", "/share/v1/inbox/summary", None),
    "list_recipients": ("GET", "/share/v1/recipients", None),
    "list_to": ("GET", "/share/v1/shares?to={recipient}", None),
    "offer": ("POST", "/share/v1/offers", {"images": ["{image}"], "projects": ["{recipient}"]}),
    "withdraw": ("POST", "/share/v1/withdrawals", {"images": ["{image}"], "projects": ["{recipient}"]}),
    "answer": ("POST", "/share/v1/answers", {"images": ["{image}"], "answer": "accepted"}),
    "leave": ("POST", "/share/v1/answers", {"images": ["{image}"], "answer": "left"}),
}
CASES = [
    pytest.param(call, status, caller, cell, id=f"{call}-{status}-{caller}")
    for row in TABLE.strip().splitlines()[2:]
    for call, kind, *cells in [row.split()]
    for status in STATUSES[kind]
    for caller, cell in zip(CALLERS, cells, strict=True)
]


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    """One database will do: who may what is decided before it."""
    return shared_services.get("sqlite")


def _make(server: Service, status: str) -> str:
    image = create_image(server)
    if status == "none":
        return image
    offer(server, image)
    if status == "lapsed":
        end_share(server, image, project_of(server, "recipient"))
    elif status == "withdrawn":
        post(server, "publisher", "withdrawals", images=[image], projects=[project_of(server, "recipient")])
    elif status != "pending":
        answer(server, image, status=status)
    return image


def _ask(
    server: Service, caller: str, call: str, image: str, more: dict[str, str] | None = None
) -> httpx.Response:
    method, path, body = CALLS[call]
    recipient = project_of(server, "recipient")
    filled = {
        name: [one.format(image=image, recipient=recipient) for one in value]
        if isinstance(value, list)
        else value
        for name, value in (body or {}).items()
    }
    headers = {"If-Match": "*", "X-Openstack-Request-Id": "req-same", **(more or {})}
    return server.client(caller).request(
        method,
        path.format(image=image, recipient=recipient),
        json=filled if body is not None else None,
        headers=headers,
    )


def _cell(response: httpx.Response) -> str:
    body = response.json()
    if response.status_code != 200 or "failures" not in body or response.request.method == "PUT":
        return str(response.status_code)
    if not body["failures"]:
        return "done"
    (failure,) = body["failures"]
    return str(failure["type"].rpartition("/")[2])


@pytest.mark.parametrize(("call", "status", "caller", "cell"), CASES)
def test_a_call_answers_as_the_table_says(
    server: Service, call: str, status: str, caller: str, cell: str
) -> None:
    assert _cell(_ask(server, caller, call, _make(server, status))) == cell


@pytest.mark.parametrize("caller", ["other", "other-reader"])
@pytest.mark.parametrize(
    "call",
    [call for call in CALLS if call not in ("list_inbox", "count_inbox", "list_to", "list_recipients")],
)
def test_a_stranger_cannot_tell_hidden_from_absent(server: Service, call: str, caller: str) -> None:
    image = _make(server, "accepted")

    def answer_about(image_id: str) -> tuple[int, str]:
        response = _ask(server, caller, call, image_id)
        return response.status_code, response.text.replace(image_id, "")

    assert answer_about(image) == answer_about(UNKNOWN_ID)


@pytest.mark.parametrize("status", ["left", "withdrawn", "lapsed"])
@pytest.mark.parametrize("call", ["show_offer", "answer", "leave", "list_shares", "offer", "withdraw"])
def test_who_has_an_offer_no_more_cannot_tell_it_from_absent(server: Service, call: str, status: str) -> None:
    image = _make(server, status)

    def answer_about(image_id: str) -> tuple[int, str]:
        response = _ask(server, "recipient", call, image_id)
        return response.status_code, response.text.replace(image_id, "")

    assert answer_about(image) == answer_about(UNKNOWN_ID)


# ---- who has it through its domain, and who has no project

#: Call → the cell of a member of the domain that the image is shared with, and of a reader there.
THROUGH_A_DOMAIN = {
    "list_shares": ("404", "404"),
    "summarize": ("404", "404"),
    "show_share": ("404", "404"),
    "patch_share": ("404", "403"),
    "put_set": ("404", "403"),
    "show_offer": ("404", "404"),
    "list_inbox": ("200", "200"),
    "count_inbox": ("200", "200"),
    "offer": ("forbidden", "403"),
    "withdraw": ("forbidden", "403"),
    "answer": ("conflict", "403"),
    "leave": ("conflict", "403"),
}


@pytest.mark.parametrize("call", THROUGH_A_DOMAIN)
def test_who_has_it_through_its_domain_sees_it_and_answers_nothing(server: Service, call: str) -> None:
    image = create_image(server)
    post(server, "publisher", "offers", images=[image], domains=["default"])

    cells = [_cell(_ask(server, caller, call, image)) for caller in ("other", "other-reader")]

    assert tuple(cells) == THROUGH_A_DOMAIN[call]


@pytest.mark.parametrize("call", CALLS)
def test_a_token_without_a_project_does_and_learns_nothing(server: Service, call: str) -> None:
    image = _make(server, "accepted")
    token = _token_without_project(server, "other")

    def ask(image_id: str) -> tuple[int, str]:
        response = _ask(server, "other", call, image_id, {"X-Auth-Token": token})
        return response.status_code, response.text.replace(image_id, "")

    status, text = ask(image)
    assert (status, text) == ask(UNKNOWN_ID)
    assert status == (404 if call in ("list_shares", "summarize", "show_share") else 403)


def _token_without_project(server: Service, caller: str) -> str:
    cloud = server.clouds[caller]
    user = {"name": cloud.username, "password": cloud.password, "domain": {"id": "default"}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": "unscoped"}
    response = plain_http.post(f"{cloud.auth_url}/auth/tokens", json={"auth": auth})
    assert response.status_code == 201, response.text
    return response.headers["x-subject-token"]
