"""Objects in the buckets of a real S3 service, the services that may use them, and the calls about them.

Objects are put and read by the tests' own client. Start reading at `Bucket`.
"""

import secrets
import subprocess
from pathlib import Path
from typing import Any, Protocol

import httpx
import obstore
from obstore.store import S3Store

from harness.service import Service
from harness.swift import ACCESS_KEY, SECRET_KEY, UPLOADS

MIB = 1 << 20
ACTION = "/v2/cloudimages/action"
QUICK = "/v2/cloudimages/quickimport/action"
DATA_IMAGE = "/v1/cloudimages/dataimages/action"
DEBIAN = "Debian GNU/Linux 10.0.0 64bit"


class S3Service(Protocol):
    """Swift or another."""

    @property
    def endpoint(self) -> str: ...


class Bucket:
    """A bucket of the S3 service, with names in it that nobody else uses."""

    def __init__(
        self, service: S3Service, name: str = UPLOADS, keys: tuple[str, str] = (ACCESS_KEY, SECRET_KEY)
    ) -> None:
        self.name = name
        self._folder = secrets.token_hex(4)
        self._store = S3Store(
            name,
            endpoint=service.endpoint,
            region="us-east-1",
            access_key_id=keys[0],
            secret_access_key=keys[1],
            client_options={"allow_http": True},
        )

    def ref(self, name: str) -> str:
        """As the calls name the object."""
        return f"{self.name}:{self._folder}/{name}"

    def put(self, name: str, data: bytes) -> str:
        """Its `ref`."""
        obstore.put(self._store, f"{self._folder}/{name}", data)
        return self.ref(name)

    def get(self, name: str) -> bytes | None:
        """None when there is no such object."""
        try:
            return bytes(obstore.get(self._store, f"{self._folder}/{name}").bytes())
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        obstore.delete(self._store, f"{self._folder}/{name}")


def object_settings(endpoint: str, folder: Path, rules: str) -> dict[str, str]:
    """Settings of a service that asks the object store by its own keys. `rules`: the table of buckets."""
    table = folder / f"buckets-{secrets.token_hex(4)}.toml"
    table.write_text(rules)
    return {
        "TRANSOM_OBJECT_STORE_ENDPOINT": endpoint,
        "TRANSOM_OBJECT_STORE_MODE": "service",
        "TRANSOM_OBJECT_STORE_ACCESS_KEY": ACCESS_KEY,
        "TRANSOM_OBJECT_STORE_SECRET_KEY": SECRET_KEY,
        "TRANSOM_OBJECT_STORE_BUCKETS_FILE": str(table),
    }


#: Every project may read and write the bucket of users.
OPEN_TO_ALL = f'[[bucket]]\nname = "{UPLOADS}*"\nprojects = ["*"]\nwrite = true\n'


def make_disk(folder: Path, disk_format: str, size: str = "8M", data: bytes = b"") -> bytes:
    """A disk image as qemu-img makes it, the disk beginning with `data`."""
    raw, made = folder / f"{secrets.token_hex(4)}.raw", folder / f"{secrets.token_hex(4)}.{disk_format}"
    raw.write_bytes(data)
    commands = [
        ["resize", "-f", "raw", str(raw), size],
        ["convert", "-f", "raw", "-O", disk_format, str(raw), str(made)],
    ]
    for command in commands:
        subprocess.run(["qemu-img", *command], check=True, capture_output=True, timeout=60)
    return made.read_bytes()


def ask(
    service: Service, path: str, caller: str = "publisher", method: str = "POST", **given: Any
) -> httpx.Response:
    return service.client(caller).request(method, path, json=given)


def system_image(image_url: str, **given: Any) -> dict[str, Any]:
    """The body of I9."""
    return {"name": "web 1", "image_url": image_url, "min_disk": 10, "os_version": DEBIAN} | given
