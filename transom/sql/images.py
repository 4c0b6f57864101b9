"""Images: rows ↔ `Image`. Lists of images are in `listing.py`, their bytes in `blobs.py`."""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from transom.clock import now_us
from transom.domain.events import Actor
from transom.domain.imports import WAITING
from transom.domain.memberships import Found
from transom.domain.model import Image, Location, Status, Visibility
from transom.domain.status import WITH_DATA
from transom.sql.db import Database, Row, Statement
from transom.sql.live import live
from transom.sql.member_ids import OWN_IDS, MemberIds, is_group, with_own_ids
from transom.sql.outbox import record_image

#: The columns of an image, in the order of its fields.
COLUMNS = ", ".join(f"image.{name}" for name in Image.__struct_fields__)
WIDTH = len(Image.__struct_fields__)

#: The same without what users may write much of, for lists that show none of it.
_LEFT_OUT = {"tags": "'[]'", "properties": "'{}'", "locations": "'[]'"}
BRIEF_COLUMNS = ", ".join(_LEFT_OUT.get(name, f"image.{name}") for name in Image.__struct_fields__)

#: Where in a row those columns are that a database has otherwise than the image.
_PROTECTED, _OS_HIDDEN, _TAGS, _PROPERTIES, _LOCATIONS = map(
    Image.__struct_fields__.index, ("protected", "os_hidden", "tags", "properties", "locations")
)

_decode_tags = msgspec.json.Decoder(tuple[str, ...]).decode
decode_properties = msgspec.json.Decoder(dict[str, str]).decode
_decode_locations = msgspec.json.Decoder(tuple[Location, ...]).decode


def to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def image_of_row(row: Row) -> Image:
    """An image from a row that starts with COLUMNS."""
    values = list(row[:WIDTH])
    values[_PROTECTED] = bool(values[_PROTECTED])
    values[_OS_HIDDEN] = bool(values[_OS_HIDDEN])
    values[_TAGS] = _decode_tags(values[_TAGS])
    values[_PROPERTIES] = decode_properties(values[_PROPERTIES])
    values[_LOCATIONS] = _decode_locations(values[_LOCATIONS])
    return Image(*values)


#: `$4`: now.
IS_MEMBER = f"""
    exists (select 1 from member as own
            where own.image_id = image.id and own.member_id in {OWN_IDS} and {live("$4", "own")})"""

FIND_IMAGE = f"select {COLUMNS}, {IS_MEMBER} from image where image.id = $1"


async def find_image(db: Database, image_id: str, member_ids: MemberIds) -> Found:
    """The image, and whether one of `member_ids` is a member of it. One look-up by primary keys."""
    rows = await db.read(*with_own_ids(FIND_IMAGE, image_id, member_ids, now_us()))
    if not rows:
        return Found(image_id=image_id)
    return Found(image_id=image_id, image=image_of_row(rows[0]), is_member=bool(rows[0][WIDTH]))


INSERT_IMAGE = """
    insert into image (id, owner, name, status, visibility, container_format, disk_format, min_disk, min_ram,
                       protected, os_hidden, tags, properties, locations, created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, '[]', $14, $14)
    on conflict (id) do nothing
    returning id"""

# Behind the insert, not within it: one that waited for the end of a deletion still sees what was before.
ID_IS_UNUSED = "select 1 where not exists (select 1 from deleted_image where id = $1)"


# Images of one project are created one after another: a count does not see those not yet committed.
LOCK_OWNER = "select pg_advisory_xact_lock(hashtextextended($1, 0))"


def lock_owner(owner: str | None) -> Statement:
    """Serializes transactions that count what a project has and add to it. The first statement of each."""
    return Statement(LOCK_OWNER, (owner,), is_lock=True)


# Behind the insert as well: it counts the new image.
WITHIN_QUOTA = "select 1 where (select count(*) from image where owner = $1) <= cast($2 as bigint)"


def insert_statements(image: Image, image_count_quota: int) -> list[Statement]:
    """The guarded statements that make a new image. `image_count_quota`: images its owner may have, negative
    for no limit."""
    values = (
        image.id,
        image.owner,
        image.name,
        image.status,
        image.visibility,
        image.container_format,
        image.disk_format,
        image.min_disk,
        image.min_ram,
        image.protected,
        image.os_hidden,
        to_json(image.tags),
        to_json(image.properties),
        image.created_at,
    )
    insert = Statement(INSERT_IMAGE, values, required=True, key=("id",))
    if image_count_quota < 0:
        return [insert]
    within_quota = Statement(WITHIN_QUOTA, (image.owner, image_count_quota), required=True)
    return [lock_owner(image.owner), insert, within_quota]


async def insert_image(db: Database, image: Image, image_count_quota: int, *, id_was_chosen: bool) -> bool:
    """False when the id is, or once was, another image's, or the owner may have no more images (see
    `count_images`). `id_was_chosen`: by a client; nobody draws the same random UUID twice."""
    statements = insert_statements(image, image_count_quota)
    if id_was_chosen:
        statements.append(Statement(ID_IS_UNUSED, (image.id,), required=True))
    return await db.transact(*statements) is not None


