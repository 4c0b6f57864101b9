"""/v3/users/{id}/application_credentials: secrets that users make for their programs, and
/v3/users/{id}/access_rules: the requests that such a secret is limited to."""

from datetime import UTC, datetime
from http import HTTPStatus

from transom.api.http import Request, Response, json_response, no_content
from transom.api.identity.session import (
    builtin_identity,
    identity_url,
    open_session,
    open_token_session,
)
from transom.api.identity.wire import (
    NewCredentialRequest,
    read_body,
    read_credential_draft,
    read_filters,
    render_access_rule,
    render_credential,
    render_list,
)
from transom.api.services import Services
from transom.identity import rules
from transom.identity.passwords import require_length


async def list_credentials(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    user_id = request.params["id"]
    rules.see_user(session, user_id)
    directory, root = session.directory, identity_url(services, request)
    filters = read_filters(request)
    found = [
        render_credential(directory, credential, root)
        for credential in directory.list_credentials(user_id)
        if filters.get("name", credential.name) == credential.name
    ]
    url = f"{root}/users/{user_id}/application_credentials"
    return json_response(render_list("application_credentials", found, url))


async def create_credential(services: Services, request: Request) -> Response:
    """For oneself only: it carries the maker's own roles."""
    session = await open_token_session(services, request)
    user_id = request.params["id"]
    rules.act_for_oneself(session, user_id)
    body = await read_body(request, services.bodies.identity_body_limit, NewCredentialRequest)
    draft = read_credential_draft(body.application_credential, datetime.now(UTC))
    identity = builtin_identity(services)
    if draft.secret is not None:
        least = services.accounts.password_min_length
        require_length("Invalid request body: application_credential.secret", draft.secret, least)
    credential, secret = await identity.create_credential(session, draft, request.client_address)
    document = render_credential(await identity.directory(), credential, identity_url(services, request))
    return json_response({"application_credential": document | {"secret": secret}}, HTTPStatus.CREATED)


async def get_credential(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    user_id, wanted = request.params["id"], request.params["credential_id"]
    rules.see_user(session, user_id)
    credential = session.directory.credentials.get(wanted)
    if credential is None or credential.user_id != user_id:
        raise rules.absent("application credential", wanted)
    document = render_credential(session.directory, credential, identity_url(services, request))
    return json_response({"application_credential": document})


async def delete_credential(services: Services, request: Request) -> Response:
    session = await open_token_session(services, request)
    user_id, unwanted = request.params["id"], request.params["credential_id"]
    rules.see_user(session, user_id)
    await builtin_identity(services).delete_credential(session, user_id, unwanted)
    return no_content()


async def list_access_rules(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    user_id = request.params["id"]
    rules.see_user(session, user_id)
    root, filters = identity_url(services, request), read_filters(request)
    found = [
        render_access_rule(rule, root)
        for rule in session.directory.list_access_rules(user_id)
        if filters.get("service", rule.service) == rule.service
        and filters.get("method", rule.method) == rule.method
        and filters.get("path", rule.path) == rule.path
    ]
    return json_response(render_list("access_rules", found, f"{root}/users/{user_id}/access_rules"))


async def get_access_rule(services: Services, request: Request) -> Response:
    session = await open_session(services, request)
    user_id, wanted = request.params["id"], request.params["rule_id"]
    rules.see_user(session, user_id)
    rule = session.directory.access_rules.get(wanted)
    if rule is None or rule.user_id != user_id:
        raise rules.absent("access rule", wanted)
    return json_response({"access_rule": render_access_rule(rule, identity_url(services, request))})


async def delete_access_rule(services: Services, request: Request) -> Response:
    session = await open_token_session(services, request)
    user_id, unwanted = request.params["id"], request.params["rule_id"]
    rules.see_user(session, user_id)
    await builtin_identity(services).delete_access_rule(session, user_id, unwanted)
    return no_content()
