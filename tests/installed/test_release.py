"""The command that builds a release does so of the tag alone, and the same each time."""

import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from installed.wheel import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
#: What the command needs of the sources.
FILES = (
    ".ci/release",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "requirements/run.lock",
    "requirements/client.lock",
    "transom.example.toml",
    "deploy/transom.service",
)
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With the sources as they are here, committed and tagged as their version."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "transom", tmp_path / "transom", ignore=shutil.ignore_patterns("__pycache__"))
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", "--all")
    _git(tmp_path, "commit", "--quiet", "--message", "Release")
    _git(tmp_path, "tag", f"v{VERSION}")
    return tmp_path


def _git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=Transom contributors", "-c", "user.email=nobody@localhost"]
    subprocess.run(["git", *who, "-c", "commit.gpgsign=false", *words], cwd=folder, timeout=60, check=True)


def _release(repository: Path, version: str) -> subprocess.CompletedProcess[str]:
    command = [str(repository / ".ci" / "release"), version, sys.executable]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_same_tag_gives_the_same_files_whatever_lies_beside(repository: Path) -> None:
    first = _release(repository, VERSION)
    (repository / "transom" / "not_committed.py").write_text("raise SystemExit\n")
    second = _release(repository, VERSION)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout
    names = [line.split()[1] for line in first.stdout.splitlines()]
    wheel = f"transom-{VERSION}-py3-none-any.whl"
    lying = {path.name for path in (repository / "dist" / VERSION).iterdir()}
    assert sorted(names) == sorted(
        [
            "client.lock",
            "run.lock",
            "transom.example.toml",
            "transom.service",
            f"transom-{VERSION}.tar.gz",
            wheel,
        ]
    )
    assert lying == {*names, "SHA256SUMS"}
    found = hashlib.sha256((repository / "dist" / VERSION / wheel).read_bytes()).hexdigest()
    assert f"{found}  {wheel}" in first.stdout


@pytest.mark.parametrize("tag", [None, "v9.9.9"])
def test_a_version_that_the_tag_does_not_have_is_refused(repository: Path, tag: str | None) -> None:
    if tag is not None:
        _git(repository, "tag", tag)

    refused = _release(repository, "9.9.9")

    assert refused.returncode == 1
    assert "v9.9.9" in refused.stderr
    assert not (repository / "dist").exists()
