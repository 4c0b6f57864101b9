"""Who makes a change, as its event names them."""

from transom.api.http import Dialect, Request
from transom.domain.events import Actor, Via

_VIA = {Dialect.IMS: Via.IMS, Dialect.SHARE: Via.SHARE}


def actor_of(request: Request) -> Actor:
    """The caller, by this request."""
    caller = request.caller
    return Actor(
        via=_VIA.get(request.dialect, Via.IMAGES_V2),
        project=caller.project_id,
        domain=caller.member_ids[1],
        user=caller.user_id,
        request_id=request.request_id,
    )
