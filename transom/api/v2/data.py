"""Image data: upload and download (Image API v2, "Image data"; ranges by RFC 9110, section 14)."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from http import HTTPStatus

from transom.api.conditions import is_not_modified, require
from transom.api.http import Headers, HttpError, Request, Response, no_content
from transom.api.images import see_image
from transom.api.services import Services
from transom.api.signing import own_token
from transom.api.v2.digests import read_digests
from transom.domain.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    UnavailableError,
    VanishedError,
)
from transom.domain.model import Caller, Image, ImageTarget, Status
from transom.domain.status import WITH_DATA, advance
from transom.images import rules

_OCTETS = "application/octet-stream"
#: No store will ever see a size of more digits.
_SIZE = re.compile(r"[0-9]{1,30}")
_RANGE = re.compile(r"([0-9]{0,30})\s*-\s*([0-9]{0,30})")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,30})-([0-9]{1,30})/(?:\*|[0-9]+)")


async def upload_image(services: Services, request: Request) -> Response:
    """PUT file: the body becomes the image's data (Image API v2, "Upload binary image data"). A caller
    without the right, and an image that takes no data, are refused before the body is read. Raises
    ConflictError for an image with data, and what `Uploads.receive` does."""
    require_octets(request)
    announced = announced_size(request)
    digests = read_digests(request)
    store_id = _chosen_store(services, request)
    target = await see_image(services, request)
    rules.upload_image(request.caller, target)
    image = target.image
    advance(image.status, Status.SAVING)
    require(request, None, is_there=False)
    guard = await services.limits.check_upload(image.owner, announced)
    try:
        await services.transfer.uploads.receive(
            image,
            request.stream(),
            announced,
            store_id=store_id,
            guard=guard,
            checks=digests,
            token=own_token(request),
            before_publish=judge_again(services, request, rules.upload_image),
        )
    except ConflictError:
        # Another request came first. Answer for the image as it is now; it may be gone.
        now = (await see_image(services, request)).image
        advance(now.status, Status.SAVING)
        raise
    return no_content()


def judge_again(
    services: Services, request: Request, rule: Callable[[Caller, ImageTarget], None]
) -> Callable[[], Awaitable[None]]:
    """What raises ForbiddenError when the caller may no longer do what `rule` is for, and VanishedError when
    it does not see the image any more: data may take hours. A token that has expired meanwhile is no
    reason."""

    async def judge() -> None:
        # A token of a domain has no roles in a project that could be looked up.
        if request.caller.project_id is not None:
            request.caller = await services.requesters.renew(request.caller)
        try:
            target = await see_image(services, request)
        except NotFoundError as error:
            raise VanishedError(str(error)) from None
        rule(request.caller, target)

    return judge


def _chosen_store(services: Services, request: Request) -> str | None:
    """The store that X-Image-Meta-Store names, None when it is absent."""
    named = request.header(b"x-image-meta-store")
    if named is not None and services.stores.require(named).is_read_only:
        raise InvalidError(f"Store '{named}' is read-only.")
    return named


def require_octets(request: Request) -> None:
    """HttpError 415 unless the body is image data, without a content coding (RFC 9110, 8.4); InvalidError for
    a part of it (14.5)."""
    if request.content_type != _OCTETS:
        raise HttpError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The request media type {request.content_type or '(none)'} is not supported by this server. "
            f"Content-Type must be {_OCTETS}.",
        )
    if (request.header(b"content-encoding") or "identity").strip().lower() != "identity":
        # What was packed for the way would become the image's data.
        raise HttpError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Content-Encoding: image data is taken without a content coding.",
            [(b"accept-encoding", b"identity")],
        )
    if b"content-range" in request.headers:
        raise InvalidError("Content-Range: image data is taken as a whole.")


def announced_size(request: Request) -> int | None:
    """X-OpenStack-Image-Size, or Content-Length when only that was sent; None for a chunked body."""
    text = request.header(b"x-openstack-image-size")
    if text is None:
        text = request.header(b"content-length")
        if text is None:
            return None
    if not _SIZE.fullmatch(text):
        raise InvalidError("Invalid or missing image size in request headers.")
    return int(text)


async def download_image(services: Services, request: Request) -> Response:
    """GET file: all bytes, or the range that was asked for; 204 without data, 304 for a tag that fits. Raises
    UnavailableError when no store gives data of the recorded hash."""
    target = await see_image(services, request)
    rules.download_image(request.caller, target)
    image = target.image
    preferred = _preferred_stores(services, request)
    if preferred:
        rules.prefer_stores(request.caller, target)
    if image.status not in WITH_DATA or image.size is None or not image.locations:
        require(request, None, is_there=False)
        return Response(HTTPStatus.NO_CONTENT)
    tag = _tag(image)
    if is_not_modified(request, tag):
        return Response(HTTPStatus.NOT_MODIFIED, headers=[(b"etag", tag.encode())] if tag else [])
    part = _wanted_part(request, image, image.size)
    if request.method == "GET" and (part is None or part[0] == 0):
        services.uses.record(image, request.caller, is_download=True)
    try:
        # Never serve bytes that are not the ones whose hash is on record.
        response = await _answer(services, request, image, image.size, part, preferred)
    except UnavailableError:
        # If the image was deleted since we looked, there is nothing wrong, and nothing to serve.
        await see_image(services, request)
        raise
    if request.method == "GET":
        response.judge = judge_again(services, request, rules.download_image)
    return response


async def _answer(
    services: Services,
    request: Request,
    image: Image,
    size: int,
    part: tuple[int, int] | None,
    preferred: list[str],
) -> Response:
    headers = _data_headers(image)
    start, end = part or (0, size - 1)
    headers.append((b"content-length", str(end - start + 1).encode()))
    status = HTTPStatus.OK
    if part is not None:
        status = HTTPStatus.PARTIAL_CONTENT
        headers.append((b"content-range", f"bytes {start}-{end}/{size}".encode()))
    elif _sends_files(request) and (path := await _cached_path(services, image)) is not None:
        return Response(status, headers=headers, file=path)
    location = await services.transfer.reads.find_copy(image, preferred)
    if part is None and _sends_files(request):
        path = services.transfer.reads.local_path(location)
        if path is not None:
            return Response(status, headers=headers, file=path)
    if request.method == "HEAD":
        return Response(status, headers=headers, chunks=_no_chunks())
    try:
        if part is None:
            chunks = await services.transfer.reads.read_whole(image, location)
        else:
            chunks = await services.transfer.reads.read(location, start, end - start + 1)
    except NotFoundError:
        raise UnavailableError(f"The data of image {image.id} is not in the store.") from None
    return Response(status, headers=headers, chunks=chunks)


def _sends_files(request: Request) -> bool:
    """Over HTTP/2 nothing would tell when the server has sent one, and for how long it is to be judged."""
    return request.server_sends_files and request.scope.get("http_version") != "2"


async def _cached_path(services: Services, image: Image) -> str | None:
    """The cache is passed by for what only an admin may have."""
    if image.status != Status.ACTIVE:
        return None
    return await services.transfer.reads.find_cached(image)


async def _no_chunks() -> AsyncGenerator[bytes, None]:
    chunks: tuple[bytes, ...] = ()
    for chunk in chunks:
        yield chunk


def _data_headers(image: Image) -> Headers:
    headers = [(b"content-type", _OCTETS.encode()), (b"accept-ranges", b"bytes")]
    if image.checksum is not None:
        # Hex, as Glance sends it and clients compare it, where RFC 1864 has base64.
        headers.append((b"content-md5", image.checksum.encode()))
    if (tag := _tag(image)) is not None:
        headers.append((b"etag", tag.encode()))
    return headers


def _tag(image: Image) -> str | None:
    """The entity tag of the data: its hash."""
    return f'"{image.os_hash_value}"' if image.os_hash_value is not None else None


def _preferred_stores(services: Services, request: Request) -> list[str]:
    """`?prefer=a,b` names stores to try first."""
    named = [value for name, value in request.query_pairs() if name == "prefer" and value]
    return [services.stores.require(store).id for value in named for store in value.split(",")]


def _wanted_part(request: Request, image: Image, size: int) -> tuple[int, int] | None:
    """(first, last) byte wanted, both included; None for all. Raises HttpError 416, InvalidError for several
    ranges. RFC 9110, 14.2: a range is for GET alone, and one in a unit that we do not know is ignored."""
    if request.method != "GET":
        return None
    text = request.header(b"range")
    if text is None:
        # Glance takes a Content-Range request header for the same, as old clients send it.
        legacy = request.header(b"content-range")
        if legacy is None:
            return None
        found = _CONTENT_RANGE.fullmatch(legacy.strip())
        return _clip(found[1], found[2], size) if found else _refuse_range(size)
    unit, _, listed = text.partition("=")
    if unit.strip().lower() != "bytes" or not _is_still(request, image):
        return None
    if "," in listed:
        raise InvalidError("Requests with multiple ranges are not supported in the Range header.")
    found = _RANGE.fullmatch(listed.strip())
    if not found or not (found[1] or found[2]):
        return _refuse_range(size)
    return _clip(found[1], found[2], size)


def _is_still(request: Request, image: Image) -> bool:
    """RFC 9110, 13.1.5: a range is for the representation that If-Range names; else all of it is sent."""
    condition = request.header(b"if-range")
    return condition is None or condition == _tag(image)


def _clip(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        count = int(last)
        if count == 0 or size == 0:
            return _refuse_range(size)
        return max(size - count, 0), size - 1
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if start >= size:
        raise HttpError(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "Invalid start position in Range header. "
            f"Start position MUST be in the inclusive range [0, {size - 1}].",
            _unsatisfied(size),
        )
    if last and int(last) < start:
        return _refuse_range(size)
    return start, end


def _refuse_range(size: int) -> tuple[int, int]:
    raise HttpError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "Invalid Range header.", _unsatisfied(size))


def _unsatisfied(size: int) -> Headers:
    return [(b"content-range", f"bytes */{size}".encode())]
