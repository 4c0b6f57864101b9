"""Namespaces of metadata definitions (images-v2, 7.3)."""

import re
from typing import Any

import pytest
from definitions import NAMESPACES, PROPERTY, create_namespace, new_name, shown
from harness.service import Service
from images import EMOJI, brief, escape, explanation

READERS = ["publisher-reader", "publisher", "publisher-manager"]
STRANGERS = ["recipient", "recipient-reader", "other"]
HELD = {
    "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}, {"name": "TEST::Type"}],
    "properties": {"cpu": PROPERTY, "arch": {**PROPERTY, "default": "x86"}},
    "objects": [{"name": "o", "required": ["p"], "properties": {"p": PROPERTY}}, {"name": "empty"}],
    "tags": [{"name": "first"}, {"name": "second"}],
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def test_a_namespace_is_created_with_all_it_holds(service: Service) -> None:
    name = new_name()

    response = service.client("admin").post(
        NAMESPACES, json={"namespace": name, "display_name": "d", "description": "", **HELD}
    )

    body = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{service.url}{NAMESPACES}/{name}"
    assert TIME.fullmatch(body.pop("created_at"))
    assert TIME.fullmatch(body.pop("updated_at"))
    assert body == {
        "namespace": name,
        "display_name": "d",
        "description": "",
        "visibility": "private",
        "protected": False,
        "owner": service.clouds["admin"].project_id,
        "self": f"{NAMESPACES}/{name}",
        "schema": "/v2/schemas/metadefs/namespace",
        **HELD,
    }


def test_a_namespace_is_shown_with_all_it_holds(service: Service) -> None:
    path = create_namespace(service, **HELD)

    body = shown(service.client("publisher-reader"), path)

    assert [(one["name"], one.get("prefix")) for one in body["resource_type_associations"]] == [
        ("OS::Glance::Image", "hw_"),
        ("TEST::Type", None),
    ]
    assert body["properties"] == HELD["properties"]
    assert [one["name"] for one in body["objects"]] == ["o", "empty"]
    assert (body["objects"][1]["required"], body["objects"][1]["properties"]) == ([], {})
    assert body["objects"][0]["self"] == f"{path}/objects/o"
    assert body["tags"] == [{"name": "second"}, {"name": "first"}]


def test_an_empty_namespace_is_shown_without_what_it_has_none_of(service: Service) -> None:
    path = create_namespace(service)

    assert set(shown(service.client("publisher"), path)) == {
        *("namespace", "visibility", "protected", "owner", "created_at", "updated_at", "self", "schema")
    }


def test_the_prefix_of_a_resource_type_stands_before_property_names(service: Service) -> None:
    path = create_namespace(service, **HELD)

    body = shown(service.client("publisher"), f"{path}?resource_type=OS::Glance::Image")

    assert set(body["properties"]) == {"hw_cpu", "hw_arch"}
    assert (body["objects"][0]["required"], list(body["objects"][0]["properties"])) == (["hw_p"], ["hw_p"])


@pytest.mark.parametrize("query", ["resource_type=TEST::Type", "resource_type=none", "resource_type=", "x=1"])
def test_any_other_query_changes_no_names(service: Service, query: str) -> None:
    path = create_namespace(service, **HELD)

    assert set(shown(service.client("publisher"), f"{path}?{query}")["properties"]) == {"cpu", "arch"}


@pytest.mark.parametrize(
    "refused",
    [
        {"tags": [{"name": "a"}, {"name": "a"}]},
        {"objects": [{"name": "o"}, {"name": "a/b"}]},
        {"properties": {"p": {"title": "no type"}}},
    ],
)
def test_a_namespace_of_which_a_part_is_refused_is_not_there(
    service: Service, refused: dict[str, Any]
) -> None:
    name, admin = new_name(), service.client("admin")

    response = admin.post(NAMESPACES, json={"namespace": name, **HELD, **refused})

    assert response.status_code in (400, 409)
    assert admin.get(f"{NAMESPACES}/{name}").status_code == 404


def test_a_name_is_given_once(service: Service) -> None:
    path = create_namespace(service)
    name = path.removeprefix(f"{NAMESPACES}/")

    response = service.client("admin").post(NAMESPACES, json={"namespace": name})

    assert response.status_code == 409
    assert name in explanation(response)


def test_a_name_may_have_blanks_and_letters_of_any_script(service: Service) -> None:
    name = f"{new_name()} für ъ?#%"

    path = create_namespace(service, namespace=name).removeprefix(NAMESPACES)

    body = shown(service.client("publisher"), f"{NAMESPACES}/{escape(name)}")
    assert body["namespace"] == name == path.removeprefix("/")
    assert shown(service.client("publisher"), body["self"]) == body


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "Body expected"),
        (b"{", "Malformed JSON"),
        (b"1", "Unexpected body type"),
        (b"[]", "namespace"),
        (b"{}", "namespace"),
        (b'{"namespace": ""}', "namespace"),
        (b'{"namespace": "a/b"}', "'/'"),
        (b'{"namespace": "a\\u0000"}', "NUL"),
        (b'{"namespace": "a\\ud800"}', "JSON"),
        (f'{{"namespace": "{EMOJI}"}}'.encode(), "4 byte"),
        (b'{"namespace": "a", "description": "\\u0000"}', "Description"),
        (b'{"namespace": "%s"}' % (b"a" * 81), "namespace"),
        (b'{"namespace": "a", "visibility": "community"}', "visibility"),
        (b'{"namespace": "a", "properties": %s}' % (b"[" * 5000 + b"]" * 5000), ""),
    ],
    ids=brief,
)
def test_a_body_that_is_not_a_namespace_is_refused(service: Service, body: bytes, named: str) -> None:
    for method, path in [("POST", NAMESPACES), ("PUT", create_namespace(service))]:
        response = service.client("admin").request(method, path, content=body)

        assert response.status_code == 400
        assert named in explanation(response)


