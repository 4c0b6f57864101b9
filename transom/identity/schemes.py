"""The schemes by which clients of Huawei Cloud and Open Telekom Cloud sign requests.

A scheme says how its `Authorization` header is written, how the signing key is derived from the secret key,
and in which canonical forms its clients put a request. Another scheme is another row of SCHEMES; what all of
them must fulfil is in `signature.py`. Pure. Start reading at SCHEMES.

Read off huaweicloudsdkcore 3.1.219 (signer/signer.py, signer/hkdf.py) and the SDKs for Node, Go and .NET
(`SDK`, `V11`), golangsdk (signer/signer.go: `SDK`, with fewer headers) and gophertelekomcloud
(signer_helper.go: `CHAINED`).
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from itertools import pairwise

import msgspec

from transom.domain.errors import UnauthenticatedError
from transom.identity.canonical import encode_as_form, sort_first_values, sort_query

_NO_BODY = hashlib.sha256(b"").hexdigest().encode()
#: The words that start an Authorization header of this family, whether we know the algorithm or not.
_FAMILY = (b"SDK-", b"V11-")


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """Whose key signed, and, where the signing key is derived, for what: `scope` is b"" where it is not.
    `scope_date`: the day for which the key was derived, YYYYMMDD."""

    access: str
    scope: bytes = b""
    scope_date: bytes = b""

    def __repr__(self) -> str:
        return f"<Credential {self.access}>"


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """How one family of clients signs.

    `parameter`: the name of the header's first parameter. `credential`: its value, of which the groups are
    access key, scope, and the scope's date; `credential_form` is that for people. `unsigned_by_clients`: the
    headers that its clients send without signing them. `signs_all_values`: whether of a repeated parameter
    of the query all values are signed.

    `list_forms` gives the (canonical query, payload) pairs that a client may have signed for a method, a
    query and a payload.
    """

    algorithm: bytes
    parameter: bytes
    credential: re.Pattern[bytes]
    credential_form: str
    unsigned_by_clients: frozenset[bytes]
    signs_all_values: bool
    derive_key: Callable[[Credential, str], bytes]
    clean_header: Callable[[bytes], bytes]
    list_forms: Callable[[str, bytes, bytes], list[tuple[bytes, bytes]]]


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """What an Authorization header says. `names`: the signed headers, in order; `digest`: in hex."""

    scheme: Scheme
    credential: Credential
    names: tuple[bytes, ...]
    digest: bytes


def is_of_family(authorization: bytes) -> bool:
    """Whether it claims a signature of this family, be it well-formed or not."""
    return authorization.lstrip()[:4].upper() in _FAMILY


def read_authorization(value: bytes) -> Authorization:
    """Raises UnauthenticatedError, which says what is wrong, unless it is well-formed."""
    algorithm = value.partition(b" ")[0]
    if not any(scheme.algorithm == algorithm for scheme in SCHEMES):
        raise UnauthenticatedError(_UNSUPPORTED.format(algorithm[:40].decode("ascii", "replace")))
    found = _AUTHORIZATION.fullmatch(value)
    if found is None:
        raise UnauthenticatedError(_MALFORMED.format(algorithm.decode()))
    scheme = _find_scheme(algorithm, found[2])
    credential = scheme.credential.fullmatch(found[3])
    if credential is None:
        raise UnauthenticatedError(
            f"In {algorithm.decode()} {found[2].decode()} must be {scheme.credential_form}."
        )
    names = tuple(found[4].split(b";"))
    # Ascending, each once, as all SDKs list them: one request, one way to sign it. No name is empty then
    # but perhaps the first, which no request has.
    if any(first >= second for first, second in pairwise(names)):
        raise UnauthenticatedError("SignedHeaders must be in ascending order, each name once.")
    return Authorization(
        scheme=scheme,
        credential=Credential(
            access=credential["access"].decode("ascii"),
            scope=credential["scope"],
            scope_date=credential["date"],
        ),
        names=names,
        digest=found[5],
    )


def _find_scheme(algorithm: bytes, parameter: bytes) -> Scheme:
    for scheme in SCHEMES:
        if (scheme.algorithm, scheme.parameter) == (algorithm, parameter):
            return scheme
    raise UnauthenticatedError(f"{algorithm.decode()} has no parameter {parameter.decode()}.")


def _use_secret(_credential: Credential, secret: str) -> bytes:
    return secret.encode()


def _derive_by_chain(credential: Credential, secret: str) -> bytes:
    """One HMAC for each part of the scope, the former's result being the key of the next."""
    key = b"SDK" + secret.encode()
    for part in credential.scope.split(b"/"):
        key = _hmac(key, part)
    return key


