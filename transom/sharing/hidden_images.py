"""Which images of events the operator's own rules hide from the project that reads these events.

The default rules hide nothing of what concerns a project. For an image that was deleted, `get_image` is asked
as for one that is to be created: a check for a value that it does not have is false.
"""

from collections.abc import Sequence

import msgspec

from transom.domain.events import Event
from transom.domain.model import Caller
from transom.domain.policy import has_own_rule
from transom.sharing import rules
from transom.sharing.events import Viewer, names_image
from transom.sql import images
from transom.sql.db import Database


async def hide_images(db: Database, caller: Caller, viewer: Viewer, found: Sequence[Event]) -> Viewer:
    """The viewer, with the images of these events that `get_image` hides from the caller. One at a time is
    read: each may have many properties."""
    if viewer.project is None or not has_own_rule(caller.policy, "get_image"):
        return viewer
    hidden: set[str] = set()
    for image_id, event in {event.image_id: event for event in found if names_image(event, viewer)}.items():
        look = await images.find_image(db, image_id or "", caller.member_ids)
        if not rules.is_told(caller, event, look.image):
            hidden.add(look.image_id)
    return msgspec.structs.replace(viewer, hidden=frozenset(hidden))
