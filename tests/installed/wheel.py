"""The wheel, built from this repository and installed by `requirements/run.lock` into its own environment, by
the very commands that README gives for it.

Start reading at `install_wheel`.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: README's commands for who has no git and make: some that install, and one that starts the service.
(_BLOCK,) = re.findall(
    r"^Without git and make, .*?^```sh\n(.*?)^```$",
    (ROOT / "README.md").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)
*INSTALL, START = _BLOCK.splitlines()
#: Fills an environment with what `run.lock` names, in seconds where pip asks the index for a minute. Commands
#: that install are run as they stand, and find all there. Those of README are run without this. Where uv does
#: not reach the packages, pip has its work.
FILL = (
    f"{Path(sys.executable).parent / 'uv'} pip install --quiet --compile-bytecode --link-mode copy"
    " --require-hashes -r run.lock --python"
)
#: What a wheel is made of.
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "transom")


def install_wheel(folder: Path) -> Path:
    """The folder of the commands of the new environment. `folder`: an empty one, outside the repository; what
    a release offers is put there."""
    build_wheel(folder)
    shutil.copy(ROOT / "requirements" / "run.lock", folder)
    # The Python that runs the tests, whichever of those that the machine has.
    python = folder / "python" / "python3"
    python.parent.mkdir()
    python.symlink_to(os.path.realpath(sys.executable))
    run(["/bin/sh", "-euc", "\n".join([f"PATH={python.parent}:$PATH", *INSTALL])], folder)
    commands = folder / Path(START.split()[0]).parent
    run([str(commands / "pip"), "check"], folder)
    return commands


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
    kept["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    done = subprocess.run(
        command,
        cwd=folder,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout
