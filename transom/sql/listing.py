"""Lists of images: a union of index ranges, each cut at the page size before they are merged.

The caller's own images are a range of `image_by_owner` or `image_shared_by_owner`, what was shared with it
is one of `member_by_project` (with the domain and the organisations that it is in, several that are merged
as they are read), what is for everybody stands in `image_public` and `image_community`, and
everything (for an admin) in `image_by_age`. Each is in the list's default order already, so a page costs the
same however many images there are, and has one plan for all: PostgreSQL makes it without the values.
A name that is sought makes each range a shorter one, of the indexes `image_by_name_and_owner`,
`image_public_by_name`, `image_community_by_name` and `image_by_name`; so does a property that has indexes
(`property_indexes.py`), and so does a tag, of the table `image_tag`: it has the words that an image is found
by, with what the ranges and the order are made of.

Paging is by key, not by offset: the page after a marker starts where the marker would stand, whatever came or
went meanwhile.

A page has a limit of images and one of size (`list_size_limit`, `_cut_by_size`): images may have long
properties and tags, and a page of them is in memory whole.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import msgspec

from transom.clock import now_us
from transom.domain.listing import (
    ABOUT_TAGS,
    NULLABLE_SORT_KEYS,
    Condition,
    ListQuery,
    Op,
    Range,
    SortKey,
)
from transom.domain.model import FOR_EVERYBODY, Image, Visibility
from transom.domain.tags import word_of
from transom.sql.conditions import Values, condition_term
from transom.sql.db import Arm, Database, SqlDialect
from transom.sql.images import COLUMNS, WIDTH, image_of_row, to_json
from transom.sql.live import live

#: The predicate of the indexes `image_by_age` and `image_by_name`, spelt as there; always true.
_ANYBODYS_SQL = "image.id <> ''"
#: The images with a word, by the index of `image_tag` that the terms choose; SQLite joins in this order.
TAGGED = "image_tag as tagged cross join image"
#: How a range of memberships is joined with the images; a term has to follow. PostgreSQL's planner, where it
#: believes that few images meet the terms, would begin with the images, and look at all of them: `offset`
#: keeps it from that. SQLite never does so.
_BEHIND_MEMBER = "join lateral (select * from image where image.id = member.image_id offset 0) as image on"
#: The same where ids are asked for: the images are few, and may come first.
_IN_ANY_ORDER = "join image on image.id = member.image_id and"
#: Pages of at most so many images have no size limit: to compute sizes would cost time, and the quotas of an
#: image's properties and tags bound such a page.
_FEW = 25
#: Characters of what makes an image's body long; `_BARE`: about as many as all the rest has.
_BARE = 1000
_SIZE = (
    "(length(cast(image.properties as text)) + length(cast(image.tags as text))"
    f" + length(cast(image.locations as text)) + {_BARE})"
)


#: The images of a name that somebody was offered are looked for among the recipient's memberships, if these
#: are at most so many of a status, else among all images of the name.
_FEW_OFFERS = 100


def size_of(image: Image) -> int:
    """The size that counts against `ListQuery.size_limit`, about that of the image's row."""
    return _BARE + len(to_json(image.properties)) + len(to_json(image.tags)) + len(to_json(image.locations))


class ImagePage(NamedTuple):
    images: list[Image]
    #: Whether the page ended at one of its limits, so that more images may follow.
    is_full: bool


async def list_images(db: Database, ranges: list[Range], query: ListQuery, after: Image | None) -> ImagePage:
    """At most `query.limit` images of the ranges' union, in order; those past `after` if it is given. A page
    of more than a few ends with the image that reaches `query.size_limit`."""
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
        rows = await db.scan(page.sql, *values)
    is_full = len(rows) == query.limit or (
        query.limit > _FEW and bool(rows) and rows[-1][WIDTH] >= query.size_limit
    )
    return ImagePage([image_of_row(row) for row in rows], is_full)


class _PageQuery(NamedTuple):
    sql: str
    values: Values
    #: Whether it is read in no time, however many images there are.
    is_short: bool


