"""What sharing does, in plain Python over a few images: the specification as a function of the state.

Sources: docs/ims.md ("Batches"), images-v2 4.4-4.7. Each function takes a world and gives the world after
the call with the call's outcome; nothing here knows HTTP or imports the service. Start reading at `share`.
"""

from __future__ import annotations

from typing import NamedTuple

#: Recipients that an image may have in these tests, by either API.
MOST = 3
ENCRYPTED = {"__system__cmkid": "key"}
WHOLE = {"__whole_image": "true"}
BACKUP = {"__whole_image": "true", "__backup_id": "backup"}
DOMAIN = "domain/default"


class Offer(NamedTuple):
    status: str
    vault: str | None = None


class Image(NamedTuple):
    """`kind`: its properties. `offers`: by member id; of an image that is not shared, they lie dormant."""

    image_id: str
    owner: str
    visibility: str
    kind: frozenset[tuple[str, str]]
    offers: frozenset[tuple[str, Offer]]

    def found(self) -> dict[str, Offer]:
        return dict(self.offers)


class Actor(NamedTuple):
    """A caller of the domain `default`."""

    project: str
    is_admin: bool = False


World = tuple[Image, ...]
#: (image, recipient, code of the failure or None) for each pair of a batch.
Results = tuple[tuple[str, str, str | None], ...]


def new_image(image_id: str, owner: str, visibility: str, kind: dict[str, str]) -> Image:
    return Image(image_id, owner, visibility, frozenset(kind.items()), frozenset())


def find(world: World, image_id: str) -> Image | None:
    return next((image for image in world if image.image_id == image_id), None)


def replace(world: World, new: Image) -> World:
    return tuple(new if image.image_id == new.image_id else image for image in world)


def _with(world: World, image: Image, offers: dict[str, Offer], visibility: str | None = None) -> World:
    changed = image._replace(offers=frozenset(offers.items()), visibility=visibility or image.visibility)
    return replace(world, changed)


def sees(who: Actor, image: Image | None) -> bool:
    if image is None:
        return False
    offers = image.found()
    is_member = image.visibility == "shared" and (who.project in offers or DOMAIN in offers)
    return who.is_admin or who.project == image.owner or image.visibility in EVERYBODY or is_member


EVERYBODY = ("public", "community")


# ---- batches


def share(
    world: World, who: Actor, images: list[str], recipients: list[str], limit: int = MOST
) -> tuple[World, Results]:
    results: list[tuple[str, str, str | None]] = []
    for image_id in images:
        image = find(world, image_id)
        refusal = _why_not_shared(image, who)
        if refusal is not None or image is None:
            results += [(image_id, member_id, refusal) for member_id in recipients]
            continue
        offers = image.found() if image.visibility == "shared" else {}
        outcome = [_offer(offers, member_id, image.owner, limit) for member_id in recipients]
        results += [(image_id, *pair) for pair in zip(recipients, outcome, strict=True)]
        if None in outcome:
            world = _with(world, image, offers, "shared")
    return world, tuple(results)


def _why_not_shared(image: Image | None, who: Actor) -> str | None:
    if image is None or not sees(who, image):
        return "IMG.0027"
    if image.visibility in EVERYBODY:
        return "IMG.0089"
    if not (who.is_admin or who.project == image.owner):
        return "IMG.0047"
    kind = dict(image.kind)
    if "__system__cmkid" in kind:
        return "IMG.0098"
    if "__whole_image" in kind and "__backup_id" not in kind:
        return "IMG.0135"
    return None


def _offer(offers: dict[str, Offer], member_id: str, owner: str, limit: int) -> str | None:
    if member_id == owner:
        return "IMG.0076"
    if member_id not in offers and len(offers) >= limit:
        return "IMG.9004"
    if member_id not in offers or offers[member_id].status == "rejected":
        offers[member_id] = Offer("accepted" if member_id.startswith("domain/") else "pending")
    return None


def answer(
    world: World, who: Actor, images: list[str], status: str, vault: str | None
) -> tuple[World, Results]:
    results: list[tuple[str, str, str | None]] = []
    for image_id in images:
        image = find(world, image_id)
        offers = image.found() if image is not None and image.visibility == "shared" else {}
        kind = dict(image.kind) if image is not None else {}
        refusal = None
        if image is None or who.project not in offers:
            refusal = "IMG.9002"
        elif kind == BACKUP and status == "accepted" and not (vault or offers[who.project].vault):
            refusal = "IMG.9008"
        else:
            kept = vault if vault is not None and kind == BACKUP else offers[who.project].vault
            offers[who.project] = Offer(status, kept)
            world = _with(world, image, offers)
        results.append((image_id, who.project, refusal))
    return world, tuple(results)


