"""/v3/projects and /v3/domains. Read only: `transom accounts` makes projects.

Anybody with a token may look up a project by its exact name or id, because sharing an image by name needs
that; only admins may list those they are not in.
"""

from collections.abc import Callable, Iterable

import msgspec

from transom.api.http import Request, Response, json_response
from transom.api.identity.session import identity_url, open_session
from transom.api.identity.wire import (
    is_true,
    read_filters,
    render_domain,
    render_list,
    render_project,
)
from transom.api.services import Services
from transom.identity import rules
from transom.identity.directory import Domain, Project
from transom.identity.sessions import Session, TokenSession

#: Filter of a list → whether a project passes. Keystone passes over filters it does not know, and so do we.
_FILTERS: dict[str, Callable[[Project, str], bool]] = {
    "name": lambda project, value: project.name == value,
    "domain_id": lambda project, value: project.domain_id == value,
    "parent_id": lambda project, value: project.domain_id == value,
    "enabled": lambda _project, value: is_true(value),
    "is_domain": lambda _project, value: not is_true(value),
}


async def list_projects(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    root, filters = identity_url(services, request), read_filters(request)
    region = services.site.region if services.accounts.region_names_project else None
    visible = _list_visible(session, filters.get("name"), region)
    found = [
        render_project(project, root)
        for project in visible
        if all(_FILTERS[name](project, value) for name, value in filters.items() if name in _FILTERS)
    ]
    return json_response(render_list("projects", found, f"{root}/projects"))


def _list_visible(session: Session, name: str | None, region: str | None) -> list[Project]:
    """The projects that a list of `name` is made of, None: of any. `region`: the name that stands for a
    project, None: none.

    Clients of Huawei Cloud, where each region is a project of that name, ask for it to learn their project's
    id. They sign, and take the first answer for their own.
    """
    directory, own = session.directory, session.directory.list_projects(session.user.id)
    if name is not None and name == region and session.project and not isinstance(session, TokenSession):
        named = [project for project in own if project.name == region]
        return named or [msgspec.structs.replace(session.project, name=region)]
    if rules.lists_every_project(session, name):
        return list(directory.projects.values())
    return own


async def get_project(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    wanted = request.params["id"]
    project = session.directory.projects.get(wanted)
    if project is None:
        raise rules.absent("project", wanted)
    return json_response({"project": render_project(project, identity_url(services, request))})


async def list_domains(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    root = identity_url(services, request)
    found = find_domains(request, session.directory.domains.values())
    domains = [render_domain(domain, root) for domain in found]
    return json_response(render_list("domains", domains, f"{root}/domains"))


def find_domains(request: Request, domains: Iterable[Domain]) -> list[Domain]:
    """Those that the query's filters leave."""
    filters = read_filters(request)
    if not is_true(filters.get("enabled", "true")):
        return []
    return [domain for domain in domains if filters.get("name", domain.name) == domain.name]


async def get_domain(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    wanted = request.params["id"]
    domain = session.directory.domains.get(wanted)
    if domain is None:
        raise rules.absent("domain", wanted)
    return json_response({"domain": render_domain(domain, identity_url(services, request))})
