"""The calls of the built-in part of Keystone's API. Bodies of requests are the types that decode them
(`api/identity/wire.py`)."""

from transom.api.identity.wire import AuthRequest, NewCredentialRequest, PasswordChangeRequest
from transom.api.openapi.model import (
    BOOLEAN,
    JSON,
    NOTHING,
    OBJECT,
    STRING,
    Answer,
    Operation,
    Parameter,
    Schema,
    Shape,
    Table,
    array,
    closed,
    json,
    nullable,
    one_of,
    query,
    record,
    ref,
)

_V3 = "/identity/v3"
_USER = f"{_V3}/users/{{id}}"
_CREDENTIALS = f"{_USER}/application_credentials"
_RULES = f"{_USER}/access_rules"
_SUBJECT = Parameter(
    name="X-Subject-Token", text="The token that the call is about.", place="header", required=True
)
_NO_CATALOG = query("nocatalog", "Present: an answer without the catalog.")
_LINK = closed({"self": STRING})
_NAMED = closed({"id": STRING, "name": STRING})
_IN_DOMAIN = record({"id": STRING, "name": STRING, "domain": _NAMED})
_RULE: Schema = {"id": STRING, "service": STRING, "method": STRING, "path": STRING}
_VERSION = record({"id": STRING, "status": STRING, "updated": STRING, "links": array(OBJECT)})
_ENDPOINT: Schema = {
    "id": STRING,
    "interface": one_of("public", "internal", "admin"),
    "region": STRING,
    "region_id": STRING,
    "url": STRING,
}
_CATALOG = array(
    closed({"id": STRING, "type": STRING, "name": STRING, "endpoints": array(closed(_ENDPOINT))})
)
_TOKEN = closed(
    {
        "methods": array(STRING),
        "user": record({"id": STRING, "name": STRING, "domain": _NAMED}),
        "audit_ids": array(STRING),
        "issued_at": STRING,
        "expires_at": STRING,
    },
    {
        "project": _IN_DOMAIN,
        "is_domain": BOOLEAN,
        "domain": _NAMED,
        "roles": array(_NAMED),
        "catalog": _CATALOG,
        "application_credential": record({"id": STRING, "name": STRING, "restricted": BOOLEAN}),
    },
)
_CREDENTIAL = closed(
    {
        "id": STRING,
        "name": STRING,
        "description": STRING,
        "project_id": STRING,
        "roles": array(_NAMED),
        "expires_at": nullable(STRING),
        "unrestricted": BOOLEAN,
        "links": _LINK,
    },
    {"access_rules": array(closed(_RULE)), "secret": STRING},
)
#: Noun in a path → (one of it in an answer, its schema's name, for people).
_NOUNS = {
    "projects": ("project", "Project", "projects"),
    "domains": ("domain", "Domain", "domains"),
    "users": ("user", "User", "users"),
    "roles": ("role", "Role", "roles"),
    "services": ("service", "IdentityService", "services"),
    "endpoints": ("endpoint", "Endpoint", "endpoints"),
    "regions": ("region", "Region", "regions"),
}
_FILTERS = {
    "projects": ("name", "domain_id", "parent_id", "enabled", "is_domain"),
    "domains": ("name", "enabled"),
    "users": ("name", "domain_id"),
    "roles": ("name", "domain_id"),
    "services": ("type", "name"),
    "endpoints": ("service_id", "interface", "region_id", "region"),
    "regions": (),
}


def _filters(*names: str) -> tuple[Parameter, ...]:
    return tuple(query(name, f"Those with this `{name}`.") for name in names)


def _list(key: str, schema: Schema) -> Answer:
    links = closed({"self": STRING, "next": {"type": "null"}, "previous": {"type": "null"}})
    return json(closed({key: array(schema), "links": links}))


def _listing(summary: str, key: str, schema: str, *filters: str, errors: tuple[int, ...] = ()) -> Operation:
    return Operation(
        summary=summary,
        answers={200: _list(key, ref(schema))},
        errors=(403, *errors),
        parameters=_filters(*filters),
    )


def _showing(summary: str, key: str, schema: Shape) -> Operation:
    return Operation(summary=summary, answers={200: json(closed({key: schema}))}, errors=(403, 404))


_LISTS = {
    f"GET {_V3}/{key}": _listing(f"List {text}", key, schema, *_FILTERS[key])
    for key, (_one, schema, text) in _NOUNS.items()
}
_SHOWN = {
    f"GET {_V3}/{key}/{{id}}": _showing(f"Show one of the {text}", one, ref(schema))
    for key, (one, schema, text) in _NOUNS.items()
}
_VERSIONS = Operation(
    summary="List the versions of the identity API",
    answers={300: json(closed({"versions": closed({"values": array(_VERSION)})}))},
    is_open=True,
)
_SHOW_VERSION = Operation(
    summary="Show the version of the identity API",
    answers={200: json(closed({"version": _VERSION}))},
    is_open=True,
)
_TOKEN_HEADERS = {"X-Subject-Token": "The token."}

