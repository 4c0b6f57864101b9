"""Metadata definitions: what may be sent, what is kept of it, and how prefixes and pages work."""

from typing import Any

import pytest

from transom.api.v2.metadefs.schemas import SCHEMAS
from transom.domain import metadefs
from transom.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from transom.domain.metadefs import (
    Item,
    Kind,
    Namespace,
    check_name,
    page_items,
    parse_item,
    parse_namespace,
    parse_tags,
    prefix_for,
    with_prefix,
    without_prefix,
)
from transom.metadefs import rules

from .samples import OWNER, STRANGER, caller

PROPERTY = {"title": "Title", "type": "string"}
READ_RULES = [
    "get_metadef_namespace",
    *(names.get for names in rules.ITEM_RULES.values()),
    *(names.list for names in rules.ITEM_RULES.values()),
]
WRITE_RULES = [
    "add_metadef_namespace",
    "modify_metadef_namespace",
    "delete_metadef_namespace",
    "add_metadef_tags",
    *(rule for names in rules.ITEM_RULES.values() for rule in (names.add, names.modify, names.remove)),
    *(rule for names in rules.ITEM_RULES.values() for rule in names.clear),
]


def parse(body: Any) -> tuple[Namespace, list[Item]]:
    return parse_namespace(body, namespace_id="id", owner=OWNER, now=10)


def item(kind: Kind, name: str, at: int = 1, **body: Any) -> Item:
    return Item(kind=kind, name=name, body=body, created_at=at, updated_at=at)


def test_a_namespace_needs_no_more_than_a_name() -> None:
    namespace, items = parse({"namespace": "n"})

    assert (namespace.visibility, namespace.protected, namespace.owner) == ("private", False, OWNER)
    assert items == []


def test_what_a_namespace_holds_keeps_its_order() -> None:
    _namespace, items = parse({"namespace": "n", "tags": [{"name": "b"}, {"name": "a"}, {"name": "c"}]})

    assert [(one.name, one.created_at) for one in items] == [("b", 10), ("a", 11), ("c", 12)]


def test_what_was_shown_within_a_namespace_can_be_sent_back() -> None:
    shown = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    link = {"self": "/v2/metadefs/namespaces/n/objects/o", "schema": "/v2/schemas/metadefs/object"}

    _namespace, items = parse(
        {
            "namespace": "n",
            "objects": [{"name": "o", "description": "d", **shown, **link}],
            "resource_type_associations": [{"name": "t", "prefix": "p", **shown}],
        }
    )

    assert [one.body for one in items] == [{"prefix": "p"}, {"description": "d"}]


