"""The share API (`/share/v1`): the inbox, the three verbs, who has what, what happened.

Bodies are those of the API, as dictionaries; times are texts of RFC 3339.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

import requests

from transom.client.families import find_family
from transom.client.names import find_image, find_project, is_uuid
from transom.client.service import RefusedError, Service

_V1 = "/share/v1"
#: As long as the service lets a reader wait for an event, seconds.
_WAIT_S = 30
#: Events that are searched for a name that nothing has any more.
_SEARCHED = 1000

Body = dict[str, Any]


def _given(**values: Any) -> Body:
    """Those that are not None and not empty."""
    return {name: value for name, value in values.items() if value not in (None, [], "")}


# ---- the recipient's side


def list_inbox(
    service: Service,
    status: str,
    kind: str | None = None,
    sender: str | None = None,
    *,
    through: str | None = None,
) -> Iterator[Body]:
    """What was offered to the account's project, newest first. `sender`: the id of a project; `through`: what
    its domain, or organization, has instead."""
    params = _given(status=status, kind=kind, through=through)
    return service.pages(f"{_V1}/inbox", {**params, **({"from": sender} if sender else {})}, "items")


def summarize_inbox(service: Service) -> Body:
    found: Body = service.call("GET", f"{_V1}/inbox/summary")
    return found


def answer(
    service: Service, word: str, images: list[str], families: list[str], new_versions: str | None = None
) -> Body:
    """`word`: accepted, rejected, pending or left. What could not be done is in `failures`."""
    body = _given(images=images, families=families, answer=word, new_versions=new_versions)
    done: Body = service.call("POST", f"{_V1}/answers", body)
    return done


def answer_all(service: Service, word: str, status: str, sender: str | None = None) -> Body:
    """Everything of this status, in as many calls as it takes."""
    body = {**_given(all=status, answer=word), **({"from": sender} if sender else {})}
    return _repeat(service, f"{_V1}/answers", body)


def _repeat(service: Service, path: str, body: Body) -> Body:
    """The call until nothing remains, or nothing changes any more; the counts of all together."""
    total: Body = {"failures": []}
    while True:
        done = service.call("POST", path, body)
        for name, value in done.items():
            total[name] = total.get(name, [] if name == "failures" else 0) + value
        moved = done.get("changed", 0) + done.get("withdrawn", 0)
        if not done.get("remaining") or not moved:
            return {**total, "remaining": done.get("remaining", 0)}


# ---- the publisher's side


def offer(
    service: Service,
    images: list[str],
    families: list[str],
    recipients: Body,
    terms: Body,
) -> Body:
    """`recipients`: ids, as projects, domains and organizations; `terms`: message, answer_by, expires_at, as
    far as they are given."""
    body = _given(images=images, families=families, **recipients, **terms)
    done: Body = service.call("POST", f"{_V1}/offers", body)
    return done


def withdraw(service: Service, body: Body) -> Body:
    """`body`: as the API has it, images, families or `everything`, recipients or `everybody`, `reason`."""
    return _repeat(service, f"{_V1}/withdrawals", _given(**body))


def list_shares(service: Service, image_id: str, status: str | None = None) -> Iterator[Body]:
    return service.pages(f"{_V1}/images/{image_id}/shares", _given(status=status), "items")


def list_recipients(service: Service) -> Iterator[Body]:
    """Whom the account's project shares with, and how much each of them has."""
    return service.pages(f"{_V1}/recipients", {}, "items")


def list_shares_to(service: Service, recipient: str) -> Iterator[Body]:
    """All that the account's project shares with this one: a project's id, or `<kind>/<id>`."""
    return service.pages(f"{_V1}/shares", {"to": recipient}, "items")


def count_shares(service: Service, image_id: str) -> tuple[int, bool]:
    """(recipients of an image, whether there are more than were counted)."""
    found = service.call("GET", f"{_V1}/images/{image_id}/shares/summary")
    return found["pending"] + found["accepted"] + found["rejected"], bool(found["more"])


# ---- what happened


