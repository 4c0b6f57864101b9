"""Which versions of the Image API are served (Image API v2, "API versions")."""

from http import HTTPStatus

from transom.api.http import Request, Response, json_response
from transom.api.services import Services
from transom.api.versions import base_url, served_versions


def versions_response(services: Services, request: Request, status: int) -> Response:
    link = [{"rel": "self", "href": f"{base_url(services, request)}{request.prefix}/v2/"}]
    served = served_versions(services)
    found = [
        {"id": version, "status": "CURRENT" if version == served[0] else "SUPPORTED", "links": link}
        for version in served
    ]
    return json_response({"versions": found}, status)


async def choose_version(services: Services, request: Request) -> Response:
    """The answer at `/` and wherever a path names no version that is served."""
    return versions_response(services, request, HTTPStatus.MULTIPLE_CHOICES)


async def list_versions(services: Services, request: Request) -> Response:
    return versions_response(services, request, HTTPStatus.OK)


async def redirect_to_root(services: Services, request: Request) -> Response:
    location = f"{base_url(services, request)}/v2/".encode("latin-1")
    return Response(
        HTTPStatus.FOUND, headers=[(b"location", location), (b"content-type", b"text/plain; charset=utf8")]
    )
