"""Memberships: what a look finds, and every change of them.

Nothing writes any but `to_statement` and, for those inherited from families, the function of that name in
`inherited.py`.

A change of one membership is a guarded statement: the guard repeats what the decision before it saw. A batch
of shares (`sharing/batches.py`) locks its images, looks at their memberships and then writes. Whatever adds
or removes a membership therefore waits for the lock of the image: otherwise the batch would insert again what
somebody else removed after its look. Who waits, and who need not:

- `OFFER` and `WITHDRAW` by `live_recipients_of` in their guard, without a further round trip;
- the scripts of `sharing/batches.py`, which begin with the lock;
- a deletion of the image, whose row is the lock, and which takes its memberships along (`deletion.py`);
- `ANSWER`, `ANSWER_WITH_VAULT` and `CHANGE_TERMS`, but not for each other: they neither add nor remove a row,
  but closing the image tells its recipients what they had;
- not the removals of what has ended: nobody counts those rows, and an offer removes its own before it.
"""

import asyncio

import msgspec

from transom.clock import now_us
from transom.domain.events import Actor, EventType
from transom.domain.memberships import (
    Answer,
    AnswerEach,
    AnswerUnseen,
    AnswerWithVault,
    Change,
    ChangeTerms,
    Each,
    Found,
    LeaveEach,
    MakeDirectEach,
    NameVaultEach,
    Offer,
    OfferEach,
    RemoveEnded,
    RemoveEndedOf,
    RemoveWithImage,
    RenewEach,
    Single,
    Terms,
    Withdraw,
    WithdrawEach,
)
from transom.domain.model import Member, MemberStatus, Visibility
from transom.domain.recipients import MemberType, member_key
from transom.sql.batches import IDS
from transom.sql.db import Database, Row, Statement
from transom.sql.images import COLUMNS, IS_MEMBER, WIDTH, image_of_row, to_json
from transom.sql.live import HAS_END, falls_asleep, live
from transom.sql.member_ids import MemberIds, is_group, is_project, with_own_ids
from transom.sql.membership_events import OF_IMAGES, record_answer, record_deleted
from transom.sql.share_rules import first_status

#: The columns of a membership, in the order of its fields.
_FIELDS = Member.__struct_fields__
_MEMBER_COLUMNS = ", ".join(_FIELDS)
_KEY = ("image_id", "member_id")


def member_of_row(row: Row) -> Member:
    return Member(*row)


# ---- looks


_ASKED_COLUMNS = ", ".join(f"asked.{name}" for name in _FIELDS)
#: Where they have the id of the membership.
_MEMBER_ID = WIDTH + 1 + _FIELDS.index("member_id")


def _find_member(is_asked: str) -> str:
    """`is_asked`: what the id of the membership has to be."""
    return f"""
    select {COLUMNS}, {IS_MEMBER}, {_ASKED_COLUMNS}
    from image
    left join member as asked
        on asked.image_id = image.id and asked.member_id {is_asked} and {live("$4", "asked")}
    where image.id = $1"""


FIND_MEMBER = _find_member("= $5")
#: One statement for the three kinds, so that the image and the membership are of one moment.
FIND_ANY_MEMBER = _find_member("in ($5, $6, $7)")


async def find_member(db: Database, image_id: str, member_ids: MemberIds, member_id: str) -> Found:
    """The image and the membership asked for, each as far as it exists. `member_ids`: the caller's own.

    One statement, look-ups by primary key.
    """
    return found_member(
        image_id, await db.read(*with_own_ids(FIND_MEMBER, image_id, member_ids, now_us(), member_id))
    )


def found_member(image_id: str, rows: list[Row]) -> Found:
    """Builds the record from the rows of FIND_MEMBER."""
    if not rows:
        return Found(image_id=image_id)
    row = rows[0]
    asked = row[WIDTH + 1 :]
    return Found(
        image_id=image_id,
        image=image_of_row(row),
        is_member=bool(row[WIDTH]),
        member=member_of_row(asked) if asked[0] is not None else None,
    )


