"""Which images a list may be about: no caller but admin ever gets a range that is open to others' images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.listing import NULLABLE_SORT_KEYS, SORT_KEYS, ListQuery, Range, visible_ranges
from transom.domain.model import Caller, MemberStatus, Visibility

from .samples import OWNER, caller, callers

ASKED = [None, "all", *Visibility]
EVERYBODYS = {Visibility.PUBLIC, Visibility.COMMUNITY}
OWN = Range(owner=OWNER)
PUBLIC, COMMUNITY = Range(visibility="public"), Range(visibility="community")
ACCEPTED = Range(member_id=OWNER, member_status="accepted")

queries = st.builds(
    ListQuery,
    visibility=st.sampled_from(ASKED),
    member_statuses=st.lists(st.sampled_from(list(MemberStatus)), unique=True, min_size=1).map(tuple),
)


@pytest.mark.parametrize(
    ("visibility", "ranges"),
    [
        (None, [OWN, PUBLIC, ACCEPTED]),
        ("all", [OWN, PUBLIC, COMMUNITY, ACCEPTED]),
        ("public", [PUBLIC]),
        ("community", [COMMUNITY]),
        ("shared", [Range(owner=OWNER, visibility="shared"), ACCEPTED]),
        ("private", [Range(owner=OWNER, visibility="private")]),
    ],
)
@pytest.mark.parametrize("role", ["reader", "member", "manager"])
def test_a_project_lists_its_own_public_and_accepted_images(
    role: str, visibility: str | None, ranges: list[Range]
) -> None:
    """Reference, 3.2: what the default list contains; visibility filter semantics."""
    found = visible_ranges(caller(role), ListQuery(visibility=visibility))

    assert found == ranges


@pytest.mark.parametrize(
    ("visibility", "ranges"),
    [
        (None, [Range(but_community=True), Range(owner=OWNER, visibility="community")]),
        ("all", [Range()]),
        ("public", [Range(visibility="public")]),
        ("community", [Range(visibility="community")]),
        ("shared", [Range(visibility="shared")]),
        ("private", [Range(visibility="private")]),
    ],
)
def test_admin_lists_everything_but_the_community_images_of_others(
    visibility: str | None, ranges: list[Range]
) -> None:
    found = visible_ranges(caller("admin"), ListQuery(visibility=visibility))

    assert found == ranges


@pytest.mark.parametrize("visibility", ASKED)
@pytest.mark.parametrize("role", ["none", "reader", "admin"])
def test_a_token_without_a_project_lists_nothing(role: str, visibility: str | None) -> None:
    assert visible_ranges(caller(role, None), ListQuery(visibility=visibility)) == []


@given(query=queries)
def test_each_status_asked_for_is_a_range_of_its_own(query: ListQuery) -> None:
    found = visible_ranges(caller("member"), ListQuery(member_statuses=query.member_statuses))

    assert [one.member_status for one in found if one.member_id] == list(query.member_statuses)


@given(who=callers.filter(lambda who: not who.is_admin), query=queries)
def test_every_range_is_narrowed_to_own_public_community_or_offered_images(
    who: Caller, query: ListQuery
) -> None:
    found = visible_ranges(who, query)

    assert all(
        one.owner == who.project_id
        or one.visibility in EVERYBODYS
        or (one.member_id == who.project_id and one.member_status in query.member_statuses)
        or _is_of_groups(one, who)
        for one in found
    )


def _is_of_groups(found: Range, who: Caller) -> bool:
    """Whether it is confined to what groups of the caller were given, and nobody else's."""
    named = found.groups or (found.member_id,)
    is_own = set(named) <= set(who.groups) and bool(named)
    return is_own and (found.member_status, found.unless_member) == ("accepted", who.project_id)


@given(who=callers.filter(lambda who: not who.is_admin), query=queries)
def test_what_groups_were_given_is_one_range_of_the_accepted(who: Caller, query: ListQuery) -> None:
    query = ListQuery(member_statuses=query.member_statuses)

    found = [one for one in visible_ranges(who, query) if one.unless_member is not None]

    named = [group for one in found for group in (one.groups or (one.member_id,))]
    assert named == (list(who.groups) if "accepted" in query.member_statuses else [])
    assert len(found) <= 1
    assert not any(len(one.groups) == 1 for one in found), "one alone is read as ever"


@given(who=callers, query=queries)
def test_no_range_names_another_project(who: Caller, query: ListQuery) -> None:
    found = visible_ranges(who, query)

    named = {one.owner for one in found} | {one.member_id for one in found}
    named.update(*(one.groups for one in found))
    assert named <= {who.project_id, None, *who.groups}


@given(who=callers.filter(lambda who: not who.is_admin), query=queries)
def test_only_admin_gets_a_range_that_merely_leaves_something_out(who: Caller, query: ListQuery) -> None:
    assert not any(one.but_community for one in visible_ranges(who, query))


def test_the_default_order_is_newest_first_and_total() -> None:
    assert [(key.key, key.descending) for key in ListQuery().sort] == [("created_at", True), ("id", True)]


def test_the_default_list_counts_accepted_memberships_only() -> None:
    assert ListQuery().member_statuses == ("accepted",)


def test_the_keys_that_may_be_null_are_sort_keys() -> None:
    assert set(SORT_KEYS) >= NULLABLE_SORT_KEYS
