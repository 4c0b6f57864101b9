"""Who may do what with images (`transom/images/rules.py`; reference, part 8)."""

from collections.abc import Callable

import msgspec
import pytest

from transom.domain.access import image_target
from transom.domain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    Reason,
    TransomError,
)
from transom.domain.model import (
    Caller,
    ImageTarget,
    Location,
    MemberStatus,
    Policy,
    Status,
    Target,
    Visibility,
)
from transom.domain.policy import DEFAULT_POLICY
from transom.images import rules

from .samples import (
    OWNER,
    RECIPIENT,
    STRANGER,
    caller,
    image,
    is_refused,
    member,
    recording_caller,
    refusal_of,
)

OFFERED = image(visibility=Visibility.SHARED)
PUBLIC = image(visibility=Visibility.PUBLIC)


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


# ---- the rules that operators can set


ACTIVE = image(
    status=Status.ACTIVE, size=3, locations=(Location(store="a", key="k"), Location(store="b", key="k"))
)
MINE = image_target(ACTIVE, is_member=False)
OWN = Target(OWNER, Visibility.PRIVATE)

Asked = list[tuple[str, Target]]
#: What a caller of the owner's project does → what is asked, in this order.
ASKED: dict[str, tuple[Callable[[Caller], object], Asked]] = {
    "create": (
        lambda who: rules.create_image(who, STRANGER, "shared"),
        [("add_image", Target(OWNER, "shared")), ("add_image", Target(STRANGER, "shared"))],
    ),
    "create public": (
        lambda who: rules.create_image(who, STRANGER, "public"),
        [
            ("add_image", Target(OWNER, "public")),
            ("add_image", Target(STRANGER, "public")),
            ("publicize_image", Target(STRANGER, "public")),
        ],
    ),
    "publish": (lambda who: rules.set_visibility(who, MINE, "public"), [("publicize_image", MINE)]),
    "give to all": (
        lambda who: rules.set_visibility(who, MINE, "community"),
        [("communitize_image", MINE)],
    ),
    "hide": (lambda who: rules.set_visibility(who, MINE, "private"), []),
    "list": (rules.list_images, [("get_images", OWN)]),
    "be listed": (
        lambda who: rules.is_listed(who, OFFERED),
        [("get_image", image_target(OFFERED, is_member=True))],
    ),
    "be listed unshared": (
        lambda who: rules.is_listed(who, PUBLIC),
        [("get_image", image_target(PUBLIC, is_member=False))],
    ),
    "modify": (lambda who: rules.modify_image(who, MINE), [("modify_image", MINE)]),
    "update by IMS": (lambda who: rules.update_ims_image(who, MINE), [("modify_image", MINE)]),
    "deactivate": (lambda who: rules.deactivate_image(who, MINE), [("deactivate", MINE)]),
    "reactivate": (lambda who: rules.reactivate_image(who, MINE), [("reactivate", MINE)]),
    "delete": (lambda who: rules.delete_image(who, MINE), [("delete_image", MINE)]),
    "delete by IMS": (
        lambda who: rules.delete_ims_image(who, MINE, is_for_group=False),
        [("delete_image", MINE)],
    ),
    "upload": (lambda who: rules.upload_image(who, MINE), [("upload_image", MINE)]),
    "download": (lambda who: rules.download_image(who, MINE), [("download_image", MINE)]),
    "replicate": (lambda who: rules.replicate_image(who, MINE, None), [("download_image", MINE)]),
    "prefer stores": (lambda who: rules.prefer_stores(who, MINE), [("download_from_store", MINE)]),
    "remove from a store": (
        lambda who: rules.remove_from_store(who, MINE, "b"),
        [("get_image_location", MINE), ("delete_image_location", MINE)],
    ),
    "import": (lambda who: rules.import_image(who, MINE, is_copy=False), [("modify_image", MINE)]),
    "copy to stores": (lambda who: rules.import_image(who, MINE, is_copy=True), [("copy_image", MINE)]),
    "add location": (lambda who: rules.add_location(who, MINE), [("add_image_location", MINE)]),
    "name locations": (lambda who: rules.change_locations(who, MINE, "add"), [("set_image_location", MINE)]),
    "drop a location": (
        lambda who: rules.change_locations(who, MINE, "remove"),
        [("delete_image_location", MINE)],
    ),
    "fetch locations": (lambda who: rules.fetch_locations(who, MINE), [("fetch_image_location", MINE)]),
}


