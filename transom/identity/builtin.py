"""The built-in identity: logs users in against the accounts file and says whom a token stands for.

`authenticate` is on the path of every request and costs a dictionary look-up when neither the accounts nor
the revocations changed. Their files are read in a thread, so that a disk that hangs, or a long file, holds up
no request but those that need them. All else is for the Keystone API in `api/identity`, but this module knows
no HTTP.
"""

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from transom.domain.errors import ForbiddenError, UnauthenticatedError, UnavailableError
from transom.domain.model import Caller, Policy
from transom.domain.organizations import NO_ORGANIZATIONS, Organizations
from transom.domain.recipients import MemberType
from transom.identity import Names, TokenRequest, changes
from transom.identity.access_rules import IMAGE, AccessRule, require_allowed
from transom.identity.account_names import names_in, user_names_in
from transom.identity.accounts import AccountsFile, identity_folder
from transom.identity.attempts import attempt_at, mark_credential, mark_user
from transom.identity.credentials import (
    CredentialDraft,
    add_owner,
    find_credential,
    has_expired,
    require_own_rules,
)
from transom.identity.directory import (
    NOBODY,
    Accounts,
    AccountsError,
    ApplicationCredential,
    Directory,
    Domain,
    Project,
    Reference,
    User,
)
from transom.identity.durable import ChangeCount
from transom.identity.logins import mark_account
from transom.identity.passwords import REFUSED, PasswordChecker
from transom.identity.sessions import (
    Place,
    Scope,
    Session,
    TokenSession,
    make_key_session,
    make_token_session,
    require_unrestricted,
    resolve_scope,
)
from transom.identity.signature import SignedRequest, is_genuine, read_signature
from transom.identity.tokens import (
    INVALID,
    Claims,
    Revocations,
    load_signing_key,
    make_audit_id,
    mark_password,
    read_token,
    sign_token,
)
from transom.rate_limit import RateLimit
from transom.threads import Threads

logger = logging.getLogger(__name__)

#: Tokens that a user may revoke at once at a worker, and seconds for each further one.
_REVOKED_AT_ONCE = 500
_REVOKED_EACH_S = 10.0
#: Threads that write accounts and revocations: one waits for the lock that another holds.
_WRITERS = 2
_TOO_MANY_REVOKED = "Too many tokens were revoked. Try again in a few seconds, or change the password."
#: Tokens a worker remembers as valid; about 1 KiB each.
REMEMBERED_TOKENS = 4096


class _Remembered(NamedTuple):
    """A token that was found valid. `expires_at`: seconds since the epoch."""

    caller: Caller
    expires_at: int
    access_rules: tuple[AccessRule, ...] | None


