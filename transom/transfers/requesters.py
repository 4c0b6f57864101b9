"""Who asked for a job or made a webhook, as that caller is now: what a worker judges it by."""

from collections.abc import Awaitable, Callable

import msgspec

from transom.domain.errors import ConflictError, ForbiddenError, Reason
from transom.domain.hooks import Hook, Maker
from transom.domain.job_inputs import recall_caller
from transom.domain.model import Caller, Job, Policy
from transom.domain.organizations import NO_ORGANIZATIONS, Organizations

#: The roles that a user has in a project now. UnavailableError when that cannot be found out.
RolesOf = Callable[[str, str | None], Awaitable[frozenset[str]]]

#: That make a hook of a project, unless the operator's rules say otherwise.
_MAKERS_ROLES = frozenset({"member", "reader"})


class Requesters:
    """`roles_of`: None where only a token of the user's tells its roles, as with Keystone: then those of the
    time of the request count."""

    def __init__(self, policy: Policy, roles_of: RolesOf | None = None) -> None:
        self._policy = policy
        self._organizations = NO_ORGANIZATIONS
        self._roles_of = roles_of

    def use_policy(self, policy: Policy) -> None:
        """Judge by this one from now on."""
        self._policy = policy

    def use_organizations(self, organizations: Organizations) -> None:
        """Find callers within these from now on."""
        self._organizations = organizations

    async def recall(self, job: Job) -> Caller:
        """The caller, with those roles of the request that it still has. ForbiddenError when it has none
        in the project any more, or is gone."""
        return await self.renew(recall_caller(job, self._policy))

    async def renew(self, caller: Caller) -> Caller:
        """The same as it is now: under the rules and within the organisations of now, with those roles that
        it still has. ForbiddenError as of `recall`."""
        roles = caller.roles
        if self._roles_of is not None:
            left = await self._roles_of(caller.user_id, caller.project_id)
            if not left:
                raise ForbiddenError("Who asked for this has no role in the project any more.")
            roles &= left
        return msgspec.structs.replace(
            caller,
            roles=roles,
            policy=self._policy,
            organizations=self._organizations.keys_of(caller.project_id, caller.domain_id),
        )

    async def find_maker(self, hook: Hook) -> Maker:
        """The caller with whose rights the hook is sent events."""
        roles = _MAKERS_ROLES
        are_known = self._roles_of is not None and hook.created_by is not None
        if self._roles_of is not None and hook.created_by is not None:
            roles = await self._roles_of(hook.created_by, hook.project_id)
        caller = Caller(
            user_id=hook.created_by or "",
            project_id=hook.project_id,
            roles=roles,
            domain_id=hook.domain_id,
            organizations=self._organizations.keys_of(hook.project_id, hook.domain_id),
            policy=self._policy,
        )
        return Maker(caller, are_known)


def no_token_left() -> ConflictError:
    """Of a job that asks another service: its token was removed when it ended, or never kept."""
    return ConflictError("The job no longer has a token to act for the user.", Reason.TOKEN_ENDED)
