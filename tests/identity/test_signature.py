"""Signed requests: what the SDK signs is accepted, what was altered on the way is not.

The oracle is the signer of Huawei Cloud's SDK for Python; what it signed is then made into bytes by
`requests`, which that SDK sends with.
"""

import asyncio
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec
import pytest
import requests
from huaweicloudsdkcore.sdk_request import SdkRequest  # type: ignore[import-untyped]
from huaweicloudsdkcore.signer.signer import Signer  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

import transom.api
from transom.api.http import Request
from transom.domain.errors import UnauthenticatedError
from transom.domain.model import Caller
from transom.domain.policy import DEFAULT_POLICY
from transom.identity import changes
from transom.identity.accounts import AccountsFile
from transom.identity.builtin import BuiltinIdentity
from transom.identity.canonical import canonical_request, sort_query
from transom.identity.directory import AccessKey, Accounts, Role
from transom.identity.signature import (
    LONGEST_SKEW_S,
    MUST_BE_SIGNED,
    HashBody,
    SignedRequest,
    is_genuine,
    is_signed,
    read_signature,
)

HOST = "images.example:9292"
ACCESS = "AKIDEXAMPLE"
SECRET = "a secret key, not only ASCII: é"
NOW_S = datetime(2026, 1, 31, 12, 0, tzinfo=UTC).timestamp()
OCTETS = "application/octet-stream"
JSON = "application/json"
NO_BODY = hashlib.sha256(b"").hexdigest()
IMAGE = "/v2/images/71c675ab-d94f-49cd-a114-e12490b328d9"


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it is on the wire."""

    method: str
    raw_path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def as_signed(self) -> SignedRequest:
        async def hash_body(*, keep: bool) -> str:
            return hashlib.sha256(self.body).hexdigest()

        return self.with_hash(hash_body)

    def with_hash(self, hash_body: HashBody) -> SignedRequest:
        return SignedRequest(
            method=self.method,
            raw_path=self.raw_path,
            query=self.query,
            headers=self.headers,
            hash_body=hash_body,
        )

    def header(self, name: bytes) -> bytes:
        return dict(self.headers)[name]

    def with_header(self, name: bytes, value: bytes) -> "Sent":
        """With the header as its only one of the name."""
        rest = tuple(header for header in self.headers if header[0] != name)
        return replace(self, headers=(*rest, (name, value)))

    def without_header(self, name: bytes) -> "Sent":
        return replace(self, headers=tuple(header for header in self.headers if header[0] != name))

    def and_header(self, name: bytes, value: bytes) -> "Sent":
        return replace(self, headers=(*self.headers, (name, value)))

    def replace_in_authorization(self, old: bytes, new: bytes) -> "Sent":
        value = self.header(b"authorization")
        assert value.count(old) == 1
        return self.with_header(b"authorization", value.replace(old, new))


def _sign(
    method: str = "GET",
    path: str = IMAGE,
    query: list[tuple[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    signed_at_s: float = NOW_S,
    access: str = ACCESS,
    secret: str = SECRET,
) -> Sent:
    """Signed by the SDK and sent as it sends."""
    date = datetime.fromtimestamp(signed_at_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    request = SdkRequest(
        method=method,
        schema="http",
        host=HOST,
        resource_path=path,
        query_params=query or [],
        header_params={"X-Sdk-Date": date, **(headers or {})},
        body=body,
    )
    Signer(SimpleNamespace(ak=access, sk=secret)).sign(request)
    prepared = requests.Request(method, request.url, headers=request.header_params, data=body).prepare()
    raw_path, _, raw_query = prepared.path_url.partition("?")
    return Sent(
        method=method,
        raw_path=raw_path.encode(),
        query=raw_query.encode(),
        headers=tuple(
            (name.lower().encode(), str(value).encode("latin-1")) for name, value in prepared.headers.items()
        ),
        body=body,
    )


def _accepts(sent: Sent, *, now_s: float = NOW_S, secret: str = SECRET) -> bool:
    """What `BuiltinIdentity` does with a request of a known key."""
    request = sent.as_signed()
    signature = read_signature(request, now_s, is_strict=True)
    body_hash = hashlib.sha256(sent.body).hexdigest() if signature.needs_body_hash else None
    return is_genuine(request, signature, secret, body_hash)


def _refuses(sent: Sent) -> bool:
    try:
        return not _accepts(sent)
    except UnauthenticatedError:
        return True


# ---- what the SDK signs

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# `requests` makes dot segments disappear after the signature was made; no SDK signs one that works.
_SEGMENT = _TEXT.filter(lambda segment: segment not in (".", "..")).map(
    lambda segment: quote(segment, safe="")
)
_PLAIN_SEGMENT = st.text("aZ0-_~!$&'()*+,;=:@é漢", min_size=1, max_size=8)
_PATH = st.lists(_SEGMENT | _PLAIN_SEGMENT, max_size=5).map(lambda segments: "/" + "/".join(segments))
_QUERY = st.dictionaries(
    _TEXT, _TEXT | st.booleans() | st.integers() | st.lists(_TEXT, max_size=4), max_size=5
).map(lambda pairs: list(pairs.items()))
_HEADERS = st.dictionaries(
    st.from_regex(r"X-[A-Za-z0-9_-]{1,10}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    max_size=4,
).filter(lambda headers: len({name.lower() for name in headers}) == len(headers))
_CONTENT_TYPE = st.sampled_from(
    [
        None,
        JSON,
        "application/json;charset=UTF-8",
        "application/bson",
        OCTETS,
        "application/openstack-images-v2.1-json-patch",
    ]
)


@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    _PATH,
    _QUERY,
    _HEADERS,
    _CONTENT_TYPE,
    st.binary(max_size=40),
)
@example("GET", "/", [], {}, None, b"")
@example("GET", "/v2/images/", [("tag", ["b", "a", "b"]), ("name", "")], {}, None, b"")
@example("PUT", "/a%2Fb%252F/%E6%BC%A2", [("~ +&=", "~ +&=/")], {"X-A": " é\xa0"}, OCTETS, b"data")
@example("GET", IMAGE, [], {}, OCTETS, b"")
def test_what_the_sdk_signs_is_accepted(
    method: str,
    path: str,
    query: list[tuple[str, Any]],
    headers: dict[str, str],
    content_type: str | None,
    body: bytes,
) -> None:
    types = {"Content-Type": content_type} if content_type else {}

    sent = _sign(method, path, query, headers | types, body)

    assert is_signed(sent.headers)
    assert _accepts(sent)
    assert not _accepts(sent, secret="another secret")


def test_the_canonical_request_is_that_of_the_documentation() -> None:
    sent = _sign("POST", "/v2/a b", [("limit", 2), ("a", "ü"), ("a", "")], {"Content-Type": JSON}, b"{}")
    headers = read_signature(sent.as_signed(), NOW_S, is_strict=True).headers

    canonical = _canonical_request(sent, headers, b"hash")

    assert canonical.decode() == (
        "POST\n/v2/a%20b/\na=&a=%C3%BC&limit=2\n"
        "content-type:application/json\nhost:images.example:9292\nx-sdk-date:20260131T120000Z\n\n"
        "content-type;host;x-sdk-date\nhash"
    )


def test_the_word_signed_for_no_body_is_accepted() -> None:
    """As the SDKs for Go and .NET have it; the one for Python signs the hash of nothing."""
    with_body = _sign("PUT", IMAGE, headers={"Content-Type": OCTETS}, body=b"x")

    without = replace(with_body, body=b"").with_header(b"content-length", b"0")

    assert _accepts(without)


def test_a_json_body_may_come_with_its_real_hash() -> None:
    body_hash = hashlib.sha256(b"{}").hexdigest()

    sent = _sign("POST", headers={"Content-Type": JSON, "X-Sdk-Content-Sha256": body_hash}, body=b"{}")

    assert _accepts(sent)


def test_json_may_leave_its_content_type_unsigned() -> None:
    """As the SDK for .NET does (Core/Signer/Signer.cs, `_unsignedHeaders`)."""
    sent = _sign("POST", body=b"{}")

    assert _accepts(sent.with_header(b"content-type", b"application/json; charset=utf-8"))


# ---- what an attacker may try


def _append(part: str, added: bytes) -> Callable[[Sent], Sent]:
    return lambda sent: replace(sent, **{part: getattr(sent, part) + added})


def _swap(old: bytes, new: bytes) -> Callable[[Sent], Sent]:
    return lambda sent: sent.replace_in_authorization(old, new)


def _set(name: bytes, value: bytes) -> Callable[[Sent], Sent]:
    return lambda sent: sent.with_header(name, value)


def _add(name: bytes, value: bytes) -> Callable[[Sent], Sent]:
    return lambda sent: sent.and_header(name, value)


def _drop(name: bytes) -> Callable[[Sent], Sent]:
    return lambda sent: sent.without_header(name)


ATTACKS: dict[str, Callable[[Sent], Sent]] = {
    "body": lambda sent: replace(sent, body=b'{"member": "evil"}'),
    "longer body": _append("body", b" "),
    "no body": lambda sent: replace(sent, body=b""),
    "method": lambda sent: replace(sent, method="PUT"),
    "method in lower case": lambda sent: replace(sent, method="post"),
    "path": _append("raw_path", b"/file"),
    "path in upper case": lambda sent: replace(sent, raw_path=sent.raw_path.upper()),
    "doubled slash": lambda sent: replace(sent, raw_path=b"/" + sent.raw_path),
    "two closing slashes": _append("raw_path", b"//"),
    "closing dot": _append("raw_path", b"/."),
    "encoded query in the path": _append("raw_path", b"%3Flimit=1"),
    "percent encoded twice": lambda sent: replace(sent, raw_path=sent.raw_path.replace(b"/", b"%252F")),
    "bytes that are no UTF-8": _append("raw_path", b"%FF"),
    "query": lambda sent: replace(sent, query=sent.query.replace(b"private", b"public")),
    "query without a value": lambda sent: replace(sent, query=sent.query.replace(b"private", b"")),
    "query name in upper case": lambda sent: replace(sent, query=sent.query.replace(b"vis", b"VIS")),
    "query added": _append("query", b"&limit=1"),
    "query repeated": _append("query", b"&visibility=private"),
    "query gone": lambda sent: replace(sent, query=b""),
    "query that is no UTF-8": _append("query", b"&a=%FF"),
    "signed header": _set(b"x-colour", b"red"),
    "signed header in upper case": _set(b"x-colour", b"BLUE"),
    "signed header gone": _drop(b"x-colour"),
    "signed header twice, other first": lambda sent: replace(
        sent, headers=((b"x-colour", b"red"), *sent.headers)
    ),
    "signed header twice, other last": _add(b"x-colour", b"red"),
    "signed header twice, alike": _add(b"x-colour", b"blue"),
    "host": _set(b"host", b"evil.example"),
    "host twice": _add(b"host", HOST.encode()),
    "content type": _set(b"content-type", OCTETS.encode()),
    "later date": _set(b"x-sdk-date", b"20260131T120001Z"),
    "project added": _add(b"x-project-id", b"victim"),
    "hash header added": _add(b"x-sdk-content-sha256", hashlib.sha256(b"[]").hexdigest().encode()),
    "hash header and body swapped": lambda sent: replace(sent, body=b"[]").and_header(
        b"x-sdk-content-sha256", hashlib.sha256(b"[]").hexdigest().encode()
    ),
    "payload declared unsigned": _add(b"x-sdk-content-sha256", b"UNSIGNED-PAYLOAD"),
    "range added": _add(b"range", b"bytes=0-0"),
    "store added": _add(b"x-image-meta-store", b"other"),
    "authorization twice": lambda sent: sent.and_header(b"authorization", sent.header(b"authorization")),
    "authorization of another kind too": _add(b"authorization", b"Bearer x"),
    "header no longer listed": _swap(b";x-colour;", b";"),
    "list of headers repeated": _swap(b";x-colour;", b";x-colour;x-colour;"),
    "list of headers in another order": _swap(b"host;x-colour", b"x-colour;host"),
    "list of headers in upper case": _swap(b"x-colour", b"X-Colour"),
    "list with an empty name": _swap(b"SignedHeaders=", b"SignedHeaders=;"),
    "list with an empty name at its end": _swap(b", Signature=", b";, Signature="),
    "unsent header listed": _swap(b"host;", b"host;range;"),
    "access key": _swap(b"Access=" + ACCESS.encode(), b"Access="),
    "another algorithm": _swap(b"SDK-HMAC-SHA256", b"SDK-HMAC-SM3"),
    "algorithm in lower case": _swap(b"SDK-HMAC-SHA256", b"sdk-hmac-sha256"),
    "algorithm with a tail": _swap(b"SDK-HMAC-SHA256", b"SDK-HMAC-SHA2567"),
    "a fourth part": lambda sent: _edit_authorization(
        sent, lambda value: value + b", Signature=" + b"0" * 64
    ),
    "signature cut": lambda sent: _edit_authorization(sent, lambda value: value[:-1]),
    "signature longer": lambda sent: _edit_authorization(sent, lambda value: value + b"0"),
    "signature empty": lambda sent: _edit_authorization(sent, lambda value: value[:-64]),
    "signature of zeros": lambda sent: _edit_authorization(sent, lambda value: value[:-64] + b"0" * 64),
    "signature in upper case": lambda sent: _edit_authorization(
        sent, lambda value: value[:-64] + value[-64:].upper()
    ),
    "signature with a line end": lambda sent: _edit_authorization(sent, lambda value: value + b"\n"),
}


def _canonical_request(sent: Sent, headers: Sequence[tuple[bytes, bytes]], payload: bytes) -> bytes:
    return canonical_request(sent.method, sent.raw_path, sort_query(sent.query), headers, payload)


def _sign_by_hand(sent: Sent, names: list[bytes], payload: str, secret: str = SECRET) -> Sent:
    """Signed anew in ways that the SDK would not: these names in this order, this for the body's hash."""
    headers = [(name, sent.header(name)) for name in names]
    canonical = _canonical_request(sent, headers, payload.encode())
    digest = hashlib.sha256(canonical).hexdigest()
    to_sign = b"SDK-HMAC-SHA256\n%s\n%s" % (sent.header(b"x-sdk-date"), digest.encode())
    signature = hmac.new(secret.encode(), to_sign, hashlib.sha256).hexdigest()
    listed = b";".join(names).decode()
    value = f"SDK-HMAC-SHA256 Access={ACCESS}, SignedHeaders={listed}, Signature={signature}"
    return sent.with_header(b"authorization", value.encode())


