"""Lists of images that the caller may see, page by page."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import msgspec

from transom.domain import protection
from transom.domain.errors import InvalidError, NotFoundError, Reason
from transom.domain.listing import ListQuery, Range
from transom.domain.model import Caller, Image
from transom.images import rules
from transom.images.service import see_image
from transom.sql import listing
from transom.sql.db import Database
from transom.sql.listing import ImagePage

#: Images read at a time where a rule thins them out.
STEP = 100


async def find_images(
    db: Database,
    caller: Caller,
    make_ranges: Callable[[Caller, ListQuery], list[Range]],
    query: ListQuery,
) -> ImagePage:
    """One page of the images that the caller may list. `make_ranges`: which they are."""
    rules.list_images(caller)
    after = await _find_marker(db, caller, query.marker) if query.marker is not None else None
    seen = protection.visible_query(caller, query)
    if seen is None:
        return ImagePage([], is_full=False)
    ranges = make_ranges(caller, seen)
    if rules.lists_all_it_finds(caller):
        return await listing.list_images(db, ranges, seen, after)
    return await _find_allowed(db, caller, ranges, seen, after)


async def _find_allowed(
    db: Database, caller: Caller, ranges: list[Range], query: ListQuery, after: Image | None
) -> ImagePage:
    """A page of those images that the operator's own `get_image` lets the caller see, filled up from what
    follows for those it does not."""
    allowed: list[Image] = []
    size = 0
    async with aclosing(each_allowed(db, caller, ranges, query, after)) as every:
        async for image in every:
            if len(allowed) == query.limit or size >= query.size_limit:
                return ImagePage(allowed, is_full=True)
            allowed.append(image)
            size += listing.size_of(image)
    return ImagePage(allowed, is_full=len(allowed) == query.limit)


def each_allowed(
    db: Database, caller: Caller, ranges: list[Range], query: ListQuery, after: Image | None = None
) -> AsyncGenerator[Image, None]:
    """As `each_of`, of a list's images past `after`, in its order."""
    step = msgspec.structs.replace(query, limit=max(query.limit, STEP))

    async def read(after: Image | None) -> tuple[list[Image], bool]:
        found = await listing.list_images(db, ranges, step, after)
        return found.images, not found.is_full

    return each_of(caller, read, after)


async def each_of(
    caller: Caller,
    read: Callable[[Image | None], Awaitable[tuple[list[Image], bool]]],
    after: Image | None = None,
) -> AsyncGenerator[Image, None]:
    """Every image that the operator's own `get_image` lets the caller see. `read`: some images past the one
    it is given (None: from the first on), and whether they are the last."""
    while True:
        found, is_end = await read(after)
        for image in found:
            if rules.is_listed(caller, image):
                yield image
        if is_end:
            return
        after = found[-1]
        # Where a rule hides nearly everything there are many steps, and each may run on the event loop.
        await asyncio.sleep(0)


async def _find_marker(db: Database, caller: Caller, image_id: str) -> Image:
    try:
        target = await see_image(db, caller, image_id)
    except NotFoundError as error:
        raise InvalidError(f"marker: {error}", Reason.BAD_URL) from None
    return target.image