class BuiltinIdentity:
    """Fills the `Identity` protocol. One per worker process, used by its event loop only."""

    def __init__(
        self,
        data_dir: Path,
        token_lifetime_s: int,
        policy: Policy,
        *,
        has_strict_signatures: bool = False,
        region: str | None = None,
    ) -> None:
        """`policy`: the rules that judge the callers. `has_strict_signatures`: see `read_signature`.
        `region`: see `resolve_scope`. Raises AccountsError when the signing key is damaged. The accounts
        are read by the first request: a worker that starts while their file is malformed answers as the
        others do."""
        folder = identity_folder(data_dir)
        self._changes = ChangeCount(folder)
        #: How many changes of the files were noticed, and how many of them had happened when these were read.
        self._noticed = 1
        self._read = 0
        self._reading: asyncio.Task[tuple[int, Exception | None]] | None = None
        self._accounts = AccountsFile(data_dir)
        self._directory = NOBODY
        self._key = load_signing_key(folder)
        self._revocations = Revocations(folder)
        self._revocations_version = self._revocations.refresh()
        self._revoking = RateLimit(_REVOKED_AT_ONCE, _REVOKED_EACH_S, time.monotonic)
        self._passwords = PasswordChecker()
        self._readers = Threads("accounts", 1)
        self._writers = Threads("changes of accounts", _WRITERS)
        self._token_lifetime_s = token_lifetime_s
        self._policy = policy
        self._organizations = NO_ORGANIZATIONS
        self._remembered: dict[str, _Remembered] = {}
        self._has_strict_signatures = has_strict_signatures
        self._region = region
        self._reported = ""

    @property
    def is_reachable(self) -> bool:
        """See `Identity`. Before anything was asked nothing is known to be wrong."""
        return self._read == self._noticed or not self._reported

    @property
    def answered_in_s(self) -> None:
        """See `Identity`: it is a part of the service."""
        return None

    def use_policy(self, policy: Policy) -> None:
        """See `Identity`."""
        self._policy = policy
        self._remembered.clear()

    def use_organizations(self, organizations: Organizations) -> None:
        """See `Identity`."""
        self._organizations = organizations
        self._remembered.clear()

    async def authenticate(self, request: TokenRequest) -> Caller:
        """See `Identity`. Service tokens are not looked at: no service has an account here."""
        token = request.token
        if not token:
            raise UnauthenticatedError(REFUSED)
        if self._must_read():
            await self._see_changes()
        remembered = self._remembered.get(token)
        if remembered is not None and time.time() < remembered.expires_at:
            require_allowed(remembered.access_rules, IMAGE, request.method, request.raw_path)
            return remembered.caller
        session = self._find_session(token)
        caller = self._make_caller(session)
        if len(self._remembered) >= REMEMBERED_TOKENS:
            # The oldest goes. Least recently used would be a better guess and cost each request a write.
            del self._remembered[next(iter(self._remembered))]
        self._remembered[token] = _Remembered(caller, session.claims.expires_at, session.access_rules)
        require_allowed(session.access_rules, IMAGE, request.method, request.raw_path)
        return caller

    async def authenticate_signed(self, signed: SignedRequest) -> Caller:
        """See `Identity`. A key may act in every project in which its user has a role; without
        `X-Project-Id` it acts in its own."""
        return self._make_caller(await self.open_signed_session(signed))

    async def has_recipient(self, kind: MemberType, own_id: str) -> bool:
        """See `Identity`."""
        directory = await self.directory()
        return own_id in (directory.domains if kind is MemberType.DOMAIN else directory.projects)

    async def find_names(self, kind: MemberType, own_id: str) -> Names | None:
        """See `Identity`."""
        return names_in(await self.directory(), kind, own_id)

    async def find_user_names(self, user_id: str) -> Names | None:
        """See `Identity`."""
        return user_names_in(await self.directory(), user_id)

    async def directory(self) -> Directory:
        """The accounts as they are now. UnavailableError when their file cannot be read."""
        if self._must_read():
            await self._see_changes()
        return self._directory

    async def open_session(self, token: str | None) -> TokenSession:
        """What the token stands for; UnauthenticatedError if it is absent or not valid."""
        if not token:
            raise UnauthenticatedError(REFUSED)
        await self.directory()
        return self._find_session(token)

    async def open_signed_session(self, signed: SignedRequest) -> Session:
        """What the key stands for that signed the request; raises what `authenticate_signed` does."""
        signature = read_signature(signed, time.time(), is_strict=self._has_strict_signatures)
        # The body of an unknown key is hashed, too: the time of the answer must not tell which keys exist.
        is_known = signature.access in (await self.directory()).access_keys
        body_hash = await signed.hash_body(keep=is_known) if signature.needs_body_hash else None
        # After the body, which may take its time: what was revoked meanwhile counts.
        directory = await self.directory()
        key = directory.access_keys.get(signature.access)
        genuine = is_genuine(signed, signature, key.secret if key else "", body_hash)
        if key is None or not genuine:
            raise UnauthenticatedError(REFUSED)
        return make_key_session(directory, key, signature)

    async def log_in_with_password(
        self, who: Reference, password: str, scope: Scope, client: str = ""
    ) -> tuple[str, TokenSession]:
        """A new token. UnauthenticatedError alike for a wrong user, password or project. `client`, here and
        below: the address that the login comes from; turns and failures are counted by it."""
        directory = await self.directory()
        user = directory.find_user(who)
        attempt = attempt_at(client, mark_user(directory, who))
        await self._passwords.check(user.password_hash if user else None, password, attempt)
        if user is None:
            raise UnauthenticatedError(REFUSED)
        place = await self._resolve_scope(user, scope)
        return await self._issue(user, place, ("password",))

    async def log_in_with_credential(
        self,
        credential_id: str | None,
        name: str | None,
        owner: Reference | None,
        secret: str,
        client: str = "",
    ) -> tuple[str, TokenSession]:
        """A new token in the credential's project. It is named by its id, or by its name and owner."""
        directory = await self.directory()
        credential = find_credential(directory, credential_id, name, owner)
        attempt = attempt_at(client, mark_credential(directory, credential_id, name, owner))
        await self._passwords.check(credential.secret_hash if credential else None, secret, attempt)
        directory = await self.directory()
        # Looked up again: it may have been deleted while its secret was checked.
        credential = directory.credentials.get(credential.id) if credential else None
        if credential is None or has_expired(credential):
            raise UnauthenticatedError(REFUSED)
        user, project = directory.users[credential.user_id], directory.projects[credential.project_id]
        return await self._issue(user, project, ("application_credential",), credential=credential)

    async def log_in_with_token(self, token: str, scope: Scope) -> tuple[str, TokenSession]:
        """A new token in another scope, that expires with the old one: re-scoping is no way to stay in."""
        session = await self.open_session(token)
        if session.claims.credential_id is not None:
            raise ForbiddenError(
                "A token of an application credential cannot be exchanged for another token."
            )
        methods = tuple(dict.fromkeys(("token", *session.claims.methods)))
        place = await self._resolve_scope(session.user, scope)
        return await self._issue(session.user, place, methods, parent=session.claims)

    async def revoke(self, claims: Claims, by: str) -> None:
        """From now on no process accepts the token.

        Each is kept for the life of a token: UnavailableError when the user `by` has revoked very many.
        """
        self._revoking.take(by, _TOO_MANY_REVOKED)
        try:
            await self._writers.run(self._revocations.add, claims.audit_id, claims.expires_at, time.time())
        except OSError as error:
            raise self._unavailable(error) from None

    async def change_password(self, user: User, old: str, new: str, client: str = "") -> None:
        """Ends all tokens of the user. UnauthenticatedError when `old` is wrong, ConflictError when it was
        changed meanwhile."""
        attempt = attempt_at(client, mark_account("user", user.id))
        await self._passwords.check(user.password_hash, old, attempt)
        new_hash = await self._passwords.hash(new, attempt)
        await self._change(
            lambda accounts: changes.set_password(accounts, user.id, new_hash, instead_of=user.password_hash)
        )

    async def create_credential(
        self, session: TokenSession, draft: CredentialDraft, client: str = ""
    ) -> tuple[ApplicationCredential, str]:
        """The credential and its secret, which nobody can learn again. ForbiddenError for a role that the
        session lacks or an access rule that it does not have itself, ConflictError for a name that the user
        has used, NotFoundError for the id of an access rule that the user does not have."""
        require_unrestricted(await self.directory(), session)
        if session.project is None:
            raise ForbiddenError("An application credential needs a token with a project.")
        if not set(draft.roles) <= set(session.roles):
            raise ForbiddenError("An application credential cannot have roles that its maker lacks.")
        require_own_rules(session.access_rules, draft.access_rules)
        secret = draft.secret or secrets.token_urlsafe(48)
        attempt = attempt_at(client, mark_account("user", session.user.id))
        credential = ApplicationCredential(
            id=uuid.uuid4().hex,
            name=draft.name,
            user_id=session.user.id,
            project_id=session.project.id,
            roles=draft.roles or session.roles,
            secret_hash=await self._passwords.hash(secret, attempt),
            description=draft.description,
            expires_at=draft.expires_at,
            unrestricted=draft.unrestricted,
        )
        rules = [add_owner(rule, session.user.id) for rule in draft.access_rules]
        after = await self._change_as(
            session, lambda before: changes.add_credential(before, credential, rules)
        )
        return after.credentials[credential.id], secret

    async def delete_credential(self, session: TokenSession, user_id: str, credential_id: str) -> None:
        """Ends its tokens too. NotFoundError when the user has no such credential."""
        require_unrestricted(await self.directory(), session)
        await self._change_as(
            session, lambda accounts: changes.remove_credential(accounts, user_id, credential_id)
        )

    async def delete_access_rule(self, session: TokenSession, user_id: str, rule_id: str) -> None:
        """NotFoundError when the user has no such rule, ForbiddenError when a credential uses it."""
        require_unrestricted(await self.directory(), session)
        await self._change_as(
            session, lambda accounts: changes.remove_access_rule(accounts, user_id, rule_id)
        )

    def _make_caller(self, session: Session) -> Caller:
        project_id = session.project.id if session.project else None
        domain_id = session.project.domain_id if session.project else None
        return Caller(
            user_id=session.user.id,
            project_id=project_id,
            roles=frozenset(map(str, session.roles)),
            policy=self._policy,
            user_domain_id=session.user.domain_id,
            domain_id=domain_id,
            organizations=self._organizations.keys_of(project_id, domain_id),
        )

    async def _change_as(self, session: TokenSession, change: Callable[[Accounts], Accounts]) -> Directory:
        """The change, if the token is still good by then: whatever ends one is written under the same lock.
        UnauthenticatedError if it is not."""

        def change_now(before: Accounts) -> Accounts:
            if self._revocations.holds_now(session.claims.audit_id):
                raise UnauthenticatedError(INVALID)
            make_token_session(Directory(before), session.claims)
            return change(before)

        return await self._change(change_now)

    async def _change(self, change: Callable[[Accounts], Accounts]) -> Directory:
        try:
            return await self._writers.run(self._accounts.change, change)
        except (AccountsError, OSError) as error:
            raise self._unavailable(error) from None

    def _must_read(self) -> bool:
        """Whether the files may have changed since they were read."""
        if self._changes.may_have_changed():
            self._noticed += 1
        return self._read != self._noticed

    async def _see_changes(self) -> None:
        """Wait until the files were read as they are now: all requests that come meanwhile wait for one
        reading."""
        noticed = self._noticed
        while self._read < noticed:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read_again())
            covered, error = await asyncio.shield(self._reading)
            if error is not None and covered >= noticed:
                raise self._unavailable(error) from None

    async def _read_again(self) -> tuple[int, Exception | None]:
        """(which of the noticed changes had happened before, why it failed). Forgets remembered tokens if
        anything they rest on has changed."""
        noticed = self._noticed
        try:
            directory, version = await self._readers.run(self._read_files)
        except (AccountsError, OSError, UnavailableError) as error:
            return noticed, error
        finally:
            self._reading = None
        if directory is not self._directory or version != self._revocations_version:
            self._remembered.clear()
            self._directory = directory
            self._revocations_version = version
        self._read = noticed
        return noticed, None

    def _read_files(self) -> tuple[Directory, int]:
        """(the accounts, the version of the revocations) as they are now; in a thread."""
        return self._accounts.read(), self._revocations.refresh()

    def _unavailable(self, error: Exception) -> UnavailableError:
        if str(error) != self._reported:
            # Once, not with every request until somebody has mended the file.
            self._reported = str(error)
            logger.error("The accounts cannot be read or written: %s", error)
        return UnavailableError("The accounts cannot be read or written now; the service's log says why.")

    def _find_session(self, token: str) -> TokenSession:
        claims = read_token(self._key, token, time.time())
        if claims.audit_id in self._revocations:
            raise UnauthenticatedError(INVALID)
        return make_token_session(self._directory, claims)

    async def _resolve_scope(self, user: User, scope: Scope) -> Place:
        return resolve_scope(await self.directory(), user, scope, self._region)

    async def _issue(
        self,
        user: User,
        place: Place,
        methods: tuple[str, ...],
        *,
        parent: Claims | None = None,
        credential: ApplicationCredential | None = None,
    ) -> tuple[str, TokenSession]:
        """`user`: as read before the password was checked. If it was changed since, the mark of the old one
        makes the token void."""
        now = time.time_ns()
        expires_at = now // 1_000_000_000 + self._token_lifetime_s
        if parent is not None:
            expires_at = parent.expires_at
        if credential is not None and credential.expires_at is not None:
            expires_at = min(expires_at, int(credential.expires_at.timestamp()))
        claims = Claims(
            user_id=user.id,
            project_id=place.id if isinstance(place, Project) else None,
            domain_id=place.id if isinstance(place, Domain) else None,
            methods=methods,
            issued_at=now // 1000,
            expires_at=expires_at,
            audit_id=make_audit_id(),
            parent_audit_id=(parent.parent_audit_id or parent.audit_id) if parent else None,
            password_mark=mark_password(user.password_hash),
            credential_id=credential.id if credential else None,
        )
        return sign_token(self._key, claims), make_token_session(await self.directory(), claims)
