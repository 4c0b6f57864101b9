"""Decisions of the built-in identity: who gets a token, what it is worth, and what ends it."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest

from transom.domain.errors import ConflictError, ForbiddenError, UnauthenticatedError, UnavailableError
from transom.domain.model import Caller
from transom.domain.organizations import NO_ORGANIZATIONS, Organizations, Unit
from transom.domain.policy import DEFAULT_POLICY
from transom.identity import TokenRequest, attempts, builtin, changes
from transom.identity.accounts import AccountsFile, identity_folder, new_project
from transom.identity.builtin import BuiltinIdentity
from transom.identity.credentials import CredentialDraft
from transom.identity.directory import Accounts, Directory, Reference, Role
from transom.identity.logins import CHECKS_AT_ONCE, MOST_WAITING
from transom.identity.sessions import Scope, TokenSession
from transom.identity.tokens import Revocations

LIFETIME_S = 3600
#: Of a token seen before: twice what it takes.
MOST_CALLS = 15
PUBLISHER = Reference(name="publisher")
IN_PUBLISHER = Scope(project=Reference(name="publisher"))

MakeIdentity = Callable[[], BuiltinIdentity]
#: A token and its session.
Login = tuple[str, TokenSession]


@pytest.fixture
def make_identity(data_dir: Path) -> MakeIdentity:
    """Each is what one worker process has."""
    return lambda: BuiltinIdentity(data_dir, LIFETIME_S, DEFAULT_POLICY)


@pytest.fixture
def identity(make_identity: MakeIdentity) -> BuiltinIdentity:
    return make_identity()


@pytest.fixture
def password(clouds: dict[str, Any]) -> str:
    found: str = clouds["publisher"]["auth"]["password"]
    return found


@pytest.fixture
def login(identity: BuiltinIdentity, password: str) -> Login:
    """A token of publisher in project publisher, and its session."""
    return asyncio.run(identity.log_in_with_password(PUBLISHER, password, IN_PUBLISHER))


def _show(token: str | None) -> TokenRequest:
    return TokenRequest(token=token, method="GET", raw_path=b"/v2/images")


def _authenticate(identity: BuiltinIdentity, token: str | None) -> Caller:
    return asyncio.run(identity.authenticate(_show(token)))


def _make_credential(identity: BuiltinIdentity, session: TokenSession, **draft: Any) -> tuple[str, str]:
    """(id, secret)"""
    credential, secret = asyncio.run(identity.create_credential(session, CredentialDraft(**draft)))
    return credential.id, secret


def _log_in_with_credential(identity: BuiltinIdentity, credential_id: str, secret: str) -> Login:
    return asyncio.run(identity.log_in_with_credential(credential_id, None, None, secret))


def test_a_token_stands_for_its_user_project_and_roles(identity: BuiltinIdentity, login: Login) -> None:
    token, session = login

    caller = _authenticate(identity, token)

    assert session.project is not None
    assert caller == Caller(
        user_id=session.user.id,
        project_id=session.project.id,
        roles=frozenset({"member", "reader"}),
        policy=DEFAULT_POLICY,
        domain_id="default",
        user_domain_id="default",
    )


def test_a_known_token_goes_by_the_organisations_in_force(identity: BuiltinIdentity, login: Login) -> None:
    token, session = login
    assert session.project is not None
    unit = Unit(name="Unit", urn="urn", above=("organization/unit", "organization/whole"))
    of_project = Organizations(units={"unit": unit}, of_projects={session.project.id: unit})
    of_domain = Organizations(units={"unit": unit}, of_domains={"default": unit})

    seen = [_authenticate(identity, token).organizations]
    for organizations in (of_project, of_domain, NO_ORGANIZATIONS):
        identity.use_organizations(organizations)
        seen.append(_authenticate(identity, token).organizations)

    assert seen == [(), unit.above, unit.above, ()]


def test_a_second_process_accepts_the_token(make_identity: MakeIdentity, login: Login) -> None:
    assert _authenticate(make_identity(), login[0]).user_id == login[1].user.id


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "\0", "é" * 3000])
def test_what_is_no_token_is_refused(identity: BuiltinIdentity, token: str | None) -> None:
    with pytest.raises(UnauthenticatedError):
        _authenticate(identity, token)


@pytest.mark.parametrize(
    ("who", "is_password_right", "project"),
    [
        (PUBLISHER, False, "publisher"),
        (Reference(name="nobody"), True, "publisher"),
        (Reference(id="nobody"), True, "publisher"),
        (Reference(name="publisher", domain_name="Nowhere"), True, "publisher"),
        (PUBLISHER, True, "nowhere"),
        (PUBLISHER, True, "recipient"),
    ],
)
def test_wrong_user_password_and_project_look_alike(
    identity: BuiltinIdentity, password: str, who: Reference, is_password_right: bool, project: str
) -> None:
    scope = Scope(project=Reference(name=project))
    given = password if is_password_right else "wrong"

    with pytest.raises(UnauthenticatedError) as refusal:
        asyncio.run(identity.log_in_with_password(who, given, scope))

    assert str(refusal.value) == "The request you have made requires authentication."


def test_a_login_without_scope_takes_the_default_project(identity: BuiltinIdentity, password: str) -> None:
    _, session = asyncio.run(identity.log_in_with_password(PUBLISHER, password, Scope()))

    assert session.project is not None
    assert session.project.name == "publisher"


def test_an_expressly_unscoped_login_has_no_project_and_no_roles(
    identity: BuiltinIdentity, password: str
) -> None:
    token, session = asyncio.run(identity.log_in_with_password(PUBLISHER, password, Scope(is_unscoped=True)))

    caller = _authenticate(identity, token)

    assert session.project is None
    assert caller == Caller(
        user_id=session.user.id,
        project_id=None,
        roles=frozenset(),
        policy=DEFAULT_POLICY,
        user_domain_id="default",
    )


def test_a_token_exchanged_for_another_expires_with_the_first(
    identity: BuiltinIdentity, password: str
) -> None:
    first, session = asyncio.run(identity.log_in_with_password(PUBLISHER, password, Scope(is_unscoped=True)))

    _, exchanged = asyncio.run(identity.log_in_with_token(first, IN_PUBLISHER))

    assert exchanged.claims.expires_at == session.claims.expires_at
    assert exchanged.claims.parent_audit_id == session.claims.audit_id
    assert exchanged.claims.methods == ("token", "password")


def test_a_revoked_token_is_refused_by_every_process_at_once(
    identity: BuiltinIdentity, make_identity: MakeIdentity, login: Login
) -> None:
    second = make_identity()
    _authenticate(second, login[0])

    asyncio.run(identity.revoke(login[1].claims, login[1].user.id))

    for process in (identity, second):
        with pytest.raises(UnauthenticatedError):
            _authenticate(process, login[0])


def test_a_user_cannot_fill_the_file_of_revoked_tokens(identity: BuiltinIdentity, login: Login) -> None:
    claims = login[1].claims
    tokens = (msgspec.structs.replace(claims, audit_id=f"one-{number}") for number in range(1000))

    async def revoke_all() -> int:
        revoked = 0
        for token in tokens:
            with contextlib.suppress(UnavailableError):
                await identity.revoke(token, claims.user_id)
                revoked += 1
        await identity.revoke(claims, "another user")
        return revoked

    revoked = asyncio.run(revoke_all())

    assert 500 <= revoked < 600
    with pytest.raises(UnauthenticatedError):
        _authenticate(identity, login[0])


def _remove_user(accounts: Accounts) -> Accounts:
    return changes.remove_user(accounts, Directory(accounts).get_user("publisher").id)


def _revoke_role(accounts: Accounts) -> Accounts:
    directory = Directory(accounts)
    user, project = directory.get_user("publisher"), directory.get_project("publisher")
    return changes.revoke_roles(accounts, user.id, project.id, [Role.MEMBER])


def _set_password(accounts: Accounts) -> Accounts:
    return changes.set_password(accounts, Directory(accounts).get_user("publisher").id, "another hash")


@pytest.mark.parametrize("change", [_remove_user, _revoke_role, _set_password])
def test_what_ends_a_token_ends_it_at_once(
    identity: BuiltinIdentity,
    data_dir: Path,
    login: Login,
    change: Callable[[Accounts], Accounts],
) -> None:
    _authenticate(identity, login[0])

    AccountsFile(data_dir).change(change)

    with pytest.raises(UnauthenticatedError):
        _authenticate(identity, login[0])


def test_a_further_role_counts_at_once_for_tokens_that_exist(
    identity: BuiltinIdentity, data_dir: Path, login: Login
) -> None:
    token, session = login
    project_id = AccountsFile(data_dir).read().get_project("publisher").id

    AccountsFile(data_dir).change(
        lambda accounts: changes.grant_roles(accounts, session.user.id, project_id, [Role.MANAGER])
    )

    assert "manager" in _authenticate(identity, token).roles


def test_a_change_elsewhere_leaves_a_token_alone(
    identity: BuiltinIdentity, data_dir: Path, login: Login
) -> None:
    before = _authenticate(identity, login[0])

    AccountsFile(data_dir).change(lambda accounts: changes.add_project(accounts, new_project("more")))

    assert _authenticate(identity, login[0]) == before


def test_a_login_begun_before_a_change_of_password_gives_a_void_token(
    identity: BuiltinIdentity, data_dir: Path, password: str
) -> None:
    """However the two interleave: the token carries the mark of the password it was checked against."""

    async def log_in_while_it_changes() -> None:
        login = asyncio.create_task(identity.log_in_with_password(PUBLISHER, password, IN_PUBLISHER))
        # One turn of the loop: the task has read the old hash and waits for the thread that checks it.
        await asyncio.sleep(0)
        AccountsFile(data_dir).change(_set_password)
        await login

    with pytest.raises(UnauthenticatedError):
        asyncio.run(log_in_while_it_changes())


def test_changing_the_password_needs_the_old_one(identity: BuiltinIdentity, login: Login) -> None:
    with pytest.raises(UnauthenticatedError):
        asyncio.run(identity.change_password(login[1].user, "wrong", "new"))


def test_the_new_password_works_and_the_old_one_does_not(
    identity: BuiltinIdentity, login: Login, password: str
) -> None:
    asyncio.run(identity.change_password(login[1].user, password, "new"))

    asyncio.run(identity.log_in_with_password(PUBLISHER, "new", IN_PUBLISHER))
    with pytest.raises(UnauthenticatedError):
        asyncio.run(identity.log_in_with_password(PUBLISHER, password, IN_PUBLISHER))


def test_of_two_changes_of_one_password_the_later_is_told(
    identity: BuiltinIdentity, login: Login, password: str
) -> None:
    async def change_twice() -> tuple[BaseException | None, BaseException | None]:
        return await asyncio.gather(
            identity.change_password(login[1].user, password, "one"),
            identity.change_password(login[1].user, password, "two"),
            return_exceptions=True,
        )

    outcomes = asyncio.run(change_twice())

    assert {type(outcome) for outcome in outcomes} == {type(None), ConflictError}


def test_a_credential_logs_in_with_its_roles_in_its_project(identity: BuiltinIdentity, login: Login) -> None:
    credential_id, secret = _make_credential(identity, login[1], name="ci", roles=(Role.READER,))

    token, session = _log_in_with_credential(identity, credential_id, secret)

    assert session.project == login[1].project
    assert _authenticate(identity, token).roles == {"reader"}


def test_a_credential_is_found_by_its_name_and_owner(identity: BuiltinIdentity, login: Login) -> None:
    _, secret = _make_credential(identity, login[1], name="ci")

    _, session = asyncio.run(identity.log_in_with_credential(None, "ci", PUBLISHER, secret))

    assert session.user == login[1].user


def test_a_credential_with_a_wrong_secret_is_refused(identity: BuiltinIdentity, login: Login) -> None:
    credential_id, _ = _make_credential(identity, login[1], name="ci")

    with pytest.raises(UnauthenticatedError):
        _log_in_with_credential(identity, credential_id, "wrong")


def test_a_credential_cannot_give_a_role_its_maker_lacks(identity: BuiltinIdentity, login: Login) -> None:
    with pytest.raises(ForbiddenError):
        _make_credential(identity, login[1], name="ci", roles=(Role.ADMIN,))


@pytest.mark.parametrize("end", ["password", "token", "user", "credential"])
def test_a_credential_is_not_made_by_a_token_that_has_ended_meanwhile(
    identity: BuiltinIdentity, login: Login, data_dir: Path, end: str
) -> None:
    """Whoever has stolen a token and goes on making credentials has one under way whenever the owner changes
    the password and ends all keys."""
    session = login[1]
    if end == "credential":
        made = _make_credential(identity, session, name="first", unrestricted=True)
        session = _log_in_with_credential(identity, *made)[1]

    def finish(accounts: Accounts) -> Accounts:
        if end == "user":
            return changes.remove_user(accounts, session.user.id)
        if end == "password":
            accounts = changes.set_password(accounts, session.user.id, "another hash")
        return changes.remove_secrets(accounts, session.user.id)

    async def make() -> None:
        making = asyncio.create_task(identity.create_credential(session, CredentialDraft(name="late")))
        await asyncio.sleep(0)
        # While its secret is hashed: nothing of it goes on as long as this thread is busy.
        if end == "token":
            others = Revocations(identity_folder(data_dir))
            others.add(session.claims.audit_id, session.claims.expires_at, time.time())
        else:
            AccountsFile(data_dir).change(finish)
        with pytest.raises(UnauthenticatedError):
            await making

    asyncio.run(make())

    left = AccountsFile(data_dir).read().credentials.values()
    assert [one.name for one in left if one.name == "late"] == []


def test_a_deleted_credential_ends_its_tokens(identity: BuiltinIdentity, login: Login) -> None:
    credential_id, secret = _make_credential(identity, login[1], name="ci")
    token, _ = _log_in_with_credential(identity, credential_id, secret)
    _authenticate(identity, token)

    asyncio.run(identity.delete_credential(login[1], login[1].user.id, credential_id))

    with pytest.raises(UnauthenticatedError):
        _authenticate(identity, token)


def test_a_token_does_not_outlive_its_credential(identity: BuiltinIdentity, login: Login) -> None:
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
    credential_id, secret = _make_credential(identity, login[1], name="ci", expires_at=expires_at)

    _, session = _log_in_with_credential(identity, credential_id, secret)

    assert session.claims.expires_at == expires_at.timestamp()


def test_an_expired_credential_is_refused(identity: BuiltinIdentity, login: Login) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    credential_id, secret = _make_credential(identity, login[1], name="ci", expires_at=past)

    with pytest.raises(UnauthenticatedError):
        _log_in_with_credential(identity, credential_id, secret)


def test_a_credentials_token_cannot_be_exchanged(identity: BuiltinIdentity, login: Login) -> None:
    token, _ = _log_in_with_credential(identity, *_make_credential(identity, login[1], name="ci"))

    with pytest.raises(ForbiddenError):
        asyncio.run(identity.log_in_with_token(token, Scope()))


def test_a_restricted_credential_cannot_manage_credentials(identity: BuiltinIdentity, login: Login) -> None:
    made = _make_credential(identity, login[1], name="ci")
    _, session = _log_in_with_credential(identity, *made)

    with pytest.raises(ForbiddenError):
        _make_credential(identity, session, name="another")
    with pytest.raises(ForbiddenError):
        asyncio.run(identity.delete_credential(session, session.user.id, made[0]))


def test_an_unrestricted_credential_can(identity: BuiltinIdentity, login: Login) -> None:
    _, session = _log_in_with_credential(
        identity, *_make_credential(identity, login[1], name="ci", unrestricted=True)
    )

    assert _make_credential(identity, session, name="another")


def _wait_until_refused(identity: BuiltinIdentity, token: str) -> None:
    """What an editor changed is seen at the next of a few looks a second."""
    give_up_at = time.monotonic() + 10
    while time.monotonic() < give_up_at:
        try:
            _authenticate(identity, token)
        except UnavailableError:
            return
    pytest.fail("the malformed file was never seen")


def test_a_malformed_file_stops_everybody_until_it_is_mended(
    identity: BuiltinIdentity, data_dir: Path, login: Login
) -> None:
    """Going on with the old accounts would hide that somebody was removed."""
    path = data_dir / "identity" / "accounts.yaml"
    good = path.read_text()
    _authenticate(identity, login[0])

    path.write_text(good + "nonsense: 1\n")
    _wait_until_refused(identity, login[0])
    path.write_text(good)

    assert _authenticate(identity, login[0])


def test_remembered_tokens_are_bounded(
    identity: BuiltinIdentity, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin, "REMEMBERED_TOKENS", 10)

    async def use_many() -> None:
        for _ in range(15):
            token, _session = await identity.log_in_with_token(login[0], IN_PUBLISHER)
            await identity.authenticate(_show(token))

    asyncio.run(use_many())

    assert len(identity._remembered) == 10


def test_logins_beyond_what_can_wait_are_refused_at_once(identity: BuiltinIdentity) -> None:
    async def flood() -> list[BaseException]:
        logins = [
            asyncio.create_task(identity.log_in_with_password(PUBLISHER, "wrong", IN_PUBLISHER))
            for _ in range(CHECKS_AT_ONCE + MOST_WAITING + 5)
        ]
        done, waiting = await asyncio.wait(logins, return_when=asyncio.FIRST_COMPLETED)
        for login in waiting:
            login.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return [error for error in (login.exception() for login in done) if error is not None]

    refused = asyncio.run(flood())

    # The first to be checked may be refused by now, too, for his password.
    assert sum(isinstance(error, UnavailableError) for error in refused) == 5


def test_the_hot_path_is_short(identity: BuiltinIdentity, data_dir: Path, login: Login) -> None:
    """A token seen before takes look-ups alone: to read the file, to parse or to sign is many calls more.
    Some times a second a call looks at the files besides: so the shortest of several counts."""
    long_ago = time.time() - 60
    for name in ("accounts.yaml", "revoked"):
        os.utime(data_dir / "identity" / name, (long_ago, long_ago))
    calls: list[list[str]] = []

    def note(frame: FrameType, event: str, called: Any) -> None:
        if event in ("call", "c_call"):
            calls[-1].append(frame.f_code.co_name if event == "call" else called.__name__)

    async def count() -> None:
        await identity.authenticate(_show(login[0]))
        credentials = _show(login[0])
        for _ in range(5):
            calls.append([])
            sys.setprofile(note)
            await identity.authenticate(credentials)
            sys.setprofile(None)

    asyncio.run(count())

    assert 0 < min(map(len, calls)) <= MOST_CALLS, calls


@pytest.mark.parametrize("name", ["publisher", "nobody"])
def test_failures_are_counted_by_the_account_however_it_is_spelled(
    identity: BuiltinIdentity, name: str
) -> None:
    """Else each guess could be the first at its account. The spellings of one that does not exist count
    alike: how long a login has to wait must not tell."""
    directory = asyncio.run(identity.directory())
    by_name = [
        Reference(name=name),
        Reference(name=name, domain_id="default"),
        Reference(name=name, domain_name="Default"),
    ]
    by_id = [Reference(id="some-id", name=f"name-{number}") for number in range(3)]

    assert len({attempts.mark_user(directory, who) for who in by_name}) == 1
    assert len({attempts.mark_user(directory, who) for who in by_id}) == 1
    assert len({attempts.mark_credential(directory, "some-id", who.name, None) for who in by_id}) == 1
    assert len({attempts.mark_credential(directory, None, "key", who) for who in by_name}) == 1
