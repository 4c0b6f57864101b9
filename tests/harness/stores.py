"""What there is in stores, looked at from outside."""

from __future__ import annotations

from pathlib import Path

#: The object that says whose a store is.
MARK = "transom-store.json"


def stored_files(folder: Path) -> set[Path]:
    """The files with image data below the folder of a store, or of several, finished or not."""
    return {path for path in folder.rglob("*") if not path.name.startswith(MARK) and path.is_file()}
