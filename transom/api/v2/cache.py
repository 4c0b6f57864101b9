"""The cache of images on this machine (Image API v2, "Cache Manage"); an admin's business."""

from typing import Any

from transom.api.http import Request, Response, json_response, no_content
from transom.api.services import Services
from transom.data import rules
from transom.domain import access
from transom.domain.errors import ConflictError, InvalidError, NotFoundError
from transom.domain.model import Status
from transom.images.rules import not_found
from transom.sql import images
from transom.stores.cache import Cache, Entry

_TARGETS = ("", "cache", "queue")


async def list_cache(services: Services, request: Request) -> Response:
    cache = _require_cache(services, request, "cache_list")
    entries, queued = await cache.list_entries(), await cache.list_queue()
    return json_response({"cached_images": [_entry_body(one) for one in entries], "queued_images": queued})


def _entry_body(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.number,
        "image_id": entry.image_id,
        "hits": entry.hits,
        "last_accessed": entry.last_accessed,
        "last_modified": entry.last_modified,
        "size": entry.size,
        "checksum": entry.checksum,
    }


async def queue_image(services: Services, request: Request) -> Response:
    """Have the image brought here in the background."""
    image_id, caller = request.params["image_id"], request.caller
    found = await images.find_image(services.db, image_id, caller.member_ids)
    image = access.see_image(caller, found, not_found(image_id)).image
    cache = _require_cache(services, request, "cache_image")
    if image.status != Status.ACTIVE:
        raise InvalidError("Only images with status active can be targeted for queueing")
    if not await cache.holds(image.id):
        await cache.queue(image.id)
        services.wake_prefetch()
    return Response(202)


async def remove_image(services: Services, request: Request) -> Response:
    """Let go of the image, or of the wish to have it. NotFoundError when neither is here."""
    image_id, caller = request.params["image_id"], request.caller
    found = await images.find_image(services.db, image_id, caller.member_ids)
    is_here = services.cache is not None and (
        await services.cache.holds(image_id) or await services.cache.is_queued(image_id)
    )
    rules.remove_cached(caller, found, not_found(image_id), is_here=is_here)
    cache = _require_cache(services, request, "cache_delete")
    await cache.remove(image_id)
    return no_content()


async def clear_cache(services: Services, request: Request) -> Response:
    """Empty the cache, its queue or (no target) both. InvalidError for another target."""
    cache = _require_cache(services, request, "cache_delete")
    target = (request.header(b"x-image-cache-clear-target") or "").strip().lower()
    if target not in _TARGETS:
        raise InvalidError(
            "If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string."
        )
    if target != "cache":
        for image_id in await cache.list_queue():
            await cache.unqueue(image_id)
    if target != "queue":
        await cache.clear()
    return no_content()


async def list_nodes(services: Services, request: Request) -> Response:
    """Each machine knows of its own cache only."""
    _require_cache(services, request, "list_cached_nodes")
    raise ConflictError("Centralized caching is not enabled")


async def clean_cache(services: Services, request: Request) -> Response:
    cache = _require_cache(services, request, "cache_clean")
    await cache.clean()
    return Response(headers=[(b"content-type", b"text/html; charset=UTF-8")])


async def prune_cache(services: Services, request: Request) -> Response:
    cache = _require_cache(services, request, "cache_prune")
    pruned, freed = await cache.prune()
    return json_response({"total_files_pruned": pruned, "total_bytes_pruned": freed})


def _require_cache(services: Services, request: Request, rule: str) -> Cache:
    rules.use_cache(request.caller, rule)
    if services.cache is None:
        raise NotFoundError("Caching via API is not supported at this site.")
    return services.cache
