"""What lists show of the share API's answers, with the columns in their order.

A row has at least these columns, and what else the answer has, for output as JSON.
"""

from typing import Any

from transom.client.kinds import name_party

Row = dict[str, Any]

INBOX = ("kind", "id", "name", "from", "status", "offered_at", "answer_by", "expires_at", "message")
SHARES = ("recipient", "name", "status", "offered_at", "answered_at", "expires_at", "last_used_at")
SHARES_TO = ("kind", "id", "name", "status", "offered_at", "answer_by", "expires_at")
RECIPIENTS = ("recipient", "name", "images", "families", "pending", "offered_at")
EVENTS = ("time", "type", "image", "family", "version", "owner", "recipient", "by", "via", "reason")
#: Of an event, what is for programs.
EVENTS_MORE = (
    *("image_id", "family_id", "owner_id", "recipient_id", "was", "status", "message"),
    *("by_project", "by_user", "request_id", "sequence"),
)
FAMILIES = ("id", "name", "title", "owner", "current_number", "status", "updated_at")
VERSIONS = (
    *("number", "image_id", "image", "state", "name", "promoted_at", "last_used_at"),
    *("revoked_at", "revoke_reason"),
)
MEMBERS = ("recipient", "name", "status", "new_versions", "offered_at", "expires_at", "last_used_at")


def inbox_row(item: Row) -> Row:
    thing = item.get("image") or item.get("family") or {}
    sender = item.get("from") or {}
    publisher = sender.get("publisher") or {}
    return {
        **item,
        "id": thing.get("id"),
        "name": thing.get("name"),
        "from": publisher.get("name") or sender.get("name") or sender.get("project"),
    }


def share_row(item: Row) -> Row:
    return {**item, "recipient": name_party(item.get("recipient")), "last_used_at": _last_used(item)}


def recipient_row(item: Row) -> Row:
    """Of what it has and of what waits, images and families together, the numbers."""
    images, families = item["images"], item["families"]
    return {
        **item,
        "recipient": name_party(item["recipient"]),
        "images": sum(images.values()),
        "families": sum(families.values()),
        "pending": images["pending"] + families["pending"],
    }


def _last_used(item: Row) -> Any:
    return (item.get("usage") or {}).get("last_used_at")


def version_row(version: Row) -> Row:
    """Its image by id and name; how it is used, as far as that is told, last."""
    image, usage = version.get("image") or {}, version.get("usage") or {}
    told = {name: value for name, value in version.items() if name != "usage"}
    ids = {"number": version.get("number"), "image_id": image.get("id")}
    return {**ids, **told, "image": image.get("name"), "last_used_at": None, **usage}


def family_row(family: Row) -> Row:
    """Its current version as the id of that one's image."""
    current = family.get("current")
    return {
        **family,
        "owner": name_party(family.get("owner")),
        **({"current": version_row(current)["image_id"] if current else None} if "current" in family else {}),
    }


def event_row(event: Row) -> Row:
    data = event.get("data") or {}
    image, family = data.get("image") or {}, data.get("family") or {}
    actor = data.get("by") or {}
    return {
        "time": event.get("time"),
        "type": str(event.get("type", "")).removeprefix("transom."),
        "image": image.get("name") or image.get("id"),
        # Of what a family brought the name of the image says more than an id.
        "family": family.get("name") or (None if image else family.get("id")),
        "owner": name_party(data.get("owner")),
        "version": family.get("number"),
        "recipient": name_party(data.get("recipient")),
        "by": actor.get("user_name") or name_party(actor),
        "via": data.get("via"),
        "reason": data.get("reason"),
        "image_id": image.get("id"),
        "family_id": family.get("id"),
        "owner_id": _id_of(data.get("owner")),
        "recipient_id": _id_of(data.get("recipient")),
        "was": data.get("was"),
        "status": data.get("status"),
        "message": data.get("message"),
        "by_project": actor.get("project"),
        "by_user": actor.get("user"),
        "request_id": data.get("request_id"),
        "sequence": event.get("sequence"),
    }


def _id_of(party: Row | None) -> str | None:
    return name_party({**party, "name": None}) if party else None


def failure_text(failure: Row) -> str:
    """One of an answer's `failures`, in a line."""
    thing = failure.get("image") or failure.get("family") or ""
    recipient = _id_of(failure.get("recipient"))
    whom = f" to {recipient}" if recipient else ""
    return f"{thing}{whom}: {failure.get('detail') or failure.get('type')}"
