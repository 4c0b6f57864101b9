"""Certificates from Barbican, by the user's token and the endpoint in its catalog; and from a folder."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from domain.samples import image as make_image
from harness.key_manager import KeyManager
from harness.signing import certify, make_key, sign, to_pem

from transom.components import open_certificates
from transom.config import Settings
from transom.data.certificates import Certificates
from transom.domain.errors import ConflictError, InvalidError, UnavailableError
from transom.domain.model import Image, Status

pytestmark = pytest.mark.anyio

DATA = b"the data"
TOKEN = "a token of the user"
KEY = make_key("ECC_SECP384R1")
CERTIFICATE = certify(KEY)
DER = CERTIFICATE.public_bytes(serialization.Encoding.DER)
BINARY = "00000000-0000-4000-8000-000000000001"
TEXT = "00000000-0000-4000-8000-000000000002"
EXPIRED = "00000000-0000-4000-8000-000000000003"
ABSENT = "00000000-0000-4000-8000-000000000004"


def digest_of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def barbican() -> Iterator[KeyManager]:
    with KeyManager(TOKEN) as manager:
        manager.secrets[BINARY] = ("application/octet-stream", DER)
        manager.secrets[TEXT] = ("text/plain", to_pem(CERTIFICATE))
        ended = certify(KEY, begins_in=timedelta(days=-3))
        manager.secrets[EXPIRED] = ("application/octet-stream", to_pem(ended))
        yield manager


def certificates_of(barbican: KeyManager, folder: str = "") -> Certificates:
    return open_certificates(
        Settings(
            identity="keystone",
            keystone_auth_url=f"{barbican.origin}/v3",
            image_signature_barbican=True,
            image_signature_certificates_dir=folder,
        )
    )


def signed_image(tmp_path: Path, certificate_id: str, status: Status = Status.QUEUED) -> Image:
    properties = {
        "img_signature": sign(tmp_path, KEY, DATA),
        "img_signature_hash_method": "SHA-256",
        "img_signature_key_type": "ECC_SECP384R1",
        "img_signature_certificate_uuid": certificate_id,
    }
    return make_image(status=status, properties=properties)


@pytest.mark.parametrize("certificate_id", [BINARY, TEXT, BINARY.upper()])
async def test_a_certificate_is_fetched_by_the_users_token(
    barbican: KeyManager, tmp_path: Path, certificate_id: str
) -> None:
    (check,) = await certificates_of(barbican).checks_of(signed_image(tmp_path, certificate_id), TOKEN)

    assert check.algorithm == "sha256"
    check.check(digest_of(DATA))
    with pytest.raises(InvalidError, match="is not a signature of this data"):
        check.check(digest_of(DATA + b"x"))


async def test_an_answer_that_comes_in_many_pieces_is_read_whole(
    barbican: KeyManager, tmp_path: Path
) -> None:
    """As the catalog of a cloud of many regions does, and a file with more than the certificate."""
    barbican.more_services = 20_000
    notes = b"# of whom the certificate is\n" * 20_000
    barbican.secrets[TEXT] = ("text/plain", notes + to_pem(CERTIFICATE))

    (check,) = await certificates_of(barbican).checks_of(signed_image(tmp_path, TEXT), TOKEN)

    check.check(digest_of(DATA))


async def test_what_has_data_is_not_asked_for(barbican: KeyManager, tmp_path: Path) -> None:
    image = signed_image(tmp_path, BINARY, Status.ACTIVE)

    assert await certificates_of(barbican).checks_of(image, TOKEN) == ()
    assert barbican.asked == []


async def test_the_folder_comes_first(barbican: KeyManager, tmp_path: Path) -> None:
    (tmp_path / f"{BINARY}.pem").write_bytes(to_pem(CERTIFICATE))
    certificates = certificates_of(barbican, str(tmp_path))

    (check,) = await certificates.checks_of(signed_image(tmp_path, BINARY), None)
    await certificates.checks_of(signed_image(tmp_path, TEXT), TOKEN)

    check.check(digest_of(DATA))
    assert [path for path in barbican.asked if BINARY in path] == []


@pytest.mark.parametrize(
    ("certificate_id", "token", "error", "text"),
    [
        (ABSENT, TOKEN, InvalidError, "there is no certificate"),
        (EXPIRED, TOKEN, InvalidError, "is valid from"),
        (BINARY, None, InvalidError, "only be fetched with a token"),
        (BINARY, "a token that is over", ConflictError, "does not take the user's token"),
    ],
)
async def test_what_cannot_be_had_is_refused(
    barbican: KeyManager, tmp_path: Path, certificate_id: str, token: str | None, error: Any, text: str
) -> None:
    with pytest.raises(error, match=text):
        await certificates_of(barbican).checks_of(signed_image(tmp_path, certificate_id), token)


async def test_a_key_manager_that_fails_or_is_away_is_unavailable(
    barbican: KeyManager, tmp_path: Path
) -> None:
    barbican.is_broken = True
    image = signed_image(tmp_path, BINARY)

    with pytest.raises(UnavailableError, match="answered 500"):
        await certificates_of(barbican).checks_of(image, TOKEN)


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    certificates = open_certificates(Settings(image_signature_certificates_dir=str(tmp_path / "absent")))

    with pytest.raises(UnavailableError, match="folder of certificates"):
        await certificates.checks_of(signed_image(tmp_path, BINARY), None)
