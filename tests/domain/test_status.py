"""The states of an image: every move is in the table, and the table is one the reference allows (2.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import ConflictError
from transom.domain.model import Status
from transom.domain.status import TRANSITIONS, WITH_DATA, advance, sources

STATES = list(Status)
#: Reference, 2.3, narrowed to the states this service has.
ALLOWED = {
    (Status.QUEUED, Status.SAVING),
    (Status.QUEUED, Status.UPLOADING),
    (Status.QUEUED, Status.IMPORTING),
    (Status.QUEUED, Status.ACTIVE),
    (Status.UPLOADING, Status.IMPORTING),
    (Status.UPLOADING, Status.QUEUED),
    (Status.IMPORTING, Status.ACTIVE),
    (Status.IMPORTING, Status.QUEUED),
    (Status.SAVING, Status.ACTIVE),
    (Status.SAVING, Status.QUEUED),
    (Status.ACTIVE, Status.DEACTIVATED),
    (Status.DEACTIVATED, Status.ACTIVE),
}
MOVES = [(start, to) for start, targets in TRANSITIONS.items() for to in sorted(targets)]
NO_MOVES = [(start, to) for start in STATES for to in STATES if (start, to) not in MOVES]

states = st.sampled_from(STATES)


def test_every_state_has_a_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(STATES)


def test_the_table_has_no_move_that_the_reference_forbids() -> None:
    assert set(MOVES) <= ALLOWED


@pytest.mark.parametrize(("start", "to"), MOVES)
def test_a_move_of_the_table_is_made(start: str, to: str) -> None:
    assert advance(start, to) == to


@pytest.mark.parametrize(("start", "to"), NO_MOVES)
def test_any_other_move_is_a_conflict_that_names_both_states(start: str, to: str) -> None:
    with pytest.raises(ConflictError) as raised:
        advance(start, to)

    assert str(raised.value) == f"Image status transition from {start} to {to} is not allowed"


@given(start=st.text(), to=st.text() | states)
def test_a_state_that_is_none_leads_nowhere(start: str, to: str) -> None:
    with pytest.raises(ConflictError):
        advance(f"no-{start}", to)


@given(start=states, choices=st.lists(st.integers(0, 9), max_size=20))
def test_every_path_of_moves_stays_in_the_table(start: Status, choices: list[int]) -> None:
    path = [str(start)]

    for choice in choices:
        ways = sorted(TRANSITIONS[path[-1]])
        path.append(advance(path[-1], ways[choice % len(ways)]))

    assert set(path) <= set(TRANSITIONS)


@given(choices=st.lists(st.integers(0, 9), max_size=20))
def test_data_once_there_stays_on_every_path(choices: list[int]) -> None:
    path: list[str] = [Status.ACTIVE]

    for choice in choices:
        ways = sorted(TRANSITIONS[path[-1]])
        path.append(advance(path[-1], ways[choice % len(ways)]))

    assert set(path) <= WITH_DATA


@pytest.mark.parametrize("to", STATES)
@pytest.mark.parametrize("start", STATES)
def test_sources_is_the_inverse_of_the_table(start: str, to: str) -> None:
    assert (start in sources(to)) == (to in TRANSITIONS[start])


def test_a_state_that_is_none_has_no_sources() -> None:
    assert sources("deleted") == ()
