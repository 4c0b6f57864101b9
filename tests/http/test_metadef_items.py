"""What namespaces hold: objects, properties, tags, associations (images-v2, 7.3)."""

from typing import Any

import httpx
import pytest
from definitions import ITEMS, NAMESPACES, PROPERTY, add_item, create_namespace, names_of, shown
from harness.databases import over_one_database
from harness.service import Service
from images import EMOJI, explanation

KINDS = list(ITEMS)
WITH_ITEM_CALLS = ["objects", "properties", "tags"]
NEW: dict[str, dict[str, Any]] = {
    "objects": {"name": "new", "properties": {"q": PROPERTY}},
    "properties": {"name": "new", "title": "New", "type": "integer"},
    "tags": {"name": "new"},
}
READERS = ["publisher-reader", "publisher-manager"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_added_is_listed_and_given_once(service: Service, kind: str) -> None:
    path, admin = create_namespace(service), service.client("admin")

    first, second = add_item(admin, path, kind, "it"), add_item(admin, path, kind, "it")

    assert (first.status_code, second.status_code) == (201, 409)
    assert first.json()["name"] == "it"
    assert "name=it already exists" in explanation(second)
    assert names_of(service.client("publisher-reader"), path, kind) == ["it"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_namespace_that_holds_nothing_has_empty_lists(service: Service, kind: str) -> None:
    assert names_of(service.client("publisher"), create_namespace(service), kind) == []


@pytest.mark.parametrize("kind", WITH_ITEM_CALLS)
def test_an_item_is_shown_replaced_renamed_and_deleted(service: Service, kind: str) -> None:
    path, admin = create_namespace(service), service.client("admin")
    add_item(admin, path, kind, "it")

    before = shown(service.client("publisher-reader"), f"{path}/{kind}/it")
    changed = admin.put(f"{path}/{kind}/it", json=NEW[kind])
    after = shown(service.client("publisher-reader"), f"{path}/{kind}/new")
    deleted = admin.delete(f"{path}/{kind}/new")

    sent = {**(ITEMS[kind] or {}), "name": "it"}
    assert before.items() >= sent.items()
    assert changed.status_code == 200
    assert changed.json().items() <= after.items()
    assert after.items() >= NEW[kind].items()
    assert not {"description", "enum"} & set(after)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method in ("GET", "PUT", "DELETE"):
        gone = admin.request(method, f"{path}/{kind}/it", json=NEW[kind] if method == "PUT" else None)
        assert gone.status_code == 404


@pytest.mark.parametrize("kind", WITH_ITEM_CALLS)
def test_an_item_is_not_renamed_to_a_taken_name(service: Service, kind: str) -> None:
    path, admin = create_namespace(service), service.client("admin")
    add_item(admin, path, kind, "it")
    add_item(admin, path, kind, "new")

    response = admin.put(f"{path}/{kind}/it", json=NEW[kind])

    assert response.status_code == 409
    assert set(names_of(admin, path, kind)) == {"it", "new"}


@pytest.mark.parametrize("kind", WITH_ITEM_CALLS)
def test_all_of_a_kind_are_deleted_at_once(service: Service, kind: str) -> None:
    path, admin = create_namespace(service), service.client("admin")
    for one in KINDS:
        add_item(admin, path, one, "it")

    response = admin.delete(f"{path}/{kind}")

    assert response.status_code == 204
    assert {one: names_of(admin, path, one) for one in KINDS} == {
        one: [] if one == kind else ["it"] for one in KINDS
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_protected_namespace_holds_is_not_deleted(service: Service, kind: str) -> None:
    path, admin = create_namespace(service, protected=True), service.client("admin")
    add_item(admin, path, kind, "it")

    one = admin.delete(f"{path}/{kind}/it")
    absent = admin.delete(f"{path}/{kind}/absent")

    assert (one.status_code, absent.status_code) == (403, 404)
    assert "it is protected and cannot be deleted" in explanation(one)
    if kind in WITH_ITEM_CALLS:
        assert admin.delete(f"{path}/{kind}").status_code == 403
    assert names_of(admin, path, kind) == ["it"]


def _calls(path: str, kind: str) -> list[tuple[str, str, Any]]:
    """Every call that is about what the namespace holds of this kind: (method, path, body)."""
    body = {**(ITEMS[kind] or {}), "name": "it"}
    calls: list[tuple[str, str, Any]] = [
        ("GET", f"{path}/{kind}", None),
        ("POST", f"{path}/{kind}", {"tags": [{"name": "it"}]} if kind == "tags" else body),
        ("DELETE", f"{path}/{kind}/it", None),
    ]
    if kind in WITH_ITEM_CALLS:
        calls += [
            ("DELETE", f"{path}/{kind}", None),
            ("GET", f"{path}/{kind}/it", None),
            ("PUT", f"{path}/{kind}/it", body),
        ]
    return calls if kind != "tags" else [*calls, ("POST", f"{path}/tags/other", None)]


def _statuses(client: httpx.Client, calls: list[tuple[str, str, Any]]) -> dict[str, set[int]]:
    """The statuses of reading and of writing calls."""
    found: dict[str, set[int]] = {"read": set(), "write": set()}
    for method, path, body in calls:
        response = client.request(method, path, json=body)
        found["read" if method == "GET" else "write"].add(response.status_code)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("caller", READERS)
def test_who_sees_a_namespace_reads_all_in_it_and_writes_nothing(
    service: Service, caller: str, kind: str
) -> None:
    for visibility in ("private", "public"):
        path = create_namespace(service, visibility=visibility)
        add_item(service.client("admin"), path, kind, "it")

        assert _statuses(service.client(caller), _calls(path, kind)) == {"read": {200}, "write": {403}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("caller", ["other-reader", "recipient"])
def test_what_a_hidden_namespace_holds_is_as_absent(service: Service, caller: str, kind: str) -> None:
    path = create_namespace(service)
    add_item(service.client("admin"), path, kind, "it")

    for one in (path, f"{NAMESPACES}/absent"):
        assert _statuses(service.client(caller), _calls(one, kind)) == {"read": {404}, "write": {404}}


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_absent_namespace_would_hold_is_absent_to_an_admin(service: Service, kind: str) -> None:
    calls = _calls(f"{NAMESPACES}/absent", kind)

    assert _statuses(service.client("admin"), calls) == {"read": {404}, "write": {404}}


@over_one_database
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"name": 1}', b'{"name": "a/b"}', b'{"name": "\\u0000"}', b'{"other": "x"}'],
)
def test_a_body_that_is_no_such_thing_is_refused(service: Service, kind: str, body: bytes) -> None:
    path, admin = create_namespace(service), service.client("admin")

    responses = [admin.post(f"{path}/{kind}", content=body)]
    if kind in WITH_ITEM_CALLS:
        responses.append(admin.put(f"{path}/{kind}/it", content=body))

    assert {response.status_code for response in responses} == {400}


@pytest.mark.parametrize("kind", ["objects", "properties", "resource_types"])
@pytest.mark.parametrize("key", ["created_at", "updated_at"])
def test_times_are_read_only(service: Service, kind: str, key: str) -> None:
    path = create_namespace(service)

    response = service.client("admin").post(f"{path}/{kind}", json={**(ITEMS[kind] or {}), key: "x"})

    assert response.status_code == 403
    assert f"'{key}' is read-only" in explanation(response)


# ---- objects


def test_an_object_tells_its_links_and_times(service: Service) -> None:
    path, admin = create_namespace(service), service.client("admin")

    body = admin.post(f"{path}/objects", json={"name": "it"}).json()
    read = shown(admin, f"{path}/objects/it")

    links = {"self": f"{path}/objects/it", "schema": "/v2/schemas/metadefs/object"}
    assert set(body) == {"name", "created_at", "updated_at", *links}
    assert read == {**body, **links, "required": [], "properties": {}}
    assert shown(admin, f"{path}/objects")["schema"] == "v2/schemas/metadefs/objects"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "bac"),
        ("limit=2", "ba"),
        ("sort_key=name&sort_dir=asc", "abc"),
        ("sort_dir=desc", "cab"),
        ("marker=b", "ac"),
        ("sort_key=name&sort_dir=desc&marker=c&limit=1", "b"),
    ],
)
def test_objects_are_paged(service: Service, query: str, names: str) -> None:
    path = create_namespace(service, objects=[{"name": name} for name in "bac"])

    body = shown(service.client("publisher"), f"{path}/objects?{query}")

    assert [one["name"] for one in body["objects"]] == list(names)


