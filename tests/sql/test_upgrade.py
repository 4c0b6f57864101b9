"""Workers of the last release go on serving while the first worker of this one migrates the database.

So no migration may take away, rename or newly demand what they use: their statements, recorded when that
release was made, run on today's schema, and leave right what that keeps of images in other tables.
"""

import json
from typing import Any

import pytest
from domain.samples import image, member

from transom.sql.db import Database, Statement

from .databases import WORDS_ASTRAY, run_and_undo, world
from .record_statements import RECORD

pytestmark = pytest.mark.anyio

RELEASED: dict[str, tuple[str, list[Any]]] = json.loads(RECORD.read_text())


@pytest.mark.parametrize("name", RELEASED)
async def test_a_statement_of_the_last_release_runs_on_this_schema(module_db: Database, name: str) -> None:
    sql, values = RELEASED[name]
    statement = Statement(_spelt(sql, module_db), tuple(values))
    looks = [Statement(look, ()) for look in WORDS_ASTRAY]

    *_, lacking, unwanted = await run_and_undo(module_db, [*world([image()], [member()]), statement, *looks])

    assert (lacking, unwanted) == ([], [])


def _spelt(sql: str, db: Database) -> str:
    """What those workers spelt otherwise for SQLite, and these do not know any more."""
    if db.dialect.returns_joined:
        return sql
    return sql.replace(
        " recipients_of(image.id)", " (select count(*) from member where member.image_id = image.id)"
    )