def _edit_authorization(sent: Sent, edit: Callable[[bytes], bytes]) -> Sent:
    return sent.with_header(b"authorization", edit(sent.header(b"authorization")))


@pytest.fixture
def offer() -> Sent:
    """The request that the attacks start from."""
    return _sign(
        "POST",
        f"{IMAGE}/members",
        [("visibility", "private")],
        {"Content-Type": JSON, "X-Colour": "blue"},
        b'{"member": "friend"}',
    )


def test_the_request_that_the_attacks_alter_is_accepted(offer: Sent) -> None:
    assert _accepts(offer)


@pytest.mark.parametrize("alter", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_altered_request_is_refused(alter: Callable[[Sent], Sent], offer: Sent) -> None:
    altered = alter(offer)

    assert altered != offer
    assert _refuses(altered)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": JSON},
        {"Content-Type": "Application/JSON ; charset=utf-8"},
        {},
    ],
    ids=["json", "json in other letters", "no type"],
)
def test_a_json_body_may_not_be_left_unsigned(headers: dict[str, str]) -> None:
    sent = _sign("POST", headers=headers | {"X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"}, body=b"{}")

    with pytest.raises(UnauthenticatedError, match="UNSIGNED-PAYLOAD"):
        _accepts(sent)


@pytest.mark.parametrize("declared", ["", "unsigned-payload", NO_BODY.upper(), NO_BODY + "0", "é"])
def test_a_declared_hash_is_a_hash(declared: str) -> None:
    sent = _sign("POST", headers={"Content-Type": JSON, "X-Sdk-Content-Sha256": declared}, body=b"{}")

    with pytest.raises(UnauthenticatedError, match="X-Sdk-Content-Sha256"):
        _accepts(sent)


