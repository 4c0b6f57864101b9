"""The verdict on a run of the outside suites, and the page that says what may be skipped."""

from pathlib import Path

import pytest

from conformance.tempest import Outcome, Status
from conformance.verdict import Allowances, AllowedSkip, judge, read_allowances

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
ALLOWED = AllowedSkip(run="one", test="suite.Class.test_b", because="needs more", why="it is in run two")


def _outcome(test: str, status: Status, detail: str = "") -> Outcome:
    return Outcome(test=test, status=status, detail=detail)


PASSED = _outcome("suite.Class.test_a", "passed")
SKIPPED = _outcome("suite.Class.test_b", "skipped", "needs more")


def _allow(*skips: AllowedSkip, at_least: int = 1) -> Allowances:
    return Allowances(at_least=at_least, skips=skips, left_out=[])


def test_a_run_with_nothing_but_allowed_skips_has_no_complaints() -> None:
    verdict = judge({"one": [PASSED, SKIPPED]}, _allow(ALLOWED))

    assert verdict.complaints == []
    assert verdict.skipped == {"suite.Class.test_b"}


def test_a_failure_is_a_complaint() -> None:
    verdict = judge({"one": [PASSED, _outcome("suite.Class.test_c", "failed", "boom")]}, _allow())

    assert verdict.complaints == ["suite.Class.test_c failed (run one)"]


@pytest.mark.parametrize(
    "skipped",
    [
        _outcome("suite.Class.test_other", "skipped", "needs more"),
        _outcome("suite.Class.test_b", "skipped", "another reason"),
    ],
)
def test_a_skip_that_is_not_listed_with_its_reason_is_a_complaint(skipped: Outcome) -> None:
    verdict = judge({"one": [PASSED, SKIPPED, skipped]}, _allow(ALLOWED))

    assert len(verdict.complaints) == 1
    assert skipped.detail in verdict.complaints[0]


def test_a_listed_skip_of_another_run_is_a_complaint() -> None:
    verdict = judge({"one": [PASSED, SKIPPED], "two": [SKIPPED]}, _allow(ALLOWED))

    assert len(verdict.complaints) == 1


def test_a_listed_test_that_is_no_longer_skipped_is_a_complaint() -> None:
    verdict = judge({"one": [PASSED, _outcome("suite.Class.test_b", "passed")]}, _allow(ALLOWED))

    assert verdict.complaints == ["suite.Class.test_b was not skipped (run one): it must leave the list"]


def test_too_few_passed_tests_are_a_complaint() -> None:
    verdict = judge({"one": [PASSED]}, _allow(at_least=2))

    assert verdict.complaints == ["1 tests passed, 2 must"]


def test_a_test_that_another_run_has_is_not_counted_as_skipped() -> None:
    whole_class = _outcome("setUpClass (suite.Class)", "skipped", "needs more")
    allowed = AllowedSkip(run="one", test=whole_class.test, because="needs more", why="it is in run two")

    verdict = judge({"one": [whole_class], "two": [PASSED]}, _allow(allowed))

    assert verdict.complaints == []
    assert verdict.skipped == set()
    assert verdict.passed == {"suite.Class.test_a"}


def test_the_page_names_every_allowed_skip_and_all_that_is_left_out() -> None:
    allowances = read_allowances()
    names = [
        skip.test.rstrip(")").split("test_images.")[-1].split("test_image_task.")[-1]
        for skip in allowances.skips
    ]
    names += [left_out.tests.rsplit(".", 1)[-1] for left_out in allowances.left_out]

    page = PAGE.read_text(encoding="utf-8")

    assert [name for name in names if f"`{name}`" not in page] == []
