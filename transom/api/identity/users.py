"""/v3/users, /v3/roles and /v3/role_assignments. A user sees itself, an admin everybody."""

from typing import Any

from transom.api.http import Request, Response, json_response, no_content
from transom.api.identity.attempts import report_refusal
from transom.api.identity.session import (
    builtin_identity,
    identity_url,
    open_session,
    open_token_session,
)
from transom.api.identity.wire import (
    PasswordChangeRequest,
    read_body,
    read_filters,
    render_list,
    render_project,
    render_role,
    render_role_name,
    render_user,
)
from transom.api.services import Services
from transom.domain.errors import UnauthenticatedError, UnavailableError
from transom.identity import rules
from transom.identity.directory import Directory, Grant, Role, imply_roles
from transom.identity.passwords import require_length


async def list_users(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    root, filters = identity_url(services, request), read_filters(request)
    found = [
        render_user(user, root)
        for user in rules.list_users(session)
        if filters.get("name", user.name) == user.name
        and filters.get("domain_id", user.domain_id) == user.domain_id
    ]
    return json_response(render_list("users", found, f"{root}/users"))


async def get_user(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    wanted = request.params["id"]
    rules.see_user(session, wanted)
    user = session.directory.users.get(wanted)
    if user is None:
        raise rules.absent("user", wanted)
    return json_response({"user": render_user(user, identity_url(services, request))})


async def list_user_projects(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    user_id = request.params["id"]
    rules.see_user(session, user_id)
    directory, root = session.directory, identity_url(services, request)
    if user_id not in directory.users:
        raise rules.absent("user", user_id)
    projects = [render_project(project, root) for project in directory.list_projects(user_id)]
    return json_response(render_list("projects", projects, f"{root}/users/{user_id}/projects"))


async def change_password(services: Services, request: Request) -> Response:
    """A user's own; it must know the old one. `transom accounts passwd` is for who forgot it."""
    session = await open_token_session(services, request)
    user_id = request.params["id"]
    rules.act_for_oneself(session, user_id)
    body = await read_body(request, services.bodies.identity_body_limit, PasswordChangeRequest)
    new = body.user.password
    require_length("Invalid request body: user.password", new, services.accounts.password_min_length)
    old = body.user.original_password
    try:
        await builtin_identity(services).change_password(session.user, old, new, request.client_address)
    except (UnauthenticatedError, UnavailableError) as error:
        report_refusal(services, request, session.user.name, error)
        raise
    return no_content()


async def list_roles(services: Services, request: Request) -> Response:
    await open_session(services, request)
    root = identity_url(services, request)
    filters = read_filters(request)
    # There are no roles of a domain.
    roles = [role for role in Role if filters.get("name", role) == role and not filters.get("domain_id")]
    return json_response(render_list("roles", [render_role(role, root) for role in roles], f"{root}/roles"))


async def get_role(services: Services, request: Request) -> Response:
    await open_session(services, request)
    wanted = request.params["id"]
    if wanted not in list(Role):
        raise rules.absent("role", wanted)
    return json_response({"role": render_role(Role(wanted), identity_url(services, request))})


async def list_role_assignments(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    rules.list_role_assignments(session)
    directory, root = session.directory, identity_url(services, request)
    filters = read_filters(request)
    found = [
        _render_assignment(directory, grant, role, root, with_names="include_names" in filters)
        for grant in directory.accounts.grants
        for role in (imply_roles(grant.roles) if "effective" in filters else grant.roles)
        if filters.get("user.id", grant.user_id) == grant.user_id
        and filters.get("scope.project.id", grant.project_id) == grant.project_id
        and filters.get("role.id", role) == role
    ]
    return json_response(render_list("role_assignments", found, f"{root}/role_assignments"))


def _render_assignment(
    directory: Directory, grant: Grant, role: Role, root: str, *, with_names: bool
) -> dict[str, Any]:
    user, project = directory.users[grant.user_id], directory.projects[grant.project_id]
    url = f"{root}/projects/{project.id}/users/{user.id}/roles/{role}"
    if not with_names:
        scope = {"project": {"id": project.id}}
        return {"role": {"id": role}, "user": {"id": user.id}, "scope": scope, "links": {"assignment": url}}
    named = [
        {"id": owner.id, "name": owner.name, "domain": {"id": domain.id, "name": domain.name}}
        for owner, domain in (
            (user, directory.domains[user.domain_id]),
            (project, directory.domains[project.domain_id]),
        )
    ]
    return {
        "role": render_role_name(role),
        "user": named[0],
        "scope": {"project": named[1]},
        "links": {"assignment": url},
    }