@over_one_database
@pytest.mark.parametrize("kind", ["objects", "tags"])
@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=x", 400), ("limit=-1", 400), ("sort_key=x", 400), ("sort_dir=x", 400), ("marker=x", 404)],
)
def test_a_query_that_cannot_be_is_refused(service: Service, kind: str, query: str, status: int) -> None:
    path = create_namespace(service)

    assert service.client("publisher").get(f"{path}/{kind}?{query}").status_code == status


# ---- properties


def test_a_property_keeps_all_that_was_sent_of_it(service: Service) -> None:
    path, admin = create_namespace(service), service.client("admin")
    body = {
        **PROPERTY,
        "name": "it",
        "minimum": -1.5,
        "maxItems": 3,
        "default": [1, {"a": None}],
        "enum": [1],
    }

    response = admin.post(f"{path}/properties", json=body)

    assert response.json() == body
    assert shown(admin, f"{path}/properties/it") == body
    assert shown(admin, f"{path}/properties") == {"properties": {"it": body}}


def test_a_property_is_found_by_the_name_it_has_on_a_resource_type(service: Service) -> None:
    path = create_namespace(
        service,
        properties={"it": PROPERTY},
        resource_type_associations=[{"name": "with", "prefix": "hw_"}, {"name": "without"}],
    )
    client = service.client("publisher-reader")

    assert shown(client, f"{path}/properties/hw_it?resource_type=with")["name"] == "it"
    for query in ("it?resource_type=with", "hw_it?resource_type=without", "hw_it?resource_type=x", "hw_it"):
        assert client.get(f"{path}/properties/{query}").status_code == 404


