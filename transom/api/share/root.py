"""`GET /share/v1`: where everything is, and which limits are in force."""

from http import HTTPStatus

from transom.api.http import Request, Response, json_response
from transom.api.services import Services

PREFIX = "/share/v1"
_FAMILY = f"{PREFIX}/families/{{family_id}}"
_VERSION = f"{_FAMILY}/versions/{{number}}"
_HOOK = f"{PREFIX}/hooks/{{hook_id}}"
#: Names of links → paths; `{…}` are for the client to fill in (RFC 6570).
LINKS = {
    "self": PREFIX,
    "inbox": f"{PREFIX}/inbox",
    "inbox_summary": f"{PREFIX}/inbox/summary",
    "inbox_image": f"{PREFIX}/inbox/images/{{image_id}}",
    "inbox_family": f"{PREFIX}/inbox/families/{{family_id}}",
    "answers": f"{PREFIX}/answers",
    "offers": f"{PREFIX}/offers",
    "withdrawals": f"{PREFIX}/withdrawals",
    "recipients": f"{PREFIX}/recipients",
    "shares": f"{PREFIX}/shares",
    "image_shares": f"{PREFIX}/images/{{image_id}}/shares",
    "image_shares_summary": f"{PREFIX}/images/{{image_id}}/shares/summary",
    "image_share": f"{PREFIX}/images/{{image_id}}/shares/{{recipients}}/{{recipient_id}}",
    "families": f"{PREFIX}/families",
    "family": _FAMILY,
    "family_versions": f"{_FAMILY}/versions",
    "family_version": _VERSION,
    "family_version_revoke": f"{_VERSION}/revoke",
    "family_version_restore": f"{_VERSION}/restore",
    "family_current": f"{_FAMILY}/current",
    "family_members": f"{_FAMILY}/members",
    "family_member": f"{_FAMILY}/members/{{recipients}}/{{recipient_id}}",
    "problem": f"{PREFIX}/problems/{{name}}",
    "rules": f"{PREFIX}/rules",
    "rule": f"{PREFIX}/rules/{{recipients}}/{{recipient_id}}",
    "rule_everybody": f"{PREFIX}/rules/everybody",
    "events": f"{PREFIX}/events",
    "publisher": f"{PREFIX}/publishers/{{project_id}}",
    "hooks": f"{PREFIX}/hooks",
    "hook": _HOOK,
    "hook_secret": f"{_HOOK}/secret",
    "hook_test": f"{_HOOK}/test",
    "hook_cursor": f"{_HOOK}/cursor",
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