async def find_any_member(db: Database, image_id: str, member_ids: MemberIds, own_id: str) -> Found:
    """As `find_member`, by the id of a project or, if there is no such member, of a domain or else of an
    organisation."""
    keys = [member_key(kind, own_id) for kind in MemberType]
    rows = await db.read(*with_own_ids(FIND_ANY_MEMBER, image_id, member_ids, now_us(), *keys))
    found = {row[_MEMBER_ID]: row for row in rows}
    first = next((found[key] for key in keys if key in found), None)
    return found_member(image_id, [first] if first is not None else rows)


# The members come as one JSON value: the image is read once, not once for each of them.
LIST_MEMBERS = f"""
    select {COLUMNS}, {IS_MEMBER},
           (select json_agg(json_build_array(member.member_id, member.status, member.created_at,
                                             member.updated_at, member.vault_id))
            from member where member.image_id = image.id and {live("$4")})
    from image where image.id = $1"""

_decode_members = msgspec.json.Decoder(list[tuple[str, str, int, int, str | None]] | None).decode


async def list_members(db: Database, image_id: str, member_ids: MemberIds) -> Found:
    """The image and all its memberships."""
    rows = await db.read(*with_own_ids(LIST_MEMBERS, image_id, member_ids, now_us()))
    if not rows:
        return Found(image_id=image_id)
    row = rows[0]
    await db.take_turn()
    found = _decode_members(row[WIDTH + 1]) if row[WIDTH + 1] is not None else None
    by_id = sorted(found or [], key=lambda row: row[0])
    await asyncio.sleep(0)  # The other half of a long piece.
    members = [Member(image_id, *one) for one in by_id]
    return Found(image_id=image_id, image=image_of_row(row), is_member=bool(row[WIDTH]), members=members)


COUNT_MEMBERS = f"select count(*) from member where image_id = $1 and {live('$2')}"


async def count_members(db: Database, image_id: str) -> int:
    rows = await db.read(COUNT_MEMBERS, image_id, now_us())
    return int(rows[0][0])


# ---- changes of one membership


def _still_shared(further: str = "") -> str:
    """A condition on the image `$1`: it is shared. `for share` checks the row as it is once the lock is held,
    not as it was when the statement began."""
    is_shared = f"image.visibility = '{Visibility.SHARED}'"
    return f"exists (select 1 from image where image.id = $1 and {is_shared} {further} for share)"


_NEW_COLUMNS = """
    image_id, member_id, status, image_created_at, created_at, updated_at, offered_at, message, ends_at,
    expires_at, offered_by, answered_at, is_asleep"""

#: A domain or an organisation is not asked, and nobody has answered for it. `new`: the name of a row with
#: these columns.
_IS_ASKED = is_project("new.member_id")

# `live_recipients_of` (schema.sql) waits for other changes of the image's memberships and counts these, all
# in this one statement: two offers that counted at once would both find the last place free.
OFFER = f"""
    insert into member ({_NEW_COLUMNS})
    select new.image_id, $2, new.status, new.created_at,
           cast($3 as bigint), cast($3 as bigint), cast($3 as bigint), $5,
           case when new.status = '{MemberStatus.PENDING}' then cast($6 as bigint)
                else cast($7 as bigint) end,
           cast($7 as bigint), $8,
           case when new.status <> '{MemberStatus.PENDING}' then cast($3 as bigint) end, new.is_asleep
    from (
        select image.id as image_id, image.created_at, {falls_asleep("$2")} as is_asleep,
               {first_status("$2", "image.owner", "$9", "$10")} as status
        from image
        where image.id = $1 and image.visibility = '{Visibility.SHARED}'
          and coalesce(image.owner, '') = coalesce(cast($11 as text), '')
          and live_recipients_of(image.id, $3) < cast($4 as bigint)
    ) as new
    where true
    on conflict (image_id, member_id) do nothing
    returning {_MEMBER_COLUMNS}"""

#: More than any image will ever have.
_NO_LIMIT = 2**62

#: Within an update: what changes with the status. Once answered, the share ends at `expires_at`; taking the
#: answer back does not restore the deadline for answering.
_ANSWERED = f"""
    ends_at = expires_at,
    answered_at = case when $3 = '{MemberStatus.PENDING}' then null else cast($4 as bigint) end"""

ANSWER = f"""
    update member set status = $3, updated_at = $4, {_ANSWERED}
    where image_id = $1 and member_id = $2 and status = $5 and {live("$4")} and {_still_shared()}
    returning {_MEMBER_COLUMNS}"""

