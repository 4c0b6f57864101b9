"""The story of `make demo`, which checks at each step what the real clients say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_demo_tells_its_story_to_the_end() -> None:
    """Slow: it starts `openstack` some fifteen times, of which each takes one to three seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("# That is the whole story.")
