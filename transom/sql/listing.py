"""Lists of images: a union of index ranges, each cut at the page size before they are merged.

The caller's own images are a range of `image_by_owner` or `image_shared_by_owner`, what was shared with him
is one of `member_by_project` (with the domain and the organisations that he is in, several that are merged
as they are read), what is for everybody stands in `image_public` and `image_community`, and
everything (for an admin) in `image_by_age`. Each is in the list's default order already, so a page costs the
same however many images there are, and has one plan for all: PostgreSQL makes it without the values.
A name that is sought makes each range a shorter one, of the indexes `image_by_name_and_owner`,
`image_public_by_name`, `image_community_by_name` and `image_by_name`; so does a property that has indexes
(`property_indexes.py`).

Paging is by key, not by offset: the page after a marker starts where the marker would stand, whatever came or
went meanwhile.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from transom.clock import now_us
from transom.domain.listing import (
    ABOUT_PROPERTIES,
    NULLABLE_SORT_KEYS,
    Condition,
    ListQuery,
    Op,
    Range,
    SortKey,
)
from transom.domain.model import FOR_EVERYBODY, Image, Visibility
from transom.sql.db import Arm, Database, Dialect
from transom.sql.images import COLUMNS, WIDTH, image_of_row, to_json
from transom.sql.live import live

#: As the indexes `image_by_age` and `image_by_name` have it; true of each image.
_ANYBODYS_SQL = "image.id <> ''"
#: Key and value of `tag.value`, a tag as it stands in an image, as `parse_tag` of `domain/tags.py` has them.
TAG_KEY = """
    case when strpos(tag.value, '=') > 1 then substr(tag.value, 1, strpos(tag.value, '=') - 1)
         when strpos(tag.value, '=') = 0 and strpos(tag.value, '.') > 1
         then substr(tag.value, 1, strpos(tag.value, '.') - 1)
         else tag.value end"""
TAG_VALUE = """
    case when strpos(tag.value, '=') > 1 then substr(tag.value, strpos(tag.value, '=') + 1)
         when strpos(tag.value, '=') = 0 and strpos(tag.value, '.') > 1
         then substr(tag.value, strpos(tag.value, '.') + 1)
         else '' end"""


#: Pages of at most so many images are not weighed: it would cost them time, and the quotas of an image's
#: properties and tags bound them.
_FEW = 25
#: Characters of what makes an image's body long; `_BARE`: about as many as all the rest has.
_BARE = 1000
_SIZE = (
    "(length(cast(image.properties as text)) + length(cast(image.tags as text))"
    f" + length(cast(image.locations as text)) + {_BARE})"
)


#: The images of a name that somebody was offered are looked for among his memberships if he has at most so
#: many of a status, else among all images of the name.
_FEW_OFFERS = 100

#: Stands for the time when the statement runs, which its text does not hold: that is kept.
_NOW = object()


class Values:
    """Collects the values of a statement; `add` gives the `$n` that stands for one."""

    def __init__(self) -> None:
        self.collected: list[Any] = []

    def now(self) -> str:
        """The `$n` of the time when the statement runs."""
        return f"${self.collected.index(_NOW) + 1}" if _NOW in self.collected else self.add(_NOW)

    def bound(self, now: int) -> tuple[Any, ...]:
        """The values of a statement that runs at the time `now`."""
        return tuple(now if value is _NOW else value for value in self.collected)

    def add(self, value: Any) -> str:
        self.collected.append(value)
        return f"${len(self.collected)}"


def size_of(image: Image) -> int:
    """The size that counts against `ListQuery.size_limit`, about that of the image's row."""
    return _BARE + len(to_json(image.properties)) + len(to_json(image.tags)) + len(to_json(image.locations))


class ImagePage(NamedTuple):
    images: list[Image]
    #: Whether the page ended at one of its limits, so that more images may follow.
    is_full: bool


async def list_images(
    db: Database, ranges: list[Range], query: ListQuery, after: Image | None, tenant: str | None = None
) -> ImagePage:
    """At most `query.limit` images of the ranges' union, in order; those past `after` if it is given. A page
    of more than a few ends with the image that reaches `query.size_limit`. `tenant`: see `Database.scan`."""
    if not ranges or query.limit == 0:
        return ImagePage([], is_full=False)
    if after is None and not query.conditions:
        page = _plain_page(db.dialect, tuple(ranges), query)
    else:
        page = _page(db.dialect, ranges, query, after)
    values = page.values.bound(now_us())
    if page.is_short:
        rows = await db.read(page.sql, *values)
    else:
        rows = await db.scan(page.sql, *values, tenant=tenant)
    is_full = len(rows) == query.limit or (
        query.limit > _FEW and bool(rows) and rows[-1][WIDTH] >= query.size_limit
    )
    return ImagePage([image_of_row(row) for row in rows], is_full)


