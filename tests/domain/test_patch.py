"""JSON patch: which errors, in which order (reference, 3.4), and the laws of applying one."""

import contextlib
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.access import image_target
from transom.domain.errors import ConflictError, ForbiddenError, InvalidError, TransomError
from transom.domain.fields import FIELDS
from transom.domain.model import Caller, Image, Status, Visibility
from transom.domain.patch import Operation, parse_operations
from transom.images import patching

from .samples import (
    OWNER,
    RECIPIENT,
    STRANGER,
    caller,
    callers,
    image,
    images,
    json_values,
    property_names,
    short_texts,
    texts,
)

READ_ONLY = [
    "created_at",
    "updated_at",
    "status",
    "checksum",
    "size",
    "virtual_size",
    "direct_url",
    "self",
    "file",
    "schema",
    "stores",
    "id",
    "os_hash_algo",
    "os_hash_value",
]
RESERVED = ["location", "deleted", "deleted_at", "os_glance", "os_glance_import_task", "os_glancex"]
ONE_OF = "It must be one of the following: add, remove, replace."


def new(op: Any, path: Any, *value: Any) -> dict[str, Any]:
    """An operation in the form of the v2.1 media type."""
    return {"op": op, "path": path, **({"value": value[0]} if value else {})}


def apply(operations: list[Operation], before: Image, who: Caller, is_member: bool) -> Image:
    return patching.apply(operations, image_target(before, is_member=is_member), who)


def changed(before: Image, *operations: dict[str, Any], by: Caller | None = None) -> Image:
    return apply(parse_operations(list(operations), old_form=False), before, by or caller(), False)


# ---- reading a patch


@pytest.mark.parametrize(
    ("body", "operations"),
    [
        ([], []),
        ([new("add", "/key", "v")], [Operation("add", "key", "v")]),
        ([new("replace", "/name", None)], [Operation("replace", "name", None)]),
        ([new("remove", "/key")], [Operation("remove", "key")]),
        ([new("remove", "/key", "ignored")], [Operation("remove", "key")]),
        ([new("add", "/a~1b", "v")], [Operation("add", "a/b", "v")]),
        ([new("add", "/a~0b", "v")], [Operation("add", "a~b", "v")]),
        ([new("add", "/a~01", "v")], [Operation("add", "a~1", "v")]),
        ([new("add", "/ key ", "v")], [Operation("add", "key", "v")]),
        ([new("replace", "/min_disk", 1.0)], [Operation("replace", "min_disk", 1)]),
        ([new("add", "/tags", ["b", "a", "b"])], [Operation("add", "tags", ("a", "b"))]),
        ([new("replace", "/locations", [])], [Operation("replace", "locations", [])]),
        ([new("remove", "/locations/0")], [Operation("remove", "locations", position="0")]),
    ],
)
def test_a_patch_becomes_its_operations_in_order(body: Any, operations: list[Operation]) -> None:
    assert parse_operations(body, old_form=False) == operations


@pytest.mark.parametrize(
    ("body", "operations"),
    [
        ([{"add": "/key", "value": "v"}], [Operation("add", "key", "v", overwrites=False)]),
        ([{"replace": "/name", "value": "n"}], [Operation("replace", "name", "n", overwrites=False)]),
        ([{"remove": "/key"}], [Operation("remove", "key")]),
        ([{"remove": "/op", "op": "add"}], [Operation("remove", "op")]),
    ],
)
def test_the_old_form_names_its_operation_by_a_key(body: Any, operations: list[Operation]) -> None:
    assert parse_operations(body, old_form=True) == operations


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, "Request body must be a JSON array of operation objects."),
        ("x", "Request body must be a JSON array of operation objects."),
        (None, "Request body must be a JSON array of operation objects."),
        ([1], "Operations must be JSON objects."),
        ([["add"]], "Operations must be JSON objects."),
        ([{}], f"Unable to find `op` in JSON Schema change. {ONE_OF}"),
        ([{"path": "/name", "value": "x"}], f"Unable to find `op` in JSON Schema change. {ONE_OF}"),
        ([new("move", "/name")], f"Invalid operation: `move`. {ONE_OF}"),
        ([new("copy", "/name")], f"Invalid operation: `copy`. {ONE_OF}"),
        ([new("test", "/name", "x")], f"Invalid operation: `test`. {ONE_OF}"),
        ([new("Add", "/name", "x")], f"Invalid operation: `Add`. {ONE_OF}"),
        ([new(None, "/name")], f"Invalid operation: `None`. {ONE_OF}"),
        ([new(["add"], "/name")], f"Invalid operation: `['add']`. {ONE_OF}"),
        ([{"op": "move"}], f"Invalid operation: `move`. {ONE_OF}"),
        ([{"op": "add", "value": "x"}], "Unable to find 'path' in JSON Schema change"),
        ([new("add", "name", "x")], 'Pointer `name` does not start with "/".'),
        ([new("add", "", "x")], 'Pointer `` does not start with "/".'),
        ([new("add", "/a//b", "x")], 'Pointer `/a//b` contains adjacent "/".'),
        ([new("add", "/a/", "x")], 'Pointer `/a/` end with "/".'),
        ([new("add", "/", "x")], 'Pointer `/` end with "/".'),
        (
            [new("add", "/a~2", "x")],
            'Pointer `/a~2` contains "~" not part of a recognized escape sequence.',
        ),
        ([new("add", "/~", "x")], 'Pointer `/~` contains "~" not part of a recognized escape sequence.'),
        ([new("add", "/a/b", "x")], "Invalid JSON pointer for this resource: '/a/b'"),
        ([new("add", "/tags/-", "x")], "Invalid JSON pointer for this resource: '/tags/-'"),
        ([new("add", "/locations", [])], "Invalid JSON pointer for this resource: '/locations'"),
        ([new("replace", "/locations/0", {})], "Invalid JSON pointer for this resource: '/locations/0'"),
        ([new("add", "/name")], 'Operation "add" requires a member named "value".'),
        ([new("replace", "/key")], 'Operation "replace" requires a member named "value".'),
    ],
)
def test_a_patch_of_the_wrong_shape_is_invalid(body: Any, refusal: str) -> None:
    with pytest.raises(InvalidError) as raised:
        parse_operations(body, old_form=False)

    assert str(raised.value) == refusal


