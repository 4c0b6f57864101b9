"""Real databases of both kinds, each fresh and migrated, and what the tests look into them with."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from harness.postgresql import PostgreSQL

from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.sql.migrate import migrate

from .databases import MakeUrl

KINDS = ["sqlite", "postgresql"]
CLOSE_S = 5


@pytest.fixture
def anyio_backend() -> str:
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
def url(kind: str, make_url: MakeUrl) -> str:
    """The URL of an empty database."""
    return make_url(kind)


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    """A migrated database without rows."""
    opened = await open_database(url, 4)
    await migrate(opened)
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