class _PageQuery(NamedTuple):
    sql: str
    values: Values
    #: Whether it is read in no time, however many images there are.
    is_short: bool


def _page(dialect: Dialect, ranges: Sequence[Range], query: ListQuery, after: Image | None) -> _PageQuery:
    values = Values()
    # Spelt out, not a value: planners take a limit that they do not know for a tenth of everything.
    limit = str(int(query.limit))
    looked_up = _find_look_up(query)
    sought = None if looked_up is None else _make_sought(dialect, looked_up, values)
    conditions = _conditions(dialect, query, values, but=looked_up)
    wanted = _Wanted(query.sort, after, conditions, sought)
    arms = [arm for found in ranges for arm in _select_arms(found, wanted, values)]
    if any(found.groups for found in ranges):
        keys = [f"k{n}" for n in range(len(query.sort))]
        parts = [dialect.merge(arms, keys, ", ".join(map(_order, keys, query.sort)), limit)]
    else:
        parts = [f"{arm.sql}order by {arm.order} limit {limit}" for arm in arms]
    selected = [f"select * from ({part}) as r{number}" for number, part in enumerate(parts)]
    order = ", ".join(_order(f"page.k{n}", key) for n, key in enumerate(query.sort))
    joined = f"({' union '.join(selected)}) as page join image on image.id = page.id"
    sql = f"select {COLUMNS} from {joined} order by {order} limit {limit}"
    if query.limit > _FEW:
        sql = _cut_by_size(joined, len(query.sort), order, limit, values.add(query.size_limit))
    return _PageQuery(sql, values, _is_short(ranges, query))


def _cut_by_size(joined: str, keys: int, order: str, limit: str, size_limit: str) -> str:
    """As the plain page, but that it ends with the image that reaches the size limit. The size so far follows
    the image's columns. What is sorted and summed up are ids and sizes: images that a page has no room for
    never leave the database."""
    names = ", ".join(["page.id", *(f"page.k{n}" for n in range(keys))])
    sizes = f"select {names}, {_SIZE} as own_size from {joined} order by {order} limit {limit}"
    sums = f"select page.*, sum(own_size) over (order by {order} rows unbounded preceding) as so_far"
    return (
        f"select {COLUMNS}, cast(page.so_far as bigint) from ({sums} from ({sizes}) as page) as page"
        f" join image on image.id = page.id where page.so_far - page.own_size < {size_limit} order by {order}"
    )


@lru_cache(maxsize=512)
def _plain_page(dialect: Dialect, ranges: tuple[Range, ...], query: ListQuery) -> _PageQuery:
    """Cached: clients repeat the same lists, and building a statement costs as much as reading its rows."""
    return _page(dialect, ranges, query, None)


def range_ids(dialect: Dialect, ranges: list[Range], query: ListQuery, values: Values) -> str:
    """A query for the `id` of each image of the ranges' union that meets the conditions, in no order."""
    conditions = _conditions(dialect, query, values)
    parts = []
    for found in chain.from_iterable(map(_parts_of, ranges)):
        table, where = _range_terms(found, values)
        parts.append(f"select image.id as id from {table} where {' and '.join([*conditions, *where])}")
    return " union ".join(parts)


class _Sought(NamedTuple):
    """A column, or a property, that an index has, and the `$n` of the value that the images have in it.
    `owner`: how the index of an owner's images has the owner."""

    column: str
    value: str
    owner: str


def _find_look_up(query: ListQuery) -> Condition | None:
    """The condition that the page is looked up by: a name, or else a property that has an index."""
    names = [one for one in query.conditions if one.field == "name" and one.op is Op.EQ]
    properties = [one for one in query.conditions if one.is_indexed and len(one.values) == 1]
    return next(iter([*names, *properties]), None)


def _make_sought(dialect: Dialect, condition: Condition, values: Values) -> _Sought:
    value = values.add(condition.values[0])
    if condition.op is Op.EQ:
        return _Sought("image.name", value, "image.owner")
    return _Sought(dialect.json_text("image.properties", condition.field), value, "(image.owner || '')")


def _conditions(
    dialect: Dialect, query: ListQuery, values: Values, but: Condition | None = None
) -> list[str]:
    terms = [condition_term(dialect, one, values) for one in query.conditions if one is not but]
    return [*terms, "image.os_hidden" if query.os_hidden else "not image.os_hidden"]


def _is_short(ranges: Sequence[Range], query: ListQuery) -> bool:
    """Whether each range is read in its index's order and cut at the page size, which is small."""
    ways = {key.descending for key in query.sort}
    by_age = [key.key for key in query.sort] == ["created_at", "id"] and len(ways) == 1
    is_plain = by_age and not query.conditions and not query.os_hidden
    return is_plain and query.limit <= _FEW and all(map(_has_index, ranges))


