"""The events of changes of memberships: of images, and of families.

`changed`: the memberships as they are then, or were before they were removed. `$1`: now, `$2`: the type of
the event, `$3` to `$6`: who did it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from transom.domain.events import Actor, EventType, Via
from transom.domain.memberships import AnswerUnseen
from transom.domain.model import NEVER, MemberStatus, Visibility
from transom.sql.db import EventInsert, Statement
from transom.sql.live import live
from transom.sql.member_ids import is_project
from transom.sql.outbox import COLUMNS, who


class _Shared(NamedTuple):
    """What they are memberships of. `name`: the table, and what data calls it. `ids`: the event's image and
    family. `origin`: pairs of data that name the family and version it was inherited from."""

    name: str
    columns: tuple[str, ...]
    ids: str
    answers: dict[str, EventType]
    lapsed: EventType
    expired: EventType
    origin: str = ""


_OF_AN_IMAGE = _Shared(
    name="image",
    columns=("image_id", "member_id", "status", "family_id", "message", "ends_at", "expires_at"),
    ids="changed.image_id, changed.family_id",
    answers={
        MemberStatus.ACCEPTED: EventType.ACCEPTED,
        MemberStatus.REJECTED: EventType.REJECTED,
        MemberStatus.PENDING: EventType.RESET,
    },
    lapsed=EventType.LAPSED,
    expired=EventType.EXPIRED,
    # Nearly all are direct ones: nothing is looked up for them.
    origin=""",
        'family', case when changed.family_id is not null then
            (select family.name from family where family.id = changed.family_id) end,
        'number', case when changed.family_id is not null then
            (select family_version.number from family_version
             where family_version.image_id = changed.image_id
               and family_version.family_id = changed.family_id) end""",
)
_OF_A_FAMILY = _Shared(
    name="family",
    columns=("family_id", "member_id", "status", "message", "ends_at", "expires_at"),
    ids="cast(null as text), changed.family_id",
    answers={
        MemberStatus.ACCEPTED: EventType.FAMILY_ACCEPTED,
        MemberStatus.REJECTED: EventType.FAMILY_REJECTED,
        MemberStatus.PENDING: EventType.FAMILY_RESET,
    },
    lapsed=EventType.FAMILY_LAPSED,
    expired=EventType.FAMILY_EXPIRED,
)


def _with_changed(of: _Shared) -> str:
    return f"join changed on {of.name}.id = changed.{of.name}_id"


_WAS = "cast($7 as text)"


def _select_changed(
    of: _Shared, was: str = _WAS, status: str = "changed.status", ends_at: str = "changed.ends_at"
) -> str:
    """Up to its `from`. `was`: the previous status; the others: as they are after the change."""
    return f"""
    insert into outbox ({COLUMNS})
    select cast($1 as bigint), $2, {of.name}.owner, changed.member_id, {of.ids}, $3, $4, $5, $6,
           json_build_object(
               '{of.name}', {of.name}.name, 'status', {status}, 'was', {was},
               'message', changed.message, 'ends_at', nullif({ends_at}, {NEVER}),
               'expires_at', nullif(changed.expires_at, {NEVER}){of.origin})"""


def _changed(of: _Shared, was: str = _WAS) -> str:
    return f"{_select_changed(of, was)} from {of.name} {_with_changed(of)}"


_ASKED = is_project("changed.member_id")
_DURING_OFFER = f"""
    case when {_ASKED} then nullif(cast($8 as bigint), {NEVER}) else nullif(changed.ends_at, {NEVER}) end"""


def _offered(of: _Shared) -> str:
    """As of `_changed`. `$8`: until when the offer could be answered. One that a rule of the recipient
    answered at once has a second event for that, as if somebody had answered: by the recipient, and by a
    rule, which its own side alone is told."""
    return f"""
    insert into outbox ({COLUMNS})
    select cast($1 as bigint),
           case when step.number = 1 then $2
                when changed.status = '{MemberStatus.ACCEPTED}' then '{of.answers[MemberStatus.ACCEPTED]}'
                else '{of.answers[MemberStatus.REJECTED]}' end,
           {of.name}.owner, changed.member_id, {of.ids},
           case when step.number = 1 then $3 else changed.member_id end,
           case when step.number = 1 then cast($4 as text) end,
           case when step.number = 1 then cast($5 as text) end,
           case when step.number = 1 then $6 else '{Via.RULE}' end,
           json_build_object(
               '{of.name}', {of.name}.name,
               'status', case when step.number = 1 and {_ASKED} then '{MemberStatus.PENDING}'
                              else changed.status end,
               'was', case when step.number = 1 then cast($7 as text) else '{MemberStatus.PENDING}' end,
               'message', changed.message,
               'ends_at', case when step.number = 1 then {_DURING_OFFER}
                               else nullif(changed.ends_at, {NEVER}) end,
               'expires_at', nullif(changed.expires_at, {NEVER}))
    from {of.name} cross join (select 1 as number union all select 2) as step
    {_with_changed(of)}
        and (step.number = 1 or (changed.status <> '{MemberStatus.PENDING}' and {_ASKED}))
    order by step.number"""


def _removed(of: _Shared) -> str:
    """`$7`: the reason."""
    return f"""
    insert into outbox ({COLUMNS})
    select cast($1 as bigint), $2, {of.name}.owner, changed.member_id, {of.ids}, $3, $4, $5, $6,
           json_build_object(
               '{of.name}', {of.name}.name, 'was', changed.status, 'reason', cast($7 as text){of.origin})
    from {of.name} {_with_changed(of)}"""


def _how_it_ended(of: _Shared) -> str:
    """An offer that nobody answered in time has lapsed, unless the share would have ended then as well."""
    return f"""
    case when changed.status = '{MemberStatus.PENDING}' and changed.ends_at < changed.expires_at
         then '{of.lapsed}' else '{of.expired}' end"""


def _ended(of: _Shared) -> str:
    """At the time when they ended, and by nobody. No values."""
    return f"""
    insert into outbox ({COLUMNS})
    select changed.ends_at, {_how_it_ended(of)}, {of.name}.owner, changed.member_id, {of.ids},
           cast(null as text), cast(null as text), cast(null as text), '{Via.TIME}',
           json_build_object('{of.name}', {of.name}.name, 'was', changed.status{of.origin})
    from {of.name} {_with_changed(of)}"""


class MembershipEvents:
    """The events of memberships of one kind. `columns`: what a statement returns for them. `answers`: the
    types of those of answers, by the new status."""

    def __init__(self, of: _Shared) -> None:
        self.columns = of.columns
        self.answers = of.answers
        self._changed = _changed(of)
        self._changed_unseen = _changed(of, "changed.was")
        self._offered = _offered(of)
        self._removed = _removed(of)
        self._ended = _ended(of)

    def changed(
        self, kind: EventType, now: int, actor: Actor, was: str | None, columns: Sequence[str] | None = None
    ) -> EventInsert:
        """An event for each that the statement makes or changes. `was`: the previous status, None for a new
        one. `columns`: those that the statement returns, where it returns more."""
        return EventInsert(self._changed, (now, kind, *who(actor), was), tuple(columns or self.columns))

    def answered(
        self, status: str, was: str, now: int, actor: Actor, columns: Sequence[str] | None = None
    ) -> EventInsert:
        return self.changed(self.answers[status], now, actor, was, columns)

    def answered_unseen(self, status: str, now: int, actor: Actor, columns: Sequence[str]) -> EventInsert:
        """As `answered`; the statement returns `was`."""
        kind = self.answers[status]
        return EventInsert(self._changed_unseen, (now, kind, *who(actor)), tuple(columns))

    def offered(
        self,
        kind: EventType,
        now: int,
        actor: Actor,
        was: str | None,
        ends_at: int,
        columns: Sequence[str] | None = None,
    ) -> EventInsert:
        """As `changed`, of offers that can be answered until `ends_at`, and of their answers by rules."""
        values = now, kind, *who(actor), was, ends_at
        return EventInsert(self._offered, values, tuple(columns or self.columns))

    def removed(
        self,
        kind: EventType,
        now: int,
        actor: Actor,
        reason: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> EventInsert:
        """An event for each that the statement removes."""
        return EventInsert(self._removed, (now, kind, *who(actor), reason), tuple(columns or self.columns))

    def ended(self) -> EventInsert:
        """An event for each that the statement removes because it has ended."""
        return EventInsert(self._ended, (), self.columns)


OF_IMAGES = MembershipEvents(_OF_AN_IMAGE)
OF_FAMILIES = MembershipEvents(_OF_A_FAMILY)


# Before the answer, which then asks for the same. `$7`, `$8`: the image and the member, `$9`: the answer.
_SELECT_ANSWER = _select_changed(_OF_AN_IMAGE, "changed.status", "cast($9 as text)", "changed.expires_at")
RECORD_ANSWER = f"""{_SELECT_ANSWER}
    from image join member as changed on changed.image_id = image.id
    where image.id = $7 and changed.member_id = $8 and changed.status <> $9 and {live("$1", "changed")}
      and image.visibility = '{Visibility.SHARED}' and coalesce(image.owner, '') <> $8"""


def record_answer(change: AnswerUnseen, actor: Actor) -> Statement:
    """The event of an answer that the next statement gives, where that cannot return what was before it."""
    kind = OF_IMAGES.answers[change.status]
    values = change.now, kind, *who(actor), change.image_id, change.member_id, change.status
    return Statement(RECORD_ANSWER, values)


#: `$1`: now, `$2` to `$5`: who deletes the image. Of a membership that has ended and was not
#: removed yet, that it had ended.
_DELETED = f"""
    insert into outbox ({COLUMNS})
    select case when {live("$1", "changed")} then cast($1 as bigint) else changed.ends_at end,
           case when {live("$1", "changed")} then '{EventType.IMAGE_DELETED}'
                else {_how_it_ended(_OF_AN_IMAGE)} end,
           image.owner, changed.member_id, changed.image_id, changed.family_id,
           case when {live("$1", "changed")} then cast($2 as text) end,
           case when {live("$1", "changed")} then cast($3 as text) end,
           case when {live("$1", "changed")} then cast($4 as text) end,
           case when {live("$1", "changed")} then cast($5 as text) else '{Via.TIME}' end,
           json_build_object('image', image.name, 'was', changed.status{_OF_AN_IMAGE.origin})
    from image {_with_changed(_OF_AN_IMAGE)}"""


def record_deleted(now: int, actor: Actor) -> EventInsert:
    """An event for each membership that the statement removes because its image is deleted next."""
    return EventInsert(_DELETED, (now, *who(actor)), OF_IMAGES.columns)
