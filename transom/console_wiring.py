"""Opens the console, pages for browsers over the API of the same process, as the settings ask.

A worker imports the console and its templates when the first page is asked for: a worker that shows none does
without them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from transom.api.dispatch import AnswerRequest, OpenConsole
from transom.api.http import Request, Response
from transom.config import Settings
from transom.late_imports import import_beside
from transom.sql.console_sessions import ConsoleSessions
from transom.sql.db import Database

if TYPE_CHECKING:
    from transom.console import Console
    from transom.identity.keystone_client import KeystoneClient


def open_console(settings: Settings, db: Database, keystone: "KeystoneClient | None") -> OpenConsole:
    """`keystone`: None with the built-in identity."""
    rows = ConsoleSessions(db, settings.console_idle_s * 1_000_000)
    ask_keystone = keystone.ask_for_user if keystone is not None else None
    keystone_url = settings.keystone_auth_url if keystone is not None else ""

    def open_pages(answer: AnswerRequest) -> AnswerRequest:
        def make() -> "Console":
            from transom.console import Console

            return Console(settings.public_endpoint, keystone_url, rows, answer, ask_keystone)

        return _Pages(make).answer

    return open_pages


class _Pages:
    """The console from the first request on."""

    def __init__(self, make: Callable[[], "Console"]) -> None:
        self._make = make
        self._console: Console | None = None

    async def answer(self, request: Request) -> tuple[str, Response]:
        if self._console is None:
            await import_beside("transom.console")
            self._console = self._console or self._make()
        return await self._console.answer(request)
