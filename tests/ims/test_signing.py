"""Signed requests over HTTP: what was altered on the way is refused with an IMS body, and does nothing.

The signer here is written from the algorithm (docs/identity.md, Signed requests), and shares no code with
the service or the SDK; requests go out byte by byte as they stand. Every attack starts from a request that
is taken when nobody touches it. Start reading at `sign`.
"""

import dataclasses
import hashlib
import hmac
import http.client
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from uuid import uuid4

import pytest
import yaml
from conftest import IMPORTING, SharedServices
from harness.service import Service
from sharing_calls import (
    BATCH,
    UNKNOWN_ID,
    create_image,
    create_shared_image,
    list_members,
    members_path,
    project_of,
    show_visibility,
)

JSON = "application/json"
OCTETS = "application/octet-stream"
UNSIGNED = "UNSIGNED-PAYLOAD"
HASH_HEADER = "X-Sdk-Content-Sha256"
ALGORITHM = "SDK-HMAC-SHA256"


@pytest.fixture(scope="session")
def service(shared_services: SharedServices) -> Service:
    """Over one database: who signed is judged before any is asked."""
    return shared_services.get("sqlite")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Key:
    """A key pair, as clouds.yaml has it."""

    access: str
    secret: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sent:
    """A request as it goes over the wire: `target` is path and query, header names as they are sent. `first`
    and `last`: headers that somebody puts before and behind them, whether there are such or not."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    first: tuple[tuple[str, str], ...] = ()
    last: tuple[tuple[str, str], ...] = ()

    def with_header(self, name: str, value: str) -> "Sent":
        return dataclasses.replace(self, headers=self.headers | {name: value})

    def without_header(self, name: str) -> "Sent":
        rest = {header: value for header, value in self.headers.items() if header != name}
        return dataclasses.replace(self, headers=rest)

    def and_first(self, name: str, value: str) -> "Sent":
        return dataclasses.replace(self, first=((name, value),))

    def and_last(self, name: str, value: str) -> "Sent":
        return dataclasses.replace(self, last=((name, value),))

    def to(self, method: str, target: str) -> "Sent":
        return dataclasses.replace(self, method=method, target=target)

    def with_body(self, body: bytes) -> "Sent":
        return dataclasses.replace(self, body=body)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: Any  # None when there is none, or none of JSON

    @property
    def code(self) -> str:
        """That of an error of the IMS API, whose body has one shape."""
        assert set(self.body) == {"error"}, self.body
        assert set(self.body["error"]) == {"code", "message"}
        return str(self.body["error"]["code"])


def get_key(service: Service, caller: str) -> Key:
    document = yaml.safe_load((service.data_dir / "clouds.yaml").read_text())
    return Key(access=document["clouds"][caller]["ak"], secret=document["clouds"][caller]["sk"])


def make_date(minutes_ago: float = 0) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes_ago)).strftime("%Y%m%dT%H%M%SZ")


def make_request(service: Service, method: str, target: str, body: object = None, **headers: str) -> Sent:
    """A request with what every signed one has; the names of further headers with `_` for `-`."""
    usual = {"Host": urlsplit(service.url).netloc, "X-Sdk-Date": make_date()}
    if body is not None:
        usual["Content-Type"] = JSON
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    content = b"" if body is None else json.dumps(body).encode()
    return Sent(method=method, target=target, headers=usual | more, body=content)


def sign(sent: Sent, key: Key, but: tuple[str, ...] = ()) -> Sent:
    """Signed with all its headers; those named in `but` are sent and not signed."""
    signed = {name.lower(): value.strip() for name, value in sorted(sent.headers.items()) if name not in but}
    names = ";".join(sorted(signed))
    to_sign = [ALGORITHM, sent.headers["X-Sdk-Date"], sha256(canonical_request(sent, signed).encode())]
    signature = hmac.new(key.secret.encode(), "\n".join(to_sign).encode(), hashlib.sha256).hexdigest()
    return sent.with_header(
        "Authorization", f"{ALGORITHM} Access={key.access}, SignedHeaders={names}, Signature={signature}"
    )


def canonical_request(sent: Sent, signed: dict[str, str]) -> str:
    path, _, query = sent.target.partition("?")
    segments = [quote(unquote(segment), safe="~") for segment in path.split("/")]
    pairs = sorted(
        (quote(name, safe="~"), quote(value, safe="~"))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return "\n".join(
        [
            sent.method,
            "/".join(segments).rstrip("/") + "/",
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            ";".join(sorted(signed)),
            signed.get(HASH_HEADER.lower(), sha256(sent.body)),
        ]
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def send(service: Service, sent: Sent) -> Answer:
    """The answer to the request, sent as it stands; only Content-Length is added."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=30)
    try:
        connection.putrequest(sent.method, sent.target, skip_host=True, skip_accept_encoding=True)
        for name, value in (*sent.first, *sent.headers.items(), *sent.last):
            connection.putheader(name, value)
        if sent.body:
            connection.putheader("Content-Length", str(len(sent.body)))
        connection.endheaders(sent.body or None)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    is_json = (response.getheader("Content-Type") or "").startswith(JSON)
    return Answer(status=response.status, body=json.loads(content) if content and is_json else None)