def test_the_hash_that_a_client_declares_must_be_the_hash_of_its_body() -> None:
    declared = hashlib.sha256(b"[]").hexdigest()
    names = [b"content-type", b"host", b"x-sdk-content-sha256", b"x-sdk-date"]

    sent = _sign("POST", headers={"Content-Type": JSON, "X-Sdk-Content-Sha256": declared}, body=b"{}")

    assert not _accepts(sent)
    assert not _accepts(_sign_by_hand(sent, names, hashlib.sha256(b"{}").hexdigest()))


@pytest.mark.parametrize(
    ("names", "is_accepted"),
    [
        ([b"host", b"x-sdk-date"], True),
        ([b"x-sdk-date", b"host"], False),
        ([b"host", b"host", b"x-sdk-date"], False),
        ([b"host", b"x-sdk-date", b"host"], False),
    ],
)
def test_the_signed_headers_are_listed_once_and_in_order(names: list[bytes], is_accepted: bool) -> None:
    assert _refuses(_sign_by_hand(_sign(), names, NO_BODY)) is not is_accepted


def test_a_signature_for_no_body_is_not_one_for_an_unsigned_body() -> None:
    """UNSIGNED-PAYLOAD is declared, but the SDK signed the hash of nothing."""
    sent = _sign("PUT", headers={"Content-Type": OCTETS})

    chunked = replace(sent, body=b"evil").without_header(b"content-length")

    assert _accepts(sent)
    assert _refuses(chunked.and_header(b"transfer-encoding", b"chunked"))
    assert _refuses(chunked.and_header(b"content-length", b"4"))
    # Over HTTP/2 neither header need be there.
    assert _refuses(chunked)


