"""Conditions of a list as terms over `image`, and the values of the statement that they are part of."""

from typing import Any

from transom.domain.listing import ABOUT_PROPERTIES, Condition, Op
from transom.sql.db import SqlDialect

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


def condition_term(dialect: SqlDialect, condition: Condition, values: Values) -> str:
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


def _property_term(dialect: SqlDialect, condition: Condition, any_value: list[str], values: Values) -> str:
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
