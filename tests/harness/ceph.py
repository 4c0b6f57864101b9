"""A one-node Ceph with its S3 service, RADOS Gateway, of the machine's own packages: monitor, disk, gateway.

There is no Ceph on most machines: `Ceph` raises CephMissingError there. Start reading at `Ceph.start`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import obstore
from obstore.store import S3Store

from harness import plain_http
from harness.child import Child, ServiceFailedError
from harness.ports import find_free_port
from harness.swift import ACCESS_KEY, SECRET_KEY, UPLOADS

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "ceph", "monmaptool", "radosgw-admin")
READY_TIMEOUT_S = 120.0
COMMAND_TIMEOUT_S = 60.0
DISK_TRIES = 4
#: What there is to keep data: a file that is sparse.
DISK_BYTES = 8 << 30

#: One monitor and one disk, nothing replicated, nobody asked who it is; a gateway that drops what was
#: overwritten within seconds, and answers without the delay of small packets.
CONFIGURATION = """[global]
fsid = {fsid}
mon_host = [v1:127.0.0.1:{mon_port}]
ms_bind_msgr2 = false
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_data = {folder}/rgw
run_dir = {folder}
log_file = {folder}/$name.log
pid_file = {folder}/$name.pid
admin_socket = {folder}/$name.asok
crash_dir = {folder}
bluestore_block_size = {disk_bytes}
bluestore_cache_autotune = false
bluestore_cache_size = 134217728
mon_data_avail_crit = 1
rgw_run_sync_thread = false
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 5
rgw_gc_processor_max_time = 5
rgw_override_bucket_index_max_shards = 1
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
"""


class CephMissingError(Exception):
    """This machine has no Ceph; the text says which program it lacks."""


class Ceph:
    """Its daemons, in `work_dir`, an existing folder whose path is short, and the bucket of users."""

    def __init__(self, work_dir: Path) -> None:
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise CephMissingError(f"Ceph is not installed: {', '.join(missing)}")
        self._folder = work_dir
        self._port, self._mon_port = find_free_port(), find_free_port()
        self._environment = {**os.environ, "CEPH_CONF": str(work_dir / "ceph.conf")}
        self._daemons: list[Child] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Make the node and start its daemons; return when the bucket can be used."""
        fsid, disk = str(uuid.uuid4()), str(uuid.uuid4())
        (self._folder / "ceph.conf").write_text(
            CONFIGURATION.format(
                fsid=fsid,
                folder=self._folder,
                mon_port=self._mon_port,
                port=self._port,
                disk_bytes=DISK_BYTES,
            )
        )
        for name in ("mon", "osd", "rgw"):
            (self._folder / name).mkdir()
        address, monmap = f"[v1:127.0.0.1:{self._mon_port}]", str(self._folder / "monmap")
        self._run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._serve("ceph-mon", "-f", "-i", "a", "--public-addr", "127.0.0.1", is_ready=self._has_monitor)
        self._run("ceph", "osd", "new", disk)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._run("ceph", "osd", "crush", "add", "osd.0", "1", "root=default", "host=h")
        self._start_disk()
        self._serve("radosgw", "-f", "-n", "client.rgw", is_ready=self._answers)
        keys = ("--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY)
        self._run("radosgw-admin", "user", "create", "--uid=users", "--display-name=users", *keys)
        self._make_bucket()

    def stop(self) -> None:
        """End the daemons at once; nothing is kept."""
        for daemon in reversed(self._daemons):
            if daemon.is_running:
                daemon.kill()

    def _start_disk(self) -> None:
        """Ceph 16's disk may ask the monitor before it knows the cluster's id ("wrong fsid"), and end."""
        for _ in range(DISK_TRIES - 1):
            with contextlib.suppress(ServiceFailedError):
                return self._serve("ceph-osd", "-f", "-i", "0", is_ready=self._has_disk)
        return self._serve("ceph-osd", "-f", "-i", "0", is_ready=self._has_disk)

    def _serve(self, *command: str, is_ready: Callable[[], bool]) -> None:
        log = self._folder / f"{command[0]}.out"
        daemon = Child(command[0], log, is_ready, READY_TIMEOUT_S)
        self._daemons.append(daemon)
        daemon.start(command, self._folder, self._environment)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def _has_monitor(self) -> bool:
        return self._says("ceph", "--connect-timeout", "5", "mon", "stat") is not None

    def _has_disk(self) -> bool:
        return "1 up" in (self._says("ceph", "osd", "stat") or "")

    def _answers(self) -> bool:
        try:
            return plain_http.get(self.endpoint, timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def _says(self, *command: str) -> str | None:
        try:
            return self._run(*command)
        except (RuntimeError, subprocess.TimeoutExpired):
            return None

    def _make_bucket(self) -> None:
        """By a signed URL of its own: the client of objects makes no buckets."""
        store = S3Store(
            UPLOADS,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            client_options={"allow_http": True},
        )
        url = obstore.sign(store, "PUT", "", timedelta(minutes=1))
        # The gateway makes pools for the first bucket.
        answer = plain_http.put(url, timeout=60)
        if answer.status_code != 200:
            raise RuntimeError(f"the bucket was not made: {answer.status_code} {answer.text}")
