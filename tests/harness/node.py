"""Huawei Cloud's SDK for Node.js, unmodified, in an environment of its own, and a program that calls it.

npm installs what `requirements/node/package-lock.json` names, by hash, once for all test processes and again
when that file changes. Start reading at `install_node`.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.environments import REQUIREMENTS

FILES = REQUIREMENTS / "node"
PATIENCE_S = 30
INSTALL_TIMEOUT_S = 300
#: With these npm ends where no registry answers; anything else that it says is a fault.
_UNREACHED = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT")

_ANSWER = "answer "


class NodeMissingError(Exception):
    """This machine has no Node.js, or reaches no npm registry; the text says which."""


def install_node() -> Path:
    """The folder with the SDK, below `node_modules`; raises NodeMissingError where it cannot be had."""
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        raise NodeMissingError(f"{' and '.join(missing)}: not installed")
    # A checkout may share its environment with another by a link; both then share this one, too.
    folder = Path(sys.prefix).resolve().parent / ".venv-node"
    folder.mkdir(exist_ok=True)
    installed = folder / "installed"
    lock_file = FILES / "package-lock.json"
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    with (folder / "installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_text() != wanted:
            for file in (FILES / "package.json", lock_file):
                shutil.copy(file, folder)
            _install_all(folder)
            installed.write_text(wanted)
    return folder


def _install_all(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        if any(f"code {code}" in done.stderr for code in _UNREACHED):
            raise NodeMissingError(f"no npm registry is reached: {done.stderr.splitlines()[0]}")
        raise RuntimeError(f"npm ci ended with {done.returncode}:\n{done.stderr}")


def node_environment(folder: Path, home: Path) -> dict[str, str]:
    """The variables with which `node` finds the SDK, and nothing of the machine's own settings of clients.

    home: an empty folder."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "NODE_PATH": str(folder / "node_modules"),
        "NODE_ENV": "test",
    }


class NodeProgram:
    """A program that answers each line of JSON that it reads with a line of JSON after the word `answer`."""

    def __init__(self, program: Path, folder: Path, home: Path) -> None:
        self._process = subprocess.Popen(
            ["node", str(program)],
            cwd=home,
            env=node_environment(folder, home),
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

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(_ANSWER):
                answer: dict[str, Any] = json.loads(line.removeprefix(_ANSWER))
                return answer
        raise RuntimeError("the program ended without an answer")
