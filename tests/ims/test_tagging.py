"""Tags of the IMS API: of one image, of many, and images found by them.

The contract is docs/ims.md (Tags) and the IMS reference, 1.9 and 2.4.
"""

import functools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from harness.databases import over_one_database
from harness.service import Service
from sharing_calls import UNKNOWN_ID, answer, create_image, message_of, project_of, refusal, share

TEN = [f"key{number}" for number in range(10)]
TWELVE = [*TEN, "x", "y"]
NOT_A_BODY = [b"", b"{", b"[]", b'"x"', b"1", b"null", b"\xff", b'{"tags": ["\\ud800"]}']
INVALID_TAG = (400, "IMG.0115")
MALFORMED = (400, "IMG.0001")
UNKNOWN_IMAGE = (404, "IMG.0027")
UNKNOWN_TAG = (404, "IMG.9010")
FULL = (413, "IMG.0116")


def escape(value: str) -> str:
    return quote(value, safe="")


def send(
    service: Service, method: str, path: str, body: object = None, caller: str | None = "publisher"
) -> httpx.Response:
    """Bytes go as they are, None as no body, all else as JSON of ASCII."""
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    return service.client(caller).request(method, path, content=content)


def done(response: httpx.Response) -> None:
    assert (response.status_code, response.content) == (204, b""), response.text


def native_path(image_id: str, tag: str) -> str:
    return f"/ims/v2/images/{image_id}/tags/{escape(tag)}"


def tags_path(service: Service, image_id: str, rest: str = "", caller: str = "publisher") -> str:
    return f"/v2/{project_of(service, caller)}/images/{image_id}/tags{rest}"


def batch_delete_path(service: Service, image_id: str, caller: str = "publisher") -> str:
    return f"/v1/{project_of(service, caller)}/cloudimages/{image_id}/tags/delete"


def create_shared_image(service: Service, status: str, *tags: str) -> str:
    """The id of an image of the publisher's, offered to the recipient, who answered so."""
    image_id = create_image(service, tags=list(tags))
    share(service, image_id)
    if status != "pending":
        answer(service, status, image_id)
    return image_id


def kept(service: Service, image_id: str) -> list[str]:
    """The image's tags as OpenStack clients see them."""
    response = service.client("admin").get(f"/v2/images/{image_id}")
    assert response.status_code == 200, response.text
    return list(response.json()["tags"])


def pair(key: str, value: str = "") -> dict[str, str]:
    return {"key": key, "value": value}


# ---- one tag by the native calls


def test_a_native_tag_is_a_key(service: Service) -> None:
    image_id = create_image(service)

    done(send(service, "PUT", native_path(image_id, "dark_Blue-1")))

    assert kept(service, image_id) == ["dark_Blue-1"]


@pytest.mark.parametrize("before", ["blue", "blue=1", "blue.1"])
def test_a_native_tag_takes_the_place_of_its_key(service: Service, before: str) -> None:
    image_id = create_image(service, tags=["Blue", before])

    done(send(service, "PUT", native_path(image_id, "blue")))

    assert kept(service, image_id) == ["Blue", "blue"]


@pytest.mark.parametrize("tag", ["a b", "a.b", "a=b", "é", "a" * 256, "a:b"], ids=lambda tag: repr(tag)[:20])
def test_a_native_tag_of_other_characters_or_lengths_is_refused(service: Service, tag: str) -> None:
    image_id = create_image(service)

    response = send(service, "PUT", native_path(image_id, tag))

    assert refusal(response) == INVALID_TAG
    assert kept(service, image_id) == []


def test_the_openstack_call_keeps_its_own_rules(service: Service) -> None:
    image_id = create_image(service, tags=TEN)

    done(send(service, "PUT", f"/v2/images/{image_id}/tags/a.b"))
    done(send(service, "PUT", f"/v2/images/{image_id}/tags/a"))

    assert kept(service, image_id) == ["a", "a.b", *TEN]


@pytest.mark.parametrize("tag", ["blue", "blue=1", "22.04 LTS"])
@pytest.mark.parametrize("before", ["{}", "{}=1", "{}.1"])
def test_a_native_tag_is_removed_by_its_key_or_as_it_is_written(
    service: Service, tag: str, before: str
) -> None:
    image_id = create_image(service, tags=["other", before.format(tag) if tag == "blue" else tag])

    done(send(service, "DELETE", native_path(image_id, tag)))

    assert kept(service, image_id) == ["other"]


