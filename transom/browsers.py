"""The console, put together: pages for browsers over the API of the same process.

Imported with its templates only where there is one: who has none does without them.
"""

import importlib
from typing import TYPE_CHECKING

from transom.api.dispatch import OpenConsole
from transom.config import Settings
from transom.sql.console_sessions import ConsoleSessions
from transom.sql.db import Database

if TYPE_CHECKING:
    from transom.identity.keystone_client import KeystoneClient


def prepare_console(settings: Settings) -> None:
    """Import it, for the workers to inherit. Templates are compiled as pages are first asked for: all of
    them at once would make a start noticeably longer."""
    if settings.has_console:
        importlib.import_module("transom.console")


def open_console(settings: Settings, db: Database, keystone: "KeystoneClient | None") -> OpenConsole:
    """`keystone`: None with the built-in identity."""
    from transom.console import Console

    rows = ConsoleSessions(db, settings.console_idle_s * 1_000_000)
    ask_keystone = keystone.ask_for_user if keystone is not None else None
    keystone_url = settings.keystone_auth_url if keystone is not None else ""
    return lambda answer: Console(settings.public_endpoint, keystone_url, rows, answer, ask_keystone).answer
