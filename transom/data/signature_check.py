"""Whether the data of a signed image is what was signed: by the public key of a certificate.

The parameters are cursive's, so that Nova, which verifies by that before a boot, comes to the same: RSA-PSS
with MGF1 of the same hash and a salt of any length, DSA and ECDSA with signatures in DER. Two things that
cursive does not look at are refused: a certificate out of its time, and a curve that is not that
of the key type. Imported with the first signed image: most processes never see one.
"""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from transom.domain.errors import InvalidError
from transom.domain.signed_data import CERTIFICATE_ID, HASH_METHODS, KEY_TYPE, SIGNATURE, SignatureClaim

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA-224": hashes.SHA224(),
    "SHA-256": hashes.SHA256(),
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
}
_CURVES = {"ECC_SECP384R1": ec.SECP384R1.name, "ECC_SECP521R1": ec.SECP521R1.name}


class SignatureCheck:
    """A check that data passes by the digest that was signed. `certificate`: PEM or DER; InvalidError when
    it cannot be read, is out of its time `now`, or holds another kind of key than was claimed."""

    def __init__(self, claim: SignatureClaim, certificate: bytes, now: datetime) -> None:
        self._claim = claim
        self._key = _public_key(claim, _read_certificate(claim, certificate, now))

    @property
    def algorithm(self) -> str:
        return HASH_METHODS[self._claim.hash_method]

    def check(self, digest: bytes) -> None:
        """InvalidError unless the holder of the certificate's key signed data of this digest."""
        try:
            self._verify(digest)
        except (InvalidSignature, ValueError):
            raise InvalidError(
                f"{SIGNATURE}: is not a signature of this data by the key of the certificate."
            ) from None

    def _verify(self, digest: bytes) -> None:
        method, signature = _HASHES[self._claim.hash_method], self._claim.signature
        if isinstance(self._key, rsa.RSAPublicKey):
            # The salt's length is read from the signature: what cursive asks for, the longest, means the same
            # to the library where it verifies.
            pss = padding.PSS(mgf=padding.MGF1(method), salt_length=padding.PSS.AUTO)
            self._key.verify(signature, digest, pss, Prehashed(method))
        elif isinstance(self._key, dsa.DSAPublicKey):
            self._key.verify(signature, digest, Prehashed(method))
        else:
            self._key.verify(signature, digest, ec.ECDSA(Prehashed(method)))


_Key = rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey


def _read_certificate(claim: SignatureClaim, content: bytes, now: datetime) -> x509.Certificate:
    try:
        if b"-----BEGIN" in content:
            certificate = x509.load_pem_x509_certificate(content)
        else:
            certificate = x509.load_der_x509_certificate(content)
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except ValueError:
        raise InvalidError(f"{CERTIFICATE_ID}: {claim.certificate_id} is not a certificate.") from None
    if not begins <= now <= ends:
        raise InvalidError(
            f"{CERTIFICATE_ID}: the certificate {claim.certificate_id} is valid from "
            f"{begins:%Y-%m-%dT%H:%M:%SZ} to {ends:%Y-%m-%dT%H:%M:%SZ} only."
        )
    return certificate


def _public_key(claim: SignatureClaim, certificate: x509.Certificate) -> _Key:
    try:
        key: CertificatePublicKeyTypes | None = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        key = None
    if isinstance(key, ec.EllipticCurvePublicKey):
        if _CURVES.get(claim.key_type) == key.curve.name:
            return key
    elif (claim.key_type == "RSA-PSS" and isinstance(key, rsa.RSAPublicKey)) or (
        claim.key_type == "DSA" and isinstance(key, dsa.DSAPublicKey)
    ):
        return key
    raise InvalidError(
        f"{KEY_TYPE}: the key of the certificate {claim.certificate_id} is not of the type {claim.key_type}."
    )


def now_utc(now_us: int) -> datetime:
    return datetime.fromtimestamp(now_us / 1e6, UTC)
