"""Who asked for a job: kept with it, so that whoever runs it can judge it again as that caller."""

from typing import Any

from transom.domain.model import Caller, Job, Policy


def remember_caller(caller: Caller) -> dict[str, Any]:
    """What `recall_caller` needs in the job's `input`, beside its `user_id` and `project_id`."""
    return {
        "roles": sorted(caller.roles),
        "service_roles": sorted(caller.service_roles),
        "domain_id": caller.domain_id,
        "user_domain_id": caller.user_domain_id,
    }


def recall_caller(job: Job, policy: Policy) -> Caller:
    """The caller with the roles of then, judged by the rules of now. A job of an older release may lack some
    of it: its caller then has no roles, or no domain."""
    return Caller(
        user_id=job.user_id or "",
        project_id=job.project_id or None,
        roles=frozenset(job.input.get("roles", ())),
        service_roles=frozenset(job.input.get("service_roles", ())),
        domain_id=job.input.get("domain_id"),
        user_domain_id=job.input.get("user_domain_id"),
        policy=policy,
    )
