"""One service over SQLite for this folder: nothing here depends on the database."""

from typing import Protocol

import pytest
from harness.service import Service


class Services(Protocol):
    def get(self, database: str, **settings: str) -> Service: ...


class MakeService(Protocol):
    def __call__(self, database: str, **settings: str) -> Service: ...


#: Limits that are reached soon. The pace is that of the default.
HURRIED = {
    "TRANSOM_HEAD_TIMEOUT_S": "2",
    "TRANSOM_STALL_TIMEOUT_S": "3",
    "TRANSOM_KEEP_ALIVE_S": "5",
}


@pytest.fixture(scope="session")
def hurried(shared_services: Services) -> Service:
    return shared_services.get("sqlite", **HURRIED)
