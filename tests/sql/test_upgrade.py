"""Workers of the last release go on serving while the first worker of this one migrates the database.

So no migration may take away, rename or newly demand what they use: their statements, recorded when that
release was made, run on today's schema, and leave right what that keeps of images in other tables.
"""

import json
from typing import Any

import pytest
from domain.samples import image, member

from transom.sql.db import Database

from .databases import words_astray, write_world
from .record_statements import RECORD

pytestmark = pytest.mark.anyio

RELEASED: dict[str, tuple[str, list[Any]]] = json.loads(RECORD.read_text())


@pytest.mark.parametrize("name", RELEASED)
async def test_a_statement_of_the_last_release_runs_on_this_schema(
    db: Database, kind: str, name: str
) -> None:
    await write_world(db, [image()], [member()])
    sql, values = RELEASED[name]

    assert isinstance(await db.write(_spelt(sql, kind), *values), list)
    assert await words_astray(db) == []


def _spelt(sql: str, kind: str) -> str:
    """What those workers spelt otherwise for SQLite, and these do not know any more."""
    if kind == "postgresql":
        return sql
    return sql.replace(
        " recipients_of(image.id)", " (select count(*) from member where member.image_id = image.id)"
    )
