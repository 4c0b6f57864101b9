"""What a project may have of images, and when that is enough (images-v2, 5.8)."""

import pytest

from transom.domain.errors import LimitExceededError
from transom.domain.project_quotas import (
    MIB,
    UNLIMITED,
    GivenLimit,
    Limit,
    choose_limits,
    in_unit,
    require_room,
)

HERE, ELSEWHERE = "here", "elsewhere"


def _given(value: int, region_id: str | None = HERE, name: str = Limit.COUNT) -> GivenLimit:
    return GivenLimit(name=name, region_id=region_id, value=value)


@pytest.mark.parametrize(
    ("own", "registered", "expected"),
    [
        ([], [], 0),
        ([], [_given(5)], 5),
        ([_given(7)], [_given(5)], 7),
        ([_given(0)], [_given(5)], 0),
        ([_given(UNLIMITED)], [_given(5)], UNLIMITED),
        ([_given(7, None)], [_given(5)], 7),
        ([_given(7, ELSEWHERE)], [_given(5)], 5),
        ([], [_given(5, ELSEWHERE)], 0),
        ([], [_given(5, None)], 5),
        ([], [_given(5), _given(6, None)], 5),
        ([], [_given(6, None), _given(5)], 5),
        ([_given(7, name="servers")], [_given(5)], 5),
    ],
)
def test_a_projects_own_limit_and_that_of_the_region_go_first(
    own: list[GivenLimit], registered: list[GivenLimit], expected: int
) -> None:
    chosen = choose_limits(own, registered, HERE)

    assert chosen == {**dict.fromkeys(Limit, 0), Limit.COUNT: expected}


@pytest.mark.parametrize(
    ("limit", "used", "delta"), [(2, 1, 1), (2, 2, 0), (0, 0, 0), (UNLIMITED, 1000, 1000)]
)
def test_a_project_may_have_as_much_as_its_limit(limit: int, used: int, delta: int) -> None:
    require_room("project", Limit.COUNT, limit, used, delta)


@pytest.mark.parametrize(("limit", "used", "delta"), [(2, 2, 1), (2, 3, 0), (0, 0, 1)])
def test_more_is_refused_with_all_that_was_counted(limit: int, used: int, delta: int) -> None:
    with pytest.raises(LimitExceededError) as raised:
        require_room("project", Limit.COUNT, limit, used, delta)

    assert str(raised.value) == (
        f"Project project is over a limit: Resource image_count_total is over limit of {limit} "
        f"due to current usage {used} and delta {delta}"
    )


@pytest.mark.parametrize(
    ("name", "amount", "expected"),
    [(Limit.SIZE, MIB, 1), (Limit.STAGED, 2 * MIB - 1, 1), (Limit.COUNT, MIB, MIB), (Limit.UPLOADING, 3, 3)],
)
def test_sizes_are_counted_in_whole_mebibytes(name: Limit, amount: int, expected: int) -> None:
    assert in_unit(name, amount) == expected
