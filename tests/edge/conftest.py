"""One service over SQLite for this folder: nothing here depends on the database."""

import pytest
from conftest import SharedServices
from harness.service import Service


@pytest.fixture(scope="session")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")
