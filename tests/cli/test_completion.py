"""Completion of verbs for users, as each shell asks for it (click, "Shell Completion")."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("bash", {"COMP_WORDS": "transom share of", "COMP_CWORD": "2"}),
        ("zsh", {"COMP_WORDS": "transom share of", "COMP_CWORD": "2"}),
        ("fish", {"COMP_WORDS": "transom share of", "COMP_CWORD": "of"}),
    ],
)
def test_a_verb_is_completed(shell: str, variables: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from transom.cli import main; main(prog_name='transom')"],
        env={**os.environ, "_TRANSOM_COMPLETE": f"{shell}_complete", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    words = re.split(r"[,\t\n]", done.stdout)
    assert "offer" in words
    assert "withdraw" not in words
