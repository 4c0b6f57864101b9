"""Certificates by which signed images are verified: from a folder of the operator's, or from Barbican.

Start reading at `Certificates.checks_of`, which `uploads.py` asks before an image gets its first data.
"""

from http import HTTPStatus
from pathlib import Path

import msgspec

from transom.clock import now_us
from transom.data.measure import DigestCheck
from transom.domain.errors import InvalidError, UnavailableError
from transom.domain.model import Image
from transom.domain.signed_data import CERTIFICATE_ID, SIGNATURE, claim_of, is_signed
from transom.domain.status import WITH_DATA
from transom.identity.catalog import endpoint_in, get_as_user, read_catalog
from transom.threads import Threads

_MOST_BYTES = 1 << 20
#: Threads that read the folder.
_READERS = 2
#: Barbican gives a secret only by the type that it was stored with.
_TYPES = ("application/octet-stream", "text/plain")


class KeyManager(msgspec.Struct, frozen=True, kw_only=True):
    """How Barbican is found: in the catalog of this Keystone, in this region. `cafile`: "", the system's."""

    keystone_auth_url: str
    keystone_cafile: str
    region: str


class Certificates:
    """Where this service finds certificates. `folder`, `key_manager`: None where it does not look."""

    def __init__(self, folder: Path | None, key_manager: KeyManager | None) -> None:
        self._folder = folder
        self._threads = Threads("certificates", _READERS)
        self._key_manager = key_manager

    def needs_token(self, image: Image) -> bool:
        """Whether the image's certificate may have to be fetched with a token of the user's."""
        return self._key_manager is not None and is_signed(image)

    def check_source(self, image: Image) -> None:
        """InvalidError for a signed image where nothing is configured to verify it by."""
        if is_signed(image) and self._folder is None and self._key_manager is None:
            raise InvalidError(
                f"{SIGNATURE}: this service has no certificates by which it could verify signatures."
            )

    async def checks_of(self, image: Image, token: str | None) -> tuple[DigestCheck, ...]:
        """The checks that the first data of a signed image must pass. Empty for an unsigned image, and for
        one that has data already: further copies are compared with that. `token`: the user's, if any.
        InvalidError: bad signature or certificate; ConflictError: the token is no longer accepted;
        UnavailableError: the certificate cannot be fetched now."""
        claim = claim_of(image) if image.status not in WITH_DATA else None
        if claim is None:
            return ()
        self.check_source(image)
        from transom.data.signature_check import SignatureCheck, now_utc

        content = await self._find(claim.certificate_id, token)
        return (SignatureCheck(claim, content, now_utc(now_us())),)

    async def _find(self, certificate_id: str, token: str | None) -> bytes:
        found = None
        if self._folder is not None:
            found = await self._threads.run(_read_file, self._folder, certificate_id)
        if found is None and self._key_manager is not None:
            found = await _fetch(self._key_manager, certificate_id, token)
        if found is None:
            raise InvalidError(f"{CERTIFICATE_ID}: there is no certificate {certificate_id}.")
        return found


async def _fetch(key_manager: KeyManager, certificate_id: str, token: str | None) -> bytes | None:
    if token is None:
        raise InvalidError(
            f"{CERTIFICATE_ID}: the certificate {certificate_id} can only be fetched with a token of "
            "the user's, and there is none."
        )
    cafile = key_manager.keystone_cafile
    catalog = await read_catalog(key_manager.keystone_auth_url, cafile, token)
    endpoint = endpoint_in(catalog, "key-manager", key_manager.region, "public")
    root = endpoint.rstrip("/").removesuffix("/v1")
    return await _ask_barbican(f"{root}/v1/secrets/{certificate_id}/payload", cafile, token)


def _read_file(folder: Path, certificate_id: str) -> bytes | None:
    try:
        with (folder / f"{certificate_id}.pem").open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and folder.is_dir():
            return None
        raise UnavailableError("The folder of certificates cannot be read.") from error


async def _ask_barbican(url: str, cafile: str, token: str) -> bytes | None:
    """The secret's payload, None when there is none that the user may have."""
    for media_type in _TYPES:
        unavailable = "The key manager cannot be asked for a certificate now."
        answer = await get_as_user(url, cafile, token, media_type, unavailable)
        if answer.status == HTTPStatus.OK:
            return answer.body
        if answer.status in (401, 403, 404):
            return None
        if answer.status != HTTPStatus.NOT_ACCEPTABLE:
            raise UnavailableError(f"The key manager answered {answer.status}.")
    return None
