"""Which index answers which question, as SQLite plans it over a populated table: no page reads it all."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, caller, image, member

from transom.domain.events import EventQuery
from transom.domain.listing import Condition, ListQuery, Op, SortKey, visible_ranges
from transom.domain.memberships import Answer, AnswerWithVault
from transom.domain.model import Caller, Image, MemberStatus, Visibility
from transom.sharing import batches
from transom.sql import events, family_views, inbox, shares
from transom.sql.connect import open_database
from transom.sql.images import (
    count_uploading,
    find_image,
    placed_storage,
    staged_storage,
    update_statements,
    used_storage,
)
from transom.sql.listing import list_images
from transom.sql.members import change_member, find_member, list_members
from transom.sql.migrate import migrate

from .databases import Tap, delete_member, insert_member, write_world

pytestmark = pytest.mark.anyio

IMAGES = 400
MARKER = image(id="image-300", created_at=300)
OLDEST_FIRST = (SortKey("created_at", descending=False), SortKey("id", descending=False))
MIXED = (SortKey("created_at", descending=False), SortKey("id", descending=True))
BY_NAME = (SortKey("name", descending=False), *OLDEST_FIRST)
EACH_OF_A_PROJECT = {"image_by_owner", "image_public", "member_by_project"}
BY_KEY = "SEARCH"
INDEX = re.compile(r"USING (?:COVERING )?INDEX ((?:image|member)_\w+)")
#: A range that is sorted. The merged page, of a few rows, may be: that step stands at the outermost level.
SORTED_RANGE = re.compile(r"^ +USE TEMP B-TREE FOR (?:RIGHT PART OF )?ORDER BY", re.MULTILINE)
#: A step that reads a whole table. A scan of an index in its order, cut at the limit, does not.
FULL_SCAN = re.compile(r"SCAN (image|member|own|asked)(?! USING (COVERING )?INDEX)")


@pytest.fixture(scope="module")
async def populated(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tap]:
    """Images of fifty owners, of which every fifth is offered to RECIPIENT. Not analyzed, as in service."""
    db = await open_database(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'transom.db'}", 1)
    await migrate(db)
    visibilities = list(Visibility)
    images = [
        image(id=f"image-{n}", owner=f"project-{n % 50}", visibility=visibilities[n % 4], created_at=n)
        for n in range(IMAGES)
    ]
    offers = [msgspec.structs.replace(member(), image_id=f"image-{n}") for n in range(0, IMAGES, 5)]
    await write_world(db, images, offers)
    yield Tap(db)
    await db.close()


@pytest.fixture
def tap(populated: Tap) -> Tap:
    populated.asked.clear()
    return populated


Ask = Callable[[Tap], Awaitable[object]]


async def _list_members(tap: Tap) -> object:
    return await list_members(tap, "image-1", (OWNER, None))


async def _insert_member(tap: Tap) -> object:
    return await insert_member(tap, "image-1", "new", -1, 1)


async def _set_member_status(tap: Tap) -> object:
    change = Answer(image_id="image-1", member_id="new", status="accepted", was="pending", now=1)
    return await change_member(tap, change, ACTOR)


async def _answer_with_vault(tap: Tap) -> object:
    change = AnswerWithVault(
        image_id="image-1",
        member_id="new",
        status="accepted",
        was="pending",
        vault_id=None,
        now=1,
        seen_version=1,
        seen_vault_id=None,
    )
    return await change_member(tap, change, ACTOR)


async def _delete_member(tap: Tap) -> object:
    return await delete_member(tap, "image-1", "new")


@pytest.mark.parametrize("after", [None, MARKER], ids=["first", "next"])
@pytest.mark.parametrize(
    ("who", "query", "indexes"),
    [
        (
            caller("reader", OWNER),
            ListQuery(),
            EACH_OF_A_PROJECT,
        ),
        (caller("reader", OWNER), ListQuery(sort=OLDEST_FIRST), EACH_OF_A_PROJECT),
        (
            caller("reader", RECIPIENT),
            ListQuery(visibility="shared", member_statuses=("pending",)),
            {"image_shared_by_owner", "member_by_project"},
        ),
        (
            caller("reader", RECIPIENT),
            ListQuery(visibility="all", member_statuses=tuple(MemberStatus)),
            EACH_OF_A_PROJECT | {"image_community"},
        ),
        (caller("reader", RECIPIENT), ListQuery(visibility="public"), {"image_public"}),
        (caller("reader", RECIPIENT), ListQuery(visibility="community"), {"image_community"}),
        (caller("reader", RECIPIENT), ListQuery(visibility="private"), {"image_by_owner"}),
        (caller("admin", OWNER), ListQuery(), {"image_by_age", "image_by_owner"}),
        (caller("admin", OWNER), ListQuery(visibility="all"), {"image_by_age"}),
        (caller("admin", OWNER), ListQuery(visibility="public"), {"image_public"}),
    ],
    ids=[
        "default",
        "oldest first",
        "pending",
        "all",
        "public",
        "community",
        "private",
        "admin",
        "admin all",
        "admin public",
    ],
)
async def test_a_page_is_read_from_the_index_of_each_range_in_its_order(
    tap: Tap, who: Caller, query: ListQuery, indexes: set[str], after: Image | None
) -> None:
    await list_images(tap, visible_ranges(who, query), query, after)

    (plan,) = await tap.plans()

    assert set(INDEX.findall(plan)) == indexes, plan
    assert not FULL_SCAN.search(plan), plan
    assert not SORTED_RANGE.search(plan), plan


@pytest.mark.parametrize(
    ("who", "query"),
    [
        (caller("reader", OWNER), ListQuery(sort=MIXED)),
        (caller("reader", OWNER), ListQuery(sort=BY_NAME)),
        (caller("reader", OWNER), ListQuery(visibility="private")),
        (caller("reader", OWNER), ListQuery(os_hidden=True)),
        (caller("reader", OWNER), ListQuery(conditions=(Condition("name", Op.EQ, ("n",)),))),
        (caller("admin", OWNER), ListQuery(visibility="private")),
        (caller("admin", OWNER), ListQuery(visibility="shared")),
    ],
    ids=["mixed order", "by name", "private", "hidden", "filter", "admin private", "admin shared"],
)
async def test_a_page_that_no_index_makes_short_is_read_beside_the_event_loop(
    tap: Tap, who: Caller, query: ListQuery
) -> None:
    await list_images(tap, visible_ranges(who, query), query, None)

    assert not tap.asked[0].as_short


@pytest.mark.parametrize("visibility", [None, "all", "public", "community"])
async def test_a_page_that_an_index_makes_short_is_read_at_once(tap: Tap, visibility: str | None) -> None:
    query = ListQuery(visibility=visibility)

    await list_images(tap, visible_ranges(caller("reader", OWNER), query), query, None)

    assert tap.asked[0].as_short


async def test_finding_an_image_is_a_look_up_by_primary_keys(tap: Tap) -> None:
    await find_image(tap, "image-1", (OWNER, None))

    assert await tap.plans() == [
        f"{BY_KEY} image USING INDEX sqlite_autoindex_image_1 (id=?)\n"
        "CORRELATED SCALAR SUBQUERY 1\n"
        f"  {BY_KEY} own USING INDEX sqlite_autoindex_member_1 (image_id=? AND member_id=?)"
    ]


async def test_finding_a_member_is_three_look_ups_by_primary_keys(tap: Tap) -> None:
    await find_member(tap, "image-1", (OWNER, None), RECIPIENT)

    (plan,) = await tap.plans()

    assert plan.count(BY_KEY) == 3, plan
    assert "SCAN" not in plan, plan


@pytest.mark.parametrize(
    "ask", [_list_members, _insert_member, _set_member_status, _answer_with_vault, _delete_member]
)
async def test_a_question_about_one_images_members_scans_no_table(tap: Tap, ask: Ask) -> None:
    await ask(tap)

    plans = "; ".join(await tap.plans())

    assert plans
    assert "SCAN" not in plans.replace("SCAN CONSTANT ROW", ""), plans


async def test_an_offer_counts_members_by_an_index_alone_and_a_withdrawal_counts_none(tap: Tap) -> None:
    await insert_member(tap, "image-1", "counted", 1_000, 1)
    await delete_member(tap, "image-1", "counted")

    offer, withdrawal = await tap.plans()

    assert f"{BY_KEY} member USING COVERING INDEX sqlite_autoindex_member_1 (image_id=?)" in offer
    assert withdrawal.count(f"{BY_KEY} member") == 1, withdrawal


async def test_a_deletion_finds_its_memberships_by_their_key(tap: Tap) -> None:
    """The cascade looks for `image_id = ?`, which is the primary key's first column."""
    await tap.scan("select 1 from member where image_id = $1", "image-1")

    assert await tap.plans() == [
        f"{BY_KEY} member USING COVERING INDEX sqlite_autoindex_member_1 (image_id=?)"
    ]


