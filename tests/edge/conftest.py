"""One service over SQLite for this folder: nothing here depends on the database."""

from typing import Protocol

import pytest
from harness.service import Service


class Services(Protocol):
    def get(self, database: str, **settings: str) -> Service: ...


class MakeService(Protocol):
    def __call__(self, database: str, **settings: str) -> Service: ...


@pytest.fixture(scope="session")
def server(shared_services: Services) -> Service:
    return shared_services.get("sqlite")