@pytest.mark.parametrize("key", ["self", "schema", "created_at", "updated_at"])
def test_what_the_service_alone_writes_is_forbidden(service: Service, key: str) -> None:
    response = service.client("admin").post(NAMESPACES, json={"namespace": new_name(), key: "x"})

    assert response.status_code == 403
    assert f"Attribute '{key}' is read-only." in explanation(response)


def test_a_body_beyond_the_limit_is_refused(service: Service) -> None:
    response = service.client("admin").post(
        NAMESPACES, json={"namespace": new_name(), "tags": [{"name": str(n)} for n in range(100_000)]}
    )

    assert response.status_code == 413


# ---- change, delete


def test_an_update_replaces_the_namespace_and_leaves_what_it_holds(service: Service) -> None:
    path = create_namespace(service, display_name="d", description="d", visibility="public", **HELD)
    new = new_name()

    response = service.client("admin").put(path, json={"namespace": new, "objects": [{"name": "ignored"}]})

    body = response.json()
    assert response.status_code == 200
    assert (body["namespace"], body["visibility"], body["protected"]) == (new, "private", False)
    assert body["owner"] == service.clouds["admin"].project_id
    assert not {"display_name", "description", "objects", "tags"} & set(body)
    after = shown(service.client("admin"), f"{NAMESPACES}/{new}")
    assert [one["name"] for one in after["objects"]] == ["o", "empty"]
    assert service.client("admin").get(path).status_code == 404


def test_a_namespace_is_not_renamed_to_a_taken_name(service: Service) -> None:
    path, other = create_namespace(service), create_namespace(service)

    response = service.client("admin").put(
        path, json={"namespace": other.removeprefix(f"{NAMESPACES}/"), "description": "new"}
    )

    assert response.status_code == 409
    assert "description" not in shown(service.client("admin"), path)


