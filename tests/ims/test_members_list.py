"""Who the recipients of an image are: the paged lists, one of them, and domains among them.

S9, S10 and S4 of the IMS reference (1.1, 1.3): `limit` 1 to 1000, 500 unless told; `marker` in base64.
"""

import re
from itertools import chain
from typing import Any

import httpx
import pytest
from harness.service import Service
from sharing_calls import (
    DEFAULT_DOMAIN,
    FOREIGN_DOMAIN,
    UNKNOWN_ID,
    WHOLE_SERVER_BACKUP,
    add_foreigner,
    answer,
    code_of,
    create_image,
    create_public_image,
    create_shared_image,
    members_path,
    message_of,
    project_of,
    refusal,
    run_batch,
    set_visibility,
    share_with_domain,
    withdraw,
)

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
MEMBER_KEYS = {"member_id", "image_id", "status", "created_at", "updated_at", "schema", "member_type"}
BASE64 = re.compile(r"[A-Za-z0-9+/_-]+=*")
FIVE = ["a", "b", "c", "d", "e"]
LISTS = ["extension", "native"]


def list_path(service: Service, kind: str, image_id: str, caller: str = "publisher") -> str:
    """The address of the list in the extension or on the native path."""
    if kind == "native":
        return f"/ims/v2/images/{image_id}/members"
    return members_path(service, caller, image_id)


def get(service: Service, path: str, caller: str | None = "publisher") -> httpx.Response:
    return service.client(caller).get(path)


def get_page(service: Service, path: str, caller: str = "publisher") -> dict[str, Any]:
    response = get(service, path, caller)
    assert response.status_code == 200, response.text
    return dict(response.json())


def get_pages(service: Service, path: str, limit: int) -> list[list[str]]:
    """The ids page by page, each asked for with the marker that the one before gave."""
    pages: list[list[str]] = []
    marker = ""
    while len(pages) < 20:
        page = get_page(service, f"{path}?limit={limit}{marker}")
        pages.append(ids_of(page))
        assert page["page_info"]["current_count"] == len(pages[-1])
        if not page["page_info"].get("next_marker"):
            break
        assert BASE64.fullmatch(page["page_info"]["next_marker"])
        marker = "&" + str(httpx.QueryParams(marker=page["page_info"]["next_marker"]))
    return pages


def ids_of(page: dict[str, Any]) -> list[str]:
    return [member["member_id"] for member in page["members"]]


def create_image_with(service: Service, projects: list[str], domains: list[str] | None = None) -> str:
    """An image of the publisher that is shared with these."""
    image_id = create_image(service)
    body = {"images": [image_id], "projects": projects, "domains": domains or []}
    assert run_batch(service, "publisher", "POST", body)["status"] == "SUCCESS"
    return image_id


# ---- what a list holds


@pytest.mark.parametrize("kind", LISTS)
def test_an_image_of_nobody_else_has_an_empty_list_of_recipients(service: Service, kind: str) -> None:
    image_id = create_image(service, visibility="shared")

    page = get_page(service, list_path(service, kind, image_id))

    assert (page["members"], page["schema"]) == ([], "/v2/schemas/members")
    assert page["page_info"]["current_count"] == 0
    assert not page["page_info"].get("next_marker")


def test_a_private_image_has_no_recipients(service: Service) -> None:
    """Not even those that it had before it was made private."""
    image_id = create_shared_image(service, "accepted")
    set_visibility(service, image_id, "private")

    page = get_page(service, members_path(service, "publisher", image_id))

    assert page["members"] == []


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
def test_a_recipient_is_listed_whole(service: Service, status: str, kind: str) -> None:
    image_id = create_shared_image(service, status)

    page = get_page(service, list_path(service, kind, image_id))

    (member,) = page["members"]
    assert set(member) == MEMBER_KEYS
    assert (member["member_id"], member["member_type"]) == (project_of(service, "recipient"), "project")
    assert (member["image_id"], member["status"]) == (image_id, status)
    assert member["schema"] == "/v2/schemas/member"
    assert TIME.fullmatch(member["created_at"])
    assert TIME.fullmatch(member["updated_at"])
    assert page["page_info"]["current_count"] == 1