def test_a_native_tag_that_is_not_there_is_not_found(service: Service) -> None:
    image_id = create_image(service, tags=["blue"])

    response = send(service, "DELETE", native_path(image_id, "Blue"))

    assert refusal(response) == UNKNOWN_TAG


# ---- one tag by the extension


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        ({"tag": "aaaa.1111"}, "aaaa=1111"),
        ({"tag": "aaaa=1111"}, "aaaa=1111"),
        ({"tag": " aaaa = 1111 "}, "aaaa=1111"),
        ({"tag": "aaaa"}, "aaaa"),
        ({"tag": "aaaa."}, "aaaa"),
        ({"tag": "aaaa", "image_tag": None}, "aaaa"),
        ({"image_tag": pair("aaaa", "1111")}, "aaaa=1111"),
        ({"image_tag": pair("aaaa")}, "aaaa"),
        ({"image_tag": {"key": "aaaa"}}, "aaaa"),
        ({"image_tag": pair("a" * 36, "1" * 43)}, f"{'a' * 36}={'1' * 43}"),
    ],
)
def test_the_extension_takes_a_tag_as_text_or_as_a_pair(
    service: Service, given: dict[str, Any], tag: str
) -> None:
    image_id = create_image(service)

    done(send(service, "PUT", "/v1/cloudimages/tags", {"image_id": image_id} | given))

    assert kept(service, image_id) == [tag]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"tag": None},
        {"tag": "a", "image_tag": pair("a")},
        {"tag": ""},
        {"tag": "a b"},
        {"tag": "a.b.c"},
        {"tag": f"{'a' * 37}.b"},
        {"tag": f"a.{'b' * 44}"},
        {"image_tag": []},
        {"image_tag": {}},
        {"image_tag": pair("")},
        {"image_tag": pair("a.b", "c")},
        {"image_tag": {"key": 1, "value": "a"}},
        {"image_tag": {"key": "a", "value": 1}},
    ],
    ids=str,
)
def test_the_extension_refuses_what_is_no_tag(service: Service, given: dict[str, Any]) -> None:
    image_id = create_image(service)

    response = send(service, "PUT", "/v1/cloudimages/tags", {"image_id": image_id} | given)

    assert refusal(response) == INVALID_TAG
    assert "tag" in message_of(response)
    assert kept(service, image_id) == []


@pytest.mark.parametrize("image_id", [None, 1, "", "a/b", "a\0b", "a" * 300, [], "\N{GRINNING FACE}"])
def test_the_extension_refuses_what_is_no_id(service: Service, image_id: object) -> None:
    response = send(service, "PUT", "/v1/cloudimages/tags", {"image_id": image_id, "tag": "a.b"})

    assert refusal(response) == MALFORMED
    assert message_of(response).startswith("image_id")


def test_a_tag_as_no_text_is_refused(service: Service) -> None:
    response = send(service, "PUT", "/v1/cloudimages/tags", {"image_id": UNKNOWN_ID, "tag": 1})

    assert refusal(response) == MALFORMED


# ---- one tag by its pair


@pytest.mark.parametrize("before", ["key", "key=old", "key.old", "key=new"])
def test_tagging_with_a_key_that_is_there_replaces_its_value(service: Service, before: str) -> None:
    image_id = create_image(service, tags=["Key=old", before])

    done(send(service, "POST", tags_path(service, image_id), {"tag": pair("key", "new")}))

    assert kept(service, image_id) == ["Key=old", "key=new"]


@pytest.mark.parametrize("given", [None, "a.b", [], {}, pair(""), pair("é"), pair("a", "b c")], ids=str)
def test_tagging_with_what_is_no_pair_is_refused(service: Service, given: object) -> None:
    image_id = create_image(service)

    response = send(service, "POST", tags_path(service, image_id), {"tag": given})

    assert refusal(response) == INVALID_TAG
    assert message_of(response).startswith("tag")


