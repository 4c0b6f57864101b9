"""Events in words: what happened, to what, by whom."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from transom.console.words import shorten, show_controls


class Reader(NamedTuple):
    """Whom the events are shown to. Its own name is shown where the event came without it."""

    project_id: str
    user_id: str
    user_name: str


class Described(NamedTuple):
    """`tone`, `symbol`: how it looks. `said`: a message or a reason in somebody's words. `by`: the user,
    empty where the event does not say which."""

    tone: str
    symbol: str
    text: Markup
    said: str
    by: Markup
    via: str


_VIA = {
    "images-v2": "Image API",
    "ims": "IMS API",
    "share": "share API",
    "rule": "by a rule",
    "family": "by the family",
    "time": "by the clock",
}
#: Type → tone, icon, sentence. {recipient}, {owner}: projects; {what}: the image or family.
_SENTENCES = {
    "share.offered": ("wait", "share", "{owner} offered {what} to {recipient}"),
    "share.renewed": ("wait", "share", "{owner} offered {what} to {recipient} again"),
    "share.accepted": ("good", "check", "{recipient} accepted {what}"),
    "share.rejected": ("", "x", "{recipient} rejected {what}"),
    "share.reset": ("", "undo", "{recipient} put the offer of {what} back to waiting"),
    "share.left": ("", "out", "{recipient} left {what}"),
    "share.withdrawn": ("bad", "ban", "{owner} withdrew {what} from {recipient}"),
    "share.changed": ("", "sliders", "{owner} changed the terms of {what} for {recipient}"),
    "share.lapsed": ("", "clock", "The offer of {what} to {recipient} lapsed without an answer"),
    "share.expired": ("", "calendar", "The share of {what} with {recipient} ended"),
    "share.granted": ("good", "layers", "{recipient} got {what}"),
    "family.created": ("accent", "layers", "{owner} made the family {what}"),
    "family.changed": ("", "sliders", "{owner} changed what the family {what} says"),
    "family.deleted": ("bad", "trash", "{owner} deleted the family {what}; who had its images keeps them"),
    "family.offered": ("wait", "share", "{owner} offered the family {what} to {recipient}"),
    "family.accepted": ("good", "check", "{recipient} accepted the family {what}"),
    "family.rejected": ("", "x", "{recipient} rejected the family {what}"),
    "family.reset": ("", "undo", "{recipient} put the offer of the family {what} back to waiting"),
    "family.left": ("", "out", "{recipient} left the family {what}"),
    "family.withdrawn": ("bad", "ban", "{owner} withdrew the family {what} from {recipient}"),
    "family.lapsed": ("", "clock", "The offer of the family {what} to {recipient} lapsed without an answer"),
    "family.expired": ("", "calendar", "The share of the family {what} with {recipient} ended"),
    "family.version_published": ("", "flask", "Version {number} joined the family {what}"),
    "family.promoted": ("accent", "star", "Version {number} of {what} became current"),
    "family.revoked": ("bad", "ban", "Version {number} of {what} was revoked"),
    "family.restored": ("", "undo", "Version {number} of {what} was restored"),
    "image.closed": ("bad", "lock", "{what} is no longer shared with {recipient}"),
    "image.opened": ("good", "share", "{what} is shared with {recipient} again"),
    "image.deleted": ("bad", "trash", "{what} was deleted"),
    "image.deactivated": ("bad", "pause", "{what} was deactivated"),
    "image.reactivated": ("good", "check", "{what} is active again"),
    "image.transferred": ("", "person", "{what} has another owner now: {recipient}"),
    "hook.disabled": ("bad", "hook", "A webhook was switched off"),
    "hook.test": ("", "hook", "A webhook was tried"),
}
TYPES = tuple(_SENTENCES)


def describe(event: Mapping[str, Any], reader: Reader, link: Mapping[str, str]) -> Described:
    """`link`: kind → where pages of that kind are (image, family)."""
    kind = str(event["type"]).removeprefix("transom.")
    tone, symbol, sentence = _SENTENCES.get(kind, ("", "list", "Something happened to {what}"))
    data = event["data"]
    text = Markup(sentence).format(  # noqa: S704 (one of ours)
        owner=_project(data.get("owner"), reader.project_id),
        recipient=_project(data.get("recipient"), reader.project_id),
        what=_what(kind, data, link),
        number=(data.get("family") or {}).get("number") or "?",
    )
    return Described(
        tone=tone,
        symbol=symbol,
        text=text,
        said=data.get("reason") or data.get("message") or "",
        by=_user(data.get("by") or {}, reader),
        via=_VIA.get(data.get("via", ""), ""),
    )


def _user(who: Mapping[str, Any], reader: Reader) -> Markup:
    user_id = who.get("user") or ""
    name = who.get("user_name") or (reader.user_name if user_id == reader.user_id else shorten(user_id))
    return Markup('<bdi title="{}">{}</bdi>').format(user_id, show_controls(name)) if user_id else Markup()


def _project(who: Mapping[str, Any] | None, own_project: str) -> Markup:
    if not who:
        return Markup("somebody")
    own_id = str(next(iter(who.values())) or "")
    if who.get("project") == own_project:
        return Markup("<strong>this project</strong>")
    name = who.get("name") or shorten(own_id)
    return Markup('<strong title="{}"><bdi>{}</bdi></strong>').format(own_id, show_controls(name))


def _what(kind: str, data: Mapping[str, Any], link: Mapping[str, str]) -> Markup:
    family, image = data.get("family"), data.get("image")
    if kind.startswith("family.") and family:
        return _link(link["family"], family)
    if image:
        return _link(link["image"], image)
    return Markup("it")


def _link(root: str, thing: Mapping[str, Any]) -> Markup:
    name = show_controls(thing.get("name") or shorten(thing["id"]))
    return Markup('<a href="{}/{}"><bdi>{}</bdi></a>').format(root, thing["id"], name)
