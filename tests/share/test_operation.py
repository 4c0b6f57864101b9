"""What operators look at: how the service is, and what each project has."""

import uuid
from typing import Any

import pytest
from conftest import SharedServices
from harness.service import Service

from .calls import answer, create_image, get, list_all, offer, problem_of, project_of

#: Projects of their own, with nothing in them but what a test makes.
GIVER, TAKER = "use-giver", "use-taker"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def counted(request: pytest.FixtureRequest, shared_services: SharedServices) -> Service:
    """Two images of the giver's, of 1,000 and 24 bytes, of which the first is given to two projects, and
    accepted by the taker."""
    service = shared_services.get(request.param)
    for name in (GIVER, TAKER):
        if name not in service.clouds:
            service.add_user(name, name, "member")
    client = service.client(GIVER)
    images = [_make_image(service, size) for size in (1000, 24)]
    taker = project_of(service, TAKER)
    body = {"images": images[:1], "projects": [taker, uuid.uuid4().hex]}
    assert client.post("/share/v1/offers", json=body).json()["offered"] == 2
    answer(service, images[0], caller=TAKER)
    # What has been closed is given to nobody any more.
    client.post("/share/v1/offers", json={"images": images[1:], "projects": [taker]})
    replaced = [{"op": "replace", "path": "/visibility", "value": "private"}]
    kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    assert client.patch(f"/v2/images/{images[1]}", json=replaced, headers=kind).status_code == 200
    return service


def _make_image(service: Service, size: int, caller: str = GIVER) -> str:
    image_id = create_image(service, caller, disk_format="raw", container_format="bare")
    kind = {"Content-Type": "application/octet-stream"}
    client = service.client(caller)
    assert client.put(f"/v2/images/{image_id}/file", content=bytes(size), headers=kind).status_code == 204
    return image_id


def _use_of(service: Service, name: str, sort: str) -> dict[str, Any]:
    project = project_of(service, name)
    found = list_all(service, "admin", "projects", sort=sort, limit=2)
    nothing = {"images": 0, "bytes": 0, "given": 0, "taken": 0}
    return next((one for one in found if one["project"] == project), nothing)


@pytest.mark.parametrize("sort", ["bytes", "images", "given", "taken"])
def test_each_project_is_listed_once_with_what_it_has_most_first(counted: Service, sort: str) -> None:
    found = list_all(counted, "admin", "projects", sort=sort, limit=2)

    assert len({one["project"] for one in found}) == len(found)
    assert [one[sort] for one in found] == sorted((one[sort] for one in found), reverse=True)
    giver, taker = _use_of(counted, GIVER, sort), _use_of(counted, TAKER, sort)
    assert giver["name"] == GIVER
    assert (giver["images"] % 2, giver["bytes"]) == (0, 512 * giver["images"])
    assert (giver["given"], giver["taken"]) == (giver["images"], 0)
    assert (taker["images"], taker["given"], taker["taken"]) == (0, 0, giver["images"] // 2)


def test_a_cursor_is_of_the_order_that_it_was_given_in(counted: Service) -> None:
    following = get(counted, "admin", "projects", sort="images", limit=1)["next"]

    otherwise = counted.client("admin").get(following.replace("sort=images", "sort=given"))

    assert problem_of(otherwise, "invalid", 400)["parameter"] == "after"
    wrong = counted.client("admin").get("/share/v1/projects?sort=name")
    assert problem_of(wrong, "invalid", 400)["parameter"] == "sort"


def test_what_is_kept_and_under_way_is_counted(counted: Service) -> None:
    before = get(counted, "admin", "operation")
    _make_image(counted, 77, "publisher")
    staged = create_image(counted, "publisher", disk_format="raw", container_format="bare")
    kind = {"Content-Type": "application/octet-stream"}
    counted.client("publisher").put(f"/v2/images/{staged}/stage", content=b"staged", headers=kind)
    after = get(counted, "admin", "operation")

    store, was = after["stores"][0], before["stores"][0]
    assert (store["images"], store["bytes"]) == (was["images"] + 1, was["bytes"] + 77)
    assert store["room"]["has_room"] is True
    assert (store["type"], store["refused"]) == ("file", False)
    assert after["uploads"]["uploading"] == before["uploads"]["uploading"] + 1
    assert after["database"]["writable"] is True
    assert after["database"]["kind"] in ("sqlite", "postgresql")
    assert after["identity"] == {"kind": "builtin", "reachable": True, "latency_ms": None}


def test_hooks_are_counted_by_their_state(counted: Service) -> None:
    before = get(counted, "admin", "operation")["hooks"]
    client = counted.client("admin")
    made = client.post("/share/v1/hooks", json={"url": "https://ci.example.org/images"}).json()
    client.patch(f"/share/v1/hooks/{made['id']}", json={"enabled": False})

    after = get(counted, "admin", "operation")["hooks"]

    client.delete(f"/share/v1/hooks/{made['id']}")
    assert after == before | {"disabled": before["disabled"] + 1}


@pytest.mark.parametrize("path", ["operation", "projects"])
def test_only_an_admin_looks_at_the_whole_service(counted: Service, path: str) -> None:
    for who in ("publisher", "publisher-reader", "publisher-manager"):
        problem_of(counted.client(who).get(f"/share/v1/{path}"), "forbidden", 403)


def test_an_offer_is_given_before_it_is_answered(counted: Service) -> None:
    before = _use_of(counted, "publisher", "given")

    offer(counted, create_image(counted))

    assert _use_of(counted, "publisher", "given")["given"] == before["given"] + 1
