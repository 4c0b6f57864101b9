"""Responses that are stored for requests with an Idempotency-Key, in the table `answered_request`.

The row is written first in the transaction that does the work, and the response at its end: another request
with the same key waits for that transaction, and finds a response only if the work was committed.
"""

import msgspec

from transom.domain.errors import LimitExceededError
from transom.domain.idempotency import KeyedRequest, StoredResponse
from transom.sql.db import Database, Row, Script, Statement
from transom.sql.images import to_json
from transom.sql.retry import write_conflict

_decode_headers = msgspec.json.Decoder(list[tuple[str, str]]).decode
_NOT_YET = 0

FIND_RESPONSE = """
    select fingerprint, status, headers, body from answered_request
    where project_id = $1 and user_id = $2 and key = $3 and at > $4"""


async def find_response(db: Database, request: KeyedRequest, since: int) -> StoredResponse | None:
    """The response stored for the key, if it is from after `since`."""
    rows = await db.read(FIND_RESPONSE, *_id_of(request), since)
    return _response_of_row(rows[0]) if rows else None


# A row that has expired counts as absent.
CLAIM_KEY = f"""
    insert into answered_request (project_id, user_id, key, fingerprint, status, headers, body, at)
    values ($1, $2, $3, $4, {_NOT_YET}, '[]', '', $5)
    on conflict (project_id, user_id, key) do update
    set fingerprint = excluded.fingerprint, at = excluded.at where answered_request.at <= $6
    returning fingerprint"""


# A range of the primary key, cut at the limit.
COUNT_KEYS = """
    select count(*) from (select 1 from answered_request where project_id = $1 limit $2) as kept"""


def claim(request: KeyedRequest, now: int, since: int, limit: int) -> Script[StoredResponse | None]:
    """Claim the key for this transaction, or return the response stored for it since then. LimitExceededError
    for a project that has `limit` keys already, negative: no limit."""
    if (yield Statement(CLAIM_KEY, (*_id_of(request), request.fingerprint, now, since))):
        if limit >= 0:
            ((count,),) = yield Statement(COUNT_KEYS, (request.project_id, limit + 1))
            if count > limit:
                text = f"The project has used {limit} keys lately, the most it may (idempotency_key_quota)."
                raise LimitExceededError(text)
        return None
    rows = yield Statement(FIND_RESPONSE, (*_id_of(request), since))
    if not rows:
        raise write_conflict("The response stored for this Idempotency-Key is")
    return _response_of_row(rows[0])


SET_RESPONSE = """
    update answered_request set status = $4, headers = $5, body = $6
    where project_id = $1 and user_id = $2 and key = $3"""


def store_response(request: KeyedRequest, response: StoredResponse) -> Statement:
    """Store the response to a request whose key this transaction has claimed."""
    return Statement(
        SET_RESPONSE, (*_id_of(request), response.status, to_json(response.headers), response.body)
    )


# By `answered_request_by_age`.
DELETE_OLD_RESPONSES = """
    delete from answered_request where (project_id, user_id, key) in (
        select project_id, user_id, key from answered_request where at <= $1 order by at limit $2)
    returning at"""


def remove_old(until: int, limit: int) -> Script[int]:
    """Delete responses from `until` or before, at most `limit` of them; returns how many."""
    return len((yield Statement(DELETE_OLD_RESPONSES, (until, limit))))


FIND_OLDEST_RESPONSE = "select min(at) from answered_request"


async def find_oldest(db: Database) -> int | None:
    """The time of the oldest stored response."""
    rows = await db.read(FIND_OLDEST_RESPONSE)
    return rows[0][0] if rows else None


def _id_of(request: KeyedRequest) -> tuple[str, str, str]:
    return request.project_id, request.user_id, request.key


def _response_of_row(row: Row) -> StoredResponse:
    fingerprint, status, headers, body = row
    return StoredResponse(fingerprint=fingerprint, status=status, headers=_decode_headers(headers), body=body)
