"""What calls of the share API on single resources have in common: entity tags and conditions."""

from transom.api.openapi.model import NOTHING, Answer, Operation, Shape, header, one_of

SEEN = (403, 404)
CHANGED = (*SEEN, 409, 412, 413)
MERGE_PATCH = "application/merge-patch+json"
#: Of offers and shares.
STATUS = one_of("pending", "accepted", "rejected")
IF_MATCH = header("If-Match", "Do it only to what has this entity tag; 412 else.")
IF_NONE_MATCH = header("If-None-Match", "304 if it still has this entity tag.")
_TAGGED = {"ETag": "Of what somebody decided; `If-Match` of a write names it."}
#: Ids in examples.
IMAGE, PROJECT = "8b2a0bb3-7f5c-4f0b-8a35-6d1a9d6f6b57", "3f1d6a2c9d5e4b0f8a7c6b5d4e3f2a1b"


def tagged(shape: Shape, **more: str) -> Answer:
    """`more`: headers beside the tag."""
    return Answer(shape=shape, headers={**_TAGGED, **more})


def shown(summary: str, shape: Shape) -> Operation:
    """A look at one resource."""
    return Operation(
        summary=summary,
        answers={200: tagged(shape), 304: NOTHING},
        errors=(*SEEN, 412),
        parameters=(IF_NONE_MATCH, IF_MATCH),
    )
