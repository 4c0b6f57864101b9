"""Two services that start at the same time for the same port: one of them serves, the other says why not."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from harness.ports import find_free_port

from .calls import eventually
from .processes import serve_in_vain


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_port_is_held_while_its_service_prepares(tmp_path: Path) -> None:
    port = find_free_port()
    words = [sys.executable, "-m", "transom", "serve", "--listen", f"127.0.0.1:{port}"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TRANSOM_")}
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()

    with subprocess.Popen([*words, "--data-dir", "data"], cwd=folders[0], env=environ) as first:
        try:
            eventually((folders[0] / "data").exists, bool)
            os.kill(first.pid, signal.SIGSTOP)
            assert not _listens(port), "it was too quick for this test"
            second = serve_in_vain(folders[1], "--listen", f"127.0.0.1:{port}")
            os.kill(first.pid, signal.SIGCONT)
            eventually(lambda: _listens(port), bool)
        finally:
            os.kill(first.pid, signal.SIGCONT)
            first.terminate()
            first.wait(60)

    assert second.status == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in second.output
    assert not (folders[1] / "data").exists()
