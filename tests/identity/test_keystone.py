"""A real Keystone's tokens and keys, and what is asked of it: validation, memory, revocation, outages.

The identity runs in this process, Keystone in its own; where calls are counted or held up, `Gateway` stands
between the two. Start reading at `use_identity`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from harness.certificates import make_certificate, server_context
from harness.child import ServiceFailedError
from harness.gateway import Gateway
from harness.keystone import DOMAIN, Keystone
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
from huaweicloudsdkcore.sdk_request import SdkRequest  # type: ignore[import-untyped]
from huaweicloudsdkcore.signer.signer import Signer  # type: ignore[import-untyped]

from transom.domain.errors import TransomError, UnauthenticatedError, UnavailableError
from transom.domain.model import Caller
from transom.domain.organizations import NO_ORGANIZATIONS, Organizations, Unit
from transom.domain.policy import DEFAULT_POLICY
from transom.identity import TokenRequest
from transom.identity.keystone import KeystoneIdentity
from transom.identity.keystone_client import KeyPair, KeystoneClient, ServiceAccount
from transom.identity.signature import SignedRequest

T = TypeVar("T")
TOKENS = "/auth/tokens"
IMAGES = b"/v2/images"
NO_BODY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@contextlib.asynccontextmanager
async def use_identity(
    keystone: Keystone,
    *,
    by: Gateway | None = None,
    cache_s: float = 300,
    tls: ssl.SSLContext | None = None,
    **account: str,
) -> AsyncIterator[KeystoneIdentity]:
    given = {
        "username": "transom",
        "password": keystone.password,
        "project_name": "service",
        "user_domain": DOMAIN,
        "project_domain": DOMAIN,
        **account,
    }
    client = KeystoneClient(by.url if by else keystone.auth_url, ServiceAccount(**given), tls)
    try:
        yield KeystoneIdentity(client, cache_s, DEFAULT_POLICY)
    finally:
        await client.close()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no outage."""
    monkeypatch.setattr("transom.identity.keystone_client.ANSWER_TIMEOUT_S", 120)
    monkeypatch.setattr("transom.identity.keystone_client.PATIENCE_S", 240)


@pytest.fixture
def gateway(keystone: Keystone) -> Iterator[Gateway]:
    with Gateway(keystone.auth_url) as server:
        yield server


def show(
    token: str | None, *, method: str = "GET", path: bytes = IMAGES, service: str | None = None
) -> TokenRequest:
    return TokenRequest(token=token, service_token=service, method=method, raw_path=path)


def authenticate(
    keystone: Keystone, *requests: TokenRequest, cache_s: float = 300
) -> list[Caller | TransomError]:
    """What one identity says to these requests, one after the other."""

    async def ask() -> list[Caller | TransomError]:
        async with use_identity(keystone, cache_s=cache_s) as identity:
            return [await said(identity.authenticate(request)) for request in requests]

    return asyncio.run(ask())


async def said(asked: Awaitable[Caller]) -> Caller | TransomError:
    try:
        return await asked
    except TransomError as error:
        return error


def judge(answer: Caller | TransomError) -> type[object]:
    return type(answer)


# ---- what a token stands for


@pytest.mark.parametrize(
    ("name", "project", "roles", "is_admin"),
    [
        ("demo", "demo", {"member", "reader"}, False),
        ("demo-reader", "demo", {"reader"}, False),
        ("demo-manager", "demo", {"manager", "member", "reader"}, False),
        ("demo-admin", "demo", {"admin", "manager", "member", "reader"}, True),
        ("transom", "service", {"service"}, False),
    ],
)
def test_a_token_stands_for_its_user_project_and_roles(
    keystone: Keystone, name: str, project: str, roles: set[str], is_admin: bool
) -> None:
    [caller] = authenticate(keystone, show(keystone.token(name)))

    assert caller == Caller(
        user_id=keystone.users[name],
        project_id=keystone.projects[project],
        roles=frozenset(roles),
        policy=DEFAULT_POLICY,
        domain_id=DOMAIN,
        user_domain_id=DOMAIN,
    )
    assert caller.is_admin == is_admin