def _page(dialect: SqlDialect, ranges: Sequence[Range], query: ListQuery, after: Image | None) -> _PageQuery:
    values = Values()
    # Spelt out, not a value: planners take a limit that they do not know for a tenth of everything.
    limit = str(int(query.limit))
    looked_up = _find_look_up(query)
    sought = None if looked_up is None else _make_sought(dialect, looked_up, values)
    # A word finds some images too many.
    is_exact = sought is not None and not sought.is_tag
    conditions = _conditions(dialect, query, values, but=looked_up if is_exact else None)
    wanted = _Wanted(query.sort, after, conditions, sought, _join_of(query))
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
def _plain_page(dialect: SqlDialect, ranges: tuple[Range, ...], query: ListQuery) -> _PageQuery:
    """Cached: clients repeat the same lists, and building a statement costs as much as reading its rows."""
    return _page(dialect, ranges, query, None)


def range_ids(dialect: SqlDialect, ranges: list[Range], query: ListQuery, values: Values) -> str:
    """A query for the `id` of each image of the ranges' union that meets the conditions, in no order."""
    conditions = _conditions(dialect, query, values)
    parts = []
    for found in chain.from_iterable(map(_parts_of, ranges)):
        table, where = _range_terms(found, values, _join_of(query))
        parts.append(f"select image.id as id from {table} where {' and '.join([*conditions, *where])}")
    return " union ".join(parts)


class _Spelling(NamedTuple):
    """How the terms of a range are spelt, which decides what indexes a planner can use for them."""

    owner: str = "image.owner"
    visibility: str = "image.visibility"
    anybodys: str = _ANYBODYS_SQL


_AS_INDEXED = _Spelling()
#: Spelt as in the indexes of a property.
_OF_PROPERTY = _Spelling(owner="(image.owner || '')")
#: Spelt as in no index of `image`: the planner is to use one of `image_tag`, and to check these terms on the
#: images that it finds.
_OF_TAG = _Spelling("(image.owner || '')", "(image.visibility || '')", "true")


class _Sought(NamedTuple):
    """What a page is looked up by: a column or a property of the images, or a word that they are tagged with;
    and the `$n` of the value that is sought."""

    column: str
    value: str
    spelling: _Spelling

    @property
    def is_tag(self) -> bool:
        return self.spelling is _OF_TAG

    @property
    def table(self) -> str:
        return TAGGED if self.is_tag else "image"


def _find_look_up(query: ListQuery) -> Condition | None:
    """The condition that the page is looked up by: a name, else a property that has an index, else a tag."""
    names = [one for one in query.conditions if one.field == "name" and one.op is Op.EQ]
    properties = [one for one in query.conditions if one.is_indexed and len(one.values) == 1]
    tags = [one for one in query.conditions if one.op in ABOUT_TAGS]
    return next(iter([*names, *properties, *tags]), None)


def _make_sought(dialect: SqlDialect, condition: Condition, values: Values) -> _Sought:
    if condition.op in ABOUT_TAGS:
        return _Sought("tagged.word", values.add(word_of(condition)), _OF_TAG)
    value = values.add(condition.values[0])
    if condition.op is Op.EQ:
        return _Sought("image.name", value, _AS_INDEXED)
    return _Sought(dialect.json_text("image.properties", condition.field), value, _OF_PROPERTY)


def _conditions(
    dialect: SqlDialect, query: ListQuery, values: Values, but: Condition | None = None
) -> list[str]:
    terms = [condition_term(dialect, one, values) for one in query.conditions if one is not but]
    return [*terms, "image.os_hidden" if query.os_hidden else "not image.os_hidden"]


def _join_of(query: ListQuery) -> str:
    """How ranges of memberships are joined with the images."""
    return _IN_ANY_ORDER if any(one.field == "id" for one in query.conditions) else _BEHIND_MEMBER


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


def _parts_by_visibility(found: Range) -> list[Range]:
    """The range, or those that it is made of, each with an index of `image_tag` that has it in its order."""
    if found.owner is not None or found.member_id is not None or found.visibility is not None:
        return [found]
    wanted = [one for one in Visibility if not (found.but_community and one is Visibility.COMMUNITY)]
    return [msgspec.structs.replace(found, visibility=one, but_community=False) for one in wanted]


class _Wanted(NamedTuple):
    """What all ranges of a page have in common. `sought`: what it is looked up by; `join`: as of
    `_join_of`."""

    sort: tuple[SortKey, ...]
    after: Image | None
    conditions: list[str]
    sought: _Sought | None
    join: str


def _select_arms(found: Range, wanted: _Wanted, values: Values) -> list[Arm]:
    arms = []
    for part in _parts_of(found):
        if wanted.sought is None:
            table, terms = _range_terms(part, values, wanted.join)
            arms.append(_arm(_copies_in(part), table, terms, wanted, values))
        elif part.member_id is None:
            arms += _arms_of_look_up(part, wanted.sought, wanted, values)
        else:
            arms += _arms_of_member(part, wanted.sought, wanted, values)
    return arms


