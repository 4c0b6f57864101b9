"""The calls of the share API on offers: both sides of them, and the verbs."""

from typing import Any

from transom.api.openapi.model import (
    JSON,
    STRING,
    Answer,
    Operation,
    Parameter,
    Shape,
    json,
    one_of,
    query,
)
from transom.api.openapi.paging import PAGING
from transom.api.openapi.tagged import (
    CHANGED,
    IF_MATCH,
    IF_NONE_MATCH,
    IMAGE,
    MERGE_PATCH,
    PROJECT,
    SEEN,
    STATUS,
    shown,
    tagged,
)
from transom.api.share.counts import InboxSummary, RecipientPage, ShareSummary
from transom.api.share.offers import Answers, Offers, Withdrawals
from transom.api.share.shares import Recipients
from transom.api.share.terms import ChangedTerms
from transom.api.share.wire import (
    AnswersGiven,
    InboxFamily,
    InboxItem,
    InboxPage,
    OffersMade,
    SetReplaced,
    Share,
    SharePage,
    ShareToPage,
    Withdrawn,
)
from transom.domain.recipients import GROUPS, KINDS_BY_PLURAL

_V1 = "/share/v1"
_SHARES = f"{_V1}/images/{{image_id}}/shares"
_SHARE = f"{_SHARES}/{{recipients}}/{{recipient_id}}"
_PATHS = ", ".join(f"`{plural}/<id>`" for plural in KINDS_BY_PLURAL)


def _listed(summary: str, shape: Shape, *parameters: Parameter) -> Operation:
    return Operation(
        summary=summary,
        answers={200: Answer(shape=shape)},
        errors=SEEN,
        parameters=(*parameters, *PAGING),
    )


def _verb(summary: str, body: type, done: type, example: dict[str, Any]) -> Operation:
    return Operation(
        summary=summary,
        bodies={JSON: body},
        answers={200: json(done)},
        errors=(403, 413),
        example=example,
    )


#: `METHOD /path` → what is said of it.
OPERATIONS: dict[str, Operation] = {
    f"GET {_V1}/inbox": _listed(
        "List what was offered to the project",
        InboxPage,
        query("status", "Only offers with this status; `pending` unless told.", STATUS),
        query("kind", "Only offers of this kind.", one_of("image", "family")),
        query("from", "Only what this project offers, by its id."),
        query(
            "through",
            "What the project has by its domain or its organisations.",
            one_of(*GROUPS),
        ),
    ),
    f"GET {_V1}/inbox/summary": shown("Count what was offered to the project", InboxSummary),
    f"GET {_V1}/inbox/images/{{image_id}}": shown("Show one offer to the project", InboxItem),
    f"GET {_V1}/inbox/families/{{family_id}}": shown("Show the offer of a family", InboxFamily),
    f"POST {_V1}/answers": _verb(
        "Answer offers",
        Answers,
        AnswersGiven,
        {"images": [IMAGE], "answer": "accepted"},
    ),
    f"POST {_V1}/offers": _verb(
        "Offer images",
        Offers,
        OffersMade,
        {
            "images": [IMAGE],
            "projects": [PROJECT],
            "message": "Replaces web-0; please move by Friday.",
            "answer_by": "2026-12-31T00:00:00Z",
            "expires_at": None,
        },
    ),
    f"POST {_V1}/withdrawals": _verb(
        "Withdraw images",
        Withdrawals,
        Withdrawn,
        {"images": [IMAGE], "projects": [PROJECT], "reason": "The licence has ended."},
    ),
    f"GET {_V1}/recipients": _listed("List whom the project shares with, and how much", RecipientPage),
    f"GET {_V1}/shares": _listed(
        "List what the project shares with one recipient",
        ShareToPage,
        query("to", f"The id of a project, or {_PATHS}.", STRING),
    ),
    f"GET {_SHARES}": _listed(
        "List whom an image is shared with",
        SharePage,
        query("status", "Only shares with this status.", STATUS),
    ),
    f"PUT {_SHARES}": Operation(
        summary="Say who all the recipients of an image are",
        bodies={JSON: Recipients},
        answers={200: tagged(SetReplaced)},
        errors=(*CHANGED, 428),
        parameters=(IF_MATCH, IF_NONE_MATCH),
        example={"projects": [PROJECT], "message": "For all customers of the web plan."},
    ),
    f"GET {_SHARES}/summary": Operation(
        summary="Count whom an image is shared with",
        answers={200: json(ShareSummary)},
        errors=SEEN,
    ),
    f"GET {_SHARE}": shown("Show one share of an image", Share),
    f"PATCH {_SHARE}": Operation(
        summary="Change the terms of a share",
        bodies={MERGE_PATCH: ChangedTerms, JSON: ChangedTerms},
        answers={200: tagged(Share)},
        errors=CHANGED,
        parameters=(IF_MATCH, IF_NONE_MATCH),
        example={"expires_at": "2027-06-30T00:00:00Z"},
    ),
}