@pytest.mark.parametrize("kind", LISTS)
def test_a_domain_is_listed_as_one_that_accepted(service: Service, kind: str) -> None:
    image_id = create_image_with(service, ["project"], [DEFAULT_DOMAIN])

    page = get_page(service, list_path(service, kind, image_id))

    told = {(member["member_id"], member["member_type"], member["status"]) for member in page["members"]}
    assert told == {("project", "project", "pending"), (DEFAULT_DOMAIN, "domain", "accepted")}


@pytest.mark.parametrize("kind", LISTS)
def test_a_project_and_a_domain_of_one_id_are_two_recipients(service: Service, kind: str) -> None:
    image_id = create_image_with(service, ["same"], ["same"])

    page = get_page(service, list_path(service, kind, image_id))

    assert sorted(member["member_type"] for member in page["members"]) == ["domain", "project"]


@pytest.mark.parametrize("kind", LISTS)
def test_one_recipient_is_shown_as_it_is_listed(service: Service, kind: str) -> None:
    image_id = create_image_with(service, ["project"], [FOREIGN_DOMAIN])
    path = list_path(service, kind, image_id)
    listed = get_page(service, path)["members"]

    shown = [get_page(service, f"{path}/{member['member_id']}") for member in listed]

    assert shown == listed


# ---- who sees whom


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("caller", ["publisher", "publisher-reader", "admin"])
def test_the_owner_sees_all_recipients(service: Service, caller: str, kind: str) -> None:
    image_id = create_image_with(service, ["b", "a"], [FOREIGN_DOMAIN])

    page = get_page(service, list_path(service, kind, image_id, caller), caller)

    assert sorted(ids_of(page)) == ["a", "b", FOREIGN_DOMAIN]


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("caller", ["recipient", "recipient-reader"])
@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
def test_a_recipient_sees_itself_only(service: Service, status: str, caller: str, kind: str) -> None:
    image_id = create_shared_image(service, status)
    run_batch(
        service,
        "publisher",
        "POST",
        {"images": [image_id], "projects": ["a", "z"], "domains": [FOREIGN_DOMAIN]},
    )
    path = list_path(service, kind, image_id, caller)

    page = get_page(service, path, caller)
    of_another = get(service, f"{path}/a", caller)
    of_a_domain = get(service, f"{path}/{FOREIGN_DOMAIN}", caller)

    assert ids_of(page) == [project_of(service, "recipient")]
    assert page["page_info"]["current_count"] == 1
    status_expected = 404 if kind == "native" else 400
    assert [of_another.status_code, of_a_domain.status_code] == [status_expected, status_expected]
    assert code_of(of_another) == code_of(of_a_domain)


@pytest.mark.parametrize("kind", LISTS)
def test_a_hidden_recipient_looks_like_an_absent_one(service: Service, kind: str) -> None:
    image_id = create_shared_image(service)
    run_batch(service, "publisher", "POST", {"images": [image_id], "projects": ["there"]})
    path = list_path(service, kind, image_id, "recipient")

    hidden = get(service, f"{path}/there", "recipient")
    absent = get(service, f"{path}/never", "recipient")

    assert hidden.status_code == absent.status_code
    assert hidden.text.replace("there", "ID") == absent.text.replace("never", "ID")


@pytest.mark.parametrize("kind", LISTS)
def test_a_project_of_the_domain_sees_the_domain_only(service: Service, kind: str) -> None:
    image_id = create_image_with(service, ["a"], [DEFAULT_DOMAIN])

    page = get_page(service, list_path(service, kind, image_id, "other"), "other")

    assert ids_of(page) == [DEFAULT_DOMAIN]


