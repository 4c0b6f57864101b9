"""What an operator's tools ask: is it alive, is it ready, how much did it do."""

from http import HTTPStatus
from typing import Any

from transom.api.http import HttpError, Request, Response, json_response
from transom.api.services import Services
from transom.domain.errors import UnavailableError


async def check_alive(_services: Services, _request: Request) -> Response:
    """200 as long as the process answers; touches nothing else."""
    return json_response({"status": "alive"})


async def check_ready(services: Services, _request: Request) -> Response:
    """200 when the database takes writes; UnavailableError (503) when it does not, within a few seconds, and
    before a stop.

    An identity that is away is told and no more: callers who are known go on, the others get a 503 that says
    why. To take every server out of its balancer would end the former, too. So is a store that may not be
    changed, whose data can be read, a disk without room for new data, be it the database's, and a file of
    the operator's that was changed since it was read.
    """
    if services.is_leaving():
        raise UnavailableError("The service is about to stop.")
    await services.db.require_writable()
    identity = "reachable" if services.identity.is_reachable else "unreachable"
    disks = {
        name: {"free_bytes": room.free_bytes, "has_room": not room.lacks()}
        for name, room in services.disks.items()
    }
    body: dict[str, Any] = {"status": "ready", "identity": identity, "disks": disks}
    if services.db.is_full:
        body["database_is_full"] = True
    if refused := services.transfer.ownership.refused:
        body["refused_stores"] = refused
    if changed := await services.operator_files.find_changed():
        body["files_not_in_force"] = changed
    return json_response(body)


async def check_health(_services: Services, request: Request) -> Response:
    """The health check of oslo.middleware, which load balancers in front of Glance ask."""
    if "application/json" in (request.header(b"accept") or ""):
        return json_response({"detailed": False, "reasons": ["OK"]})
    return Response(body=b"OK", headers=[(b"content-type", b"text/plain; charset=UTF-8")])


async def check_health_briefly(_services: Services, _request: Request) -> Response:
    """The same for a balancer that sends HEAD."""
    return Response(HTTPStatus.NO_CONTENT)


async def show_metrics(services: Services, request: Request) -> Response:
    """In one spelling of the path only: proxies refuse it to strangers by a comparison of paths."""
    if request.raw_path != b"/metrics":
        raise HttpError(HTTPStatus.NOT_FOUND, "The resource could not be found.")
    return Response(
        body=await services.render_metrics(),
        headers=[(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")],
    )