# ---- what the attacks start from


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offer:
    """A private image of the publisher, and the signed request that would share it with the recipient."""

    service: Service
    image_id: str
    unsigned: Sent
    key: Key

    @property
    def signed(self) -> Sent:
        return sign(self.unsigned, self.key)

    def changed_nothing(self) -> bool:
        members = list_members(self.service, self.image_id)
        return (members, show_visibility(self.service, self.image_id)) == ({}, "private")


@pytest.fixture(params=["batch", "native"])
def offer(request: pytest.FixtureRequest, service: Service) -> Offer:
    """On a path of the extension, and on one that the OpenStack API has too."""
    image_id = create_image(service)
    recipient = project_of(service, "recipient")
    if request.param == "batch":
        body: dict[str, object] = {"images": [image_id], "projects": [recipient]}
        unsigned = make_request(service, "POST", BATCH, body, X_Colour="blue")
    else:
        target = f"/v2/images/{image_id}/members"
        unsigned = make_request(service, "POST", target, {"member": recipient}, X_Colour="blue")
    return Offer(service=service, image_id=image_id, unsigned=unsigned, key=get_key(service, "publisher"))


def test_the_untouched_offer_is_taken(offer: Offer) -> None:
    answer = send(offer.service, offer.signed)

    assert answer.status == 200
    assert list_members(offer.service, offer.image_id) == {project_of(offer.service, "recipient"): "pending"}


def test_the_hash_may_stand_in_a_signed_header(offer: Offer) -> None:
    unsigned = offer.unsigned.with_header(HASH_HEADER, sha256(offer.unsigned.body))

    answer = send(offer.service, sign(unsigned, offer.key))

    assert answer.status == 200
    assert not offer.changed_nothing()


def test_json_may_leave_its_type_unsigned(offer: Offer) -> None:
    answer = send(offer.service, sign(offer.unsigned, offer.key, but=("Content-Type",)))

    assert answer.status == 200


@pytest.mark.parametrize("minutes_ago", [14, -14])
def test_a_clock_may_be_wrong_by_a_quarter_of_an_hour(offer: Offer, minutes_ago: int) -> None:
    unsigned = offer.unsigned.with_header("X-Sdk-Date", make_date(minutes_ago))

    answer = send(offer.service, sign(unsigned, offer.key))

    assert answer.status == 200


def test_a_token_beside_the_signature_is_not_used(shared_services: SharedServices) -> None:
    """Nobody has signed it: whoever adds it would choose what the image is filled with."""
    importing = shared_services.get("sqlite", **IMPORTING)
    image_id = create_image(importing, disk_format="raw", container_format="bare")
    method = {"name": "glance-download", "glance_region": "RegionOne", "glance_image_id": UNKNOWN_ID}
    path = f"/v2/images/{image_id}/import"
    unsigned = make_request(importing, "POST", path, {"method": method})
    signed = sign(unsigned, get_key(importing, "publisher"))

    answers = [send(importing, one) for one in (signed, signed.and_last("X-Auth-Token", "anything"))]

    assert [answer.status for answer in answers] == [400, 400]
    tasks = importing.client("publisher").get(f"/v2/images/{image_id}/tasks").json()
    assert tasks["tasks"] == []


