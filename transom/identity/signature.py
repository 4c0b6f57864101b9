"""Signed requests: what a signature of `SDK-HMAC-SHA256` claims, and whether it is genuine.

Huawei Cloud's SDKs sign each request with a secret key instead of asking for a token. Pure: the clock, the
secret and the body's hash are passed in; this module knows no accounts and reads no body. Everything here is
bytes, as the server got them: text that was decoded and encoded again need not be what was signed.
Start reading at `read_signature`, then `is_genuine`; `builtin.py` calls them in this order.

The rules were read off huaweicloudsdkcore 3.1.219 (signer/signer.py), which the tests use as the oracle, and
where languages differ off the SDKs for Go and .NET.
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from transom.domain.errors import UnauthenticatedError

ALGORITHM = b"SDK-HMAC-SHA256"
#: Stands for the body's hash where the client did not compute one: an upload as it streams.
UNSIGNED_PAYLOAD = b"UNSIGNED-PAYLOAD"
#: How far `X-Sdk-Date` may be from our clock, either way; as long does a copied request stay of use.
LONGEST_SKEW_S = 15 * 60

#: These say what a request does: sent without being signed, they could be anybody's. A header that the API
#: begins to act on belongs here. `Content-Type` has a rule of its own, see `_check_content_type`.
MUST_BE_SIGNED = frozenset(
    {
        *(
            b"content-digest",
            b"content-encoding",
            b"content-md5",
            b"repr-digest",
            b"if-match",
            b"if-none-match",
        ),
        b"content-range",
        b"if-range",
        b"range",
        b"x-image-cache-clear-target",
        b"x-image-meta-store",
        b"x-openstack-append",
        b"x-openstack-image-size",
        b"x-project-id",
        b"x-sdk-content-sha256",
    }
)
#: These must be there, and signed: without them a signature would be good anywhere and for ever.
_REQUIRED = (b"host", b"x-sdk-date")

# Names are tokens (RFC 9110, 5.6.2) in lower case, as all SDKs list them; keys anything visible but a comma.
# The bounds are far beyond what is sent (some ten names), and keep a long header from costing much.
_AUTHORIZATION = re.compile(
    ALGORITHM + rb" Access=([!-+\--~]{1,255}), ?"
    rb"SignedHeaders=([a-z0-9!#$%&'*+.^_`|~;-]{1,4096}), ?"
    rb"Signature=([0-9a-f]{64})"
)
_DATE = re.compile(rb"[0-9]{8}T[0-9]{6}Z")
_HASH = re.compile(rb"[0-9a-f]{64}")

_MALFORMED = "The Authorization header is not a well-formed SDK-HMAC-SHA256 signature."
_CLOCKS_APART = "X-Sdk-Date is more than 15 minutes away from this server's clock."
_NO_DATE = "X-Sdk-Date is not a time like 20260131T235959Z."
_WRONG_HASH = "X-Sdk-Content-Sha256 is neither UNSIGNED-PAYLOAD nor a SHA-256 in lower-case hex."
_JSON_UNSIGNED = "UNSIGNED-PAYLOAD needs a signed Content-Type other than application/json."


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the server got it. `raw_path`: still encoded, without the query. `headers`: all of them,
    repeated ones too, names in lower case.

    `hash_body` reads the body, keeps it for whoever handles the request, and returns its SHA-256 in hex. It
    is called at most once, and not at all for a body that was signed as UNSIGNED-PAYLOAD; it raises
    LimitExceededError for a body that is too long to keep.
    """

    method: str
    raw_path: bytes
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    hash_body: Callable[[], Awaitable[str]]


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a request's signature claims; `is_genuine` says whether it is true.

    `headers`: the signed ones in the order signed. `declared_payload`: X-Sdk-Content-Sha256, None if absent.
    `project_id`: None if the request names no project. `needs_body_hash`: whether `is_genuine` must be given
    the body's hash.
    """

    access: str
    headers: tuple[tuple[bytes, bytes], ...]
    digest: bytes
    date: bytes
    declared_payload: bytes | None
    project_id: str | None
    needs_body_hash: bool


def is_signed(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the request comes with a signature, be it well-formed or not, and is thus not for tokens."""
    return any(name == b"authorization" and value.lstrip().startswith(ALGORITHM) for name, value in headers)


def read_signature(request: SignedRequest, now_s: float) -> Signature:
    """Raises UnauthenticatedError unless the signature is well-formed, covers what it must, and is of now.

    now_s: seconds since the epoch.
    """
    values: dict[bytes, list[bytes]] = {}
    for name, value in request.headers:
        values.setdefault(name, []).append(value.strip(b" \t"))
    access, names, digest = _parse_authorization(values.get(b"authorization", []))
    signed = tuple((name, _get_only(values, name)) for name in names)
    by_name = dict(signed)
    for name in _REQUIRED:
        if name not in by_name:
            raise UnauthenticatedError(f"The header {name.decode()} must be sent and signed.")
    for name in MUST_BE_SIGNED:
        if name in values and name not in by_name:
            raise UnauthenticatedError(f"The header {name.decode()} must be signed where it is sent.")
    _check_date(by_name[b"x-sdk-date"], now_s)
    _check_content_type(values, by_name)
    payload = by_name.get(b"x-sdk-content-sha256")
    project = by_name.get(b"x-project-id")
    return Signature(
        access=access,
        headers=signed,
        digest=digest,
        date=by_name[b"x-sdk-date"],
        declared_payload=payload,
        project_id=project.decode("utf-8", "replace") if project is not None else None,
        needs_body_hash=payload != UNSIGNED_PAYLOAD or not _announces_body(values),
    )