@pytest.mark.parametrize("before", ["key", "key=1", "key.1", "key="])
def test_a_tag_is_removed_by_its_key(service: Service, before: str) -> None:
    image_id = create_image(service, tags=[before, "keys", "Key=1"])

    done(send(service, "DELETE", tags_path(service, image_id, "/key")))

    assert kept(service, image_id) == ["Key=1", "keys"]


@pytest.mark.parametrize("key", ["a b", "é", "100%", "action", "a" * 255], ids=lambda key: repr(key)[:20])
def test_a_key_that_came_otherwise_can_be_removed(service: Service, key: str) -> None:
    image_id = create_image(service, tags=[key])

    done(send(service, "DELETE", tags_path(service, image_id, f"/{escape(key)}")))

    assert kept(service, image_id) == []


@pytest.mark.parametrize("key", ["Key", "1", "action", "a" * 300])
def test_a_key_that_is_not_there_is_not_found(service: Service, key: str) -> None:
    image_id = create_image(service, tags=["key=1"])

    response = send(service, "DELETE", tags_path(service, image_id, f"/{key}"))

    assert refusal(response) == UNKNOWN_TAG


# ---- several tags at once


def test_several_tags_are_put_at_once(service: Service) -> None:
    image_id = create_image(service, tags=["a=old", "z"])
    tags = [pair("a", "new"), pair("b"), pair(" c ", " 1 ")]

    body = {"action": "create", "tags": tags}
    done(send(service, "POST", tags_path(service, image_id, "/action"), body))

    assert kept(service, image_id) == ["a=new", "b", "c=1", "z"]


def test_several_tags_are_removed_at_once(service: Service) -> None:
    """A value, where one is given, must fit; without one the key goes whatever its value is."""
    image_id = create_image(service, tags=["a=1", "b=1", "c.1", "d=1", "e f", "z"])
    tags = [
        pair("a", "1"),
        pair("b", "2"),
        pair("c"),
        {"key": "d"},
        {"key": "e f", "value": None},
        pair("no"),
    ]

    body = {"action": "delete", "tags": tags}
    done(send(service, "POST", tags_path(service, image_id, "/action"), body))

    assert kept(service, image_id) == ["b=1", "z"]


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_the_extension_removes_several_tags_at_once(service: Service, method: str) -> None:
    image_id = create_image(service, tags=["a=1", "b=1", "z"])
    body = {"tags": [pair("a", "1"), pair("b"), pair("no")]}

    done(send(service, method, batch_delete_path(service, image_id), body))

    assert kept(service, image_id) == ["z"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"tags": [pair("a")]}, MALFORMED),
        ({"action": "Create", "tags": [pair("a")]}, MALFORMED),
        ({"action": ["create"], "tags": [pair("a")]}, MALFORMED),
        ({"action": "create", "tags": {"key": "a"}}, MALFORMED),
        ({"action": "create"}, INVALID_TAG),
        ({"action": "create", "tags": []}, INVALID_TAG),
        ({"action": "create", "tags": ["a"]}, INVALID_TAG),
        ({"action": "create", "tags": [pair("a"), pair("a", "1")]}, INVALID_TAG),
        ({"action": "create", "tags": [pair("a"), pair(" a ")]}, INVALID_TAG),
        ({"action": "create", "tags": [pair("a"), pair("b.c")]}, INVALID_TAG),
        ({"action": "delete", "tags": []}, INVALID_TAG),
        ({"action": "delete", "tags": [pair("z"), pair("z", "1")]}, INVALID_TAG),
        ({"action": "delete", "tags": [pair("z"), pair("")]}, INVALID_TAG),
        ({"action": "delete", "tags": [pair("z"), pair("k" * 128)]}, INVALID_TAG),
        ({"action": "delete", "tags": [pair("z"), pair("k", "v" * 256)]}, INVALID_TAG),
    ],
    ids=str,
)
def test_a_batch_with_something_wrong_in_it_changes_nothing(
    service: Service, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    image_id = create_image(service, tags=["z"])

    response = send(service, "POST", tags_path(service, image_id, "/action"), body)

    assert refusal(response) == expected
    assert kept(service, image_id) == ["z"]


def test_what_is_wrong_in_a_batch_is_named(service: Service) -> None:
    body = {"action": "create", "tags": [pair("a"), pair("b.c")]}

    response = send(service, "POST", tags_path(service, UNKNOWN_ID, "/action"), body)

    assert message_of(response).startswith("tags[1]: ")


# ---- how many tags


@pytest.mark.parametrize("before", [TEN, TWELVE], ids=len)
def test_one_tag_too_many_is_refused(service: Service, before: list[str]) -> None:
    image_id = create_image(service, tags=before)
    path = tags_path(service, image_id)

    answers = [
        refusal(send(service, "PUT", native_path(image_id, "new"))),
        refusal(send(service, "POST", path, {"tag": pair("new")})),
        refusal(send(service, "POST", f"{path}/action", {"action": "create", "tags": [pair("new")]})),
    ]
    by_extension = send(service, "PUT", "/v1/cloudimages/tags", {"image_id": image_id, "tag": "new"})

    assert answers == [FULL, FULL, FULL]
    assert refusal(by_extension) == (400, "IMG.0116")
    assert kept(service, image_id) == before


def test_a_tag_of_an_image_that_has_too_many_can_be_replaced(service: Service) -> None:
    image_id = create_image(service, tags=TWELVE)

    done(send(service, "POST", tags_path(service, image_id), {"tag": pair("x", "1")}))

    assert kept(service, image_id) == [*TEN, "x=1", "y"]


def test_an_image_that_has_too_many_tags_can_lose_some(service: Service) -> None:
    image_id = create_image(service, tags=TWELVE)

    done(send(service, "DELETE", tags_path(service, image_id, "/x")))

    assert kept(service, image_id) == [*TEN, "y"]


def test_of_twenty_who_tag_an_image_at_once_ten_succeed(service: Service) -> None:
    image_id = create_image(service)
    path = tags_path(service, image_id)

    def tag(number: int) -> int:
        return send(service, "POST", path, {"tag": pair(f"key{number}", str(number))}).status_code

    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(tag, range(20)))

    put = [number for number, status in enumerate(statuses) if status == 204]
    assert sorted(statuses) == [204] * 10 + [413] * 10
    assert kept(service, image_id) == sorted(f"key{number}={number}" for number in put)


