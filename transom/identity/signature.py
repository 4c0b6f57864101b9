"""Signed requests: what a signature claims, and whether it is genuine.

Clients of Huawei Cloud and Open Telekom Cloud sign each request with a secret key instead of asking for a
token. Pure: the clock, the secret and the body's hash are passed in; this module knows no accounts and reads
no body. How the schemes differ is in `schemes.py`, the canonical form of a request in `canonical.py`. Start
reading at `read_signature`, then `is_genuine`; `builtin.py` calls them in this order.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from transom.domain.errors import UnauthenticatedError
from transom.identity.canonical import canonical_request, find_repeated
from transom.identity.schemes import Credential, Scheme, is_of_family, read_authorization

#: Stands for the body's hash where the client did not compute one: an upload as it streams.
UNSIGNED_PAYLOAD = b"UNSIGNED-PAYLOAD"
#: How far `X-Sdk-Date` may be from our clock, either way; as long does a copied request stay of use.
LONGEST_SKEW_S = 15 * 60

#: These say what a request does: sent without being signed, they could be anybody's. A header that the API
#: begins to act on belongs here. `Content-Type` has a rule of its own, see `_check_content_type`.
MUST_BE_SIGNED = frozenset(
    {
        b"content-digest",
        b"content-encoding",
        b"content-md5",
        b"content-range",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"if-range",
        b"range",
        b"repr-digest",
        b"x-domain-id",
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

_DATE = re.compile(rb"[0-9]{8}T[0-9]{6}Z")
_HASH = re.compile(rb"[0-9a-f]{64}")

_CLOCKS_APART = "X-Sdk-Date is more than 15 minutes away from this server's clock."
_NO_DATE = "X-Sdk-Date is not a time like 20260131T235959Z."
_OTHER_DAY = "The date in the Credential is not that of X-Sdk-Date."
_WRONG_HASH = "X-Sdk-Content-Sha256 is neither UNSIGNED-PAYLOAD nor a SHA-256 in lower-case hex."
_JSON_UNSIGNED = "UNSIGNED-PAYLOAD needs a signed Content-Type other than application/json."


class HashBody(Protocol):
    """Reads the body and returns its SHA-256 in hex. With `keep` whoever handles the request can read the
    body once more. Raises BodyTooLargeError for a body that is too long to keep, kept or not."""

    async def __call__(self, *, keep: bool) -> str: ...


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the server got it. `raw_path`: still encoded, without the query. `headers`: all of them,
    repeated ones too, names in lower case. `hash_body` is called at most once, and not at all for a body
    that was signed as UNSIGNED-PAYLOAD."""

    method: str
    raw_path: bytes
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    hash_body: HashBody


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a request's signature claims; `is_genuine` says whether it is true.

    `headers`: the signed ones in the order signed. `declared_payload`: X-Sdk-Content-Sha256, None if absent.
    `project_id`, `domain_id`: None if the request names none; they may be unsigned, see `read_signature`.
    `needs_body_hash`: whether `is_genuine` must be given the body's hash.
    """

    scheme: Scheme
    credential: Credential
    headers: tuple[tuple[bytes, bytes], ...]
    digest: bytes
    date: bytes
    declared_payload: bytes | None
    project_id: str | None
    domain_id: str | None
    needs_body_hash: bool

    @property
    def access(self) -> str:
        return self.credential.access


def is_signed(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the request comes with a signature, be it well-formed or not, and is thus not for tokens."""
    return any(name == b"authorization" and is_of_family(value) for name, value in headers)


def read_signature(request: SignedRequest, now_s: float, *, is_strict: bool) -> Signature:
    """Raises UnauthenticatedError unless the signature is well-formed, covers what it must, and is of now.

    now_s: seconds since the epoch. is_strict: whether also those headers must be signed that the scheme's
    own clients leave unsigned, and all values of a repeated parameter. Without it an unsigned project can be
    exchanged for another one of the key's owner, and a request without a signed host can be replayed at
    another service with the same key, for LONGEST_SKEW_S.
    """
    values: dict[bytes, list[bytes]] = {}
    for name, value in request.headers:
        values.setdefault(name, []).append(value.strip(b" \t"))
    authorization = read_authorization(_get_only(values, b"authorization"))
    scheme = authorization.scheme
    signed = tuple((name, _get_only(values, name)) for name in authorization.names)
    by_name = dict(signed)
    _check_coverage(values, by_name, frozenset() if is_strict else scheme.unsigned_by_clients)
    if is_strict and not scheme.signs_all_values:
        _check_query(request.query)
    date = by_name[b"x-sdk-date"]
    _check_date(date, now_s)
    if authorization.credential.scope_date not in (b"", date[:8]):
        raise UnauthenticatedError(_OTHER_DAY)
    _check_content_type(values, by_name)
    payload = by_name.get(b"x-sdk-content-sha256")
    return Signature(
        scheme=scheme,
        credential=authorization.credential,
        headers=tuple((name, scheme.clean_header(value)) for name, value in signed),
        digest=authorization.digest,
        date=date,
        declared_payload=payload,
        project_id=_find_only(values, b"x-project-id"),
        domain_id=_find_only(values, b"x-domain-id"),
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
    key = signature.scheme.derive_key(signature.credential, secret)
    return any(
        hmac.compare_digest(_make_digest(request, signature, key, query, signed_payload), signature.digest)
        for payload in payloads
        for query, signed_payload in signature.scheme.list_forms(request.method, request.query, payload)
    )


def _make_digest(
    request: SignedRequest, signature: Signature, key: bytes, query: bytes, payload: bytes
) -> bytes:
    """In lower-case hex."""
    canonical = canonical_request(request.method, request.raw_path, query, signature.headers, payload)
    scope = signature.credential.scope
    to_sign = b"\n".join(
        (
            signature.scheme.algorithm,
            signature.date,
            *((scope,) if scope else ()),
            hashlib.sha256(canonical).hexdigest().encode(),
        )
    )
    return hmac.new(key, to_sign, hashlib.sha256).hexdigest().encode()


def _get_only(values: dict[bytes, list[bytes]], name: bytes) -> bytes:
    """Two are refused: we might verify one of them and act on the other."""
    found = values.get(name, [])
    if len(found) != 1:
        raise UnauthenticatedError(f"The header {name.decode('ascii')} must be sent exactly once.")
    return found[0]


def _find_only(values: dict[bytes, list[bytes]], name: bytes) -> str | None:
    return _get_only(values, name).decode("utf-8", "replace") if name in values else None


def _check_coverage(
    values: dict[bytes, list[bytes]], signed: dict[bytes, bytes], unsigned: frozenset[bytes]
) -> None:
    """`unsigned`: what need not be signed."""
    for name in _REQUIRED:
        if name not in values or (name not in signed and name not in unsigned):
            raise UnauthenticatedError(f"The header {name.decode()} must be sent and signed.")
    for name in MUST_BE_SIGNED - unsigned:
        if name in values and name not in signed:
            raise UnauthenticatedError(f"The header {name.decode()} must be signed where it is sent.")


def _check_query(query: bytes) -> None:
    repeated = find_repeated(query)
    if repeated is not None:
        name = repeated.decode("utf-8", "replace")
        raise UnauthenticatedError(
            f"The query repeats {name!r}, of which this scheme signs the first value only."
        )


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
