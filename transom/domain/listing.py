"""What a caller asks of a list of images, and which images the question is about."""

from enum import StrEnum

import msgspec

from transom.domain.model import Caller, MemberStatus, Visibility

#: Keys a list can be sorted by (Image API v2), in the order of the error text.
SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
#: Those among them that may be null. Null counts as the largest value, in the order and in paging alike.
NULLABLE_SORT_KEYS = frozenset({"name", "container_format", "disk_format", "size"})


class Op(StrEnum):
    EQ = "="
    LT = "<"
    LE = "<="
    GE = ">="
    #: Below the first value, or at or above the second.
    NOT_WITHIN = "not within"
    IN = "in"
    TAG = "tag"
    #: A tag of the key `values[0]`; the other values are those it may have, none: any.
    TAG_PAIR = "tag pair"
    #: The property has one of the values.
    PROPERTY = "property"
    #: The property has none of the values, or is absent.
    WITHOUT_PROPERTY = "without property"
    #: The property has one of the values, or is absent.
    PROPERTY_OR_ABSENT = "property or absent"


ABOUT_TAGS = frozenset({Op.TAG, Op.TAG_PAIR})
ABOUT_PROPERTIES = frozenset({Op.PROPERTY, Op.WITHOUT_PROPERTY, Op.PROPERTY_OR_ABSENT})


class Condition(msgspec.Struct, frozen=True):
    """One filter. `field` is a column of an image, or the name of a property when `op` is about one.
    `where_absent`, of PROPERTY: what holds instead of an image without the property. `is_indexed`, of
    PROPERTY: whether the operator has named the property in `indexed_properties`."""

    field: str
    op: Op
    values: tuple[str | int | bool, ...]
    where_absent: "Condition | None" = None
    is_indexed: bool = False


class SortKey(msgspec.Struct, frozen=True):
    key: str
    descending: bool


#: What a list of the IMS API may be confined to, beside a visibility: what others share with the caller; and
#: what no image is.
RECEIVED = "received"
NOTHING = "nothing"


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`visibility`: None for the default list, "all", or one visibility; for `ims_ranges` also RECEIVED or
    NOTHING. `member_statuses`: which memberships count for images shared with the caller. `sort` ends with a
    key that no two images share. `size_limit`: a long page ends with the image that reaches so many bytes."""

    visibility: str | None = None
    member_statuses: tuple[str, ...] = (MemberStatus.ACCEPTED,)
    os_hidden: bool = False
    conditions: tuple[Condition, ...] = ()
    sort: tuple[SortKey, ...] = (SortKey("created_at", True), SortKey("id", True))
    limit: int = 25
    size_limit: int = 1 << 20
    marker: str | None = None


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Images that one index range finds. Fields left None do not narrow it."""

    owner: str | None = None
    visibility: str | None = None
    #: Shared with this project, by a membership in this status.
    member_id: str | None = None
    member_status: str | None = None
    #: Shared with one of these, in place of `member_id`.
    groups: tuple[str, ...] = ()
    #: Without the images that this project owns, or has a membership of its own of: there its answer counts.
    unless_member: str | None = None
    #: Whether the image has recipients.
    has_members: bool | None = None
    #: Any image but a community one.
    but_community: bool = False


def visible_ranges(caller: Caller, query: ListQuery) -> list[Range]:
    """The ranges whose union the list is made of (Image API v2; reference tables in Glance's
    `glance/db/sqlalchemy/api.py`, `_make_conditions_from_filters` and `_select_images_query`)."""
    if caller.is_admin:
        return _ranges_of_admin(caller, query.visibility)
    own = caller.project_id
    if own is None:
        return []
    shared_with_me = _shared_with(caller, own, query.member_statuses)
    match query.visibility:
        case None:
            return [Range(owner=own), Range(visibility=Visibility.PUBLIC), *shared_with_me]
        case "all":
            return [
                Range(owner=own),
                Range(visibility=Visibility.PUBLIC),
                Range(visibility=Visibility.COMMUNITY),
                *shared_with_me,
            ]
        case Visibility.PUBLIC | Visibility.COMMUNITY:
            return [Range(visibility=query.visibility)]
        case Visibility.SHARED:
            return [Range(owner=own, visibility=Visibility.SHARED), *shared_with_me]
        case _:
            return [Range(owner=own, visibility=query.visibility)]


def ims_ranges(caller: Caller, query: ListQuery) -> list[Range]:
    """As `visible_ranges`, by the IMS API's view of visibility: an image is `shared` when it has recipients,
    else `private`, whatever its owner called it (IMS API, "Image attributes", `__imagetype`)."""
    own = caller.project_id
    if own is None or query.visibility == NOTHING:
        return []
    owner = None if caller.is_admin else own
    received = _shared_with(caller, own, query.member_statuses)
    if query.visibility == RECEIVED:
        return received
    match query.visibility:
        case Visibility.PRIVATE:
            return [
                Range(owner=owner, visibility=Visibility.PRIVATE),
                Range(owner=owner, visibility=Visibility.SHARED, has_members=False),
            ]
        case Visibility.SHARED:
            offered = Range(owner=owner, visibility=Visibility.SHARED, has_members=True)
            return [offered] if caller.is_admin else [offered, *received]
        case _:
            return visible_ranges(caller, query)


def _shared_with(caller: Caller, own: str, statuses: tuple[str, ...]) -> list[Range]:
    """What was shared with a whole domain or an organisation needs no acceptance."""
    ranges = [Range(member_id=own, member_status=status) for status in statuses]
    groups = caller.groups
    if groups and MemberStatus.ACCEPTED in statuses:
        one, several = (groups[0], ()) if len(groups) == 1 else (None, groups)
        accepted = MemberStatus.ACCEPTED
        ranges.append(Range(member_id=one, groups=several, member_status=accepted, unless_member=own))
    return ranges


def _ranges_of_admin(caller: Caller, visibility: str | None) -> list[Range]:
    if visibility is None:
        return [Range(but_community=True), Range(owner=caller.project_id, visibility=Visibility.COMMUNITY)]
    if visibility == "all":
        return [Range()]
    return [Range(visibility=visibility)]