def event_filters(
    service: Service, image: str | None, family: str | None, other: str | None, types: str | None
) -> Body:
    """For the lists below, of ids or names, as history has them: it outlives what it is about, and tells of
    what the account cannot see any more."""
    return {
        "image": _find_in_history(service, "image", image, find_image) if image else None,
        "family": _find_in_history(service, "family", family, find_family) if family else None,
        "with": find_project(service, other) if other else None,
        "type": types,
    }


def _find_in_history(service: Service, kind: str, text: str, find: Callable[[Service, str], Body]) -> str:
    """The id; of a name that nothing in sight has, of what had it in the last events. An id is not looked
    up."""
    if is_uuid(text):
        return text
    try:
        return str(find(service, text)["id"])
    except RefusedError as error:
        if error.status != requests.codes.not_found:
            raise
        told = (event["data"].get(kind) or {} for event in list_history(service, {}, _SEARCHED))
        ids = {one["id"] for one in told if one.get("name") == text}
        if not ids:
            raise
        if len(ids) > 1:
            several = f"{len(ids)} of the name {text!r} are gone; give the id: {', '.join(sorted(ids))}."
            raise RefusedError(several, requests.codes.conflict) from None
        return str(ids.pop())


def list_history(service: Service, filters: Body, limit: int) -> Iterator[Body]:
    """Events, newest first, at most so many."""
    params = {**_given(**filters), "order": "desc", "limit": min(limit, 1000)}
    return islice(service.pages(f"{_V1}/events", params, "events"), limit)


def watch_events(service: Service, filters: Body) -> Iterator[Body]:
    """Events as they happen, from now on, without an end."""
    params = _given(**filters)
    newest = service.call("GET", f"{_V1}/events", params={**params, "order": "desc", "limit": 1})
    cursor = newest["cursor"]
    while True:
        page = service.call("GET", f"{_V1}/events", params={**params, "after": cursor, "wait": _WAIT_S})
        yield from page["events"]
        cursor = page["cursor"]


# ---- rules


def list_rules(service: Service) -> Iterator[Body]:
    return service.pages(f"{_V1}/rules", {}, "items")


def set_rule(service: Service, publisher: str, word: str) -> Body:
    """`publisher`: `projects/<id>`, `domains/<id>` or `everybody`; `word`: accepted or rejected."""
    rule: Body = service.call("PUT", f"{_V1}/rules/{_path(publisher)}", {"answer": word})
    return rule


def delete_rule(service: Service, publisher: str) -> None:
    service.call("DELETE", f"{_V1}/rules/{_path(publisher)}")


def _path(publisher: str) -> str:
    return "/".join(quote(part, safe="") for part in publisher.split("/", 1))


# ---- hooks


def list_hooks(service: Service) -> Iterator[Body]:
    return service.pages(f"{_V1}/hooks", {}, "items")


def show_hook(service: Service, hook_id: str) -> Body:
    hook: Body = service.call("GET", _hook(hook_id))
    return hook


def create_hook(service: Service, url: str, types: Iterable[str], *, batch: bool) -> Body:
    """The hook with its `secret`, which is shown this once."""
    body = _given(url=url, types=list(types), batch=batch or None)
    hook: Body = service.call("POST", f"{_V1}/hooks", body)
    return hook


def change_hook(service: Service, hook_id: str, change: Body) -> Body:
    hook: Body = service.call("PATCH", _hook(hook_id), change)
    return hook


def delete_hook(service: Service, hook_id: str) -> None:
    service.call("DELETE", _hook(hook_id))


def send_test(service: Service, hook_id: str) -> None:
    """Have an event sent to it now."""
    service.call("POST", f"{_hook(hook_id)}/test")


def renew_secret(service: Service, hook_id: str) -> Body:
    """`secret`, and until when the one before signs as well."""
    found: Body = service.call("POST", f"{_hook(hook_id)}/secret")
    return found


def set_cursor(service: Service, hook_id: str, cursor: str) -> Body:
    """Send again what came after the cursor, or skip what came before it."""
    hook: Body = service.call("PUT", f"{_hook(hook_id)}/cursor", {"after": cursor})
    return hook


def _hook(hook_id: str) -> str:
    return f"{_V1}/hooks/{quote(hook_id, safe='')}"