def test_another_type_than_json_must_be_signed() -> None:
    sent = _sign("POST", body=b"{}")

    assert _refuses(sent.with_header(b"content-type", OCTETS.encode()))
    assert _refuses(sent.with_header(b"content-type", b"application/json-patch+json"))


@pytest.mark.parametrize(
    ("signed_at_s", "is_accepted"),
    [
        (NOW_S - LONGEST_SKEW_S, True),
        (NOW_S + LONGEST_SKEW_S, True),
        (NOW_S - LONGEST_SKEW_S - 1, False),
        (NOW_S + LONGEST_SKEW_S + 1, False),
        (0, False),
    ],
)
def test_a_signature_is_good_for_a_quarter_of_an_hour(signed_at_s: float, is_accepted: bool) -> None:
    assert _refuses(_sign(signed_at_s=signed_at_s)) is not is_accepted


@pytest.mark.parametrize(
    "date",
    [
        b"",
        b"20260131T120000",
        b"20260131T1200Z",
        b"2026-01-31T12:00:00Z",
        b"20261331T120000Z",
        b"00000131T120000Z",
        b"20260131T250000Z",
        b"20260131T120060Z",
        "\u0662\u0660260131T120000Z".encode(),
        b"20260131T120000Z, 20260131T120000Z",
    ],
)
def test_a_date_that_is_none_is_refused(date: bytes, offer: Sent) -> None:
    with pytest.raises(UnauthenticatedError, match="X-Sdk-Date"):
        _accepts(offer.with_header(b"x-sdk-date", date))


