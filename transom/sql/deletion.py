"""Deletes an image: its row and its memberships, with their events. Its bytes are left to `blobs.py`."""

from transom.domain.events import Actor
from transom.domain.memberships import EndBefore, RemoveWithImage
from transom.domain.model import Image, Visibility
from transom.sql import inherited
from transom.sql.db import Database, Statement
from transom.sql.images import abandon_statements, lock_seen, loosen_staged
from transom.sql.members import to_statement

DELETE_IMAGE = "delete from image where id = $1 and updated_at = $2 returning id"

INSERT_DELETED_IMAGE = "insert into deleted_image (id, deleted_at) values ($1, $2)"


async def delete_image(db: Database, seen: Image, now: int, actor: Actor) -> bool:
    """Delete the image and its memberships, tell their recipients, and leave its bytes to be removed.

    False, and nothing done, when somebody changed the image since it was `seen`.
    """
    return await db.transact(*delete_statements(seen, now, actor)) is not None


def delete_statements(seen: Image, now: int, actor: Actor) -> list[Statement]:
    """The statements of `delete_image`, for a transaction that does more. Staged bytes come before the image,
    as in `sql/imports.py`: so the two cannot deadlock."""
    return [
        *loosen_staged(seen.id),
        lock_seen(seen),
        _record_deletion(seen, now, actor),
        Statement(DELETE_IMAGE, (seen.id, seen.updated_at), required=True),
        Statement(INSERT_DELETED_IMAGE, (seen.id, now)),
        *abandon_statements(seen.locations),
    ]


def _record_deletion(seen: Image, now: int, actor: Actor) -> Statement:
    """Removes memberships, with an event for each. Recipients of an image that was closed got an event then,
    and their memberships go with its row; but for those that had ended before, and nobody was told."""
    if seen.visibility == Visibility.SHARED:
        return to_statement(RemoveWithImage(image_id=seen.id, now=now), actor)
    return inherited.to_statement(EndBefore(image_id=seen.id, now=now), actor)