# What it joins is the status as the statement began: it fails if somebody changes that meanwhile.
ANSWER_UNSEEN = f"""
    update member set status = $3, updated_at = $4, {_ANSWERED}
    from (select status as was from member where image_id = $1 and member_id = $2) as seen
    where image_id = $1 and member_id = $2 and status = seen.was and seen.was <> $3 and {live("$4")}
      and {_still_shared("and coalesce(image.owner, '') <> $2")}
    returning {_MEMBER_COLUMNS}, seen.was"""

# Behind `record_answer`, where an update cannot return what it is joined with.
ANSWER_TOLD = f"""
    update member set status = $3, updated_at = $4, {_ANSWERED}
    where image_id = $1 and member_id = $2 and status <> $3 and {live("$4")}
      and {_still_shared("and coalesce(image.owner, '') <> $2")}
    returning {_MEMBER_COLUMNS}"""

# No vault has an empty id.
ANSWER_WITH_VAULT = f"""
    update member
    set status = $3,
        updated_at = case when status = $3 then updated_at else cast($4 as bigint) end,
        ends_at = case when status = $3 then ends_at else expires_at end,
        answered_at = case when status = $3 then answered_at else cast($4 as bigint) end,
        vault_id = coalesce(cast($5 as text), vault_id)
    where image_id = $1 and member_id = $2 and coalesce(vault_id, '') = coalesce(cast($6 as text), '')
      and status = $8 and {live("$4")}
      and {_still_shared("and image.updated_at = cast($7 as bigint)")}
    returning {_MEMBER_COLUMNS}"""

# `live_recipients_of` waits for the batches that look at the image, and tells whether it is still shared.
WITHDRAW = f"""
    delete from member
    where image_id = $1 and member_id = $2 and {live("$3")}
      and exists (select 1 from image where image.id = $1 and image.visibility = '{Visibility.SHARED}'
                  and live_recipients_of(image.id, $3) >= 0)
    returning {_MEMBER_COLUMNS}"""


# What is inherited ends with the family's membership, or sooner. That one may be changed meanwhile without
# this one: `for share`, as in `_still_shared`.
_WITHIN_FAMILY = """
    (family_id is null or exists (
        select 1 from family_member
        where family_member.family_id = member.family_id and family_member.member_id = $2
          and family_member.ends_at >= $6 for share))"""

CHANGE_TERMS = f"""
    update member set message = $4, ends_at = $5, expires_at = $6, updated_at = $3
    where image_id = $1 and member_id = $2 and updated_at = $7 and {live("$3")} and {_still_shared()}
      and {_WITHIN_FAMILY}
    returning {_MEMBER_COLUMNS}"""


# ---- changes of those of many images; `$1` is a JSON array of the images' ids

_RETURNED = ", ".join(OF_IMAGES.columns)
_RECIPIENTS = "(select value from jsonb_array_elements_text(cast($2 as jsonb)))"

OFFER_EACH = f"""
    insert into member ({_NEW_COLUMNS})
    select new.image_id, new.member_id, new.status,
           new.created_at, cast($3 as bigint), cast($3 as bigint), cast($3 as bigint), $4,
           case when new.status = '{MemberStatus.PENDING}' then cast($5 as bigint)
                else cast($6 as bigint) end,
           cast($6 as bigint), $7,
           case when new.status <> '{MemberStatus.PENDING}' and {_IS_ASKED} then cast($3 as bigint) end,
           new.is_asleep
    from (
        select image.id as image_id, image.created_at, recipient.value as member_id,
               {falls_asleep("recipient.value")} as is_asleep,
               case when {is_group("recipient.value")} then '{MemberStatus.ACCEPTED}'
                    else {first_status("recipient.value", "image.owner", "$8", "$9")} end as status
        from image cross join jsonb_array_elements_text(cast($2 as jsonb)) as recipient
        where image.id in {IDS}
    ) as new
    where true
    on conflict (image_id, member_id) do nothing
    returning {_RETURNED}"""

