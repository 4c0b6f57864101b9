"""What the APIs ask about one image: create, see, change, remove. Start reading here.

A change looks, lets its caller decide, and writes with a guard that repeats what was seen (`sql/images.py`).
A guard that fails means that another request changed the image first: look again, and decide for the new
state.
"""

from collections.abc import Awaitable, Callable

import msgspec

from transom.clock import now_us
from transom.data.transfer import Transfer
from transom.domain import access, image_quotas
from transom.domain.errors import ConflictError
from transom.domain.events import Actor
from transom.domain.model import Caller, Image, ImageTarget, Location, Status
from transom.images import rules
from transom.images.rules import absent
from transom.quotas.projects import Limits
from transom.sharing.families import images as versions
from transom.sql import blobs, images
from transom.sql.db import Database
from transom.sql.retry import TRIES, write_conflict

#: Raises unless the image, as it was seen, is what the client demands.
Guard = Callable[[Image], Awaitable[None]]


async def create_image(db: Database, limits: Limits, image: Image, *, id_was_chosen: bool) -> None:
    """Write the new image. `id_was_chosen`: by the client, so that it may be another image's."""
    limit = await limits.most_images(image.owner)
    if not await images.insert_image(db, image, limit, id_was_chosen=id_was_chosen):
        if 0 <= limit <= await images.count_images(db, image.owner):
            raise image_quotas.too_many_images(limit)
        raise ConflictError(f"Image ID {image.id} already exists!")


async def see_image(db: Database, caller: Caller, image_id: str) -> ImageTarget:
    """The image, or NotFoundError."""
    found = await images.find_image(db, image_id, caller.member_ids)
    return access.see_image(caller, found, absent(image_id))


async def change_image(
    db: Database,
    caller: Caller,
    actor: Actor,
    image_id: str,
    decide: Callable[[ImageTarget], Image],
    *,
    missing: str | None = None,
    writes: bool = True,
    guard: Guard | None = None,
) -> Image:
    """Look at the image, `decide` what it becomes, and write that unless somebody changed it meanwhile: then
    look and decide again. `missing`: the text for an absent image. `writes`: False for a change that
    is empty: all is judged, nothing written. `guard`: what the client demands of the image it changes."""
    for _ in range(TRIES):
        found = await images.find_image(db, image_id, caller.member_ids)
        target = access.see_image(caller, found, missing or absent(image_id))
        seen = target.image
        if guard is not None:
            rules.modify_image(caller, target)
            await guard(seen)
        new = decide(target)
        if not writes:
            return seen
        new = msgspec.structs.replace(new, updated_at=images.moved_on(seen, now_us()))
        if await versions.update_image(db, seen, new, actor):
            return new
    raise write_conflict(f"Image {image_id} is")


async def remove_image(
    db: Database,
    transfer: Transfer,
    caller: Caller,
    actor: Actor,
    image_id: str,
    judge: Callable[[ImageTarget], Awaitable[None]],
    guard: Guard | None,
) -> None:
    """Delete the image unless `judge` or `guard` raises. What these saw still holds then: every change of the
    image since makes it look again."""
    for _ in range(TRIES):
        found = await images.find_image(db, image_id, caller.member_ids)
        target = access.see_image(caller, found, f"Failed to find image {image_id} to delete")
        seen = target.image
        await judge(target)
        if guard is not None:
            await guard(seen)
        staged = await _find_staged(db, seen)
        if await versions.remove_image(db, seen, now_us(), actor):
            await transfer.removal.remove((*seen.locations, *staged))
            await transfer.reads.forget(seen)
            return
    raise write_conflict(f"Image {image_id} is")


async def _find_staged(db: Database, image: Image) -> tuple[Location, ...]:
    """The bytes that wait to be imported into the image."""
    if image.status not in (Status.UPLOADING, Status.IMPORTING):
        return ()
    staged = await blobs.find_staged(db, image.id)
    return (Location(store=staged.store, key=staged.key),) if staged is not None else ()
