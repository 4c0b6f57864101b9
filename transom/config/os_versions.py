"""The operator's file of further operating systems → all that images may name in `__os_version`.

A TOML file of tables, read once, before anything is served:

    [[os_version]]
    name = "Ubuntu 28.04 server 64bit"
    platform = "Ubuntu"
"""

from collections import Counter

import msgspec

from transom.config.tables import read_tables
from transom.domain.fields import MAX_NAME, quoted
from transom.domain.os_versions import BUILT_IN, OS_TYPES, TAGS, OsVersion, OsVersions


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    platform: str
    os_type: str = "Linux"
    os_bit: int = 64
    tags: tuple[str, ...] = ("x86",)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    os_version: tuple[_Entry, ...] = ()


def read_os_versions(file: str) -> OsVersions:
    """Those built in and those of the file, which wins where it has a name of these. `file`: "" for none.
    Raises SettingsError, whose text names the file and the entry."""
    if not file:
        return BUILT_IN
    with read_tables("os_versions_file", file, _File) as found:
        return OsVersions([*BUILT_IN, *_read_entries(found)])


def _read_entries(file: _File) -> list[OsVersion]:
    for name, count in Counter(entry.name for entry in file.os_version).items():
        if count > 1:
            raise ValueError(f"{quoted(name)} stands there {count} times")
    return [_read_entry(entry) for entry in file.os_version]


def _read_entry(entry: _Entry) -> OsVersion:
    for field in ("name", "platform"):
        text = getattr(entry, field)
        if not (text and len(text) <= MAX_NAME and text.isprintable() and text == text.strip()):
            raise ValueError(
                f"{field} must be 1 to {MAX_NAME} printable characters, none of its ends a blank, "
                f"not {quoted(text)}"
            )
    if entry.os_type not in OS_TYPES:
        raise ValueError(
            f"{entry.name}: os_type must be one of {', '.join(OS_TYPES)}, not {quoted(entry.os_type)}"
        )
    if entry.os_bit not in (32, 64):
        raise ValueError(f"{entry.name}: os_bit must be 32 or 64, not {entry.os_bit}")
    for tag in entry.tags:
        if tag not in TAGS:
            raise ValueError(f"{entry.name}: tags may name {', '.join(TAGS)}, not {quoted(tag)}")
    return OsVersion(
        name=entry.name,
        platform=entry.platform,
        os_type=entry.os_type,
        os_bit=str(entry.os_bit),
        tags=frozenset(entry.tags),
    )
