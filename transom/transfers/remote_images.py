"""Images at the image service of another region, by the Image API v2: made, filled, looked at, removed."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import msgspec

from transom.domain.errors import (
    ConflictError,
    ForbiddenError,
    LimitExceededError,
    Reason,
    TransomError,
    UnavailableError,
)
from transom.domain.fields import DISK_FORMATS
from transom.domain.json_text import decode_json
from transom.identity.catalog import UserAnswer, ask
from transom.transfers.regions import Region

#: How long the service may take to tell that it has all of the data, seconds.
_STORED_S = 600.0
_MOST_TEXT = 200


class RemoteImages:
    """The images of one project of the region."""

    def __init__(self, region: Region) -> None:
        self._region = region

    async def find(self, image_id: str) -> dict[str, Any] | None:
        """The image, None when it is not there."""
        answer = await self._ask("GET", f"/v2/images/{image_id}")
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        return _read(self._expect(answer, "show the image"))

    async def require_free(self, name: str) -> None:
        """ConflictError when an image of the project has this name."""
        query = urlencode({"name": name, "owner": self._region.project_id, "limit": 1})
        found = _read(self._expect(await self._ask("GET", f"/v2/images?{query}"), "list images"))
        if found.get("images"):
            text = f"There is an image with the name {name} in the other region."
            raise ConflictError(text, Reason.NAME_TAKEN)

    async def create(self, record: dict[str, Any]) -> None:
        """Make the image, which has no data yet."""
        # Formats that the Image API has no words for are set by the IMS API, where the service has that.
        root = "/v2" if record["disk_format"] in DISK_FORMATS else "/ims/v2"
        headers = {"Content-Type": "application/json"}
        answer = await self._ask("POST", f"{root}/images", headers, msgspec.json.encode(record))
        self._expect(answer, "make the image")

    async def fill(self, image_id: str, size: int, chunks: AsyncIterator[bytes]) -> None:
        """Send the data. Raises what `chunks` does."""
        failures: list[TransomError] = []
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        try:
            answer = await self._ask(
                "PUT", f"/v2/images/{image_id}/file", headers, _watched(chunks, failures), _STORED_S
            )
        except UnavailableError:
            if failures:
                raise failures[0] from None
            raise
        self._expect(answer, "take the data")

    async def remove(self, image_id: str) -> None:
        """Delete the image, if it is there."""
        answer = await self._ask("DELETE", f"/v2/images/{image_id}")
        if answer.status != HTTPStatus.NOT_FOUND:
            self._expect(answer, "delete the image")

    async def _ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        data: bytes | AsyncIterator[bytes] | None = None,
        answer_s: float = 60.0,
    ) -> UserAnswer:
        region = self._region
        sent = {"X-Auth-Token": region.token, "Accept": "application/json", **(headers or {})}
        unavailable = "The image service of the other region cannot be asked now."
        try:
            return await ask(method, region.url + path, region.cafile, sent, unavailable, data, answer_s)
        except UnavailableError as error:
            error.reason = Reason.CLOUD_FAILED
            raise

    def _expect(self, answer: UserAnswer, what: str) -> UserAnswer:
        """The answer, unless it is a refusal."""
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        text = f"The image service of the other region does not {what}: {answer.status} {_said(answer)}"
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise UnavailableError(text, Reason.CLOUD_FAILED)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise ConflictError(text, Reason.TOKEN_ENDED)
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise LimitExceededError(text, Reason.IMAGE_QUOTA)
        if answer.status == HTTPStatus.FORBIDDEN:
            raise ForbiddenError(text, Reason.ROLE_LACKS)
        raise ConflictError(text, Reason.CLOUD_FAILED)


async def _watched(chunks: AsyncIterator[bytes], failures: list[TransomError]) -> AsyncIterator[bytes]:
    """The same chunks. The HTTP client tells only that they ended too soon, not why."""
    try:
        async for chunk in chunks:
            yield chunk
    except TransomError as error:
        failures.append(error)
        raise


def _read(answer: UserAnswer) -> dict[str, Any]:
    try:
        found = decode_json(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConflictError("The other region's answer is not an image service's.", Reason.CLOUD_FAILED)
    return found


def _said(answer: UserAnswer) -> str:
    text = " ".join(answer.body[: 4 * _MOST_TEXT].decode("utf-8", "replace").split())
    return text[:_MOST_TEXT]
