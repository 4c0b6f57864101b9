"""Offering and withdrawing: an image or a family, to and from projects."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from hashlib import sha256
from http import HTTPStatus
from typing import Any, NamedTuple

from transom.api.http import Response
from transom.console.client import cursor_of, segment
from transom.console.recipients import Recipients, read_recipients
from transom.console.views.family import get_own_family
from transom.console.views.image import MOST_SEARCHED, find_last_use, get_own_image
from transom.console.visit import Given, Visit
from transom.domain.errors import ForbiddenError, InvalidError
from transom.domain.recipients import KINDS_BY_PLURAL

_OFFERS = "/share/v1/offers"
_WITHDRAWALS = "/share/v1/withdrawals"
#: Of pages and of the API → what the API calls the shares of such a thing.
PARTS = {"images": "shares", "families": "members"}
#: Recipients of an offer that are looked at before it is made.
MOST_LOOKED_AT = 100
#: Above so many the number is typed before they lose something.
TYPED_ABOVE = 20


class Subject:
    """What is offered or withdrawn: `kind` is that of the path, images or families."""

    def __init__(self, kind: str, record: Mapping[str, Any], title: str) -> None:
        self.kind = kind
        self.id = str(record["id"])
        self.name = title
        self.page = f"/{kind}/{self.id}"


class Held(NamedTuple):
    """Which of the recipients have it already. `by_answer`: what they were pasted as; `left`: how many others
    there are; `seen`: of all recipients, what a form sends that was told of these."""

    by_answer: Mapping[str, Sequence[str]]
    left: int
    seen: str


async def _find_image(visit: Visit) -> Subject:
    image = await get_own_image(visit)
    return Subject("images", image, image["name"] or image["id"])


async def _find_family(visit: Visit) -> Subject:
    family = await get_own_family(visit)
    return Subject("families", family, family["name"])


async def show_offer(visit: Visit) -> Response:
    return await _show_offer(visit, await _find_image(visit))


async def show_family_offer(visit: Visit) -> Response:
    return await _show_offer(visit, await _find_family(visit))


async def offer(visit: Visit) -> Response:
    return await _offer(visit, await _find_image(visit))


async def offer_family(visit: Visit) -> Response:
    return await _offer(visit, await _find_family(visit))


async def _show_offer(
    visit: Visit,
    subject: Subject,
    status: int = HTTPStatus.OK,
    given: Given | None = None,
    wrong: Sequence[tuple[str, str]] = (),
    result: Mapping[str, Any] | None = None,
    held: Held | None = None,
) -> Response:
    return await visit.page(
        "offer.html",
        status,
        subject=subject,
        given=given or Given(to=visit.query.get("to", "")),
        wrong=wrong,
        result=result,
        held=held,
        today=visit.now.date().isoformat(),
    )


async def _offer(visit: Visit, subject: Subject) -> Response:
    """Lines that cannot be understood stop all of it: nobody is offered half of a list."""
    form = await visit.form()
    given = form.given("to", "message", "answer_by", "expires_at")
    found = await read_recipients(visit.signing.ask, visit.token, form.raw("to"))
    if found.wrong or not found.names:
        wrong = found.wrong or [("", "name at least one project")]
        return await _show_offer(visit, subject, HTTPStatus.BAD_REQUEST, given, wrong)
    held = await _find_held(visit, subject, found)
    if held.by_answer and (form.one("seen") != held.seen or not held.left):
        return await _show_offer(visit, subject, HTTPStatus.OK, given, held=held)
    body: dict[str, Any] = {subject.kind: [subject.id], "projects": list(found.names)}
    body |= {name: given[name] for name in ("message",) if name in given}
    body |= {name: end_of(given[name]) for name in ("answer_by", "expires_at") if name in given}
    done = (await visit.client.do("POST", _OFFERS, body)).body
    if done["failures"]:
        failures = [(_name_failure(one, found), one["detail"]) for one in done["failures"]]
        return await _show_offer(visit, subject, HTTPStatus.OK, given, failures, done)
    numbers = {"n": done["offered"], "again": done["renewed"] or None, "u": done["unchanged"] or None}
    page = subject.page if subject.kind == "images" else f"{subject.page}/members"
    return visit.go(page, did="offered", **numbers)


async def _find_held(visit: Visit, subject: Subject, recipients: Recipients) -> Held:
    """Of more than MOST_LOOKED_AT recipients nobody is looked at: the answer to the offer tells of them."""
    ids = list(recipients.names)
    seen = sha256("\n".join(sorted(ids)).encode()).hexdigest()
    if len(ids) > MOST_LOOKED_AT:
        return Held({}, len(ids), seen)
    root = f"/share/v1/{subject.kind}/{segment(subject.id)}/{PARTS[subject.kind]}/projects"
    answers = await asyncio.gather(
        *(visit.client.try_get(f"{root}/{segment(one)}", is_shown=False) for one in ids)
    )
    by_answer: dict[str, list[str]] = {}
    for own_id, answer in zip(ids, answers, strict=True):
        if answer.status == HTTPStatus.OK:
            by_answer.setdefault(answer.body["status"], []).append(recipients.names[own_id])
    kept = sum(len(names) for status, names in by_answer.items() if status != "rejected")
    return Held(by_answer, len(ids) - kept, seen)


def _name_failure(failure: Mapping[str, Any], found: Recipients) -> str:
    recipient = failure.get("recipient") or {}
    own_id = next(iter(recipient.values()), "")
    return found.names.get(own_id, own_id)


def end_of(day: str) -> str:
    """The end of a day, as the API has times. InvalidError for what is no day."""
    try:
        return f"{date.fromisoformat(day).isoformat()}T23:59:59Z"
    except ValueError:
        raise InvalidError(f"{day[:40]!r} is no day.") from None


async def show_withdrawal(visit: Visit) -> Response:
    return await _show_withdrawal(visit, await _find_image(visit))


async def show_family_withdrawal(visit: Visit) -> Response:
    return await _show_withdrawal(visit, await _find_family(visit))


async def withdraw(visit: Visit) -> Response:
    return await _withdraw(visit, await _find_image(visit))


async def withdraw_family(visit: Visit) -> Response:
    return await _withdraw(visit, await _find_family(visit))


async def _show_withdrawal(visit: Visit, subject: Subject, wrong: str = "") -> Response:
    """`to=projects/<id>`, repeated; or `everybody=1`."""
    everybody = visit.query.get("everybody") == "1"
    root = f"/share/v1/{subject.kind}/{segment(subject.id)}"
    part = PARTS[subject.kind]
    if everybody:
        counts, shares = await asyncio.gather(
            _count_recipients(visit, subject, root),
            visit.client.get(f"{root}/{part}", limit=MOST_SEARCHED),
        )
        recipients, held = [], shares["items"]
        count = sum(counts[status] for status in ("accepted", "pending", "rejected"))
    else:
        recipients = await _find_recipients(visit, f"{root}/{part}")
        held, count = recipients, len(recipients)
    status = HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK
    return await visit.page(
        "withdraw.html",
        status,
        subject=subject,
        recipients=recipients,
        last_use=find_last_use(held),
        everybody=everybody,
        count=count,
        typed=count > TYPED_ABOVE,
        wrong=wrong,
    )


async def _count_recipients(visit: Visit, subject: Subject, root: str) -> Mapping[str, int]:
    """By their answer."""
    found: dict[str, Any]
    if subject.kind == "images":
        found = await visit.client.get(f"{root}/shares/summary")
    else:
        found = (await visit.client.get(root)).get("members")
        if found is None:
            raise ForbiddenError("Only the publisher of a family withdraws it.")
    return found


async def _find_recipients(visit: Visit, shares: str) -> list[dict[str, Any]]:
    """Of `to`, those who have it."""
    keys = visit.query_all("to")[:100]
    paths = ["/".join([shares, *map(segment, key.split("/", 1))]) for key in keys]
    answers = await asyncio.gather(*map(visit.client.try_get, paths))
    return [
        {"key": key, **answer.body}
        for key, answer in zip(keys, answers, strict=True)
        if answer.status == HTTPStatus.OK
    ]


async def _withdraw(visit: Visit, subject: Subject) -> Response:
    form = await visit.form()
    body: dict[str, Any] = {subject.kind: [subject.id], **form.given("reason")}
    chosen = form.all("to")
    if form.has("everybody"):
        body["everybody"] = True
    else:
        body |= _by_kind(chosen)
    if (expected := form.one("expected")) and form.one("typed") != expected:
        return await _show_withdrawal(visit, subject, f"Type {expected} to show that you mean it.")
    done = (await visit.client.do("POST", _WITHDRAWALS, body)).body
    page = subject.page if subject.kind == "images" else f"{subject.page}/members"
    return visit.go(page, did="withdrawn", n=done["withdrawn"], f=len(done["failures"]) or None)


def _by_kind(chosen: Sequence[str]) -> dict[str, list[str]]:
    """`projects/<id>` … → the body's lists. InvalidError when there is none."""
    found: dict[str, list[str]] = {}
    for one in chosen:
        kind, _, own_id = one.partition("/")
        if kind in KINDS_BY_PLURAL and own_id:
            found.setdefault(kind, []).append(own_id)
    if not found:
        raise InvalidError("Nobody is selected.")
    return found