@pytest.mark.parametrize("key", ["self", "schema", "created_at", "updated_at"])
def test_what_the_service_alone_writes_is_read_only(key: str) -> None:
    with pytest.raises(ForbiddenError, match=f"'{key}' is read-only"):
        parse({"namespace": "n", key: "x"})


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], "not a JSON object"),
        ({}, "namespace"),
        ({"namespace": 1}, "namespace"),
        ({"namespace": ""}, "namespace"),
        ({"namespace": "n" * 81}, "namespace"),
        ({"namespace": "a/b"}, "'/'"),
        ({"namespace": "a\0"}, "Namespace can't contain NUL"),
        ({"namespace": "\U0001f600"}, "Namespace can't contain 4 byte"),
        ({"namespace": "n", "other": 1}, "other"),
        ({"namespace": "n", "display_name": "d" * 81}, "display_name"),
        ({"namespace": "n", "display_name": None}, "display_name"),
        ({"namespace": "n", "description": "d" * 501}, "description"),
        ({"namespace": "n", "description": "\0"}, "Description"),
        ({"namespace": "n", "visibility": "shared"}, "visibility"),
        ({"namespace": "n", "protected": "yes"}, "protected"),
        ({"namespace": "n", "owner": "o" * 256}, "owner"),
        ({"namespace": "n", "tags": [{"name": "t" * 81}]}, "tags"),
        ({"namespace": "n", "tags": [{}]}, "name"),
        ({"namespace": "n", "objects": {"o": {}}}, "objects"),
        ({"namespace": "n", "objects": [{"name": "o", "required": ["a", "a"]}]}, "required"),
        ({"namespace": "n", "objects": [{"name": "a/b"}]}, "object"),
        ({"namespace": "n", "properties": {"p": {}}}, "title"),
        ({"namespace": "n", "properties": {"p" * 81: PROPERTY}}, "properties"),
        ({"namespace": "n", "properties": {"p": {**PROPERTY, "type": "text"}}}, "type"),
        ({"namespace": "n", "properties": {"p": {**PROPERTY, "type": None}}}, "type"),
        ({"namespace": "n", "properties": {"p": {**PROPERTY, "minLength": -1}}}, "minLength"),
        ({"namespace": "n", "properties": {"p": {**PROPERTY, "maxItems": 1.5}}}, "maxItems"),
        ({"namespace": "n", "properties": {"p": {**PROPERTY, "minimum": "1"}}}, "minimum"),
        ({"namespace": "n", "properties": {"p": {**PROPERTY, "enum": "a"}}}, "enum"),
        ({"namespace": "n", "properties": {"p": {**PROPERTY, "default": {"a": ["\0"]}}}}, "Properties"),
        ({"namespace": "n", "resource_type_associations": [{"name": "t", "prefix": 1}]}, "prefix"),
    ],
    ids=repr,
)
def test_a_namespace_that_is_not_as_the_schema_says_is_refused_by_the_fields_name(
    body: Any, named: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        parse(body)

    assert named in str(refused.value)


@pytest.mark.parametrize(
    "contents",
    [
        {"tags": [{"name": "a"}, {"name": "a"}]},
        {"objects": [{"name": "a"}, {"name": "a"}]},
        {"resource_type_associations": [{"name": "a"}, {"name": "a"}]},
    ],
)
def test_two_of_a_kind_with_one_name_are_a_conflict(contents: dict[str, Any]) -> None:
    with pytest.raises(ConflictError, match="a is there more than once"):
        parse({"namespace": "n", **contents})


def test_things_of_different_kinds_may_have_one_name() -> None:
    _namespace, items = parse(
        {"namespace": "n", "tags": [{"name": "a"}], "objects": [{"name": "a"}], "properties": {"a": PROPERTY}}
    )

    assert len(items) == 3


def test_a_property_keeps_all_that_was_sent_of_it() -> None:
    body = {
        **PROPERTY,
        "name": "p",
        "operators": ["<or>"],
        "minimum": 1.5,
        "maxLength": 2**70,
        "default": {"any": [None, 1]},
        "items": {"type": "string", "enum": ["a", 1]},
        "uniqueItems": True,
    }

    assert parse_item(Kind.PROPERTY, body, 1).body == body


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Kind.PROPERTY, PROPERTY),
        (Kind.PROPERTY, {**PROPERTY, "name": "p", "other": 1}),
        (Kind.PROPERTY, {**PROPERTY, "name": "p", "required": []}),
        (Kind.OBJECT, {"name": "o", "properties": {"p": {**PROPERTY, "other": 1}}}),
        (Kind.TAG, {"name": "t", "other": 1}),
        (Kind.TAG, {}),
        (Kind.RESOURCE_TYPE, {"prefix": "p"}),
    ],
)
def test_an_item_that_is_not_as_its_schema_says_is_refused(kind: Kind, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match="does not match schema"):
        parse_item(kind, body, 1)


@pytest.mark.parametrize("body", [{}, [], {"tags": {}}, {"tags": [{"name": "t", "other": 1}]}, {"tags": [1]}])
def test_a_list_of_tags_is_tags_with_names_and_nothing_else(body: Any) -> None:
    with pytest.raises(InvalidError, match="does not match schema 'tags'"):
        parse_tags(body, 1)


@pytest.mark.parametrize("name", ["", "a" * 81, "a/b", "\0", "\U0001f600", "\ud800"])
def test_a_name_that_no_url_could_tell_or_no_database_keep_is_refused(name: str) -> None:
    with pytest.raises(InvalidError):
        check_name("tag", name)


def test_a_backslash_before_u0000_is_a_text_like_any_other() -> None:
    _namespace, items = parse(
        {"namespace": "n", "properties": {"p": {**PROPERTY, "pattern": "\\u0000", "enum": ["\\\\"]}}}
    )

    assert items[0].body["pattern"] == "\\u0000"


@pytest.mark.parametrize("text", ["\0", "a\\\0", "\\\\\0", "\U0001f600"])
def test_characters_that_cannot_be_kept_are_found_wherever_they_stand(text: str) -> None:
    for body in ({"enum": ["a", text]}, {"default": {text: 1}}, {"title": text}):
        with pytest.raises(InvalidError, match="Properties can't contain"):
            parse({"namespace": "n", "properties": {"p": {**PROPERTY, **body}}})


def test_a_body_with_thousands_of_definitions_is_refused() -> None:
    with pytest.raises(InvalidError, match="at most 5000 definitions, not 5001"):
        parse_tags({"tags": [{"name": str(n)} for n in range(5001)]}, 1)


# ---- prefixes


TYPES = [item(Kind.RESOURCE_TYPE, "with", prefix="hw_"), item(Kind.RESOURCE_TYPE, "without")]


@pytest.mark.parametrize(("resource_type", "prefix"), [("with", "hw_"), ("without", ""), ("unknown", "")])
def test_the_prefix_is_that_of_the_association(resource_type: str, prefix: str) -> None:
    assert prefix_for(TYPES, resource_type) == prefix


