"""Services and visitors for this folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from conftest import SharedServices
from harness.forks import forked_service
from harness.service import Service

from .browsing import Chromium
from .story import Story
from .visitor import Visitor


@pytest.fixture(scope="session")
def server(shared_services: SharedServices) -> Service:
    """Over SQLite: pages are made of the API's answers, which other tests get from both databases."""
    return shared_services.get("sqlite")


@pytest.fixture(scope="package")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """To be looked at alone."""
    with forked_service(tmp_path_factory.mktemp("story")) as service:
        yield Story(service)


@pytest.fixture
def open_visitor() -> Iterator[Callable[[Service, str], Visitor]]:
    """A function that gives a visitor who is signed in by the name of an account."""
    with contextlib.ExitStack() as stack:

        def open_one(service: Service, name: str) -> Visitor:
            visitor = stack.enter_context(Visitor(service))
            visitor.sign_in(service.clouds[name])
            return visitor

        yield open_one


@pytest.fixture
def publisher(server: Service, open_visitor: Callable[[Service, str], Visitor]) -> Visitor:
    return open_visitor(server, "publisher")


@pytest.fixture
def recipient(server: Service, open_visitor: Callable[[Service, str], Visitor]) -> Visitor:
    return open_visitor(server, "recipient")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Chromium]:
    """One for the tests of this folder; each opens windows that share nothing.

    It ends with the folder: while it is open Playwright's event loop runs in this thread, where `asyncio.run`
    is refused then.
    """
    with Chromium() as browser:
        yield browser
