"""Python environments beside our own, for programs that need other versions of much that the tests need.

Each is made of its lock file, once for all processes and again when the file changes.
`python -m harness.environments NAME` makes one.
"""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
_INSTALL_S = 240


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
            subprocess.run([sys.executable, "-m", "venv", str(folder)], timeout=_INSTALL_S, check=True)
            _install_packages(python, lock_file)
            installed.write_text(wanted)
    return python


def _install_packages(python: Path, lock_file: Path) -> None:
    """By uv, which takes seconds where pip takes minutes; by pip where the machine has told pip alone where
    packages are."""
    packages = ["--quiet", "--require-hashes", "-r", str(lock_file)]
    by_uv = [str(Path(sys.prefix) / "bin" / "uv"), "pip", "install", "--compile-bytecode"]
    by_uv += ["--python", str(python), *packages]
    by_pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *packages]
    if subprocess.run(by_uv, capture_output=True, timeout=_INSTALL_S, check=False).returncode != 0:
        subprocess.run(by_pip, timeout=_INSTALL_S, check=True)


if __name__ == "__main__":
    install(sys.argv[1])
