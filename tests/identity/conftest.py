"""A data folder as the first start leaves it, and one real service for the stories over HTTP."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.forks import forked_service
from harness.service import Service

from transom.identity.accounts import create_first_accounts

AUTH_URL = "http://127.0.0.1:9292/identity/v3"


@pytest.fixture(scope="session")
def first_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, for hashing four passwords takes a quarter of a second; tests work on copies."""
    data_dir = tmp_path_factory.mktemp("first-accounts")
    create_first_accounts(data_dir, AUTH_URL, "RegionOne")
    return data_dir


@pytest.fixture
def data_dir(first_data_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first_data_dir, tmp_path / "data"))


@pytest.fixture
def clouds(data_dir: Path) -> dict[str, Any]:
    """The entries of clouds.yaml by name."""
    document: dict[str, Any] = yaml.safe_load((data_dir / "clouds.yaml").read_text())
    entries: dict[str, Any] = document["clouds"]
    return entries


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for this folder: identity does not touch the database, so one database will do."""
    with forked_service(tmp_path_factory.mktemp("identity-service")) as service:
        yield service
