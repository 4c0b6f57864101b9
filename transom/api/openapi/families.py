"""The calls of the share API on families, their versions and members."""

from typing import Any

from transom.api.openapi.model import (
    BOOLEAN,
    INTEGER,
    JSON,
    NATURAL,
    NOTHING,
    STRING,
    Operation,
    Parameter,
    Schema,
    array,
    closed,
    json,
    nullable,
    one_of,
    query,
    ref,
)
from transom.api.openapi.paging import PAGING
from transom.api.openapi.recipients import RECIPIENT
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
from transom.api.share.families import PATH, FamilyChange, NewFamily
from transom.api.share.family_members import MemberSet
from transom.api.share.terms import ChangedTerms
from transom.api.share.versions import Pointing, Publishing, Revoking, VersionPatch

_FAMILY = f"{PATH}/{{family_id}}"
_VERSION = f"{_FAMILY}/versions/{{number}}"
_MEMBER = f"{_FAMILY}/members/{{recipients}}/{{recipient_id}}"
_REPLACED = (*CHANGED, 428)


def _listed(summary: str, of: Schema, *parameters: Parameter, **headers: str) -> Operation:
    page = closed({"items": array(of), "next": nullable(STRING)})
    return Operation(
        summary=summary,
        answers={200: json(page, **headers)},
        errors=SEEN,
        parameters=(*parameters, *PAGING),
    )


def _made(summary: str, body: type, schema: Schema, example: dict[str, Any]) -> Operation:
    return Operation(
        summary=summary,
        bodies={JSON: body},
        answers={201: tagged(schema, Location="Where it is.")},
        errors=(403, 404, 409, 413),
        example=example,
    )


def _changed(summary: str, body: type, schema: Schema, example: dict[str, Any]) -> Operation:
    return Operation(
        summary=summary,
        bodies={MERGE_PATCH: body, JSON: body},
        answers={200: tagged(schema)},
        errors=CHANGED,
        parameters=(IF_MATCH,),
        example=example,
    )


def _replaced(summary: str, body: type, schema: Schema, example: dict[str, Any]) -> Operation:
    return Operation(
        summary=summary,
        bodies={JSON: body},
        answers={200: tagged(schema)},
        errors=_REPLACED,
        parameters=(IF_MATCH, IF_NONE_MATCH),
        example=example,
    )


def _removed(summary: str) -> Operation:
    return Operation(summary=summary, answers={204: NOTHING}, errors=CHANGED, parameters=(IF_MATCH,))


OPERATIONS = {
    f"GET {PATH}": _listed(
        "List families",
        ref("Family"),
        query("role", "Only those that the project owns, or is a member of.", one_of("owner", "member")),
        query("owner", "Only those of this project, by its id."),
        query("name", "Only those of this name."),
    ),
    f"POST {PATH}": _made("Make a family", NewFamily, ref("WholeFamily"), {"name": "web"}),
    f"GET {_FAMILY}": shown("Show a family", ref("WholeFamily")),
    f"PATCH {_FAMILY}": _changed(
        "Change what is said of a family", FamilyChange, ref("WholeFamily"), {"title": "Web server"}
    ),
    f"DELETE {_FAMILY}": _removed("Delete a family; memberships and images stay"),
    f"GET {_FAMILY}/versions": _listed("List the versions of a family, newest first", ref("FamilyVersion")),
    f"POST {_FAMILY}/versions": _made(
        "Make an image the next version",
        Publishing,
        ref("FamilyVersion"),
        {"image_id": IMAGE, "name": "1.4", "notes": "nginx 1.28", "promote": True},
    ),
    f"GET {_VERSION}": shown("Show a version", ref("FamilyVersion")),
    f"PATCH {_VERSION}": _changed(
        "Change what is said of a version, or when it is to be revoked",
        VersionPatch,
        ref("FamilyVersion"),
        {"notes": "nginx 1.28.1"},
    ),
    f"DELETE {_VERSION}": _removed("Take an image out of its family"),
    f"POST {_VERSION}/revoke": Operation(
        summary="Revoke a version, now or at a time to come",
        bodies={JSON: Revoking},
        answers={200: tagged(ref("FamilyVersion"))},
        errors=CHANGED,
        parameters=(IF_MATCH,),
        example={"reason": "CVE-2026-1234", "fall_back": True},
    ),
    f"POST {_VERSION}/restore": Operation(
        summary="Let a revoked version be used again",
        answers={200: tagged(ref("FamilyVersion"))},
        errors=CHANGED,
        parameters=(IF_MATCH,),
    ),
    f"GET {_FAMILY}/current": shown("Show the current version", ref("FamilyVersion")),
    f"PUT {_FAMILY}/current": _replaced(
        "Promote a version, or roll back to it", Pointing, ref("FamilyVersion"), {"number": 6}
    ),
    f"GET {_FAMILY}/members": _listed(
        "List whom a family was offered to",
        ref("FamilyMember"),
        query("status", "Only members with this status.", STATUS),
        ETag="Of the whole set; `PUT` names it in `If-Match`.",
    ),
    f"PUT {_FAMILY}/members": _replaced(
        "Offer a family to these and to nobody else",
        MemberSet,
        ref("FamilySetDone"),
        {"projects": [PROJECT], "message": "Golden images of the platform team."},
    ),
    f"GET {_MEMBER}": shown("Show one member of a family", ref("FamilyMember")),
    f"PATCH {_MEMBER}": _changed(
        "Change the terms of a member",
        ChangedTerms,
        ref("FamilyMember"),
        {"expires_at": "2027-01-01T00:00:00Z"},
    ),
}

_FAMILY_FIELDS = {
    "id": STRING,
    "name": STRING,
    "title": nullable(STRING),
    "description": nullable(STRING),
    "support_url": nullable(STRING),
    "owner": closed({"project": STRING}),
    "current_number": nullable(INTEGER),
    "provided_until": nullable(STRING),
    "created_at": STRING,
    "updated_at": STRING,
    "status": nullable(STATUS),
}
_MEMBER_COUNTS = closed(
    {
        "accepted": NATURAL,
        "asked_each_time": NATURAL,
        "pending": NATURAL,
        "rejected": NATURAL,
        "more": BOOLEAN,
    }
)
COMPONENTS: dict[str, Schema] = {
    "Family": closed(_FAMILY_FIELDS, {"promoted_at": nullable(STRING), "members": _MEMBER_COUNTS}),
    "WholeFamily": closed(
        {**_FAMILY_FIELDS, "current": nullable(ref("FamilyVersion"))}, {"members": _MEMBER_COUNTS}
    ),
    "FamilyVersion": closed(
        {
            "number": INTEGER,
            "image": nullable(closed({"id": STRING, "name": nullable(STRING), "status": STRING})),
            "hidden": BOOLEAN,
            "state": one_of("candidate", "current", "superseded", "revoked"),
            "name": nullable(STRING),
            "notes": nullable(STRING),
            "published_at": STRING,
            "promoted_at": nullable(STRING),
            "end_of_life": nullable(STRING),
            "revoke_at": nullable(STRING),
            "revoked_at": nullable(STRING),
            "revoke_reason": nullable(STRING),
            # Null in answers to writes.
            "usage": nullable(closed({"last_used_at": nullable(STRING)}, {"projects_30d": NATURAL})),
        }
    ),
    "FamilyMember": closed(
        {
            "recipient": RECIPIENT,
            "name": nullable(STRING),
            "status": STATUS,
            "new_versions": one_of("accepted", "pending"),
            "offered_at": STRING,
            "answered_at": nullable(STRING),
            "answer_by": nullable(STRING),
            "expires_at": nullable(STRING),
            "message": nullable(STRING),
            "usage": closed({"last_used_at": nullable(STRING)}),
        }
    ),
    "FamilySetDone": closed(
        {
            "offered": NATURAL,
            "renewed": NATURAL,
            "unchanged": NATURAL,
            "withdrawn": NATURAL,
            "failures": array(
                closed({"family": STRING, "type": STRING, "detail": STRING}, {"recipient": RECIPIENT})
            ),
        }
    ),
}