def is_genuine(request: SignedRequest, signature: Signature, secret: str, body_hash: str | None) -> bool:
    """Whether a holder of the secret signed this very request.

    body_hash: SHA-256 of the body in hex; None where `signature.needs_body_hash` is False.
    """
    found = body_hash.encode() if body_hash is not None else None
    declared = signature.declared_payload
    if declared == UNSIGNED_PAYLOAD:
        # A request without a body that declares UNSIGNED-PAYLOAD all the same is signed with the hash of
        # nothing by the SDK for Python, and with the word by those for Go and .NET.
        payloads = [UNSIGNED_PAYLOAD] if found is None else [UNSIGNED_PAYLOAD, found]
    elif found is None or (declared is not None and declared != found):
        return False
    else:
        payloads = [found]
    return any(
        hmac.compare_digest(_make_digest(request, signature, secret, payload), signature.digest)
        for payload in payloads
    )


def canonical_request(
    request: SignedRequest, headers: Sequence[tuple[bytes, bytes]], payload: bytes
) -> bytes:
    """The one form of the request that client and server both make and hash.

    headers: those signed, in the order signed. payload: the body's hash in hex, or UNSIGNED_PAYLOAD.
    """
    return b"\n".join(
        (
            # Not in upper case: the SDKs send it so, and a server may take `get` for another method.
            request.method.encode("utf-8", "surrogateescape"),
            _canonical_path(request.raw_path),
            _canonical_query(request.query),
            *(name + b":" + value for name, value in headers),
            b"",
            b";".join(name for name, _ in headers),
            payload,
        )
    )


def _make_digest(request: SignedRequest, signature: Signature, secret: str, payload: bytes) -> bytes:
    """In lower-case hex."""
    canonical = canonical_request(request, signature.headers, payload)
    to_sign = b"\n".join((ALGORITHM, signature.date, hashlib.sha256(canonical).hexdigest().encode()))
    return hmac.new(secret.encode(), to_sign, hashlib.sha256).hexdigest().encode()


def _canonical_path(raw: bytes) -> bytes:
    """Decoded whole before it is split, as the SDK does and as our dispatcher does: an encoded slash is a
    slash to both. A closing slash is not told from none."""
    encoded = quote_from_bytes(unquote_to_bytes(raw), safe="/").encode()
    return encoded if encoded.endswith(b"/") else encoded + b"/"


def _canonical_query(query: bytes) -> bytes:
    """By name, then value, in order of the decoded bytes. Repeated parameters stay, `a` is `a=`, and `+` is
    a space: the pairs are those that `Request.query_pairs` gives to the handlers."""
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    pairs.sort()
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in pairs).encode()


def _encode(text: bytes) -> str:
    return quote_from_bytes(text, safe="")


def _parse_authorization(values: list[bytes]) -> tuple[str, list[bytes], bytes]:
    """(access key, names of the signed headers, digest in hex)"""
    found = _AUTHORIZATION.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        raise UnauthenticatedError(_MALFORMED)
    names = found[2].split(b";")
    # Ascending, each once, as all SDKs list them: one request, one way to sign it. No name is empty then
    # but perhaps the first, which no request has.
    if any(first >= second for first, second in pairwise(names)):
        raise UnauthenticatedError(_MALFORMED)
    return found[1].decode("ascii"), names, found[3]


def _get_only(values: dict[bytes, list[bytes]], name: bytes) -> bytes:
    """A header sent twice is refused: we might verify one of the two and act on the other."""
    found = values.get(name, [])
    if len(found) != 1:
        raise UnauthenticatedError(f"The signed header {name.decode('ascii')} must be sent once.")
    return found[0]


def _check_date(date: bytes, now_s: float) -> None:
    if not _DATE.fullmatch(date):
        raise UnauthenticatedError(_NO_DATE)
    try:
        signed_at = datetime.fromisoformat(date.decode("ascii"))
        skew_s = abs(now_s - signed_at.timestamp())
    except (ValueError, OverflowError):
        raise UnauthenticatedError(_NO_DATE) from None
    if skew_s > LONGEST_SKEW_S:
        raise UnauthenticatedError(_CLOCKS_APART)


def _check_content_type(values: dict[bytes, list[bytes]], signed: dict[bytes, bytes]) -> None:
    """The SDK for .NET does not sign Content-Type. That passes for JSON, which is what a handler takes a body
    for that says nothing; any other type changes what is done with the bytes."""
    sent = values.get(b"content-type", [])
    is_json = all(value.partition(b";")[0].strip().lower() == b"application/json" for value in sent)
    if b"content-type" not in signed and not is_json:
        raise UnauthenticatedError("A Content-Type other than application/json must be signed.")
    payload = signed.get(b"x-sdk-content-sha256")
    if payload == UNSIGNED_PAYLOAD:
        # Also where no type was sent at all.
        if is_json:
            raise UnauthenticatedError(_JSON_UNSIGNED)
    elif payload is not None and not _HASH.fullmatch(payload):
        raise UnauthenticatedError(_WRONG_HASH)


def _announces_body(values: dict[bytes, list[bytes]]) -> bool:
    """For any method. Over HTTP/2 a body needs no announcement; `hash_body` then finds what is there."""
    return b"transfer-encoding" in values or values.get(b"content-length", [b"0"]) != [b"0"]