def test_a_protected_namespace_is_deleted_when_it_no_longer_is(service: Service) -> None:
    path, admin = create_namespace(service, protected=True, **HELD), service.client("admin")
    name = path.removeprefix(f"{NAMESPACES}/")

    refused = admin.delete(path)
    admin.put(path, json={"namespace": name})
    done = admin.delete(path)

    assert refused.status_code == 403
    assert explanation(refused) == (
        f"Metadata definition namespace {name} is protected and cannot be deleted."
    )
    assert (done.status_code, done.content) == (204, b"")
    assert admin.get(path).status_code == 404


# ---- who


@pytest.mark.parametrize("reader", READERS)
def test_a_project_sees_its_own_private_namespace(service: Service, reader: str) -> None:
    path = create_namespace(service)

    assert shown(service.client(reader), path)["namespace"] in path


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("PUT", {"namespace": "x"}), ("DELETE", None)], ids=brief
)
def test_a_private_namespace_is_as_absent_to_others(
    service: Service, stranger: str, method: str, body: object
) -> None:
    path = create_namespace(service)
    client = service.client(stranger)

    hidden = client.request(method, path, json=body)
    absent = client.request(method, f"{NAMESPACES}/absent", json=body)

    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert explanation(hidden).replace(path.removeprefix(f"{NAMESPACES}/"), "absent") == explanation(absent)


@pytest.mark.parametrize("visibility", ["public", "private"])
@pytest.mark.parametrize("caller", READERS)
def test_nobody_but_an_admin_changes_a_namespace(service: Service, caller: str, visibility: str) -> None:
    path = create_namespace(service, visibility=visibility)
    client = service.client(caller)

    answers = [
        client.post(NAMESPACES, json={"namespace": new_name()}),
        client.put(path, json={"namespace": new_name()}),
        client.delete(path),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert "not authorized to complete delete_metadef_namespace action" in explanation(answers[2])


def test_a_call_without_a_token_is_refused(service: Service) -> None:
    assert service.client(None).get(NAMESPACES).status_code == 401


# ---- lists


def _listed(service: Service, caller: str, query: str) -> list[str]:
    """The names of all pages, in order."""
    client, names = service.client(caller), []
    link = f"{NAMESPACES}?{query}"
    while link:
        body = shown(client, link)
        names += [one["namespace"] for one in body["namespaces"]]
        link = body.get("next", "")
    return names


def _make_three(service: Service) -> tuple[str, list[str]]:
    """(a resource type that these namespaces alone have, their names)."""
    mark = new_name()
    associations = [{"name": mark, "prefix": "p"}]
    paths = [
        create_namespace(
            service, visibility="public", description=f"{3 - n}", resource_type_associations=associations
        )
        for n in range(2)
    ]
    paths.append(create_namespace(service, resource_type_associations=associations))
    return mark, [path.removeprefix(f"{NAMESPACES}/") for path in paths]


def test_the_list_shows_namespaces_with_their_resource_types_and_links(service: Service) -> None:
    mark, names = _make_three(service)
    query = f"resource_types=other,{mark}&limit=2"

    body = shown(service.client("publisher"), f"{NAMESPACES}?{query}")

    encoded = query.replace(":", "%3A").replace(",", "%2C")
    assert [one["namespace"] for one in body["namespaces"]] == [names[2], names[1]]
    assert body["schema"] == "/v2/schemas/metadefs/namespaces"
    assert body["first"] == f"{NAMESPACES}?{encoded}"
    assert body["next"] == f"{NAMESPACES}?{encoded}&marker={names[1].replace(':', '%3A')}"
    association = body["namespaces"][0]["resource_type_associations"][0]
    assert (association["name"], association["prefix"]) == (mark, "p")
    assert {"created_at", "updated_at"} <= set(association)
    assert "tags" not in body["namespaces"][0]


def test_others_are_listed_public_namespaces_only(service: Service) -> None:
    mark, names = _make_three(service)

    assert _listed(service, "recipient-reader", f"resource_types={mark}") == [names[1], names[0]]
    assert _listed(service, "publisher-reader", f"resource_types={mark}") == names[::-1]
    assert _listed(service, "admin", f"resource_types={mark}") == names[::-1]


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("sort_dir=asc", [0, 1, 2]),
        ("sort_key=created_at&sort_dir=desc&limit=1", [2, 1, 0]),
        ("sort_key=description&sort_dir=asc&limit=1", [2, 1, 0]),
        ("sort_key=visibility&limit=2", [1, 0, 2]),
        ("visibility=public", [1, 0]),
        ("visibility=private", [2]),
        ("limit=0", []),
    ],
)
def test_the_list_is_sorted_filtered_and_paged(service: Service, query: str, order: list[int]) -> None:
    mark, names = _make_three(service)

    listed = _listed(service, "publisher", f"resource_types={mark}&{query}")

    if "visibility&" in query:
        assert sorted(listed[:2]) == sorted(names[:2])
        assert listed[2:] == [names[2]]
    else:
        assert listed == [names[n] for n in order]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=x", 400),
        ("limit=-1", 400),
        ("sort_key=self", 400),
        ("sort_dir=up", 400),
        ("visibility=shared", 400),
        ("visibility=", 400),
        ("resource_types=%00", 400),
        ("marker=absent", 404),
    ],
)
def test_a_query_that_cannot_be_is_refused(service: Service, query: str, status: int) -> None:
    assert service.client("publisher").get(f"{NAMESPACES}?{query}").status_code == status