async def show_shared(visit: Visit) -> Response:
    """All that the project gives to one recipient; without one, who its recipients are."""
    wanted, wrong = visit.query.get("to", "").strip(), ""
    if not wanted:
        found = await visit.client.get("/share/v1/recipients", limit=25, after=visit.query.get("after"))
        return await visit.page(
            "recipients.html", recipients=found["items"], next_after=cursor_of(found["next"])
        )
    key = wanted if "/" in wanted else ""
    if not key:
        recipients = await read_recipients(visit.signing.ask, visit.token, wanted)
        key = next((f"projects/{one}" for one in recipients.names), "")
        wrong = recipients.wrong[0][1] if recipients.wrong else ""
    answer = (
        await visit.client.get("/share/v1/shares", to=key, limit=25, after=visit.query.get("after"))
        if key
        else {"items": [], "next": None}
    )
    return await visit.page(
        "shared.html",
        items=answer["items"],
        next_after=cursor_of(answer["next"]),
        whom=await _name_recipient(visit, key, answer["items"]) if "/" in wanted else wanted,
        to=key,
        wrong=wrong,
        did=visit.query.get("did", ""),
        count=visit.query.get("n", ""),
    )


async def _name_recipient(visit: Visit, to: str, shares: Sequence[dict[str, Any]]) -> str:
    """The name of who has these shares (`to`: `projects/<id>` …), the id where nobody knows it. The list
    does not say it, one share does."""
    kind, _, own_id = to.partition("/")
    name = None
    if shares:
        things, parts = ("images", "shares") if shares[0]["kind"] == "image" else ("families", "members")
        thing = shares[0]["image" if things == "images" else "family"]["id"]
        path = f"/share/v1/{things}/{thing}/{parts}/{kind}/{segment(own_id)}"
        answer = await visit.client.try_get(path, is_shown=False)
        name = answer.body["name"] if answer.status == HTTPStatus.OK else None
    return str(name or own_id)


async def show_withdraw_all(visit: Visit) -> Response:
    return await _ask_to_withdraw_all(visit, visit.query.get("to", ""))


async def _ask_to_withdraw_all(
    visit: Visit, to: str, wrong: str = "", status: int = HTTPStatus.OK
) -> Response:
    answer = await visit.client.get("/share/v1/shares", to=to, limit=1000)
    return await visit.page(
        "withdraw_all.html",
        status,
        to=to,
        whom=await _name_recipient(visit, to, answer["items"]),
        count=len(answer["items"]),
        more=bool(answer["next"]),
        wrong=wrong,
    )


async def withdraw_all(visit: Visit) -> Response:
    form = await visit.form()
    to = form.one("to")
    if form.one("typed") != form.one("whom"):
        wrong = "Type the name to show that you mean it."
        return await _ask_to_withdraw_all(visit, to, wrong, HTTPStatus.BAD_REQUEST)
    body = {"everything": True, **_by_kind([to]), **form.given("reason")}
    done = (await visit.client.do("POST", _WITHDRAWALS, body)).body
    return visit.go("/shared", to=to, did="withdrawn", n=done["withdrawn"])
