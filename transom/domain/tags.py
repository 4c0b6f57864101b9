"""Tags as the IMS API has them: pairs of a key and a value, kept among the plain tags of an image.

A pair is kept as `key=value`, or as `key` when its value is empty. Any tag can be read as a pair: it is split
at its first `=` or, if it has none, at its first `.`, as older services kept pairs; where nothing stands
before that sign, the whole tag is a key. In SQL the same is `TAG_KEY` and `TAG_VALUE` in `sql/conditions.py`.

Source: IMS API, "Image Tag Format", "Adding or Deleting Image Tags in a Batch", "Querying Images by Tag".
"""

import re
from collections.abc import Iterable

import msgspec

from transom.domain.errors import InvalidError, LimitExceededError, NotFoundError, Reason
from transom.domain.fields import MAX_NAME, check_characters, quoted
from transom.domain.listing import Condition, Op

#: Tags of an image.
MOST_TAGS = 10
_MAX_KEY, _MAX_VALUE = 36, 43
#: Of tags to be removed: those that came otherwise than through this API may be longer.
_MAX_REMOVED_KEY, _MAX_REMOVED_VALUE = 127, 255
_MAX_SOUGHT_KEY, _MAX_SOUGHT_VALUE = 128, 255
_MOST_SOUGHT = 10
_SEPARATORS = "=."
_CHARACTERS = re.compile(r"[0-9A-Za-z_-]*")


class Tag(msgspec.Struct, frozen=True, order=True):
    """`value`: "" for a tag that is a key only."""

    key: str
    value: str = ""


class TagSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a project's images are sought. Images have all of `all_of`, one of `any_of`, not all of
    `not_all_of` and none of `none_of`; an empty one asks nothing. `untagged`: those without any tag instead.
    `name`: a part of the image's name; "" for images without one, None for any."""

    all_of: tuple[Condition, ...] = ()
    any_of: tuple[Condition, ...] = ()
    not_all_of: tuple[Condition, ...] = ()
    none_of: tuple[Condition, ...] = ()
    untagged: bool = False
    name: str | None = None
    image_id: str | None = None


# ---- pairs and the strings they are kept as


def parse_tag(text: str) -> Tag:
    for separator in _SEPARATORS:
        key, found, value = text.partition(separator)
        if found:
            return Tag(key, value) if key else Tag(text)
    return Tag(text)


def tag_text(tag: Tag) -> str:
    return f"{tag.key}={tag.value}" if tag.value else tag.key


def parse_tags(texts: Iterable[str]) -> list[Tag]:
    """The tags of an image as pairs, each once, sorted."""
    return sorted(set(map(parse_tag, texts)))


def values_by_key(texts: Iterable[str]) -> dict[str, list[str]]:
    """The values that each key has in these tags; keys and values sorted."""
    found: dict[str, list[str]] = {}
    for tag in parse_tags(texts):
        found.setdefault(tag.key, []).append(tag.value)
    return found


# ---- changes of an image's tags


def put_tags(texts: tuple[str, ...], new: Iterable[Tag], limit: int) -> tuple[str, ...]:
    """`texts` with the new tags, each in place of those that have its key.

    LimitExceededError for more than `limit`, unless they are no more than before: an image that got too many
    by other ways can still have one replaced.
    """
    by_key = {tag.key: tag_text(tag) for tag in new}
    kept = [text for text in texts if parse_tag(text).key not in by_key]
    together = tuple(sorted({*kept, *by_key.values()}))
    if len(together) > max(limit, len(texts)):
        raise LimitExceededError(f"An image can have at most {limit} tags.", Reason.TAGS_FULL)
    return together


def remove_tags(texts: tuple[str, ...], unwanted: Iterable[Tag]) -> tuple[str, ...]:
    """`texts` without these tags. One without a value stands for its key with any value, and for a tag that
    is written so as a whole."""
    pairs = frozenset(unwanted)
    keys = {tag.key for tag in pairs if not tag.value}
    return tuple(
        text for text in texts if not (text in keys or (tag := parse_tag(text)).key in keys or tag in pairs)
    )


