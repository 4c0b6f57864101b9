"""The service catalog: where the image and the identity API are, in a token, and as lists of their own.

It is made of the URL by which the client reached us, so it holds whichever way the client came.
"""

import uuid
from typing import Any

import msgspec

from transom.api.http import Request, Response, json_response
from transom.api.identity.session import identity_url, open_session
from transom.api.identity.wire import read_filters, render_list
from transom.api.services import Services
from transom.api.versions import base_url
from transom.identity import rules
from transom.identity.sessions import Session

INTERFACES = ("public", "internal", "admin")


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is what its URL adds to the base. The image API's adds none: clients append the version.
    `ims_path` is what it adds where the catalog is for clients of the IMS API."""

    type: str
    name: str
    path: str
    ims_path: str

    @property
    def id(self) -> str:
        return _make_id("service", self.type)


#: The names are those of OpenStack's own services: some clients (Apache Libcloud) look a service up by type
#: and name.
_IDENTITY = Service(type="identity", name="keystone", path="/identity/v3", ims_path="/identity/v3")
SERVICES = (Service(type="image", name="glance", path="", ims_path="/ims"), _IDENTITY)
SERVICES_IN_DOMAIN = (_IDENTITY,)


def render_catalog(services: Services, request: Request, session: Session) -> list[dict[str, Any]]:
    """The services that the session can use: images are in projects."""
    offered = SERVICES if session.project else SERVICES_IN_DOMAIN if session.domain else ()
    return [
        {
            "id": service.id,
            "type": service.type,
            "name": service.name,
            "endpoints": [
                _render_endpoint(services, request, service, interface) for interface in INTERFACES
            ],
        }
        for service in offered
    ]


async def show_catalog(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    catalog = render_catalog(services, request, session)
    url = f"{identity_url(services, request)}/auth/catalog"
    return json_response({"catalog": catalog, "links": {"self": url}})


async def list_services(services: Services, request: Request) -> Response:
    return await _list(services, request, "services", ("type", "name"))


async def get_service(services: Services, request: Request) -> Response:
    return await _show(services, request, "services", "service")


async def list_endpoints(services: Services, request: Request) -> Response:
    return await _list(services, request, "endpoints", ("service_id", "interface", "region_id", "region"))


async def get_endpoint(services: Services, request: Request) -> Response:
    return await _show(services, request, "endpoints", "endpoint")


async def list_regions(services: Services, request: Request) -> Response:
    return await _list(services, request, "regions", ())


async def get_region(services: Services, request: Request) -> Response:
    return await _show(services, request, "regions", "region")


async def _list(services: Services, request: Request, key: str, filterable: tuple[str, ...]) -> Response:
    await open_session(services, request)
    wanted = {name: value for name, value in read_filters(request).items() if name in filterable}
    found = [
        document
        for document in _render_all(services, request, key)
        if all(document[name] == value for name, value in wanted.items())
    ]
    return json_response(render_list(key, found, f"{identity_url(services, request)}/{key}"))


async def _show(services: Services, request: Request, key: str, word: str) -> Response:
    await open_session(services, request)
    wanted = request.params["id"]
    for document in _render_all(services, request, key):
        if document["id"] == wanted:
            return json_response({word: document})
    raise rules.absent(word, wanted)


def _render_all(services: Services, request: Request, key: str) -> list[dict[str, Any]]:
    if key == "regions":
        region = services.site.region
        documents: list[dict[str, Any]] = [{"id": region, "description": "", "parent_region_id": None}]
    elif key == "services":
        documents = [
            {"id": service.id, "type": service.type, "name": service.name, "description": "", "enabled": True}
            for service in SERVICES
        ]
    else:
        documents = [
            _render_endpoint(services, request, service, interface)
            | {"service_id": service.id, "enabled": True}
            for service in SERVICES
            for interface in INTERFACES
        ]
    for document in documents:
        document["links"] = {"self": f"{identity_url(services, request)}/{key}/{document['id']}"}
    return documents


def _render_endpoint(
    services: Services, request: Request, service: Service, interface: str
) -> dict[str, Any]:
    region = services.site.region
    path = service.ims_path if services.accounts.catalog_ims_endpoint else service.path
    return {
        "id": _make_id("endpoint", service.type, interface),
        "interface": interface,
        "region": region,
        "region_id": region,
        "url": base_url(services, request) + path,
    }


def _make_id(*names: str) -> str:
    """The same in every process and after every start."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "transom:" + ":".join(names)).hex