# ---- tags


def _tags(*names: str) -> dict[str, Any]:
    return {"tags": [{"name": name} for name in names]}


def test_a_list_of_tags_takes_the_place_of_those_that_were_there(service: Service) -> None:
    path, admin = create_namespace(service, **_tags("old")), service.client("admin")

    response = admin.post(f"{path}/tags", json=_tags("a", "b"))

    assert (response.status_code, response.json()) == (201, _tags("a", "b"))
    assert names_of(admin, path, "tags") == ["b", "a"]


@pytest.mark.parametrize(("value", "names"), [("True", {"old", "a"}), ("1", {"old", "a"}), ("false", {"a"})])
def test_a_list_of_tags_is_added_to_the_others_when_asked(
    service: Service, value: str, names: set[str]
) -> None:
    path, admin = create_namespace(service, **_tags("old")), service.client("admin")

    admin.post(f"{path}/tags", json=_tags("a"), headers={"X-Openstack-Append": value})

    assert set(names_of(admin, path, "tags")) == names


@pytest.mark.parametrize("names", [("a", "a"), ("new", "old")])
def test_a_list_of_tags_with_one_that_is_there_changes_nothing(
    service: Service, names: tuple[str, ...]
) -> None:
    path, admin = create_namespace(service, **_tags("old")), service.client("admin")

    response = admin.post(f"{path}/tags", json=_tags(*names), headers={"X-Openstack-Append": "true"})

    assert response.status_code == 409
    assert names_of(admin, path, "tags") == ["old"]


def test_an_empty_list_of_tags_changes_nothing(service: Service) -> None:
    path, admin = create_namespace(service, **_tags("old")), service.client("admin")

    response = admin.post(f"{path}/tags", json={"tags": []})

    assert (response.status_code, response.json()) == (201, {"tags": []})
    assert names_of(admin, path, "tags") == ["old"]


def test_tags_are_paged_by_name(service: Service) -> None:
    path = create_namespace(service, **_tags("b", "a", "c"))
    client = service.client("publisher")

    assert shown(client, f"{path}/tags?limit=2") == _tags("c", "a")
    assert shown(client, f"{path}/tags?limit=2&marker=a") == _tags("b")
    assert shown(client, f"{path}/tags?sort_key=name&sort_dir=asc") == _tags("a", "b", "c")


@pytest.mark.parametrize("name", ["a" * 81, EMOJI, "%00", "%ff"])
def test_a_tag_that_cannot_be_is_refused(service: Service, name: str) -> None:
    path = create_namespace(service)

    assert service.client("admin").post(f"{path}/tags/{name}").status_code == 400


def test_a_tag_is_made_without_a_body_and_tells_its_times(service: Service) -> None:
    path, admin = create_namespace(service), service.client("admin")

    refused = admin.post(f"{path}/tags/it", json={"name": "it"})
    made = admin.post(f"{path}/tags/it")

    assert refused.status_code == 400
    assert set(made.json()) == {"name", "created_at", "updated_at"}


# ---- associations


def test_an_association_makes_a_resource_type_that_there_was_none_of(service: Service) -> None:
    path, admin = create_namespace(service), service.client("admin")
    name = path.removeprefix(f"{NAMESPACES}/")

    made = admin.post(f"{path}/resource_types", json={"name": name, "properties_target": "image"}).json()
    listed = shown(admin, f"{path}/resource_types")
    removed = admin.delete(f"{path}/resource_types/{name}")

    assert (made["name"], made["properties_target"]) == (name, "image")
    assert listed == {"resource_type_associations": [made]}
    assert removed.status_code == 204
    types = shown(admin, "/v2/metadefs/resource_types")["resource_types"]
    assert name in [one["name"] for one in types]
