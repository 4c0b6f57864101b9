"""Recipients looked up at a real Keystone: what exists, how often it is asked, and what an outage means.

The contract is docs/identity.md (Recipients).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from domain.samples import caller
from harness.forks import forked_service
from harness.gateway import Gateway
from harness.keystone import DOMAIN, Keystone

from transom.domain.errors import UnavailableError
from transom.domain.organizations import NO_ORGANIZATIONS
from transom.domain.policy import DEFAULT_POLICY
from transom.domain.recipients import MemberType, domain_key
from transom.identity import Names
from transom.identity.keystone import KeystoneIdentity
from transom.identity.keystone_client import KeystoneClient, ServiceAccount
from transom.sharing.names import NameBook
from transom.sharing.recipients import Recipients

ABSENT = "no-such-project"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no outage."""
    monkeypatch.setattr("transom.identity.keystone_client.ANSWER_TIMEOUT_S", 120)
    monkeypatch.setattr("transom.identity.keystone_client.PATIENCE_S", 240)
    monkeypatch.setattr("transom.sharing.recipients.PATIENCE_S", 240)
    monkeypatch.setattr("transom.identity.keystone.NAMES_PATIENCE_S", 240)


@pytest.fixture
def gateway(keystone: Keystone) -> Iterator[Gateway]:
    with Gateway(keystone.auth_url) as server:
        yield server


@contextlib.asynccontextmanager
async def use_identity(
    keystone: Keystone, by: Gateway | None = None, cache_s: float = 300, user: str = "transom"
) -> AsyncIterator[KeystoneIdentity]:
    account = ServiceAccount(
        username=user,
        password=keystone.password,
        project_name="service" if user == "transom" else keystone.clouds[user].project_name,
        user_domain=DOMAIN,
        project_domain=DOMAIN,
    )
    client = KeystoneClient(by.url if by else keystone.auth_url, account, None)
    try:
        yield KeystoneIdentity(client, cache_s, DEFAULT_POLICY)
    finally:
        await client.close()


def has(keystone: Keystone, kind: MemberType, own_id: str, user: str = "transom") -> bool:
    async def ask() -> bool:
        async with use_identity(keystone, user=user) as identity:
            return await identity.has_recipient(kind, own_id)

    return asyncio.run(ask())


def test_a_project_is_found_by_an_account_with_a_role_on_the_system(keystone: Keystone) -> None:
    assert has(keystone, MemberType.PROJECT, keystone.projects["alt"])


def test_a_project_is_found_by_an_account_that_is_admin_in_its_project(keystone: Keystone) -> None:
    assert has(keystone, MemberType.PROJECT, keystone.projects["alt"], "demo-admin")


def test_a_domain_is_found(keystone: Keystone) -> None:
    assert has(keystone, MemberType.DOMAIN, DOMAIN)


def test_a_disabled_project_exists(keystone: Keystone) -> None:
    record = {"name": secrets.token_hex(8), "domain_id": DOMAIN, "enabled": False}
    project_id = keystone.create("projects", record)["id"]

    assert has(keystone, MemberType.PROJECT, project_id)


@pytest.mark.parametrize(
    "own_id", [ABSENT, DOMAIN, "", ".", "..", "../domains", "a/b", "a?b", "a#b", "100%", "é", "a" * 65]
)
def test_what_is_no_project_is_not_found(keystone: Keystone, own_id: str) -> None:
    assert not has(keystone, MemberType.PROJECT, own_id)


def test_a_project_is_no_domain(keystone: Keystone) -> None:
    assert not has(keystone, MemberType.DOMAIN, keystone.projects["alt"])


def test_an_account_that_may_not_look_finds_nothing_out(keystone: Keystone) -> None:
    with pytest.raises(UnavailableError):
        has(keystone, MemberType.PROJECT, keystone.projects["alt"], "demo")


def test_a_recipient_is_asked_for_once(keystone: Keystone, gateway: Gateway) -> None:
    known = keystone.projects["alt"]

    async def ask() -> frozenset[str]:
        async with use_identity(keystone, gateway) as identity:
            recipients = Recipients(identity)
            await asyncio.gather(*(recipients.find_unknown(caller(), [known, ABSENT]) for _ in range(20)))
            return await recipients.find_unknown(
                caller(), [known, ABSENT, domain_key(DOMAIN), domain_key(ABSENT)]
            )

    assert asyncio.run(ask()) == {ABSENT, domain_key(ABSENT)}
    # The first is refused to the token of the project, and asked again with that of the system.
    assert gateway.count("GET", f"/projects/{ABSENT}") <= 2
    assert gateway.count("GET", f"/projects/{known}") + gateway.count("GET", f"/projects/{ABSENT}") <= 4


def test_without_a_cache_a_recipient_is_asked_for_each_time(keystone: Keystone, gateway: Gateway) -> None:
    known = keystone.projects["alt"]

    async def ask() -> None:
        async with use_identity(keystone, gateway, cache_s=0) as identity:
            await identity.has_recipient(MemberType.DOMAIN, DOMAIN)
            for _ in range(3):
                await identity.has_recipient(MemberType.PROJECT, known)

    asyncio.run(ask())

    assert gateway.count("GET", f"/projects/{known}") >= 3


