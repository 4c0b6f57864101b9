"""Digests that a client sends with image data: Repr-Digest and Content-Digest (RFC 9530), Content-MD5.

The data is sent without a content coding and as a whole, so the digest of the content and that of the
representation are of the same bytes. Algorithms other than sha-256 and sha-512 are passed over, as RFC 9530
(section 2) has it; a field that cannot be read is refused.
"""

import base64
import binascii
import re
from typing import Any

from transom.api.http import Request
from transom.domain.digests import DIGITS, ExpectedDigest
from transom.domain.errors import InvalidError

_FIELDS = {b"content-digest": "Content-Digest", b"repr-digest": "Repr-Digest"}
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}
_MD5 = b"content-md5"
#: To read some thousand members takes the event loop a while.
_MOST_CHARACTERS = 4_096
_HEX_MD5 = re.compile("[0-9a-fA-F]{32}")


def read_digests(request: Request) -> tuple[ExpectedDigest, ...]:
    """What the data must be; InvalidError for a field that is malformed."""
    found: list[ExpectedDigest] = []
    for name, shown in _FIELDS.items():
        if name in request.headers:
            found += _read_dictionary(shown, request.joined(name))
    if _MD5 in request.headers:
        found.append(_read_md5(request.joined(_MD5)))
    return tuple(found)


def _read_dictionary(shown: str, value: str) -> list[ExpectedDigest]:
    if len(value) > _MOST_CHARACTERS:
        raise InvalidError(f"{shown}: is longer than {_MOST_CHARACTERS} characters.")
    # Imported with the first of these fields: most processes never see one.
    from http_sf import StructuredFieldError, parse

    try:
        members: Any = parse(value.encode("latin-1"), tltype="dictionary")
    except StructuredFieldError:
        raise InvalidError(f"{shown}: is not a dictionary of structured fields (RFC 9651).") from None
    found = []
    for key, algorithm in _ALGORITHMS.items():
        if key in members:
            digest = members[key][0]
            if not isinstance(digest, bytes) or 2 * len(digest) != DIGITS[algorithm]:
                raise InvalidError(
                    f"{shown}: {key} must be a byte sequence of {DIGITS[algorithm] // 2} bytes."
                )
            found.append(ExpectedDigest(source=shown, algorithm=algorithm, value=digest.hex()))
    return found


def _read_md5(text: str) -> ExpectedDigest:
    """In base64 (RFC 1864), or in hex, as downloads from here and from Glance carry it."""
    text = text.strip()
    if not _HEX_MD5.fullmatch(text):
        try:
            digest = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            digest = b""
        if 2 * len(digest) != DIGITS["md5"]:
            raise InvalidError("Content-MD5: must be 16 bytes in base64.")
        text = digest.hex()
    return ExpectedDigest(source="Content-MD5", algorithm="md5", value=text)