@pytest.mark.parametrize("kind", LISTS)
def test_a_recipient_twice_over_sees_both_its_offers(service: Service, kind: str) -> None:
    image_id = create_shared_image(service)
    share_with_domain(service, image_id)

    page = get_page(service, list_path(service, kind, image_id, "recipient"), "recipient")

    assert sorted(ids_of(page)) == sorted([project_of(service, "recipient"), DEFAULT_DOMAIN])


@pytest.mark.parametrize(("kind", "status"), [("extension", 400), ("native", 404)])
@pytest.mark.parametrize("member", ["", "/recipient"])
def test_a_stranger_finds_no_image(service: Service, member: str, kind: str, status: int) -> None:
    hidden = create_shared_image(service, "accepted")
    tail = member.replace("recipient", project_of(service, "recipient"))

    of_hidden = get(service, list_path(service, kind, hidden, "other") + tail, "other")
    of_absent = get(service, list_path(service, kind, UNKNOWN_ID, "other") + tail, "other")

    assert refusal(of_hidden) == (status, "IMG.0027")
    assert of_hidden.text.replace(hidden, "ID") == of_absent.text.replace(UNKNOWN_ID, "ID")
    assert of_hidden.status_code == of_absent.status_code


@pytest.mark.parametrize(("kind", "status"), [("extension", 400), ("native", 404)])
def test_a_project_of_another_domain_finds_no_image(service: Service, kind: str, status: int) -> None:
    foreigner = add_foreigner(service)
    image_id = create_image(service)
    share_with_domain(service, image_id)

    response = get(service, list_path(service, kind, image_id, foreigner), foreigner)

    assert refusal(response) == (status, "IMG.0027")


@pytest.mark.parametrize(("kind", "status"), [("extension", 400), ("native", 404)])
def test_who_was_withdrawn_finds_no_image(service: Service, kind: str, status: int) -> None:
    image_id = create_shared_image(service, "accepted")
    withdraw(service, image_id)

    response = get(service, list_path(service, kind, image_id, "recipient"), "recipient")

    assert refusal(response) == (status, "IMG.0027")


@pytest.mark.parametrize("member", ["", "/x"])
def test_the_project_of_the_path_is_the_callers(service: Service, member: str) -> None:
    """Whatever it sees of the image."""
    image_id = create_shared_image(service, "accepted")
    path = members_path(service, "recipient", image_id)

    response = get(service, path + member, "publisher")

    assert refusal(response) == (400, "IMG.0030")


@pytest.mark.parametrize("kind", LISTS)
def test_without_a_token_there_is_no_list(service: Service, kind: str) -> None:
    image_id = create_shared_image(service)

    response = get(service, list_path(service, kind, image_id), None)

    assert refusal(response) == (401, "IMG.0087")


@pytest.mark.parametrize("member", ["", "/x"])
def test_the_recipients_of_a_public_image_tell_nothing(service: Service, member: str) -> None:
    image_id = create_public_image(service)

    response = get(service, members_path(service, "other", image_id) + member, "other")

    assert "members" not in response.json() or response.json()["members"] == []


# ---- pages


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize(
    ("limit", "sizes"),
    [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5]), (1000, [5])],
)
def test_pages_hold_each_recipient_once(service: Service, limit: int, sizes: list[int], kind: str) -> None:
    image_id = create_image_with(service, ["d", "b", "e", "a", "c"])

    pages = get_pages(service, list_path(service, kind, image_id), limit)

    assert [len(page) for page in pages] == sizes
    assert sorted(chain.from_iterable(pages)) == FIVE


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_hold_projects_and_domains_of_one_id_once_each(service: Service, limit: int, kind: str) -> None:
    image_id = create_image_with(service, ["b", "a", "c"], ["c", "b", "a"])

    pages = get_pages(service, list_path(service, kind, image_id), limit)

    assert sorted(chain.from_iterable(pages)) == ["a", "a", "b", "b", "c", "c"]


