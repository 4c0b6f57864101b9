"""The commands of docs/sharing.md, families.md and hooks.md, in their order, on a fresh service."""

import re
import sys
from pathlib import Path

from harness.ports import find_free_port
from harness.service import Service

from clients import shell

DOCS = Path(__file__).parents[2] / "docs"


#: Of the page about webhooks, what tries one.
TRIAL = "### To try it on one machine"
TO_THIS_MACHINE = {"TRANSOM_HOOK_SCHEMES": "http,https", "TRANSOM_HOOK_HOSTS": "127.0.0.1"}


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
    ended = told.partition("withdrawn: ")[2]
    assert re.search(r"share.withdrawn +web-1 .* The licence has ended\.", ended)
    assert '{"offered":1,"renewed":0,"unchanged":0,"failures":[]}' in told
    assert '{"withdrawn":1,"absent":0,"remaining":0,"failures":[]}' in told


def test_the_story_of_a_family_works_as_it_stands(tmp_path: Path) -> None:
    told = _tell("families.md", tmp_path)

    assert '"state":"revoked"' in told
    assert "CVE-2026-1234" in told
    # What `openstack image list` finds by the property, at the end.
    assert [line for line in told.splitlines()[-6:] if "shop-1" in line and "active" in line]


def test_the_story_of_a_webhook_works_as_it_stands(tmp_path: Path) -> None:
    """The receiver ends with the shell, and writes to a file what it took."""
    page = (DOCS / "hooks.md").read_text(encoding="utf-8")
    (receiver,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "receiver.py").write_text(receiver)
    (commands,) = shell.find_blocks(page[page.index(TRIAL) :])
    port = str(find_free_port())
    listening = f"python -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}))'"
    start = 'python receiver.py > told 2> log & trap "kill $!" EXIT\n'
    start += f"until {listening} 2> log; do sleep 0.1; done"
    script = commands.replace("8000", port).replace("python receiver.py &", start)
    taken = "until grep -q offered told; do sleep 0.1; done"

    with Service(tmp_path, settings=TO_THIS_MACHINE) as service:
        told = shell.run(f"{script}\n{taken}", tmp_path, programs=Path(sys.executable).parent)
        while service.client("publisher").get("/share/v1/hooks").json()["items"][0]["last_status"] != 204:
            pass

    assert (tmp_path / "told").read_text() == "transom.hook.test \ntransom.share.offered news-1\n"
    assert "offered: 1" in told
    assert "last_status" in told
