"""The keys of a user at a real Keystone, with which the object store is asked (docs/object-store.md)."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from harness.keystone import DOMAIN, Keystone

from transom.domain.errors import UnavailableError
from transom.identity.keystone_client import KeystoneClient, ServiceAccount
from transom.identity.keystone_keys import find_key_of


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no outage."""
    monkeypatch.setattr("transom.identity.keystone_client.ANSWER_TIMEOUT_S", 120)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def client(keystone: Keystone, role_on_system: str | None = "reader") -> AsyncIterator[KeystoneClient]:
    """As an account of the service, made for this test."""
    name = f"service-{secrets.token_hex(4)}"
    keystone.add_user(name, "service", "service")
    if role_on_system is not None:
        keystone.grant_on_system(name, role_on_system)
    account = ServiceAccount(
        username=name,
        password=keystone.password,
        project_name="service",
        user_domain=DOMAIN,
        project_domain=DOMAIN,
    )
    found = KeystoneClient(keystone.auth_url, account, None)
    try:
        yield found
    finally:
        await found.close()


def make_user(keystone: Keystone) -> str:
    name = f"keyed-{secrets.token_hex(4)}"
    keystone.add_user(name, "demo", "member")
    return name


@pytest.mark.anyio
async def test_a_key_of_the_user_in_the_project_is_found(keystone: Keystone) -> None:
    name, project_id = make_user(keystone), keystone.projects["demo"]
    made = sorted((keystone.make_key(name) for _ in range(2)), key=lambda key: key["access"])

    async with client(keystone) as asked:
        found = await find_key_of(asked, keystone.users[name], project_id)
        elsewhere = await find_key_of(asked, keystone.users[name], keystone.projects["alt"])
        nobodys = await find_key_of(asked, "no-such-user", project_id)

    assert found is not None
    assert (found.access, found.secret) == (made[0]["access"], made[0]["secret"])
    assert (elsewhere, nobodys) == (None, None)


@pytest.mark.anyio
async def test_a_key_that_stands_for_less_than_the_user_is_left_aside(keystone: Keystone) -> None:
    name, project_id = make_user(keystone), keystone.projects["demo"]
    for blob in (
        {"access": "0delegated", "secret": "s", "app_cred_id": "a"},
        {"access": "0trusted", "secret": "s", "trust_id": "t"},
        {"access": "0malformed"},
    ):
        record = {"type": "ec2", "blob": json.dumps(blob), "user_id": keystone.users[name]}
        keystone.create("credentials", record | {"project_id": project_id})

    async with client(keystone) as asked:
        before = await find_key_of(asked, keystone.users[name], project_id)
        made = keystone.make_key(name)
        after = await find_key_of(asked, keystone.users[name], project_id)

    assert before is None
    assert after is not None
    assert after.access == made["access"]


@pytest.mark.anyio
async def test_without_a_role_on_the_system_nobodys_keys_are_known(keystone: Keystone) -> None:
    async with client(keystone, None) as asked:
        with pytest.raises(UnavailableError):
            await find_key_of(asked, keystone.users["demo"], keystone.projects["demo"])