COUNT_IMAGES = "select count(*) from image where owner = $1"


async def count_images(db: Database, owner: str | None) -> int:
    """Images that a project owns."""
    rows = await db.scan(COUNT_IMAGES, owner)
    return int(rows[0][0])


def set_active_at(status: str, now: str) -> str:
    """Within an `update image` that sets `status` at the time `now`: notes the time when the image gets data
    to use. A deactivated image has had it, and its time stays."""
    had_data = ", ".join(f"'{one}'" for one in sorted(WITH_DATA))
    return (
        f"active_at = case when {status} = '{Status.ACTIVE}' and status not in ({had_data})"
        f" then {now} else active_at end"
    )


def _update_image(*further: str) -> str:
    columns = (
        *("updated_at", "status", "container_format", "disk_format", "min_disk", "min_ram"),
        *("protected", "os_hidden", "properties", *further),
    )
    values = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 3))
    return f"""
    update image set {values}, {set_active_at("$4", "$3")}
    where id = $1 and updated_at = $2
    returning id"""


# SQLite writes each index of a column that is set, and prepares for its triggers, whether it changes or not:
# so what has any is set only when it changes.
UPDATE_IMAGE = _update_image()
RENAME_IMAGE = _update_image("name")
REPLACE_IMAGE = _update_image("name", "owner", "visibility", "tags")


#: Before its recipients are told. Whatever changes a membership waits for this lock; and what was changed
#: before, while this waited for the lock, is seen by the statements after it.
LOCK_SEEN = "select id from image where id = $1 and updated_at = $2 for update"


def lock_seen(seen: Image) -> Statement:
    """A guard: nobody changed the image since it was `seen`, nor will before the end of the transaction."""
    return Statement(LOCK_SEEN, (seen.id, seen.updated_at), required=True)


async def update_image(db: Database, seen: Image, new: Image, actor: Actor) -> bool:
    """Replace what a client may change, unless somebody changed the image since it was `seen`: then False.

    Every change of an image moves `updated_at` (see `moved_on`), which makes it the row's version.
    """
    return await db.transact(*update_statements(seen, new, actor)) is not None


def update_statements(seen: Image, new: Image, actor: Actor) -> list[Statement]:
    """As `update_image`, for a transaction that they belong to. Most changes are one statement, which is a
    round trip; those that recipients are told of, which are rare, begin with the lock."""
    update = _update_statement(seen, new, actor)
    return [lock_seen(seen), update] if update.events else [update]


def _update_statement(seen: Image, new: Image, actor: Actor) -> Statement:
    values = (
        seen.id,
        seen.updated_at,
        new.updated_at,
        new.status,
        new.container_format,
        new.disk_format,
        new.min_disk,
        new.min_ram,
        new.protected,
        new.os_hidden,
        to_json(new.properties),
    )
    sql, further = _further_changes(seen, new)
    return Statement(
        sql,
        (*values, *further),
        required=True,
        frees_room=new.status == Status.DEACTIVATED != seen.status,
        events=record_image(seen, new, actor),
        key=("id",),
    )


def _further_changes(seen: Image, new: Image) -> tuple[str, tuple[str | None, ...]]:
    """(the statement of the three above, the values of what it sets behind the others)."""
    if (seen.owner, seen.visibility, seen.tags) != (new.owner, new.visibility, new.tags):
        return REPLACE_IMAGE, (new.name, new.owner, new.visibility, to_json(new.tags))
    if seen.name != new.name:
        return RENAME_IMAGE, (new.name,)
    return UPDATE_IMAGE, ()


def moved_on(image: Image, now: int) -> int:
    """The `updated_at` of the next version: now, and never the one before."""
    return max(now, image.updated_at + 1)


#: The same within a statement whose $2 is now.
MOVE_ON = "updated_at = case when updated_at < $2 then $2 else updated_at + 1 end"


# The images of $1 that somebody was offered.
SHARED_AMONG = f"""
    select image.id from image
    where image.id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))
      and image.visibility = '{Visibility.SHARED}'
      and exists (select 1 from member where member.image_id = image.id and {live("$2")})"""

#: Beyond so many images a look takes longer than the event loop should.
_FEW = 50


async def shared_among(db: Database, image_ids: Collection[str]) -> frozenset[str]:
    """Those of the images that have recipients, whatever these answered."""
    if not image_ids:
        return frozenset()
    named = to_json(list(image_ids))
    if len(image_ids) <= _FEW:
        rows = await db.read(SHARED_AMONG, named, now_us())
    else:
        rows = await db.scan(SHARED_AMONG, named, now_us())
    return frozenset(row[0] for row in rows)


# Of all its members, few are domains or organisations, and it may have thousands.
HAS_GROUP_MEMBER = f"""
    select 1 from member where image_id = $1 and {is_group("member_id")} and {live("$2")}
    limit 1"""


