"""Uses of images by other projects are noted and written down, on both databases."""

from typing import Any

import pytest
from domain.samples import OWNER, RECIPIENT, caller, image

from transom.domain.errors import UnavailableError
from transom.sharing.usage import Uses
from transom.sql.db import Database, Statement
from transom.sql.usage import Use, list_own_uses

from .databases import write_world

pytestmark = pytest.mark.anyio


def note(uses: Uses, image_id: str = "image", project: str | None = RECIPIENT, downloads: int = 1) -> None:
    for _ in range(max(downloads, 1)):
        uses.record(image(id=image_id), caller(project=project), is_download=downloads > 0)


async def list_uses(db: Database, image_id: str) -> dict[str, Use]:
    rows = await db.read(
        "select project_id, downloads, last_used_at from image_use where image_id = $1", image_id
    )
    return {row[0]: Use(downloads=row[1], last_used_at=row[2]) for row in rows}


async def downloads_of(db: Database, image_id: str = "image") -> dict[str, int]:
    found = await list_uses(db, image_id)
    return {project: use.downloads for project, use in found.items()}


async def test_downloads_are_counted_by_image_and_project_and_add_up(db: Database) -> None:
    await write_world(db, [image(), image(id="second")], [])
    uses = Uses(db)

    note(uses, downloads=2)
    note(uses, "second", "other")
    await uses.write()
    note(uses, downloads=3)
    await uses.write()

    assert await downloads_of(db) == {RECIPIENT: 5}
    assert await downloads_of(db, "second") == {"other": 1}


async def test_the_last_use_is_kept_and_never_goes_back(db: Database) -> None:
    await write_world(db, [image()], [])
    early, late = Uses(db), Uses(db)
    note(early)
    note(late, downloads=0)

    await late.write()
    last = (await list_own_uses(db, RECIPIENT, ["image"]))["image"].last_used_at
    assert last is not None
    await early.write()

    assert await list_uses(db, "image") == {RECIPIENT: Use(downloads=1, last_used_at=last)}


async def test_the_owner_and_callers_without_a_project_use_nothing(db: Database) -> None:
    await write_world(db, [image()], [])
    uses = Uses(db)

    note(uses, project=OWNER)
    note(uses, project=None)
    await uses.write()

    assert await downloads_of(db) == {}


async def test_uses_of_an_image_that_is_gone_are_dropped_and_others_kept(db: Database) -> None:
    await write_world(db, [image()], [])
    uses = Uses(db)
    note(uses)
    note(uses, "gone")

    await uses.write()

    assert (await downloads_of(db), await downloads_of(db, "gone")) == ({RECIPIENT: 1}, {})


async def test_they_go_with_their_image(db: Database) -> None:
    await write_world(db, [image()], [])
    uses = Uses(db)
    note(uses)
    await uses.write()

    await db.transact(Statement("delete from image", ()))

    assert await downloads_of(db) == {}


async def test_what_could_not_be_written_is_written_later(db: Database) -> None:
    class Failing:
        is_down = True

        async def transact(self, *statements: Statement) -> object:
            if self.is_down:
                raise UnavailableError("The database cannot answer now.")
            return await db.transact(*statements)

    await write_world(db, [image()], [])
    failing: Any = Failing()
    uses = Uses(failing)
    note(uses)
    with pytest.raises(UnavailableError):
        await uses.write()
    note(uses)

    failing.is_down = False
    await uses.close()

    assert await downloads_of(db) == {RECIPIENT: 2}
