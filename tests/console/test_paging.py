"""Lists of more than a page lead on, and each row is on one page alone."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import pytest
from harness.service import Service

from .visitor import Visitor

MOST = 25
MORE = MOST + 1
KIND = {"Content-Type": "application/octet-stream"}
#: What is a row: of a table, the inbox, or a history, of which a page may have one beside its table.
ROWS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'<tr[^>]*>(?:<td class="pick">.*?</td>)?<th scope="row">(.*?)</td></tr>',
        r"<article(.*?)</article>",
        r'<li><span class="dot(.*?)</li>',
    )
]
#: Account, page.
LISTS = {
    "inbox": ("recipient", "/inbox"),
    "inbox of one sender": ("recipient", "/inbox?from={publisher}"),
    "rules": ("publisher", "/inbox/rules"),
    "images": ("publisher", "/images"),
    "images by name": ("publisher", "/images?sort=name"),
    "shares": ("publisher", "/images/{image}"),
    "shares by answer": ("publisher", "/images/{image}?status=pending"),
    "recipients": ("publisher", "/shared"),
    "shared": ("publisher", "/shared?to=projects/{recipient}"),
    "families": ("publisher", "/families"),
    "versions": ("publisher", "/families/{family}"),
    "members": ("publisher", "/families/{family}/members"),
    "history": ("publisher", "/families/{family}/history"),
    "activity": ("publisher", "/activity"),
    "activity of a kind": ("publisher", "/activity?type=share.*"),
    "audit": ("admin", "/operator/audit"),
}


@pytest.fixture(scope="module")
def places(server: Service) -> Iterator[dict[str, str]]:
    """Of what each list is of, with more than a page in each."""
    client = server.client("publisher")
    body = {"name": "of-pages", "disk_format": "raw", "container_format": "bare"}
    images = [str(client.post("/v2/images", json=body).json()["id"]) for _ in range(MORE)]
    family = client.post("/share/v1/families", json={"name": "of-pages"}).json()["id"]
    others = [client.post("/share/v1/families", json={"name": f"p-{n}"}).json()["id"] for n in range(MORE)]
    for image in images:
        client.put(f"/v2/images/{image}/file", content=b"data", headers=KIND)
        client.post(f"/share/v1/families/{family}/versions", json={"image_id": image, "promote": False})
    # A candidate is in no list of images.
    plain = [client.post("/v2/images", json=body).json()["id"] for _ in range(MORE)]
    strangers = [uuid.uuid4().hex for _ in range(MORE)]
    recipient = server.clouds["recipient"].project_id
    for offer in (
        {"images": plain[:1], "families": [family], "projects": strangers},
        {"families": others, "projects": [recipient]},
    ):
        assert client.post("/share/v1/offers", json=offer).json()["offered"] >= MORE
    for stranger in strangers:
        client.put(f"/share/v1/rules/projects/{stranger}", json={"answer": "rejected"})
    yield {
        "image": plain[0],
        "family": family,
        "recipient": recipient,
        "publisher": server.clouds["publisher"].project_id,
    }
    # A project has only so many.
    for one in (family, *others):
        client.delete(f"/share/v1/families/{one}")
    for stranger in strangers:
        client.delete(f"/share/v1/rules/projects/{stranger}")


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_more_than_a_page_leads_on(
    server: Service,
    open_visitor: Callable[[Service, str], Visitor],
    places: dict[str, str],
    name: str,
) -> None:
    account, path = LISTS[name]
    visitor = open_visitor(server, account)

    first = visitor.get(path.format(**places)).text
    following = re.search(r'href="/console([^"]+)" rel="next"', first)
    assert following is not None
    link = html.unescape(following[1])
    second = visitor.get(link).text

    rows, more = (next(filter(None, (row.findall(text) for row in ROWS)), []) for text in (first, second))
    assert len(rows) == MOST
    assert more
    if name not in ("activity", "activity of a kind", "history", "audit"):
        assert not set(rows) & set(more)
    # What was chosen on the first page holds on the second.
    chosen = path.format(**places).partition("?")[2]
    assert chosen in unquote(link)
