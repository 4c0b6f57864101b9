"""The calls of the Image API v2 about tasks, stores, quota and the cache."""

from transom.api.openapi.model import (
    BOOLEAN,
    INTEGER,
    JSON,
    NOTHING,
    OBJECT,
    STRING,
    Operation,
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
from transom.api.openapi.v2 import PAGE_PARAMETERS, page, plain
from transom.api.v2.schemas import SCHEMAS
from transom.domain.fields import DISK_FORMATS

_TASK = {
    **plain(SCHEMAS["task"]),
    "type": "object",
    "required": ["id", "type", "status", "owner", "created_at", "updated_at", "self", "schema"],
}
_TASK_PROPERTIES = _TASK["properties"]
#: As Glance keeps it in its database: without links, and with what is said of deleted ones.
_IMAGE_TASK = closed(
    {
        **{name: schema for name, schema in _TASK_PROPERTIES.items() if name not in ("self", "schema")},
        "user_id": nullable(STRING),
        "request_id": nullable(STRING),
        "deleted": BOOLEAN,
        "deleted_at": {"type": "null"},
    }
)
_STORE_INFO = record({"id": STRING}, {"description": STRING, "default": STRING, "read-only": STRING})
_CACHED = closed(
    {
        "id": INTEGER,
        "image_id": STRING,
        "hits": INTEGER,
        "last_accessed": {"type": "number"},
        "last_modified": {"type": "number"},
        "size": INTEGER,
        "checksum": nullable(STRING),
    }
)
_TASKS = {
    "GET /v2/tasks": Operation(
        summary="List the tasks of all projects",
        answers={200: json(page("tasks", ref("ListedTask")))},
        errors=(403,),
        parameters=(
            *PAGE_PARAMETERS,
            query("sort_key", "What to sort by."),
            query("sort_dir", "The direction.", one_of("asc", "desc")),
            query("status", "Tasks in this status."),
            query("type", "Tasks of this type."),
            query("owner", "Tasks of this project."),
        ),
    ),
    "POST /v2/tasks": Operation(
        summary="Make an image of the data at a URL",
        bodies={JSON: ref("NewTask")},
        answers={201: json(ref("Task"), Location="The task.")},
        errors=(403, 409, 413),
    ),
    "GET /v2/tasks/{task_id}": Operation(
        summary="Show a task", answers={200: json(ref("Task"))}, errors=(403, 404)
    ),
}
_INFO = {
    "GET /v2/info/import": Operation(
        summary="The methods of import that are enabled",
        answers={
            200: json(
                closed(
                    {
                        "import-methods": closed(
                            {"description": STRING, "type": STRING, "value": array(STRING)}
                        )
                    }
                )
            )
        },
    ),
    "GET /v2/info/stores": Operation(
        summary="The stores", answers={200: json(closed({"stores": array(_STORE_INFO)}))}
    ),
    "GET /v2/info/stores/detail": Operation(
        summary="The stores with kind, weight and place",
        answers={200: json(closed({"stores": array(_STORE_INFO)}))},
        errors=(403,),
    ),
    "DELETE /v2/stores/{store_id}/{image_id}": Operation(
        summary="Take one of several copies of an image's data away",
        answers={204: NOTHING},
        errors=(403, 404, 409),
    ),
    "GET /v2/info/usage": Operation(
        summary="What the project uses of what it may",
        answers={
            200: json(
                closed(
                    {
                        "usage": {
                            "type": "object",
                            "additionalProperties": closed({"usage": INTEGER, "limit": INTEGER}),
                        }
                    }
                )
            )
        },
    ),
}
_CACHE = {
    "GET /v2/cache": Operation(
        summary="List the cache of the machine that answers",
        answers={200: json(closed({"cached_images": array(_CACHED), "queued_images": array(STRING)}))},
        errors=(403, 404),
    ),
    "DELETE /v2/cache": Operation(
        summary="Empty the cache",
        answers={204: NOTHING},
        errors=(403, 404),
        parameters=(header("X-Image-Cache-Clear-Target", "`cache` or `queue` alone."),),
    ),
    "PUT /v2/cache/{image_id}": Operation(
        summary="Have an image brought into the cache", answers={202: NOTHING}, errors=(403, 404)
    ),
    "DELETE /v2/cache/{image_id}": Operation(
        summary="Take an image out of the cache", answers={204: NOTHING}, errors=(403, 404)
    ),
    "GET /v2/cache/nodes/{image_id}": Operation(
        summary="Refused: each machine knows its own cache only", answers={}, errors=(403, 404, 409)
    ),
    "POST /v2/cache/clean": Operation(
        summary="Remove what dead processes left", answers={200: NOTHING}, errors=(403, 404)
    ),
    "POST /v2/cache/prune": Operation(
        summary="Remove the least recently used images above the limit",
        answers={200: json(closed({"total_files_pruned": INTEGER, "total_bytes_pruned": INTEGER}))},
        errors=(403, 404),
    ),
}

OPERATING = Table(
    tag="operating",
    text="The OpenStack Image API v2: tasks, stores, quota, the cache.",
    error="Error",
    operations={**_TASKS, **_INFO, **_CACHE},
    components={
        "NewTask": record(
            {
                "type": one_of("import"),
                "input": record(
                    {
                        "import_from": STRING,
                        "import_from_format": one_of(*DISK_FORMATS),
                        "image_properties": OBJECT,
                    },
                    {"os_hash_algo": STRING, "os_hash_value": STRING},
                ),
            }
        ),
        "Task": _TASK,
        "ListedTask": {
            **_TASK,
            "properties": {
                name: schema
                for name, schema in _TASK_PROPERTIES.items()
                if name not in ("image_id", "request_id", "user_id", "input", "result", "message")
            },
            "additionalProperties": False,
        },
        "ImageTask": _IMAGE_TASK,
    },
)
