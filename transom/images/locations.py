"""PATCH of an image's locations, where the operator shows them (Image API v2, "Locations", the old way)."""

from collections.abc import Awaitable, Callable

import msgspec

from transom.clock import now_us
from transom.data.transfer import Transfer
from transom.domain import access, image_quotas, patch
from transom.domain.errors import InvalidError, TransomError
from transom.domain.events import Actor
from transom.domain.image_quotas import ImageQuotas
from transom.domain.locations import Known, change_places, parse_place
from transom.domain.model import Caller, Image, Location
from transom.images import patching, rules
from transom.images.service import Guard
from transom.outbound import Outbound
from transom.sharing.families import images as versions
from transom.sql import images
from transom.sql.db import Database
from transom.sql.retry import TRIES, write_conflict
from transom.stores.registry import Stores


async def change_locations(
    db: Database,
    transfer: Transfer,
    caller: Caller,
    actor: Actor,
    image_id: str,
    operations: list[patch.Operation],
    look: Callable[[Image], Awaitable[Known]],
    quotas: ImageQuotas,
    guard: Guard | None,
) -> Image:
    """The image after operations of which some are on its locations. `look`: finds out about what these name,
    if the caller may change locations at all."""
    known: Known | None = None
    for _ in range(TRIES):
        found = await images.find_image(db, image_id, caller.member_ids)
        target = access.see_image(caller, found, rules.absent(image_id))
        seen = target.image
        if known is None:
            for operation in operations:
                if operation.root == "locations":
                    rules.change_locations(caller, target, operation.op)
            known = await look(seen)
        if guard is not None:
            await guard(seen)
        looked = known

        def change(operation: patch.Operation, image: Image, looked: Known = looked) -> Image:
            return change_places(operation, image, looked)

        new = patching.apply(operations, target, caller, change)
        image_quotas.check_change(seen, new, quotas)
        new = msgspec.structs.replace(new, updated_at=images.moved_on(seen, now_us()))
        given_up = _given_up(seen, new)
        if await versions.change_places(db, seen, new, given_up, actor):
            await transfer.removal.remove(given_up)
            return new
    raise write_conflict(f"Image {image_id} is")


def _given_up(seen: Image, new: Image) -> tuple[Location, ...]:
    kept = {(location.store, location.key) for location in new.locations}
    return tuple(one for one in seen.locations if (one.store, one.key) not in kept)


async def look_at_locations(
    stores: Stores,
    outbound: Outbound,
    operations: list[patch.Operation],
    image: Image,
    algorithm: str,
    limit: int,
) -> Known:
    """What the operations on locations name. `algorithm`: of the hashes that are recorded; `limit`: locations
    an image may have. InvalidError for a URL that may not be fetched, or has no data."""
    had = {stores.url(location) for location in image.locations}
    found = {}
    for operation in operations:
        if operation.root != "locations" or operation.op == "remove":
            continue
        for value in [operation.value] if operation.op == "add" else operation.value:
            url = parse_place(value).url
            if operation.op == "add" or not had:
                found[url] = await _look_at(stores, outbound, url)
    return Known(found=found, url_of=stores.url, algorithm=algorithm, limit=limit)


async def _look_at(stores: Stores, outbound: Outbound, url: str) -> tuple[str, int]:
    store_id = stores.reader_of(url)
    if store_id is None:
        raise InvalidError(f"Invalid location: {url}")
    await outbound.check(url)
    try:
        size = await stores.get(store_id).size(url)
    except TransomError as error:
        raise InvalidError(f"Invalid location: {url} ({error})") from None
    if not size:
        raise InvalidError(f"Invalid location: {url}")
    return store_id, size
