"""Recipients in bodies and paths: projects, domains and organizations, all alike.

A body has sets of their ids, a path `projects/<id>`, `domains/<id>` or `organizations/<id>`, an answer
`{"project": "<id>"}` and so on.
"""

from collections.abc import Mapping
from typing import Protocol

from transom.api.http import Request
from transom.api.share.body import check_id, check_ids
from transom.domain.errors import InvalidError, NotFoundError, Reason
from transom.domain.model import MemberType, domain_key, split_member_id

#: Names of the sets, in bodies and paths → the kind of recipient.
KINDS: Mapping[str, MemberType] = {"projects": MemberType.PROJECT, "domains": MemberType.DOMAIN}
ORGANIZATIONS = "organizations"


class RecipientSets(Protocol):
    """A body that names recipients."""

    @property
    def projects(self) -> list[str]: ...
    @property
    def domains(self) -> list[str]: ...
    @property
    def organizations(self) -> list[str]: ...


def recipients_of(body: RecipientSets) -> list[str]:
    """The `member_id`s of the recipients that a body names, each once, in the order given."""
    if body.organizations:
        raise InvalidError(
            "organizations: this service's identity knows no organizations.",
            Reason.ORGANIZATION_UNKNOWN,
            field="/organizations",
        )
    projects, domains = check_ids("/projects", body.projects), check_ids("/domains", body.domains)
    return [*projects, *map(domain_key, domains)]


def recipient_of_path(request: Request) -> str:
    """The `member_id` of `{recipients}/{recipient_id}` in the path. NotFoundError for what none can have."""
    kind = KINDS.get(request.params["recipients"])
    if kind is None:
        raise NotFoundError("The resource could not be found.")
    try:
        own_id = check_id("", request.params["recipient_id"])
    except InvalidError:
        raise NotFoundError("There is no such recipient.") from None
    return own_id if kind is MemberType.PROJECT else domain_key(own_id)


def show_recipient(member_id: str) -> dict[str, str]:
    """A recipient as bodies show it: `{"project": "<id>"}`."""
    kind, own_id = split_member_id(member_id)
    return {kind.value: own_id}
