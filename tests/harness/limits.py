"""A limit for what the limits of pyproject.toml leave open.

`timeout` (pytest-timeout) ends a test with the stacks of all threads, and the run goes on. Where the test
then waits again, `faulthandler_timeout` ends the process; pytest-xdist names the test and starts another
process. Both stop counting when a test fails, before its fixtures are taken down.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator

import pytest

_STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    # Kept before output is captured: a process that ends here could not hand over what it captured.
    config.stash[_STDERR] = os.dup(2)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """End the process, with the stacks of all threads, if the teardown takes longer than a whole test may."""
    limit_s = float(item.config.getini("faulthandler_timeout"))
    if limit_s:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=item.config.stash[_STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
