"""Which projects use images of others: one row for each pair, kept as long as the image."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from transom.domain.shares import MOST_COUNTED, Usage
from transom.sql.db import Database, Statement
from transom.sql.images import to_json


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """How often a project has downloaded an image, and when it last used it in any way."""

    downloads: int
    last_used_at: int


# The image is locked, for it may be deleted at the same time.
ADD_USE = """
    insert into image_use (image_id, project_id, downloads, last_used_at)
    select used.id, $2, cast($3 as bigint), cast($4 as bigint)
    from (select id from image where id = $1 for update) as used
    where true
    on conflict (image_id, project_id) do update
    set downloads = image_use.downloads + excluded.downloads,
        last_used_at = case when excluded.last_used_at > image_use.last_used_at
                            then excluded.last_used_at else image_use.last_used_at end"""


async def add_uses(db: Database, uses: Iterable[tuple[tuple[str, str], Use]]) -> None:
    """Add these uses to those on record, by the ids of image and project; those of images that are gone are
    dropped. All or none."""
    # In the order of their keys, as everybody locks images.
    await db.transact(
        *(
            Statement(ADD_USE, (image_id, project_id, use.downloads, use.last_used_at))
            for (image_id, project_id), use in sorted(uses, key=lambda one: one[0])
        )
    )


# Of each image the end of its range in `image_use_by_time`, and the range of late, cut.
LIST_USES_OF_LATE = f"""
    select asked.value,
           (select max(last_used_at) from image_use where image_id = asked.value),
           (select count(*) from (
               select 1 from image_use where image_id = asked.value and last_used_at > $2
               limit {MOST_COUNTED + 1}) as late)
    from (select value from jsonb_array_elements_text(cast($1 as jsonb))) as asked"""


async def list_uses_of_late(db: Database, image_ids: Collection[str], since: int) -> Mapping[str, Usage]:
    """When others last used each of these images, and how many projects have since then, by image."""
    rows = await db.scan(LIST_USES_OF_LATE, to_json(list(image_ids)), since)
    return {row[0]: Usage(last_used_at=row[1], projects=int(row[2])) for row in rows}


LIST_OWN_USES = """
    select image_id, last_used_at from image_use
    where project_id = $1 and image_id in (select value from jsonb_array_elements_text(cast($2 as jsonb)))"""


async def list_own_uses(db: Database, project_id: str, image_ids: Iterable[str]) -> Mapping[str, Usage]:
    """When the project last used each of these images, by image. Look-ups by primary key."""
    rows = await db.read(LIST_OWN_USES, project_id, to_json(list(image_ids)))
    return {row[0]: Usage(last_used_at=row[1]) for row in rows}
