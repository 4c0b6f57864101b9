"""News fragments are files that towncrier takes up: it leaves out in silence what is named otherwise."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAGMENTS = sorted(path for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md")
CONFIGURED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
TYPES = [one["directory"] for one in CONFIGURED["type"]]


def test_there_are_the_types_that_contributors_are_told() -> None:
    assert TYPES == ["added", "changed", "fixed", "security", "removed"]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_is_named_by_a_word_and_its_type(fragment: Path) -> None:
    assert re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(TYPES)})\.md", fragment.name)


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_is_one_paragraph_of_whole_sentences(fragment: Path) -> None:
    text = fragment.read_text(encoding="utf-8").strip()

    assert text.endswith(".")
    assert "\n\n" not in text
    assert not text.startswith(("#", "- ", "* "))


def test_every_fragment_gets_into_the_changelog() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9", "--date", "2000-01-01"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "## 9.9.9 (2000-01-01)" in done.stdout
    items = [line for line in done.stdout.splitlines() if line.startswith("- ")]
    assert len(items) == len(FRAGMENTS)


def test_the_changelog_says_where_the_next_release_goes() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert text.count(CONFIGURED["start_string"]) == 1