BY_NAMES = {"image_by_name", "image_by_name_and_owner", "image_public_by_name", "image_community_by_name"}


@pytest.mark.parametrize(
    ("change", "indexes"),
    [
        ({"status": "active", "min_disk": 1, "os_hidden": True, "properties": {"a": "b"}}, set()),
        ({"name": "other"}, BY_NAMES),
    ],
    ids=["not in a list's order", "name"],
)
async def test_a_change_of_an_image_writes_the_indexes_of_what_changes_and_calls_no_trigger(
    tap: Tap, change: dict[str, Any], indexes: set[str]
) -> None:
    seen = image()
    (update,) = update_statements(seen, msgspec.structs.replace(seen, **change), ACTOR)

    steps = await tap.scan(f"explain {update.sql}", *update.values)

    written = [page for _, step, _, page, *_ in steps if step == "OpenWrite"]
    pages = ", ".join(map(str, written))
    found = await tap.scan(f"select name from sqlite_master where type = 'index' and rootpage in ({pages})")
    assert {name for (name,) in found} - {"sqlite_autoindex_image_1"} == indexes
    assert "Program" not in {step for _, step, *_ in steps}


@pytest.mark.parametrize("counts", [placed_storage, staged_storage, count_uploading])
async def test_what_is_limited_is_counted_over_the_projects_own_images(
    tap: Tap, counts: Callable[[Tap, str], Awaitable[int]]
) -> None:
    await counts(tap, OWNER)

    [plan] = await tap.plans()
    assert plan.startswith(f"{BY_KEY} image USING INDEX image_by_owner (owner=?)")


