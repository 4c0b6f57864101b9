"""The stores: which there are, and taking an image out of one of them (Image API v2, "Stores")."""

from typing import Any

from transom.api.http import Request, Response, json_response, no_content
from transom.api.services import Services
from transom.clock import now_us
from transom.data.rules import see_stores_in_detail
from transom.domain import access
from transom.domain.errors import ConflictError
from transom.domain.stores import PART_SIZE_MIB, PARTS_AT_ONCE, StoreInfo, StoreKind
from transom.images.rules import remove_from_store
from transom.sql import blobs, images
from transom.sql.retry import TRIES, write_conflict


async def list_stores(services: Services, _request: Request) -> Response:
    return json_response({"stores": [_store_body(info) for info in services.stores.infos]})


async def list_stores_in_detail(services: Services, request: Request) -> Response:
    see_stores_in_detail(request.caller)
    return json_response({"stores": [_detailed_body(info) for info in services.stores.infos]})


def _store_body(info: StoreInfo) -> dict[str, Any]:
    body: dict[str, Any] = {"id": info.id}
    if info.description:
        body["description"] = info.description
    if info.is_default:
        body["default"] = "true"
    if info.is_read_only:
        body["read-only"] = "true"
    return body


def _detailed_body(info: StoreInfo) -> dict[str, Any]:
    return {
        **_store_body(info),
        "type": info.kind,
        "weight": info.weight,
        "properties": _PROPERTIES[info.kind](info),
    }


def _file_properties(info: StoreInfo) -> dict[str, Any]:
    return {"data_dir": info.address, "chunk_size": 1 << 20, "thin_provisioning": False}


def _s3_properties(info: StoreInfo) -> dict[str, Any]:
    part_size_mib = int(info.options.get("part_size_mib", PART_SIZE_MIB))
    return {
        "s3_store_large_object_size": part_size_mib,
        "s3_store_large_object_chunk_size": part_size_mib,
        "s3_store_thread_pools": PARTS_AT_ONCE,
    }


def _no_properties(_info: StoreInfo) -> dict[str, Any]:
    return {}


_PROPERTIES = {
    StoreKind.FILE: _file_properties,
    StoreKind.S3: _s3_properties,
    StoreKind.HTTP: _no_properties,
}


async def delete_from_store(services: Services, request: Request) -> Response:
    """Take one of several copies of an image's data away."""
    store_id, image_id = request.params["store_id"], request.params["image_id"]
    if store_id not in services.stores:
        raise ConflictError(f"The selected store {store_id} is not available on this node.")
    for _ in range(TRIES):
        found = await images.find_image(services.db, image_id, request.caller.member_ids)
        target = access.see_image(request.caller, found, f"Failed to find image {image_id}")
        location = remove_from_store(request.caller, target, store_id)
        if await blobs.drop_location(services.db, target.image, location, now_us()):
            await services.transfer.removal.remove((location,))
            return no_content()
    raise write_conflict(f"Image {image_id} is")