IDENTITY = Table(
    tag="identity",
    text="The part of Keystone's Identity API v3 that clients need, where accounts are built in.",
    error="IdentityError",
    operations={
        "GET /identity": _VERSIONS,
        "GET /identity/": _VERSIONS,
        f"GET {_V3}": _SHOW_VERSION,
        f"GET {_V3}/": _SHOW_VERSION,
        f"POST {_V3}/auth/tokens": Operation(
            summary="Log in",
            bodies={JSON: AuthRequest},
            answers={201: Answer(shape=ref("TokenAnswer"), headers=_TOKEN_HEADERS)},
            errors=(401, 403, 413),
            parameters=(_NO_CATALOG,),
            is_open=True,
        ),
        f"GET {_V3}/auth/tokens": Operation(
            summary="Describe a token",
            answers={200: Answer(shape=ref("TokenAnswer"), headers=_TOKEN_HEADERS)},
            errors=(403, 404),
            parameters=(_SUBJECT, _NO_CATALOG),
        ),
        f"HEAD {_V3}/auth/tokens": Operation(
            summary="Ask whether a token is valid",
            answers={200: Answer(headers=_TOKEN_HEADERS)},
            errors=(403, 404),
            parameters=(_SUBJECT,),
        ),
        f"DELETE {_V3}/auth/tokens": Operation(
            summary="Revoke a token", answers={204: NOTHING}, errors=(403, 404), parameters=(_SUBJECT,)
        ),
        f"GET {_V3}/auth/catalog": Operation(
            summary="Show the catalog",
            answers={200: json(closed({"catalog": _CATALOG, "links": _LINK}))},
            errors=(403,),
        ),
        f"GET {_V3}/auth/projects": _listing("List the projects of the user", "projects", "Project"),
        f"GET {_V3}/auth/domains": _listing("List the domain of the user", "domains", "Domain"),
        **_LISTS,
        **_SHOWN,
        f"GET {_USER}/projects": _listing(
            "List the projects of a user", "projects", "Project", errors=(404,)
        ),
        f"POST {_USER}/password": Operation(
            summary="Change one's own password",
            bodies={JSON: PasswordChangeRequest},
            answers={204: NOTHING},
            errors=(403, 404, 413),
        ),
        f"GET {_CREDENTIALS}": _listing(
            "List application credentials",
            "application_credentials",
            "ApplicationCredential",
            "name",
            errors=(404,),
        ),
        f"POST {_CREDENTIALS}": Operation(
            summary="Make an application credential, whose secret is shown once",
            bodies={JSON: NewCredentialRequest},
            answers={201: json(closed({"application_credential": ref("ApplicationCredential")}))},
            errors=(403, 404, 409, 413),
        ),
        f"GET {_CREDENTIALS}/{{credential_id}}": _showing(
            "Show an application credential", "application_credential", ref("ApplicationCredential")
        ),
        f"DELETE {_CREDENTIALS}/{{credential_id}}": Operation(
            summary="Delete an application credential", answers={204: NOTHING}, errors=(403, 404)
        ),
        f"GET {_RULES}": _listing(
            "List access rules", "access_rules", "AccessRule", "service", "method", "path", errors=(404,)
        ),
        f"GET {_RULES}/{{rule_id}}": _showing("Show an access rule", "access_rule", ref("AccessRule")),
        f"DELETE {_RULES}/{{rule_id}}": Operation(
            summary="Delete an access rule", answers={204: NOTHING}, errors=(403, 404)
        ),
        f"GET {_V3}/role_assignments": _listing(
            "List who has which role in which project",
            "role_assignments",
            "RoleAssignment",
            "user.id",
            "scope.project.id",
            "role.id",
            "effective",
            "include_names",
        ),
    },
    components={
        "IdentityError": closed(
            {"error": closed({"code": {"type": "integer"}, "title": STRING, "message": STRING})}
        ),
        "TokenAnswer": closed({"token": _TOKEN}),
        "Project": record(
            {
                "id": STRING,
                "name": STRING,
                "domain_id": STRING,
                "parent_id": STRING,
                "description": STRING,
                "enabled": BOOLEAN,
                "is_domain": BOOLEAN,
                "links": _LINK,
            }
        ),
        "Domain": record({"id": STRING, "name": STRING, "enabled": BOOLEAN, "links": _LINK}),
        "User": record(
            {"id": STRING, "name": STRING, "domain_id": STRING, "enabled": BOOLEAN, "links": _LINK},
            {"default_project_id": STRING},
        ),
        "Role": record({"id": STRING, "name": STRING, "links": _LINK}),
        "IdentityService": record({"id": STRING, "type": STRING, "name": STRING, "links": _LINK}),
        "Endpoint": record({**_ENDPOINT, "service_id": STRING, "links": _LINK}),
        "Region": record({"id": STRING, "description": STRING, "links": _LINK}),
        "AccessRule": closed({**_RULE, "links": _LINK}),
        "ApplicationCredential": _CREDENTIAL,
        "RoleAssignment": record({"role": OBJECT, "user": OBJECT, "scope": OBJECT, "links": OBJECT}),
    },
)
