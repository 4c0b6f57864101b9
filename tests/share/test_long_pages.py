"""Pages end at a number of bytes, too, and `next` goes on: nothing is left out, and nothing comes twice."""

import uuid
from typing import Any

import pytest
from conftest import SharedServices
from harness.service import Service

from .calls import Body, create_image, get, post, project_of, wait_for_events

ENTRIES = 30
MOST_BYTES = 10_000
LONG = "x" * 1000


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    """A publisher with images, families and recipients, each with a message that is long."""
    service = shared_services.get("sqlite", TRANSOM_LIST_SIZE_LIMIT=str(MOST_BYTES))
    images = [create_image(service) for _ in range(ENTRIES)]
    families = [
        service.client("publisher")
        .post("/share/v1/families", json={"name": f"family-{number}", "description": LONG})
        .json()["id"]
        for number in range(ENTRIES)
    ]
    to = [project_of(service, "recipient")]
    post(service, "publisher", "offers", images=images, projects=to, message=LONG)
    many = {
        "images": images[:1],
        "families": families[:1],
        "projects": [str(uuid.uuid4()) for _ in range(ENTRIES)],
    }
    post(service, "publisher", "offers", **many, message=LONG)
    wait_for_events(service, 2 * ENTRIES, type="share.offered")
    return service


def _path(service: Service, path: str) -> str:
    """The path with the ids of what this service has first."""
    ids = {"family": get(service, "publisher", "families", name="family-0")["items"][0]["id"]}
    ids["to"] = project_of(service, "recipient")
    found = get(service, "publisher", "shares", to=ids["to"], limit=1000)
    while found["next"] is not None:
        found = service.client("publisher").get(found["next"]).json()
    ids["image"] = found["items"][-1]["image"]["id"]
    return path.format(**ids)


@pytest.mark.parametrize(
    ("caller", "path", "entries"),
    [
        ("recipient", "inbox?", ENTRIES),
        ("publisher", "shares?to={to}&", ENTRIES),
        ("publisher", "families?role=owner&", ENTRIES),
        ("publisher", "families/{family}/members?", ENTRIES),
        ("publisher", "events?type=share.offered&", 2 * ENTRIES),
        ("publisher", "events?type=share.offered&order=desc&", 2 * ENTRIES),
    ],
)
def test_a_page_of_long_entries_ends_early_and_the_next_ones_have_the_rest(
    server: Service, caller: str, path: str, entries: int
) -> None:
    client = server.client(caller)
    following: str | None = f"/share/v1/{_path(server, path)}limit=1000"
    pages: list[list[Any]] = []

    while following is not None:
        body: Body = client.get(following).json()
        pages.append(body["events"] if "events" in body else body["items"])
        following = body["next"]

    assert len(pages) > 1
    assert len(pages[0]) <= MOST_BYTES // len(LONG)
    found = [str(one) for page in pages for one in page]
    assert (len(found), len(set(found))) == (entries, entries)


def test_a_page_of_few_entries_is_whole_however_long(server: Service) -> None:
    assert len(get(server, "recipient", "inbox", limit=25)["items"]) == 25
