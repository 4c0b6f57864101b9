"""The calls of the service as a whole, none of which needs a token: versions, health, metrics."""

from transom.api.openapi.model import (
    HTML,
    JSON,
    NATURAL,
    NOTHING,
    OBJECT,
    STRING,
    TEXT,
    Answer,
    Operation,
    Table,
    array,
    closed,
    json,
    one_of,
    record,
    ref,
)

_VERSION = closed(
    {
        "id": STRING,
        "status": one_of("CURRENT", "SUPPORTED", "DEPRECATED"),
        "links": array(closed({"rel": STRING, "href": STRING})),
    }
)
_DISK = closed({"free_bytes": NATURAL, "has_room": {"type": "boolean"}})
_HEALTH = closed({"detailed": {"type": "boolean"}, "reasons": array(STRING)})

SERVICE = Table(
    tag="service",
    text="Versions, health, metrics. No token is needed.",
    error="Error",
    components={
        "Versions": closed({"versions": array(_VERSION)}),
        "Readiness": closed(
            {
                "status": {"const": "ready"},
                "identity": one_of("reachable", "unreachable"),
                "disks": {"type": "object", "additionalProperties": _DISK},
            },
            {
                "database_is_full": {"const": True},
                "refused_stores": OBJECT,
                "files_not_in_force": array(STRING),
            },
        ),
    },
    operations={
        "GET /": Operation(
            summary="List the versions; a browser gets a page",
            answers={300: json(ref("Versions")), 200: Answer(shape=STRING, media_type=HTML)},
            is_open=True,
        ),
        "HEAD /": Operation(
            summary="Ask whether there are versions", answers={300: NOTHING, 200: NOTHING}, is_open=True
        ),
        "GET /versions": Operation(
            summary="List the versions", answers={200: json(ref("Versions"))}, is_open=True
        ),
        "HEAD /versions": Operation(
            summary="Ask whether there are versions", answers={200: NOTHING}, is_open=True
        ),
        "GET /openapi.json": Operation(
            summary="This document",
            answers={200: json(record({"openapi": STRING, "info": OBJECT, "paths": OBJECT}))},
            is_open=True,
        ),
        "GET /healthz": Operation(
            summary="Ask whether the process is alive",
            answers={200: json(closed({"status": {"const": "alive"}}))},
            is_open=True,
        ),
        "GET /readyz": Operation(
            summary="Ask whether the database takes writes",
            answers={200: json(ref("Readiness"))},
            errors=(503,),
            is_open=True,
        ),
        "GET /healthcheck": Operation(
            summary="The health check of oslo.middleware",
            answers={200: Answer(shape=STRING, media_type=TEXT, also={JSON: _HEALTH})},
            is_open=True,
        ),
        "HEAD /healthcheck": Operation(
            summary="The health check of oslo.middleware", answers={204: NOTHING}, is_open=True
        ),
        "GET /metrics": Operation(
            summary="Metrics for Prometheus",
            answers={200: Answer(shape=STRING, media_type=TEXT)},
            is_open=True,
        ),
    },
)
