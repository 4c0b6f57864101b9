"""Answers that were given to requests with an Idempotency-Key.

The row is written first in the transaction that does the work, and has the answer at its end: who comes with
the same key meanwhile waits for that transaction, and finds an answer only if there is work behind it.
"""

import msgspec

from transom.domain.answers import Answer, Asked
from transom.domain.errors import LimitExceededError
from transom.sql.db import Database, Row, Script, Statement
from transom.sql.images import to_json
from transom.sql.retry import write_conflict

_decode_headers = msgspec.json.Decoder(list[tuple[str, str]]).decode
_NOT_YET = 0

FIND_ANSWER = """
    select fingerprint, status, headers, body from answered_request
    where project_id = $1 and user_id = $2 and key = $3 and at > $4"""


async def find_answer(db: Database, asked: Asked, since: int) -> Answer | None:
    """The answer that the key has had since then."""
    rows = await db.read(FIND_ANSWER, *_id_of(asked), since)
    return _answer_of_row(rows[0]) if rows else None


# One that is too old is as if it were not there.
CLAIM_KEY = f"""
    insert into answered_request (project_id, user_id, key, fingerprint, status, headers, body, at)
    values ($1, $2, $3, $4, {_NOT_YET}, '[]', '', $5)
    on conflict (project_id, user_id, key) do update
    set fingerprint = excluded.fingerprint, at = excluded.at where answered_request.at <= $6
    returning fingerprint"""


# A range of the primary key, cut at the limit.
COUNT_KEYS = """
    select count(*) from (select 1 from answered_request where project_id = $1 limit $2) as kept"""


def claim(asked: Asked, now: int, since: int, most: int) -> Script[Answer | None]:
    """Make the key this transaction's; or the answer that it has had since then. LimitExceededError for a
    project that has `most` keys already, negative: no limit."""
    if (yield Statement(CLAIM_KEY, (*_id_of(asked), asked.fingerprint, now, since))):
        if most >= 0:
            ((count,),) = yield Statement(COUNT_KEYS, (asked.project_id, most + 1))
            if count > most:
                text = f"The project has used {most} keys lately, the most it may (idempotency_key_quota)."
                raise LimitExceededError(text)
        return None
    rows = yield Statement(FIND_ANSWER, (*_id_of(asked), since))
    if not rows:
        raise write_conflict("The answer of this Idempotency-Key is")
    return _answer_of_row(rows[0])


SET_ANSWER = """
    update answered_request set status = $4, headers = $5, body = $6
    where project_id = $1 and user_id = $2 and key = $3"""


def keep_answer(asked: Asked, answer: Answer) -> Statement:
    """The answer to a request whose key this transaction has claimed."""
    return Statement(SET_ANSWER, (*_id_of(asked), answer.status, to_json(answer.headers), answer.body))


# By `answered_request_by_age`.
DELETE_OLD_ANSWERS = """
    delete from answered_request where (project_id, user_id, key) in (
        select project_id, user_id, key from answered_request where at <= $1 order by at limit $2)
    returning at"""


def remove_old(until: int, most: int) -> Script[int]:
    """Remove the answers that are from then or before, at most so many; how many it were."""
    return len((yield Statement(DELETE_OLD_ANSWERS, (until, most))))


FIND_OLDEST_ANSWER = "select min(at) from answered_request"


async def find_oldest(db: Database) -> int | None:
    """When the oldest answer was given."""
    rows = await db.read(FIND_OLDEST_ANSWER)
    return rows[0][0] if rows else None


def _id_of(asked: Asked) -> tuple[str, str, str]:
    return asked.project_id, asked.user_id, asked.key


def _answer_of_row(row: Row) -> Answer:
    fingerprint, status, headers, body = row
    return Answer(fingerprint=fingerprint, status=status, headers=_decode_headers(headers), body=body)
