"""Records → JSON shapes of the Image API v2."""

import time
from functools import lru_cache
from typing import Any

from transom.domain.model import Caller, Image, Member
from transom.domain.protection import readable
from transom.domain.recipients import split_member_id


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def timestamp(microseconds: int) -> str:
    """`2015-11-29T22:21:42Z`: whole seconds, rounded down."""
    return _second(microseconds // 1_000_000)


def image_body(image: Image, caller: Caller) -> dict[str, Any]:
    """An image as the caller sees it: its fields, with custom properties beside them."""
    own = f"/v2/images/{image.id}"
    return {
        # First: no property ever hides a field.
        **readable(caller, image.properties),
        "id": image.id,
        "name": image.name,
        "status": image.status,
        "visibility": image.visibility,
        "owner": image.owner,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "protected": image.protected,
        "os_hidden": image.os_hidden,
        "tags": image.tags,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "checksum": image.checksum,
        "os_hash_algo": image.os_hash_algo,
        "os_hash_value": image.os_hash_value,
        "created_at": timestamp(image.created_at),
        "updated_at": timestamp(image.updated_at),
        "self": own,
        "file": f"{own}/file",
        "schema": "/v2/schemas/image",
    }


def member_body(member: Member) -> dict[str, Any]:
    """A membership as clients see it. One of a whole domain or an organisation says so."""
    if "/" not in member.member_id:  # A project, as most are: of these there may be ten thousand.
        return _member_body(member, member.member_id)
    kind, own_id = split_member_id(member.member_id)
    return {**_member_body(member, own_id), "member_type": kind}


def _member_body(member: Member, own_id: str) -> dict[str, Any]:
    return {
        "member_id": own_id,
        "image_id": member.image_id,
        "status": member.status,
        "created_at": timestamp(member.created_at),
        "updated_at": timestamp(member.updated_at),
        "schema": "/v2/schemas/member",
    }
