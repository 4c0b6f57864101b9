"""What other projects offer to this one: the inbox, its answers, and the rules that answer by themselves."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any

import msgspec
from markupsafe import Markup

from transom.api.http import Response, encode_json
from transom.console.client import cursor_of, segment
from transom.console.recipients import read_recipients
from transom.console.render import render_part, time_words
from transom.console.views.history import described
from transom.console.visit import Form, Visit, page_url
from transom.domain.errors import InvalidError
from transom.domain.recipients import GROUPS

_INBOX = "/share/v1/inbox"
_ANSWERS = "/share/v1/answers"
_RULES = "/share/v1/rules"
#: Tab → parameters of the API.
TABS: dict[str, dict[str, str]] = {
    "pending": {"status": "pending"},
    "accepted": {"status": "accepted"},
    "rejected": {"status": "rejected"},
} | {str(kind): {"status": "accepted", "through": str(kind)} for kind in GROUPS}
#: Button → answer.
_ANSWER_OF = {
    "accept": "accepted",
    "ask": "accepted",
    "reject": "rejected",
    "leave": "left",
    "undo": "pending",
}
#: Events after which there is nothing to answer: the last part of their types.
_ENDS = frozenset({"withdrawn", "lapsed", "expired", "closed", "deleted"})
_KINDS = {"image": "images", "family": "families"}
_RULE_FIELDS = ("publisher", "who", "answer")
#: More would make the link to the page too long.
_MOST_NAMED = 25
#: Offers that are looked through for the names of their senders.
_MOST_LOOKED_AT = 100
#: Offers that are kept as they are shown, of about 2 kB each.
_MOST_CARDS = 500


async def show_inbox(visit: Visit) -> Response:
    """The tab that `show` names, filtered by kind and sender; an unknown tab is the first one."""
    query = visit.query
    tab = query.get("show", "pending") if query.get("show") in TABS else "pending"
    kind, sender = query.get("kind", ""), query.get("from", "")
    found, done = await asyncio.gather(
        visit.client.get(_INBOX, **TABS[tab], kind=kind, from_=sender, limit=25, after=query.get("after")),
        _describe_done(visit),
    )
    may_answer = visit.here.box.may_act and tab not in GROUPS
    return await visit.page(
        "inbox.html",
        cards=_write_cards(
            visit, found["items"], tab, may_answer, _count_by_sender(found, kind, query.get("after"))
        ),
        may_answer=may_answer,
        groups=GROUPS,
        next_after=cursor_of(found["next"]),
        tab=tab,
        kind=kind,
        sender=sender,
        senders=_list_senders(found["items"]),
        summary=await visit.summary(),
        **done,
    )


def _write_cards(
    visit: Visit, items: Sequence[dict[str, Any]], tab: str, may_answer: bool, waiting_of: Mapping[str, int]
) -> list[Markup]:
    """`waiting_of`: project → how many offers wait from it, as far as that is known."""
    # To the minute, so that a card is the same on the next page.
    now = visit.now.replace(second=0, microsecond=0)
    return [
        _write_card(
            encode_json(item), tab, may_answer, waiting_of.get(item["from"]["project"]), visit.prefix, now
        )
        for item in items
    ]


@lru_cache(maxsize=_MOST_CARDS)
def _write_card(
    offer: bytes, tab: str, may_answer: bool, waiting: int | None, prefix: str, now: datetime
) -> Markup:
    """One offer. Kept, as most of a page's stand on the next one as well: whoever answers one is shown the
    others again. `offer`: JSON."""
    return render_part(
        "offer_card.html",
        item=msgspec.json.decode(offer),
        tab=tab,
        may_answer=may_answer,
        waiting=waiting,
        url=partial(page_url, prefix),
        **time_words(now),
    )


def _list_senders(items: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Project → its name, of the items on the page."""
    return {one["from"]["project"]: name_of_sender(one["from"]) for one in items}