def test_a_hidden_marker_is_as_absent(service: Service) -> None:
    name = create_namespace(service).removeprefix(f"{NAMESPACES}/")

    assert service.client("other").get(f"{NAMESPACES}?marker={name}").status_code == 404


def test_there_are_resource_types_from_the_start(service: Service) -> None:
    body = shown(service.client("publisher-reader"), "/v2/metadefs/resource_types")

    names = [one["name"] for one in body["resource_types"]]
    assert {"OS::Cinder::Volume", "OS::Glance::Image", "OS::Nova::Flavor", "OS::Nova::Server"} <= set(names)
    assert all(set(one) == {"name", "created_at", "updated_at"} for one in body["resource_types"])


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v2/metadefs/resource_types", "GET"),
        (NAMESPACES, "GET, POST"),
        (f"{NAMESPACES}/n", "GET, PUT, DELETE"),
        (f"{NAMESPACES}/n/objects", "GET, POST, DELETE"),
        (f"{NAMESPACES}/n/objects/o", "GET, PUT, DELETE"),
        (f"{NAMESPACES}/n/properties", "GET, POST, DELETE"),
        (f"{NAMESPACES}/n/properties/p", "GET, PUT, DELETE"),
        (f"{NAMESPACES}/n/tags", "GET, POST, DELETE"),
        (f"{NAMESPACES}/n/tags/t", "GET, POST, PUT, DELETE"),
        (f"{NAMESPACES}/n/resource_types", "GET, POST"),
        (f"{NAMESPACES}/n/resource_types/t", "DELETE"),
        ("/v2/schemas/metadefs/namespace", "GET"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused_with_those_it_has(
    service: Service, path: str, allowed: str
) -> None:
    response = service.client("admin").patch(path)

    assert (response.status_code, response.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("name", ["namespace", "object", "property", "tag", "resource_type"])
def test_each_schema_carries_its_name_and_that_of_its_list(service: Service, name: str) -> None:
    client = service.client("publisher-reader")
    plural = {"property": "properties"}.get(name, f"{name}s")
    one = shown(client, f"/v2/schemas/metadefs/{name}")
    many = shown(client, f"/v2/schemas/metadefs/{plural}")

    suffix = "_association" if name == "resource_type" else ""
    assert one["name"] == f"{name}{suffix}"
    assert one["additionalProperties"] is False
    assert many["name"] == (f"{name}_associations" if suffix else plural)
    assert set(many["properties"]) == {many["name"], "first", "next", "schema"}


def test_an_unknown_schema_is_not_found(service: Service) -> None:
    assert service.client("publisher").get("/v2/schemas/metadefs/other").status_code == 404
