"""How much a project uses of what it may (Image API v2, "Quota usage").

The limits are those that Glance keeps in Keystone, or ours of the settings under their names. Where a setting
is no limit there is no entry, as in a Glance without any.
"""

from transom.api.http import Request, Response, json_response
from transom.api.services import Services


async def show_usage(services: Services, request: Request) -> Response:
    """A caller without a project, as of the system's scope, uses nothing."""
    usage = await services.limits.usage(request.caller.project_id)
    return json_response(
        {"usage": {name: {"usage": used, "limit": limit} for name, (used, limit) in usage.items()}}
    )
