"""/v3/auth: logging in, describing and revoking tokens, and what a token can be exchanged for."""

from http import HTTPStatus

from transom.api.http import Headers, Request, Response, json_response, no_content
from transom.api.identity.attempts import report_refusal
from transom.api.identity.catalog import render_catalog
from transom.api.identity.projects import find_domains
from transom.api.identity.session import (
    builtin_identity,
    identity_url,
    open_session,
    open_token_session,
)
from transom.api.identity.wire import (
    AuthBody,
    AuthRequest,
    CredentialLoginBody,
    read_body,
    read_filters,
    read_reference,
    read_scope,
    render_domain,
    render_list,
    render_project,
    render_token,
)
from transom.api.services import Services
from transom.domain.errors import (
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from transom.identity import rules
from transom.identity.builtin import BuiltinIdentity
from transom.identity.sessions import TokenSession

METHODS = ("password", "token", "application_credential")


async def create_token(services: Services, request: Request) -> Response:
    identity = builtin_identity(services)
    body = await read_body(request, services.bodies.identity_body_limit, AuthRequest)
    try:
        token, session = await _log_in(identity, body.auth, request.client_address)
    except (UnauthenticatedError, UnavailableError) as error:
        report_refusal(services, request, _name_account(body.auth), error)
        raise
    services.count_login("done")
    return _describe_token(services, request, token, session, HTTPStatus.CREATED)


def _name_account(auth: AuthBody) -> str | None:
    """Whom a login names, for the log."""
    asked = auth.identity
    if asked.password is not None:
        return asked.password.user.name or asked.password.user.id
    if asked.application_credential is not None:
        return asked.application_credential.name or asked.application_credential.id
    return None


async def show_token(services: Services, request: Request) -> Response:
    token, subject, _ = await _find_subject(services, request)
    return _describe_token(services, request, token, subject, HTTPStatus.OK)


async def check_token(services: Services, request: Request) -> Response:
    token, *_ = await _find_subject(services, request)
    return Response(HTTPStatus.OK, headers=_token_headers(token))


async def revoke_token(services: Services, request: Request) -> Response:
    _, subject, asking = await _find_subject(services, request)
    await builtin_identity(services).revoke(subject.claims, asking.user.id)
    return no_content()


async def list_own_projects(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    directory, root = session.directory, identity_url(services, request)
    projects = [render_project(project, root) for project in directory.list_projects(session.user.id)]
    return json_response(render_list("projects", projects, f"{root}/auth/projects"))


async def list_own_domains(services: Services, request: Request) -> Response:
    """The user's own domain. Keystone lists those in which the user has a role; clients that sign their
    requests ask here to learn their domain's id."""
    session = await open_session(services, request)
    root = identity_url(services, request)
    found = find_domains(request, [session.directory.domains[session.user.domain_id]])
    domains = [render_domain(domain, root) for domain in found]
    return json_response(render_list("domains", domains, f"{root}/auth/domains"))


async def _log_in(identity: BuiltinIdentity, auth: AuthBody, client: str) -> tuple[str, TokenSession]:
    methods = auth.identity.methods
    for method in methods:
        if method not in METHODS:
            raise UnauthenticatedError("Attempted to authenticate with an unsupported method.")
    if len(methods) != 1:
        raise InvalidError("Invalid request body: auth.identity.methods must name exactly one method")
    if auth.identity.password is not None and methods == ["password"]:
        user = auth.identity.password.user
        who = read_reference(user, "auth.identity.password.user")
        return await identity.log_in_with_password(who, user.password, read_scope(auth.scope), client)
    if auth.identity.token is not None and methods == ["token"]:
        return await identity.log_in_with_token(auth.identity.token.id, read_scope(auth.scope))
    if auth.identity.application_credential is not None and methods == ["application_credential"]:
        if auth.scope is not None:
            raise UnauthenticatedError("Application credentials cannot request a scope.")
        return await _log_in_with_credential(identity, auth.identity.application_credential, client)
    raise InvalidError(f"Invalid request body: auth.identity.{methods[0]} is missing")


async def _log_in_with_credential(
    identity: BuiltinIdentity, body: CredentialLoginBody, client: str
) -> tuple[str, TokenSession]:
    where = "auth.identity.application_credential"
    owner = read_reference(body.user, f"{where}.user") if body.user is not None else None
    if body.id is None and (body.name is None or owner is None):
        raise InvalidError(f"Invalid request body: {where} needs an id, or a name and a user")
    return await identity.log_in_with_credential(body.id, body.name, owner, body.secret, client)


async def _find_subject(services: Services, request: Request) -> tuple[str, TokenSession, TokenSession]:
    """The token in `X-Subject-Token` and its session, for its own user, an admin or a service; and the
    session of who asks.

    NotFoundError for a subject that is not valid: 401 would say that the caller's own token is not.
    """
    session = await open_token_session(services, request)
    token = request.header(b"x-subject-token")
    if not token:
        raise InvalidError("The header X-Subject-Token is missing.")
    try:
        subject = await builtin_identity(services).open_session(token)
    except UnauthenticatedError:
        raise NotFoundError("Could not find token.") from None
    rules.act_on_token(session, subject, revokes=request.method == "DELETE")
    return token, subject, session


def _describe_token(
    services: Services, request: Request, token: str, session: TokenSession, status: HTTPStatus
) -> Response:
    catalog = None if "nocatalog" in read_filters(request) else render_catalog(services, request, session)
    body = render_token(session, catalog)
    return json_response(body, status, _token_headers(token))


def _token_headers(token: str) -> Headers:
    # A cache between us and the client must not give one client's token to another.
    return [
        (b"x-subject-token", token.encode()),
        (b"vary", b"X-Auth-Token"),
        (b"cache-control", b"no-store"),
    ]
