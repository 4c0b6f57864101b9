"""What a check of the stores has to know: which images have data where, and which keys belong to anything."""

from collections.abc import AsyncIterator, Collection
from typing import NamedTuple

import msgspec

from transom.domain.model import Image
from transom.sql.db import Database
from transom.sql.images import COLUMNS, image_of_row, to_json

#: Images, or keys, looked up by one statement.
PAGE = 500

# By the primary key, a page after the other.
PAGE_OF_IMAGES = f"select {COLUMNS} from image where image.id > $1 order by image.id limit {PAGE}"


async def all_images(db: Database, after: str = "") -> AsyncIterator[Image]:
    """Every image, by id; those that are made meanwhile may be left out. `after`: begin behind this id."""
    while rows := await db.scan(PAGE_OF_IMAGES, after):
        for row in rows:
            image = image_of_row(row)
            yield image
            after = image.id


class Key(NamedTuple):
    """A blob as a store names it. It starts with the id of the image that it was made for."""

    store: str
    key: str

    @property
    def image_id(self) -> str:
        return self.key[:36]


# The rows of images, orphan blobs and staged data are each found by their primary keys.
LOCATIONS_OF = """
    select image.locations from image
    where image.id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))"""

WAITING_AMONG = """
    select store, key from loose_blob
    where key in (select value from jsonb_array_elements_text(cast($1 as jsonb)))"""

STAGED_AMONG = """
    select store, key from staged_blob
    where image_id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))"""


async def find_known(db: Database, keys: Collection[Key]) -> set[Key]:
    """The `keys` that the database knows: as a location, as staged data, or as a loose blob.

    A key is recorded before the first byte is stored, and forgotten after the last one was removed: a blob
    that was in a store before this call and is not known is an orphan. The three statements follow the life
    of a blob (arriving, staged, an image's, leaving), so that none is missed between two of them.
    """
    names = to_json(sorted({key.key for key in keys}))
    images = to_json(sorted({key.image_id for key in keys}))
    known: set[Key] = set()
    for _ in range(2):
        # Twice: what an image gave up after its row was read, and after the first look, is on its way out.
        known |= {Key(*row) for row in await db.scan(WAITING_AMONG, names)}
        known |= {Key(*row) for row in await db.scan(STAGED_AMONG, images)}
        for row in await db.scan(LOCATIONS_OF, images):
            known |= {Key(place.store, place.key) for place in _decode_places(row[0])}
    return known & set(keys)


class _Place(msgspec.Struct, frozen=True):
    store: str
    key: str


_decode_places = msgspec.json.Decoder(tuple[_Place, ...]).decode