# ---- what was altered after it was signed


def swap_recipient(sent: Sent) -> Sent:
    """The body shares the image with another project; it stays well formed."""
    body = json.loads(sent.body)
    altered = {"member": "evil"} if "member" in body else body | {"projects": ["evil"]}
    return sent.with_body(json.dumps(altered).encode())


def edit_authorization(old: str, new: str) -> Callable[[Sent], Sent]:
    def edit(sent: Sent) -> Sent:
        assert old in sent.headers["Authorization"]
        return sent.with_header("Authorization", sent.headers["Authorization"].replace(old, new))

    return edit


def swap_body_and_hash(sent: Sent) -> Sent:
    altered = swap_recipient(sent)
    return altered.with_header(HASH_HEADER, sha256(altered.body))


ALTERATIONS: dict[str, Callable[[Sent], Sent]] = {
    "body": swap_recipient,
    "body longer by a blank": lambda sent: sent.with_body(sent.body + b" "),
    "body gone": lambda sent: sent.with_body(b""),
    "body and a hash that nobody signed": swap_body_and_hash,
    "body declared unsigned": lambda sent: swap_recipient(sent).with_header(HASH_HEADER, UNSIGNED),
    "body declared unsigned, of another type": lambda sent: (
        swap_recipient(sent).with_header(HASH_HEADER, UNSIGNED).with_header("Content-Type", OCTETS)
    ),
    "a hash that nobody signed": lambda sent: sent.with_header(HASH_HEADER, sha256(sent.body)),
    "query added": lambda sent: sent.to(sent.method, f"{sent.target}?limit=1"),
    "path longer": lambda sent: sent.to(sent.method, f"{sent.target}x"),
    "path under the prefix": lambda sent: sent.to(sent.method, f"/ims{sent.target}"),
    "signed header": lambda sent: sent.with_header("X-Colour", "red"),
    "signed header gone": lambda sent: sent.without_header("X-Colour"),
    "host": lambda sent: sent.with_header("Host", "evil.example"),
    "date": lambda sent: sent.with_header("X-Sdk-Date", make_date(1)),
    "date gone": lambda sent: sent.without_header("X-Sdk-Date"),
    "type": lambda sent: sent.with_header("Content-Type", OCTETS),
    "project added": lambda sent: sent.with_header("X-Project-Id", uuid4().hex),
    "range added": lambda sent: sent.with_header("Range", "bytes=0-0"),
    "header no longer listed": edit_authorization(";x-colour;", ";"),
    "date no longer listed": edit_authorization(";x-sdk-date", ""),
    "host no longer listed": edit_authorization("host;", ""),
    "list empty": lambda sent: sent.with_header(
        "Authorization",
        sent.headers["Authorization"].replace("content-type;host;x-colour;x-sdk-date", ""),
    ),
    "host gone": lambda sent: sent.without_header("Host"),
    "host twice, other first": lambda sent: sent.and_first("Host", "evil.example"),
    "host twice, other last": lambda sent: sent.and_last("host", "evil.example"),
    "date twice": lambda sent: sent.and_last("x-sdk-date", make_date(1)),
    "date twice, alike": lambda sent: sent.and_first("X-SDK-DATE", sent.headers["X-Sdk-Date"]),
    "signed header twice, other first": lambda sent: sent.and_first("x-colour", "red"),
    "signed header twice, other last": lambda sent: sent.and_last("X-COLOUR", "red"),
    "signed header twice, empty": lambda sent: sent.and_last("X-Colour", ""),
    "signed header with a second value": lambda sent: sent.with_header("X-Colour", "blue, red"),
    "signed header over two lines": lambda sent: sent.with_header("X-Colour", "blue\r\n x-project-id:x"),
    "type twice": lambda sent: sent.and_last("content-type", OCTETS),
    "project added twice": lambda sent: sent.and_first("X-Project-Id", "x").and_last("X-Project-Id", "x"),
    "signature twice": lambda sent: sent.and_last("authorization", sent.headers["Authorization"]),
    "signature of nobody before": lambda sent: sent.and_first("Authorization", f"{ALGORITHM} Access=x"),
    "another way in beside it": lambda sent: sent.and_last("Authorization", "Bearer x"),
    "another method asked for": lambda sent: sent.to("PUT", sent.target).and_last(
        "X-HTTP-Method-Override", "POST"
    ),
    "another algorithm": edit_authorization(ALGORITHM, "SDK-HMAC-SM3"),
    "signature of zeros": lambda sent: sent.with_header(
        "Authorization", sent.headers["Authorization"][:-64] + "0" * 64
    ),
    "signature cut": lambda sent: sent.with_header("Authorization", sent.headers["Authorization"][:-1]),
    "signature empty": lambda sent: sent.with_header("Authorization", sent.headers["Authorization"][:-64]),
    "nothing but the algorithm": lambda sent: sent.with_header("Authorization", ALGORITHM),
}
# These are no requests by HTTP itself (RFC 9112, 3.2 and 5.2): the server may refuse them before anybody
# reads them.
NO_HTTP = [
    *("host gone", "host twice, other first", "host twice, other last", "signed header over two lines"),
]


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_request_is_refused_and_does_nothing(offer: Offer, alteration: str) -> None:
    altered = ALTERATIONS[alteration](offer.signed)

    answer = send(offer.service, altered)

    assert altered != offer.signed
    assert answer.status in ((400, 401) if alteration in NO_HTTP else (401,))
    if answer.status == 401:
        assert answer.code == "IMG.0087"
    assert offer.changed_nothing()


