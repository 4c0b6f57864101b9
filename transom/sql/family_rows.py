"""Rows of families, their versions and members ↔ records of `domain/families.py`."""

from transom.domain.families import Family, FamilyMember, Version, VersionImage
from transom.sql.db import Row
from transom.sql.images import decode_properties

FAMILY_COLUMNS = ", ".join(f"family.{name}" for name in Family.__struct_fields__)
FAMILY_WIDTH = len(Family.__struct_fields__)
_VERSION_FIELDS = tuple(name for name in Version.__struct_fields__ if name != "image")
_VERSION_WIDTH = len(_VERSION_FIELDS)
VERSION_COLUMNS = ", ".join(f"family_version.{name}" for name in _VERSION_FIELDS)
IMAGE_COLUMNS = ", ".join(f"image.{name}" for name in VersionImage.__struct_fields__)
#: The same without properties, for whoever shows none of them.
BRIEF_IMAGE_COLUMNS = IMAGE_COLUMNS.replace("image.properties", "'{}'")
MEMBER_COLUMNS = ", ".join(f"family_member.{name}" for name in FamilyMember.__struct_fields__)
MEMBER_WIDTH = len(FamilyMember.__struct_fields__)


def family_of_row(row: Row) -> Family:
    """A family from a row that starts with FAMILY_COLUMNS."""
    return Family(
        id=row[0],
        owner=row[1],
        name=row[2],
        title=row[3],
        description=row[4],
        support_url=row[5],
        current_number=row[6],
        last_number=row[7],
        provided_until=row[8],
        created_at=row[9],
        updated_at=row[10],
    )


def image_of_row(row: Row) -> VersionImage:
    """What a family looks at of an image, from a row that starts with IMAGE_COLUMNS."""
    return VersionImage(
        id=row[0],
        owner=row[1],
        name=row[2],
        status=row[3],
        visibility=row[4],
        os_hidden=bool(row[5]),
        properties=decode_properties(row[6]),
        updated_at=row[7],
    )


def version_of_row(row: Row) -> Version:
    """A version from a row that starts with VERSION_COLUMNS and then those of its image."""
    return Version(
        family_id=row[0],
        number=row[1],
        name=row[2],
        notes=row[3],
        published_at=row[4],
        promoted_at=row[5],
        end_of_life=row[6],
        revoke_at=row[7],
        revoked_at=row[8],
        revoke_reason=row[9],
        was_hidden=bool(row[10]),
        has_deactivated=bool(row[11]),
        image=image_of_row(row[_VERSION_WIDTH:]),
    )


def member_of_row(row: Row) -> FamilyMember:
    """A member from a row that starts with MEMBER_COLUMNS."""
    return FamilyMember(
        family_id=row[0],
        member_id=row[1],
        status=row[2],
        new_versions=row[3],
        offered_at=row[4],
        offered_by=row[5],
        answered_at=row[6],
        message=row[7],
        ends_at=row[8],
        expires_at=row[9],
        created_at=row[10],
        updated_at=row[11],
    )