@pytest.mark.parametrize("name", [b"host", b"x-sdk-date"])
def test_host_and_date_must_be_signed(name: bytes, offer: Sent) -> None:
    listed = re.sub(rb"(=|;)" + name + rb"(?=[;,])", rb"\1", offer.header(b"authorization"))
    listed = listed.replace(b";;", b";").replace(b";,", b",")

    with pytest.raises(UnauthenticatedError, match=f"{name.decode()} must be sent and signed"):
        _accepts(offer.with_header(b"authorization", listed))


@pytest.mark.parametrize("name", sorted(MUST_BE_SIGNED))
def test_a_header_that_matters_must_be_signed_if_it_is_sent(name: bytes, offer: Sent) -> None:
    with pytest.raises(UnauthenticatedError, match="must be signed where it is sent"):
        _accepts(offer.and_header(name, b"x"))


#: Headers that the API reads and anybody may add to a signed request: they frame, log or render it, or are
#: another way in, which a signed request does not take.
HARMLESS = {
    b"accept",
    b"accept-encoding",
    # A browser adds these by itself. They decide on headers of the answer alone (CORS).
    b"access-control-request-headers",
    b"access-control-request-method",
    b"origin",
    # The signature itself; how long it is decides whose turn it is.
    b"authorization",
    b"content-length",
    b"transfer-encoding",
    b"x-auth-token",
    b"x-openstack-request-id",
    b"x-service-token",
    b"x-subject-token",
}


