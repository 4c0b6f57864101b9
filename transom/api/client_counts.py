"""Requests under way by the client's address, where proxies hide whose connections there are."""

from transom.domain.errors import UnavailableError


class ClientCounts:
    """`limit`: of one address."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}

    def enter(self, client: str) -> None:
        """UnavailableError when this address has too many."""
        count = self._counts.get(client, 0)
        if count >= self._limit:
            raise UnavailableError("Too many requests at once from your address. Try again in a few seconds.")
        self._counts[client] = count + 1

    def leave(self, client: str) -> None:
        left = self._counts.pop(client) - 1
        if left:
            self._counts[client] = left