async def test_the_storage_a_project_uses_is_summed_over_what_is_its_own(tap: Tap) -> None:
    await used_storage(tap, OWNER)

    (plan,) = await tap.plans()
    assert f"{BY_KEY} image USING INDEX image_by_owner (owner=?)" in plan
    assert f"{BY_KEY} loose_blob USING INDEX loose_blob_by_owner (owner=?)" in plan
    assert "SCAN image" not in plan
    assert "SCAN loose_blob" not in plan


@pytest.mark.parametrize("recipients", [[RECIPIENT], [RECIPIENT, "domain/theirs"]], ids=["project", "domain"])
async def test_a_batch_reads_the_ids_it_was_given_and_scans_no_table(tap: Tap, recipients: list[str]) -> None:
    owner, recipient = caller("member", "project-1"), caller("member", RECIPIENT)
    ids = ["image-1", "image-101"]

    await tap.run(lambda: batches.share(owner, ACTOR, ids, recipients, 1, 5, None))
    await tap.run(lambda: batches.answer(recipient, ACTOR, ids, "accepted", "vault", 6, None))
    await tap.run(lambda: batches.withdraw(owner, ACTOR, ids, recipients, 7, None))

    plans = await tap.plans()
    assert len(plans) >= 7
    assert not FULL_SCAN.search("\n".join(plans)), "\n".join(plans)