RENEW_EACH = f"""
    update member
    set status = new.first, updated_at = $3, offered_at = $3, offered_by = $7, vault_id = null,
        message = $4, expires_at = $6, family_id = null,
        ends_at = case when new.first = '{MemberStatus.PENDING}' then cast($5 as bigint)
                       else cast($6 as bigint) end,
        answered_at = case when new.first <> '{MemberStatus.PENDING}' then cast($3 as bigint) end
    from (
        select old.image_id as of_image, old.member_id as of_member,
               {first_status("old.member_id", "image.owner", "$8", "$9")} as first
        from member as old join image on image.id = old.image_id
        where old.image_id in {IDS} and old.member_id in {_RECIPIENTS}
    ) as new
    where image_id = new.of_image and member_id = new.of_member and status = '{MemberStatus.REJECTED}'
      and {live("$3")}
    returning {_RETURNED}"""

ANSWER_EACH = f"""
    update member set status = $3, updated_at = $4, {_ANSWERED}
    where member_id = $2 and image_id in {IDS} and status = $5 and {live("$4")}
    returning {_RETURNED}"""

NAME_VAULT_EACH = f"""
    update member set vault_id = $3 where member_id = $2 and image_id in {IDS} and {live("$4")}"""

LEAVE_EACH = f"""
    delete from member where image_id in {IDS} and member_id = $2 and {live("$3")}
    returning {_RETURNED}"""

WITHDRAW_EACH = f"""
    delete from member where image_id in {IDS} and member_id in {_RECIPIENTS} and {live("$3")}
    returning {_RETURNED}"""

WITHDRAW_ALL = f"""
    delete from member where image_id in {IDS} and {live("$2")} returning {_RETURNED}"""

# Nothing that the recipient has changes, so neither does the version of the row.
MAKE_DIRECT_EACH = f"""
    update member set family_id = null
    where image_id in {IDS} and member_id in {_RECIPIENTS} and family_id is not null and {live("$3")}"""


# ---- what has ended

REMOVE_ENDED_OF = f"""
    delete from member
    where image_id in {IDS} and member_id in {_RECIPIENTS} and {HAS_END} and ends_at <= $3
    returning {_RETURNED}"""

REMOVE_WITH_IMAGE = f"delete from member where image_id = $1 returning {_RETURNED}"

# Rows that another transaction has locked are left for the next run: that avoids deadlocks.
REMOVE_ENDED = f"""
    delete from member where (image_id, member_id) in (
        select image_id, member_id from member where {HAS_END} and ends_at <= $1
        order by ends_at limit $2 for update skip locked)
    returning {_RETURNED}"""