def test_a_known_token_goes_by_the_organisations_in_force(keystone: Keystone) -> None:
    token = keystone.token("demo")
    unit = Unit(name="Unit", urn="urn", above=("organization/unit", "organization/whole"))
    of_project = Organizations(units={"unit": unit}, of_projects={keystone.projects["demo"]: unit})
    of_domain = Organizations(units={"unit": unit}, of_domains={DOMAIN: unit})

    async def ask() -> list[tuple[str, ...]]:
        async with use_identity(keystone) as identity:
            seen = [(await identity.authenticate(show(token))).organizations]
            for organizations in (of_project, of_domain, NO_ORGANIZATIONS):
                identity.use_organizations(organizations)
                seen.append((await identity.authenticate(show(token))).organizations)
            return seen

    assert asyncio.run(ask()) == [(), unit.above, unit.above, ()]


def test_a_role_is_known_in_lower_case(keystone: Keystone) -> None:
    role = f"Publisher-{secrets.token_hex(4)}"
    keystone.roles[role] = keystone.create("roles", {"name": role})["id"]
    keystone.grant("third", "third", role)

    [caller] = authenticate(keystone, show(keystone.token("third")))

    assert isinstance(caller, Caller)
    assert role.lower() in caller.roles


@pytest.mark.parametrize(
    ("scope", "system_scope"),
    [({}, None), ({"domain": {"id": DOMAIN}}, None), ({"system": {"all": True}}, "all")],
    ids=["unscoped", "domain", "system"],
)
def test_a_token_without_a_project_gives_no_rights(
    keystone: Keystone, scope: dict[str, Any], system_scope: str | None
) -> None:
    admin, role = keystone.users["admin"], keystone.roles["admin"]
    assert keystone.admin.put(f"/domains/{DOMAIN}/users/{admin}/roles/{role}").is_success

    [caller] = authenticate(keystone, show(keystone.token("admin", scope)))

    assert isinstance(caller, Caller)
    assert (caller.project_id, caller.domain_id, caller.system_scope) == (None, None, system_scope)
    assert not caller.is_admin


@pytest.mark.parametrize(
    "token", [None, "", " ", "junk", "gAAAAAB" + "A" * 200, "é", "a b", "a\r\nX-Auth-Token: b", "x" * 5000]
)
def test_what_is_no_token_is_refused(keystone: Keystone, token: str | None) -> None:
    [answer] = authenticate(keystone, show(token))

    assert judge(answer) is UnauthenticatedError


# ---- memory


def test_a_known_token_is_asked_for_once(keystone: Keystone, gateway: Gateway) -> None:
    async def ask(token: str) -> None:
        async with use_identity(keystone, by=gateway) as identity:
            await asyncio.gather(*(identity.authenticate(show(token)) for _ in range(50)))
            await identity.authenticate(show(token))

    asyncio.run(ask(keystone.token("demo")))

    assert gateway.count("GET", TOKENS) == 1
    assert gateway.count("POST", TOKENS) == 1


def test_a_bad_token_is_asked_for_once(keystone: Keystone, gateway: Gateway) -> None:
    async def ask() -> list[Caller | TransomError]:
        async with use_identity(keystone, by=gateway) as identity:
            first = await asyncio.gather(*(said(identity.authenticate(show("junk"))) for _ in range(50)))
            return [*first, await said(identity.authenticate(show("junk")))]

    assert set(map(judge, asyncio.run(ask()))) == {UnauthenticatedError}
    assert gateway.count("GET", TOKENS) == 1


def test_without_a_cache_every_request_asks(keystone: Keystone, gateway: Gateway) -> None:
    async def ask(token: str) -> None:
        async with use_identity(keystone, by=gateway, cache_s=0) as identity:
            for _ in range(3):
                await identity.authenticate(show(token))

    asyncio.run(ask(keystone.token("demo")))

    assert gateway.count("GET", TOKENS) == 3


@pytest.mark.parametrize(
    "how", ["token revoked", "user disabled", "project disabled", "role taken", "password changed"]
)
def test_what_was_taken_away_counts_when_keystone_is_asked_again(keystone: Keystone, how: str) -> None:
    name = f"leaver-{secrets.token_hex(4)}"
    keystone.add_user(name, name, "member")
    token, user_id, project_id = keystone.token(name), keystone.users[name], keystone.projects[name]
    grant = f"/projects/{project_id}/users/{user_id}/roles/{keystone.roles['member']}"
    take_away: dict[str, Callable[[], object]] = {
        "token revoked": lambda: keystone.revoke(token),
        "user disabled": lambda: keystone.change("users", user_id, enabled=False),
        "project disabled": lambda: keystone.change("projects", project_id, enabled=False),
        "role taken": lambda: keystone.admin.delete(grant).raise_for_status(),
        "password changed": lambda: keystone.change("users", user_id, password=secrets.token_hex(8)),
    }

    async def ask() -> list[type[object]]:
        async with use_identity(keystone) as patient, use_identity(keystone, cache_s=0) as strict:
            before = [await said(identity.authenticate(show(token))) for identity in (patient, strict)]
            await asyncio.to_thread(take_away[how])
            after = [await said(identity.authenticate(show(token))) for identity in (patient, strict)]
            return [judge(answer) for answer in (*before, *after)]

    assert asyncio.run(ask()) == [Caller, Caller, Caller, UnauthenticatedError]