def withdraw(world: World, who: Actor, images: list[str], recipients: list[str]) -> tuple[World, Results]:
    """Dormant offers go as well."""
    results: list[tuple[str, str, str | None]] = []
    for image_id in images:
        image = find(world, image_id)
        refusal = None
        if image is None or not sees(who, image):
            refusal = "IMG.0027"
        elif not (who.is_admin or who.project == image.owner):
            refusal = "IMG.0047"
        else:
            kept = {member: offer for member, offer in image.offers if member not in recipients}
            world = _with(world, image, kept)
        results += [(image_id, member_id, refusal) for member_id in recipients]
    return world, tuple(results)


# ---- single calls: the status answered, and the membership's where one is shown


def add_native(world: World, who: Actor, image_id: str, member_id: str) -> tuple[World, str]:
    """POST of a member by the OpenStack API; by the image's owner."""
    image = find(world, image_id)
    if image is None or not sees(who, image):
        return world, "404"
    offers = image.found()
    if image.visibility != "shared" or who.project != image.owner:
        return world, "403"
    if member_id in offers:
        return world, "409"
    if len(offers) >= MOST:
        return world, "413"
    offers[member_id] = Offer("pending")
    return _with(world, image, offers), "200 pending"


def set_native(world: World, who: Actor, image_id: str, status: str) -> tuple[World, str]:
    """PUT of the caller's own membership by the OpenStack API."""
    image = find(world, image_id)
    if image is None or not sees(who, image):
        return world, "404"
    if image.visibility != "shared":
        return world, "403"
    offers = image.found()
    if who.project not in offers:
        return world, "404"
    offers[who.project] = offers[who.project]._replace(status=status)
    return _with(world, image, offers), f"200 {status}"


def remove_native(world: World, who: Actor, image_id: str, member_id: str) -> tuple[World, str]:
    """DELETE of a membership by either API; by the image's owner."""
    image = find(world, image_id)
    if image is None or not sees(who, image):
        return world, "404"
    if image.visibility != "shared":
        return world, "403"
    offers = image.found()
    if offers.pop(member_id, None) is None:
        return world, "404"
    return _with(world, image, offers), "204"


_STATUS = {"IMG.0027": "404", "IMG.9002": "404", "IMG.9004": "413", "IMG.0076": "400", "IMG.9008": "400"}


def add_ims(world: World, who: Actor, image_id: str, member_id: str) -> tuple[World, str]:
    """POST of a member by the IMS API: a rejected offer is made anew, one that stands is a conflict."""
    image = find(world, image_id)
    after, [(_, _, code)] = share(world, who, [image_id], [member_id])
    if code is not None:
        return world, _STATUS.get(code, "403")
    if image is not None and image.visibility == "shared":
        before = image.found().get(member_id)
        if before is not None and before.status != "rejected":
            return world, "409"
    return after, "200 pending"


def set_ims(world: World, who: Actor, image_id: str, status: str) -> tuple[World, str]:
    """PUT of the caller's own membership by the IMS API, without a vault."""
    image = find(world, image_id)
    if sees(who, image) and image is not None and image.visibility != "shared":
        return world, "403"
    after, [(_, _, code)] = answer(world, who, [image_id], status, None)
    return (world, _STATUS[code]) if code is not None else (after, f"200 {status}")


def set_visibility(world: World, who: Actor, image_id: str, visibility: str) -> tuple[World, str]:
    """PATCH; by the image's owner. What was offered is there again when the image is shared again."""
    image = find(world, image_id)
    if image is None or not sees(who, image):
        return world, "404"
    return replace(world, image._replace(visibility=visibility)), "200"


def delete(world: World, who: Actor, image_id: str) -> tuple[World, str]:
    """DELETE by the OpenStack API; by the image's owner."""
    image = find(world, image_id)
    if image is None or not sees(who, image):
        return world, "404"
    return tuple(one for one in world if one.image_id != image_id), "204"


# ---- what is seen


def shown(image: Image | None) -> tuple[str, frozenset[tuple[str, Offer]]] | None:
    """(visibility, offers) as the owner is shown them, without vaults; None when the image is gone."""
    if image is None:
        return None
    offers = image.offers if image.visibility == "shared" else frozenset()
    return image.visibility, frozenset((member_id, Offer(offer.status)) for member_id, offer in offers)


def vault_of(image: Image, who: Actor) -> str | None:
    """The vault that the project named, as it is shown it; None where it is offered nothing."""
    offer = image.found().get(who.project) if image.visibility == "shared" else None
    return offer.vault if offer is not None else None


def listed(world: World, who: Actor) -> dict[str, frozenset[str]]:
    """Status → the images of others that are shared with the caller with that status of its membership."""
    found: dict[str, set[str]] = {"pending": set(), "accepted": set(), "rejected": set()}
    for image in world:
        if image.visibility == "shared" and image.owner != who.project:
            offers = image.found()
            # A project's own answer counts, whatever its domain was offered.
            counts = offers.get(who.project) or offers.get(DOMAIN)
            if counts is not None:
                found[counts.status].add(image.image_id)
    return {status: frozenset(ids) for status, ids in found.items()}
