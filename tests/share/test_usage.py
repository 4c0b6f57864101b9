"""Who uses what is shared: shown to the owner, and to each recipient of its own uses."""

from typing import Any

import pytest
from conftest import DATABASES
from harness.service import MakeService, Service

from .calls import Body, answer, find_item, get, list_all, offer, project_of, share_path
from .family_calls import Published, active_image, answer_as, offer_to, ok

NEVER: Body = {"last_used_at": None}


@pytest.fixture(params=DATABASES, ids=DATABASES)
def own(request: pytest.FixtureRequest, make_service: MakeService) -> Service:
    """A service that a test may start anew: what was noted of uses is written when it stops."""
    return make_service(request.param)


def download(service: Service, caller: str, image_id: str, times: int = 1) -> None:
    for _ in range(times):
        assert service.client(caller).get(f"/v2/images/{image_id}/file").status_code == 200


def restart(service: Service) -> None:
    service.stop()
    service.start()


def test_the_owner_sees_how_a_recipient_uses_an_image(own: Service) -> None:
    image = active_image(own.client("publisher"))["id"]
    for to in ("recipient", "other"):
        offer(own, image, to=to)
    answer(own, image)
    tags = [own.client("publisher").get(share_path(own, image)).headers["etag"]]
    download(own, "recipient", image, times=2)
    download(own, "publisher", image)
    restart(own)

    page = {
        item["recipient"]["project"]: item
        for item in get(own, "publisher", f"images/{image}/shares")["items"]
    }
    shown = own.client("publisher").get(share_path(own, image))
    tags.append(shown.headers["etag"])
    used, unused = page[project_of(own, "recipient")]["usage"], page[project_of(own, "other")]["usage"]

    assert (used["downloads"], unused["downloads"], unused["last_used_at"]) == (2, 0, None)
    assert used["last_used_at"] is not None
    assert used["last_used_at"] <= used["as_of"]
    assert shown.json()["usage"] | {"as_of": ""} == used | {"as_of": ""}
    (given,) = list_all(own, "publisher", "shares", to=project_of(own, "recipient"))
    assert given["usage"] | {"as_of": ""} == used | {"as_of": ""}
    assert tags[0] == tags[1]
    item = find_item(own, image, status="accepted")
    assert item is not None
    assert item["usage"] == {"last_used_at": used["last_used_at"]}
    theirs = find_item(own, image, "other")
    assert theirs is not None
    assert theirs["usage"] == NEVER


def test_the_owner_sees_how_the_versions_of_a_family_are_used(own: Service) -> None:
    family = Published(own, "web")
    old = family.publish()["image"]["id"]
    for caller in ("recipient", "other"):
        offer_to(family, caller)
        answer_as(family, caller, "accepted")
    download(own, "recipient", old)
    new = family.publish()["image"]["id"]
    paths = [f"{family.path}/versions/1", f"{family.path}/current", family.path, _member(family, "other")]
    tags = [family.owner.get(path).headers["etag"] for path in paths]
    for caller in ("recipient", "other"):
        download(own, caller, new)
    download(own, "publisher", new)
    restart(own)

    second, first = ok(family.owner.get(f"{family.path}/versions"))["items"]

    assert (first["usage"]["projects_30d"], second["usage"]["projects_30d"]) == (1, 2)
    assert first["usage"]["last_used_at"] < second["usage"]["last_used_at"]
    assert ok(family.owner.get(f"{family.path}/versions/2"))["usage"] == second["usage"]
    assert ok(family.owner.get(f"{family.path}/current"))["usage"] == second["usage"]
    assert family.show()["current"]["usage"] == second["usage"]
    assert [family.owner.get(path).headers["etag"] for path in paths] == tags
    _see_members(own, family, second)
    _see_own_uses(own, family)


def _member(family: Published, caller: str) -> str:
    return f"{family.path}/members/projects/{project_of(family.service, caller)}"


def _see_members(own: Service, family: Published, second: Body) -> None:
    """Each member has its last use of any version, in the list, alone, and among what it has."""
    items = {
        item["recipient"]["project"]: item for item in ok(family.owner.get(f"{family.path}/members"))["items"]
    }
    for caller in ("recipient", "other"):
        item = items[project_of(own, caller)]
        assert item["usage"]["last_used_at"] <= second["usage"]["last_used_at"]
        assert item["name"] == caller
        assert ok(family.owner.get(_member(family, caller))) == item
        given = list_all(own, "publisher", "shares", to=project_of(own, caller))
        assert [one["usage"] for one in given if one["kind"] == "family"] == [item["usage"]]
    latest = max(item["usage"]["last_used_at"] for item in items.values())
    assert latest == second["usage"]["last_used_at"]


def _see_own_uses(own: Service, family: Published) -> None:
    """A member is told of its own use, and of nobody else's."""
    usages: dict[str, list[Any]] = {}
    for caller in ("recipient", "other"):
        client = own.client(caller)
        versions = ok(client.get(f"{family.path}/versions"))["items"]
        usages[caller] = [version["usage"] for version in versions]
        assert ok(client.get(f"{family.path}/current"))["usage"] == usages[caller][0]
        assert all(usage.keys() == {"last_used_at"} for usage in usages[caller])
    assert usages["other"][1] == NEVER
    assert usages["recipient"][1] != NEVER
    assert usages["other"][0] != usages["recipient"][0]


def test_the_answer_to_a_write_tells_nothing_of_uses(service: Service) -> None:
    family = Published(service, "usage-of-writes")

    assert family.publish()["usage"] is None
    assert family.act(1, "revoke").json()["usage"] is None
    family.owner.delete(family.path)
