"""Each test process collects all tests. What that costs is done once, or not at all.

The processes compile the modules of the tests together: each begins with its part, by importing it, and then
finds the others' parts compiled. What is collected stays to the end, so garbage is not looked for in it.

Processes beside each other take the tests of one folder after the other's, and so would all wait at once for
services that are killed and started, and all compute at once later. So each folder's tests are spread.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items[:] = _spread(items)


def _spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """The modules of each folder in their order, over the whole length."""
    of_folder = Counter(item.path.parent for item in items)
    done: Counter[Path] = Counter()
    places: list[tuple[float, list[pytest.Item]]] = []
    for path, group in groupby(items, key=lambda item: item.path):
        module = list(group)
        folder = path.parent
        places.append(((done[folder] + len(module) / 2) / of_folder[folder], module))
        done[folder] += len(module)
    return [item for _, module in sorted(places, key=lambda place: place[0]) for item in module]


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
