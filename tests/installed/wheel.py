"""The wheel, built from this repository and installed by `requirements/run.lock` into its own environment.

Start reading at `install_wheel`.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What a wheel is made of.
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "transom")


def install_wheel(folder: Path) -> Path:
    """The folder of the commands of the new environment. `folder`: an empty one, outside the repository."""
    wheel = build_wheel(folder)
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet"]
    run([*install, "--require-hashes", "-r", str(ROOT / "requirements" / "run.lock")], folder)
    run([*install, "--no-deps", str(wheel)], folder)
    run([*pip, "check"], folder)
    return environment / "bin"


def build_wheel(folder: Path) -> Path:
    """Built from a copy of the sources, because setuptools leaves a folder beside them that it uses again."""
    sources = folder / "sources"
    sources.mkdir()
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, sources / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder), "."], sources)
    (wheel,) = folder.glob("*.whl")
    return wheel


def run(command: list[str], folder: Path) -> str:
    """What the command printed; CalledProcessError, which says it, when it fails."""
    # Nothing of the environment that runs the tests may show through.
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout
