"""Runs one console script of this environment many times, each in a process of its own.

A program: `many_commands.py SCRIPT WORDS…`. Each line of its standard input is a call (JSON: words, stdin),
each line of its standard output the answer (status, stdout, stderr). Such scripts need a second or two,
nearly all of it for imports. So the script runs once, with WORDS that make it import what it will need, and
every call is a fork of what that left.
"""

import contextlib
import gc
import io
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TextIO


def main(name: str, first_words: list[str]) -> None:
    calls, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    # Clients take what comes from a standard input that is no terminal for the data of an image.
    _, terminal = os.openpty()
    (entry_point,) = entry_points(group="console_scripts", name=name)
    script = entry_point.load()
    sys.argv = [name, *first_words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        script()
    logging.getLogger().handlers.clear()
    # No fork looks for garbage in what was imported, not even when it ends.
    gc.freeze()
    for line in calls:
        answers.write(json.dumps(_run(script, name, json.loads(line), terminal)) + "\n")
        answers.flush()


def _run(script: Callable[[], Any], name: str, call: dict[str, Any], terminal: int) -> dict[str, Any]:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if not child:
            os.dup2(os.open(call["stdin"], os.O_RDONLY) if call["stdin"] else terminal, 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = [name, *call["words"]]
            # As the script itself does it; nobody above may catch what it raises.
            sys.exit(script())
        _, status = os.waitpid(child, 0)
        return {
            "status": os.waitstatus_to_exitcode(status),
            "stdout": _whole(out),
            "stderr": _whole(err),
        }


def _whole(file: TextIO) -> str:
    file.seek(0)
    return file.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
