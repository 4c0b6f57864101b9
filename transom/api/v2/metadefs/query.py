"""The query strings of the lists of metadata definitions."""

from collections.abc import Collection

from transom.api.http import Request
from transom.api.options import ListOptions
from transom.api.queries import parse_limit, refuse_nul
from transom.domain.errors import InvalidError
from transom.domain.metadefs import (
    ITEM_SORT_KEYS,
    NAMESPACE_SORT_KEYS,
    VISIBILITIES,
    Item,
    Kind,
    NamespaceQuery,
    page_items,
)


def parse_namespace_query(pairs: list[tuple[str, str]], options: ListOptions) -> NamespaceQuery:
    """Raises InvalidError for a value that the list does not take, naming it."""
    refuse_nul(pairs)
    given = dict(pairs)
    types = given.get("resource_types")
    return NamespaceQuery(
        visibility=_parse_visibility(given.get("visibility")),
        resource_types=None if types is None else tuple(types.split(",")),
        sort_key=_parse_sort_key(given.get("sort_key", "created_at"), NAMESPACE_SORT_KEYS),
        descending=_parse_descending(given.get("sort_dir", "desc")),
        limit=parse_limit(given.get("limit"), options.limit_param_default, options.api_limit_max),
        marker=given.get("marker") or None,
    )


def choose_items(request: Request, kind: Kind, items: list[Item], options: ListOptions) -> list[Item]:
    """The page of these items that the query asks for; all of them when it asks for nothing. Objects come
    oldest first and tags newest first, unless the query says otherwise, as Glance has them."""
    pairs = request.query_pairs()
    refuse_nul(pairs)
    given = dict(pairs)
    limit = given.get("limit")
    is_sorted = "sort_key" in given or "sort_dir" in given
    return page_items(
        items,
        _parse_sort_key(given.get("sort_key", "created_at"), ITEM_SORT_KEYS),
        descending=_parse_descending(given.get("sort_dir", "desc")) and (is_sorted or kind is Kind.TAG),
        marker=given.get("marker") or None,
        limit=parse_limit(limit, 0, options.api_limit_max) if limit is not None else None,
    )


def parse_resource_type(request: Request) -> str | None:
    """The type of resource whose prefix the names of properties are to have, or have; None: no prefix."""
    pairs = request.query_pairs()
    refuse_nul(pairs)
    return dict(pairs).get("resource_type") or None


def _parse_visibility(value: str | None) -> str | None:
    if value is not None and value not in VISIBILITIES:
        raise InvalidError(f"Invalid visibility value: {value}")
    return value


def _parse_sort_key(key: str, keys: Collection[str]) -> str:
    if key not in keys:
        raise InvalidError(f"Invalid sort key: {key}. It must be one of the following: {', '.join(keys)}.")
    return key


def _parse_descending(way: str) -> bool:
    if way not in ("asc", "desc"):
        raise InvalidError(f"Invalid sort direction: {way}")
    return way == "desc"
