"""`GET /share/v1`: where everything is, and which limits are in force."""

from http import HTTPStatus

from transom.api.http import Request, Response, json_response
from transom.api.services import Services

PREFIX = "/share/v1"
#: Names of links → paths; `{…}` are for the client to fill in (RFC 6570).
LINKS = {
    "self": PREFIX,
    "inbox": f"{PREFIX}/inbox",
    "inbox_summary": f"{PREFIX}/inbox/summary",
    "inbox_image": f"{PREFIX}/inbox/images/{{image_id}}",
    "answers": f"{PREFIX}/answers",
    "offers": f"{PREFIX}/offers",
    "withdrawals": f"{PREFIX}/withdrawals",
    "shares": f"{PREFIX}/shares",
    "image_shares": f"{PREFIX}/images/{{image_id}}/shares",
    "image_shares_summary": f"{PREFIX}/images/{{image_id}}/shares/summary",
    "image_share": f"{PREFIX}/images/{{image_id}}/shares/{{recipients}}/{{recipient_id}}",
    "families": f"{PREFIX}/families",
    "problem": f"{PREFIX}/problems/{{name}}",
    "rules": f"{PREFIX}/rules",
    "events": f"{PREFIX}/events",
    "publisher": f"{PREFIX}/publishers/{{project_id}}",
    "hooks": f"{PREFIX}/hooks",
    "openapi": f"{PREFIX}/openapi.json",
    "operation": f"{PREFIX}/operation",
    "projects": f"{PREFIX}/projects",
}
#: From wherever the prefix of the service is.
_OPENAPI = b"../../openapi.json"


async def redirect_to_openapi(_services: Services, _request: Request) -> Response:
    """One document describes all calls, these as well."""
    return Response(HTTPStatus.PERMANENT_REDIRECT, headers=[(b"location", _OPENAPI)])


async def show_root(services: Services, request: Request) -> Response:
    """Nothing here depends on who asks."""
    links = {name: request.prefix + path for name, path in LINKS.items()}
    versions = [{"id": "v1.0", "status": "CURRENT", "links": {"self": links["self"]}}]
    return json_response({"links": links, "limits": services.share_limits, "versions": versions})