def _has_index(found: Range) -> bool:
    if found.has_members is not None:
        return False
    if found.visibility is None:
        return True
    if found.owner is None:
        return found.visibility in FOR_EVERYBODY
    return found.visibility == Visibility.SHARED


def _parts_of(found: Range) -> list[Range]:
    """The range, or those that it is made of, each with an index that has it in its order."""
    if not found.groups:
        return [found]
    return [msgspec.structs.replace(found, member_id=one, groups=()) for one in found.groups]


class _Wanted(NamedTuple):
    """What all ranges of a page have in common. `sought`: what it is looked up by."""

    sort: tuple[SortKey, ...]
    after: Image | None
    conditions: list[str]
    sought: _Sought | None


def _select_arms(found: Range, wanted: _Wanted, values: Values) -> list[Arm]:
    arms = []
    for part in _parts_of(found):
        if wanted.sought is None:
            arms.append(_arm(part, *_range_terms(part, values), wanted, values))
        elif part.member_id is None:
            table, terms = _range_terms(part, values, owner=wanted.sought.owner)
            term = f"{wanted.sought.column} = {wanted.sought.value}"
            arms.append(_arm(part, table, [term, *terms], wanted, values))
        else:
            arms += _arms_of_member(part, wanted.sought, wanted, values)
    return arms


def _arms_of_member(found: Range, sought: _Sought, wanted: _Wanted, values: Values) -> list[Arm]:
    """A range of memberships in which something is looked up: of the two one is empty.

    There is no index of memberships and names. Many may be offered to one project, and many images may have
    one name, but seldom both.
    """
    member_id, status = values.add(found.member_id), values.add(found.member_status)
    offers = (
        f"select 1 from member as any_offer where any_offer.member_id = {member_id}"
        f" and any_offer.status = {status} and {live(values.now(), 'any_offer')} limit {_FEW_OFFERS + 1}"
    )
    are_few = f"(select count(*) from ({offers}) as offers) <= {_FEW_OFFERS}"
    # What an index compares with null it does not read.
    table, terms = _range_terms(found, values, f"case when {are_few} then {member_id} end")
    # An expression, lest a planner that does not know the value begins with it.
    by_offer = _arm(found, table, [f"{sought.column} || '' = {sought.value}", *terms], wanted, values)
    is_member = (
        "(select own.status from member as own where own.image_id = image.id"
        f" and own.member_id = {member_id} and {live(values.now(), 'own')}) = {status}"
    )
    named = [
        _ANYBODYS_SQL,
        f"{sought.column} = case when {are_few} then null else {sought.value} end",
        f"image.visibility = '{Visibility.SHARED}'",
        is_member,
        *_terms_of_stranger(found, "image.id", values),
    ]
    by_name = _arm(msgspec.structs.replace(found, member_id=None), "image", named, wanted, values)
    return [by_offer, by_name]


def _arm(found: Range, table: str, terms: list[str], wanted: _Wanted, values: Values) -> Arm:
    where = [*wanted.conditions, *terms]
    names = [_sort_column(key.key, found) for key in wanted.sort]
    if wanted.after is not None:
        where.append(_past(names, wanted.sort, wanted.after, values))
    keys = ", ".join(f"{name} as k{n}" for n, name in enumerate(names))
    order = ", ".join(map(_order, names, wanted.sort))
    return Arm(f"select image.id as id, {keys} from {table} where {' and '.join(where)} ", order)


def _range_terms(
    found: Range, values: Values, member_id: str | None = None, owner: str = "image.owner"
) -> tuple[str, list[str]]:
    """(the tables to read, the terms that make the range). `member_id`: SQL for what stands in its place;
    `owner`: the same of the column."""
    table = "image"
    where: list[str] = []
    if found.member_id is not None:
        table = f"member join image on image.id = member.image_id and {live(values.now())}"
        where += [
            f"member.member_id = {member_id or values.add(found.member_id)}",
            f"member.status = {values.add(found.member_status)}",
            f"image.visibility = '{Visibility.SHARED}'",
        ]
    where += _terms_of_stranger(found, "member.image_id", values)
    if found.has_members is not None:
        has = (
            "exists (select 1 from member as any_member"
            f" where any_member.image_id = image.id and {live(values.now(), 'any_member')})"
        )
        where.append(has if found.has_members else f"not {has}")
    if found.owner is not None:
        where.append(f"{owner} = {values.add(found.owner)}")
    elif found.member_id is None and found.visibility not in FOR_EVERYBODY:
        where.append(_ANYBODYS_SQL)
    if found.visibility is not None:
        # Spelt out, not a value: a partial index is found by its words, in SQLite by exactly its words.
        where.append(f"image.visibility = '{Visibility(found.visibility)}'")
    if found.but_community:
        where.append(f"image.visibility <> '{Visibility.COMMUNITY}'")
    return table, where


