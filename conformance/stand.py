"""The cloud under test: PostgreSQL, a real Keystone, the image services, and a server of files to import.

It knows Transom by its command, its settings and its answers. Start reading at `Stand`.
"""

import contextlib
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.keystone import REGION, Keystone
from harness.postgresql import PostgreSQL
from harness.service import Service

from conformance.files import FileServer
from conformance.runs import LENIENT, STRICT, Cloud

#: Every feature that Tempest can be told of. Ids of stores sort as their weights do: Tempest waits for an
#: image's stores in the order of their names, and they are listed by weight.
_SETTINGS = {
    "TRANSOM_ENABLED_IMPORT_METHODS": "glance-direct,web-download,copy-image,glance-download",
    # Files are served on this machine, on any port: by `files`, and by Tempest on the address that leads out.
    "TRANSOM_ALLOWED_PORTS": "",
    "TRANSOM_SHOW_IMAGE_DIRECT_URL": "true",
    "TRANSOM_SHOW_MULTIPLE_LOCATIONS": "true",
}
_STORES = "fast=file://{folder}/fast?weight=300,slow=file://{folder}/slow?weight=100,web=http://?weight=10"
_LENIENT = {"TRANSOM_REQUIRE_IMAGE_FORMAT_MATCH": "false", "TRANSOM_DO_SECURE_HASH": "false"}


class Stand:
    """Everything runs from `__enter__` to `__exit__`. folder: an empty one, which is left as it is then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.cloud = self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> Cloud:
        postgresql = stack.enter_context(PostgreSQL())
        files = stack.enter_context(FileServer())
        keystone = stack.enter_context(Keystone(self._make_folder("keystone"), postgresql.create_database()))
        shared = postgresql.create_database()
        stores = self._make_folder("stores-strict")
        strict = self._start_service(stack, "strict-1", keystone, shared, stores, {})
        # Another process over the same database and stores, as behind a balancer.
        remote = self._start_service(stack, "strict-2", keystone, shared, stores, {})
        stores = self._make_folder("stores-lenient")
        lenient = self._start_service(
            stack, "lenient", keystone, postgresql.create_database(), stores, _LENIENT
        )
        keystone.create("regions", {"id": LENIENT.region})
        add_endpoint(keystone, "image", STRICT.region, strict.url)
        add_endpoint(keystone, "image_remote", STRICT.region, remote.url)
        add_endpoint(keystone, "image", LENIENT.region, lenient.url)
        return Cloud(
            identity_url=keystone.auth_url,
            identity_region=REGION,
            admin_name="admin",
            admin_password=keystone.password,
            admin_project="admin",
            files_url=files.origin,
        )

    def _start_service(
        self,
        stack: ExitStack,
        name: str,
        keystone: Keystone,
        database: str,
        stores: Path,
        settings: Mapping[str, str],
    ) -> Service:
        found = {
            **keystone.settings(),
            "TRANSOM_STORES": _STORES.format(folder=stores),
            "TRANSOM_ALLOWED_HOSTS": ",".join(_list_own_addresses()),
            **_SETTINGS,
            **settings,
        }
        return stack.enter_context(Service(self._make_folder(name), database=database, settings=found))

    def _make_folder(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir()
        return folder


def _list_own_addresses() -> list[str]:
    """The loopback address, and the one that packets to other machines leave from, if there is a route."""
    addresses = ["127.0.0.1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        # Nothing is sent by this; the kernel only chooses.
        probe.connect(("198.51.100.1", 80))
        addresses.append(probe.getsockname()[0])
    return addresses


def add_endpoint(keystone: Keystone, service_type: str, region: str, url: str) -> None:
    """Have the catalog name this URL in a region, for all three interfaces."""
    listed = keystone.admin.get("/services", params={"type": service_type}).raise_for_status()
    found = listed.json()["services"]
    service = found[0] if found else keystone.create("services", {"type": service_type, "name": service_type})
    for interface in ("public", "internal", "admin"):
        endpoint = {"service_id": service["id"], "interface": interface, "region_id": region, "url": url}
        keystone.create("endpoints", endpoint)
