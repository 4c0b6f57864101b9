"""Who may do what with images (`transom/images/rules.py`; reference, part 8)."""

import pytest

from transom.domain.access import image_target
from transom.domain.errors import ForbiddenError
from transom.domain.model import Caller, Status
from transom.images import rules

from .samples import OWNER, RECIPIENT, STRANGER, caller, image


@pytest.mark.parametrize(
    ("who", "owner", "visibility"),
    [
        (caller("member"), OWNER, "private"),
        (caller("member"), OWNER, "shared"),
        (caller("member"), OWNER, "community"),
        (caller("manager"), OWNER, "shared"),
        (caller("admin"), OWNER, "public"),
        (caller("admin"), STRANGER, "public"),
        (caller("admin"), None, "private"),
    ],
)
def test_an_image_may_be_created_in_ones_own_project_and_by_admin_anywhere(
    who: Caller, owner: str | None, visibility: str
) -> None:
    rules.create_image(who, owner, visibility)


@pytest.mark.parametrize(
    ("who", "owner", "visibility", "refusal"),
    [
        (caller("none"), OWNER, "shared", "You are not authorized to complete add_image action."),
        (caller("reader"), OWNER, "shared", "You are not authorized to complete add_image action."),
        (caller("reader"), STRANGER, "public", "You are not authorized to complete add_image action."),
        (caller("admin", None), None, "shared", "You are not authorized to complete add_image action."),
        (
            caller("member"),
            STRANGER,
            "shared",
            f"You are not permitted to create images owned by '{STRANGER}'",
        ),
        (
            caller("member"),
            STRANGER,
            "public",
            f"You are not permitted to create images owned by '{STRANGER}'",
        ),
        (caller("member"), None, "shared", "You are not permitted to create images owned by 'None'"),
        (caller("manager"), OWNER, "public", "You are not authorized to complete publicize_image action."),
    ],
)
def test_creating_an_image_is_refused_for_the_first_right_that_is_missing(
    who: Caller, owner: str | None, visibility: str, refusal: str
) -> None:
    with pytest.raises(ForbiddenError) as raised:
        rules.create_image(who, owner, visibility)

    assert str(raised.value) == refusal


@pytest.mark.parametrize("role", ["reader", "member", "manager", "admin"])
def test_a_list_may_be_asked_for_by_a_reader(role: str) -> None:
    rules.list_images(caller(role))


@pytest.mark.parametrize("who", [caller("none"), caller("reader", None), caller("admin", None)])
def test_a_list_is_refused_without_the_role_or_without_a_project(who: Caller) -> None:
    with pytest.raises(ForbiddenError, match="get_images"):
        rules.list_images(who)


@pytest.mark.parametrize("who", [caller("member"), caller("admin", STRANGER)])
def test_a_protected_image_is_deleted_by_nobody(who: Caller) -> None:
    with pytest.raises(ForbiddenError, match="is protected and cannot be deleted"):
        rules.delete_image(who, image_target(image(protected=True), is_member=False))


def test_protection_is_not_told_to_who_may_not_delete_anyway() -> None:
    with pytest.raises(ForbiddenError, match="delete_image action"):
        rules.delete_image(caller("member", RECIPIENT), image_target(image(protected=True), is_member=True))


@pytest.mark.parametrize(
    ("who", "is_member"),
    [
        (caller("reader"), False),
        (caller("member"), False),
        (caller("manager"), False),
        (caller("member", RECIPIENT), True),
    ],
)
def test_deactivated_data_is_refused_to_everybody_but_admin(who: Caller, is_member: bool) -> None:
    with pytest.raises(ForbiddenError, match="has been deactivated"):
        rules.download_image(who, image_target(image(status=Status.DEACTIVATED), is_member=is_member))


def test_deactivated_data_is_given_to_admin() -> None:
    rules.download_image(
        caller("admin", STRANGER), image_target(image(status=Status.DEACTIVATED), is_member=False)
    )


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SAVING, Status.ACTIVE])
def test_a_reader_may_not_download_in_any_other_status(status: str) -> None:
    with pytest.raises(ForbiddenError, match="download_image action"):
        rules.download_image(caller("reader"), image_target(image(status=status), is_member=False))
