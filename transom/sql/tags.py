"""Tags looked at across images: which there are, and which images have them.

They stand in the rows of the images (`image.tags`), so each statement reads a range of images whole: one
project's own by `image_by_owner`, or the ranges of a list (`listing.py`). All are scans. Of images that must
have a tag only those are read that have its word (`image_tag`).
"""

from transom.clock import now_us
from transom.domain.listing import Condition, ListQuery, Range
from transom.domain.model import Image
from transom.domain.tags import TagSearch, word_of
from transom.sql.conditions import Values, condition_term
from transom.sql.db import Database, SqlDialect
from transom.sql.images import COLUMNS, image_of_row
from transom.sql.listing import TAGGED, range_ids, tagged_terms

LIST_OWN_TAGS = """
    select distinct tag.value from image cross join jsonb_array_elements_text(image.tags) as tag
    where image.owner = $1"""


async def list_own_tags(db: Database, owner: str) -> list[str]:
    """The tags of all images that a project owns, as they are written, in no order."""
    return [row[0] for row in await db.scan(LIST_OWN_TAGS, owner)]


async def list_tags(
    db: Database, ranges: list[Range], query: ListQuery, limit: int, offset: int
) -> list[str]:
    """A page of the tags of a list's images, as they are written, sorted bytewise. Of `query` only the
    conditions count."""
    if not ranges:
        return []
    values = Values()
    ids = range_ids(db.dialect, ranges, query, values)
    sql = (
        f'select distinct tag.value collate "C" from ({ids}) as found join image on image.id = found.id '
        "cross join jsonb_array_elements_text(image.tags) as tag "
        f"order by 1 limit {values.add(limit)} offset {values.add(offset)}"
    )
    return [row[0] for row in await db.scan(sql, *values.bound(now_us()))]


async def find_images(
    db: Database, owner: str, search: TagSearch, limit: int, offset: int, after: Image | None = None
) -> list[Image]:
    """A page of the project's own images that are sought, newest first; of those past `after` if given."""
    values = Values()
    table, terms = _sought(db.dialect, owner, search, values)
    created_at, image_id = (
        ("tagged.created_at", "tagged.image_id") if table == TAGGED else ("image.created_at", "image.id")
    )
    if after is not None:
        marks = f"({values.add(after.created_at)}, {values.add(after.id)})"
        terms.append(f"({created_at}, {image_id}) < {marks}")
    sql = (
        f"select {COLUMNS} from {table} where {' and '.join(terms)} "
        f"order by {created_at} desc, {image_id} desc "
        f"limit {values.add(limit)} offset {values.add(offset)}"
    )
    return [image_of_row(row) for row in await db.scan(sql, *values.bound(now_us()))]


async def count_images(db: Database, owner: str, search: TagSearch) -> int:
    """How many `find_images` has on all its pages."""
    values = Values()
    table, terms = _sought(db.dialect, owner, search, values)
    sql = f"select count(*) from {table} where {' and '.join(terms)}"
    return int((await db.scan(sql, *values.bound(now_us())))[0][0])


def _own_range(owner: str, search: TagSearch, values: Values) -> tuple[str, list[str]]:
    """As `_sought`, before anything but a tag that all must have narrows it."""
    required = search.all_of or (search.any_of if len(search.any_of) == 1 else ())
    if search.untagged or not required:
        return "image", [f"image.owner = {values.add(owner)}"]
    # The owner of the image itself is in no words that an index has.
    terms = tagged_terms(values.add(word_of(required[0])), owner, None, values)
    return TAGGED, [*terms, f"(image.owner || '') = {values.add(owner)}"]


def _sought(dialect: SqlDialect, owner: str, search: TagSearch, values: Values) -> tuple[str, list[str]]:
    """(the tables to read, the terms that the images meet)"""
    table, terms = _own_range(owner, search, values)
    if search.image_id is not None:
        terms.append(f"image.id = {values.add(search.image_id)}")
    if search.name:
        terms.append(f"strpos(image.name, {values.add(search.name)}) > 0")
    elif search.name is not None:
        terms.append("coalesce(image.name, '') = ''")
    if search.untagged:
        terms.append("image.tags = '[]'")
        return table, terms

    def joined(conditions: tuple[Condition, ...], word: str) -> str:
        return f" {word} ".join(condition_term(dialect, condition, values) for condition in conditions)

    if search.all_of:
        terms.append(joined(search.all_of, "and"))
    if search.any_of:
        terms.append(f"({joined(search.any_of, 'or')})")
    if search.not_all_of:
        terms.append(f"not ({joined(search.not_all_of, 'and')})")
    if search.none_of:
        terms.append(f"not ({joined(search.none_of, 'or')})")
    return table, terms
