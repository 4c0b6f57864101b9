"""How many images a project may have and share, and how many it does (IMS API, "Image Quota")."""

from transom.api.http import Request, Response, json_response
from transom.api.ims.body import require_project
from transom.api.services import Services
from transom.images import rules
from transom.sql import images

#: What is shown as the most that could be granted, where nothing is said.
_MOST = 1_000_000


async def show_quota(services: Services, request: Request) -> Response:
    """-1 where there is no limit."""
    project_id = require_project(request)
    rules.list_images(request.caller)
    shared, most_recipients = await images.count_shared(services.db, project_id)
    owned = await images.count_images(services.db, project_id)
    resources = [
        _resource("image", owned, await services.limits.most_images(project_id)),
        _resource("image_shared", shared, -1),
        _resource("image_member", most_recipients, services.ims_limits.ims_member_quota),
    ]
    return json_response({"quotas": {"resources": resources}})


def _resource(kind: str, used: int, quota: int) -> dict[str, str | int]:
    return {"type": kind, "used": used, "quota": max(quota, -1), "min": 1, "max": max(quota, _MOST)}
