"""Large libraries that few workers need, imported when one first does."""

import importlib

from transom.threads import Threads

_imported: set[str] = set()
#: One imports at a time anyway.
_threads = Threads("imports", 1)


async def import_beside(name: str) -> None:
    """Import the module in a thread, so that nobody else's request waits for it. Others that need it
    meanwhile wait for the same import."""
    if name not in _imported:
        await _threads.run(importlib.import_module, name)
        _imported.add(name)
