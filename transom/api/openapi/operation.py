"""The calls of the share API for operators."""

from transom.api.openapi.model import (
    BOOLEAN,
    NATURAL,
    NUMBER,
    STRING,
    Operation,
    Schema,
    array,
    closed,
    json,
    nullable,
    one_of,
    query,
    ref,
)
from transom.api.openapi.paging import PAGING
from transom.domain.operation import HookState, UseSort

_V1 = "/share/v1"
_LATENCY: Schema = {"type": "number", "minimum": 0}
_ROOM = closed({"free_bytes": NATURAL, "has_room": BOOLEAN})

OPERATIONS = {
    f"GET {_V1}/operation": Operation(
        summary="How the service is (administrators)",
        answers={200: json(ref("ServiceState"))},
        errors=(403,),
    ),
    f"GET {_V1}/projects": Operation(
        summary="What each project has, most first (administrators)",
        answers={200: json(closed({"items": array(ref("ProjectUse")), "next": nullable(STRING)}))},
        errors=(403,),
        parameters=(
            *PAGING,
            query("sort", "What they are sorted by.", one_of(*UseSort)),
        ),
    ),
}
#: The schemas that they name.
COMPONENTS: Schema = {
    "ServiceState": closed(
        {
            "looked_at": STRING,
            "database": closed(
                {"kind": one_of("sqlite", "postgresql"), "writable": BOOLEAN, "latency_ms": _LATENCY}
            ),
            "identity": closed(
                {
                    "kind": one_of("builtin", "keystone"),
                    "reachable": BOOLEAN,
                    "latency_ms": nullable(NUMBER),
                }
            ),
            "uploads": closed(dict.fromkeys(("saving", "uploading", "importing"), NATURAL)),
            "jobs": closed(dict.fromkeys(("waiting", "running", "failed"), NATURAL)),
            "events_behind_s": _LATENCY,
            "hooks": closed(dict.fromkeys(map(str, HookState), NATURAL)),
            "stores": array(
                closed(
                    {
                        "id": STRING,
                        "type": nullable(STRING),
                        "images": NATURAL,
                        "bytes": NATURAL,
                        "room": nullable(_ROOM),
                        "refused": BOOLEAN,
                    }
                )
            ),
        }
    ),
    "ProjectUse": closed(
        {
            "project": STRING,
            "name": nullable(STRING),
            "domain_name": nullable(STRING),
            "images": NATURAL,
            "bytes": NATURAL,
            "given": NATURAL,
            "taken": NATURAL,
        }
    ),
}