@pytest.mark.parametrize("prefix", ["/", "/%2e", "/v2/..", "/."])
def test_no_spelling_of_the_path_is_taken_for_the_signed_one(offer: Offer, prefix: str) -> None:
    """Whether there is such a path is told before who asks; whatever is said, nothing is done."""
    answer = send(offer.service, offer.signed.to("POST", prefix + offer.signed.target))

    assert answer.status >= 300
    assert offer.changed_nothing()


@pytest.mark.parametrize("alteration", ["body", "signature of zeros", "host", "date no longer listed"])
def test_a_token_does_not_help_a_bad_signature(offer: Offer, alteration: str) -> None:
    token = offer.service.token("publisher")

    answer = send(offer.service, ALTERATIONS[alteration](offer.signed).with_header("X-Auth-Token", token))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


def test_a_signature_over_the_old_body_does_not_cover_a_new_one_with_the_old_hash(offer: Offer) -> None:
    """The hash that was signed stays; the body is another."""
    signed = sign(offer.unsigned.with_header(HASH_HEADER, sha256(offer.unsigned.body)), offer.key)

    answer = send(offer.service, swap_recipient(signed))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


def test_a_signed_hash_that_is_swapped_is_refused(offer: Offer) -> None:
    signed = sign(offer.unsigned.with_header(HASH_HEADER, sha256(offer.unsigned.body)), offer.key)

    answer = send(offer.service, swap_body_and_hash(signed))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


@pytest.mark.parametrize("payload", ["0" * 64, "", "STREAMING", UNSIGNED, UNSIGNED.lower()])
def test_a_signed_hash_that_is_not_the_bodys_is_refused(offer: Offer, payload: str) -> None:
    """Of JSON; that it was signed so does not matter."""
    unsigned = offer.unsigned.with_header(HASH_HEADER, payload)

    answer = send(offer.service, sign(unsigned, offer.key))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


def test_an_unsigned_body_without_a_type_is_refused(offer: Offer) -> None:
    unsigned = offer.unsigned.without_header("Content-Type").with_header(HASH_HEADER, UNSIGNED)

    answer = send(offer.service, sign(unsigned, offer.key))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


