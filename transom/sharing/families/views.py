"""What a caller sees of families: one, its versions, lists of both.

Each is one look at the family as the caller stands to it (`rules.py`).
"""

from collections.abc import Mapping, Sequence

import msgspec

from transom.clock import now_us
from transom.domain.families import MemberCounts, Overview, Seen, Version
from transom.domain.model import Caller
from transom.domain.policy import looks_at_images
from transom.domain.shares import NEVER_USED, Usage
from transom.sharing.families import rules, uses
from transom.sql import family_views, images
from transom.sql.db import Database

_replace = msgspec.structs.replace

#: Where counts of members end.
MOST_COUNTED = 1_000


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A version as the caller sees it. `current_number`: of the family. `sees_image`: whether the caller sees
    the image. `use`: of that, None: not looked up."""

    version: Version
    current_number: int | None
    sees_image: bool
    use: Usage | None = None


async def see_family(db: Database, caller: Caller, family_id: str) -> Seen:
    """The family; NotFoundError when it is absent or hidden."""
    rules.look_at_families(caller)
    seen = await family_views.find_family(db, family_id, caller.member_ids, now_us())
    if seen is not None:
        seen = await _as_ruled(db, caller, seen)
    return rules.see_family(caller, seen, family_id)


async def _as_ruled(db: Database, caller: Caller, seen: Seen) -> Seen:
    """How the caller stands to the family under the operator's own rules."""
    if seen.family.current_number is None or not (seen.sees_current and looks_at_images(caller.policy)):
        return seen
    found = await family_views.find_version(db, seen.family.id, caller.member_ids, now_us(), None)
    current = found[1] if found is not None else None
    is_hidden = current is None or await _find_hidden(db, caller, [current.version])
    return _replace(seen, sees_current=not is_hidden)


async def _find_hidden(db: Database, caller: Caller, found: Sequence[Version]) -> frozenset[str]:
    """The images of these versions that the operator's own rules hide from the caller."""
    if not looks_at_images(caller.policy):
        return frozenset()
    looks = [await images.find_image(db, version.image.id, caller.member_ids) for version in found]
    return frozenset(look.image_id for look in looks if rules.is_image_hidden(caller, look))


async def find_current(db: Database, caller: Caller, seen: Seen) -> tuple[Seen, Shown | None]:
    """The current version, and the family as it is then; None when there is none, or the caller may not see
    it. Another one may have become current since `seen`."""
    if seen.family.current_number is None or not rules.sees_current(caller, seen):
        return seen, None
    seen, shown = await _find_version(db, caller, seen, None)
    if shown is None:
        return seen, None
    seen = _replace(seen, sees_current=shown.sees_image)
    return seen, shown if rules.sees_current(caller, seen) else None


async def show_version(db: Database, caller: Caller, family_id: str, number: int) -> tuple[Seen, Shown]:
    seen = await see_family(db, caller, family_id)
    rules.see_versions(caller, seen)
    seen, shown = await _find_version(db, caller, seen, number)
    rules.see_version(caller, seen, shown.version if shown is not None else None, number)
    assert shown is not None, "rules.see_version has seen it"  # noqa: S101
    return seen, shown


async def _find_version(
    db: Database, caller: Caller, seen: Seen, number: int | None
) -> tuple[Seen, Shown | None]:
    """The version of this number, None: the current one; and the family as it is then."""
    family_id = seen.family.id
    found = await family_views.find_version(db, family_id, caller.member_ids, now_us(), number)
    if found is None:
        raise rules.family_absent(family_id)
    family, version = found
    seen = _replace(seen, family=family)
    return seen, (await _show(db, caller, seen, [version]))[0] if version is not None else None


async def _show(
    db: Database, caller: Caller, seen: Seen, found: Sequence[family_views.SeenVersion]
) -> list[Shown]:
    versions = [one.version for one in found]
    hidden = await _find_hidden(db, caller, versions)
    is_owner = rules.is_owner(caller, seen.family)
    used = await uses.find_uses(db, caller, seen, [version.image.id for version in versions])
    return [
        Shown(
            version=version,
            current_number=current_number,
            sees_image=(is_seen or is_owner) and version.image.id not in hidden,
            use=used.get(version.image.id, NEVER_USED),
        )
        for version, is_seen, current_number in found
    ]


async def list_versions(
    db: Database, caller: Caller, family_id: str, before: int, limit: int
) -> tuple[Seen, list[Shown]]:
    """The versions with numbers below `before`, newest first."""
    seen = await see_family(db, caller, family_id)
    rules.see_versions(caller, seen)
    found = await family_views.list_versions(
        db,
        family_id,
        caller.member_ids,
        now_us(),
        before=before,
        limit=limit,
        with_candidates=rules.is_owner(caller, seen.family),
    )
    return seen, await _show(db, caller, seen, found)


async def list_families(
    db: Database,
    caller: Caller,
    *,
    role: str | None,
    owner: str | None,
    name: str | None,
    after: tuple[str, str],
    limit: int,
) -> list[Seen]:
    """The families past `after` (name, id), by these: those that the caller's project owns (`role` owner),
    those that it is a member of (member), or both, and with `owner` that project's that it sees. `name`: of
    this one only."""
    rules.look_at_families(caller)
    who, now = caller.member_ids, now_us()
    own_id = caller.project_id or ""
    found: list[Seen] = []
    if name is not None:
        # Lists are ordered by name: families of this name begin after the place (name, "").
        after = max(after, (name, ""))
    if role in (None, "owner") and (owner is None or owner == own_id):
        found += await family_views.list_owned(db, own_id, who, now, after, limit)
    elif role is None and owner is not None:
        found += await _list_seen(db, caller, owner, after, limit)
    if role in (None, "member"):
        found += await family_views.list_joined(db, owner, who, now, after, limit)
    by_place = {(seen.family.name, seen.family.id): seen for seen in found}
    ordered = [by_place[place] for place in sorted(by_place)][:limit]
    return [seen for seen in ordered if name is None or seen.family.name == name]


async def _list_seen(
    db: Database, caller: Caller, owner: str, after: tuple[str, str], limit: int
) -> list[Seen]:
    """Another project's families that the caller sees, past `after`."""
    shown: list[Seen] = []
    while True:
        page = await family_views.list_seen(
            db, owner, caller.member_ids, now_us(), after, limit, sees_all=caller.is_admin
        )
        ruled = [await _as_ruled(db, caller, seen) for seen in page]
        shown += [seen for seen in ruled if rules.sees(caller, seen)]
        if len(page) < limit or len(shown) >= limit:
            return shown[:limit]
        after = (page[-1].family.name, page[-1].family.id)


async def count_members(db: Database, seen: Seen) -> MemberCounts:
    """The family's members by their answer, each count at most MOST_COUNTED + 1."""
    return await family_views.count_by_answer(db, seen.family.id, now_us(), MOST_COUNTED + 1)


async def find_overviews(db: Database, caller: Caller, found: Sequence[Seen]) -> Mapping[str, Overview]:
    """What lists say to owners of their families, by family; nothing of those of others. Of each at most
    MOST_COUNTED + 1 members are counted."""
    own = [seen.family.id for seen in found if is_owner(caller, seen)]
    if not own:
        return {}
    return await family_views.list_overviews(db, own, now_us(), MOST_COUNTED + 1)


def is_owner(caller: Caller, seen: Seen) -> bool:
    """Whether the caller sees all of the family."""
    return rules.is_owner(caller, seen.family)