# ---- service tokens and expired ones


def test_a_service_token_adds_the_roles_of_the_service(keystone: Keystone) -> None:
    token, service = keystone.token("demo"), keystone.token("transom")

    [alone, chained] = authenticate(keystone, show(token), show(token, service=service))

    assert isinstance(alone, Caller)
    assert isinstance(chained, Caller)
    assert alone.service_roles == frozenset()
    assert chained.service_roles == {"service"}
    assert chained.roles == alone.roles


@pytest.mark.parametrize("service", ["junk", "", "of a user"])
def test_a_service_token_that_is_none_spoils_the_request(keystone: Keystone, service: str) -> None:
    token = keystone.token("demo")

    [answer] = authenticate(keystone, show(token, service=token if service == "of a user" else service))

    assert judge(answer) is UnauthenticatedError


def test_an_expired_token_passes_with_a_service_token_alone(keystone: Keystone) -> None:
    token = _make_expired_token(keystone)
    service, other = keystone.token("transom"), keystone.token("alt")

    alone, chained, alone_again, vouched_by_user = authenticate(
        keystone, show(token), show(token, service=service), show(token), show(token, service=other)
    )

    assert judge(alone) is UnauthenticatedError
    assert isinstance(chained, Caller)
    assert chained.user_id == keystone.users["demo"]
    assert judge(alone_again) is UnauthenticatedError
    assert judge(vouched_by_user) is UnauthenticatedError


def test_a_token_is_not_known_longer_than_it_lives(keystone: Keystone) -> None:
    async def ask(life_s: int) -> tuple[type[object], type[object]]:
        async with use_identity(keystone) as identity:
            token = _make_credential(keystone, "demo", expires_in_s=life_s)
            before = judge(await said(identity.authenticate(show(token))))
            await asyncio.to_thread(_wait_until_refused, keystone, token)
            return before, judge(await said(identity.authenticate(show(token))))

    assert _with_time_enough(lambda life_s: asyncio.run(ask(life_s))) == (Caller, UnauthenticatedError)


def _make_expired_token(keystone: Keystone) -> str:
    token = _with_time_enough(lambda life_s: _make_credential(keystone, "demo", expires_in_s=life_s))
    _wait_until_refused(keystone, token)
    return token


def _with_time_enough(use: Callable[[int], T]) -> T:
    """What lives for seconds may be over before a busy machine gets to use it; then it has to live longer."""
    for life_s in (2, 10, 50):
        try:
            found = use(life_s)
        except (ServiceFailedError, httpx.HTTPStatusError):
            continue
        if found != (UnauthenticatedError, UnauthenticatedError):
            return found
    pytest.fail("no token lived long enough to be used")


def _wait_until_refused(keystone: Keystone, token: str) -> None:
    deadline = time.monotonic() + 120
    headers = {"X-Subject-Token": token, "OpenStack-Identity-Access-Rules": "1.0"}
    while keystone.admin.get(TOKENS, headers=headers).status_code != 404:
        assert time.monotonic() < deadline
        # Keystone's clock has to go on: nothing else makes a token expire.
        time.sleep(0.1)


# ---- application credentials


def _make_credential(
    keystone: Keystone,
    name: str,
    *,
    rules: list[dict[str, str]] | None = None,
    expires_in_s: int | None = None,
) -> str:
    """The token of a new application credential of this user."""
    token = keystone.token(name)
    record: dict[str, Any] = {"name": secrets.token_hex(8)}
    if rules is not None:
        record["access_rules"] = rules
    if expires_in_s is not None:
        expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
        record["expires_at"] = expires_at.strftime("%Y-%m-%dT%H:%M:%S.%f")
    answer = keystone.admin.post(
        f"/users/{keystone.users[name]}/application_credentials",
        json={"application_credential": record},
        headers={"X-Auth-Token": token},
    )
    made = answer.raise_for_status().json()["application_credential"]
    credential = {"id": made["id"], "secret": made["secret"]}
    return keystone.log_in({"methods": ["application_credential"], "application_credential": credential})


