"""The commands of docs/sharing.md, run as they stand on a fresh service, one after the other."""

import re
import subprocess
import sys
from pathlib import Path

from harness.service import Service

PAGE = Path(__file__).parents[2] / "docs" / "sharing.md"
LISTEN = "127.0.0.1:9292"
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_whole_story_works_as_it_stands(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        commands = "\n".join(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))
        script = commands.replace(f"http://{LISTEN}", service.url).replace("curl -s", "curl -sf")
        done = subprocess.run(
            ["/bin/sh", "-c", f"set -eu\n{script}"],
            cwd=tmp_path,
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
                "HOME": str(tmp_path),
                "NO_PROXY": "127.0.0.1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert '{"offered":1,"renewed":0,"unchanged":0,"failures":[]}' in done.stdout
    assert "web-1" in done.stdout
    assert '{"withdrawn":1,"absent":0,"remaining":0,"failures":[]}' in done.stdout
