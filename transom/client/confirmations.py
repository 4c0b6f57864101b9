"""Questions to be confirmed before something is undone: each says how many it concerns."""

from collections.abc import Sequence
from typing import Any

from transom.client import families as of_families
from transom.client import shares
from transom.client.kinds import KINDS
from transom.client.service import Service

Body = dict[str, Any]


def count_of(count: int, thing: str, *, more: bool = False) -> str:
    """`2 images`, `at least 1000 images` where not all were counted."""
    plural = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{'at least ' if more else ''}{count} {thing if count == 1 else plural}"


def about_leaving(images: Sequence[str], families: Sequence[str]) -> str:
    return f"Your access to {_things(len(images), len(families))} ends?"


def about_all(service: Service, status: str, sender: str | None) -> str:
    """The offers of a status, in words. `sender`: the id of the project that they are of."""
    if sender is not None:
        count = sum(1 for _ in shares.list_inbox(service, status, sender=sender))
        return count_of(count, f"{status} offer")
    found = shares.summarize_inbox(service)
    count = found["images"][status] + found["families"][status]
    return count_of(count, f"{status} offer", more=found["more"])


def about_withdrawal(service: Service, body: Body) -> str:
    """`body`: of the withdrawal, as the API has it."""
    recipients = [f"{kind.plural}/{one}" for kind in KINDS for one in body[kind.plural]]
    whom = count_of(len(recipients), "recipient") if recipients else "everybody"
    if body.get("everything"):
        what = f"everything that your project shares{_held(service, recipients)}"
        return f"Withdraw {what} from {whom}?"
    what = _things(len(body["images"]), len(body["families"]))
    had = "" if recipients else f" ({_count_shares(service, body['images'], body['families'])})"
    return f"Withdraw {what}{had} from {whom}?"


def _held(service: Service, recipients: Sequence[str]) -> str:
    """How much these (`projects/<id>` and the like) have of the account's project, as a part of a sentence;
    with nobody named, all recipients."""
    if not recipients:
        return f" ({count_of(sum(map(_count_held, shares.list_recipients(service))), 'share')})"
    items = (item for one in recipients for item in shares.list_shares_to(service, one))
    kinds = [kind for kind, _id in {(item["kind"], item[item["kind"]]["id"]) for item in items}]
    return f", {_things(kinds.count('image'), kinds.count('family'))},"


def _count_held(recipient: Body) -> int:
    """How many images and families a recipient has, as the list of recipients tells it."""
    counts: list[int] = [*recipient["images"].values(), *recipient["families"].values()]
    return sum(counts)


def about_revocation(family: Body, number: int) -> str:
    """`family`: as its owner sees it."""
    return f"Revoke version {number} of {_with_members(family)}?"


def about_removal(family: Body, number: int) -> str:
    return f"Remove version {number} from {family['name']}?"


def about_deletion(family: Body) -> str:
    """As `about_revocation`."""
    return f"Delete the family {_with_members(family)}?"


def _with_members(family: Body) -> str:
    members = family.get("members") or {}
    count = count_of(members.get("accepted", 0), "member", more=bool(members.get("more")))
    return f"{family['name']}, which has {count}"


def about_members(service: Service, family: Body, recipients: Body) -> str:
    """That these (ids of `projects`, `domains`, `organizations`) are to be the only members."""
    wanted = {(kind.name, one) for kind in KINDS for one in recipients[kind.plural]}
    found = of_families.list_members(service, family["id"])
    now = {one for item in found for one in item["recipient"].items()}
    joining, leaving = count_of(len(wanted - now), "new member"), len(now - wanted)
    return f"{family['name']} gets {joining}, and {leaving} of {len(now)} lose it?"


def _things(images: int, families: int) -> str:
    parts = [count_of(count, thing) for count, thing in ((images, "image"), (families, "family")) if count]
    return " and ".join(parts) or count_of(0, "image")


def _count_shares(service: Service, images: Sequence[str], families: Sequence[str]) -> str:
    """How many have these, in words."""
    counts = [shares.count_shares(service, one) for one in images]
    for one in families:
        members = of_families.find_family(service, one).get("members") or {}
        count = sum(members.get(status, 0) for status in ("accepted", "pending", "rejected"))
        counts.append((count, bool(members.get("more"))))
    return count_of(sum(count for count, _more in counts), "share", more=any(more for _count, more in counts))