# ---- who may


Call = Callable[[Service, str, str], httpx.Response]  # of the service, the caller and the image

WRITES: dict[str, Call] = {
    "add_tag": lambda service, caller, image: send(service, "PUT", native_path(image, "key"), caller=caller),
    "remove_tag": lambda service, caller, image: send(
        service, "DELETE", native_path(image, "key"), caller=caller
    ),
    "put_image_tag": lambda service, caller, image: send(
        service, "POST", tags_path(service, image, caller=caller), {"tag": pair("key", "1")}, caller
    ),
    "remove_tag_by_key": lambda service, caller, image: send(
        service, "DELETE", tags_path(service, image, "/key", caller), caller=caller
    ),
    "change_tags": lambda service, caller, image: send(
        service,
        "POST",
        tags_path(service, image, "/action", caller),
        {"action": "delete", "tags": [pair("key")]},
        caller,
    ),
}
EXTENSION_WRITES: dict[str, Call] = {
    "put_tag": lambda service, caller, image: send(
        service, "PUT", "/v1/cloudimages/tags", {"image_id": image, "tag": "key.1"}, caller
    ),
    "remove_image_tags": lambda service, caller, image: send(
        service, "DELETE", batch_delete_path(service, image, caller), {"tags": [pair("key")]}, caller
    ),
}
ALL_WRITES = WRITES | EXTENSION_WRITES


@pytest.mark.parametrize("call", ALL_WRITES)
@pytest.mark.parametrize("caller", ["publisher-manager", "admin"])
def test_the_owners_members_and_admins_change_tags(service: Service, caller: str, call: str) -> None:
    image_id = create_image(service, tags=["key"])

    done(ALL_WRITES[call](service, caller, image_id))


@pytest.mark.parametrize("call", ALL_WRITES)
def test_a_reader_changes_no_tags(service: Service, call: str) -> None:
    image_id = create_image(service, tags=["key"])

    response = ALL_WRITES[call](service, "publisher-reader", image_id)

    assert refusal(response) == (403, "IMG.0026")
    assert kept(service, image_id) == ["key"]


