"""Real databases of both kinds, each fresh and migrated, and what the tests look into them with."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from harness.postgresql import PostgreSQL

from transom.sql.connect import open_database
from transom.sql.db import Database

from .databases import MakeUrl
from .migrated import MigratedDatabases

KINDS = ["sqlite", "postgresql"]
CLOSE_S = 5


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Of the module, for fixtures that are; each test has a loop of its own where there are none."""
    return "asyncio"


@pytest.fixture
def make_url(tmp_path: Path, postgresql: PostgreSQL) -> MakeUrl:
    """URLs of new, empty databases."""
    made: list[str] = []

    def make(kind: str) -> str:
        file = tmp_path / f"{len(made)}.db"
        made.append(postgresql.create_database() if kind == "postgresql" else f"sqlite:///{file}")
        return made[-1]

    return make


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def empty_url(kind: str, make_url: MakeUrl) -> str:
    """The URL of a database without tables."""
    return make_url(kind)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL) -> MigratedDatabases:
    return MigratedDatabases(tmp_path_factory.mktemp("migrated"), postgresql)


@pytest.fixture
def url(kind: str, migrated: MigratedDatabases) -> Iterator[str]:
    """The URL of a migrated database without rows."""
    with migrated.lend(kind) as lent:
        yield lent


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    """A migrated database without rows."""
    opened = await open_database(url, 4)
    yield opened
    await close(opened)


@pytest.fixture(scope="module", params=KINDS)
def module_url(request: pytest.FixtureRequest, migrated: MigratedDatabases) -> Iterator[str]:
    with migrated.lend(request.param) as lent:
        yield lent


@pytest.fixture(scope="module")
async def module_db(module_url: str) -> AsyncIterator[Database]:
    """As `db`, opened once for the tests of a module, which leave no rows in it (`run_and_undo`)."""
    opened = await open_database(module_url, 4)
    yield opened
    await close(opened)


@pytest.fixture
async def neighbour(url: str, db: Database) -> AsyncIterator[Database]:
    """The same database as `db`, opened once more, as another worker does."""
    opened = await open_database(url, 2)
    yield opened
    await close(opened)


async def close(database: Database) -> None:
    """A database that a test has brought to a stop must not stop the others too."""
    with anyio.move_on_after(CLOSE_S):
        await database.close()