def to_statement(change: Change, actor: Actor, *, is_told: bool = False) -> Statement:  # noqa: C901 (by kinds)
    """The statement that makes this change, with its events unless it `is_told` already: whatever else has to
    happen with each change belongs here. It returns each membership as it is then, or was before it was
    removed: those of one whole, the others by those of OF_IMAGES; no row when their guard fails."""
    match change:
        case Answer():
            who_and_what = (change.image_id, change.member_id, change.status, change.now)
            event = OF_IMAGES.answered(change.status, change.was, change.now, actor, _FIELDS)
            return Statement(ANSWER, (*who_and_what, change.was), events=(event,), key=_KEY)
        case Offer():
            limit = change.quota if change.quota >= 0 else _NO_LIMIT
            values = change.image_id, change.member_id, change.now, limit
            event = OF_IMAGES.offered(
                EventType.OFFERED, change.now, actor, None, change.terms.ends_at, _FIELDS
            )
            terms = _terms(change.terms, actor)
            return Statement(OFFER, (*values, *terms, change.owner), events=(event,), key=_KEY)
        case Withdraw():
            event = OF_IMAGES.removed(EventType.WITHDRAWN, change.now, actor, change.reason, _FIELDS)
            return Statement(WITHDRAW, (change.image_id, change.member_id, change.now), events=(event,))
        case AnswerUnseen():
            who_and_what = (change.image_id, change.member_id, change.status, change.now)
            if is_told:
                return Statement(ANSWER_TOLD, who_and_what, required=True, key=_KEY)
            event = OF_IMAGES.answered_unseen(change.status, change.now, actor, (*_FIELDS, "was"))
            return Statement(ANSWER_UNSEEN, who_and_what, events=(event,))
        case AnswerWithVault():
            who_and_what = (change.image_id, change.member_id, change.status, change.now)
            seen = change.vault_id, change.seen_vault_id, change.seen_version, change.was
            event = OF_IMAGES.answered(change.status, change.was, change.now, actor, _FIELDS)
            events = (event,) if change.status != change.was else ()
            return Statement(ANSWER_WITH_VAULT, (*who_and_what, *seen), events=events, key=_KEY)
        case OfferEach():
            pairs = to_json(change.image_ids), to_json(change.member_ids)
            event = OF_IMAGES.offered(EventType.OFFERED, change.now, actor, None, change.terms.ends_at)
            return Statement(OFFER_EACH, (*pairs, change.now, *_terms(change.terms, actor)), events=(event,))
        case RenewEach():
            pairs = to_json(change.image_ids), to_json(change.member_ids)
            was = MemberStatus.REJECTED
            event = OF_IMAGES.offered(EventType.RENEWED, change.now, actor, was, change.terms.ends_at)
            return Statement(RENEW_EACH, (*pairs, change.now, *_terms(change.terms, actor)), events=(event,))
        case AnswerEach():
            each = to_json(change.image_ids), change.member_id, change.status, change.now, change.was
            event = OF_IMAGES.answered(change.status, change.was, change.now, actor)
            return Statement(ANSWER_EACH, each, events=(event,))
        case NameVaultEach():
            # Nobody but the recipient itself sees its vault.
            named = to_json(change.image_ids), change.member_id, change.vault_id, change.now
            return Statement(NAME_VAULT_EACH, named)
        case ChangeTerms():
            # A clock that was set back must not make the version an old one again.
            version = max(change.now, change.seen_version + 1)
            new = (*_terms(change.terms, actor)[:3], change.seen_version)
            event = OF_IMAGES.changed(EventType.CHANGED, change.now, actor, None, _FIELDS)
            pair = change.image_id, change.member_id
            return Statement(CHANGE_TERMS, (*pair, version, *new), events=(event,), key=_KEY)
        case LeaveEach():
            left = to_json(change.image_ids), change.member_id, change.now
            return Statement(LEAVE_EACH, left, events=(OF_IMAGES.removed(EventType.LEFT, change.now, actor),))
        case MakeDirectEach():
            # No event: the change gives and takes no rights on either side.
            pairs = to_json(change.image_ids), to_json(change.member_ids)
            return Statement(MAKE_DIRECT_EACH, (*pairs, change.now))
        case WithdrawEach():
            event = OF_IMAGES.removed(EventType.WITHDRAWN, change.now, actor, change.reason)
            if change.member_ids is None:
                return Statement(WITHDRAW_ALL, (to_json(change.image_ids), change.now), events=(event,))
            pairs = to_json(change.image_ids), to_json(change.member_ids)
            return Statement(WITHDRAW_EACH, (*pairs, change.now), events=(event,))
        case RemoveEndedOf():
            pairs = to_json(change.image_ids), to_json(change.member_ids)
            return Statement(REMOVE_ENDED_OF, (*pairs, change.now), events=(OF_IMAGES.ended(),))
        case RemoveWithImage():
            event = record_deleted(change.now, actor)
            return Statement(REMOVE_WITH_IMAGE, (change.image_id,), events=(event,))
        case RemoveEnded():
            return Statement(REMOVE_ENDED, (change.now, change.limit), events=(OF_IMAGES.ended(),))


def _terms(terms: Terms, actor: Actor) -> tuple[str | int | None, ...]:
    return terms.message, terms.ends_at, terms.expires_at, actor.user, actor.project, actor.domain


async def change_member(db: Database, change: Single, actor: Actor) -> Member | None:
    """Make the change; the membership, as of `to_statement`. None when what was seen holds no more."""
    if isinstance(change, AnswerUnseen) and not db.dialect.returns_joined:
        rows = await db.transact(record_answer(change, actor), to_statement(change, actor, is_told=True))
    else:
        rows = await db.transact(to_statement(change, actor))
    return member_of_row(rows[-1][0][: len(_FIELDS)]) if rows and rows[-1] else None


async def change_each(db: Database, change: Each, actor: Actor) -> int:
    """Make the change, which needs no lock of the images; how many memberships it changed."""
    rows = await db.transact(to_statement(change, actor))
    return len(rows[0]) if rows else 0
