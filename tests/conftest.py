"""Fixtures shared by all tests: real service processes over SQLite and over PostgreSQL.

`service` is one process per database for the whole run of a test process; tests that share it make their
own images and never count what others made. `make_service` gives a test processes of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from harness import forks, organizations
from harness.accounts import KeptAccounts
from harness.file_server import FileServer
from harness.keystone import Keystone
from harness.postgresql import PostgreSQL
from harness.service import MakeService, Service
from harness.swift import Swift
from hypothesis import settings

pytest_plugins = ["harness.limits", "harness.collection"]

# No test asserts a duration, and no example has one either: a busy machine takes longer.
settings.register_profile(
    "without deadlines", settings.get_profile(settings.get_current_profile_name()), deadline=None
)
settings.load_profile("without deadlines")

DATABASES = ["sqlite", "postgresql"]

# Name, project, role; the first start already made admin, publisher, recipient and other.
FURTHER_USERS = [
    ("publisher-manager", "publisher", "manager"),
    ("publisher-reader", "publisher", "reader"),
    ("recipient-manager", "recipient", "manager"),
    ("recipient-reader", "recipient", "reader"),
    ("other-reader", "other", "reader"),
]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """A real S3 service, one for each test process."""
    with Swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture
def own_swift(tmp_path: Path) -> Iterator[Swift]:
    """An S3 service that a test may hold up or take away."""
    folder = tmp_path / "swift"
    folder.mkdir()
    with Swift(folder) as server:
        yield server


@pytest.fixture(scope="session")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """One for a test process; tests make users of their own to take something away from."""
    with Keystone(tmp_path_factory.mktemp("keystone")) as server:
        yield server


class SharedServices:
    """The services all tests share, by database; each starts when first asked for and ends with the run. All
    know the same accounts."""

    def __init__(self, tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL) -> None:
        self._tmp_path_factory = tmp_path_factory
        self._postgresql = postgresql
        self._made: list[Service] = []
        self._started: dict[tuple[str, ...], Service] = {}
        accounts = KeptAccounts(tmp_path_factory.mktemp("accounts"), FURTHER_USERS)
        self._prepared = partial(forks.prepare, accounts)

    def get(self, database: str, **settings: str) -> Service:
        key = (database, *(f"{name}={settings[name]}" for name in sorted(settings)))
        if key not in self._started:
            folder = self._tmp_path_factory.mktemp(f"service-{database}")
            url = _new_url(database, self._postgresql)
            service = Service(folder, url, settings, start=forks.start, prepared=self._prepared)
            self._made.append(service)
            service.start()
            self._started[key] = service
        return self._started[key]

    def close(self) -> None:
        """End them all, beside each other: each waits for its workers."""
        with ThreadPoolExecutor(max(len(self._made), 1)) as threads:
            list(threads.map(Service.close, self._made))


@pytest.fixture(scope="session")
def shared_services(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL
) -> Iterator[SharedServices]:
    """Kept apart from `service`, so that going from one database to the other and back restarts nothing."""
    with contextlib.closing(SharedServices(tmp_path_factory, postgresql)) as services:
        yield services


@pytest.fixture(scope="session", params=DATABASES, ids=DATABASES)
def service(request: pytest.FixtureRequest, shared_services: SharedServices) -> Service:
    """The shared service over one database, with two or three users in each of its projects."""
    return shared_services.get(request.param)


@pytest.fixture(scope="session", params=DATABASES, ids=DATABASES)
def organized(
    request: pytest.FixtureRequest, shared_services: SharedServices, tmp_path_factory: pytest.TempPathFactory
) -> Service:
    """The shared service over one database that knows an organisation: its unit SALES has the project
    `recipient`, the unit EMEA within that has `other`; `publisher` is in none."""
    file = tmp_path_factory.getbasetemp() / f"organizations-{request.param}.yaml"
    is_new = not file.exists()
    if is_new:
        file.write_text(organizations.tree())
    service = shared_services.get(request.param, TRANSOM_ORGANIZATIONS_FILE=str(file))
    if is_new:
        service.add_user("outsider", "outsider", "member")
        projects = {name: service.clouds[name].project_id for name in ("recipient", "other")}
        content = organizations.tree(of_sales=[projects["recipient"]], of_emea=[projects["other"]])
        organizations.put_in_force(service, file, content)
    return service


#: A service that may fetch from this machine, and keeps images in two stores.
IMPORTING = {
    "TRANSOM_ENABLED_IMPORT_METHODS": "glance-direct,web-download,copy-image,glance-download",
    "TRANSOM_ALLOWED_HOSTS": "127.0.0.1,localhost",
    "TRANSOM_ALLOWED_PORTS": "",
}


@pytest.fixture(scope="session", params=DATABASES, ids=DATABASES)
def importing(
    request: pytest.FixtureRequest, shared_services: SharedServices, tmp_path_factory: pytest.TempPathFactory
) -> Service:
    """The shared service over one database that imports from this machine to the stores `fast` and `slow`."""
    folder = tmp_path_factory.getbasetemp() / f"stores-{request.param}"
    stores = f"fast=file://{folder}/fast?weight=10,slow=file://{folder}/slow"
    return shared_services.get(
        request.param, TRANSOM_STORES=stores, TRANSOM_DEFAULT_STORE="fast", **IMPORTING
    )


@pytest.fixture(scope="session")
def files() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server


@pytest.fixture
def make_service(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgresql: PostgreSQL,
) -> Iterator[MakeService]:
    """A function that starts services of the test's own, without the further users; all end with the test.

    They are forked from a process with the imports of a start behind it, and have a schema; with the mark
    `real_start`, for what becomes of processes themselves, each is `python -m transom`."""
    is_real = request.node.get_closest_marker("real_start") is not None
    open_service = _started_service if is_real else forks.forked_service
    with contextlib.ExitStack() as stack:

        def make(database: str, **settings: str) -> Service:
            folder = tmp_path_factory.mktemp(f"own-{database}")
            url = _new_url(database, postgresql, has_schema=not is_real)
            service = open_service(folder, url, settings)
            stack.callback(service.close)
            service.start()
            return service

        yield make


def _started_service(folder: Path, url: str | None, settings: dict[str, str]) -> Service:
    return Service(folder, url, settings, prepared=forks.first_accounts().given_to)


def _new_url(database: str, postgresql: PostgreSQL, *, has_schema: bool = True) -> str | None:
    """Of a new database; None for a file in the service's folder."""
    if database not in DATABASES:
        raise ValueError(f"unknown database {database!r}")
    if database == "sqlite":
        return None
    return forks.create_migrated_database(postgresql) if has_schema else postgresql.create_database()
