"""/v3/projects and /v3/domains. Read only: `transom accounts` makes projects.

Anybody with a token may look up a project by its exact name or id, because sharing an image by name needs
that; only admins may list those they are not in.
"""

from collections.abc import Callable

from transom.api.http import Request, Response, json_response
from transom.api.identity.session import NOT_FOUND, identity_url, open_session
from transom.api.identity.wire import (
    is_true,
    read_filters,
    render_domain,
    render_list,
    render_project,
)
from transom.api.parts import Parts
from transom.domain.errors import NotFoundError
from transom.identity.directory import Project

#: Filter of a list → whether a project passes. Keystone passes over filters it does not know, and so do we.
_FILTERS: dict[str, Callable[[Project, str], bool]] = {
    "name": lambda project, value: project.name == value,
    "domain_id": lambda project, value: project.domain_id == value,
    "parent_id": lambda project, value: project.domain_id == value,
    "enabled": lambda _project, value: is_true(value),
    "is_domain": lambda _project, value: not is_true(value),
}


async def list_projects(parts: Parts, request: Request) -> Response:
    session = open_session(parts, request)
    directory, root = session.directory, identity_url(parts, request)
    filters = read_filters(request)
    sees_all = session.is_admin or "name" in filters
    visible = list(directory.projects.values()) if sees_all else directory.list_projects(session.user.id)
    found = [
        render_project(project, root)
        for project in visible
        if all(_FILTERS[name](project, value) for name, value in filters.items() if name in _FILTERS)
    ]
    return json_response(render_list("projects", found, f"{root}/projects"))


async def get_project(parts: Parts, request: Request) -> Response:
    session = open_session(parts, request)
    wanted = request.params["id"]
    project = session.directory.projects.get(wanted)
    if project is None:
        raise NotFoundError(NOT_FOUND.format("project", wanted))
    return json_response({"project": render_project(project, identity_url(parts, request))})


async def list_domains(parts: Parts, request: Request) -> Response:
    session = open_session(parts, request)
    directory, root = session.directory, identity_url(parts, request)
    filters = read_filters(request)
    found = [
        render_domain(domain, root)
        for domain in directory.domains.values()
        if filters.get("name", domain.name) == domain.name and is_true(filters.get("enabled", "true"))
    ]
    return json_response(render_list("domains", found, f"{root}/domains"))


async def get_domain(parts: Parts, request: Request) -> Response:
    session = open_session(parts, request)
    wanted = request.params["id"]
    domain = session.directory.domains.get(wanted)
    if domain is None:
        raise NotFoundError(NOT_FOUND.format("domain", wanted))
    return json_response({"domain": render_domain(domain, identity_url(parts, request))})
