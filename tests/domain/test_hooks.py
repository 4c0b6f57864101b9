"""When a hook is tried again: by tables and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.hooks import PAUSES_S, pause_after


@given(attempts=st.integers(1, len(PAUSES_S)), chance=st.floats(0, 1))
def test_pauses_keep_to_the_table_within_a_fifth(attempts: int, chance: float) -> None:
    pause_s = pause_after(attempts, None, chance)

    assert pause_s is not None
    assert 0.8 * PAUSES_S[attempts - 1] <= pause_s * 1.000001
    assert pause_s <= 1.2 * PAUSES_S[attempts - 1] * 1.000001


def test_after_the_last_pause_there_is_no_further_try() -> None:
    assert pause_after(len(PAUSES_S) + 1, None, 0.5) is None
    assert pause_after(len(PAUSES_S) + 1, 1.0, 0.5) is None


@pytest.mark.parametrize(
    ("attempts", "wanted_s", "pause_s"),
    [(1, 60.0, 60), (1, 1.0, 5), (1, 1e9, 300), (2, 600.0, 600), (9, 1e9, 86_400), (1, -5.0, 5)],
)
def test_retry_after_is_obeyed_up_to_the_next_pause(attempts: int, wanted_s: float, pause_s: float) -> None:
    assert pause_after(attempts, wanted_s, 0.5) == pytest.approx(pause_s)
