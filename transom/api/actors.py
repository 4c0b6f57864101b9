"""Who makes a change, as its event names them, and whether the project may cause more events today.

What takes rights away is never refused for those: rejecting, leaving, withdrawing, closing, revoking now,
deleting. It ends by itself, since each needs something that was given before.
"""

from collections.abc import Iterable

from transom.api.dialect import Dialect
from transom.api.http import Request
from transom.api.services import Services
from transom.domain.events import Actor, Via
from transom.domain.model import MemberStatus, Visibility
from transom.domain.patch import Operation

_VIA = {Dialect.IMS: Via.IMS, Dialect.SHARE: Via.SHARE}
#: Answers that can be given again and again.
_GIVING = frozenset({MemberStatus.ACCEPTED, MemberStatus.PENDING})


def actor_of(request: Request) -> Actor:
    """The caller, by this request, for a change that takes away or that no event tells of."""
    caller = request.caller
    return Actor(
        via=_VIA.get(request.dialect, Via.IMAGES_V2),
        project=caller.project_id,
        domain=caller.member_ids[1],
        user=caller.user_id,
        request_id=request.request_id,
    )


def giving_actor_of(services: Services, request: Request) -> Actor:
    """The caller, for any other change. SpentError when its project has spent `event_quota_per_day`."""
    services.event_quota.require_room(request.caller.project_id)
    return actor_of(request)


def answering_actor_of(services: Services, request: Request, answer: object) -> Actor:
    """The caller, for this answer to an offer, which need not be one. SpentError as of `giving_actor_of`."""
    gives = isinstance(answer, str) and answer in _GIVING
    return giving_actor_of(services, request) if gives else actor_of(request)


def require_room_for(
    services: Services, request: Request, wanted: Iterable[str], there: Iterable[tuple[str, int]]
) -> None:
    """SpentError as of `giving_actor_of` unless all wanted recipients are `there`, where each has its end."""
    if not {member_id for member_id, _end in there}.issuperset(wanted):
        services.event_quota.require_room(request.caller.project_id)


def patching_actor_of(services: Services, request: Request, operations: Iterable[Operation]) -> Actor:
    """The caller, for these changes of an image: one that is shared again has its old recipients again.
    SpentError as of `giving_actor_of`."""
    shares = any(one.root == "visibility" and one.value == Visibility.SHARED for one in operations)
    return giving_actor_of(services, request) if shares else actor_of(request)
