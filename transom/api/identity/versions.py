"""Version discovery, the first thing that a client asks for; without a token."""

from http import HTTPStatus
from typing import Any

from transom.api.http import Request, Response, json_response
from transom.api.identity.session import builtin_identity, identity_url
from transom.api.services import Services


async def list_versions(services: Services, request: Request) -> Response:
    builtin_identity(services)
    versions = {"values": [_describe_version(services, request)]}
    return json_response({"versions": versions}, HTTPStatus.MULTIPLE_CHOICES)


async def show_version(services: Services, request: Request) -> Response:
    builtin_identity(services)
    return json_response({"version": _describe_version(services, request)})


def _describe_version(services: Services, request: Request) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{identity_url(services, request)}/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }
