"""The forms in which the clouds' own clients sign, over HTTP: each is taken, and each altered part refused.

The signer is written from the descriptions of the forms in docs/identity.md and shares no code with the
service: `sdk` (Huawei's SDKs), `golangsdk` (the provider of Huawei Cloud for Terraform), `chained`
(gophertelekomcloud, the SDK of Open Telekom Cloud) and `v11` (the derived keys of Huawei's newer SDKs). The
tests of `sdk` alone are in test_signing.py. Start reading at `Form`.
"""

import dataclasses
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from harness.service import MakeService, Service
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
from huaweicloudsdkcore.region.region import Region  # type: ignore[import-untyped]
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    BatchAddMembersRequest,
    BatchAddMembersRequestBody,
    ImsClient,
    ListImagesRequest,
)
from sharing_calls import BATCH, create_image, list_members, project_of
from test_signing import (
    HASH_HEADER,
    OCTETS,
    Answer,
    Key,
    Sent,
    get_key,
    make_date,
    make_request,
    send,
    sha256,
)

SDK = "SDK-HMAC-SHA256"
V11 = "V11-HMAC-SHA256"
NO_DAY = "20200101"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """How a client signs. `unsigned`: the headers that it sends and does not sign; `scope`: what stands
    behind key and date in its Credential, None for a key that is not derived."""

    algorithm: str = SDK
    scope: str | None = None
    unsigned: tuple[str, ...] = ()

    @property
    def is_chained(self) -> bool:
        return self.scope is not None and self.algorithm == SDK

    def sign(self, sent: Sent, key: Key, day: str = "") -> Sent:
        """`day`: for which the key is derived; empty: that of X-Sdk-Date."""
        signed = {
            name.lower(): re.sub(r"\s+", " ", value) if self.is_chained else value
            for name, value in sent.headers.items()
            if name not in self.unsigned
        }
        names = ";".join(sorted(signed))
        date = sent.headers["X-Sdk-Date"]
        scope = None if self.scope is None else f"{day or date[:8]}/{self.scope}"
        to_sign = [self.algorithm, date, *([scope] if scope else []), sha256(self._canonical(sent, signed))]
        digest = hmac.new(self._derive(key, scope), "\n".join(to_sign).encode(), hashlib.sha256).hexdigest()
        who = f"Access={key.access}" if scope is None else f"Credential={key.access}/{scope}"
        return sent.with_header(
            "Authorization", f"{self.algorithm} {who}, SignedHeaders={names}, Signature={digest}"
        )

    def _canonical(self, sent: Sent, signed: dict[str, str]) -> bytes:
        path, _, query = sent.target.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        payload = signed.get(HASH_HEADER.lower(), sha256(sent.body))
        if self.is_chained:
            if sent.method == "POST" and not sent.body:
                # Go's `url.Values.Encode` stands for the body, and there is no query.
                payload = sha256(urlencode(sorted(pairs, key=lambda pair: pair[0])).encode())
                pairs = []
            first: dict[str, str] = {}
            for name, value in pairs:
                first.setdefault(name, value)
            pairs = sorted(first.items(), key=lambda pair: quote(pair[0], safe="").lower())
        else:
            pairs = sorted(pairs)
        lines = [
            sent.method,
            path.rstrip("/") + "/",
            "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            ";".join(sorted(signed)),
            payload,
        ]
        return "\n".join(lines).encode()

    def _derive(self, key: Key, scope: str | None) -> bytes:
        if scope is None:
            return key.secret.encode()
        if self.algorithm == V11:
            # HKDF-SHA256 (RFC 5869) of one block, which is as long as the key.
            extracted = _hmac(key.access.encode(), key.secret.encode())
            return _hmac(extracted, scope.encode() + b"\x01").hex().encode()
        derived = b"SDK" + key.secret.encode()
        for part in scope.split("/"):
            derived = _hmac(derived, part.encode())
        return derived


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


PLAIN = Form()
GOLANGSDK = Form(unsigned=("Host", "X-Project-Id"))
CHAINED = Form(scope="//sdk_request", unsigned=("X-Project-Id", "X-Domain-Id"))
DERIVED = Form(algorithm=V11, scope="eu-de/ims")
FORMS = {"sdk": PLAIN, "golangsdk": GOLANGSDK, "chained": CHAINED, "v11": DERIVED}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offer:
    """A private image of the publisher, and the request that would share it, in the project it names."""

    service: Service
    image_id: str
    form: Form
    unsigned: Sent
    key: Key

    @property
    def signed(self) -> Sent:
        return self.form.sign(self.unsigned, self.key)

    def changed_nothing(self) -> bool:
        return list_members(self.service, self.image_id) == {}


@pytest.fixture(params=FORMS)
def offer(request: pytest.FixtureRequest, shared_services: Any) -> Offer:
    service: Service = shared_services.get("sqlite")
    image_id = create_image(service)
    body = {"images": [image_id], "projects": [project_of(service, "recipient")]}
    own = project_of(service, "publisher")
    unsigned = make_request(
        service, "POST", f"{BATCH}?colour=blue", body, X_Project_Id=own, X_Language="en-us", Accept="*/*"
    )
    form = FORMS[request.param]
    return Offer(
        service=service,
        image_id=image_id,
        form=form,
        unsigned=unsigned,
        key=get_key(service, "publisher"),
    )


