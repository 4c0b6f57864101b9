"""Refusals as the IMS API words them: `{"error": {"code": "IMG.0121", "message": "…"}}`, of one table.

Codes below IMG.9000 are those of the IMS API ("Error codes"). It has none for some facts; those get numbers
from IMG.9001 on, which it does not use. docs/ims-errors.md says of each when it occurs.
"""

import re
from http import HTTPStatus

from transom.api.http import Headers, Response, json_response
from transom.domain.errors import ForbiddenError, NotFoundError, Reason, TransomError

CODES: dict[Reason, str] = {
    Reason.ROLE_LACKS: "IMG.0026",
    Reason.OTHER_PROJECT: "IMG.0030",
    Reason.BAD_URL: "IMG.0017",
    Reason.TOO_MANY_PAIRS: "IMG.9007",
    Reason.UNSUPPORTED: "IMG.0105",
    Reason.NO_SUCH_PATH: "IMG.0017",
    Reason.BODY_EMPTY: "IMG.0007",
    Reason.IMAGE_UNKNOWN: "IMG.0027",
    Reason.IMAGE_ID_MALFORMED: "IMG.0066",
    Reason.NOT_OWNER: "IMG.0047",
    Reason.NAME_MISSING: "IMG.0013",
    Reason.NAME_TOO_LONG: "IMG.0002",
    Reason.NAME_MALFORMED: "IMG.0003",
    Reason.DESCRIPTION_TOO_LONG: "IMG.0004",
    Reason.DESCRIPTION_MALFORMED: "IMG.0054",
    Reason.SIZE_INVALID: "IMG.0055",
    Reason.FIRMWARE_INVALID: "IMG.0141",
    Reason.ARCHITECTURE_INVALID: "IMG.0212",
    Reason.OS_VERSION_INVALID: "IMG.0056",
    Reason.OS_TYPE_INVALID: "IMG.0122",
    Reason.IMAGE_TYPE_INVALID: "IMG.0024",
    Reason.ATTRIBUTE_CONFLICT: "IMG.0035",
    Reason.IMAGE_PROTECTED: "IMG.0028",
    Reason.IMAGE_PUBLIC: "IMG.0094",
    Reason.IMAGE_IN_CREATION: "IMG.0090",
    Reason.IMAGE_NOT_READY: "IMG.0046",
    Reason.IMAGE_QUOTA: "IMG.0015",
    Reason.ONESELF: "IMG.0076",
    Reason.PUBLIC_NOT_SHARED: "IMG.0089",
    Reason.ENCRYPTED_NOT_SHARED: "IMG.0098",
    Reason.WHOLE_NOT_SHARED: "IMG.0135",
    Reason.RECIPIENT_UNKNOWN: "IMG.0108",
    Reason.MEMBER_EXISTS: "IMG.9001",
    Reason.MEMBER_UNKNOWN: "IMG.9002",
    Reason.MEMBER_STATUS_INVALID: "IMG.9003",
    Reason.MEMBERS_FULL: "IMG.9004",
    Reason.SHARED_WITH_DOMAIN: "IMG.9005",
    Reason.JOB_UNKNOWN: "IMG.9006",
    Reason.TOO_MANY_JOBS: "IMG.0060",
    Reason.VAULT_MISSING: "IMG.9008",
    Reason.ORGANIZATION_UNKNOWN: "IMG.9009",
    Reason.TAG_INVALID: "IMG.0115",
    Reason.TAGS_FULL: "IMG.0116",
    Reason.TAG_UNKNOWN: "IMG.9010",
    Reason.EVENTS_SPENT: "IMG.9011",
    Reason.COPY_NOT_ACCEPTED: "IMG.0196",
    Reason.COPY_ENCRYPTED: "IMG.0197",
    Reason.COPY_WHOLE: "IMG.0130",
    Reason.COPY_ISO: "IMG.0167",
    Reason.KEY_UNKNOWN: "IMG.0095",
    Reason.SERVER_ID_INVALID: "IMG.0012",
    Reason.SERVER_UNKNOWN: "IMG.0005",
    Reason.SERVER_STATE: "IMG.0008",
    Reason.SERVER_BUSY: "IMG.0010",
    Reason.SERVER_KIND: "IMG.0063",
    Reason.SERVER_STATE_WHOLE: "IMG.0126",
    Reason.SERVER_UNREACHABLE: "IMG.0137",
    Reason.VOLUME_UNKNOWN: "IMG.0120",
    Reason.VOLUME_STATE: "IMG.0022",
    Reason.BACKUP_UNKNOWN: "IMG.0020",
    Reason.SERVER_BACKUP_UNKNOWN: "IMG.0127",
    Reason.VAULT_UNKNOWN: "IMG.0184",
    Reason.CLOUD_FAILED: "IMG.0014",
    Reason.TOKEN_ENDED: "IMG.0087",
    Reason.REGION_UNKNOWN: "IMG.0108",
    Reason.REGION_SAME: "IMG.0178",
    Reason.PROJECT_NAME_MISSING: "IMG.0104",
    Reason.PROJECT_NAME_WRONG: "IMG.0145",
    Reason.AGENCY_MISSING: "IMG.0041",
    Reason.AGENCY_REFUSED: "IMG.0036",
    Reason.NAME_TAKEN: "IMG.0009",
    Reason.SOURCE_UNKNOWN: "IMG.0021",
    Reason.KEYS_MISSING: "IMG.0037",
    Reason.OBJECT_UNUSABLE: "IMG.0057",
    Reason.BUCKET_ELSEWHERE: "IMG.0058",
    Reason.OBJECT_TOO_LARGE: "IMG.0059",
    Reason.BUCKET_MISSING: "IMG.0068",
    Reason.BUCKET_UNREACHABLE: "IMG.0069",
    Reason.OBJECT_EXISTS: "IMG.0070",
    Reason.EXPORT_REFUSED: "IMG.0071",
    Reason.EXPORT_FORMAT: "IMG.0072",
    Reason.OBJECT_NAME_MISSING: "IMG.0073",
    Reason.OBJECT_NAME_TOO_LONG: "IMG.0074",
    Reason.OBJECT_NAME_INVALID: "IMG.0075",
    Reason.EXPORT_PUBLIC: "IMG.0077",
    Reason.EXPORT_CHARGED: "IMG.0079",
    Reason.EXPORT_FROM_BACKUP: "IMG.0080",
    Reason.BUCKET_NAME_INVALID: "IMG.0109",
    Reason.OBJECT_NAMED_TWICE: "IMG.0123",
    Reason.EXPORT_WHOLE: "IMG.0128",
    Reason.EXPORT_RUNS: "IMG.0148",
    Reason.EXPORT_TOO_LARGE: "IMG.0160",
    Reason.OBJECT_NAME_HAS_BLANKS: "IMG.0175",
}

