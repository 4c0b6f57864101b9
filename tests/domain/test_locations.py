"""What may be said of data that lies elsewhere, and what an image becomes by it (images-v2, 6.4)."""

from typing import Any

import pytest

from transom.domain.errors import ConflictError, InvalidError
from transom.domain.imports import TASK
from transom.domain.locations import (
    Known,
    activate,
    attach,
    change_places,
    check_digits,
    check_queued,
    describe,
    give_up,
    hold,
    parse_claim,
    release,
)
from transom.domain.model import Content, Location, Status
from transom.domain.patch import Operation

from .samples import image

URL = "https://example.org/disk.raw"
PLACE = Location(store="web", key=URL)
CONTENT = Content(size=10, virtual_size=None, checksum="c", os_hash_algo="sha512", os_hash_value="v")


@pytest.mark.parametrize("given", [None, {}])
def test_nothing_needs_to_be_said_of_the_data(given: object) -> None:
    claim = parse_claim({"url": URL, "validation_data": given})

    assert (claim.url, claim.os_hash_algo, claim.os_hash_value) == (URL, None, None)
    check_digits(claim)


def test_what_is_not_known_of_a_body_says_nothing() -> None:
    assert parse_claim({"url": URL, "metadata": {}, "more": 1}) == parse_claim({"url": URL})


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"url": 7},
        {"url": URL, "validation_data": 7},
        {"url": URL, "validation_data": {"os_hash_algo": None, "os_hash_value": None}},
        {"url": URL, "validation_data": {"os_hash_algo": "sha512"}},
        {"url": URL, "validation_data": {"os_hash_value": "0" * 128}},
        {"url": URL, "validation_data": {"os_hash_algo": "sha123", "os_hash_value": "0" * 128}},
        {"url": URL, "validation_data": {"os_hash_algo": "md5", "os_hash_value": "0" * 129}},
        {"url": URL, "validation_data": {"os_hash_algo": "md5", "os_hash_value": 7}},
        {"url": URL, "validation_data": {"os_hash_algo": "md5", "os_hash_value": "0" * 32, "checksum": "0"}},
        {"url": URL + "\0"},
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(body: Any) -> None:
    with pytest.raises(InvalidError):
        parse_claim(body)


@pytest.mark.parametrize(
    ("algorithm", "digits"), [("md5", 32), ("sha1", 40), ("sha256", 64), ("sha512", 128)]
)
def test_a_hash_has_the_digits_of_its_algorithm(algorithm: str, digits: int) -> None:
    for value, is_right in (("a" * digits, True), ("a" * (digits - 1), False), ("g" * digits, False)):
        claim = parse_claim(
            {"url": URL, "validation_data": {"os_hash_algo": algorithm, "os_hash_value": value}}
        )
        if is_right:
            check_digits(claim)
        else:
            with pytest.raises(InvalidError):
                check_digits(claim)


@pytest.mark.parametrize("status", [one for one in Status if one != Status.QUEUED])
def test_only_a_queued_image_takes_a_location(status: Status) -> None:
    check_queued(image())
    with pytest.raises(ConflictError, match=f"image status is {status}"):
        check_queued(image(status=status))


def test_what_is_believed_or_found_right_makes_the_image_active() -> None:
    held = hold(image(), "task", waits=True)
    attached = attach(attach(held, PLACE, 10), PLACE, 10)

    done = release(activate(attached, "sha512", "v", "c"))

    assert (held.status, held.properties[TASK]) == (Status.IMPORTING, "task")
    assert (done.status, done.size, done.locations) == (Status.ACTIVE, 10, (PLACE,))
    assert (done.os_hash_algo, done.os_hash_value, done.checksum) == ("sha512", "v", "c")
    assert TASK not in done.properties


def test_without_a_claim_the_image_is_active_before_its_hashes_are_known() -> None:
    used = activate(attach(hold(image(), "task", waits=False), PLACE, 10), "sha512", None, None)

    assert (used.status, used.os_hash_algo, used.os_hash_value) == (Status.ACTIVE, "sha512", None)
    assert describe(used, CONTENT).os_hash_value == "v"


def test_a_failure_leaves_the_place_and_nothing_that_was_said() -> None:
    attached = attach(hold(image(), "task", waits=True), PLACE, 10)

    failed = give_up(attached)

    assert (failed.status, failed.size, failed.os_hash_algo, failed.os_hash_value) == (
        Status.QUEUED,
        None,
        None,
        None,
    )
    assert failed.locations == (PLACE,)
    assert TASK not in failed.properties


def test_an_image_in_use_stays_so_when_its_data_cannot_be_hashed() -> None:
    used = activate(attach(hold(image(), "task", waits=False), PLACE, 10), "sha512", None, None)

    failed = give_up(used)

    assert (failed.status, failed.size, failed.os_hash_algo) == (Status.ACTIVE, 10, None)


OWN = Location(store="fast", key="file:///own")


@pytest.mark.parametrize(
    ("named", "is_taken"),
    [([OWN, PLACE, PLACE], True), ([PLACE, OWN, PLACE], True), ([OWN, OWN, PLACE], False)],
)
def test_places_are_arranged_each_as_often_as_it_is_there(named: list[Location], is_taken: bool) -> None:
    """A place of somebody else's may be there twice, with different metadata."""
    again = Location(store="web", key=URL, metadata={"a": "b"})
    before = image(status=Status.ACTIVE, locations=(OWN, PLACE, again))
    known = Known(found={}, url_of=lambda location: location.key, algorithm="sha512", limit=-1)
    value = [{"url": one.key, "metadata": one.metadata} for one in named]
    replace = Operation("replace", "locations", value)

    if is_taken:
        assert [one.key for one in change_places(replace, before, known).locations] == [
            one.key for one in named
        ]
    else:
        with pytest.raises(InvalidError, match="Original locations is not empty"):
            change_places(replace, before, known)
