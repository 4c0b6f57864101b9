"""Runs one real Keystone in this process; `keystone.py` starts it with the Python that has Keystone.

`keystone_process.py FOLDER PORT`, with the password of the first administrator in OS_BOOTSTRAP_PASSWORD.
FOLDER holds `keystone.conf`. Where there is no Keystone in it yet, database, keys and first administrator are
made before it serves. All of that in one process, for Keystone takes several seconds of CPU to import.
"""

from __future__ import annotations

import getpass
import grp
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import waitress
from keystone.cmd import cli
from keystone.server.wsgi import initialize_public_application
from oslo_context.context import RequestContext

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# More than requests that one test has under way: a thread that waits holds up nobody.
THREADS = 8


def main(folder: Path, port: int) -> None:
    config = folder / "keystone.conf"
    made = folder / "made"
    if not made.exists():
        owner = ["--keystone-user", getpass.getuser(), "--keystone-group", grp.getgrgid(os.getgid()).gr_name]
        for command in (
            ["db_sync"],
            ["fernet_setup", *owner],
            ["credential_setup", *owner],
            [
                "bootstrap",
                "--bootstrap-public-url",
                f"http://127.0.0.1:{port}/v3",
                "--bootstrap-region-id",
                "RegionOne",
            ],
        ):
            manage(config, command)
        made.touch()
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = str(folder)
    # Keystone reads the command line of its process as its own.
    del sys.argv[1:]
    application = forget_last_request(initialize_public_application())
    waitress.serve(application, host="127.0.0.1", port=port, threads=THREADS)


def forget_last_request(application: Application) -> Application:
    """`application`, each of whose requests starts with an empty request-local cache.

    Keystone looks up the token before it replaces the context of the thread's last request, and would find
    there what was cached then, though it was revoked since.
    """

    def run(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        RequestContext(overwrite=True)
        return application(environ, start_response)

    return run


def manage(config: Path, command: list[str]) -> None:
    """Run one command of `keystone-manage`, in a fork: each of them sets up Keystone's global state anew."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            cli.main(["keystone-manage", "--config-file", str(config), *command])
            status = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise SystemExit(f"keystone-manage {command[0]} failed")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
