"""Images that other services of the cloud make for a job: found by what marks them, and made the job's."""

from transom.domain.events import Actor
from transom.domain.model import Image, Job
from transom.sql.db import Database
from transom.sql.images import COLUMNS, image_of_row, update_statements
from transom.sql.imports import keeps_input


async def find_marked(db: Database, owner: str, since: int, name: str, mark: str, value: str) -> Image | None:
    """The image of this project, made since then, of this name, or with this value of the property `mark`."""
    is_marked = db.dialect.json_has_pair("image.properties", "$4", "$5")
    sql = f"""
        select {COLUMNS} from image
        where owner = $1 and created_at >= cast($2 as bigint) and (name = $3 or {is_marked})
        order by created_at, id limit 1"""
    rows = await db.scan(sql, owner, since, name, mark, value)
    return image_of_row(rows[0]) if rows else None


async def adopt_image(db: Database, job: Job, holder: str, seen: Image, new: Image, actor: Actor) -> bool:
    """Give the image what the job was asked for, and keep the job's input, which names it; False when the job
    was taken from its holder, or somebody changed the image since it was `seen`."""
    statements = (keeps_input(job, holder, new.updated_at), *update_statements(seen, new, actor))
    return await db.transact(*statements) is not None