# ---- what was signed badly


@pytest.mark.parametrize("minutes_ago", [16, -16, 60 * 24 * 365, -60 * 24 * 365])
def test_an_old_or_a_future_date_is_refused(offer: Offer, minutes_ago: int) -> None:
    unsigned = offer.unsigned.with_header("X-Sdk-Date", make_date(minutes_ago))

    answer = send(offer.service, sign(unsigned, offer.key))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


@pytest.mark.parametrize("date", ["", "x", "2026-01-31T12:00:00Z", "20261331T120000Z", "0" * 100])
def test_a_date_that_is_none_is_refused(offer: Offer, date: str) -> None:
    unsigned = offer.unsigned.with_header("X-Sdk-Date", date)

    answer = send(offer.service, sign(unsigned, offer.key))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


def test_the_date_must_be_signed(offer: Offer) -> None:
    answer = send(offer.service, sign(offer.unsigned, offer.key, but=("X-Sdk-Date",)))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


@pytest.mark.parametrize("name", [HASH_HEADER, "Range", "If-Range", "X-Image-Meta-Store"])
def test_what_changes_the_request_must_be_signed_when_it_is_sent(offer: Offer, name: str) -> None:
    value = sha256(offer.unsigned.body) if name == HASH_HEADER else "bytes=0-0"
    unsigned = offer.unsigned.with_header(name, value)

    refused = send(offer.service, sign(unsigned, offer.key, but=(name,)))
    unchanged = offer.changed_nothing()
    taken = send(offer.service, sign(unsigned, offer.key))

    assert (refused.status, refused.code) == (401, "IMG.0087")
    assert unchanged
    assert taken.status == 200


