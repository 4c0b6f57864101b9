"""What an image's properties claim of a signature of its data.

As OpenStack's cursive has it, by which Glance and Nova verify: four properties name a signature in base64,
the hash that was signed, the kind of the key, and the certificate that holds the public key. An image that
lacks one of the four is not signed, and the others are properties like any. `data/signature_check.py`
verifies.
"""

import base64
import binascii
import re

import msgspec

from transom.domain.errors import InvalidError
from transom.domain.fields import UUID_PATTERN, quoted
from transom.domain.model import Image

SIGNATURE = "img_signature"
HASH_METHOD = "img_signature_hash_method"
KEY_TYPE = "img_signature_key_type"
CERTIFICATE_ID = "img_signature_certificate_uuid"
PROPERTIES = (SIGNATURE, HASH_METHOD, KEY_TYPE, CERTIFICATE_ID)

#: Hash methods, and what `hashlib` calls them.
HASH_METHODS = {"SHA-224": "sha224", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
#: cursive's also has curves over binary fields, for as long as the library beneath it had them.
KEY_TYPES = ("RSA-PSS", "DSA", "ECC_SECP384R1", "ECC_SECP521R1")
_BLANKS = re.compile(r"\s+")


class SignatureClaim(msgspec.Struct, frozen=True, kw_only=True):
    signature: bytes
    hash_method: str
    key_type: str
    certificate_id: str


def is_signed(image: Image) -> bool:
    return all(name in image.properties for name in PROPERTIES)


def claim_of(image: Image) -> SignatureClaim | None:
    """What the image claims, None when it is not signed; InvalidError names the property that is wrong."""
    if not is_signed(image):
        return None
    signature, hash_method, key_type, certificate_id = (image.properties[name] for name in PROPERTIES)
    if hash_method not in HASH_METHODS:
        raise InvalidError(f"{HASH_METHOD}: {quoted(hash_method)} is not one of {', '.join(HASH_METHODS)}.")
    if key_type not in KEY_TYPES:
        raise InvalidError(f"{KEY_TYPE}: {quoted(key_type)} is not one of {', '.join(KEY_TYPES)}.")
    if not re.fullmatch(UUID_PATTERN, certificate_id):
        raise InvalidError(f"{CERTIFICATE_ID}: {quoted(certificate_id)} is no UUID.")
    try:
        # In lines of 64 characters, as openssl and base64 print it.
        raw = base64.b64decode(_BLANKS.sub("", signature), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError(f"{SIGNATURE}: is not in base64.") from None
    return SignatureClaim(
        signature=raw, hash_method=hash_method, key_type=key_type, certificate_id=certificate_id.lower()
    )
