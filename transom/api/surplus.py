"""Which connections are closed when there are too many.

Those go first that only hold their place; then those whose clients have the service wait, which may take all
places as well: readers and senders that are slow, and readers that wait for events. Work of the service goes
on, and so does what is quick. The addresses with the most connections come first.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from transom.api.watched import GRACE_S, ConnectionLimits, Found, Watched

#: To what part of the limit those are brought down that only hold their place.
_LOW_WATER = 0.75


def choose_surplus(
    left: list[Found], now: float, limits: ConnectionLimits, is_proxy: Callable[[Watched], bool]
) -> Iterator[Found]:
    """Those to be closed. `is_proxy`: whether a connection is one of many clients."""
    counts = Counter(one.watched.address for one in left)
    if counts.total() <= min(limits.total, limits.by_address):
        return
    idle = _by_address(
        sorted(
            (one for one in left if _may_go(one.watched, now)),
            key=lambda one: (one.watched.has_asked, one.watched.idle_since),
        )
    )
    for address, candidates in idle.items():
        while candidates and counts[address] > limits.by_address and not is_proxy(candidates[0].watched):
            counts[address] -= 1
            yield candidates.pop(0)
    if counts.total() <= limits.total:
        return
    yield from _take_heaviest(idle, counts, int(limits.total * _LOW_WATER))
    held = _by_address(
        sorted(
            (one for one in left if one.watched.is_held and not _may_go(one.watched, now)),
            key=lambda one: (one.watched.is_transfer, one.watched.moved),
        )
    )
    # Those that may go in a moment are no reason to break anything off.
    fresh = sum(one.watched.is_idle and not _may_go(one.watched, now) for one in left)
    yield from _take_heaviest(held, counts, limits.total + fresh)


def _by_address(ordered: Iterable[Found]) -> dict[str, list[Found]]:
    by_address: dict[str, list[Found]] = {}
    for one in ordered:
        by_address.setdefault(one.watched.address, []).append(one)
    return by_address


def _take_heaviest(by_address: dict[str, list[Found]], counts: Counter[str], wanted: int) -> Iterator[Found]:
    """Until so many connections are left in all: the first of the address that has the most."""
    while counts.total() > wanted:
        heaviest = max(by_address, key=lambda one: (bool(by_address[one]), counts[one]), default=None)
        if heaviest is None or not by_address[heaviest]:
            return
        counts[heaviest] -= 1
        yield by_address[heaviest].pop(0)


def _may_go(watched: Watched, now: float) -> bool:
    if watched.holds_up:
        return True
    return watched.is_idle and now - max(watched.since, watched.idle_since) > GRACE_S
