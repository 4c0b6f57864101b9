"""The calls of the share API on offers: both sides of them, and the verbs."""

from typing import Any

from transom.api.openapi.model import (
    JSON,
    NOTHING,
    STRING,
    Answer,
    Operation,
    Parameter,
    Shape,
    header,
    json,
    one_of,
    query,
)
from transom.api.openapi.paging import PAGING
from transom.api.share.offers import Answers, Offers, Withdrawals
from transom.api.share.shares import Recipients
from transom.api.share.terms import ChangedTerms
from transom.api.share.wire import (
    AnswersGiven,
    InboxFamily,
    InboxItem,
    InboxPage,
    InboxSummary,
    OffersMade,
    SetReplaced,
    Share,
    SharePage,
    ShareSummary,
    ShareToPage,
    Withdrawn,
)
from transom.domain.recipients import GROUPS, KINDS_BY_PLURAL

_V1 = "/share/v1"
_SHARES = f"{_V1}/images/{{image_id}}/shares"
_SHARE = f"{_SHARES}/{{recipients}}/{{recipient_id}}"
_SEEN = (403, 404)
_MERGE_PATCH = "application/merge-patch+json"
_STATUS = one_of("pending", "accepted", "rejected")
_IF_NONE_MATCH = header("If-None-Match", "304 if it still has this entity tag.")
_IF_MATCH = header("If-Match", "Do it only to what has this entity tag; 412 else.")
_TAGGED = {"ETag": "Of what somebody decided; `If-Match` of a write names it."}
_IMAGE, _PROJECT = "8b2a0bb3-7f5c-4f0b-8a35-6d1a9d6f6b57", "3f1d6a2c9d5e4b0f8a7c6b5d4e3f2a1b"

_PATHS = ", ".join(f"`{plural}/<id>`" for plural in KINDS_BY_PLURAL)


def _shown(summary: str, shape: Shape) -> Operation:
    return Operation(
        summary=summary,
        answers={200: Answer(shape=shape, headers=_TAGGED), 304: NOTHING},
        errors=(*_SEEN, 412),
        parameters=(_IF_NONE_MATCH, _IF_MATCH),
    )


def _listed(summary: str, shape: Shape, *parameters: Parameter) -> Operation:
    return Operation(
        summary=summary,
        answers={200: Answer(shape=shape)},
        errors=_SEEN,
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
        query("status", "Only offers with this status; `pending` unless told.", _STATUS),
        query("kind", "Only offers of this kind.", one_of("image", "family")),
        query("from", "Only what this project offers, by its id."),
        query(
            "through",
            "What the project has by its domain or its organisations.",
            one_of(*GROUPS),
        ),
    ),
    f"GET {_V1}/inbox/summary": _shown("Count what was offered to the project", InboxSummary),
    f"GET {_V1}/inbox/images/{{image_id}}": _shown("Show one offer to the project", InboxItem),
    f"GET {_V1}/inbox/families/{{family_id}}": _shown("Show the offer of a family", InboxFamily),
    f"POST {_V1}/answers": _verb(
        "Answer offers",
        Answers,
        AnswersGiven,
        {"images": [_IMAGE], "answer": "accepted"},
    ),
    f"POST {_V1}/offers": _verb(
        "Offer images",
        Offers,
        OffersMade,
        {
            "images": [_IMAGE],
            "projects": [_PROJECT],
            "message": "Replaces web-0; please move by Friday.",
            "answer_by": "2026-12-31T00:00:00Z",
            "expires_at": None,
        },
    ),
    f"POST {_V1}/withdrawals": _verb(
        "Withdraw images",
        Withdrawals,
        Withdrawn,
        {"images": [_IMAGE], "projects": [_PROJECT], "reason": "The licence has ended."},
    ),
    f"GET {_V1}/shares": _listed(
        "List what the project shares with one recipient",
        ShareToPage,
        query("to", f"The id of a project, or {_PATHS}.", STRING),
    ),
    f"GET {_SHARES}": _listed(
        "List whom an image is shared with",
        SharePage,
        query("status", "Only shares with this status.", _STATUS),
    ),
    f"PUT {_SHARES}": Operation(
        summary="Say who all the recipients of an image are",
        bodies={JSON: Recipients},
        answers={200: Answer(shape=SetReplaced, headers=_TAGGED)},
        errors=(*_SEEN, 409, 412, 413, 428),
        parameters=(_IF_MATCH, _IF_NONE_MATCH),
        example={"projects": [_PROJECT], "message": "For all customers of the web plan."},
    ),
    f"GET {_SHARES}/summary": Operation(
        summary="Count whom an image is shared with",
        answers={200: json(ShareSummary)},
        errors=_SEEN,
    ),
    f"GET {_SHARE}": _shown("Show one share of an image", Share),
    f"PATCH {_SHARE}": Operation(
        summary="Change the terms of a share",
        bodies={_MERGE_PATCH: ChangedTerms, JSON: ChangedTerms},
        answers={200: Answer(shape=Share, headers=_TAGGED)},
        errors=(*_SEEN, 409, 412, 413),
        parameters=(_IF_MATCH, _IF_NONE_MATCH),
        example={"expires_at": "2027-06-30T00:00:00Z"},
    ),
}
