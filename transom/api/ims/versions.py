"""One version of the API at a time, and the operating systems that images may name (IMS API, "API Version
Queries", "Querying Supported OSs")."""

from http import HTTPStatus
from itertools import groupby
from typing import Any

from transom.api.http import Request, Response, json_response
from transom.api.services import Services
from transom.api.versions import base_url, served_versions
from transom.domain.errors import InvalidError, Reason
from transom.domain.fields import quoted
from transom.domain.os_versions import TAGS, OsVersion
from transom.images import rules


async def show_version(services: Services, request: Request) -> Response:
    """300, as for the list of all versions; by the name that the path has for it."""
    named = request.path.removeprefix(request.prefix).strip("/")
    if named.startswith("v1"):
        version, status, root = (named if "." in named else "v1.0"), "DEPRECATED", "v1"
    else:
        served = served_versions(services)
        version, root = (named if named in served else served[0]), "v2"
        status = "CURRENT" if version == served[0] else "SUPPORTED"
    links = [{"href": f"{base_url(services, request)}{request.prefix}/{root}/", "rel": "self"}]
    found = {"status": status, "id": version, "links": links}
    return json_response({"versions": [found]}, HTTPStatus.MULTIPLE_CHOICES)


async def list_os_versions(services: Services, request: Request) -> Response:
    """By platform; those only that go with every `tag`."""
    rules.list_images(request.caller)
    tags = [value for name, value in request.query_pairs() if name == "tag"]
    for tag in tags:
        if tag not in TAGS:
            raise InvalidError(f"tag: {quoted(tag)} is not one of {', '.join(TAGS)}.", Reason.BAD_URL)
    by_platform = groupby(services.operator_files.os_versions.select(tags), lambda version: version.platform)
    return json_response(
        [
            {"platform": platform, "version_list": [_os_version_body(version) for version in versions]}
            for platform, versions in by_platform
        ]
    )


def _os_version_body(version: OsVersion) -> dict[str, Any]:
    return {
        "platform": version.platform,
        "os_version_key": version.name,
        "os_version": version.name,
        "os_bit": int(version.os_bit),
        "os_type": version.os_type,
    }
