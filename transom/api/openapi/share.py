"""The calls of the share API. Bodies of requests are the types that decode them (`api/share/`).

What no call knows in its body or query is refused: the shapes of requests are closed.
"""

from typing import Any

import msgspec

from transom.api.openapi.families import COMPONENTS as FAMILY_COMPONENTS
from transom.api.openapi.families import OPERATIONS as FAMILIES
from transom.api.openapi.hooks import COMPONENTS as HOOK_COMPONENTS
from transom.api.openapi.hooks import OPERATIONS as HOOKS
from transom.api.openapi.model import (
    HTML,
    INTEGER,
    JSON,
    NOTHING,
    OBJECT,
    STRING,
    TEXT,
    Answer,
    Operation,
    Schema,
    Shape,
    Table,
    array,
    closed,
    header,
    json,
    nullable,
    one_of,
    query,
    record,
    ref,
)
from transom.api.openapi.offers import OPERATIONS as OFFERS
from transom.api.openapi.operation import COMPONENTS as OPERATION_COMPONENTS
from transom.api.openapi.operation import OPERATIONS as OPERATION
from transom.api.openapi.paging import PAGING
from transom.api.openapi.recipients import RECIPIENT
from transom.api.openapi.tagged import CHANGED, IF_MATCH, shown, tagged
from transom.api.share.acts import HEADER, KEY_PATTERN
from transom.api.share.events import MOST_WAIT_S
from transom.api.share.publishers import PublisherBody
from transom.api.share.rules import RuleBody

_V1 = "/share/v1"
_IF_NEW = header("If-None-Match", "304 if it still has this entity tag; `*` with a write: only if it is new.")


def items(of: Schema) -> Schema:
    """A page of a list: `next` is a path, null on the last one."""
    return closed({"items": array(of), "next": nullable(STRING)})


def put(summary: str, body: Shape, schema: Schema, example: Any = None) -> Operation:
    """One thing made or replaced."""
    return Operation(
        summary=summary,
        bodies={JSON: body},
        answers={200: tagged(schema), 201: tagged(schema)},
        errors=CHANGED,
        parameters=(IF_MATCH, _IF_NEW),
        example=example,
    )


def removed(summary: str) -> Operation:
    return Operation(summary=summary, answers={204: NOTHING}, errors=CHANGED, parameters=(IF_MATCH, _IF_NEW))


_ROOT = {
    f"GET {_V1}": Operation(
        summary="Where everything is, and the limits in force",
        answers={200: json(record({"links": OBJECT, "limits": OBJECT, "versions": array(OBJECT)}))},
    ),
    f"GET {_V1}/openapi.json": Operation(
        summary="Where this document is",
        answers={308: Answer(headers={"Location": "Of the document."})},
        is_open=True,
    ),
    f"GET {_V1}/problems/{{name}}": Operation(
        summary="What a type of problem means",
        answers={200: Answer(shape=STRING, media_type=TEXT, also={HTML: STRING})},
        errors=(404,),
        is_open=True,
    ),
}
_RULES = {
    f"GET {_V1}/rules": Operation(
        summary="List the project's rules on what publishers offer",
        answers={200: json(items(ref("ShareRule")))},
        errors=(403,),
        parameters=PAGING,
    ),
    **{
        key: operation
        for path in ("{recipients}/{recipient_id}", "everybody")
        for key, operation in {
            f"GET {_V1}/rules/{path}": shown("Show a rule", ref("ShareRule")),
            f"PUT {_V1}/rules/{path}": put(
                "Accept or reject what a publisher will offer",
                RuleBody,
                ref("ShareRule"),
                {"answer": "accepted"},
            ),
            f"DELETE {_V1}/rules/{path}": removed("Remove a rule"),
        }.items()
    },
}
_PUBLISHERS = {
    f"GET {_V1}/publishers/{{project_id}}": shown("Show a verified publisher", ref("Publisher")),
    f"PUT {_V1}/publishers/{{project_id}}": put(
        "Verify a publisher", PublisherBody, ref("Publisher"), {"name": "Platform team"}
    ),
    f"DELETE {_V1}/publishers/{{project_id}}": removed("Take a publisher's verified name away"),
}

_EVENTS = {
    f"GET {_V1}/events": Operation(
        summary="Follow what happens to shares, or read their history",
        answers={
            200: json(
                closed({"events": array(ref("Event")), "cursor": STRING, "next": nullable(STRING)}),
            )
        },
        errors=(403, 410),
        parameters=(
            *PAGING,
            query("type", "Types, with commas between; `*` for one or more parts: `share.*`.", STRING),
            query("image", "Of this image alone.", STRING),
            query("family", "Of this family alone.", STRING),
            query("with", "With this project on the other side.", STRING),
            query("order", "`desc`: newest first.", one_of("asc", "desc")),
            query(
                "wait",
                "So many seconds to wait for an event when there is none.",
                {"type": "integer", "minimum": 0, "maximum": MOST_WAIT_S},
            ),
            query("all", "`true`: of all projects (administrators).", one_of("true", "false")),
        ),
    ),
}

_KEY = header(
    HEADER,
    "Do it once, however often it is sent: the answer is kept for `idempotency_lifetime_h`, and given again.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": KEY_PATTERN},
)


def _with_key(name: str, operation: Operation) -> Operation:
    """As `act` makes its handler: each POST takes a key."""
    if not name.startswith("POST "):
        return operation
    errors = tuple(sorted({*operation.errors, 409, 413, 422}))
    return msgspec.structs.replace(operation, errors=errors, parameters=(*operation.parameters, _KEY))


_OPERATIONS = {**_ROOT, **OFFERS, **FAMILIES, **_RULES, **_PUBLISHERS, **_EVENTS, **HOOKS, **OPERATION}

SHARE = Table(
    tag="share",
    text="Offers and answers, who has what, and what happened.",
    error="Problem",
    error_type="application/problem+json",
    operations={name: _with_key(name, operation) for name, operation in _OPERATIONS.items()},
    components={
        **HOOK_COMPONENTS,
        **OPERATION_COMPONENTS,
        **FAMILY_COMPONENTS,
        "Problem": record(
            {"type": STRING, "title": STRING, "status": INTEGER, "detail": STRING, "instance": STRING},
            {"field": STRING, "parameter": STRING},
        ),
        # CloudEvents 1.0.
        "Event": record(
            {
                "specversion": STRING,
                "id": STRING,
                "source": STRING,
                "type": STRING,
                "time": STRING,
                "sequence": STRING,
                "datacontenttype": STRING,
                "data": OBJECT,
            },
            {"subject": STRING},
        ),
        "ShareRule": closed(
            {
                "publisher": {"anyOf": [RECIPIENT, closed({"everybody": {"const": True}})]},
                "answer": one_of("accepted", "rejected"),
                "updated_at": STRING,
            }
        ),
        "Publisher": closed(
            {
                "project": STRING,
                "name": STRING,
                "url": nullable(STRING),
                "support": nullable(STRING),
                "verified_at": STRING,
            }
        ),
    },
)
