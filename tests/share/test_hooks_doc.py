"""The receiver of docs/hooks.md does what the page says."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import SharedServices
from harness.child import killed_after
from harness.ports import find_free_port

from .test_hooks import INSIDE, PATH, make_hook, share_image

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"


@pytest.mark.parametrize("tampers", [False, True], ids=["its own", "another's"])
def test_the_documented_receiver_takes_what_is_signed_with_its_secret(
    shared_services: SharedServices, tmp_path: Path, tampers: bool
) -> None:
    service = shared_services.get("sqlite", **INSIDE)
    client, port = service.client("recipient"), find_free_port()
    hook = make_hook(client, url=f"http://127.0.0.1:{port}/", types=["share.offered"])
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    script = tmp_path / "receiver.py"
    script.write_text(code)
    secret = "whsec_" + "A" * 43 + "=" if tampers else hook["secret"]
    environment = {**os.environ, "PORT": str(port), "SECRET": secret}
    receiver = subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with receiver, killed_after(60, receiver):
        assert receiver.stdout is not None
        try:
            _wait_for(port, receiver)
            share_image(service)
            if tampers:
                while not client.get(f"{PATH}/{hook['id']}").json()["last_failure_at"]:
                    assert receiver.poll() is None
                    time.sleep(0.05)
                assert client.get(f"{PATH}/{hook['id']}").json()["last_success_at"] is None
            else:
                assert receiver.stdout.readline() == b"transom.share.offered web\n"
                assert client.post(f"{PATH}/{hook['id']}/test").status_code == 202
                assert receiver.stdout.readline() == b"transom.hook.test \n"
        finally:
            receiver.kill()
            client.delete(f"{PATH}/{hook['id']}")


def _wait_for(port: int, receiver: subprocess.Popen[bytes]) -> None:
    """Until somebody listens there."""
    while receiver.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
