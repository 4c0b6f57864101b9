"""A setting, as a field of a dataclass."""

import dataclasses
from types import MappingProxyType
from typing import Any


def setting(default: Any, help: str, *, is_secret: bool = False) -> Any:  # noqa: A002 (the word of click)
    """`is_secret`: it can also be given as the name of a file that holds it."""
    metadata = MappingProxyType({"help": help, "is_secret": is_secret})
    return dataclasses.field(default=default, metadata=metadata)