def _rule(method: str, path: str, service: str = "image") -> dict[str, str]:
    return {"method": method, "path": path, "service": service}


def test_a_credential_without_rules_may_do_all_that_its_roles_allow(keystone: Keystone) -> None:
    [caller] = authenticate(
        keystone, show(_make_credential(keystone, "demo"), method="DELETE", path=b"/v2/images/x")
    )

    assert isinstance(caller, Caller)
    assert caller.project_id == keystone.projects["demo"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", b"/v2/images", True),
        ("GET", b"/v2/images/x", True),
        ("GET", b"/v2/images/%78", True),
        ("GET", b"/v2/images/x%2Ffile", False),
        ("GET", b"/v2/images/x/file", False),
        ("POST", b"/v2/images", False),
        ("PUT", b"/v2/images/x/tags/y", True),
        ("GET", b"/v2/servers", False),
        ("GET", b"/v2/images/\xff", True),
    ],
)
def test_access_rules_are_kept(keystone: Keystone, method: str, path: bytes, allowed: bool) -> None:
    rules = [
        _rule("GET", "/v2/images"),
        _rule("GET", "/v2/images/{image_id}"),
        _rule("PUT", "/v2/images/*/tags/**"),
        _rule("GET", "/v2/servers", "compute"),
    ]
    token = _make_credential(keystone, "demo", rules=rules)

    [answer] = authenticate(keystone, show(token, method=method, path=path))

    assert judge(answer) is (Caller if allowed else UnauthenticatedError)


def test_access_rules_do_not_bind_the_service_that_the_user_asked(keystone: Keystone) -> None:
    token = _make_credential(keystone, "demo", rules=[_rule("POST", "/v2.1/servers", "compute")])
    service = keystone.token("transom")

    alone, chained = authenticate(keystone, show(token), show(token, service=service))

    assert [judge(alone), judge(chained)] == [UnauthenticatedError, Caller]


# ---- outages


@pytest.mark.parametrize("status", [500, 502, 503, 504, 403, 404, 429, 200])
def test_an_answer_that_says_nothing_of_the_token_is_an_outage(
    keystone: Keystone, gateway: Gateway, status: int
) -> None:
    known, unknown = keystone.token("demo"), keystone.token("alt")

    async def ask() -> list[type[object]]:
        async with use_identity(keystone, by=gateway) as identity:
            await identity.authenticate(show(known))
            gateway.refuse = lambda call: status
            during = [judge(await said(identity.authenticate(show(token)))) for token in (known, unknown)]
            gateway.refuse = lambda call: None
            return [*during, judge(await said(identity.authenticate(show(unknown))))]

    assert asyncio.run(ask()) == [Caller, UnavailableError, Caller]


