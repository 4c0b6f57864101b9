"""What is made of the results: nothing may fail, and nothing may be skipped that the list does not allow.

Pure: outcomes in, a verdict out. The list is `allowed_skips.toml`, which docs/conformance.md explains.
"""

import dataclasses
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from conformance.tempest import Outcome

LIST = Path(__file__).with_name("allowed_skips.toml")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AllowedSkip:
    """run: the run in which the test may be skipped. because: part of what Tempest says for a reason, so that
    no test comes to be skipped for another one. always: False where it depends on the machine."""

    run: str
    test: str
    because: str
    why: str
    always: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Tests that are not run at all: those whose id has a match of the expression."""

    tests: str
    why: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Allowances:
    """at_least: how many tests must pass in all, so that a suite which was not found is no success."""

    at_least: int
    skips: Sequence[AllowedSkip]
    left_out: Sequence[LeftOut]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """complaints: why the whole is no success, in sentences; none of them: it is one.
    passed and skipped: tests, each counted once however many runs it is in; skipped: in every run."""

    passed: Collection[str]
    skipped: Collection[str]
    failed: Sequence[tuple[str, Outcome]]
    complaints: Sequence[str]


def read_allowances(path: Path = LIST) -> Allowances:
    document = tomllib.loads(path.read_text())
    return Allowances(
        at_least=document["at_least"],
        skips=[AllowedSkip(**entry) for entry in document["skip"]],
        left_out=[LeftOut(**entry) for entry in document["left_out"]],
    )


def judge(results: Mapping[str, Sequence[Outcome]], allowances: Allowances) -> Verdict:
    """results: by the name of the run."""
    outcomes = [(run, outcome) for run, found in results.items() for outcome in found]
    passed = {outcome.test for _, outcome in outcomes if outcome.status == "passed"}
    failed = [(run, outcome) for run, outcome in outcomes if outcome.status == "failed"]
    skipped = [(run, outcome) for run, outcome in outcomes if outcome.status == "skipped"]
    complaints = [
        *(f"{outcome.test} failed (run {run})" for run, outcome in failed),
        *_list_unexpected(skipped, allowances.skips),
        *_list_outdated(skipped, [skip for skip in allowances.skips if skip.run in results]),
    ]
    if len(passed) < allowances.at_least:
        complaints.append(f"{len(passed)} tests passed, {allowances.at_least} must")
    return Verdict(
        passed=passed,
        skipped={outcome.test for _, outcome in skipped if not _is_run_elsewhere(outcome.test, passed)},
        failed=failed,
        complaints=complaints,
    )


def _list_unexpected(skipped: Iterable[tuple[str, Outcome]], allowed: Sequence[AllowedSkip]) -> Iterable[str]:
    for run, outcome in skipped:
        if not any(_covers(skip, run, outcome) for skip in allowed):
            yield f"{outcome.test} was skipped (run {run}), which is not allowed: {outcome.detail}"


def _list_outdated(skipped: Sequence[tuple[str, Outcome]], allowed: Iterable[AllowedSkip]) -> Iterable[str]:
    for skip in allowed:
        if skip.always and not any(_covers(skip, run, outcome) for run, outcome in skipped):
            yield f"{skip.test} was not skipped (run {skip.run}): it must leave the list"


def _covers(skip: AllowedSkip, run: str, outcome: Outcome) -> bool:
    return (skip.run, skip.test) == (run, outcome.test) and skip.because in outcome.detail


def _is_run_elsewhere(test: str, passed: Collection[str]) -> bool:
    """A class that was skipped whole is one entry, `setUpClass (the.class)`."""
    whole = re.fullmatch(r"setUpClass \((.+)\)", test)
    if whole is None:
        return test in passed
    return any(other.startswith(f"{whole[1]}.") for other in passed)