def _feed(**more: Any) -> EventQuery:
    return EventQuery(limit=25, project=RECIPIENT, member_ids=[RECIPIENT, "domain/theirs"], **more)


@pytest.mark.parametrize(
    "query",
    [
        _feed(),
        _feed(after=7),
        _feed(after=7, descending=True),
        _feed(types=["family.promoted"]),
        _feed(family_id="family"),
    ],
    ids=["all", "after", "history", "types", "family"],
)
async def test_the_feed_of_a_member_reads_the_events_of_its_own_families(tap: Tap, query: EventQuery) -> None:
    await events.list_events(tap, query)

    *_, plan = await tap.plans()
    mine, told = [line for line in plan.splitlines() if line.startswith("        SEARCH")][-2:]

    assert "audience USING INDEX family_audience_by_end (member_id=?" in mine, plan
    assert "event USING INDEX event_to_members (family_id=? AND seq>?" in told, plan
    assert not re.search(r"SCAN (event|audience)", plan), plan


@pytest.mark.parametrize("descending", [False, True])
async def test_the_history_of_a_family_is_read_from_the_events_of_families(
    tap: Tap, descending: bool
) -> None:
    await events.list_events(tap, EventQuery(limit=25, family_id="family", descending=descending))

    (plan,) = await tap.plans()

    assert "event USING COVERING INDEX event_within_family (family_id=?)" in plan, plan


_LONG = EventQuery(limit=1000, project=RECIPIENT, member_ids=[RECIPIENT], descending=True)


@pytest.mark.parametrize("query", [_feed(image_id="image-1"), _feed(types=["family.promoted"]), _LONG])
async def test_a_feed_that_no_index_makes_short_is_read_beside_the_event_loop(
    tap: Tap, query: EventQuery
) -> None:
    await events.list_events(tap, query)

    assert not tap.asked[0].as_short


async def test_lists_of_shares_read_nothing_of_images_that_others_may_write_much_of(tap: Tap) -> None:
    here: dict[str, Any] = {"before": (9, ""), "limit": 1000}

    for owner in (None, "project-1"):
        await inbox.list_received(tap, RECIPIENT, RECIPIENT, "pending", 1, owner=owner, whole=False, **here)
    await shares.list_given_to(tap, RECIPIENT, "project-1", 1, **here)
    which: dict[str, Any] = {"before": 9, "limit": 1000, "with_candidates": True}
    await family_views.list_versions(tap, "family", (RECIPIENT, None), 1, **which)

    assert [one.as_short for one in tap.asked] == [False] * 4
    assert not any(
        f"image.{name}" in one.sql for one in tap.asked for name in ("tags", "properties", "locations")
    )


async def test_the_recipients_of_a_project_are_ranges_of_its_own_things(tap: Tap) -> None:
    await shares.list_recipients(tap, "project-2", 1, after="", limit=26)

    (plan,) = await tap.plans()

    assert not tap.asked[0].as_short
    assert "image USING INDEX image_shared_by_owner (owner=?)" in plan, plan
    assert plan.count("member USING INDEX sqlite_autoindex_member_1 (image_id=? AND member_id>?") == 2, plan
    assert not re.search(r"SCAN (image|member|family|family_member)\b", plan), plan


async def test_who_saw_events_that_are_gone_is_looked_for_after_a_deletion_and_by_an_index(tap: Tap) -> None:
    await tap.write(
        "insert into event (seq, at, type, via, data) values (1, 1, 'hook.disabled', 'time', '{}')"
    )
    tap.asked.clear()

    removed = [await events.delete_old_events(tap, 2, 10) for _ in range(2)]

    assert removed == [1, 0]
    assert [one.sql for one in tap.asked].count(events.DELETE_OLD_AUDIENCE) == 1
    (plan,) = [plan for plan in await tap.plans() if "family_audience" in plan]
    assert "family_audience USING INDEX family_audience_closed (to_seq<?)" in plan, plan
