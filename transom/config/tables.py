"""Operators' files that are tables of TOML, read into records."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from transom.config.settings import SettingsError

_File = TypeVar("_File", bound=msgspec.Struct)


@contextmanager
def read_tables(setting: str, file: str, kind: type[_File]) -> Iterator[_File]:
    """The file as a `kind`, for the block that reads its entries. What cannot be read or converted, and each
    ValueError of the block, is raised as SettingsError whose text names the setting and the file."""
    try:
        yield msgspec.convert(tomllib.loads(Path(file).read_text(encoding="utf-8")), type=kind)
    except OSError as error:
        raise SettingsError(f"{setting} {file}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{setting} {file}: {error}") from None
