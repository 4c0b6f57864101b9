"""What a plugin of an import has to work with."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from transom.config import Settings
from transom.domain.model import Image


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin has to work with. `read`: all staged bytes; `as_file`: the same as a file of this
    machine, for as long as the context lasts; `roles`: of who asked; `most_bytes`: that may be made of it."""

    settings: Settings
    image: Image
    roles: frozenset[str]
    read: Callable[[], AsyncIterator[bytes]]
    as_file: Callable[[], AbstractAsyncContextManager[Path]]
    work_folder: Callable[[], AbstractAsyncContextManager[Path]]
    most_bytes: int