def test_every_header_that_the_api_reads_is_known_here() -> None:
    """A new one goes into MUST_BE_SIGNED if it changes what a request does, else into HARMLESS."""
    sources = Path(transom.api.__path__[0]).rglob("*.py")

    read = {
        name.encode()
        for source in sources
        for name in re.findall(r"(?:header(?:s\.get)?|joined)\(b\"([a-z0-9-]+)\"", source.read_text())
    }

    assert {b"range", b"accept"} < read
    assert read - MUST_BE_SIGNED - HARMLESS - {b"content-type", b"host"} == set()


def test_no_handler_reads_a_token_that_may_stand_beside_a_signature() -> None:
    """Nobody has looked at it, and it is not signed: `own_token` is for handlers."""
    sources = Path(transom.api.__path__[0]).rglob("*.py")

    readers = {source.name for source in sources if 'header(b"x-auth-token")' in source.read_text()}

    assert readers == {"signing.py", "session.py"}


@pytest.mark.parametrize(
    "same",
    [
        lambda sent: replace(sent, raw_path=sent.raw_path + b"/"),
        lambda sent: replace(sent, raw_path=sent.raw_path.replace(b"/members", b"%2fmembers")),
        lambda sent: replace(sent, raw_path=sent.raw_path.replace(b"members", b"m%65mbers")),
        lambda sent: replace(sent, query=b"&" + sent.query.replace(b"a", b"%61") + b"&"),
        lambda sent: sent.and_header(b"x-forwarded-for", b"192.0.2.1"),
    ],
    ids=["closing slash", "encoded slash", "letter encoded", "query encoded", "header of a proxy"],
)
def test_what_means_the_same_to_the_api_is_signed_alike(same: Callable[[Sent], Sent], offer: Sent) -> None:
    """No alarm but a fact to know: the SDK's canonical form does not tell these apart, nor may the API."""
    assert _accepts(same(offer))


_RAW_QUERY = st.lists(
    st.sampled_from(
        [b"a", b"b", b"=", b"&", b"+", b"%20", b"%2B", b"%26", b"%3D", b"%zz", b"%e9%9f%b3", b";"]
    )
).map(b"".join)


@given(_RAW_QUERY)
def test_the_signature_covers_what_handlers_read_of_a_query(query: bytes) -> None:
    sent = Sent(method="GET", raw_path=b"/", query=query, headers=(), body=b"")

    canonical = _canonical_request(sent, [], b"").split(b"\n")[2].decode()

    scope = {"method": "GET", "path": "/", "raw_path": b"/", "query_string": query, "headers": []}
    request = Request(scope, _receive_nothing, "req")
    assert parse_qsl(canonical, keep_blank_values=True) == sorted(request.query_pairs())


