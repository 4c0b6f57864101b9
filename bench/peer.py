"""A real Glance, in an environment of its own, as `make bench-glance` compares with it.

Two uWSGI processes, one store in a local folder, Keystone's tokens kept in the process; nothing is switched
off that Glance does by default.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.keystone import Keystone
from harness.ports import find_free_port

from bench.processes import BenchError, run_server
from bench.scene import ROOT

_VENV = ROOT / ".venv-glance"
_PROCESSES = 2
_COMMAND_TIMEOUT_S = 120
_CONFIG = """\
[DEFAULT]
log_file = {folder}/glance-api.log
enabled_backends = fast:file
[database]
connection = {database}
[glance_store]
default_backend = fast
[fast]
filesystem_store_datadir = {folder}/images
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {folder}/tasks
[keystone_authtoken]
auth_type = password
auth_url = {auth_url}
www_authenticate_uri = {auth_url}
username = transom
password = {password}
project_name = service
user_domain_id = default
project_domain_id = default
interface = public
[paste_deploy]
flavor = keystone
config_file = {paste}
[oslo_concurrency]
lock_path = {folder}/lock
"""
_UWSGI = """\
[uwsgi]
module = glance.wsgi.api:application
http-socket = 127.0.0.1:{port}
processes = {processes}
threads = 1
enable-threads = true
master = true
lazy-apps = true
thunder-lock = true
buffer-size = 65535
die-on-term = true
need-app = true
listen = 100
disable-logging = true
add-header = Connection: close
virtualenv = {venv}
"""


@contextmanager
def run_glance(folder: Path, database: str, keystone: Keystone) -> Iterator[tuple[int, int]]:
    """(process id, port) of a Glance over an empty database. folder: an empty one for all it writes."""
    port = find_free_port()
    config = folder / "glance-api.conf"
    config.write_text(
        _CONFIG.format(
            folder=folder,
            database=database.replace("postgresql://", "postgresql+psycopg2://"),
            auth_url=keystone.auth_url,
            password=keystone.password,
            paste=_VENV / "etc" / "glance" / "glance-api-paste.ini",
        )
    )
    for name in ("images", "staging", "tasks", "lock"):
        (folder / name).mkdir()
    uwsgi = folder / "uwsgi.ini"
    uwsgi.write_text(_UWSGI.format(port=port, processes=_PROCESSES, venv=_VENV))
    _make_schema(config, folder / "schema.log")
    environment = {**os.environ, "OS_GLANCE_CONFIG_DIR": str(folder)}
    command = [str(_VENV / "bin" / "uwsgi"), "--ini", str(uwsgi)]
    with run_server(command, port, folder / "uwsgi.log", environment) as pid:
        yield pid, port


def _make_schema(config: Path, log: Path) -> None:
    command = [str(_VENV / "bin" / "glance-manage"), "--config-file", str(config), "db_sync"]
    with log.open("w") as output:
        done = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, timeout=_COMMAND_TIMEOUT_S, check=False
        )
    if done.returncode != 0:
        raise BenchError(f"Glance's schema could not be made:\n{log.read_text(errors='replace')[-2000:]}")
