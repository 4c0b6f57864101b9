"""Recipients in bodies of the share API."""

from transom.api.openapi.model import STRING, Schema
from transom.domain.recipients import MemberType

#: `{"project": "<id>"}` and the like.
RECIPIENT: Schema = {
    "type": "object",
    "properties": {kind.value: STRING for kind in MemberType},
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
