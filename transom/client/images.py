"""Images: lists, uploads and downloads that verify what was sent."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import requests

from transom.client.service import RefusedError, Service

_CHUNK = 1 << 20
_OCTETS = {"Content-Type": "application/octet-stream"}
#: Called with the number of bytes that went by.
Advance = Callable[[int], None]


class DamagedError(RefusedError):
    """The data that arrived is not the data that was sent."""


def list_images(
    service: Service, filters: dict[str, Any], limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Those that a list with these filters has, at most so many."""
    return islice(service.pages("/v2/images", filters, "images"), limit)


def create_image(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    image: dict[str, Any] = service.call("POST", "/v2/images", fields)
    return image


def delete_image(service: Service, image_id: str) -> None:
    service.call("DELETE", f"/v2/images/{image_id}")


def upload(
    service: Service,
    image_id: str,
    source: BinaryIO,
    size: int | None,
    advance: Advance,
    store: str | None = None,
) -> dict[str, Any]:
    """Send the data of a queued image; the image as it is then. `size`: bytes, None where it is not known.
    DamagedError when the service's hash is not that of what was read."""
    body = _HashedBody(source, size, advance)
    headers = {**_OCTETS, **({"X-Image-Meta-Store": store} if store is not None else {})}
    service.request("PUT", f"/v2/images/{image_id}/file", data=body, headers=headers)
    image: dict[str, Any] = service.call("GET", f"/v2/images/{image_id}")
    digest = body.hashes.get(image.get("os_hash_algo") or "")
    if digest is not None and digest.hexdigest() != image["os_hash_value"]:
        raise DamagedError(f"The data of image {image_id} is not what was sent.")
    return image


class _HashedBody:
    """The data of a request, hashed as it goes by. `requests` asks its length for Content-Length; without one
    (0) it sends chunks."""

    def __init__(self, source: BinaryIO, size: int | None, advance: Advance) -> None:
        self.hashes = {"sha512": hashlib.sha512(), "sha256": hashlib.sha256()}
        self._source = source
        self._size = size or 0
        self._advance = advance

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._source.read(_CHUNK):
            for digest in self.hashes.values():
                digest.update(chunk)
            yield chunk
            self._advance(len(chunk))


def download(service: Service, image: dict[str, Any], target: Path, advance: Advance) -> None:
    """Put the data of the image at `target`. It is in `TARGET.part` until all of it is there and its hash is
    right; a later call goes on where one broke off. DamagedError, after which the part is gone."""
    part = target.with_name(f"{target.name}.part")
    digest = _digest_of(image)

    def take(chunk: bytes) -> None:
        if digest is not None:
            digest.update(chunk)
        advance(len(chunk))

    size = image.get("size")
    if not isinstance(size, int):
        raise RefusedError(f"Image {image['id']} has no data yet.")
    try:
        have = _fill(service, image, part, take)
    except requests.RequestException as error:
        raise RefusedError(f"The download broke off: {error}. Start it again to go on.") from None
    except OSError as error:
        raise RefusedError(f"{part}: {error.strerror}. Start it again to go on.") from None
    if have < size:
        raise RefusedError(f"The download broke off after {have} bytes. Start it again to go on.")
    if have > size or (digest and digest.hexdigest() != image["os_hash_value"]):
        part.unlink()
        raise DamagedError(f"The data of image {image['id']} is damaged; what arrived was thrown away.")
    part.replace(target)


def _digest_of(image: dict[str, Any]) -> "hashlib._Hash | None":
    """What the image's hash is made by; None where it has none. RefusedError for one that is unknown here."""
    algorithm = image.get("os_hash_algo")
    if not algorithm:
        return None
    if algorithm not in hashlib.algorithms_guaranteed or algorithm.startswith("shake"):
        raise RefusedError(f"Image {image['id']} has a hash by {algorithm}, which is not known here.")
    return hashlib.new(algorithm)


def _fill(service: Service, image: dict[str, Any], part: Path, take: Callable[[bytes], None]) -> int:
    """Append to the part what it lacks of the image's data; how many bytes it has then, which is more than
    the image has where more came. `take`: called with each chunk, also of what is there."""
    with part.open("ab+") as file:
        file.seek(0)
        while chunk := file.read(_CHUNK):
            take(chunk)
        have = file.tell()
        if have < image["size"]:
            for chunk in _read_from(service, image, have):
                have += file.write(chunk)
                take(chunk)
                if have > image["size"]:
                    break
        return have


def _read_from(service: Service, image: dict[str, Any], start: int) -> Iterator[bytes]:
    """The data from this byte on."""
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    path = f"/v2/images/{image['id']}/file"
    with service.request("GET", path, headers=headers, stream=True) as answer:
        if answer.status_code == requests.codes.no_content:
            raise RefusedError(f"Image {image['id']} has no data yet.", answer.status_code)
        if start and answer.status_code != requests.codes.partial_content:
            raise RefusedError("The service does not send a part of the data: remove the .part file.")
        yield from answer.iter_content(_CHUNK)
