"""How much a project uses of what it may (Image API v2, "Quota usage").

The names are those of the limits that Glance keeps in Keystone; ours are settings. Where a setting is no
limit there is no entry, as in a Glance without any.
"""

from transom.api.http import Request, Response, json_response
from transom.api.parts import Parts
from transom.sql import images

#: In which sizes are told.
_MIB = 1 << 20


async def show_usage(parts: Parts, request: Request) -> Response:
    """A caller without a project, as of the system's scope, uses nothing."""
    project_id = request.caller.project_id
    usage = {}
    if parts.settings.image_count_quota >= 0:
        owned = 0 if project_id is None else await images.count_images(parts.db, project_id)
        usage["image_count_total"] = _entry(owned, parts.settings.image_count_quota)
    if parts.settings.user_storage_quota > 0:
        stored = 0 if project_id is None else await images.used_storage(parts.db, project_id)
        usage["image_size_total"] = _entry(stored // _MIB, parts.settings.user_storage_quota // _MIB)
    return json_response({"usage": usage})


def _entry(used: int, limit: int) -> dict[str, int]:
    return {"usage": used, "limit": limit}