#: What is said where no finer reason is known.
_BY_STATUS = {
    HTTPStatus.BAD_REQUEST: "IMG.0001",
    HTTPStatus.UNAUTHORIZED: "IMG.0087",
    HTTPStatus.FORBIDDEN: "IMG.0026",
    HTTPStatus.NOT_FOUND: "IMG.0121",
    HTTPStatus.METHOD_NOT_ALLOWED: "IMG.0105",
    HTTPStatus.CONFLICT: "IMG.0035",
    HTTPStatus.GONE: "IMG.0144",
    HTTPStatus.PRECONDITION_FAILED: "IMG.0035",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "IMG.0001",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "IMG.0057",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "IMG.0001",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "IMG.0001",
    HTTPStatus.NOT_IMPLEMENTED: "IMG.0105",
}
_UNKNOWN_ERROR = "IMG.0061"

#: Paths on which every refusal that has a code is 400, but for a role that lacks the right (section 0 of the
#: API: "custom codes come with HTTP 400"). On the others the status tells as much as the code.
_EXTENSION = re.compile(r"(/ims)?((/v[0-9.]+)?/cloudimages(/|$)|/v1/[^/]+/(cloudimages|jobs)/)")


def status_of(error: TransomError, status: int, path: str) -> int:
    """The status of `error`, which is `status` to clients of the Image API v2."""
    if not _EXTENSION.match(path):
        return status
    if isinstance(error, ForbiddenError) and error.reason in (None, Reason.ROLE_LACKS):
        return status
    if error.reason is not None or isinstance(error, NotFoundError):
        return HTTPStatus.BAD_REQUEST
    return status


def code_of(reason: str, status: int = HTTPStatus.INTERNAL_SERVER_ERROR) -> str:
    """The code of a reason; "": what the status alone says. Errors of a job that have neither are our own."""
    if reason:
        return CODES[Reason(reason)]
    return _BY_STATUS.get(HTTPStatus(status), _UNKNOWN_ERROR)


def render_error(status: int, message: str, headers: Headers, reason: Reason | None) -> Response:
    code = code_of(reason or "", status)
    return json_response({"error": {"code": code, "message": message}}, status, headers)
