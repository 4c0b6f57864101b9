"""Who sees, lists and may use an image is said by images and memberships alone (share-api 4, I1)."""

from typing import NamedTuple

import pytest
from domain.samples import OWNER, caller

from transom.domain.listing import ListQuery, visible_ranges
from transom.domain.model import MemberStatus
from transom.sql import events, images, listing
from transom.sql.db import Database
from transom.sql.share_rules import PUT_RULE

from .family_world import answer, make_family, make_images, offer, publish, revoke

pytestmark = pytest.mark.anyio

MEMBER, ASKED, BLOCKED = "member-project", "asked-project", "blocked-project"
IMAGES = ("image-1", "image-2", "image-3")
#: All that tells of sharing but images and memberships. What refers to another comes first.
TABLES = (
    *("family_member", "family_version", "family", "family_audience", "share_rule"),
    *("outbox", "event", "event_count", "hook", "publisher", "image_use", "answered_request", "job"),
)
QUERIES = tuple(
    ListQuery(member_statuses=tuple(MemberStatus), visibility=visibility, os_hidden=os_hidden)
    for visibility in (None, "shared")
    for os_hidden in (False, True)
)


class Seen(NamedTuple):
    """Image → whether the project has a membership of it; the images of each list."""

    memberships: dict[str, bool]
    lists: list[list[str]]


async def _see(db: Database, project: str) -> Seen:
    lists = []
    for query in QUERIES:
        page = await listing.list_images(db, visible_ranges(caller(project=project), query), query, None)
        lists.append([image.id for image in page.images])
    found = {one: (await images.find_image(db, one, (project, None))).is_member for one in IMAGES}
    return Seen(found, lists)


async def test_nothing_but_images_and_memberships_decides_who_sees_an_image(db: Database) -> None:
    await make_family(db)
    await make_images(db, *IMAGES)
    await db.write(PUT_RULE, BLOCKED, OWNER, "rejected", 1, "user")
    await offer(db, MEMBER, ASKED, BLOCKED)
    await answer(db, MEMBER)
    await answer(db, ASKED, new_versions="pending")
    for image_id in IMAGES:
        await publish(db, image_id)
    await revoke(db, 3, "CVE-1")
    await db.run(lambda: events.relay(100))
    projects = OWNER, MEMBER, ASKED, BLOCKED, "stranger-project"
    before = {project: await _see(db, project) for project in projects}

    for table in TABLES:
        await db.write(f"delete from {table}")

    assert {project: await _see(db, project) for project in projects} == before
    assert before[MEMBER].memberships == before[ASKED].memberships == dict.fromkeys(IMAGES, True)
    assert not any(before[BLOCKED].memberships.values())
