"""Webhooks, of the calls of the share API."""

from transom.api.openapi.model import (
    BOOLEAN,
    INTEGER,
    JSON,
    NATURAL,
    NOTHING,
    STRING,
    Operation,
    Schema,
    array,
    closed,
    json,
    nullable,
    one_of,
    ref,
)
from transom.api.openapi.paging import PAGING
from transom.api.openapi.tagged import CHANGED, IF_MATCH, IF_NONE_MATCH, MERGE_PATCH, shown, tagged
from transom.api.share.hooks import CursorBody, HookBody, HookPatch

_V1 = "/share/v1"
_SHOWN = tagged(ref("Hook"))

OPERATIONS = {
    f"GET {_V1}/hooks": Operation(
        summary="List the project's webhooks",
        answers={200: json(closed({"items": array(ref("Hook")), "next": nullable(STRING)}))},
        errors=(403,),
        parameters=PAGING,
    ),
    f"POST {_V1}/hooks": Operation(
        summary="Make a webhook",
        bodies={JSON: HookBody},
        answers={201: tagged(ref("NewHook"), Location="The hook.")},
        errors=(403, 413),
        example={"url": "https://ci.example.org/images", "types": ["share.*"]},
    ),
    f"GET {_V1}/hooks/{{hook_id}}": shown("Show a webhook, and what came of it", ref("Hook")),
    f"PATCH {_V1}/hooks/{{hook_id}}": Operation(
        summary="Change, enable or disable a webhook",
        bodies={JSON: HookPatch, MERGE_PATCH: HookPatch},
        answers={200: _SHOWN},
        errors=CHANGED,
        parameters=(IF_MATCH, IF_NONE_MATCH),
        example={"enabled": True},
    ),
    f"DELETE {_V1}/hooks/{{hook_id}}": Operation(
        summary="Remove a webhook",
        answers={204: NOTHING},
        errors=CHANGED,
        parameters=(IF_MATCH, IF_NONE_MATCH),
    ),
    f"POST {_V1}/hooks/{{hook_id}}/secret": Operation(
        summary="Give a webhook another secret",
        answers={200: json(closed({"secret": STRING, "old_secret_until": STRING}))},
        errors=CHANGED,
        parameters=(IF_MATCH, IF_NONE_MATCH),
    ),
    f"POST {_V1}/hooks/{{hook_id}}/test": Operation(
        summary="Send a webhook an event that is in no feed", answers={202: NOTHING}, errors=(403, 404, 409)
    ),
    f"PUT {_V1}/hooks/{{hook_id}}/cursor": Operation(
        summary="Set a webhook back or forth in the feed",
        bodies={JSON: CursorBody},
        answers={200: _SHOWN},
        errors=CHANGED,
        parameters=(IF_MATCH, IF_NONE_MATCH),
        example={"after": "2RPFdVsiZXZlbnRzIiwxXQ"},
    ),
}
_HOOK: Schema = {
    "id": STRING,
    "url": STRING,
    "types": array(STRING),
    "batch": BOOLEAN,
    "enabled": BOOLEAN,
    "scope": one_of("project", "all"),
    "cursor": STRING,
    "failed_tries": NATURAL,
    "next_try_at": nullable(STRING),
    "last_success_at": nullable(STRING),
    "last_failure_at": nullable(STRING),
    "last_status": nullable(INTEGER),
    "last_error": nullable(STRING),
    "created_at": STRING,
    "updated_at": STRING,
}
#: The schemas that they name.
COMPONENTS: Schema = {"Hook": closed(_HOOK), "NewHook": closed({**_HOOK, "secret": STRING})}
