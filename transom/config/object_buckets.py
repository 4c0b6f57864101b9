"""The operator's file of buckets → which project may use which, where the service asks by its own keys.

A TOML file of tables, read once, before anything is served:

    [[bucket]]
    name = "images-*"
    projects = ["4e1243bd22c66e76c2ba9eddc1f91394"]
    write = true
"""

import msgspec

from transom.config.tables import read_tables
from transom.domain.objects import BucketRule, BucketTable


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    projects: tuple[str, ...]
    read: bool = True
    write: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bucket: tuple[_Entry, ...] = ()


def read_buckets(file: str) -> BucketTable:
    """The rules of the file, in its order. `file`: "" for none, which allows nothing. Raises SettingsError,
    whose text names the file and the entry."""
    if not file:
        return BucketTable()
    with read_tables("object_store_buckets_file", file, _File) as found:
        return BucketTable(tuple(map(_read_entry, found.bucket)))


def _read_entry(entry: _Entry) -> BucketRule:
    if not entry.name or not all(entry.projects) or not entry.projects:
        raise ValueError(f"bucket {entry.name!r}: its name and its projects must not be empty")
    return BucketRule(
        pattern=entry.name, projects=frozenset(entry.projects), read=entry.read, write=entry.write
    )