def _arms_of_look_up(found: Range, sought: _Sought, wanted: _Wanted, values: Values) -> list[Arm]:
    """A range of images, not of memberships, in which something is looked up."""
    if not sought.is_tag:
        table, terms = _range_terms(found, values, wanted.join, sought.spelling)
        return [_arm({}, table, [f"{sought.column} = {sought.value}", *terms], wanted, values)]
    arms = []
    for part in _parts_by_visibility(found):
        _, terms = _range_terms(part, values, wanted.join, sought.spelling)
        tagged = tagged_terms(sought.value, part.owner, part.visibility, values)
        arms.append(_arm(_IN_TAGGED, sought.table, [*tagged, *terms], wanted, values))
    return arms


def tagged_terms(word: str, owner: str | None, visibility: str | None, values: Values) -> list[str]:
    """The terms that make a range of `TAGGED`, for its join with the images too: the owner's, or those of a
    visibility. `word`: the `$n` of the word, or an expression."""
    in_range = (
        f"tagged.visibility = '{visibility}'" if owner is None else f"tagged.owner = {values.add(owner)}"
    )
    return ["image.id = tagged.image_id", f"tagged.word = {word}", in_range]


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
    in_place = f"case when {are_few} then {member_id} end"
    table, terms = _range_terms(found, values, wanted.join, member_id=in_place)
    if not sought.is_tag:
        # An expression, lest a planner that does not know the value begins with it.
        terms.append(f"{sought.column} || '' = {sought.value}")
    by_offer = _arm(_IN_MEMBER, table, terms, wanted, values)
    is_member = (
        "(select own.status from member as own where own.image_id = image.id"
        f" and own.member_id = {member_id} and {live(values.now(), 'own')}) = {status}"
    )
    value = f"case when {are_few} then null else {sought.value} end"
    if sought.is_tag:
        index_terms = tagged_terms(value, None, Visibility.SHARED, values)
    else:
        index_terms = [f"{sought.column} = {value}", _ANYBODYS_SQL]
    of_value = [
        *index_terms,
        f"{sought.spelling.visibility} = '{Visibility.SHARED}'",
        is_member,
        *_terms_of_stranger(found, "image.id", values),
    ]
    by_value = _arm(_IN_TAGGED if sought.is_tag else {}, sought.table, of_value, wanted, values)
    return [by_offer, by_value]


def _arm(copies: Mapping[str, str], table: str, terms: list[str], wanted: _Wanted, values: Values) -> Arm:
    """`copies`: of columns of an image that the index has from another table, key → column there."""
    where = [*wanted.conditions, *terms]
    names = [copies.get(key.key, f"image.{key.key}") for key in wanted.sort]
    if wanted.after is not None:
        where.append(_past(names, wanted.sort, wanted.after, values))
    keys = ", ".join(f"{name} as k{n}" for n, name in enumerate(names))
    order = ", ".join(map(_order, names, wanted.sort))
    return Arm(f"select image.id as id, {keys} from {table} where {' and '.join(where)} ", order)


def _range_terms(
    found: Range,
    values: Values,
    join: str,
    spelling: _Spelling = _AS_INDEXED,
    member_id: str | None = None,
) -> tuple[str, list[str]]:
    """(the tables to read, the terms that make the range). `join`: as of `_join_of`; `member_id`: SQL for
    what stands in its place."""
    table = "image"
    where: list[str] = []
    if found.member_id is not None:
        table = f"member {join} {live(values.now())}"
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
        where.append(f"{spelling.owner} = {values.add(found.owner)}")
    elif found.member_id is None and found.visibility not in FOR_EVERYBODY:
        where.append(spelling.anybodys)
    if found.visibility is not None:
        # Spelt out, not a value: a partial index is found by its words, in SQLite by exactly its words.
        where.append(f"{spelling.visibility} = '{Visibility(found.visibility)}'")
    if found.but_community:
        where.append(f"{spelling.visibility} <> '{Visibility.COMMUNITY}'")
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


_IN_MEMBER = {"created_at": "member.image_created_at", "id": "member.image_id"}
_IN_TAGGED = {"created_at": "tagged.created_at", "id": "tagged.image_id"}


def _copies_in(found: Range) -> Mapping[str, str]:
    return {} if found.member_id is None else _IN_MEMBER


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
