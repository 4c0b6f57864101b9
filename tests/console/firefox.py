"""`make firefox`: the flows of `firefox_flows.py` in Debian's Firefox, before a release.

Without `/usr/bin/firefox-esr` it says so and runs nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.environments import install
from harness.service import Service

from console.story import Story

FIREFOX = Path("/usr/bin/firefox-esr")
FLOWS = Path(__file__).with_name("firefox_flows.py")


def main() -> int:
    if not FIREFOX.exists():
        sys.stdout.write(f"skipped: there is no {FIREFOX} (apt-get install firefox-esr)\n")
        return 0
    with tempfile.TemporaryDirectory() as work, Service(Path(work)) as service:
        told = Story(service)
        clouds = {name: service.clouds[name] for name in ("web-ops", "image-builder")}
        facts = {
            "firefox": str(FIREFOX),
            "url": service.url,
            "passwords": {name: cloud.password for name, cloud in clouds.items()},
            "family": told.family,
            "image": told.make_image("image-builder", "told-at-once", 1),
            "recipient": told.project("web-team"),
            "token": told.builder.headers["X-Auth-Token"],
        }
        command = [str(install("firefox")), str(FLOWS)]
        # Firefox writes its log where it is started.
        done = subprocess.run(command, input=json.dumps(facts), text=True, cwd=work, timeout=600, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