def remove_key(texts: tuple[str, ...], key: str) -> tuple[str, ...]:
    """`texts` without the tags of this key; NotFoundError when there is none."""
    left = remove_tags(texts, [Tag(key)])
    if len(left) == len(texts):
        raise NotFoundError(f"The image has no tag {quoted(key)}.", Reason.TAG_UNKNOWN)
    return left


# ---- what clients send; `field` is how it is called in the request


def check_tag(field: str, tag: Tag) -> Tag:
    """The tag as it is kept, spaces around key and value taken off."""
    trimmed = Tag(tag.key.strip(" "), tag.value.strip(" "))
    _check_key(field, trimmed.key, _MAX_KEY)
    if len(trimmed.value) > _MAX_VALUE or not _CHARACTERS.fullmatch(trimmed.value):
        raise _invalid(
            field, f"the value must have at most {_MAX_VALUE} characters, letters, digits, '_' and '-' only"
        )
    return trimmed


def check_native_tag(field: str, text: str) -> Tag:
    """A tag of the native call, which is a key only, and may be longer."""
    _check_key(field, text, MAX_NAME)
    return Tag(text)


def _check_key(field: str, key: str, longest: int) -> None:
    if not 1 <= len(key) <= longest or not _CHARACTERS.fullmatch(key):
        raise _invalid(
            field, f"the key must have 1 to {longest} characters, letters, digits, '_' and '-' only"
        )


def check_removed_tag(field: str, tag: Tag) -> Tag:
    """A tag to be removed. Of its characters nothing is asked: it may have come by other ways."""
    _check_lengths(field, tag, _MAX_REMOVED_KEY, _MAX_REMOVED_VALUE)
    return tag


def _check_lengths(field: str, tag: Tag, longest_key: int, longest_value: int) -> None:
    if not 1 <= len(tag.key) <= longest_key:
        raise _invalid(field, f"the key must have 1 to {longest_key} characters")
    if len(tag.value) > longest_value:
        raise _invalid(field, f"a value must have at most {longest_value} characters")


def check_unique(field: str, keys: list[str]) -> None:
    if len(set(keys)) < len(keys):
        raise _invalid(field, "each key must be there only once")


def _invalid(field: str, why: str) -> InvalidError:
    return InvalidError(f"{field}: {why}.", Reason.TAG_INVALID)


# ---- conditions


def parse_tag_filter(text: str) -> Condition:
    """The filter `tag` of a list of images: `key`, whatever its value, or `key=value` (also `key.value`)."""
    tag = parse_tag(text.strip(" "))
    if not tag.key:
        raise _invalid("tag", "a key is needed")
    is_key_only = text.strip(" ") == tag.key
    return Condition("tags", Op.TAG_PAIR, (tag.key,) if is_key_only else (tag.key, tag.value))


def seek_tag(field: str, key: str, values: list[str]) -> Condition:
    """The condition that an image has this key with one of the values; with any when there are none."""
    if len(values) > _MOST_SOUGHT or len(set(values)) < len(values):
        raise _invalid(field, f"at most {_MOST_SOUGHT} values are taken, each once")
    for value in values or [""]:
        _check_lengths(field, Tag(key, value), _MAX_SOUGHT_KEY, _MAX_SOUGHT_VALUE)
        check_characters(field, f"{key}{value}")
    return Condition("tags", Op.TAG_PAIR, (key, *values))


def seek_tags(field: str, conditions: list[Condition]) -> tuple[Condition, ...]:
    """What `seek_tag` made of each entry of a list."""
    if len(conditions) > _MOST_SOUGHT:
        raise _invalid(field, f"at most {_MOST_SOUGHT} keys are taken")
    check_unique(field, [str(condition.values[0]) for condition in conditions])
    return tuple(conditions)


def word_of(condition: Condition) -> str:
    """The word that images with the tag or the pair are found by. An image has as words its tags as this API
    keeps them, and their keys (`image_tag` in `sql/schema.sql`). More images have it than meet the condition
    where a tag is written otherwise than it would be kept, and where one of several values is sought."""
    first, *any_value = map(str, condition.values)
    if condition.op is Op.TAG:
        return tag_text(parse_tag(first))
    return tag_text(Tag(first, any_value[0])) if len(any_value) == 1 else first