def test_a_type_other_than_json_must_be_signed(offer: Offer) -> None:
    unsigned = offer.unsigned.with_header("Content-Type", "text/plain")

    refused = send(offer.service, sign(unsigned, offer.key, but=("Content-Type",)))

    assert (refused.status, refused.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


def test_an_unknown_key_and_a_wrong_secret_are_told_the_same(offer: Offer) -> None:
    unknown = dataclasses.replace(offer.key, access="F" * 20)
    wrong = dataclasses.replace(offer.key, secret="guessed")

    answers = [send(offer.service, sign(offer.unsigned, key)) for key in (unknown, wrong)]

    assert [answer.status for answer in answers] == [401, 401]
    assert answers[0].body == answers[1].body
    assert answers[0].code == "IMG.0087"
    assert offer.changed_nothing()


def test_an_unknown_key_with_an_empty_secret_is_refused(offer: Offer) -> None:
    answer = send(offer.service, sign(offer.unsigned, Key(access="F" * 20, secret="")))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


def test_the_key_of_another_project_finds_no_image(offer: Offer) -> None:
    """Genuine, and no owner: what it is told does not show that the image exists."""
    answer = send(offer.service, sign(offer.unsigned, get_key(offer.service, "other")))

    # A batch none of whose images the caller knows is refused with the code of an unknown image.
    unknown = (400, "IMG.0027") if offer.unsigned.target == BATCH else (404, "IMG.0027")
    assert (answer.status, answer.code) == unknown
    assert offer.changed_nothing()


@pytest.mark.parametrize("named", ["publisher", "other"])
def test_a_key_does_not_act_in_a_project_where_its_user_has_no_role(offer: Offer, named: str) -> None:
    """The recipient's key: neither in the project of the image's owner, nor in anybody's."""
    unsigned = offer.unsigned.with_header("X-Project-Id", project_of(offer.service, named))

    answer = send(offer.service, sign(unsigned, get_key(offer.service, "recipient")))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


@pytest.mark.parametrize("project_id", ["x", "", "a" * 300])
def test_a_key_does_not_act_in_a_project_that_there_is_not(offer: Offer, project_id: str) -> None:
    unsigned = offer.unsigned.with_header("X-Project-Id", project_id)

    answer = send(offer.service, sign(unsigned, offer.key))

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert offer.changed_nothing()


def test_a_key_acts_in_its_own_project_when_that_is_named(offer: Offer) -> None:
    unsigned = offer.unsigned.with_header("X-Project-Id", project_of(offer.service, "publisher"))

    answer = send(offer.service, sign(unsigned, offer.key))

    assert answer.status == 200


# ---- queries, paths and methods


def sign_by(service: Service, caller: str, method: str, target: str, body: object = None) -> Sent:
    return sign(make_request(service, method, target, body), get_key(service, caller))


@pytest.mark.parametrize(
    "path", ["/v2/images", "/ims/v2/images", "/v1/{project}/cloudimages/{image}/members"]
)
def test_the_order_of_a_query_is_free_and_nothing_else(service: Service, path: str) -> None:
    image_id = create_shared_image(service)
    path = path.format(project=project_of(service, "publisher"), image=image_id)
    signed = sign_by(service, "publisher", "GET", f"{path}?limit=2&colour=blue")
    queries = [
        "colour=blue&limit=2",
        "limit=3&colour=blue",
        "limit=2",
        "limit=2&colour=blue&colour=blue",
        "limit=2&colour=blue&marker=",
        "limit=2&COLOUR=blue",
        "",
    ]

    statuses = [send(service, signed.to("GET", f"{path}?{query}")).status for query in queries]

    assert statuses == [200, 401, 401, 401, 401, 401, 401]


@pytest.mark.parametrize(
    ("signed", "sent", "status"),
    [
        ("name=a+b", "name=a%20b", 200),
        ("name=a+b", "name=a%2Bb", 401),
        ("name=a%2Bb", "name=a+b", 401),
        ("name=a%2Fb", "name=a/b", 200),
        ("name=a%26limit%3D1", "name=a&limit=1", 401),
        ("name=a%3D1", "name=a=1", 200),
        ("name=%C3%A9", "name=%c3%a9", 200),
        ("name=%C3%A9", "name=e%CC%81", 401),
        ("name=%C3%A9", "name=%E9", 401),
        ("name=a", "name=a%00", 401),
        ("name=a", "name=a;limit=1", 401),
        ("name=a", "name=a&name=a", 401),
        ("name=a", "name=a&NAME=a", 401),
        ("name=a", "name=a&", 200),
        ("name=a", "n%61me=%61", 200),
        ("name=", "name", 200),
        ("name=b&name=a", "name=a&name=b", 200),
    ],
)
def test_a_query_is_signed_as_it_is_read(service: Service, signed: str, sent: str, status: int) -> None:
    """However it is written. Of a parameter given twice the order is not signed: the SDKs sort the values."""
    path = "/v2/cloudimages"
    request = sign_by(service, "publisher", "GET", f"{path}?{signed}")

    untouched = send(service, request)
    altered = send(service, request.to("GET", f"{path}?{sent}"))

    assert (untouched.status, altered.status) == (200, status)


@pytest.mark.parametrize(
    ("signed", "sent", "status"),
    [
        ("a%20b", "a+b", 401),
        ("a%2Bb", "a+b", 200),
        ("a+b", "a%20b", 401),
        ("a%252Fb", "a%2Fb", 401),
        ("%C3%A9", "e%CC%81", 401),
        ("%C3%A9", "%c3%a9", 200),
        ("a", "%61", 200),
        ("a", "a%00", 401),
        ("a", "A", 401),
        ("a", "a;b", 401),
        ("a", "a//", 401),
    ],
)
def test_a_path_is_signed_as_it_is_read(service: Service, signed: str, sent: str, status: int) -> None:
    """By what a recipient is withdrawn: what was signed for one name withdraws no other."""
    names = {unquote(signed), unquote(sent).rstrip("/").replace("\0", "")} - {"a%2Fb", "a/b"}
    image_id = create_image(service)
    share = {"images": [image_id], "projects": sorted(names)}
    if names:
        assert send(service, sign_by(service, "publisher", "POST", BATCH, share)).status == 200
    path = f"/v2/images/{image_id}/members"
    request = sign_by(service, "publisher", "DELETE", f"{path}/{signed}")

    answer = send(service, request.to("DELETE", f"{path}/{sent}"))

    left = set(list_members(service, image_id))
    assert answer.status in ((204,) if status == 200 else (400, 401))
    assert left == (names if status != 200 else set())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_body_cannot_be_added_to_what_was_signed_without_one(service: Service, method: str) -> None:
    image_id = create_shared_image(service)
    recipient = project_of(service, "recipient")
    bodies = {
        "POST": {"images": [image_id], "projects": ["evil"]},
        "PUT": {"images": [image_id], "project_id": recipient, "status": "accepted"},
        "DELETE": {"images": [image_id], "projects": [recipient]},
    }
    caller = "recipient" if method == "PUT" else "publisher"
    signed = sign_by(service, caller, method, BATCH)

    without = send(service, signed)
    filled = send(service, signed.with_body(json.dumps(bodies[method]).encode()))

    assert (without.status, without.code) == (400, "IMG.0007")
    assert (filled.status, filled.code) == (401, "IMG.0087")
    assert list_members(service, image_id) == {recipient: "pending"}


def test_a_signature_is_of_one_method(service: Service) -> None:
    """That of showing a recipient does not withdraw it, that of sharing not either."""
    image_id = create_shared_image(service)
    recipient = project_of(service, "recipient")
    member = f"/v2/images/{image_id}/members/{recipient}"
    shown = sign_by(service, "publisher", "GET", member)
    shared = sign_by(service, "publisher", "POST", BATCH, {"images": [image_id], "projects": [recipient]})

    replayed = [send(service, shown.to("DELETE", member)), send(service, shared.to("DELETE", BATCH))]

    assert [answer.code for answer in replayed] == ["IMG.0087", "IMG.0087"]
    assert list_members(service, image_id) == {recipient: "pending"}
    assert [send(service, shown).status, send(service, shared).status] == [200, 200]


def test_a_signature_is_of_one_path(service: Service) -> None:
    """That of withdrawing from one image does not withdraw from another, nor delete it."""
    recipient = project_of(service, "recipient")
    one, another = create_shared_image(service), create_shared_image(service)
    signed = sign_by(service, "publisher", "DELETE", f"/v2/images/{one}/members/{recipient}")
    others = [f"/v2/images/{another}/members/{recipient}", f"/v2/images/{another}", f"/v2/images/{one}"]

    replayed = [send(service, signed.to("DELETE", path)) for path in others]
    untouched = [list_members(service, one), list_members(service, another)]

    assert [(answer.status, answer.code) for answer in replayed] == [(401, "IMG.0087")] * 3
    assert untouched == [{recipient: "pending"}] * 2
    assert send(service, signed).status == 204


def test_an_answer_is_signed_by_the_recipient(service: Service) -> None:
    """The same for the owner's key: what is asked for stands in the body, who asks in the signature."""
    image_id = create_shared_image(service)
    recipient = project_of(service, "recipient")
    body = {"images": [image_id], "project_id": recipient, "status": "accepted"}

    by_owner = send(service, sign_by(service, "publisher", "PUT", BATCH, body))
    before = list_members(service, image_id)
    by_recipient = send(service, sign_by(service, "recipient", "PUT", BATCH, body))

    assert (by_owner.status, by_owner.code) == (400, "IMG.0030")
    assert before == {recipient: "pending"}
    assert by_recipient.status == 200
    assert list_members(service, image_id) == {recipient: "accepted"}


@pytest.mark.parametrize("segment", ["a b", "a%20b", "%C3%A9", "a~b", "a+b", "a%2Bb", "a:b", "a,b=c"])
def test_a_recipient_of_any_name_can_stand_in_a_signed_path(service: Service, segment: str) -> None:
    image_id = create_image(service)
    name = unquote(segment)
    body = {"images": [image_id], "projects": [name]}
    shared = send(service, sign_by(service, "publisher", "POST", BATCH, body))
    wire = quote(name, safe="~+:,=")

    shown = send(
        service,
        sign_by(service, "publisher", "GET", f"{members_path(service, 'publisher', image_id)}/{wire}"),
    )

    assert shared.status == 200
    assert (shown.status, shown.body["member_id"]) == (200, name)


# ---- uploads


def make_upload(service: Service, image_id: str, data: bytes, **headers: str) -> Sent:
    return dataclasses.replace(
        make_request(service, "PUT", f"/v2/images/{image_id}/file", **headers), body=data
    )


def test_an_upload_may_leave_its_body_unsigned(service: Service) -> None:
    image_id = create_image(service, disk_format="raw", container_format="bare")
    unsigned = make_upload(
        service, image_id, b"0123456789", Content_Type=OCTETS, X_Sdk_Content_Sha256=UNSIGNED
    )

    answer = send(service, sign(unsigned, get_key(service, "publisher")))

    assert answer.status == 204
    assert service.client("publisher").get(f"/v2/images/{image_id}/file").content == b"0123456789"


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Sdk_Content_Sha256": UNSIGNED},
        {"X_Sdk_Content_Sha256": UNSIGNED, "Content_Type": JSON},
        {"X_Sdk_Content_Sha256": "0" * 64, "Content_Type": OCTETS},
    ],
    ids=["without a type", "json", "another hash"],
)
def test_an_upload_is_refused_before_its_bytes_are_kept(service: Service, headers: dict[str, str]) -> None:
    image_id = create_image(service, disk_format="raw", container_format="bare")

    answer = send(
        service, sign(make_upload(service, image_id, b"x", **headers), get_key(service, "publisher"))
    )

    assert (answer.status, answer.code) == (401, "IMG.0087")
    assert service.client("publisher").get(f"/v2/images/{image_id}").json()["status"] == "queued"


