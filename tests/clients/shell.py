"""Blocks of shell in pages of the documentation, run as a reader does: one after the other, as they are."""

import re
import subprocess
from pathlib import Path

#: What the pages are written for; a test puts its service's address in its place.
LISTEN = "127.0.0.1:9292"
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def find_blocks(page: str) -> list[str]:
    return _BLOCK.findall(page)


def run(script: str, folder: Path, *, programs: Path | None = None, timeout_s: int = 300) -> str:
    """What the script prints; a command that fails fails the test. `programs`: a folder to search first."""
    path = "/usr/local/bin:/usr/bin:/bin"
    done = subprocess.run(
        ["/bin/sh", "-c", f"set -eu\n{script}"],
        cwd=folder,
        env={
            "PATH": f"{programs}:{path}" if programs is not None else path,
            "HOME": str(folder),
            "NO_PROXY": "127.0.0.1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