@pytest.mark.parametrize("kind", LISTS)
def test_ids_of_any_letters_can_be_markers(service: Service, kind: str) -> None:
    ids = ["é?&=+", "a b", "100%", "日本", "x" * 255, "a+b"]
    image_id = create_image_with(service, ids)

    pages = get_pages(service, list_path(service, kind, image_id), 1)

    assert sorted(chain.from_iterable(pages)) == sorted(ids)


@pytest.mark.parametrize("kind", LISTS)
def test_a_page_goes_on_after_a_recipient_that_was_withdrawn(service: Service, kind: str) -> None:
    image_id = create_image_with(service, FIVE)
    path = list_path(service, kind, image_id)
    first = get_page(service, f"{path}?limit=2")
    gone = ids_of(first)[-1]
    run_batch(service, "publisher", "DELETE", {"images": [image_id], "projects": [gone]})

    rest = get_page(service, f"{path}?marker={first['page_info']['next_marker']}")

    assert sorted(ids_of(first) + ids_of(rest)) == FIVE


@pytest.mark.parametrize("kind", LISTS)
def test_a_page_holds_500_unless_told(service: Service, kind: str) -> None:
    image_id = create_image(service, visibility="shared")
    run_batch(
        service,
        "publisher",
        "POST",
        {"images": [image_id], "projects": [f"p{number}" for number in range(256)]},
    )

    page = get_page(service, list_path(service, kind, image_id))

    assert page["page_info"]["current_count"] == 256
    assert not page["page_info"].get("next_marker")


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1.5", "1e2", "9" * 30])
def test_a_limit_is_from_1_to_1000(service: Service, limit: str, kind: str) -> None:
    image_id = create_shared_image(service)

    response = get(service, f"{list_path(service, kind, image_id)}?limit={limit}")

    assert response.status_code == 400
    assert code_of(response).startswith("IMG.")
    assert "limit" in message_of(response)


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("marker", ["!!", "YQ", "%C3%A9", "//8=", "YQ==YQ=="])
def test_a_marker_that_no_page_gave_is_refused(service: Service, marker: str, kind: str) -> None:
    """What is no base64 of UTF-8; answered with the first page it would lead a client round in circles."""
    image_id = create_image_with(service, FIVE)

    response = get(service, f"{list_path(service, kind, image_id)}?marker={marker}")

    assert response.status_code == 400
    assert code_of(response).startswith("IMG.")
    assert "marker" in message_of(response)


def test_the_openstack_list_has_no_pages(service: Service) -> None:
    image_id = create_image_with(service, FIVE)

    page = get_page(service, f"/v2/images/{image_id}/members?limit=2")

    assert set(page) == {"members", "schema"}
    assert sorted(ids_of(page)) == FIVE


def test_every_recipient_of_the_openstack_list_can_be_shown(service: Service) -> None:
    """Whether domains stand in it is not said; what is listed there must be there."""
    image_id = create_image_with(service, ["a"], [FOREIGN_DOMAIN])
    path = f"/v2/images/{image_id}/members"
    listed = ids_of(get_page(service, path))

    shown = [member_id for member_id in listed if get(service, f"{path}/{member_id}").status_code == 200]

    assert shown == listed


@pytest.mark.parametrize("kind", LISTS)
def test_a_reader_sees_that_a_private_image_of_its_project_has_no_recipients(
    service: Service, kind: str
) -> None:
    image_id = create_image(service)

    page = get_page(service, list_path(service, kind, image_id), "publisher-reader")

    assert page["members"] == []


def test_the_vault_that_a_recipient_named_is_shown_to_it_alone(service: Service) -> None:
    image_id = create_shared_image(service, **WHOLE_SERVER_BACKUP)
    answer(service, "accepted", image_id, vault_id="vault-1")
    seen = {
        caller: get_page(service, members_path(service, caller, image_id), caller)["members"]
        for caller in ("publisher", "recipient")
    }

    assert [member.get("vault_id") for member in seen["publisher"]] == [None]
    assert [member.get("vault_id") for member in seen["recipient"]] == ["vault-1"]
