"""Run Tempest in its own environment: write its configuration, start it, hear what became of each test."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from configparser import RawConfigParser
from pathlib import Path
from typing import Literal

Status = Literal["passed", "failed", "skipped"]

#: Where `make conformance` installs requirements/conformance.lock.
ENVIRONMENT = Path(__file__).parents[1] / ".venv-conformance"
#: How the tests of the two suites begin.
SUITES = r"(tempest\.api\.image\.|glance_tempest_plugin\.)"
#: Longest that a single test may take, seconds, and that Tempest waits for a status.
TEST_TIMEOUT_S = 300
WAIT_TIMEOUT_S = 60
#: Tempest's name for every status but these two is one of failure.
_STATUSES: Mapping[str, Status] = {"success": "passed", "skip": "skipped"}
#: A test's id ends with its attributes, as `[id-…,smoke]`.
_ATTRIBUTES = re.compile(r"\[[^\]]*\]$")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """detail: why it was skipped, or the traceback; empty if it passed."""

    test: str
    status: Status
    detail: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
    """Which tests: those that match `include` and not `exclude` (regular expressions, None: nothing)."""

    include: str
    exclude: str | None


def run_tempest(
    folder: Path, options: Mapping[str, Mapping[str, str]], selection: Selection, concurrency: int
) -> Iterator[Outcome]:
    """Run the selected tests; each outcome is given when it is known.

    folder: an empty folder for configuration, logs and Tempest's own records.
    Raises TempestError if Tempest could not run at all; failed tests are outcomes.
    """
    config = folder / "tempest.conf"
    _write_config(config, folder, options)
    command = [str(ENVIRONMENT / "bin/tempest"), "run", "--subunit", "--config-file", str(config)]
    command += ["--concurrency", str(concurrency), "--regex", selection.include]
    if selection.exclude is not None:
        command += ["--exclude-regex", selection.exclude]
    with (
        (folder / "output.log").open("wb") as log,
        subprocess.Popen(
            command,
            cwd=folder,
            env=_make_environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            # It starts workers, which must end with it.
            start_new_session=True,
        ) as run,
        subprocess.Popen(
            [ENVIRONMENT / "bin/python", Path(__file__).with_name("outcomes.py")],
            stdin=run.stdout,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as reader,
    ):
        try:
            assert run.stdout is not None
            assert reader.stdout is not None
            # The reader holds it now: were it open here too, Tempest would never learn that the reader died.
            run.stdout.close()
            yield from map(_read_outcome, reader.stdout)
        finally:
            # Left early, as by a signal, nothing may go on; after the last line both have ended.
            if sys.exc_info()[0] is not None:
                os.killpg(run.pid, signal.SIGTERM)
                reader.terminate()
    if run.returncode not in {0, 1} or reader.returncode != 0:
        raise TempestError(
            f"Tempest ended with {run.returncode}, the reader of its results with {reader.returncode}:\n"
            f"{(folder / 'output.log').read_text(errors='replace')[-4000:]}"
        )


class TempestError(Exception):
    """Tempest itself did not run; the text has the end of what it printed."""


def _write_config(path: Path, folder: Path, options: Mapping[str, Mapping[str, str]]) -> None:
    config = RawConfigParser()
    config.read_dict(
        {
            "DEFAULT": {"log_file": str(folder / "tempest.log")},
            "oslo_concurrency": {"lock_path": str(folder)},
        }
    )
    config.read_dict(options)
    with path.open("w") as file:
        config.write(file)


def _make_environment() -> dict[str, str]:
    """No cloud of the caller's slips in, and no proxy stands before the loopback address."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OS_", "TEMPEST_")) and not name.lower().endswith("_proxy")
    }
    # stestr starts its workers as `python`.
    path = f"{ENVIRONMENT / 'bin'}:{kept.get('PATH', os.defpath)}"
    return kept | {"PATH": path, "OS_TEST_TIMEOUT": str(TEST_TIMEOUT_S)}


def _read_outcome(line: str) -> Outcome:
    found = json.loads(line)
    status: Status = _STATUSES.get(found["status"], "failed")
    return Outcome(
        test=_ATTRIBUTES.sub("", found["test"]),
        status=status,
        detail="" if status == "passed" else found["detail"].strip(),
    )