async def has_group_member(db: Database, image_id: str) -> bool:
    """Whether a whole domain, an organisation or a unit of one is a member of the image."""
    return bool(await db.scan(HAS_GROUP_MEMBER, image_id, now_us()))


#: Recipients are counted of so many images of a project at most, of the newest.
MOST_COUNTED = 10_000

RECIPIENTS_OF_PROJECT = f"""
    select count(*), coalesce(max(shared.recipients), 0)
    from (select count(*) as recipients
          from (select id from image where owner = $1 and visibility = '{Visibility.SHARED}'
                order by created_at desc, id desc limit {MOST_COUNTED}) as image
          join member on member.image_id = image.id
          where {live("$2")}
          group by image.id) as shared"""


async def count_shared(db: Database, owner: str) -> tuple[int, int]:
    """(images of a project that have recipients, the most recipients that one of them has), of the newest
    MOST_COUNTED that may have any."""
    rows = await db.scan(RECIPIENTS_OF_PROJECT, owner, now_us())
    return int(rows[0][0]), int(rows[0][1])


INSERT_ABANDONED_BLOB = "insert into loose_blob (key, store, held_until) values ($1, $2, 0)"


def abandon_statements(locations: Iterable[Location]) -> list[Statement]:
    """The bytes there, which an image gives up, wait for removal."""
    return [
        Statement(INSERT_ABANDONED_BLOB, (location.key, location.store), frees_room=True)
        for location in locations
        if not location.is_foreign
    ]


LOOSEN_STAGED = """
    insert into loose_blob (key, store, held_until)
    select key, store, 0 from staged_blob where image_id = $1
    on conflict (key) do nothing"""

DELETE_STAGED = "delete from staged_blob where image_id = $1"


def loosen_staged(image_id: str) -> tuple[Statement, Statement]:
    """Mark what was staged for an image for removal. For a transaction that changes the image afterwards."""
    return Statement(LOOSEN_STAGED, (image_id,)), Statement(DELETE_STAGED, (image_id,))


_USED = """
    (select coalesce(sum(size), 0) from image where owner = $1)
    + (select coalesce(sum(reserved), 0) from loose_blob where owner = $1 and holder is not null)"""

USED_STORAGE = f"select {_USED}"

# Behind the reservation: it counts that one, too.
WITHIN_STORAGE = f"select 1 where {_USED} <= cast($2 as bigint)"


def guard_storage(owner: str | None, limit: int, *changes: Statement) -> list[Statement]:
    """The changes, with a guard around them that the owner has at most so many bytes then. Those of one
    project wait for each other, as new images do."""
    within = Statement(WITHIN_STORAGE, (owner, limit), required=True)
    return [Statement(LOCK_OWNER, (owner,), is_lock=True), *changes, within]


async def used_storage(db: Database, owner: str | None) -> int:
    """Bytes of image data that a project owns, and of data on its way for which room is reserved."""
    rows = await db.scan(USED_STORAGE, owner)
    return int(rows[0][0])


# As Glance counts it: each copy of the data takes room. All of these read one range of `image_by_owner`.
PLACED_STORAGE = """
    select coalesce(sum(image.size), 0)
    from image cross join jsonb_array_elements_text(image.locations) as place
    where image.owner = $1"""


async def placed_storage(db: Database, owner: str | None) -> int:
    """Bytes that the images of a project take in the stores, staged data left out."""
    rows = await db.scan(PLACED_STORAGE, owner)
    return int(rows[0][0])


_IS_COPIED = f"coalesce(properties ->> '{WAITING}', '') <> ''"

STAGED_STORAGE = f"""
    select coalesce(sum(size), 0) from image
    where owner = $1 and (status in ('{Status.UPLOADING}', '{Status.IMPORTING}') or {_IS_COPIED})"""


async def staged_storage(db: Database, owner: str | None) -> int:
    """Bytes of a project's images that are being imported or copied, or wait for it."""
    rows = await db.scan(STAGED_STORAGE, owner)
    return int(rows[0][0])


COUNT_UPLOADING = f"""
    select count(*) from image
    where owner = $1
      and (status in ('{Status.SAVING}', '{Status.UPLOADING}', '{Status.IMPORTING}') or {_IS_COPIED})"""


async def count_uploading(db: Database, owner: str | None) -> int:
    """Images of a project whose data is on its way: uploaded, staged, imported or copied."""
    rows = await db.scan(COUNT_UPLOADING, owner)
    return int(rows[0][0])


# Behind the change of an image's status: it counts that one, too.
WITHIN_UPLOADING = f"select 1 where ({COUNT_UPLOADING}) <= cast($2 as bigint)"


def guard_uploading(owner: str | None, limit: int, *changes: Statement) -> list[Statement]:
    """The changes, with a guard that the owner has `limit` uploads under way then; negative: no limit.
    Uploads of one project that begin at once wait for each other, as new images do."""
    if limit < 0:
        return [*changes]
    within = Statement(WITHIN_UPLOADING, (owner, limit), required=True)
    return [lock_owner(owner), *changes, within]
