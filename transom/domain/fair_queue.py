"""A fair queue: tenants are called in turn, however much each of them has queued."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """What waits, by tenant: the tenants are called in turn. `is_over`: whether an item waits no more."""

    def __init__(self, is_over: Callable[[Item], bool]) -> None:
        self._is_over = is_over
        #: The tenant whose turn is next stands first.
        self._waiting: dict[str | None, deque[Item]] = {}

    def __contains__(self, tenant: str | None) -> bool:
        return tenant in self._waiting

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __iter__(self) -> Iterator[Item]:
        """Those that wait, of one tenant after the other."""
        for items in self._waiting.values():
            yield from (item for item in items if not self._is_over(item))

    def add(self, tenant: str | None, item: Item) -> None:
        self._waiting.setdefault(tenant, deque()).append(item)

    def call(
        self, may_call: Callable[[str | None, Item], bool] | None = None
    ) -> tuple[str | None, Item] | None:
        """(tenant, its item that waits longest) of the first tenant for which that may be called, who then
        goes to the end of the line; None when there is none."""
        if not self._waiting:
            return None
        for tenant, items in list(self._waiting.items()):
            while items and self._is_over(items[0]):
                items.popleft()
            if not items:
                del self._waiting[tenant]
            elif may_call is None or may_call(tenant, items[0]):
                item = items.popleft()
                del self._waiting[tenant]
                if items:
                    self._waiting[tenant] = items
                return tenant, item
        return None
