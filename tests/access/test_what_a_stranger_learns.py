"""No list, count, search or error tells a project of images that are hidden from it: what it is answered is
the same, byte by byte, before they come to be and afterwards.

The questions are drawn at random from all that lists are asked, always the same ones. They name hidden images
before these are there, when they are absent.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
from harness.service import Service
from share.ending import end_share

_OCTETS = {"Content-Type": "application/octet-stream"}
_PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
#: What of an answer differs from one request to the next.
_OF_REQUEST = ("date", "x-openstack-request-id", "x-request-id")
_NAMES = ("stranger-web", "stranger-db", "stranger:8", None)
_TAGS = ("stranger", "stranger=1", "stranger=2", "stranger.v")
_PROPERTIES = {
    "__os_type": ("Linux", "Windows"),
    "__support_kvm": ("true", "false"),
    "architecture": ("arm", "x86"),
    "enterprise_project_id": ("0", "e1"),
}
_LISTS = ("/v2/images", "/ims/v2/images", "/ims/v2/cloudimages", "/ims/v1.1/images/detail")
_QUESTIONS = 150
_SEARCHES = 25
_HIDDEN = 16

_Choose = Callable[[], tuple[str, str]]


class Question(NamedTuple):
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None


def test_a_project_is_answered_the_same_whatever_is_hidden_from_it(service: Service) -> None:
    chance = random.Random(7)
    readers = [service.client("other"), service.client("other-reader")]
    world = _World(service, chance)
    visible = world.make_visible()
    hidden = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(_HIDDEN)]
    questions = _draw(chance, service, [*visible, *hidden])

    before = [_answer(reader, one) for reader in readers for one in questions]
    world.make_hidden(hidden)
    after = [_answer(reader, one) for reader in readers for one in questions]

    told = [
        (question, *pair)
        for question, *pair in zip(questions * len(readers), before, after, strict=True)
        if pair[0] != pair[1]
    ]
    assert not told, told[0]
    assert {status for status, _, _ in before} == {200, 400, 403, 404}


def _answer(reader: httpx.Client, asked: Question) -> tuple[int, dict[str, str], bytes]:
    answer = reader.request(
        asked.method,
        asked.path,
        params=asked.query or None,
        json=asked.body,
        headers={"X-Openstack-Request-Id": "req-same"},
    )
    headers = {name: value for name, value in answer.headers.items() if name not in _OF_REQUEST}
    return answer.status_code, headers, answer.content


class _World:
    def __init__(self, service: Service, chance: random.Random) -> None:
        self._service = service
        self._chance = chance
        self._owner, self._stranger = service.client("publisher"), service.client("other")
        self._project = {name: cloud.project_id for name, cloud in service.clouds.items()}

    def make_visible(self) -> list[str]:
        own = [self._make(self._stranger, visibility=one) for one in ("private", "shared", "community")]
        public = self._make(self._service.client("admin"), visibility="public")
        community = self._make(self._owner, visibility="community")
        offered = [self._make(self._owner, visibility="shared") for _ in range(3)]
        for image_id, status in zip(offered, ("pending", "accepted", "rejected"), strict=True):
            self._offer(image_id, status)
        return [*own, public, community, *offered]

    def make_hidden(self, ids: list[str]) -> None:
        """Images of the publisher's: never offered to the stranger, or no more."""
        ends = (self._withdraw, self._leave, self._lapse, self._close, self._delete)
        for number, image_id in enumerate(ids):
            visibility = "shared" if number % 4 else "private"
            self._make(self._owner, id=image_id, visibility=visibility, os_hidden=number % 8 == 0)
            if number % 4 == 0:
                continue
            self._owner.post(f"/v2/images/{image_id}/members", json={"member": self._project["recipient"]})
            if number % 2:
                self._offer(image_id, "accepted" if number % 3 else "pending")
                ends[number // 2 % len(ends)](image_id)
        for member in ("recipient", "other"):
            self._make_family(member)

    def _make(self, client: httpx.Client, **fields: Any) -> str:
        chance = self._chance
        body: dict[str, Any] = {
            "name": chance.choice(_NAMES),
            "disk_format": "raw",
            "container_format": "bare",
            "min_disk": chance.choice((0, 1)),
            "os_hidden": chance.random() < 0.2,
            "tags": chance.sample(_TAGS, 2),
            **{name: chance.choice(values) for name, values in _PROPERTIES.items() if chance.random() < 0.5},
            **fields,
        }
        made = client.post("/v2/images", json=body)
        assert made.status_code == 201, made.text
        if chance.random() < 0.7:
            assert client.put(made.json()["file"], content=b"xxx", headers=_OCTETS).status_code == 204
        return str(made.json()["id"])

    def _offer(self, image_id: str, status: str) -> None:
        stranger = self._project["other"]
        path = f"/v2/images/{image_id}/members"
        assert self._owner.post(path, json={"member": stranger}).status_code == 200
        assert self._stranger.put(f"{path}/{stranger}", json={"status": status}).status_code == 200

    def _withdraw(self, image_id: str) -> None:
        path = f"/v2/images/{image_id}/members/{self._project['other']}"
        assert self._owner.delete(path).status_code == 204

    def _leave(self, image_id: str) -> None:
        left = self._stranger.post("/share/v1/answers", json={"images": [image_id], "answer": "left"})
        assert left.json()["changed"] == 1

    def _lapse(self, image_id: str) -> None:
        end_share(self._service, image_id, self._project["other"])

    def _close(self, image_id: str) -> None:
        change = [{"op": "replace", "path": "/visibility", "value": "private"}]
        assert self._owner.patch(f"/v2/images/{image_id}", json=change, headers=_PATCH).status_code == 200

    def _delete(self, image_id: str) -> None:
        assert self._owner.delete(f"/v2/images/{image_id}").status_code == 204

    def _make_family(self, member: str) -> None:
        """One that the stranger was never asked to join, or that was withdrawn from it."""
        made = self._owner.post("/share/v1/families", json={"name": f"hidden-{uuid.uuid4().hex}"}).json()
        image_id = self._make(self._owner, visibility="private")
        self._owner.put(f"/v2/images/{image_id}/file", content=b"xxx", headers=_OCTETS)
        family = {"families": [made["id"]], "projects": [self._project[member]]}
        assert self._owner.post("/share/v1/offers", json=family).json()["offered"] == 1
        answer = {"families": [made["id"]], "answer": "accepted"}
        assert self._service.client(member).post("/share/v1/answers", json=answer).json()["changed"] == 1
        published = self._owner.post(f"/share/v1/families/{made['id']}/versions", json={"image_id": image_id})
        assert published.status_code == 201, published.text
        if member == "other":
            assert self._owner.post("/share/v1/withdrawals", json=family).json()["withdrawn"] == 1


def _draw(chance: random.Random, service: Service, ids: list[str]) -> list[Question]:
    own, publisher = service.clouds["other"].project_id, service.clouds["publisher"].project_id
    lists = [
        Question(
            "GET",
            chance.choice(_LISTS),
            tuple(chance.choice(_filters(chance, own, publisher, ids))() for _ in range(chance.randrange(5))),
        )
        for _ in range(_QUESTIONS)
    ]
    paths = [
        "/v2/info/usage",
        "/ims/v1/cloudimages/quota",
        "/ims/v1/cloudimages/tags",
        f"/ims/v2/{own}/images/tags",
        "/share/v1/inbox",
        "/share/v1/inbox?status=accepted",
        f"/share/v1/inbox?status=rejected&from={publisher}",
        "/share/v1/inbox?status=accepted&through=domain",
        "/share/v1/inbox/summary",
        "/share/v1/families",
        f"/share/v1/families?owner={publisher}",
        f"/share/v1/shares?to={publisher}",
        "/share/v1/recipients",
        f"/share/v1/publishers/{publisher}",
    ]
    searches = [
        Question("POST", f"/ims/v2/{own}/images/resource_instances/action", (), _search(chance))
        for _ in range(_SEARCHES)
    ]
    shown = [
        Question("GET", path.format(id=one))
        for one in ids
        for path in ("/v2/images/{id}", "/v2/images/{id}/members", "/share/v1/inbox/images/{id}")
    ]
    return [*lists, *(Question("GET", path) for path in paths), *searches, *shown]


def _filters(chance: random.Random, own: str, publisher: str, ids: list[str]) -> list[_Choose]:
    fixed: dict[str, tuple[str, ...]] = {
        "visibility": ("public", "private", "shared", "community", "all"),
        "member_status": ("pending", "accepted", "rejected", "all"),
        "owner": (own, publisher),
        "tag": (*_TAGS, "stranger.1"),
        "name": ("stranger-web", "in:stranger-web,stranger-db", "stranger:8"),
        "id": tuple(ids),
        "marker": tuple(ids),
        "status": ("active", "queued", "in:active,queued"),
        "os_hidden": ("true", "false"),
        "size_min": ("0", "3", "4"),
        "size_max": ("0", "3", "4"),
        "min_disk": ("0", "1"),
        "__imagetype": ("gold", "private", "shared", "market"),
        "limit": ("1", "2", "1000"),
        "sort": ("name:asc", "name:desc", "size:asc,id:desc", "status", "updated_at:asc"),
        "sort_key": ("name", "size", "created_at"),
        "sort_dir": ("asc", "desc"),
        "updated_at": ("gt:2020-01-01", "lt:2020-01-01"),
        **_PROPERTIES,
    }
    several: _Choose = lambda: ("id", f"in:{','.join(chance.sample(ids, 6))}")  # noqa: E731
    return [several, *(_one_of(chance, name, values) for name, values in fixed.items())]


def _one_of(chance: random.Random, name: str, values: tuple[str, ...]) -> _Choose:
    return lambda: (name, chance.choice(values))


def _search(chance: random.Random) -> dict[str, Any]:
    search: dict[str, Any] = {"action": chance.choice(("filter", "count"))}
    for name in ("tags", "tags_any", "not_tags", "not_tags_any"):
        if chance.random() < 0.4:
            search[name] = [{"key": "stranger", "values": chance.sample(("1", "2", "v"), 2)}]
    if chance.random() < 0.3:
        search["matches"] = [{"key": "resource_name", "value": "stranger-web"}]
    return search
