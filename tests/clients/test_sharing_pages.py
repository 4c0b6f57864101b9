"""The commands of docs/sharing.md and docs/families.md, in their order, as they stand, on a fresh service."""

import re
import sys
from pathlib import Path

from harness.service import Service

from clients import shell

DOCS = Path(__file__).parents[2] / "docs"


def _tell(page: str, folder: Path) -> str:
    """What the commands of the page print."""
    with Service(folder) as service:
        commands = "\n".join(shell.find_blocks((DOCS / page).read_text(encoding="utf-8")))
        script = commands.replace(f"http://{shell.LISTEN}", service.url).replace("curl -s", "curl -sf")
        return shell.run(script, folder, programs=Path(sys.executable).parent)


def test_the_whole_story_of_sharing_works_as_it_stands(tmp_path: Path) -> None:
    """Slow: some thirty commands, of which each takes one second or two."""
    told = _tell("sharing.md", tmp_path)

    assert (tmp_path / "copy.raw").read_bytes() == (tmp_path / "disk.raw").read_bytes()
    by_property = told.partition("Smaller.")[2]
    assert re.search(r"web-2 +active", by_property)
    assert re.search(r"2 .* web-2 +revoked .* CVE-2026-1234\n1 .* web-1 +current", told)
    assert "family.revoked" in told
    assert "withdrawn: " in told
    assert '{"offered":1,"renewed":0,"unchanged":0,"failures":[]}' in told
    assert '{"withdrawn":1,"absent":0,"remaining":0,"failures":[]}' in told


def test_the_story_of_a_family_works_as_it_stands(tmp_path: Path) -> None:
    told = _tell("families.md", tmp_path)

    assert '"state":"revoked"' in told
    assert "CVE-2026-1234" in told
    # What `openstack image list` finds by the property, at the end.
    assert [line for line in told.splitlines()[-6:] if "web-1" in line and "active" in line]
