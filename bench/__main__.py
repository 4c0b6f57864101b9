"""`python -m bench`: measure, and print the table. All is done in a temporary folder (below $TMPDIR).

PYTHONPATH must name `tests` (as `make bench` does): services are started by the harness of the tests.
"""

import argparse
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import asyncpg
import httpx
from harness.child import ServiceFailedError

from bench.batches import measure_batch
from bench.console import measure_console
from bench.figures import Line, render
from bench.lists import measure_list, measure_organizations
from bench.load import CONNECTIONS, GENERATOR
from bench.neighbour import measure_neighbour
from bench.objects import measure_objects
from bench.processes import BenchError
from bench.requests import measure_get, measure_put
from bench.scene import Scene, describe_machine
from bench.share import measure_share
from bench.start import measure_start
from bench.transfers import measure_download, measure_upload

GROUPS: dict[str, Callable[[Scene], Iterable[Line]]] = {
    "start": measure_start,
    "get": measure_get,
    "put": measure_put,
    "list": measure_list,
    "organizations": measure_organizations,
    "batch": measure_batch,
    "share": measure_share,
    "console": measure_console,
    "upload": measure_upload,
    "download": measure_download,
    "objects": measure_objects,
    "neighbour": measure_neighbour,
}
_GIB = 1 << 30
#: What a broken service, machine or measurement raises: the other lines are still worth having.
_FAILURES = (
    BenchError,
    ServiceFailedError,
    httpx.HTTPError,
    sqlite3.Error,
    asyncpg.PostgresError,
    OSError,
    subprocess.SubprocessError,
)


def main() -> None:
    arguments = _parse_arguments()
    # What was started is stopped by leaving its block, and that needs an exception.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    lines: list[Line] = []
    failures: list[str] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="transom-bench-") as folder:
        scene = Scene(
            folder=Path(folder),
            rounds=2 if arguments.quick else 4,
            seconds=1 if arguments.quick else 3,
            transfer_bytes=_GIB // 4 if arguments.quick else _GIB,
            events=arguments.events,
            images=arguments.images,
        )
        machine = describe_machine(scene.folder)
        for name in arguments.only:
            print(f"measuring: {name} …", file=sys.stderr, flush=True)
            try:
                lines.extend(GROUPS[name](scene))  # Those that came before a failure stay.
            except _FAILURES as error:
                failures.append(f"! {name}: NOT MEASURED: {error!r}")
    print(machine)
    print(
        f"Service: one worker, SQLite with synchronous=FULL, tokens, access log to a file, metrics. "
        f"Load: {GENERATOR}, {CONNECTIONS} connections.\n"
        f"{scene.rounds} rounds of {scene.seconds} s, in turns; {time.monotonic() - began:.0f} s in all.\n"
    )
    print("\n".join([render(lines), *failures]))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", type=_parse_groups, default=list(GROUPS), help=f"some of {','.join(GROUPS)}, by commas"
    )
    parser.add_argument("--quick", action="store_true", help="short rounds, a smaller image: a rough look")
    parser.add_argument("--events", type=int, default=1_000_000, help="of a long feed (share)")
    parser.add_argument("--images", type=int, default=100_000, help="that lists are read from (share)")
    return parser.parse_args()


def _parse_groups(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no such lines: {', '.join(unknown)}; there are {', '.join(GROUPS)}"
        )
    return names


if __name__ == "__main__":
    main()