@pytest.mark.parametrize("call", ALL_WRITES)
def test_a_recipient_changes_no_tags(service: Service, call: str) -> None:
    image_id = create_shared_image(service, "accepted", "key")

    response = ALL_WRITES[call](service, "recipient", image_id)

    assert refusal(response) == (403 if call in WRITES else 400, "IMG.0047")
    assert kept(service, image_id) == ["key"]


@pytest.mark.parametrize("call", ALL_WRITES)
def test_a_hidden_image_and_an_absent_one_look_alike(service: Service, call: str) -> None:
    image_id = create_image(service, tags=["key"])

    hidden = ALL_WRITES[call](service, "other", image_id)
    absent = ALL_WRITES[call](service, "other", UNKNOWN_ID)

    assert refusal(hidden) == refusal(absent) == (404 if call in WRITES else 400, "IMG.0027")
    assert message_of(hidden).replace(image_id, UNKNOWN_ID) == message_of(absent)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v2/{}/images/tags", None),
        ("GET", f"/v2/{{}}/images/{UNKNOWN_ID}/tags", None),
        ("POST", f"/v2/{{}}/images/{UNKNOWN_ID}/tags", {"tag": pair("key")}),
        ("POST", f"/v2/{{}}/images/{UNKNOWN_ID}/tags/action", {"action": "create", "tags": [pair("key")]}),
        ("DELETE", f"/v2/{{}}/images/{UNKNOWN_ID}/tags/key", None),
        ("POST", "/v2/{}/images/resource_instances/action", {"action": "count"}),
        ("DELETE", f"/v1/{{}}/cloudimages/{UNKNOWN_ID}/tags/delete", {"tags": [pair("key")]}),
    ],
)
def test_the_project_of_the_path_is_the_callers_own(
    service: Service, method: str, path: str, body: object
) -> None:
    response = send(service, method, path.format(project_of(service, "recipient")), body)

    assert refusal(response) == (400, "IMG.0030")


@over_one_database
@pytest.mark.parametrize("body", NOT_A_BODY)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/cloudimages/tags"),
        ("POST", f"/v2/{{}}/images/{UNKNOWN_ID}/tags"),
        ("POST", f"/v2/{{}}/images/{UNKNOWN_ID}/tags/action"),
        ("POST", "/v2/{}/images/resource_instances/action"),
        ("DELETE", f"/v1/{{}}/cloudimages/{UNKNOWN_ID}/tags/delete"),
    ],
)
def test_what_is_no_object_is_refused(service: Service, method: str, path: str, body: bytes) -> None:
    response = send(service, method, path.format(project_of(service, "publisher")), body)

    assert refusal(response) == (400, "IMG.0007" if not body else "IMG.0001")


# ---- the tags of one image


def test_the_tags_of_an_image_are_pairs_in_order(service: Service) -> None:
    image_id = create_image(service, tags=["b.2", "b=2", "a", "c=x=y", "B"])

    response = send(service, "GET", tags_path(service, image_id))

    assert response.status_code == 200
    assert response.json() == {"tags": [pair("B"), pair("a"), pair("b", "2"), pair("c", "x=y")]}


def test_an_image_without_tags_has_an_empty_list(service: Service) -> None:
    assert send(service, "GET", tags_path(service, create_image(service))).json() == {"tags": []}


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
@pytest.mark.parametrize("caller", ["recipient", "recipient-reader"])
def test_a_recipient_sees_the_tags(service: Service, caller: str, status: str) -> None:
    image_id = create_shared_image(service, status, "a=1")

    response = send(service, "GET", tags_path(service, image_id, caller=caller), caller=caller)

    assert response.json() == {"tags": [pair("a", "1")]}


def test_the_tags_of_a_hidden_image_are_not_seen(service: Service) -> None:
    image_id = create_image(service, tags=["a=1"])

    response = send(service, "GET", tags_path(service, image_id, caller="other"), caller="other")

    assert refusal(response) == UNKNOWN_IMAGE


# ---- the tags of a list


def list_tags(service: Service, query: str, caller: str = "publisher") -> list[str]:
    response = send(service, "GET", f"/v1/cloudimages/tags?{query}", caller=caller)
    assert response.status_code == 200, response.text
    return list(response.json()["tags"])


