"""What an image becomes in the course of an import: each step, and what all paths have in common."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import ConflictError
from transom.domain.imports import (
    FAILED,
    TASK,
    WAITING,
    Change,
    Method,
    begin,
    check_state,
    enrich,
    extend_undo_log,
    finish,
    is_held_by,
    store_done,
    store_failed,
    undo,
    waiting_stores,
)
from transom.domain.model import Content, Image, Location, Status

from .samples import image

CONTENT = Content(size=10, virtual_size=10, checksum="c", os_hash_algo="sha512", os_hash_value="v")
STORES = ["fast", "medium", "slow"]
STATES = [Status.QUEUED, Status.SAVING, Status.UPLOADING, Status.IMPORTING, Status.ACTIVE, Status.DEACTIVATED]


def location(store: str) -> Location:
    return Location(store=store, key=f"key-in-{store}")


def held(status: str = Status.IMPORTING) -> Image:
    start = Status.UPLOADING if status == Status.IMPORTING else status
    return begin(image(status=start, size=10), "task", STORES)


def test_the_beginning_names_the_task_and_the_stores_in_order() -> None:
    begun = begin(image(status=Status.UPLOADING, properties={FAILED: "slow,other"}), "task", ["slow", "fast"])

    assert (begun.status, is_held_by(begun, "task")) == (Status.IMPORTING, True)
    assert (begun.properties[WAITING], begun.properties[FAILED]) == ("fast,slow", "other")


def test_a_copy_leaves_the_image_active() -> None:
    assert held(Status.ACTIVE).status == Status.ACTIVE


@pytest.mark.parametrize(
    ("method", "status"),
    [
        (Method.DIRECT, Status.UPLOADING),
        (Method.WEB, Status.QUEUED),
        (Method.GLANCE, Status.QUEUED),
        (Method.COPY, Status.ACTIVE),
    ],
)
def test_each_method_needs_one_status(method: Method, status: Status) -> None:
    check_state(method, image(status=status))
    for other in set(STATES) - {status}:
        with pytest.raises(ConflictError):
            check_state(method, image(status=other))


@pytest.mark.parametrize(("all_must_succeed", "statuses"), [(True, "IIA"), (False, "AAA")])
def test_the_image_can_be_used_from_the_last_or_the_first_store_on(
    all_must_succeed: bool, statuses: str
) -> None:
    seen, one = "", held()

    for store in STORES:
        one = store_done(one, location(store), CONTENT, all_must_succeed=all_must_succeed)
        seen += one.status[0].upper()

    assert seen == statuses
    assert waiting_stores(one) == ()
    assert (one.size, one.checksum, one.os_hash_value) == (10, "c", "v")


def test_a_copy_does_not_change_what_is_known_of_the_data() -> None:
    before = msgspec.structs.replace(held(Status.ACTIVE), checksum="mine", locations=(location("first"),))

    after = store_done(before, location("fast"), CONTENT, all_must_succeed=True)

    assert (after.checksum, len(after.locations)) == ("mine", 2)


def test_a_failure_puts_back_what_the_import_had_set() -> None:
    before = msgspec.structs.replace(held(), properties={**held().properties, "a": "1", "b": "2"})
    change = Change(fields={"disk_format": "iso"}, properties={"a": "other", "c": "3"})
    note = extend_undo_log(None, before, change)
    changed = enrich(before, change)
    again = extend_undo_log(note, changed, Change(properties={"a": "third"}))

    after = undo(enrich(changed, Change(properties={"a": "third"})), (), again)

    assert (after.disk_format, after.status, after.size) == ("raw", Status.QUEUED, None)
    assert {name: after.properties.get(name) for name in "abc"} == {"a": "1", "b": "2", "c": None}


def test_a_failed_copy_gives_back_what_it_got() -> None:
    before = msgspec.structs.replace(held(Status.ACTIVE), locations=(location("first"),))
    partly = store_done(before, location("fast"), CONTENT, all_must_succeed=True)

    after = undo(partly, {"fast"})

    assert (after.status, after.locations) == (Status.ACTIVE, (location("first"),))
    assert after.properties[FAILED] == "medium,slow"


@given(
    start=st.sampled_from([Status.IMPORTING, Status.ACTIVE]),
    steps=st.lists(st.tuples(st.sampled_from(STORES), st.booleans()), max_size=5),
    all_must_succeed=st.booleans(),
    fails=st.booleans(),
)
def test_every_path_ends_free_with_two_lists_and_no_status_between(
    start: Status, steps: list[tuple[str, bool]], all_must_succeed: bool, fails: bool
) -> None:
    one = held(start)

    for store, works in steps:
        if store in waiting_stores(one):
            one = (
                store_done(one, location(store), CONTENT, all_must_succeed=all_must_succeed)
                if works
                else store_failed(one, store)
            )
    ended = undo(one, ()) if fails else finish(one)

    assert TASK not in ended.properties
    assert ended.properties[WAITING] == ""
    assert FAILED in ended.properties
    assert ended.status in (Status.QUEUED, Status.ACTIVE)
    assert ended.status == Status.ACTIVE or (ended.locations, ended.size) == ((), None)
