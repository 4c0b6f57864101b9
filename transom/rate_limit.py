"""A rate limit for acts that leave something in the database or reach other servers: a burst, then one act in
each while.
"""

from collections.abc import Callable

from transom.domain.errors import UnavailableError


class RateLimit:
    """Of one process, for each user or project. `at_once`: the burst; `each_s`: seconds until one more act is
    allowed after it; `clock`: seconds."""

    def __init__(self, at_once: int, each_s: float, clock: Callable[[], float]) -> None:
        self._at_once = at_once
        self._each_s = each_s
        self._clock = clock
        #: User or project → when its whole burst will be allowed again; the earliest come first.
        self._full_at: dict[str, float] = {}

    def take(self, who: str, refusal: str) -> None:
        """Count one act. UnavailableError, with the text `refusal`, when it is one too many now."""
        now = self._clock()
        full_at = max(self._full_at.pop(who, now), now) + self._each_s
        if full_at - now > self._at_once * self._each_s:
            self._full_at[who] = full_at - self._each_s
            raise UnavailableError(refusal)
        self._full_at[who] = full_at
        self._forget(now)

    def _forget(self, now: float) -> None:
        """Of those who are allowed all acts again nothing is kept. Two at a time: more than one comes in."""
        for who in list(self._full_at)[:2]:
            if self._full_at[who] <= now:
                del self._full_at[who]
