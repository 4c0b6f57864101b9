"""What a request to create an image says → the new image."""

import uuid
from collections.abc import Callable, Container
from typing import Any

from transom.clock import now_us
from transom.domain import image_quotas, protection
from transom.domain.errors import ForbiddenError, Reason
from transom.domain.fields import (
    FAMILY_PREFIX,
    FIELDS,
    NATURAL,
    check_not_negative,
    check_property_name,
    check_storable,
    read_only,
)
from transom.domain.image_quotas import ImageQuotas
from transom.domain.model import Caller, Image, Status, Visibility
from transom.images import rules

#: Read-only whatever else is wrong with a create request; the others of FIELDS come after the policy.
_NEVER_GIVEN = ("direct_url", "self", "file", "schema", "stores")


def new_image(
    body: dict[str, Any],
    caller: Caller,
    quotas: ImageQuotas,
    check_value: Callable[[str, Any], Any],
    asked: Container[str],
) -> Image:
    """The image that the body of a request describes, before it is written. `check_value`: a value as the
    image keeps it, or an error (`fields.check_field`). `asked`: what of the body the client named itself. The
    order of checks is that of the reference, 3.1."""
    for name in _NEVER_GIVEN:
        if name in body:
            raise read_only(name)
    given = {
        name: check_value(name, value) for name, value in body.items() if not name.startswith(FAMILY_PREFIX)
    }
    properties = {name: value for name, value in given.items() if name not in FIELDS}
    for name in properties:
        check_property_name(name)
    owner = (given["owner"] or None) if "owner" in given else caller.project_id
    visibility = given.get("visibility", Visibility.SHARED)
    rules.create_image(caller, owner, visibility)
    protection.require_create(caller, [name for name in properties if name in asked])
    for name in given:
        if name in FIELDS and FIELDS[name].read_only:
            raise read_only(name)
    if "locations" in given:
        raise ForbiddenError("Attribute 'locations' is reserved.", Reason.UNSUPPORTED)
    now = now_us()
    image = Image(
        id=given.get("id") or str(uuid.uuid4()),
        owner=owner,
        name=given.get("name"),
        status=Status.QUEUED,
        visibility=visibility,
        container_format=given.get("container_format"),
        disk_format=given.get("disk_format"),
        min_disk=given.get("min_disk", 0),
        min_ram=given.get("min_ram", 0),
        protected=given.get("protected", False),
        os_hidden=given.get("os_hidden", False),
        size=None,
        virtual_size=None,
        checksum=None,
        os_hash_algo=None,
        os_hash_value=None,
        tags=given.get("tags", ()),
        properties=properties,
        locations=(),
        created_at=now,
        updated_at=now,
    )
    image_quotas.check_tags(None, image, quotas.tags)
    for name in NATURAL:
        check_not_negative(name, getattr(image, name))
    image_quotas.check_properties(None, image, quotas.properties)
    image_quotas.check_metadata(None, image, quotas.metadata_bytes)
    for name, value in given.items():
        check_storable(name, value)
    return image