def _count_by_sender(found: dict[str, Any], kind: str, after: str | None) -> Mapping[str, int]:
    """Project → how many offers it has in this list; of a list that is not all on the page, nothing."""
    is_whole = not (kind or after or found["next"])
    return Counter(one["from"]["project"] for one in found["items"]) if is_whole else {}


def name_of_sender(sender: dict[str, Any]) -> str:
    publisher = sender.get("publisher") or {}
    return str(publisher.get("name") or sender.get("name") or sender["project"])


async def _describe_done(visit: Visit) -> dict[str, Any]:
    """What was done before, for the note above the list. The link has ids only; the name is looked up."""
    done, ids = visit.query.get("did", ""), visit.query_all("id")[:_MOST_NAMED]
    name = sender = ""
    if len(ids) == 1 and done in ("accepted", "rejected"):
        kind, own_id, path = _path_of(ids[0])
        answer = await visit.client.try_get(path, is_shown=False)
        if answer.status == HTTPStatus.OK:
            name = answer.body[kind]["name"] or own_id
            sender = name_of_sender(answer.body["from"])
    failed = _number(visit.query.get("f"))
    return {
        "did": done,
        "count": _number(visit.query.get("n")),
        "failed": failed,
        "gone": await _find_end(visit, ids[0]) if failed and len(ids) == 1 else None,
        "remaining": _number(visit.query.get("r")),
        "done_ids": ids,
        "done_name": name,
        "done_from": sender,
    }


async def _find_end(visit: Visit, offer: str) -> dict[str, Any] | None:
    """The event by which an offer went; None where it is not told, or not yet."""
    kind, own_id, _ = _path_of(offer)
    last = {"order": "desc", "limit": 1, kind: own_id}
    answer = await visit.client.try_get("/share/v1/events", is_shown=False, **last)
    events = answer.body["events"] if answer.status == HTTPStatus.OK else []
    has_ended = bool(events) and events[0]["type"].rpartition(".")[2] in _ENDS
    return described(visit, events)[0] if has_ended else None


def _path_of(offer: str) -> tuple[str, str, str]:
    """Of `image:…` or `family:…`: the kind, the id, the path of the offer."""
    kind, _, own_id = offer.partition(":")
    if kind not in _KINDS:
        raise InvalidError("id names neither an image nor a family.")
    return kind, own_id, f"{_INBOX}/{_KINDS[kind]}/{segment(own_id)}"


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else 0


async def show_leave(visit: Visit) -> Response:
    kind, own_id, path = _path_of(visit.query.get("id", ""))
    item = await visit.client.get(path)
    return await visit.page(
        "inbox_leave.html",
        item=item,
        thing=item[kind],
        giver=name_of_sender(item["from"]),
        page=f"/{_KINDS[kind]}/{own_id}",
    )


async def answer(visit: Visit) -> Response:
    """Give the answer of the button that was pressed, and go back to the list, which says what was done.
    InvalidError when nothing is selected."""
    form = await visit.form()
    body, ids = _read_answer(form)
    done = (await visit.client.do("POST", _ANSWERS, body)).body
    given = "asked" if body["answer"] == "pending" else body["answer"]
    return visit.go(
        "/inbox",
        show=form.one("show"),
        kind=form.one("kind"),
        from_=form.one("from"),
        did=given,
        n=done["changed"],
        f=len(done["failures"]) or None,
        r=done["remaining"] or None,
        id=ids if body["answer"] != "left" and len(ids) <= _MOST_NAMED else None,
    )


