"""Whether an event loop runs, as another thread sees it."""

import asyncio
from contextlib import suppress


class Pulse:
    """Asked again and again by one thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._has_come_round = True

    def take(self) -> bool:
        """Whether it has since it was asked last."""
        has_come_round, self._has_come_round = self._has_come_round, False
        if has_come_round:
            with suppress(RuntimeError):  # The loop is closed.
                self._loop.call_soon_threadsafe(self._note)
        return has_come_round

    def _note(self) -> None:
        self._has_come_round = True
