"""`python -m conformance`: bring up the cloud under test, run both suites against it, judge.

PYTHONPATH must name `tests` (as `make conformance` does): servers are started by the harness of the tests.
Everything is in a temporary folder (below $TMPDIR), which is kept when something went wrong.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from conformance.runs import RUNS, Run, make_options
from conformance.stand import Stand
from conformance.tempest import Outcome, Selection, run_tempest
from conformance.verdict import Allowances, Verdict, judge, read_allowances

#: Between two lines that say how far it is, tests.
_PROGRESS = 50
#: Of a failed test's traceback, lines.
_TAIL_LINES = 12


def main() -> None:
    arguments = _parse_arguments()
    # What was started is stopped by leaving its block, and that needs an exception.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = Path(tempfile.mkdtemp(prefix="transom-conformance-"))
    allowances = read_allowances()
    runs = [run for run in RUNS if arguments.run in (None, run.name)]
    print(f"Keystone, Transom and Tempest run in {folder}", flush=True)
    with Stand(folder) as stand:
        results = {
            run.name: list(_run(run, stand, folder / f"tempest-{run.name}", allowances, arguments))
            for run in runs
        }
    is_whole = arguments.run is None and arguments.tests is None
    verdict = judge(results, allowances)
    _report(verdict, allowances, is_whole=is_whole)
    if verdict.complaints if is_whole else verdict.failed:
        sys.exit(f"Not conformant. Logs and configuration are left in {folder}")
    shutil.rmtree(folder)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make conformance ARGS='…'", description=__doc__)
    parser.add_argument("--run", choices=[run.name for run in RUNS], help="only this one of the two runs")
    parser.add_argument(
        "--tests", metavar="REGEX", help="only tests that match; then no skip is held against it"
    )
    parser.add_argument(
        "--concurrency", type=int, default=max(2, os.cpu_count() or 2), help="Tempest's workers"
    )
    return parser.parse_args()


def _run(
    run: Run, stand: Stand, folder: Path, allowances: Allowances, arguments: argparse.Namespace
) -> Iterable[Outcome]:
    folder.mkdir()
    selection = Selection(
        include=f"^(?=.*({arguments.tests or ''})){run.include}",
        exclude="|".join(left_out.tests for left_out in allowances.left_out),
    )
    started = time.monotonic()
    counts: Counter[str] = Counter()
    for outcome in run_tempest(folder, make_options(run, stand.cloud), selection, arguments.concurrency):
        counts[outcome.status] += 1
        if outcome.status == "failed":
            print(f"FAILED {outcome.test}\n{_indent(outcome.detail)}", flush=True)
        if counts.total() % _PROGRESS == 0:
            print(f"{run.name}: {counts.total()} tests so far", flush=True)
        yield outcome
    print(f"{run.name}: {_count(counts)} in {time.monotonic() - started:.0f} s", flush=True)


def _report(verdict: Verdict, allowances: Allowances, *, is_whole: bool) -> None:
    print()
    for test in sorted(verdict.skipped):
        print(f"SKIPPED {test}: {_explain(test, allowances)}")
    for left_out in allowances.left_out:
        print(f"LEFT OUT {left_out.tests}: {left_out.why}")
    print(
        f"passed {len(verdict.passed)}, failed {len(verdict.failed)}, skipped {len(verdict.skipped)} "
        "(a test counts once, and as skipped only if no run has it)"
    )
    if is_whole:
        for complaint in verdict.complaints:
            print(f"! {complaint}")


def _explain(test: str, allowances: Allowances) -> str:
    return next((skip.why for skip in allowances.skips if skip.test == test), "not in the list")


def _count(counts: Counter[str]) -> str:
    return ", ".join(f"{status} {counts[status]}" for status in ("passed", "failed", "skipped"))


def _indent(detail: str) -> str:
    lines: Sequence[str] = detail.splitlines()[-_TAIL_LINES:]
    return "\n".join(f"    {line}" for line in lines)


if __name__ == "__main__":
    main()