def _derive_by_hkdf(credential: Credential, secret: str) -> bytes:
    """RFC 5869. The key is the hex text of the derived bytes, not the bytes."""
    # Imported here: it takes 30 ms and some MiB, which a service whose clients sign otherwise can spare.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    hkdf = HKDF(algorithm=SHA256(), length=32, salt=credential.access.encode(), info=credential.scope)
    return hkdf.derive(secret.encode()).hex().encode()


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _keep_header(value: bytes) -> bytes:
    return value


def _collapse_blanks(value: bytes) -> bytes:
    return _BLANKS.sub(b" ", value)


def _sort_all(_method: str, query: bytes, payload: bytes) -> list[tuple[bytes, bytes]]:
    return [(sort_query(query), payload)]


def _sort_first(method: str, query: bytes, payload: bytes) -> list[tuple[bytes, bytes]]:
    """A POST whose body is absent has its query for a payload, and none besides; one whose body is empty is
    like any other. On the wire they are the same. No JSON body is text that a query can be encoded as."""
    forms = [(sort_first_values(query), payload)]
    if method == "POST" and payload == _NO_BODY and query:
        forms.append((b"", hashlib.sha256(encode_as_form(query)).hexdigest().encode()))
    return forms


# Names are tokens (RFC 9110, 5.6.2) in lower case, as all SDKs list them; keys anything visible but a comma.
# The bounds are far beyond what is sent (some ten names), and keep a long header from costing much.
_AUTHORIZATION = re.compile(
    rb"([A-Z0-9-]{1,40}) (Access|Credential)=([!-+\--~]{1,512}), ?"
    rb"SignedHeaders=([a-z0-9!#$%&'*+.^_`|~;-]{1,4096}), ?"
    rb"Signature=([0-9a-f]{64})"
)
_BLANKS = re.compile(rb"[\t\n\f\r ]+")
_PLACE = rb"[A-Za-z0-9_.-]"
# The key has no slash where others follow it: the parts of a scope are then told in one way only.
_KEY_IN_SCOPE = rb"(?P<access>[!-+\-.0-~]{1,255})"

_UNSUPPORTED = "The signing algorithm {} is not supported: sign with SDK-HMAC-SHA256 or V11-HMAC-SHA256."
_MALFORMED = (
    "The Authorization header is not a well-formed {} signature: it has one Access or Credential, then "
    "SignedHeaders, then Signature (64 hex digits in lower case), and no more."
)

SDK = Scheme(
    algorithm=b"SDK-HMAC-SHA256",
    parameter=b"Access",
    credential=re.compile(rb"(?P<access>[!-+\--~]{1,255})(?P<scope>)(?P<date>)"),
    credential_form="an access key",
    # golangsdk signs neither, and adds the latter two after it has signed.
    unsigned_by_clients=frozenset({b"host", b"x-domain-id", b"x-project-id"}),
    signs_all_values=True,
    derive_key=_use_secret,
    clean_header=_keep_header,
    list_forms=_sort_all,
)
CHAINED = Scheme(
    algorithm=b"SDK-HMAC-SHA256",
    parameter=b"Credential",
    credential=re.compile(
        _KEY_IN_SCOPE + rb"/(?P<scope>(?P<date>[0-9]{8})/%b{0,64}/%b{0,64}/sdk_request)" % (_PLACE, _PLACE)
    ),
    credential_form="KEY/YYYYMMDD/REGION/SERVICE/sdk_request",
    # gophertelekomcloud adds them after it has signed.
    unsigned_by_clients=frozenset({b"x-domain-id", b"x-project-id"}),
    signs_all_values=False,
    derive_key=_derive_by_chain,
    clean_header=_collapse_blanks,
    list_forms=_sort_first,
)
V11 = Scheme(
    algorithm=b"V11-HMAC-SHA256",
    parameter=b"Credential",
    credential=re.compile(
        _KEY_IN_SCOPE + rb"/(?P<scope>(?P<date>[0-9]{8})/%b{1,64}/%b{1,64})" % (_PLACE, _PLACE)
    ),
    credential_form="KEY/YYYYMMDD/REGION/SERVICE",
    unsigned_by_clients=frozenset(),
    signs_all_values=True,
    derive_key=_derive_by_hkdf,
    clean_header=_keep_header,
    list_forms=_sort_all,
)
SCHEMES = (SDK, CHAINED, V11)
