"""A command line client, unmodified, of which a story runs many commands; each is a process of its own.

Start reading at `Console`; what the stories of a file run, `commands_in` says.
"""

import ast
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from harness.child import killed_after
from harness.service import Service

PATIENCE_S = 30
COMMAND_TIMEOUT_S = 120
_PROGRAM = Path(__file__).parent / "many_commands.py"


class Ran(NamedTuple):
    status: int
    stdout: str
    stderr: str


class Console:
    """The console script `name`. `first_words` make it import what its commands need. They are a help of
    `openstack`, which would go on as whoever it has asked for once.

    home: an empty folder, so that nothing that a client keeps or finds there is another's.
    """

    def __init__(self, name: str, first_words: str, home: Path, environment: Mapping[str, str]) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), name, *shlex.split(first_words)],
            cwd=home,
            env={**kept, "HOME": str(home), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The end of its input is the end of the program.
        self._process.communicate(timeout=PATIENCE_S)

    def run(self, words: str, stdin: Path | None = None) -> Ran:
        """stdin: a file that the command reads; None is a terminal at which nobody types."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        call = {"words": shlex.split(words), "stdin": None if stdin is None else str(stdin)}
        with killed_after(COMMAND_TIMEOUT_S, self._process):
            self._process.stdin.write(json.dumps(call) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        return Ran(answer["status"], answer["stdout"], answer["stderr"])


def commands_in(file: str, commands: set[str]) -> set[str]:
    """Those of the commands that the source runs: with one of them a text in it begins."""
    nodes = ast.walk(ast.parse(Path(file).read_text()))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    found = {
        max((name for name in commands if f"{text} ".startswith(f"{name} ")), key=len, default="")
        for text in texts
    }
    return found - {""}


def finish_import(service: Service, image_id: str) -> str:
    """The image's status once no import works on it."""
    client = service.client("admin")

    def is_done() -> bool:
        tasks = client.get(f"/v2/images/{image_id}/tasks").json()["tasks"]
        return all(task["status"] in ("success", "failure") for task in tasks)

    wait_until(is_done)
    return str(client.get(f"/v2/images/{image_id}").json()["status"])


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        # A worker gets there when it does: asking again is the only way to learn it.
        time.sleep(0.02)