# ---- the rules that a signature brings


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/v2/images/{UNKNOWN_ID}", 404, "IMG.0027"),
        ("GET", f"/v2/images/{UNKNOWN_ID}/members", 404, "IMG.0027"),
        ("DELETE", f"/v2/images/{UNKNOWN_ID}/members/x", 404, "IMG.0027"),
        ("GET", "/v1/nothing", 404, "IMG.0121"),
        ("GET", "/v2/nothing", 404, "IMG.0121"),
    ],
)
def test_errors_of_signed_requests_have_the_body_of_the_ims_api(
    service: Service, method: str, path: str, status: int, code: str
) -> None:
    answer = send(service, sign_by(service, "publisher", method, path))

    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1.0/cloudimages/members"),
        ("GET", "/v1.0/images"),
        ("PUT", "/nonexistent"),
        ("GET", "/v9/x"),
    ],
)
def test_who_signs_is_told_that_a_root_is_not_there(service: Service, method: str, path: str) -> None:
    answer = send(service, sign(make_request(service, method, path), get_key(service, "publisher")))

    assert answer.status == 404
    assert answer.code


@pytest.mark.parametrize("path", ["/v3", "/v9.9"])
def test_who_signs_may_look_a_version_up(service: Service, path: str) -> None:
    answer = send(service, sign(make_request(service, "GET", path), get_key(service, "publisher")))

    assert answer.status == 300
    assert answer.body["versions"]


def test_the_same_request_with_a_token_has_the_body_of_the_openstack_api(service: Service) -> None:
    response = service.client("publisher").get(f"/v2/images/{UNKNOWN_ID}")

    assert set(response.json()) == {"message", "code", "title"}


def test_a_signed_native_offer_follows_the_rules_of_the_ims_api(service: Service) -> None:
    """It makes a private image shared, where the OpenStack API refuses."""
    image_id = create_image(service)
    target = f"/v2/images/{image_id}/members"
    body = {"member": project_of(service, "recipient")}

    by_token = service.client("publisher").post(target, json=body)
    signed = send(service, sign_by(service, "publisher", "POST", target, body))

    assert by_token.status_code == 403
    assert signed.status == 200
    assert signed.body["member_type"] == "project"
    assert show_visibility(service, image_id) == "shared"