def is_refused(answer: Answer) -> bool:
    return (answer.status, answer.code) == (401, "IMG.0087")


def test_each_form_is_taken(offer: Offer) -> None:
    answer = send(offer.service, offer.signed)

    assert answer.status == 200, answer.body
    assert list_members(offer.service, offer.image_id) == {project_of(offer.service, "recipient"): "pending"}


def _edit(old: str, new: str) -> Callable[[Sent], Sent]:
    def edit(sent: Sent) -> Sent:
        value = re.sub(old, new, sent.headers["Authorization"])
        assert value != sent.headers["Authorization"]
        return sent.with_header("Authorization", value)

    return edit


#: What is refused in every form. A host that a form leaves unsigned is told below.
ALTERATIONS: dict[str, Callable[[Sent], Sent]] = {
    "method": lambda sent: sent.to("DELETE", sent.target),
    "path": lambda sent: sent.to(sent.method, sent.target.replace("/v1/", "/ims/v1/")),
    "query": lambda sent: sent.to(sent.method, sent.target.replace("blue", "red")),
    "query longer": lambda sent: sent.to(sent.method, f"{sent.target}&limit=1"),
    "query gone": lambda sent: sent.to(sent.method, BATCH),
    "body": lambda sent: sent.with_body(sent.body.replace(b'"projects"', b'"project5"')),
    "body longer": lambda sent: sent.with_body(sent.body + b" "),
    "body gone": lambda sent: sent.with_body(b""),
    "signed header": lambda sent: sent.with_header("X-Language", "zh-cn"),
    "signed header gone": lambda sent: sent.without_header("X-Language"),
    "signed header twice": lambda sent: sent.and_last("X-Language", "en-us"),
    "type": lambda sent: sent.with_header("Content-Type", OCTETS),
    "date": lambda sent: sent.with_header("X-Sdk-Date", make_date(1)),
    "hash that nobody signed": lambda sent: sent.with_header(HASH_HEADER, sha256(sent.body)),
    "project of another": lambda sent: sent.with_header("X-Project-Id", "0" * 32),
    "project twice": lambda sent: sent.and_last("X-Project-Id", sent.headers["X-Project-Id"]),
    "domain of another": lambda sent: sent.with_header("X-Domain-Id", "elsewhere"),
    "key": _edit(r"(Access|Credential)=\w", r"\1=_"),
    "header no longer listed": _edit("x-language;", ""),
    "list in another order": _edit("content-type;", "zcontent-type;"),
    "doubled key": _edit(r"(Access|Credential)=([^,]+)", r"\1=\2, \1=\2"),
    "doubled signature": _edit(r"(Signature=\w+)$", r"\1, \1"),
    "signature in upper case": lambda sent: sent.with_header(
        "Authorization", sent.headers["Authorization"][:-64] + sent.headers["Authorization"][-64:].upper()
    ),
    "signature cut": _edit(r".$", ""),
    "algorithm of the other scheme": lambda sent: sent.with_header(
        "Authorization", swap_algorithm(sent.headers["Authorization"])
    ),
    "unknown algorithm": _edit(r"^\S+", "SDK-HMAC-SM3"),
    "algorithm in lower case": lambda sent: sent.with_header(
        "Authorization", re.sub(r"^\S+", lambda word: word[0].lower(), sent.headers["Authorization"])
    ),
}


def swap_algorithm(value: str) -> str:
    return value.replace(V11, SDK) if value.startswith(V11) else value.replace(SDK, V11)


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_request_is_refused_in_each_form(offer: Offer, alteration: str) -> None:
    answer = send(offer.service, ALTERATIONS[alteration](offer.signed))

    assert is_refused(answer)
    assert offer.changed_nothing()


@pytest.mark.parametrize("offer", ["chained", "v11"], indirect=True)
@pytest.mark.parametrize(
    "scope",
    [
        "{key}/{day}",
        "{key}/{day}/sdk_request",
        "{key}/{day}/eu-de/ims/sdk_request/more",
        "{key}/{day}//ims/sdk_request",
        "{key}/{day}//ims",
        "{key}/{day}/eu de/ims",
        "{key}/20201301/eu-de/ims",
        "{key}/{day}x/eu-de/ims",
        "{key}/ims/eu-de/{day}",
        "/{day}/eu-de/ims/sdk_request",
        "{key}",
        "{key}/",
    ],
)
def test_a_scope_that_was_not_signed_is_refused(offer: Offer, scope: str) -> None:
    value = scope.format(key=offer.key.access, day=offer.unsigned.headers["X-Sdk-Date"][:8])
    altered = _edit(r"Credential=[^,]*", f"Credential={value}")(offer.signed)

    answer = send(offer.service, altered)

    assert is_refused(answer)
    assert offer.changed_nothing()


