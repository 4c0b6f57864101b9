"""A whole Swift with its S3 API in one process, for `harness.swift`: rings, three back ends and the proxy.

Run by the Python of Swift's own environment: `swift_process.py FOLDER PORT`. It serves until it is killed.
"""

import socket
import sys
from pathlib import Path
from typing import Any

import eventlet
import eventlet.wsgi
from swift.common.ring import RingBuilder
from swift.common.swob import Request
from swift.common.utils import eventlet_monkey_patch, set_swift_dir
from swift.common.wsgi import loadapp

BACK_ENDS = ("account", "container", "object")
BUCKETS = {
    "/v1/AUTH_transom/images": {},
    "/v1/AUTH_transom/small": {"X-Container-Meta-Quota-Bytes": str(1 << 20)},
    "/v1/AUTH_transom/uploads": {},
    "/v1/AUTH_other/images": {},
    "/v1/AUTH_other/uploads": {},
}

SWIFT_CONF = """\
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = one
default = yes
"""
BACK_END_CONF = """\
[DEFAULT]
swift_dir = {folder}
devices = {folder}/node
mount_check = false
user = root
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
PROXY_CONF = """\
[DEFAULT]
swift_dir = {folder}
user = root
[pipeline:main]
pipeline = catch_errors listing_formats bulk s3api tempauth copy container-quotas
           slo dlo versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
[filter:tempauth]
use = egg:swift#tempauth
user_transom_t = transomsecret .admin
user_other_t = othersecret .admin
[filter:copy]
use = egg:swift#copy
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:slo]
use = egg:swift#slo
minimum_segment_size = 1
allow_async_delete = false
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = false
"""


def main(folder: Path, port: int) -> None:
    eventlet_monkey_patch()
    (folder / "node" / "d1").mkdir(parents=True, exist_ok=True)
    (folder / "swift.conf").write_text(SWIFT_CONF)
    set_swift_dir(str(folder))
    for name in BACK_ENDS:
        listening = eventlet.listen(("127.0.0.1", 0))
        make_ring(folder, name, listening.getsockname()[1])
        config = folder / f"{name}.conf"
        config.write_text(BACK_END_CONF.format(folder=folder, name=name))
        eventlet.spawn(serve, listening, loadapp(str(config)))
    config = folder / "proxy.conf"
    config.write_text(PROXY_CONF.format(folder=folder))
    proxy = loadapp(str(config))
    make_buckets(proxy)
    serve(eventlet.listen(("127.0.0.1", port)), proxy)


def make_ring(folder: Path, name: str, port: int) -> None:
    builder = RingBuilder(4, 1, 1)
    builder.add_dev(
        {
            "id": 0,
            "region": 1,
            "zone": 1,
            "ip": "127.0.0.1",
            "port": port,
            "device": "d1",
            "weight": 1.0,
            "replication_ip": "127.0.0.1",
            "replication_port": port,
        }
    )
    builder.rebalance()
    builder.get_ring().save(str(folder / f"{name}.ring.gz"))


def make_buckets(proxy: Any) -> None:
    """As an administrator would, past the API that takes the tests' keys."""
    may_all = {"swift.authorize": lambda _request: None, "swift.authorize_override": True}
    for path, headers in BUCKETS.items():
        request = Request.blank(path, environ={"REQUEST_METHOD": "PUT", **may_all}, headers=headers)
        answer = request.get_response(proxy)
        if answer.status_int >= 400:
            raise RuntimeError(f"PUT {path}: {answer.status}")


def serve(listening: socket.socket, app: Any) -> None:
    eventlet.wsgi.server(listening, app, log_output=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
