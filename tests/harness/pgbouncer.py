"""A real pgbouncer in front of a PostgreSQL server of the tests.

It must not import the service. Start reading at `start_pgbouncer`.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from harness.child import Child
from harness.ports import find_free_port

_READY_WITHIN_S = 20.0
#: Daemons are installed where a user's PATH may not lead; this one variable may name another build.
_PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
_VARIABLE = "PGBOUNCER"
#: From this version on prepared statements are followed from one server connection to the next.
FOLLOWS_STATEMENTS = (1, 21)

_CONFIGURATION = """
[databases]
* = host={socket} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {pool}
{more}
"""


def find_pgbouncer() -> str | None:
    """The program, None when it is not installed."""
    return os.environ.get(_VARIABLE) or shutil.which("pgbouncer", path=_PATH)


def version_of(program: str) -> tuple[int, ...]:
    said = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    assert found is not None, said
    return tuple(map(int, found.groups()))


@contextmanager
def start_pgbouncer(folder: Path, url: str, mode: str, pool: int = 20) -> Iterator[str]:
    """The URL of the same database by way of it. folder: for what it writes. url: of a database that names a
    folder with the server's socket. mode: session or transaction. pool: connections to the server."""
    program = find_pgbouncer()
    assert program is not None
    parts = urlsplit(url)
    server = Path(parse_qs(parts.query)["host"][0])
    follows = mode == "transaction" and version_of(program) >= FOLLOWS_STATEMENTS
    port = find_free_port()
    text = _CONFIGURATION.format(
        socket=server,
        user=parts.username,
        port=port,
        mode=mode,
        pool=pool,
        more="max_prepared_statements = 200" if follows else "",
    )
    (folder / "pgbouncer.ini").write_text(text, encoding="utf-8")
    # It refuses to be root. Whoever owns the server's socket may speak to the server.
    user = ["-u", server.owner()] if os.geteuid() == 0 else []
    child = Child("pgbouncer", folder / "pgbouncer.log", lambda: _accepts(port), _READY_WITHIN_S)
    child.start([program, *user, str(folder / "pgbouncer.ini")], folder)
    try:
        yield f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
    finally:
        child.stop()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