@pytest.mark.parametrize("action", ASKED)
def test_an_action_asks_the_operators_rules_about_what_it_acts_on(action: str) -> None:
    act, expected = ASKED[action]
    who, asked = recording_caller()

    act(who)

    assert asked == expected


@pytest.mark.parametrize(
    ("action", "rule"),
    [(action, rule) for action, (_, asked) in ASKED.items() for rule in dict.fromkeys(dict(asked))],
)
def test_any_rule_that_an_action_asks_refuses_it(action: str, rule: str) -> None:
    act, _ = ASKED[action]
    who, _ = recording_caller(denies=rule)

    assert is_refused(lambda: act(who))


def test_an_admin_finds_images_in_lists_without_a_membership() -> None:
    asked: list[Target] = []

    def see(_caller: Caller, target: Target) -> bool:
        asked.append(target)
        return True

    rules_in_force = {**DEFAULT_POLICY.rules, "get_image": see}
    admin = msgspec.structs.replace(caller("admin"), policy=Policy(rules_in_force))

    assert rules.is_listed(admin, OFFERED)
    assert asked == [image_target(OFFERED, is_member=False)]
    assert not rules.lists_all_it_finds(admin)
    assert rules.lists_all_it_finds(caller("reader"))


# ---- what is left when no rule refuses


@pytest.mark.parametrize(
    ("who", "status", "sees"),
    [
        (caller("reader"), Status.ACTIVE, True),
        (caller("reader"), Status.DEACTIVATED, False),
        (caller("admin"), Status.DEACTIVATED, True),
    ],
)
def test_where_deactivated_data_lies_is_told_to_admins(who: Caller, status: Status, sees: bool) -> None:
    assert rules.sees_locations(who, image(status=status)) is sees


def test_an_admin_gives_an_image_to_another_project() -> None:
    rules.change_owner(caller("admin"))


@pytest.mark.parametrize("status", [MemberStatus.PENDING, MemberStatus.REJECTED, MemberStatus.ACCEPTED])
def test_an_offer_is_copied_once_it_is_accepted(status: str) -> None:
    offered = image_target(OFFERED, is_member=True)

    def act() -> None:
        rules.replicate_image(caller("member", RECIPIENT), offered, member(status=status))

    if status == MemberStatus.ACCEPTED:
        act()
        return
    text = "Image image has to be accepted before it can be copied."
    assert refusal_of(act) == (ForbiddenError, text, Reason.COPY_NOT_ACCEPTED)


def test_what_is_ones_own_or_for_everybody_is_copied_unasked() -> None:
    offered_back = member(OWNER, MemberStatus.PENDING)

    rules.replicate_image(caller("member"), image_target(OFFERED, is_member=False), offered_back)
    rules.replicate_image(caller("member", RECIPIENT), image_target(PUBLIC, is_member=True), member())
    rules.replicate_image(caller("member", RECIPIENT), image_target(OFFERED, is_member=True), None)


def test_an_active_image_is_copied() -> None:
    rules.require_copyable(ACTIVE)


def test_a_copy_of_the_data_is_removed_from_the_store_that_was_named() -> None:
    removed = rules.remove_from_store(caller("admin"), MINE, "b")

    assert removed is ACTIVE.locations[1]


def test_a_store_that_reads_a_location_is_used() -> None:
    assert rules.require_reader(caller(), "web") == "web"


def test_an_absent_image_is_named_as_each_api_does() -> None:
    assert rules.absent("image") == "No image found with ID image"
    assert rules.not_found("image") == "Image image not found."


# ---- what whoever is refused is told, to the letter


def _of(**changes: object) -> ImageTarget:
    return image_target(msgspec.structs.replace(ACTIVE, **changes), is_member=False)


def _copy(**changes: object) -> Callable[[], object]:
    return lambda: rules.require_copyable(msgspec.structs.replace(ACTIVE, **changes))


