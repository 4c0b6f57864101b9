"""Large libraries that few workers need, imported when one first does."""

import asyncio
import importlib

_imported: set[str] = set()


async def import_beside(name: str) -> None:
    """Import the module in a thread, so that nobody else's request waits for it. Whoever needs it meanwhile
    waits for the same import."""
    if name not in _imported:
        await asyncio.to_thread(importlib.import_module, name)
        _imported.add(name)