@pytest.mark.parametrize("pointer", [None, 1, True, [], {"a": "b"}])
def test_a_pointer_that_is_no_text_is_invalid(pointer: Any) -> None:
    with pytest.raises(InvalidError, match="must be a string"):
        parse_operations([new("remove", pointer)], old_form=False)


@pytest.mark.parametrize(
    "body",
    [
        [{}],
        [{"value": "x"}],
        [{"op": "add", "path": "/name", "value": "x"}],
        [{"add": "/a", "remove": "/b"}],
        [{"add": "/a", "replace": "/a", "value": "x"}],
    ],
)
def test_the_old_form_has_exactly_one_operation_in_each_object(body: Any) -> None:
    with pytest.raises(InvalidError, match="exactly one member named"):
        parse_operations(body, old_form=True)


@pytest.mark.parametrize("op", ["add", "replace", "remove"])
@pytest.mark.parametrize("root", READ_ONLY)
def test_a_field_of_the_services_own_is_read_only(root: str, op: str) -> None:
    with pytest.raises(ForbiddenError) as raised:
        parse_operations([new(op, f"/{root}", "x")], old_form=False)

    assert str(raised.value) == f"Attribute '{root}' is read-only."


@pytest.mark.parametrize("op", ["add", "replace", "remove"])
@pytest.mark.parametrize("root", RESERVED)
def test_a_name_of_the_services_own_is_reserved(root: str, op: str) -> None:
    with pytest.raises(ForbiddenError) as raised:
        parse_operations([new(op, f"/{root}", "x")], old_form=False)

    assert str(raised.value) == f"Attribute '{root}' is reserved."


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (new("move", "no slash"), "Invalid operation"),
        ({"op": "add"}, "Unable to find 'path'"),
        (new("add", "//id"), "adjacent"),
        (new("add", "/id/x"), "Invalid JSON pointer"),
        (new("add", "/id"), "requires a member"),
        (new("add", "/id", 5), "read-only"),
        (new("add", "/size", "five"), "read-only"),
        (new("add", "/os_glance_x", 5), "reserved"),
        (new("add", "/min_disk", "five"), "does not match schema"),
    ],
)
def test_within_an_operation_the_earlier_check_decides(first: dict[str, Any], second: str) -> None:
    """Reference, 3.4, steps 3 to 6: operation, pointer, depth, value, read-only, reserved, schema."""
    with pytest.raises(TransomError, match=second):
        parse_operations([first], old_form=False)


def test_the_first_bad_operation_decides() -> None:
    with pytest.raises(ForbiddenError, match="'status' is read-only"):
        parse_operations([new("replace", "/status", "active"), new("move", "/a")], old_form=False)


_almost_operations = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "remove", "replace", "move"]) | json_values,
        "path": st.sampled_from([f"/{name}" for name in [*FIELDS, "key", "locations/-"]])
        | st.text("/~01a ", max_size=6)
        | json_values,
        "value": json_values,
        "add": st.text("/~01a ", max_size=6) | json_values,
        "replace": st.text("/~01a ", max_size=6),
        "remove": st.text("/~01a ", max_size=6),
    },
)


