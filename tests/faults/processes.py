"""The `transom` command run to its end, for starts that are to be refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

END_TIMEOUT_S = 30.0


class Ended(NamedTuple):
    """A process that ended: its exit status and all it wrote."""

    status: int
    output: str


def serve_in_vain(work_dir: Path, *flags: str, **settings: str) -> Ended:
    """Run `transom serve`, which is to end by itself. `settings`: environment variables named in full."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRANSOM_")}
    result = subprocess.run(
        [sys.executable, "-m", "transom", "serve", *flags],
        cwd=work_dir,
        env=inherited | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=END_TIMEOUT_S,
        text=True,
        check=False,
    )
    return Ended(result.returncode, result.stdout)