def test_the_tags_of_a_list_are_those_of_the_images_that_it_finds(service: Service) -> None:
    name = f"name-{uuid4()}"
    create_image(service, name=name, tags=["jjjj.11111", "test"])
    create_image(service, name=name, tags=["test", "a=b"])
    create_image(service, name=f"{name}-other", tags=["elsewhere"])

    assert list_tags(service, f"name={name}") == ["a=b", "jjjj.11111", "test"]


@pytest.mark.parametrize("query", ["tag=key=1", "tag=key", "tag=key.1"])
@pytest.mark.parametrize("tag", ["key=1", "key.1"])
def test_a_list_is_filtered_by_a_key_or_a_pair(service: Service, tag: str, query: str) -> None:
    name = f"name-{uuid4()}"
    create_image(service, name=name, tags=[tag, "hit"])
    create_image(service, name=name, tags=["Key=1", "keys=1", "1", "miss"])

    assert list_tags(service, f"name={name}&{query}") == sorted([tag, "hit"])


def test_a_pair_in_a_filter_does_not_find_other_values(service: Service) -> None:
    image_id = create_image(service, tags=["key=12", "key2=1"])

    assert list_tags(service, f"id={image_id}&tag=key=1") == []


def test_tags_come_in_pages(service: Service) -> None:
    image_id = create_image(service, tags=TEN)

    pages = [list_tags(service, f"id={image_id}&limit=4&page={page}") for page in (1, 2, 3, 4)]

    assert pages == [TEN[:4], TEN[4:8], TEN[8:], []]


@pytest.mark.parametrize("caller", ["recipient", "other"])
def test_the_tags_of_a_list_are_of_what_the_caller_sees(service: Service, caller: str) -> None:
    image_id = create_shared_image(service, "accepted", "a=1")

    assert list_tags(service, f"id={image_id}", caller) == (["a=1"] if caller == "recipient" else [])


@over_one_database
@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=x", "limit=-1", "limit="),
        *("page=0", "page=x", "page=-1", "page=", "page=1.0", f"page={'9' * 400}", "page=%D9%A3"),
        *("tag=", "name=%00", "min_ram=x", "created_at=x", "visibility=x"),
    ],
)
def test_what_a_list_of_tags_does_not_take_is_refused(service: Service, query: str) -> None:
    response = send(service, "GET", f"/v1/cloudimages/tags?{query}")

    assert refusal(response) == (400, "IMG.0017")


# ---- the tags of a project, and images by their tags


class Project(NamedTuple):
    """A project whose images nobody but one test makes."""

    service: Service
    caller: str

    def make(self, name: str, *tags: str, **fields: object) -> str:
        return create_image(self.service, self.caller, name=name, tags=list(tags), **fields)

    def path(self, rest: str) -> str:
        return f"/v2/{project_of(self.service, self.caller)}/images/{rest}"

    def send(self, body: object) -> httpx.Response:
        return send(self.service, "POST", self.path("resource_instances/action"), body, self.caller)

    def names(self, **conditions: object) -> list[str]:
        """The names of the images that are found, oldest first; how many are counted must fit."""
        body = {"limit": "1000", **conditions}
        found, counted = self.send({"action": "filter", **body}), self.send({"action": "count", **body})
        assert found.status_code == 200, found.text
        names = [resource["resource_name"] for resource in found.json()["resources"]]
        assert counted.json() == {"total_count": len(names)}
        assert found.json()["total_count"] == len(names)
        return names[::-1]


def new_project(service: Service) -> Project:
    name = f"tagger-{uuid4().hex[:8]}"
    service.add_user(name, name, "member")
    return Project(service, name)


@functools.cache
def tagged_images(service: Service) -> Project:
    """A project with images to be found; nobody changes them."""
    project = new_project(service)
    project.make("a1", "a=1")
    project.make("a1-legacy", "a.1", "b")
    project.make("a2-b", "a=2", "b=x")
    project.make("A1", "A=1")
    project.make("bare")
    project.make("hidden-bare", os_hidden=True)
    return project


ALL = ["a1", "a1-legacy", "a2-b", "A1", "bare", "hidden-bare"]


