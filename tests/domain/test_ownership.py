"""What a store is to a database, by the mark that it has."""

import pytest

from transom.domain.ownership import CHANGEABLE, Mark, Standing, describe, judge, parse_mark, render_mark

OURS = Mark(database="ours", store="cold")
BESIDE = Mark(database="ours", store="cold", beside="../transom.db")


@pytest.mark.parametrize(
    ("mark", "wanted", "is_known", "standing"),
    [
        (OURS, OURS, True, Standing.OWN),
        (OURS, OURS, False, Standing.OWN),
        (None, OURS, False, Standing.FREE),
        (None, OURS, True, Standing.UNMARKED),
        (None, BESIDE, True, Standing.UNMARKED),
        (Mark(database="theirs", store="cold"), OURS, False, Standing.FOREIGN),
        (Mark(database="theirs", store="cold"), OURS, True, Standing.FOREIGN),
        (Mark(database="ours", store="warm"), OURS, True, Standing.MIXED_UP),
        (Mark(database="older", store="cold", beside="../transom.db"), BESIDE, True, Standing.MOVED),
        (Mark(database="theirs", store="cold", beside="../other.db"), BESIDE, True, Standing.FOREIGN),
        (Mark(database="theirs", store="warm", beside="../transom.db"), BESIDE, True, Standing.FOREIGN),
        (Mark(database="theirs", store="cold", beside=None), BESIDE, True, Standing.FOREIGN),
        (Mark(database="theirs", store="cold", beside="../transom.db"), OURS, True, Standing.FOREIGN),
        (Mark(database="ours", store="cold", beside="../older.db"), BESIDE, True, Standing.OWN),
    ],
)
def test_a_store_is_judged_by_its_mark(
    mark: Mark | None, wanted: Mark, is_known: bool, standing: Standing
) -> None:
    assert judge(mark, wanted, is_known=is_known) is standing


@pytest.mark.parametrize("mark", [OURS, BESIDE])
def test_a_mark_is_read_as_it_was_written(mark: Mark) -> None:
    assert parse_mark(render_mark(mark)) == mark


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"{}", b'{"database": 1, "store": "cold"}', b"\xff", b'{"more": "\xff"}'),
        pytest.param(b'{"more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="nested"),
    ],
)
def test_a_mark_that_cannot_be_understood_is_somebody_elses(content: bytes) -> None:
    assert judge(parse_mark(content), OURS, is_known=True) is Standing.FOREIGN


@pytest.mark.parametrize("standing", [one for one in Standing if one not in CHANGEABLE])
def test_what_is_in_the_way_names_the_store(standing: Standing) -> None:
    assert "store cold " in describe(standing, "cold", is_copy=False)


def test_a_copy_is_told_so() -> None:
    assert "that this one is a copy of" in describe(Standing.FOREIGN, "cold", is_copy=True)