@given(body=st.lists(_almost_operations, max_size=3) | json_values, old_form=st.booleans())
def test_no_json_whatever_makes_reading_a_patch_fail_otherwise(body: Any, old_form: bool) -> None:
    with contextlib.suppress(TransomError):
        operations = parse_operations(body, old_form=old_form)

        assert len(operations) == len(body)


@given(body=st.lists(_almost_operations, max_size=3), old_form=st.booleans(), before=images, who=callers)
def test_no_patch_whatever_makes_applying_it_fail_otherwise(
    body: Any, old_form: bool, before: Image, who: Caller
) -> None:
    with contextlib.suppress(TransomError):
        after = apply(parse_operations(body, old_form=old_form), before, who, False)

        assert after.id == before.id


# ---- applying it


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [
        (new("replace", "/name", "new"), "name", "new"),
        (new("replace", "/name", None), "name", None),
        (new("add", "/name", "new"), "name", "new"),
        (new("replace", "/visibility", "private"), "visibility", "private"),
        (new("replace", "/visibility", "community"), "visibility", "community"),
        (new("replace", "/protected", True), "protected", True),
        (new("replace", "/os_hidden", True), "os_hidden", True),
        (new("replace", "/min_disk", 7), "min_disk", 7),
        (new("replace", "/tags", ["a"]), "tags", ("a",)),
        (new("replace", "/disk_format", "qcow2"), "disk_format", "qcow2"),
        (new("replace", "/container_format", None), "container_format", None),
        (new("add", "/key", "v"), "properties", {"old": "1", "key": "v"}),
        (new("add", "/old", "2"), "properties", {"old": "2"}),
        (new("replace", "/old", "2"), "properties", {"old": "2"}),
        (new("remove", "/old"), "properties", {}),
    ],
)
def test_an_owner_changes_what_a_client_may_change(operation: dict[str, Any], field: str, value: Any) -> None:
    after = changed(image(properties={"old": "1"}), operation)

    assert getattr(after, field) == value


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [
        (new("replace", "/owner", STRANGER), "owner", STRANGER),
        (new("add", "/owner", STRANGER), "owner", STRANGER),
        (new("replace", "/owner", None), "owner", None),
        (new("replace", "/owner", ""), "owner", None),
        (new("replace", "/visibility", "public"), "visibility", "public"),
    ],
)
def test_admin_changes_the_owner_and_makes_an_image_public(
    operation: dict[str, Any], field: str, value: Any
) -> None:
    after = changed(image(), operation, by=caller("admin", STRANGER))

    assert getattr(after, field) == value


@pytest.mark.parametrize(
    ("operation", "refusal"),
    [
        (new("replace", "/owner", OWNER), "Owner can't be updated by non admin."),
        (new("add", "/owner", STRANGER), "Owner can't be updated by non admin."),
        (
            new("replace", "/visibility", "public"),
            "You are not authorized to complete publicize_image action.",
        ),
        (new("remove", "/name"), "Property name may not be removed."),
        (new("remove", "/tags"), "Property tags may not be removed."),
        (new("remove", "/visibility"), "Property visibility may not be removed."),
        (new("remove", "/owner"), "Property owner may not be removed."),
        (new("replace", "/locations", []), "Cannot set locations to empty list."),
        (
            new("replace", "/locations", [{}]),
            "It's not allowed to update locations if locations are invisible.",
        ),
        (new("add", "/locations/-", []), "It's not allowed to add locations if locations are invisible."),
        (
            new("remove", "/locations/0"),
            "It's not allowed to remove locations if locations are invisible.",
        ),
    ],
)
def test_an_owner_may_not_change_what_is_not_a_clients(operation: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ForbiddenError) as raised:
        changed(image(), operation)

    assert str(raised.value) == refusal


@pytest.mark.parametrize(
    ("operation", "refusal"),
    [
        (new("replace", "/key", "v"), "Property key does not exist."),
        (new("remove", "/key"), "Property key does not exist."),
    ],
)
def test_a_property_that_is_not_there_is_a_conflict(operation: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ConflictError) as raised:
        changed(image(), operation)

    assert str(raised.value) == refusal


@pytest.mark.parametrize("root", ["name", "old"])
def test_the_old_form_does_not_add_over_what_is_there(root: str) -> None:
    operations = parse_operations([{"add": f"/{root}", "value": "v"}], old_form=True)

    with pytest.raises(ConflictError) as raised:
        apply(operations, image(properties={"old": "1"}), caller(), False)

    assert str(raised.value) == f"Property {root} already present."