def _terms_of_stranger(found: Range, image_id: str, values: Values) -> list[str]:
    """The terms of `unless_member`. `image_id`: the column that has it."""
    if found.unless_member is None:
        return []
    own = values.add(found.unless_member)
    return [
        # Not an anti-join, which might first collect all that the project was ever offered.
        f"(select own.status from member as own where own.image_id = {image_id}"
        f" and own.member_id = {own} and {live(values.now(), 'own')}) is null",
        f"(image.owner is null or image.owner <> {own})",
    ]


def _sort_column(key: str, found: Range) -> str:
    """The column to sort by. In a range of memberships those of the table `member`, which its index has."""
    if found.member_id is not None:
        return {"created_at": "member.image_created_at", "id": "member.image_id"}.get(key, f"image.{key}")
    return f"image.{key}"


def _order(name: str, key: SortKey) -> str:
    if key.key in NULLABLE_SORT_KEYS:
        return f"{name} desc nulls first" if key.descending else f"{name} asc nulls last"
    return f"{name} desc" if key.descending else f"{name} asc"


def _past(names: list[str], sort: tuple[SortKey, ...], marker: Image, values: Values) -> str:
    """The condition that a row comes after `marker`, null counting as the largest value."""
    one_way = len({key.descending for key in sort}) == 1
    if one_way and not NULLABLE_SORT_KEYS.intersection(key.key for key in sort):
        marks = ", ".join(values.add(getattr(marker, key.key)) for key in sort)
        return f"({', '.join(names)}) {'<' if sort[0].descending else '>'} ({marks})"
    alternatives = []
    equal: list[str] = []
    for name, key in zip(names, sort, strict=True):
        value = getattr(marker, key.key)
        mark = values.add(value) if value is not None else None
        beyond = _beyond(name, key, mark)
        if beyond is not None:
            alternatives.append(" and ".join([*equal, beyond]))
        equal.append(f"{name} is null" if mark is None else f"{name} = {mark}")
    return "(" + " or ".join(f"({alternative})" for alternative in alternatives) + ")"


def _beyond(name: str, key: SortKey, mark: str | None) -> str | None:
    """Further on than the value `mark` (None: null) in the key's direction; None when nothing can be."""
    if mark is None:
        return f"{name} is not null" if key.descending else None
    if key.descending:
        return f"{name} < {mark}"
    return f"({name} > {mark} or {name} is null)" if key.key in NULLABLE_SORT_KEYS else f"{name} > {mark}"


def condition_term(dialect: Dialect, condition: Condition, values: Values) -> str:
    """The condition as a term over `image`."""
    marks = [values.add(value) for value in condition.values]
    if condition.op is Op.TAG:
        return dialect.json_has_element("image.tags", marks[0])
    if condition.op is Op.TAG_PAIR:
        return _has_tag_pair(marks[0], marks[1:])
    if condition.op in ABOUT_PROPERTIES:
        return _property_term(dialect, condition, marks, values)
    if condition.op is Op.NOT_WITHIN:
        return f"(image.{condition.field} < {marks[0]} or image.{condition.field} >= {marks[1]})"
    if condition.op is Op.IN:
        return f"image.{condition.field} in ({', '.join(marks)})" if marks else "false"
    return f"image.{condition.field} {condition.op} {marks[0]}"


def _has_tag_pair(key: str, any_value: list[str]) -> str:
    value_fits = f" and {TAG_VALUE} in ({', '.join(any_value)})" if any_value else ""
    return (
        "exists (select 1 from jsonb_array_elements_text(image.tags) as tag"
        f" where {TAG_KEY} = {key}{value_fits})"
    )


def _property_term(dialect: Dialect, condition: Condition, any_value: list[str], values: Values) -> str:
    name = values.add(condition.field)
    has_value = " or ".join(dialect.json_has_pair("image.properties", name, value) for value in any_value)
    if condition.op is Op.PROPERTY and condition.where_absent is None:
        return f"({has_value})"
    has_name = dialect.json_has_key("image.properties", name)
    if condition.where_absent is not None:
        otherwise = condition_term(dialect, condition.where_absent, values)
        return f"({has_value} or (not {has_name} and {otherwise}))"
    # In this order: what is compared with an absent value is neither true nor false.
    return f"(not {has_name} or {'not ' if condition.op is Op.WITHOUT_PROPERTY else ''}({has_value}))"