@pytest.mark.parametrize("offer", ["chained", "v11"], indirect=True)
def test_the_day_of_a_derived_key_is_that_of_the_request(offer: Offer) -> None:
    """The signature is genuine, of a key that was derived for another day."""
    answer = send(offer.service, offer.form.sign(offer.unsigned, offer.key, NO_DAY))

    assert is_refused(answer)
    assert "not that of X-Sdk-Date" in answer.body["error"]["message"]
    assert offer.changed_nothing()


@pytest.mark.parametrize("name", ["Host", "X-Project-Id", "X-Sdk-Date"])
def test_what_a_form_signs_it_must_sign(offer: Offer, name: str) -> None:
    """Only `golangsdk` leaves Host out, and it shares its scheme with `sdk`; only `v11` signs the project."""
    is_free = {
        "Host": offer.form in (PLAIN, GOLANGSDK),
        "X-Project-Id": offer.form is not DERIVED,
        "X-Sdk-Date": False,
    }
    less = dataclasses.replace(offer.form, unsigned=(*offer.form.unsigned, name))

    answer = send(offer.service, less.sign(offer.unsigned, offer.key))

    assert (answer.status == 200) is is_free[name]
    assert offer.changed_nothing() is not is_free[name]


def test_strict_wants_host_and_project_signed(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_SIGNED_HEADERS="strict")
    key, own = get_key(service, "publisher"), project_of(service, "publisher")
    unsigned = make_request(service, "GET", "/v2/cloudimages", X_Project_Id=own)

    statuses = {name: send(service, form.sign(unsigned, key)).status for name, form in FORMS.items()}
    without = unsigned.without_header("X-Project-Id")
    chained = send(service, CHAINED.sign(without, key))

    assert statuses == {"sdk": 200, "golangsdk": 401, "chained": 401, "v11": 200}
    assert chained.status == 200


def test_a_chained_query_is_signed_as_its_client_signs(shared_services: Any) -> None:
    """Of a repeated parameter the first value; names without regard to case; blanks of headers as one."""
    service: Service = shared_services.get("sqlite")
    unsigned = make_request(
        service, "GET", "/v2/cloudimages?b=2&B_a=1&a=x+y&limit=2&limit=3", User_Agent="go  sdk"
    )

    answer = send(service, CHAINED.sign(unsigned, get_key(service, "publisher")))

    assert answer.status == 200


def test_a_chained_post_without_a_body_has_its_query_for_one(shared_services: Any) -> None:
    service: Service = shared_services.get("sqlite")
    key, image_id = get_key(service, "publisher"), create_image(service)
    path = f"/v2/images/{image_id}/actions/deactivate"
    signed = CHAINED.sign(make_request(service, "POST", f"{path}?b=x+y&a=%C3%BC&b=1"), key)

    altered = send(service, signed.to("POST", f"{path}?b=x+y&a=%C3%BC&b=2"))
    answer = send(service, signed)

    assert is_refused(altered)
    assert answer.status != 401


# ---- bodies


@pytest.mark.parametrize(("size", "status"), [(12 << 20, 204), ((12 << 20) + 1, 413)])
@pytest.mark.parametrize("form", FORMS)
def test_an_upload_whose_body_is_signed_may_have_12_mib(
    shared_services: Any, form: str, size: int, status: int
) -> None:
    """The bound of the clouds' own gateway."""
    service: Service = shared_services.get("sqlite")
    image_id = create_image(service, disk_format="raw", container_format="bare")
    data = b"\0" * size
    upload = make_request(service, "PUT", f"/v2/images/{image_id}/file", Content_Type=OCTETS)

    signed = FORMS[form].sign(dataclasses.replace(upload, body=data), get_key(service, "publisher"))
    answer = send(service, signed)

    assert answer.status == status
    assert service.client("publisher").get(f"/v2/images/{image_id}").json()["status"] == (
        "active" if status == 204 else "queued"
    )


def test_json_stays_within_its_own_bound(shared_services: Any) -> None:
    service: Service = shared_services.get("sqlite")
    body = {"images": ["x" * (1 << 20)], "projects": ["x"]}
    signed = PLAIN.sign(make_request(service, "POST", BATCH, body), get_key(service, "publisher"))

    assert send(service, signed).status in (400, 413)


# ---- Huawei's SDK itself, with derived keys


def test_the_sdk_shares_an_image_with_derived_keys(shared_services: Any) -> None:
    service: Service = shared_services.get("sqlite")
    image_id, recipient = create_image(service), project_of(service, "recipient")
    key = get_key(service, "publisher")
    credentials = BasicCredentials(key.access, key.secret, project_of(service, "publisher"))
    credentials.with_derived_predicate(lambda _request: True)
    client = (
        ImsClient.new_builder()
        .with_credentials(credentials)
        .with_region(Region("eu-de", service.url))
        .build()
    )
    client._derived_auth_service_name = "ims"
    credentials._process_derived_auth_params("ims", "eu-de")

    listed = client.list_images(ListImagesRequest(id=image_id))
    job = client.batch_add_members(
        BatchAddMembersRequest(body=BatchAddMembersRequestBody(images=[image_id], projects=[recipient]))
    )

    assert [image.id for image in listed.images] == [image_id]
    assert job.job_id
    assert list_members(service, image_id) == {recipient: "pending"}
