"""The part of the Keystone v3 API that OpenStack's clients need, over the built-in identity.

All under /identity. The handlers check the token themselves: some paths need none. They raise the errors of
`domain/errors.py`; the dispatcher gives them a status and, with `errors.py`, Keystone's form. The whole
surface is the table below.
"""

from collections.abc import Awaitable, Callable

from transom.api.http import Request, Response
from transom.api.identity import catalog, credentials, projects, tokens, users, versions
from transom.api.services import Services

Handler = Callable[[Services, Request], Awaitable[Response]]

_V3 = "/identity/v3"

#: (method, path, handler). HEAD and 405 are the dispatcher's, but for the one HEAD that has a meaning here.
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/identity", versions.list_versions),
    ("GET", "/identity/", versions.list_versions),
    ("GET", _V3, versions.show_version),
    ("GET", f"{_V3}/", versions.show_version),
    ("POST", f"{_V3}/auth/tokens", tokens.create_token),
    ("GET", f"{_V3}/auth/tokens", tokens.show_token),
    ("HEAD", f"{_V3}/auth/tokens", tokens.check_token),
    ("DELETE", f"{_V3}/auth/tokens", tokens.revoke_token),
    ("GET", f"{_V3}/auth/catalog", catalog.show_catalog),
    ("GET", f"{_V3}/auth/projects", tokens.list_own_projects),
    ("GET", f"{_V3}/auth/domains", tokens.list_own_domains),
    ("GET", f"{_V3}/projects", projects.list_projects),
    ("GET", f"{_V3}/projects/{{id}}", projects.get_project),
    ("GET", f"{_V3}/domains", projects.list_domains),
    ("GET", f"{_V3}/domains/{{id}}", projects.get_domain),
    ("GET", f"{_V3}/users", users.list_users),
    ("GET", f"{_V3}/users/{{id}}", users.get_user),
    ("GET", f"{_V3}/users/{{id}}/projects", users.list_user_projects),
    ("POST", f"{_V3}/users/{{id}}/password", users.change_password),
    ("GET", f"{_V3}/users/{{id}}/application_credentials", credentials.list_credentials),
    ("POST", f"{_V3}/users/{{id}}/application_credentials", credentials.create_credential),
    ("GET", f"{_V3}/users/{{id}}/application_credentials/{{credential_id}}", credentials.get_credential),
    (
        "DELETE",
        f"{_V3}/users/{{id}}/application_credentials/{{credential_id}}",
        credentials.delete_credential,
    ),
    ("GET", f"{_V3}/users/{{id}}/access_rules", credentials.list_access_rules),
    ("GET", f"{_V3}/users/{{id}}/access_rules/{{rule_id}}", credentials.get_access_rule),
    ("DELETE", f"{_V3}/users/{{id}}/access_rules/{{rule_id}}", credentials.delete_access_rule),
    ("GET", f"{_V3}/roles", users.list_roles),
    ("GET", f"{_V3}/roles/{{id}}", users.get_role),
    ("GET", f"{_V3}/role_assignments", users.list_role_assignments),
    ("GET", f"{_V3}/services", catalog.list_services),
    ("GET", f"{_V3}/services/{{id}}", catalog.get_service),
    ("GET", f"{_V3}/endpoints", catalog.list_endpoints),
    ("GET", f"{_V3}/endpoints/{{id}}", catalog.get_endpoint),
    ("GET", f"{_V3}/regions", catalog.list_regions),
    ("GET", f"{_V3}/regions/{{id}}", catalog.get_region),
]