async def _receive_nothing() -> dict[str, Any]:
    raise AssertionError


# ---- malformed


_PARTS = st.lists(
    st.sampled_from(
        b"SDK-HMAC-SHA256| |Access=|K|,|SignedHeaders=|host|;|x-sdk-date|Signature=|\xff|\0|=".split(b"|")
    )
    | st.sampled_from([b"0" * 64, b"0" * 63, b"a" * 300, b";a" * 5000])
).map(b"".join)


@given(st.lists(_PARTS | st.binary(), min_size=1, max_size=2), st.binary() | st.just(b"20260131T120000Z"))
@example([b"SDK-HMAC-SHA256 Access=K, SignedHeaders=host;x-sdk-date, Signature=" + b"0" * 64], b"")
def test_nonsense_is_refused_and_no_more(authorizations: list[bytes], date: bytes) -> None:
    headers = [(b"host", HOST.encode()), (b"x-sdk-date", date)]
    headers += [(b"authorization", value) for value in authorizations]
    sent = Sent(method="GET", raw_path=b"/", query=b"", headers=tuple(headers), body=b"")

    assert _refuses(sent)


@given(st.binary(), st.binary(), st.text(), st.lists(st.tuples(st.binary(), st.binary()), max_size=3))
def test_any_bytes_have_a_canonical_form(
    path: bytes, query: bytes, method: str, headers: list[tuple[bytes, bytes]]
) -> None:
    sent = Sent(method=method, raw_path=path, query=query, headers=tuple(headers), body=b"")

    assert _canonical_request(sent, headers, b"hash").endswith(b"\nhash")


def test_a_token_is_not_taken_for_a_signature() -> None:
    assert not is_signed([(b"x-auth-token", b"SDK-HMAC-SHA256"), (b"authorization", b"Bearer x")])
    assert is_signed([(b"authorization", b"SDK-HMAC-SHA256")])
    assert is_signed([(b"authorization", b"V11-HMAC-SHA256")])


# ---- keys


@pytest.fixture
def accounts(data_dir: Path) -> AccountsFile:
    return AccountsFile(data_dir)


@pytest.fixture
def identity(accounts: AccountsFile, data_dir: Path) -> BuiltinIdentity:
    return BuiltinIdentity(data_dir, 3600, DEFAULT_POLICY)


@pytest.fixture
def key(accounts: AccountsFile) -> AccessKey:
    """That of publisher in project publisher."""
    directory = accounts.read()
    user = directory.get_user("publisher")
    return next(key for key in directory.accounts.access_keys if key.user_id == user.id)


def _sign_now(key: AccessKey, **request: Any) -> Sent:
    return _sign(signed_at_s=time.time(), access=key.access, secret=key.secret, **request)


def _authenticate(identity: BuiltinIdentity, sent: Sent) -> Caller:
    return asyncio.run(identity.authenticate_signed(sent.as_signed()))


def test_a_signed_request_is_its_users_in_the_keys_project(identity: BuiltinIdentity, key: AccessKey) -> None:
    caller = _authenticate(identity, _sign_now(key))

    assert caller == Caller(
        user_id=key.user_id,
        project_id=key.project_id,
        roles=frozenset({"member", "reader"}),
        policy=DEFAULT_POLICY,
        domain_id="default",
        user_domain_id="default",
    )


def test_a_key_acts_in_the_projects_of_its_user(
    identity: BuiltinIdentity, accounts: AccountsFile, key: AccessKey
) -> None:
    other = accounts.read().get_project("other").id
    accounts.change(lambda found: changes.grant_roles(found, key.user_id, other, [Role.READER]))

    caller = _authenticate(identity, _sign_now(key, headers={"X-Project-Id": other}))

    assert caller == Caller(
        user_id=key.user_id,
        project_id=other,
        roles=frozenset({"reader"}),
        policy=DEFAULT_POLICY,
        domain_id="default",
        user_domain_id="default",
    )


