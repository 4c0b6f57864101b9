"""Events of sharing: what can happen, who did it, and what is kept of it.

Whatever changes a membership, a family or who can use an image appends its events in the same transaction
(`sql/outbox.py`); a relay gives them their numbers. `sharing/events.py` says who sees what of them.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec


class EventType(StrEnum):
    """Without the prefix `transom.` that they have outside."""

    OFFERED = "share.offered"
    RENEWED = "share.renewed"
    ACCEPTED = "share.accepted"
    REJECTED = "share.rejected"
    RESET = "share.reset"
    LEFT = "share.left"
    WITHDRAWN = "share.withdrawn"
    CHANGED = "share.changed"
    LAPSED = "share.lapsed"
    EXPIRED = "share.expired"
    GRANTED = "share.granted"
    FAMILY_CREATED = "family.created"
    FAMILY_CHANGED = "family.changed"
    FAMILY_DELETED = "family.deleted"
    FAMILY_OFFERED = "family.offered"
    FAMILY_ACCEPTED = "family.accepted"
    FAMILY_REJECTED = "family.rejected"
    FAMILY_RESET = "family.reset"
    FAMILY_LEFT = "family.left"
    FAMILY_WITHDRAWN = "family.withdrawn"
    FAMILY_LAPSED = "family.lapsed"
    FAMILY_EXPIRED = "family.expired"
    VERSION_PUBLISHED = "family.version_published"
    PROMOTED = "family.promoted"
    REVOKED = "family.revoked"
    RESTORED = "family.restored"
    IMAGE_CLOSED = "image.closed"
    #: It is shared again, with who was a member of it before.
    IMAGE_OPENED = "image.opened"
    IMAGE_DELETED = "image.deleted"
    IMAGE_DEACTIVATED = "image.deactivated"
    IMAGE_REACTIVATED = "image.reactivated"
    #: An administrator gave the image another owner, who stands as the recipient.
    IMAGE_TRANSFERRED = "image.transferred"
    HOOK_DISABLED = "hook.disabled"
    HOOK_TEST = "hook.test"


class Via(StrEnum):
    """By which way somebody acted: an API, a rule of the recipient, a family, or the clock alone."""

    IMAGES_V2 = "images-v2"
    IMS = "ims"
    SHARE = "share"
    RULE = "rule"
    FAMILY = "family"
    TIME = "time"


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a change: ids of project and user, and of the request by which they made it. `domain`: the
    `domain_key` of the project's, which rules of recipients may name; events do not keep it."""

    via: Via
    project: str | None = None
    domain: str | None = None
    user: str | None = None
    request_id: str | None = None


#: Nobody: a time has come.
CLOCK = Actor(via=Via.TIME)


class EventData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event tells beyond its columns, as it was then.

    `image`: the image's name; `status`, `was`: of the membership, None where there is none; `ends_at`,
    `expires_at`: see `Member`, None without an end; `family`: the family's name; `number`: of its version;
    `revoke_at`: when that is to be revoked; `hook`: the id of a webhook.
    """

    image: str | None = None
    status: str | None = None
    was: str | None = None
    message: str | None = None
    reason: str | None = None
    ends_at: int | None = None
    expires_at: int | None = None
    family: str | None = None
    number: int | None = None
    revoke_at: int | None = None
    hook: str | None = None


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event to be appended by itself. `at`: microseconds since the epoch. `owner`: of the image or family,
    `member_id`: of the recipient, each as it was then; None for an event that has none."""

    at: int
    type: EventType
    owner: str | None = None
    member_id: str | None = None
    image_id: str | None = None
    family_id: str | None = None
    data: EventData = EventData()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event that has its number. `seq`: from 1, without gaps, in the order in which readers see them."""

    seq: int
    at: int
    type: str
    owner: str | None
    member_id: str | None
    image_id: str | None
    family_id: str | None
    actor: Actor
    data: EventData


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are asked for. `project`, `member_ids`: whose they are, of one side or the other; None:
    everybody's. `after`: those behind this number, in the order asked for (None: from its beginning).
    `types`: None for all; `other`: the project on the other side; `user`: who did it; `since`,
    `until`: times."""

    limit: int
    project: str | None = None
    member_ids: Sequence[str] = ()
    after: int | None = None
    descending: bool = False
    types: Sequence[str] | None = None
    image_id: str | None = None
    family_id: str | None = None
    other: str | None = None
    user: str | None = None
    since: int | None = None
    until: int | None = None