@pytest.mark.parametrize("status", [Status.SAVING, Status.ACTIVE, Status.DEACTIVATED])
@pytest.mark.parametrize("root", ["disk_format", "container_format"])
def test_a_format_is_settled_once_data_is_on_its_way(root: str, status: str) -> None:
    with pytest.raises(ForbiddenError) as raised:
        changed(image(status=status), new("replace", f"/{root}", None))

    assert str(raised.value) == f"Attribute {root} can be only replaced for a queued image."


@pytest.mark.parametrize(
    "operation",
    [
        new("replace", "/min_disk", -1),
        new("replace", "/min_ram", 2147483648),
        new("replace", "/name", "\U0001f4bf"),
        new("replace", "/name", "\0"),
        new("add", "/key", "\0"),
        new("add", "/\0", "x"),
        new("add", f"/{'x' * 256}", "x"),
        new("add", "/ ", "x"),
    ],
)
def test_a_value_that_cannot_be_stored_is_invalid(operation: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        changed(image(), operation)


@pytest.mark.parametrize(
    ("who", "is_member"),
    [
        (caller("reader"), False),
        (caller("manager", RECIPIENT), True),
        (caller("manager", STRANGER), False),
    ],
)
@pytest.mark.parametrize(
    "operation",
    [
        new("replace", "/name", "new"),
        new("replace", "/nothing", "x"),
        new("remove", "/nothing"),
        new("remove", "/name"),
        new("add", "/locations/-", []),
        new("replace", "/min_disk", -1),
    ],
)
def test_who_may_not_modify_an_image_learns_nothing_else(
    operation: dict[str, Any], who: Caller, is_member: bool
) -> None:
    operations = parse_operations([operation], old_form=False)

    with pytest.raises(ForbiddenError) as raised:
        apply(operations, image(), who, is_member)

    assert str(raised.value) == "You are not authorized to complete modify_image action."


@pytest.mark.parametrize(
    ("operation", "refusal"),
    [
        (new("replace", "/owner", "x"), "Owner can't be updated by non admin."),
        (new("replace", "/visibility", "public"), "publicize_image"),
        (new("replace", "/visibility", "community"), "communitize_image"),
    ],
)
def test_a_special_right_is_asked_for_before_the_general_one(operation: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ForbiddenError, match=refusal):
        changed(image(), operation, by=caller("reader"))


def test_operations_are_applied_in_order() -> None:
    after = changed(
        image(),
        new("add", "/key", "1"),
        new("replace", "/key", "2"),
        new("remove", "/key"),
        new("add", "/key", "3"),
    )

    assert after.properties == {"key": "3"}


@given(before=images)
def test_a_patch_of_nothing_changes_nothing(before: Image) -> None:
    assert changed(before) == before


@given(before=images, name=property_names, value=texts)
def test_adding_a_property_and_removing_it_again_changes_nothing(
    before: Image, name: str, value: str
) -> None:
    owned = image(properties={key: kept for key, kept in before.properties.items() if key != name})

    after = apply([Operation("add", name, value), Operation("remove", name)], owned, caller(), False)

    assert after == owned


@given(name=property_names, first=texts, second=texts)
def test_replacing_a_property_and_replacing_it_back_changes_nothing(
    name: str, first: str, second: str
) -> None:
    before = image(properties={name: first})

    after = apply(
        [Operation("replace", name, second), Operation("replace", name, first)], before, caller(), False
    )

    assert after == before


_operations = st.builds(
    Operation,
    st.sampled_from(["add", "remove", "replace"]),
    st.sampled_from(["a", "b", "location", "name", "owner"]),
    short_texts,
)


@given(operations=st.lists(_operations, max_size=6), who=callers, has=st.sets(st.sampled_from("ab")))
def test_an_image_given_to_a_patch_is_never_changed_itself(
    operations: list[Operation], who: Caller, has: set[str]
) -> None:
    """All or nothing: what fails half way has changed only copies."""
    before = image(properties=dict.fromkeys(has, "old"))
    as_it_was = deepcopy(before)

    with contextlib.suppress(TransomError):
        apply(operations, before, who, False)

    assert before == as_it_was


@given(operations=st.lists(_operations, max_size=6), who=callers)
def test_no_patch_of_a_non_admin_changes_owner_id_status_or_data(
    operations: list[Operation], who: Caller
) -> None:
    before = after = image(visibility=Visibility.SHARED)

    with contextlib.suppress(TransomError):
        after = apply(operations, before, who, False)

    assert who.is_admin or (after.id, after.owner, after.status, after.size, after.locations) == (
        before.id,
        before.owner,
        before.status,
        before.size,
        before.locations,
    )
