"""Where an import by URL, or from another image service, gets its data."""

import re
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from transom.domain.digests import DIGITS, ExpectedDigest, is_digest
from transom.domain.errors import ConflictError, InvalidError
from transom.domain.fields import (
    FIELDS,
    RESERVED_PREFIXES,
    check_characters,
    check_field,
    check_property_name,
)
from transom.domain.imports import Change
from transom.domain.json_text import decode_json
from transom.domain.model import Status
from transom.identity.catalog import endpoint_in, no_endpoint, read_catalog
from transom.outbound import Answer, Outbound
from transom.transfers.options import Cloud

_MOST_JSON_BYTES = 4 << 20
_VERSION = re.compile(r"/v2(\.[0-9]+)?$")


class RemoteImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image of another service, and what an import takes over from it beside the data. `expected`: the
    digest that the service has on record, None if it has none."""

    url: str
    token: str
    change: Change
    expected: ExpectedDigest | None

    def open(self, outbound: Outbound) -> AbstractAsyncContextManager[Answer]:
        return outbound.open(f"{self.url}/file", {"X-Auth-Token": self.token})


async def find_remote_image(
    outbound: Outbound, endpoint: str, image_id: str, token: str, prefixes: tuple[str, ...]
) -> RemoteImage:
    """The image of this id at the service's `endpoint`, seen with the token. `prefixes`: starts of the names
    of properties to take over. Raises what `Outbound.open` does, and ConflictError when it has no data."""
    base = _VERSION.sub("", endpoint.rstrip("/"))
    url = f"{base}/v2/images/{image_id}"
    async with outbound.open(url, {"X-Auth-Token": token, "Accept": "application/json"}) as answer:
        body = _read_object(await answer.read(_MOST_JSON_BYTES))
    if body.get("status") != Status.ACTIVE:
        raise ConflictError(f"Source image status should be active instead of {body.get('status')}")
    return RemoteImage(url=url, token=token, change=_taken_over(body, prefixes), expected=_recorded(body))


def _read_object(raw: bytes) -> dict[str, Any]:
    try:
        body = decode_json(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidError("The other image service gave an answer that is no image.")
    return body


def _recorded(body: dict[str, Any]) -> ExpectedDigest | None:
    for algorithm, name in ((body.get("os_hash_algo"), "os_hash_value"), ("md5", "checksum")):
        value = body.get(name)
        if isinstance(value, str) and algorithm in tuple(DIGITS) and is_digest(algorithm, value):
            return ExpectedDigest(source=f"{name} of the source", algorithm=algorithm, value=value)
    return None


def _taken_over(body: dict[str, Any], prefixes: tuple[str, ...]) -> Change:
    fields = {name: check_field(name, body.get(name)) for name in ("container_format", "disk_format")}
    properties = {}
    for name, value in body.items():
        if name in FIELDS or not name.startswith(prefixes) or not isinstance(value, str):
            continue
        if name.startswith(RESERVED_PREFIXES):
            continue  # What the other service says of its own imports and families.
        check_property_name(name)
        check_characters("Property names", name)
        check_characters("Param values", value, name)
        properties[name] = value
    return Change(fields=fields, properties=properties)


_INTERFACES = ("public", "internal", "admin")


async def find_endpoint(cloud: Cloud, *, region: str, interface: str, token: str) -> str:
    """The URL of the image service in the region, as the user's catalog has it; ConflictError when it
    has none. The built-in catalog names this service alone, and here it does so by the settings: the user's
    token goes there, so a request's Host header is not to say where that is."""
    if cloud.auth_url is not None:
        catalog = await read_catalog(cloud.auth_url, cloud.cafile, token)
        return endpoint_in(catalog, "image", region, interface)
    if region != cloud.region or interface not in _INTERFACES:
        raise no_endpoint("image", region, interface)
    if cloud.own_url is None:
        raise ConflictError("This service does not know its own URL: public_endpoint is not set.")
    return cloud.own_url
