"""One service over SQLite for this folder: nothing here depends on the database."""

from collections.abc import Iterator

import pytest
from harness.forks import forked_service
from harness.service import Service

#: Limits that are reached soon. The pace is that of the default.
HURRIED = {
    "TRANSOM_HEAD_TIMEOUT_S": "2",
    "TRANSOM_STALL_TIMEOUT_S": "3",
    "TRANSOM_KEEP_ALIVE_S": "5",
}


@pytest.fixture(scope="session")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with forked_service(tmp_path_factory.mktemp("hurried"), settings=HURRIED) as service:
        yield service


@pytest.fixture(scope="session")
def multiplexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same, and it speaks HTTP/2."""
    settings = HURRIED | {"TRANSOM_HTTP2": "true"}
    with forked_service(tmp_path_factory.mktemp("multiplexed"), settings=settings) as service:
        yield service