_ADMIN, _MEMBER = caller("admin"), caller("member")
_SERVICE_TOKEN = msgspec.structs.replace(_MEMBER, service_roles=frozenset({"service"}))
_NO_READER = "url: no store here reads it."
REFUSALS: list[tuple[Callable[[], object], type[TransomError], str, Reason | None]] = [
    (lambda: rules.change_owner(_MEMBER), ForbiddenError, "Owner can't be updated by non admin.", None),
    (
        lambda: rules.update_ims_image(_MEMBER, _of(status=Status.QUEUED)),
        ConflictError,
        "Image image is queued, and only an active one can be updated by this call.",
        Reason.IMAGE_NOT_READY,
    ),
    (
        lambda: rules.deactivate_image(_ADMIN, _of(status=Status.QUEUED)),
        ForbiddenError,
        "Not allowed to deactivate image in status 'queued'",
        None,
    ),
    (
        lambda: rules.reactivate_image(_ADMIN, _of(status=Status.SAVING)),
        ForbiddenError,
        "Not allowed to reactivate image in status 'saving'",
        None,
    ),
    (
        lambda: rules.delete_image(_MEMBER, _of(protected=True)),
        ForbiddenError,
        "Image image is protected and cannot be deleted.",
        Reason.IMAGE_PROTECTED,
    ),
    (
        lambda: rules.delete_ims_image(_MEMBER, _of(visibility="public"), is_for_group=True),
        ForbiddenError,
        "Image image is public and cannot be deleted.",
        Reason.IMAGE_PUBLIC,
    ),
    (
        lambda: rules.delete_ims_image(_MEMBER, _of(status=Status.SAVING), is_for_group=True),
        ConflictError,
        "Image image is still being created.",
        Reason.IMAGE_IN_CREATION,
    ),
    (
        lambda: rules.delete_ims_image(_MEMBER, MINE, is_for_group=True),
        ConflictError,
        "Image image is shared with a domain or an organization: withdraw that first.",
        Reason.SHARED_WITH_DOMAIN,
    ),
    (
        lambda: rules.download_image(_MEMBER, _of(status=Status.DEACTIVATED)),
        ForbiddenError,
        "The requested image has been deactivated. Image data download is forbidden.",
        Reason.IMAGE_NOT_READY,
    ),
    *(
        (
            act,
            ConflictError,
            "Image image is active; only an active image can be copied.",
            Reason.IMAGE_NOT_READY,
        )
        for act in (_copy(size=None), _copy(locations=()))
    ),
    (
        _copy(status=Status.QUEUED),
        ConflictError,
        "Image image is queued; only an active image can be copied.",
        Reason.IMAGE_NOT_READY,
    ),
    (
        _copy(properties={"__whole_image": "true"}),
        ForbiddenError,
        "Image image holds a whole server: it cannot be copied.",
        Reason.COPY_WHOLE,
    ),
    (
        _copy(disk_format="iso"),
        ForbiddenError,
        "Image image is an ISO image: it cannot be copied.",
        Reason.COPY_ISO,
    ),
    (
        _copy(properties={"__system__cmkid": "key"}),
        ForbiddenError,
        "Image image is encrypted: it cannot be copied.",
        Reason.COPY_ENCRYPTED,
    ),
    (
        lambda: rules.remove_from_store(_ADMIN, _of(status=Status.QUEUED), "a"),
        ConflictError,
        "It's not allowed to remove image data from store if image is queued.",
        None,
    ),
    (
        lambda: rules.remove_from_store(_ADMIN, _of(locations=ACTIVE.locations[:1]), "a"),
        ForbiddenError,
        "Cannot delete image data from the only store containing it. Consider deleting the image instead.",
        None,
    ),
    (
        lambda: rules.remove_from_store(_ADMIN, MINE, "c"),
        NotFoundError,
        "Image image is not stored in store c.",
        None,
    ),
    (lambda: rules.require_reader(caller("service"), None), InvalidError, _NO_READER, None),
    (lambda: rules.require_reader(_SERVICE_TOKEN, None), InvalidError, _NO_READER, None),
    (
        lambda: rules.require_reader(_MEMBER, None),
        ForbiddenError,
        "http store must be enabled to use location API by normal user.",
        None,
    ),
]


@pytest.mark.parametrize(("act", "error", "text", "reason"), REFUSALS)
def test_a_refusal_says_why(
    act: Callable[[], object], error: type[TransomError], text: str, reason: Reason | None
) -> None:
    assert refusal_of(act) == (error, text, reason)