def sought(key: str, *values: str) -> dict[str, object]:
    return {"key": key, "values": list(values)}


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ({}, ALL),
        ({"tags": [], "matches": [], "not_tags": None, "without_any_tag": False}, ALL),
        ({"tags": [sought("a", "1")]}, ["a1", "a1-legacy"]),
        ({"tags": [sought("a")]}, ["a1", "a1-legacy", "a2-b"]),
        ({"tags": [{"key": "a"}]}, ["a1", "a1-legacy", "a2-b"]),
        ({"tags": [sought("a", "1", "2")]}, ["a1", "a1-legacy", "a2-b"]),
        ({"tags": [sought("a", "1", "2"), sought("b")]}, ["a1-legacy", "a2-b"]),
        ({"tags": [sought("b", "")]}, ["a1-legacy"]),
        ({"tags": [sought("c")]}, []),
        ({"tags_any": [sought("a", "2"), sought("A")]}, ["a2-b", "A1"]),
        ({"not_tags": [sought("a"), sought("b")]}, ["a1", "A1", "bare", "hidden-bare"]),
        ({"not_tags_any": [sought("a", "1"), sought("b")]}, ["A1", "bare", "hidden-bare"]),
        ({"tags": [sought("a")], "not_tags_any": [sought("b")]}, ["a1"]),
        ({"tags_any": [sought("a"), sought("A")], "not_tags": [sought("a", "1")]}, ["a2-b", "A1"]),
        ({"without_any_tag": True}, ["bare", "hidden-bare"]),
        ({"without_any_tag": True, "tags": [sought("a")]}, ["bare", "hidden-bare"]),
        ({"matches": [{"key": "resource_name", "value": "bare"}]}, ["bare", "hidden-bare"]),
        ({"matches": [{"key": "resource_name", "value": "a1"}]}, ["a1", "a1-legacy"]),
        ({"matches": [{"key": "resource_name", "value": "%"}]}, []),
        ({"matches": [{"key": "resource_name", "value": ""}]}, []),
        ({"matches": [{"key": "resource_id", "value": UNKNOWN_ID}]}, []),
        ({"tags": [sought("b")], "matches": [{"key": "resource_name", "value": "legacy"}]}, ["a1-legacy"]),
    ],
    ids=str,
)
def test_images_are_found_by_their_tags(
    service: Service, conditions: dict[str, object], names: list[str]
) -> None:
    assert tagged_images(service).names(**conditions) == names


def test_an_image_without_a_name_is_found_by_that(service: Service) -> None:
    project = new_project(service)
    create_image(service, project.caller)
    create_image(service, project.caller, name="")
    project.make("named")

    assert project.names(matches=[{"key": "resource_name", "value": ""}]) == ["", ""]


def test_an_image_is_found_by_its_id(service: Service) -> None:
    project = new_project(service)
    image_id = project.make("one", "a=1", "b")
    project.make("two")

    response = project.send({"action": "filter", "matches": [{"key": "resource_id", "value": image_id}]})

    assert response.json() == {
        "resources": [
            {
                "resource_id": image_id,
                "resource_name": "one",
                "resource_detail": {"status": "queued"},
                "tags": [pair("a", "1"), pair("b")],
            }
        ],
        "total_count": 1,
    }


def test_an_image_is_found_with_the_status_it_is_shown_with(service: Service) -> None:
    project = new_project(service)
    image_id = project.make("staged", "a")
    client, headers = service.client(project.caller), {"Content-Type": "application/octet-stream"}
    client.put(f"/v2/images/{image_id}/stage", content=b"0123456789", headers=headers).raise_for_status()

    (resource,) = project.send({"action": "filter"}).json()["resources"]

    assert resource["resource_detail"] == {"status": "saving"}


def test_images_come_in_pages_newest_first(service: Service) -> None:
    project = new_project(service)
    ids = [project.make(str(number), "a") for number in range(12)][::-1]
    by_tag = {"action": "filter", "tags": [sought("a")]}

    def page(**given: str) -> list[str]:
        answer = project.send(by_tag | given).json()
        assert answer["total_count"] == 12
        return [resource["resource_id"] for resource in answer["resources"]]

    assert page() == ids[:10]
    assert page(limit="5", offset="5") == ids[5:10]
    assert page(offset="10") == ids[10:]
    assert page(offset="12") == []


