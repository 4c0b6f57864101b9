"""Each test process collects all tests. What that costs is done once, or not at all.

The processes compile the modules of the tests together: each begins with its part, by importing it, and then
finds the others' parts compiled. What is collected stays to the end, so garbage is not looked for in it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    gc.disable()
    try:
        worker = getattr(session.config, "workerinput", None)
        if worker is not None and [Path(arg).resolve() for arg in session.config.args] == [TESTS]:
            _import_part(int(worker["workerid"].removeprefix("gw")), worker["workercount"])
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _import_part(number: int, count: int) -> None:
    """A module that fails to be imported is told of when it is collected."""
    for path in sorted(TESTS.rglob("test_*.py"))[number::count]:
        folders = [folder for folder in path.parents if (folder / "__init__.py").exists()]
        root = str((folders or [path])[-1].parent)
        if root not in sys.path:
            sys.path.insert(0, root)
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        with warnings.catch_warnings(), contextlib.suppress(Exception, pytest.skip.Exception):
            warnings.simplefilter("error")
            importlib.import_module(name)