def test_a_keystone_that_does_not_answer_is_an_outage(
    keystone: Keystone, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, unknown = keystone.token("demo"), keystone.token("alt")

    async def ask() -> list[type[object]]:
        async with use_identity(keystone, by=gateway) as identity:
            await identity.authenticate(show(known))
            gateway.hold()
            with monkeypatch.context() as impatient:
                impatient.setattr("transom.identity.keystone_client.PATIENCE_S", 0.2)
                during = [judge(await said(identity.authenticate(show(token)))) for token in (known, unknown)]
            gateway.release()
            return [*during, judge(await said(identity.authenticate(show(unknown))))]

    assert asyncio.run(ask()) == [Caller, UnavailableError, Caller]


def test_a_keystone_that_dies_and_comes_back_is_found_again(keystone: Keystone) -> None:
    known, unknown = keystone.token("demo"), keystone.token("alt")

    async def ask() -> list[Any]:
        async with use_identity(keystone) as identity:
            await identity.authenticate(show(known))
            keystone.kill()
            during = [
                judge(await said(identity.authenticate(show(token)))) for token in (known, unknown, "junk")
            ]
            await asyncio.to_thread(keystone.start)
            return [
                *during,
                *[judge(await said(identity.authenticate(show(token)))) for token in (unknown, "junk")],
            ]

    try:
        found = asyncio.run(ask())
    finally:
        if not keystone.is_running:
            keystone.start()

    assert found == [Caller, UnavailableError, UnavailableError, Caller, UnauthenticatedError]


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_keystone_whose_certificate_is_not_trusted_is_an_outage(
    keystone: Keystone, tmp_path: Path, is_trusted: bool
) -> None:
    path = make_certificate(tmp_path)
    server = server_context(path)
    trust = ssl.create_default_context(cafile=path) if is_trusted else None

    async def ask(token: str, gateway: Gateway) -> tuple[type[object], int]:
        async with use_identity(keystone, by=gateway, tls=trust) as identity:
            return judge(await said(identity.authenticate(show(token)))), gateway.count("POST", TOKENS)

    with Gateway(keystone.auth_url, tls=server) as gateway:
        answer, logins = asyncio.run(ask(keystone.token("demo"), gateway))

    assert (answer, logins) == ((Caller, 1) if is_trusted else (UnavailableError, 0))


# ---- the service's own account


@pytest.mark.parametrize("wrong", [{"password": "guessed"}, {"username": "nobody"}, {"project_name": "demo"}])
def test_a_wrong_account_is_an_outage_told_loudly_and_not_tried_again_at_once(
    keystone: Keystone, gateway: Gateway, caplog: pytest.LogCaptureFixture, wrong: dict[str, str]
) -> None:
    async def ask(token: str) -> list[type[object]]:
        async with use_identity(keystone, by=gateway, cache_s=300, tls=None, **wrong) as identity:
            return [judge(await said(identity.authenticate(show(text)))) for text in (token, "junk", token)]

    assert asyncio.run(ask(keystone.token("demo"))) == [UnavailableError] * 3
    assert gateway.count("POST", TOKENS) == 1
    assert [record.levelno for record in caplog.records if "own account" in record.message] == [
        logging.CRITICAL
    ]
    assert keystone.password not in caplog.text


def test_an_account_without_the_role_is_an_outage(
    keystone: Keystone, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask(token: str) -> type[object]:
        async with use_identity(keystone, username="alt", project_name="alt") as identity:
            return judge(await said(identity.authenticate(show(token))))

    assert asyncio.run(ask(keystone.token("demo"))) is UnavailableError
    assert "does not let us validate a token: 403" in caplog.text


def test_an_own_token_that_keystone_no_longer_takes_is_renewed(keystone: Keystone, gateway: Gateway) -> None:
    async def ask(first: str, second: str) -> list[type[object]]:
        async with use_identity(keystone, by=gateway) as identity:
            before = judge(await said(identity.authenticate(show(first))))
            await asyncio.to_thread(keystone.revoke, gateway.own_token)
            return [before, judge(await said(identity.authenticate(show(second))))]

    assert asyncio.run(ask(keystone.token("demo"), keystone.token("alt"))) == [Caller, Caller]
    assert gateway.count("POST", TOKENS) == 2


def test_an_own_token_is_renewed_ahead_of_its_end_without_making_anybody_wait(
    keystone: Keystone, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.identity.keystone_client.RENEW_AT", 0)

    async def ask(first: str, second: str) -> list[type[object]]:
        async with use_identity(keystone, by=gateway) as identity:
            before = judge(await said(identity.authenticate(show(first))))
            gateway.refuse = lambda call: 503 if call.method == "POST" else None
            return [before, judge(await said(identity.authenticate(show(second))))]

    assert asyncio.run(ask(keystone.token("demo"), keystone.token("alt"))) == [Caller, Caller]


# ---- signed requests


@dataclasses.dataclass(frozen=True)
class Key:
    access: str
    secret: str
    user: str
    project: str


def make_key(keystone: Keystone, user: str, project: str) -> Key:
    made = keystone.make_key(user)
    return Key(made["access"], made["secret"], user, project)


def sign(key: Key, *, project_id: str | None = None, secret: str | None = None) -> SignedRequest:
    """By Huawei's own signer."""
    headers = {"Host": "ims.example"}
    if project_id is not None:
        headers["X-Project-Id"] = project_id
    request = SdkRequest(
        method="GET",
        schema="http",
        host="ims.example",
        resource_path=IMAGES.decode(),
        query_params=[],
        header_params=headers,
        body="",
    )
    signed = Signer(BasicCredentials(key.access, secret or key.secret, key.project)).sign(request)

    async def hash_body(*, keep: bool) -> str:
        return NO_BODY

    return SignedRequest(
        method="GET",
        raw_path=IMAGES,
        query=b"",
        headers=[(name.lower().encode(), value.encode()) for name, value in signed.header_params.items()],
        hash_body=hash_body,
    )


def authenticate_signed(keystone: Keystone, *requests: SignedRequest) -> list[Caller | TransomError]:
    async def ask() -> list[Caller | TransomError]:
        async with use_identity(keystone) as identity:
            return [await said(identity.authenticate_signed(request)) for request in requests]

    return asyncio.run(ask())


def test_a_signed_request_is_its_users_in_the_keys_project(keystone: Keystone) -> None:
    key = make_key(keystone, "demo", "demo")

    expected = Caller(
        user_id=keystone.users["demo"],
        project_id=keystone.projects["demo"],
        roles=frozenset({"member", "reader"}),
        policy=DEFAULT_POLICY,
        domain_id=DOMAIN,
        user_domain_id=DOMAIN,
    )
    assert (
        authenticate_signed(keystone, sign(key), sign(key, project_id=keystone.projects["demo"]))
        == [expected] * 2
    )


def test_a_key_acts_in_no_other_project(keystone: Keystone) -> None:
    keystone.grant("demo", "third", "member")
    key = make_key(keystone, "demo", "demo")

    answers = authenticate_signed(
        keystone, *(sign(key, project_id=project) for project in (keystone.projects["third"], "x", ""))
    )

    assert [str(answer) for answer in answers] == ["The access key may not act in this project."] * 3


def test_an_unknown_key_and_a_wrong_secret_look_alike(keystone: Keystone) -> None:
    key = make_key(keystone, "demo", "demo")

    unknown, wrong = authenticate_signed(
        keystone, sign(dataclasses.replace(key, access="UNKNOWN")), sign(key, secret="guessed")
    )

    assert judge(unknown) is judge(wrong) is UnauthenticatedError
    assert str(unknown) == str(wrong)


def test_keystone_is_asked_for_a_key_and_for_its_user_once(keystone: Keystone, gateway: Gateway) -> None:
    async def ask(key: Key) -> None:
        async with use_identity(keystone, by=gateway) as identity:
            await asyncio.gather(*(identity.authenticate_signed(sign(key)) for _ in range(20)))

    asyncio.run(ask(make_key(keystone, "demo", "demo")))

    assert gateway.count("POST", "/ec2tokens") == 1


@pytest.mark.parametrize("how", ["user disabled", "project disabled", "role taken", "key removed"])
def test_a_key_whose_ground_is_gone_is_refused(keystone: Keystone, how: str) -> None:
    name = f"signer-{secrets.token_hex(4)}"
    keystone.add_user(name, name, "member")
    key = make_key(keystone, name, name)
    user_id, project_id = keystone.users[name], keystone.projects[name]
    grant = f"/projects/{project_id}/users/{user_id}/roles/{keystone.roles['member']}"
    take_away: dict[str, Callable[[], object]] = {
        "user disabled": lambda: keystone.change("users", user_id, enabled=False),
        "project disabled": lambda: keystone.change("projects", project_id, enabled=False),
        "role taken": lambda: keystone.admin.delete(grant).raise_for_status(),
        "key removed": lambda: keystone.admin.delete(
            f"/users/{user_id}/credentials/OS-EC2/{key.access}"
        ).raise_for_status(),
    }
    take_away[how]()

    [answer] = authenticate_signed(keystone, sign(key))

    assert judge(answer) is UnauthenticatedError


def test_a_credential_of_another_type_is_no_key(keystone: Keystone) -> None:
    blob = json.dumps({"access": "not-an-ec2-key", "secret": "known"})
    record = {
        "type": "totp",
        "blob": blob,
        "user_id": keystone.users["demo"],
        "project_id": keystone.projects["demo"],
    }
    keystone.create("credentials", record)

    [answer] = authenticate_signed(keystone, sign(Key("not-an-ec2-key", "known", "demo", "demo")))

    assert judge(answer) is UnauthenticatedError


def test_an_account_that_is_admin_in_its_project_reads_keys_without_a_role_on_the_system(
    keystone: Keystone,
) -> None:
    key = make_key(keystone, "demo", "demo")

    async def ask() -> type[object]:
        async with use_identity(keystone, username="demo-admin", project_name="demo") as identity:
            return judge(await said(identity.authenticate_signed(sign(key))))

    assert asyncio.run(ask()) is Caller


def test_nothing_that_is_logged_or_shown_holds_a_secret() -> None:
    account = ServiceAccount(
        username="u", password="hidden", project_name="p", user_domain="d", project_domain="d"
    )

    assert "hidden" not in f"{account!r} {KeyPair(access='k', secret='hidden')!r}"