def test_a_count_does_not_look_at_limit_and_offset(service: Service) -> None:
    response = tagged_images(service).send({"action": "count", "limit": "x", "offset": "-1"})

    assert response.json() == {"total_count": len(ALL)}


MANY = [sought(f"k{number}") for number in range(11)]


@over_one_database
@pytest.mark.parametrize("name", ["tags", "tags_any", "not_tags", "not_tags_any"])
@pytest.mark.parametrize(
    "entries",
    [
        ["a"],
        [{}],
        [{"key": 1}],
        [{"key": "a", "values": "1"}],
        [{"key": "a", "values": [1]}],
        [sought("")],
        [sought("a" * 129)],
        [sought("a", "v" * 256)],
        [sought("a", "1", "1")],
        [sought("a", *map(str, range(11)))],
        [sought("a", "1"), sought("a", "2")],
        MANY,
    ],
    ids=lambda entries: str(entries)[:60],
)
def test_what_no_search_takes_is_refused(service: Service, name: str, entries: list[object]) -> None:
    response = tagged_images(service).send({"action": "count", name: entries})

    assert refusal(response) == INVALID_TAG
    assert message_of(response).startswith(name)


@over_one_database
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "Filter"},
        {"action": None},
        {"action": ["filter"]},
        {"action": "filter", "limit": "0"},
        {"action": "filter", "limit": "1001"},
        {"action": "filter", "limit": "x"},
        {"action": "filter", "limit": ""},
        {"action": "filter", "limit": []},
        {"action": "filter", "offset": "-1"},
        {"action": "filter", "offset": "9" * 5000},
        {"action": "filter", "offset": "٣"},
        {"action": "count", "tags": {"key": "a"}},
        {"action": "count", "tags": "a"},
        {"action": "count", "tags": [sought("a\0b")]},
        {"action": "count", "tags": [sought("a", "\N{GRINNING FACE}")]},
        {"action": "count", "without_any_tag": "true"},
        {"action": "count", "matches": [{"key": "name", "value": "x"}]},
        {"action": "count", "matches": [{"key": "resource_name", "value": "x" * 256}]},
        {"action": "count", "matches": [{"key": "resource_name", "value": "a\0b"}]},
        {"action": "count", "matches": [{"key": "resource_id", "value": "\ud800"}]},
    ],
    ids=lambda body: str(body)[:60].encode("unicode_escape").decode(),
)
def test_a_search_with_something_malformed_in_it_is_refused(service: Service, body: dict[str, Any]) -> None:
    assert refusal(tagged_images(service).send(body)) == MALFORMED


def test_a_key_that_is_matched_must_not_come_twice(service: Service) -> None:
    twice = [{"key": "resource_name", "value": "a"}, {"key": "resource_name", "value": "b"}]

    assert refusal(tagged_images(service).send({"action": "count", "matches": twice})) == INVALID_TAG


def test_the_tags_of_a_project_are_its_keys_with_their_values(service: Service) -> None:
    project = tagged_images(service)

    response = send(service, "GET", project.path("tags"), caller=project.caller)

    assert response.json() == {
        "tags": [
            {"key": "A", "values": ["1"]},
            {"key": "a", "values": ["1", "2"]},
            {"key": "b", "values": ["", "x"]},
        ]
    }


def test_what_was_shared_with_a_project_is_not_among_its_own(service: Service) -> None:
    key = f"key-{uuid4()}"[:36]
    create_shared_image(service, "accepted", f"{key}=1")
    recipient = Project(service, "recipient")

    response = send(service, "GET", recipient.path("tags"), caller="recipient")

    assert key not in [tag["key"] for tag in response.json()["tags"]]
    assert recipient.names(tags=[sought(key)]) == []


def test_a_reader_sees_the_tags_of_its_project(service: Service) -> None:
    create_image(service, tags=["seen=1"])
    reader = Project(service, "publisher-reader")

    assert send(service, "GET", reader.path("tags"), caller=reader.caller).status_code == 200
    assert reader.send({"action": "count"}).status_code == 200
    assert send(service, "GET", "/v1/cloudimages/tags", caller=reader.caller).status_code == 200
