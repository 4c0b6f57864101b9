"""Python environments beside our own, for servers that need other versions of much that the tests need.

Each is made of its lock file, once for all test processes and again when the file changes.
"""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def install(name: str) -> Path:
    """The Python of the environment `.venv-<name>`, which holds what `requirements/<name>.lock` names."""
    lock_file = REQUIREMENTS / f"{name}.lock"
    # A checkout may share its environment with another by a link; both then share this one, too.
    folder = Path(sys.prefix).resolve().parent / f".venv-{name}"
    folder.mkdir(exist_ok=True)
    python = folder / "bin" / "python"
    installed = folder / "installed"
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    with (folder / "installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_text() != wanted:
            # By pip, as `make install` does: a machine may have told pip alone where packages are.
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            quiet = ["--quiet", "--disable-pip-version-check"]
            install_all = [
                str(python),
                "-m",
                "pip",
                "install",
                *quiet,
                "--require-hashes",
                "-r",
                str(lock_file),
            ]
            subprocess.run(install_all, check=True)
            installed.write_text(wanted)
    return python