def test_a_prefix_stands_before_properties_and_what_objects_say_of_theirs() -> None:
    an_object = item(Kind.OBJECT, "o", properties={"a": PROPERTY}, required=["a"])

    assert with_prefix(item(Kind.PROPERTY, "p"), "hw_").name == "hw_p"
    assert with_prefix(an_object, "hw_").body == {"properties": {"hw_a": PROPERTY}, "required": ["hw_a"]}
    assert with_prefix(item(Kind.TAG, "t"), "hw_").name == "t"


def test_a_prefixed_name_leads_to_the_property() -> None:
    assert without_prefix(TYPES, "hw_p", "with") == "p"


@pytest.mark.parametrize(("name", "resource_type"), [("p", "with"), ("hw_p", "without"), ("hw_p", "unknown")])
def test_a_name_without_the_prefix_leads_nowhere(name: str, resource_type: str) -> None:
    with pytest.raises(NotFoundError):
        without_prefix(TYPES, name, resource_type)


# ---- pages


TAGS = [item(Kind.TAG, "b", 1), item(Kind.TAG, "a", 2), item(Kind.TAG, "c", 2)]


@pytest.mark.parametrize(
    ("sort_key", "descending", "marker", "limit", "names"),
    [
        ("created_at", False, None, None, "bac"),
        ("created_at", True, None, None, "cab"),
        ("name", False, None, None, "abc"),
        ("name", True, "c", None, "ba"),
        ("name", False, "a", 1, "b"),
        ("name", False, "c", None, ""),
        ("id", False, None, 2, "ba"),
        ("name", False, None, 0, ""),
    ],
)
def test_a_page_is_sorted_and_cut(
    sort_key: str, descending: bool, marker: str | None, limit: int | None, names: str
) -> None:
    page = page_items(TAGS, sort_key, descending=descending, marker=marker, limit=limit)

    assert "".join(one.name for one in page) == names


def test_a_page_past_nothing_that_is_there_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="marker x"):
        page_items(TAGS, "name", descending=False, marker="x", limit=None)


# ---- who may do what


def _namespace(**changes: Any) -> Namespace:
    namespace, _items = parse({"namespace": "n", **changes})
    return namespace


@pytest.mark.parametrize(
    ("visibility", "role", "project", "sees"),
    [
        ("public", "reader", STRANGER, True),
        ("public", "none", STRANGER, False),
        ("public", "reader", None, False),
        ("private", "reader", OWNER, True),
        ("private", "none", OWNER, False),
        ("private", "manager", STRANGER, False),
        ("private", "admin", STRANGER, True),
    ],
)
def test_a_reader_sees_public_namespaces_and_those_of_its_project(
    visibility: str, role: str, project: str | None, sees: bool
) -> None:
    assert rules.sees_namespace(caller(role, project), _namespace(visibility=visibility)) is sees


@pytest.mark.parametrize("rule", READ_RULES)
def test_who_sees_a_namespace_may_read_all_in_it(rule: str) -> None:
    namespace = _namespace(visibility="public")

    assert rules.see_namespace(caller("reader", STRANGER), "n", namespace, rule) is namespace


@pytest.mark.parametrize("rule", WRITE_RULES)
@pytest.mark.parametrize("role", ["reader", "member", "manager"])
def test_nobody_but_an_admin_changes_a_namespace_be_it_its_own(role: str, rule: str) -> None:
    with pytest.raises(ForbiddenError, match=rule):
        rules.see_namespace(caller(role), "n", _namespace(), rule)


@pytest.mark.parametrize("rule", WRITE_RULES)
def test_an_admin_changes_any_namespace(rule: str) -> None:
    namespace = _namespace()

    assert rules.see_namespace(caller("admin", STRANGER), "n", namespace, rule) is namespace


@pytest.mark.parametrize("rule", [*READ_RULES, *WRITE_RULES])
def test_a_hidden_namespace_is_as_absent_whatever_is_asked_of_it(rule: str) -> None:
    with pytest.raises(NotFoundError) as hidden:
        rules.see_namespace(caller("member", STRANGER), "n", _namespace(), rule)
    with pytest.raises(NotFoundError) as absent:
        rules.see_namespace(caller("member", STRANGER), "n", None, rule)

    assert str(hidden.value) == str(absent.value)


# ---- the published schemas


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        ("namespace", metadefs._NamespaceShape),
        ("object", metadefs._ObjectShape),
        ("property", metadefs._NamedPropertyShape),
        ("tag", metadefs._TagShape),
        ("resource_type", metadefs._AssociationShape),
    ],
)
def test_the_published_schema_has_the_fields_that_are_taken(schema: str, shape: Any) -> None:
    shown = {"created_at", "updated_at", "self", "schema"}

    assert set(SCHEMAS[schema]["properties"]) | shown == set(shape.__struct_encode_fields__) | shown