@pytest.mark.parametrize("status", [500, 503, 403, 404, 429, 200])
def test_an_answer_that_says_nothing_of_the_project_is_an_outage(
    keystone: Keystone, gateway: Gateway, status: int
) -> None:
    """A 404 of a proxy that has lost its Keystone is none of Keystone."""
    known, asked = keystone.projects["alt"], keystone.projects["third"]

    async def ask() -> frozenset[str]:
        async with use_identity(keystone, gateway) as identity:
            recipients = Recipients(identity)
            await recipients.find_unknown(caller(), [known])
            gateway.refuse = lambda call: status
            during = await recipients.find_unknown(caller(), [known])
            with pytest.raises(UnavailableError):
                await recipients.find_unknown(caller(), [known, asked])
            gateway.refuse = lambda call: None
            return during | await recipients.find_unknown(caller(), [asked])

    assert asyncio.run(ask()) == frozenset()


def test_look_ups_that_take_too_long_are_an_outage(
    keystone: Keystone, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.sharing.recipients.PATIENCE_S", 0.05)

    async def ask() -> None:
        async with use_identity(keystone, gateway) as identity:
            await identity.has_recipient(MemberType.DOMAIN, DOMAIN)
            gateway.hold()
            await Recipients(identity).find_unknown(caller(), [f"project-{n}" for n in range(100)])

    with pytest.raises(UnavailableError):
        asyncio.run(ask())


def test_the_whole_service_shares_with_no_project_that_it_cannot_look_up(
    keystone: Keystone, gateway: Gateway, tmp_path: Path
) -> None:
    settings = {"TRANSOM_KEYSTONE_AUTH_URL": gateway.url, "TRANSOM_CHECK_RECIPIENTS": "true"}
    recipient = {"member": keystone.projects["alt"]}
    with forked_service(tmp_path, None, {**keystone.settings(), **settings}) as service:
        service.use_clouds(keystone.clouds)
        publisher = service.client("demo")
        image_id = publisher.post("/v2/images", json={"visibility": "shared"}).json()["id"]
        members, batches = f"/v2/images/{image_id}/members", "/v1/cloudimages/members"
        batch = {"images": [image_id], "projects": [keystone.projects["alt"]]}

        gateway.refuse = lambda call: 503
        during = [publisher.post(members, json=recipient), publisher.post(batches, json=batch)]
        after_outage = publisher.get(members).json()["members"]
        gateway.refuse = lambda call: None
        absent = publisher.post(members, json={"member": ABSENT})
        present = publisher.post(members, json=recipient)

    assert [answer.status_code for answer in during] == [503, 503]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in during)
    assert after_outage == []
    assert (absent.status_code, ABSENT in absent.text) == (404, True)
    assert present.status_code == 200


# ---- names


def names_of(
    keystone: Keystone, *member_ids: str, by: Gateway | None = None, user: str = "transom"
) -> dict[str, Names]:
    async def ask() -> dict[str, Names]:
        async with use_identity(keystone, by, user=user) as identity:
            await NameBook(identity, NO_ORGANIZATIONS).find(member_ids)
            return dict(await NameBook(identity, NO_ORGANIZATIONS).find([*member_ids, None]))

    return asyncio.run(ask())


def test_projects_and_domains_are_called_what_keystone_calls_them(
    keystone: Keystone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.sharing.names.PATIENCE_S", 60.0)
    project, domain = keystone.projects["alt"], domain_key(DOMAIN)

    found = names_of(keystone, project, domain, ABSENT)

    assert found == {
        project: Names(name="alt", domain_id=DOMAIN, domain_name="Default"),
        domain: Names(name="Default"),
    }


def test_users_are_called_what_keystone_calls_them(keystone: Keystone) -> None:
    async def ask() -> list[Names | None]:
        async with use_identity(keystone) as identity:
            user_id = keystone.users["alt"]
            return [await identity.find_user_names(one) for one in (user_id, user_id.upper(), ABSENT)]

    assert asyncio.run(ask()) == [Names(name="alt", domain_id=DOMAIN, domain_name="Default"), None, None]


def test_an_account_that_may_not_look_learns_no_names_of_users(keystone: Keystone) -> None:
    async def ask() -> Names | None:
        async with use_identity(keystone, user="demo") as identity:
            return await identity.find_user_names(keystone.users["alt"])

    assert asyncio.run(ask()) is None


def test_a_name_is_asked_for_once(
    keystone: Keystone, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.sharing.names.PATIENCE_S", 60.0)
    project = keystone.projects["alt"]

    found = names_of(keystone, project, by=gateway)

    assert found.keys() == {project}
    assert 1 <= gateway.count("GET", f"/projects/{project}") <= 2


def test_names_that_are_not_found_out_soon_are_left_out(
    keystone: Keystone, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.sharing.names.PATIENCE_S", 0.5)
    project = keystone.projects["alt"]

    async def ask() -> dict[str, Names]:
        async with use_identity(keystone, gateway) as identity:
            while not await NameBook(identity, NO_ORGANIZATIONS).find([project]):
                pass
            gateway.hold()
            return dict(
                await NameBook(identity, NO_ORGANIZATIONS).find([project, ABSENT, keystone.projects["demo"]])
            )

    assert asyncio.run(ask()).keys() == {project}


def test_an_account_that_may_not_look_learns_no_names(keystone: Keystone) -> None:
    assert names_of(keystone, keystone.projects["alt"], user="demo") == {}
