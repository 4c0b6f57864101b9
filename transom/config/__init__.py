"""One frozen tree of settings, read once: `transom.toml`, then `TRANSOM_*`, then flags (the last one wins).

A key nobody knows is an error, so that a misspelt setting never silently does nothing. Start reading at
`settings.py`, which has them all; `sources.py` collects what is given, `checks.py` says what cannot be.
"""

from transom.config.settings import Settings, SettingsError, describe, secrets, select
from transom.config.sources import ENV_PREFIX, override, read_settings

__all__ = [
    "ENV_PREFIX",
    "Settings",
    "SettingsError",
    "describe",
    "override",
    "read_settings",
    "secrets",
    "select",
]
