"""The compute and the volume service of the cloud, asked in a user's name to make images of what they have.

They answer with the id of an image that they have made already, and fill later (Compute API, "Create Image";
Block Storage API, "Upload volume to image"). Their refusals get the codes of the IMS API ("Error codes").
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from transom.domain.captures import MARK, marked_name
from transom.domain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    Reason,
    TransomError,
    UnavailableError,
)
from transom.domain.job_inputs import Capture
from transom.domain.json_text import decode_json
from transom.identity.catalog import UserAnswer, ask, endpoint_in, read_catalog
from transom.transfers.options import Cloud

#: As long as these services take to answer, seconds: first each volume of a server is snapshotted.
ANSWER_S = 60.0
_MOST_TEXT = 300


class _Kind(NamedTuple):
    """A service of the cloud: the types that catalogs have it under, the version of its API to ask by, and
    the field of a request that needs it."""

    what: str
    types: tuple[str, ...]
    version: str
    field: str
    things: str

    @property
    def none(self) -> str:
        return f"so no images are made of {self.things} here. An image can be made of an object (image_url)."


_COMPUTE = _Kind("compute service", ("compute",), "compute 2.45", "instance_id", "servers")
_VOLUMES = _Kind("volume service", ("volumev3", "block-storage"), "volume 3.1", "volume_id", "volumes")


async def find_service(cloud: Cloud, token: str | None, *, is_for_server: bool) -> str:
    """The URL of the service, by the catalog of the user's token. InvalidError (IMG.0105) when it has none,
    or there is no cloud around this service; ConflictError when the token is not taken any more,
    UnavailableError when Keystone is away."""
    kind = _COMPUTE if is_for_server else _VOLUMES
    if cloud.auth_url is None:
        text = f"{kind.field}: there is no cloud with a {kind.what} around this service, {kind.none}"
        raise InvalidError(text, Reason.UNSUPPORTED)
    if token is None:
        text = f"{kind.field}: the {kind.what} can only be asked with a token, not for a signed request."
        raise InvalidError(text, Reason.UNSUPPORTED)
    catalog = await read_catalog(cloud.auth_url, cloud.cafile, token)
    for name in kind.types:
        try:
            return endpoint_in(catalog, name, cloud.region, "public").rstrip("/")
        except ConflictError:
            continue
    text = f"{kind.field}: the catalog names no {kind.what} in region {cloud.region}, {kind.none}"
    raise InvalidError(text, Reason.UNSUPPORTED)


async def capture(cafile: str, url: str, token: str, asked: Capture, job_id: str, *, is_whole: bool) -> str:
    """Have the service at `url` make the image; its id. What it refuses is raised with its code;
    UnavailableError leaves open whether it has made the image."""
    if asked.server_id:
        action: dict[str, Any] = {"createImage": {"name": asked.name, "metadata": {MARK: job_id}}}
        answer = await _act(cafile, token, _COMPUTE, f"{url}/servers/{asked.server_id}/action", action)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise _refused_server(answer, asked.server_id, is_whole=is_whole)
        found = _read(answer).get("image_id") or answer.headers.get("location", "").rpartition("/")[2]
    else:
        upload: dict[str, Any] = {
            "image_name": marked_name(job_id),
            "force": True,
            "container_format": "bare",
            "disk_format": "raw",
            "visibility": "private",
            "protected": False,
        }
        action = {"os-volume_upload_image": upload}
        answer = await _act(cafile, token, _VOLUMES, f"{url}/volumes/{asked.volume_id}/action", action)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise _refused_volume(answer, asked.volume_id)
        uploaded = _read(answer).get("os-volume_upload_image")
        found = uploaded.get("image_id") if isinstance(uploaded, dict) else None
    if not isinstance(found, str) or not found:
        raise ConflictError("The service of the cloud answered without an image.", Reason.CLOUD_FAILED)
    return found


async def _act(cafile: str, token: str, kind: _Kind, url: str, action: Mapping[str, Any]) -> UserAnswer:
    headers = {
        "X-Auth-Token": token,
        "Accept": "application/json",
        "Content-Type": "application/json",
        "OpenStack-API-Version": kind.version,
    }
    unavailable = f"The {kind.what} of the cloud cannot be asked now."
    try:
        answer = await ask("POST", url, cafile, headers, unavailable, msgspec.json.encode(action), ANSWER_S)
    except UnavailableError as error:
        error.reason = Reason.CLOUD_FAILED
        raise
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        text = f"The {kind.what} of the cloud answered {answer.status}."
        raise UnavailableError(text, Reason.CLOUD_FAILED)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise ConflictError(
            f"The {kind.what} of the cloud does not take the user's token any more.", Reason.TOKEN_ENDED
        )
    return answer


def _refused_server(answer: UserAnswer, server_id: str, *, is_whole: bool) -> TransomError:
    said = _said(answer)
    if answer.status == HTTPStatus.NOT_FOUND:
        return NotFoundError(f"There is no server {server_id}.", Reason.SERVER_UNKNOWN)
    text = f"The compute service makes no image of server {server_id}: {said}"
    if answer.status == HTTPStatus.CONFLICT:
        if "task_state" in said:
            return ConflictError(text, Reason.SERVER_BUSY)
        return ConflictError(text, Reason.SERVER_STATE_WHOLE if is_whole else Reason.SERVER_STATE)
    return _refused(answer, text, Reason.SERVER_UNREACHABLE, Reason.SERVER_KIND)


def _refused_volume(answer: UserAnswer, volume_id: str) -> TransomError:
    if answer.status == HTTPStatus.NOT_FOUND:
        return NotFoundError(f"There is no volume {volume_id}.", Reason.VOLUME_UNKNOWN)
    text = f"The volume service makes no image of volume {volume_id}: {_said(answer)}"
    return _refused(answer, text, Reason.VOLUME_UNKNOWN, Reason.VOLUME_STATE)


def _refused(answer: UserAnswer, text: str, forbidden: Reason, invalid: Reason) -> TransomError:
    # Both services pass on the image service's own refusal so.
    is_over_quota = answer.status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.TOO_MANY_REQUESTS)
    if is_over_quota or (answer.status == HTTPStatus.FORBIDDEN and "quota" in text.lower()):
        return LimitExceededError(text, Reason.IMAGE_QUOTA)
    if answer.status == HTTPStatus.FORBIDDEN:
        return ForbiddenError(text, forbidden)
    if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT):
        return ConflictError(text, invalid)
    return ConflictError(text, Reason.CLOUD_FAILED)


def _said(answer: UserAnswer) -> str:
    """The message of a refusal: `{"conflictingRequest": {"code": 409, "message": "…"}}`."""
    for value in _read(answer).values():
        if isinstance(value, dict) and isinstance(value.get("message"), str):
            return str(value["message"])[:_MOST_TEXT]
    return f"it answered {answer.status}."


def _read(answer: UserAnswer) -> dict[str, Any]:
    try:
        found = decode_json(answer.body) if answer.body else {}
    except (ValueError, RecursionError):
        found = {}
    return found if isinstance(found, dict) else {}