def _read_answer(form: Form) -> tuple[dict[str, Any], list[str]]:
    """The body of the call, and the ids (kind:id) that it names. A button of a card names the card; those at
    the foot act on what is selected; `all-…` on all that waits from one project."""
    for button, given in _ANSWER_OF.items():
        if form.has(f"all-{button}"):
            return {"all": "pending", "from": form.one(f"all-{button}"), "answer": given}, []
        if form.has(button):
            ids = form.all(button) if form.one(button) != "selected" else form.all("id")
            named = {plural: _ids_of(ids, kind) for kind, plural in _KINDS.items()}
            body: dict[str, Any] = {name: found for name, found in named.items() if found}
            if not body:
                raise InvalidError("Nothing is selected.")
            body["answer"] = given
            if given == "accepted" and "families" in body:
                body["new_versions"] = "pending" if button == "ask" else "accepted"
            return body, ids
    raise InvalidError("The form names no answer.")


def _ids_of(ids: Sequence[str], kind: str) -> list[str]:
    return [own_id for given, _, own_id in (one.partition(":") for one in ids) if given == kind]


async def show_rules(visit: Visit) -> Response:
    """Whose offers are answered by a rule; the form as the query says."""
    query = visit.query
    given = {name: query.get(name, "") for name in _RULE_FIELDS}
    return await _show_rules(visit, given, did=query.get("did", ""), made=query.get("made", ""))


async def _show_rules(
    visit: Visit, given: Mapping[str, str], did: str = "", made: str = "", wrong: str = ""
) -> Response:
    """`made`: a rule that was not there before, which *Undo* removes."""
    found, names = await asyncio.gather(
        visit.client.get(_RULES, limit=25, after=visit.query.get("after")), _find_senders(visit)
    )
    has_default = any("everybody" in rule["publisher"] for rule in found["items"])
    return await visit.page(
        "rules.html",
        HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK,
        rules=found["items"],
        names=names,
        next_after=cursor_of(found["next"]),
        waits_else=not has_default and not found["next"],
        given=given,
        did=did,
        made=made,
        wrong=wrong,
    )


async def _find_senders(visit: Visit) -> dict[str, str]:
    """Project → its name, of those whose offers were answered of late, by a rule or not; and of the user's
    own. Of others the API tells no name."""
    answers = await asyncio.gather(
        *(
            visit.client.try_get(_INBOX, is_shown=False, status=status, limit=_MOST_LOOKED_AT)
            for status in ("accepted", "rejected")
        )
    )
    found = {project.id: project.name for project in visit.here.box.projects}
    for answer in answers:
        found |= _list_senders(answer.body["items"] if answer.status == HTTPStatus.OK else [])
    return found


async def change_rules(visit: Visit) -> Response:
    """Remove the rule that `remove` names, or keep the one of the form; the page again, with what is wrong,
    when it does not name one project."""
    form = await visit.form()
    if gone := form.one("remove"):
        return await _remove_rule(visit, gone)
    given = {name: form.one(name) for name in _RULE_FIELDS}
    publisher = given["publisher"]
    if publisher in ("", "project"):
        found = await read_recipients(visit.signing.ask, visit.token, given["who"])
        if len(found.names) != 1 or found.wrong:
            wrong = found.wrong[0][1] if found.wrong else "Name one project."
            return await _show_rules(visit, given, wrong=wrong)
        publisher = "projects/" + next(iter(found.names))
    path = f"{_RULES}/{_rule_path(publisher)}"
    done = await visit.client.do("PUT", path, {"answer": given["answer"]})
    is_new = done.status == HTTPStatus.CREATED
    return visit.go("/inbox/rules", did="kept", made=publisher if is_new else None)


async def _remove_rule(visit: Visit, publisher: str) -> Response:
    """The page that follows has what the rule said in its form."""
    path = f"{_RULES}/{_rule_path(publisher)}"
    rule = await visit.client.get(path, is_shown=False)
    await visit.client.do("DELETE", path)
    kind, _, own_id = publisher.partition("/")
    said = {"publisher": kind} if kind == "everybody" else {"who": own_id} if kind == "projects" else {}
    return visit.go("/inbox/rules", did="removed", answer=rule["answer"], **said)


def _rule_path(text: str) -> str:
    """`everybody`, `projects/<id>` or `domains/<id>`, safe in a path."""
    return "/".join(segment(part) for part in text.split("/", 1))
