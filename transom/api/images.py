"""What calls on images have in common, whichever API they belong to."""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any

from transom.api.conditions import versioned_response
from transom.api.http import HttpError, Request, Response, json_response
from transom.api.queries import page_link
from transom.api.services import Services
from transom.api.versions import base_url
from transom.domain import patch
from transom.domain.model import Image, ImageTarget
from transom.images import service

_PATCH_NEW = "application/openstack-images-v2.1-json-patch"
_PATCH_OLD = "application/openstack-images-v2.0-json-patch"


def see_image(services: Services, request: Request) -> Awaitable[ImageTarget]:
    """As `service.see_image`, of the image of the path."""
    return service.see_image(services.db, request.caller, request.params["image_id"])


async def create_image(
    services: Services, request: Request, image: Image, shown: dict[str, Any], *, id_was_chosen: bool
) -> Response:
    """Write the new image, and answer with its body `shown`."""
    await service.create_image(services.db, services.limits, image, id_was_chosen=id_was_chosen)
    location = f"{base_url(services, request)}{request.prefix}/v2/images/{image.id}".encode("latin-1")
    store_ids = ",".join(info.id for info in services.stores.infos).encode()
    headers = [(b"location", location), (b"openstack-image-store-ids", store_ids)]
    if methods := services.image_options.import_methods:
        headers.append((b"openstack-image-import-methods", ",".join(methods).encode()))
    return versioned_response(request, image.updated_at, shown, HTTPStatus.CREATED, headers)


def page_response(pairs: list[tuple[str, str]], shown: list[dict[str, Any]], *, is_full: bool) -> Response:
    """A page of a list with links to the first and, behind a full one, the next. Clients append them to
    their endpoint."""
    body: dict[str, Any] = {
        "images": shown,
        "first": page_link("/v2/images", pairs, None),
        "schema": "/v2/schemas/images",
    }
    if shown and is_full:
        body["next"] = page_link("/v2/images", pairs, shown[-1]["id"])
    return json_response(body)


async def read_patch(services: Services, request: Request, rules: patch.Rules) -> list[patch.Operation]:
    """The operations of the body, which has one of the two media types."""
    media_type = request.content_type
    if media_type not in (_PATCH_NEW, _PATCH_OLD):
        raise HttpError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The request media type {media_type or '(none)'} is not supported by this server.",
            [(b"accept-patch", f"{_PATCH_OLD}, {_PATCH_NEW}".encode())],
        )
    body = await request.json(services.bodies.json_body_limit)
    return patch.parse_operations(body, old_form=media_type == _PATCH_OLD, rules=rules)