@pytest.mark.parametrize("named", ["other", "no such project", "é", "' or 1=1"])
def test_a_key_does_not_act_in_other_projects(
    identity: BuiltinIdentity, accounts: AccountsFile, key: AccessKey, named: str
) -> None:
    projects = {project.name: project.id for project in accounts.read().accounts.projects}
    sent = _sign_now(key, headers={"X-Project-Id": projects.get(named, named)})

    with pytest.raises(UnauthenticatedError, match="may not act in this project"):
        _authenticate(identity, sent)


def test_an_unknown_key_and_a_wrong_secret_look_alike(identity: BuiltinIdentity, key: AccessKey) -> None:
    unknown = _sign_now(replace(key, access="UNKNOWN"))
    wrong = _sign_now(replace(key, secret="guessed"))

    with pytest.raises(UnauthenticatedError) as of_unknown:
        _authenticate(identity, unknown)
    with pytest.raises(UnauthenticatedError) as of_wrong:
        _authenticate(identity, wrong)

    assert str(of_unknown.value) == str(of_wrong.value)


def test_an_unknown_key_is_not_known_by_the_secret_it_is_checked_with(identity: BuiltinIdentity) -> None:
    """It is checked with the empty one, to take as long as a known key does. The SDK would not sign so."""
    sent = _sign(signed_at_s=time.time())
    forged = _sign_by_hand(sent, [b"host", b"x-sdk-date"], NO_BODY, secret="")

    assert _accepts(forged, now_s=time.time(), secret="")
    with pytest.raises(UnauthenticatedError):
        _authenticate(identity, forged)


@pytest.mark.parametrize(
    "change",
    [
        lambda found, key: changes.remove_user(found, key.user_id),
        lambda found, key: changes.revoke_roles(found, key.user_id, key.project_id, [Role.MEMBER]),
        lambda found, key: replace(found, access_keys=()),
        lambda found, key: replace(found, grants=()),
    ],
    ids=["user removed", "role revoked", "key removed", "grants removed by hand"],
)
def test_what_was_taken_away_counts_at_once(
    change: Callable[[Accounts, AccessKey], Accounts],
    identity: BuiltinIdentity,
    accounts: AccountsFile,
    key: AccessKey,
) -> None:
    sent = _sign_now(key)
    assert _authenticate(identity, sent)

    accounts.change(lambda found: change(found, key))

    with pytest.raises(UnauthenticatedError):
        _authenticate(identity, sent)


def test_what_is_taken_away_while_the_body_arrives_counts(
    identity: BuiltinIdentity, accounts: AccountsFile, key: AccessKey
) -> None:
    async def hash_body(*, keep: bool) -> str:
        accounts.change(lambda found: changes.remove_user(found, key.user_id))
        return NO_BODY

    with pytest.raises(UnauthenticatedError):
        asyncio.run(identity.authenticate_signed(_sign_now(key).with_hash(hash_body)))


@pytest.mark.parametrize("framing", [(b"content-length", b"4"), (b"transfer-encoding", b"chunked")])
def test_an_unsigned_upload_is_authenticated_without_its_body(
    identity: BuiltinIdentity, key: AccessKey, framing: tuple[bytes, bytes]
) -> None:
    async def hash_body(*, keep: bool) -> str:
        raise AssertionError

    sent = _sign_now(key, method="PUT", headers={"Content-Type": OCTETS}, body=b"data")
    sent = sent.without_header(b"content-length").and_header(*framing)

    caller = asyncio.run(identity.authenticate_signed(sent.with_hash(hash_body)))

    assert caller.user_id == key.user_id


def test_a_malformed_signature_is_refused_before_its_body_is_read(
    identity: BuiltinIdentity, key: AccessKey
) -> None:
    async def hash_body(*, keep: bool) -> str:
        raise AssertionError

    sent = _sign_now(key).with_header(b"authorization", b"SDK-HMAC-SHA256 Access=x")

    with pytest.raises(UnauthenticatedError):
        asyncio.run(identity.authenticate_signed(sent.with_hash(hash_body)))
