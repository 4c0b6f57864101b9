"""Recipients in bodies and paths, all kinds alike.

A body has lists of their ids by the plurals of their kinds, a path `projects/<id>` and so on, a response
`{"project": "<id>"}` and so on.
"""

import msgspec

from transom.api.http import Request
from transom.api.share.body import check_id, check_ids
from transom.domain.errors import InvalidError, NotFoundError
from transom.domain.recipients import GROUPS, KINDS, KINDS_BY_PLURAL, member_key, split_member_id


class RecipientSets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body that names recipients by their ids; a list for each of `KINDS`."""

    projects: list[str] = []
    domains: list[str] = []
    organizations: list[str] = []


def recipients_of(body: RecipientSets) -> list[str]:
    """The `member_id`s of the recipients that a body names, each once, in the order given."""
    return [
        member_key(kind, own_id)
        for name, kind in KINDS_BY_PLURAL.items()
        for own_id in check_ids(f"/{name}", getattr(body, name))
    ]


def names_groups(body: RecipientSets) -> bool:
    """Whether some of the recipients are not asked."""
    return any(getattr(body, KINDS[kind].plural) for kind in GROUPS)


def recipient_of_path(request: Request) -> str:
    """The `member_id` of `{recipients}/{recipient_id}` in the path. NotFoundError for what none can have."""
    kind = KINDS_BY_PLURAL.get(request.params["recipients"])
    if kind is None:
        raise NotFoundError("The resource could not be found.")
    try:
        own_id = check_id("", request.params["recipient_id"])
    except InvalidError:
        raise NotFoundError("There is no such recipient.") from None
    return member_key(kind, own_id)


def show_recipient(member_id: str) -> dict[str, str]:
    """A recipient as bodies show it: `{"project": "<id>"}`."""
    kind, own_id = split_member_id(member_id)
    return {kind.value: own_id}
