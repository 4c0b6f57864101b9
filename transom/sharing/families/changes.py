"""What each act does to a family, its versions and their images. Pure.

Each function takes the family as a transaction sees it under its locks and returns it as it is to be, or
raises what stands against it. `scripts.py` reads the former and writes the difference.

The current version is the one whose image is not hidden: so clients of the Image API find exactly that one by
the property `os_share_family`, which all versions have.
"""

from collections.abc import Mapping

import msgspec

from transom.domain.attributes import is_encrypted, is_whole_image
from transom.domain.errors import ConflictError, NotFoundError, Reason
from transom.domain.families import (
    FAMILY,
    REPLACED_BY,
    REVOKE_AT,
    REVOKE_REASON,
    STATE,
    VERSION,
    Family,
    Known,
    State,
    Version,
    VersionImage,
)
from transom.domain.fields import FAMILY_PREFIX
from transom.domain.model import NEVER, Status, Visibility
from transom.domain.times import show_time

_replace = msgspec.structs.replace


# ---- versions come and go


def add_version(
    known: Known, image: VersionImage, *, name: str | None, notes: str | None, end_of_life: int, now: int
) -> Known:
    """The image is a candidate of the family from now on, and hidden. ConflictError when it cannot be one."""
    if FAMILY in image.properties:
        mine = next((version for version in known.versions if version.image.id == image.id), None)
        where = f"version {mine.number} of it" if mine is not None else "a version of another family"
        raise ConflictError(f"Image {image.id} is {where} already.")
    require_fit(known.family, image)
    if name is not None and any(version.name == name for version in known.versions):
        raise ConflictError(f"The family has a version named {name!r}.")
    number = known.family.last_number + 1
    version = Version(
        family_id=known.family.id,
        number=number,
        name=name,
        notes=notes,
        published_at=now,
        promoted_at=None,
        end_of_life=end_of_life,
        revoke_at=NEVER,
        revoked_at=None,
        revoke_reason=None,
        was_hidden=image.os_hidden,
        has_deactivated=False,
        image=_replace(image, os_hidden=True),
    )
    family = _replace(known.family, last_number=number)
    return Known(family=family, versions=[version, *known.versions])


def remove_version(known: Known, number: int) -> tuple[Known, VersionImage]:
    """(the family without the version, its image as it was before it became one). ConflictError when it is
    the current one."""
    version = require_version(known, number)
    if version.number == known.family.current_number:
        raise ConflictError(f"Version {number} is the current one: promote another first.")
    return _without(known, version), released(version)


def drop_version(known: Known, version: Version, now: int) -> Known:
    """The family without the version, which may have been the current one: then the newest that can be
    becomes it."""
    left = _without(known, version)
    return _fall_back(left, now) if version.number == known.family.current_number else left


def _without(known: Known, version: Version) -> Known:
    return _replace(known, versions=[one for one in known.versions if one.number != version.number])


def released(version: Version) -> VersionImage:
    """The image of a version that is none any more."""
    image = version.image
    return _replace(image, properties=without_family(image.properties), os_hidden=version.was_hidden)


# ---- which one is current


def promote(known: Known, number: int, now: int) -> Known:
    """The version becomes the current one, or is so again. ConflictError when it cannot."""
    version = require_version(known, number)
    if version.revoked_at is not None:
        raise ConflictError(f"Version {number} was revoked: restore it first.")
    require_fit(known.family, version.image)
    return _point_at(known, number, now)


def require_fit(family: Family, image: VersionImage) -> None:
    """ConflictError unless the image can be what all members of the family get."""
    if image.owner != family.owner:
        raise ConflictError(f"Image {image.id} is not of the project that the family is of.")
    if image.status != Status.ACTIVE:
        raise ConflictError(f"Image {image.id} is {image.status}, not active.", Reason.IMAGE_NOT_READY)
    properties = dict(image.properties)
    if is_encrypted(properties):
        text = f"Image {image.id} is encrypted: members could not use it without its key."
        raise ConflictError(text, Reason.ENCRYPTED_NOT_SHARED)
    if is_whole_image(properties):
        text = f"Image {image.id} holds a whole server, which each member would have to name a vault for."
        raise ConflictError(text, Reason.WHOLE_NOT_SHARED)


def _point_at(known: Known, number: int, now: int) -> Known:
    is_current = number == known.family.current_number
    versions = [
        _replace(
            version,
            promoted_at=version.promoted_at if is_current else now,
            image=_replace(version.image, os_hidden=False, visibility=_opened(version.image.visibility)),
        )
        if version.number == number
        else _replace(version, image=_replace(version.image, os_hidden=True))
        for version in known.versions
    ]
    return Known(family=_replace(known.family, current_number=number), versions=versions)


def _opened(visibility: str) -> str:
    return Visibility.SHARED if visibility == Visibility.PRIVATE else visibility


def _fall_back(known: Known, now: int) -> Known:
    """The newest version that was current before and still can be is so again; none: there is no current
    one."""
    for version in known.versions:
        was_current = version.promoted_at is not None and version.revoked_at is None
        image = version.image
        if was_current and image.status == Status.ACTIVE and image.owner == known.family.owner:
            return _point_at(known, version.number, now)
    return _replace(known, family=_replace(known.family, current_number=None))


# ---- revoking


def revoke(known: Known, number: int, reason: str | None, now: int, *, fall_back: bool = True) -> Known:
    """Nobody gets the version's data any more. If it is the current one, the newest that can be takes its
    place; ConflictError unless it may (`fall_back`). A version that was revoked stays so: all that changes is
    the reason, where another one is given."""
    version = require_version(known, number)
    if version.revoked_at is not None:
        return _with(known, _replace(version, revoke_reason=reason or version.revoke_reason))
    is_current = number == known.family.current_number
    if is_current and not fall_back:
        raise ConflictError(f"Version {number} is the current one, and fall_back is false.")
    is_active = version.image.status == Status.ACTIVE
    status = Status.DEACTIVATED if is_active else version.image.status
    revoked = _replace(
        version,
        revoke_at=NEVER,
        revoked_at=now,
        revoke_reason=reason,
        has_deactivated=is_active,
        image=_replace(version.image, status=status, os_hidden=True),
    )
    left = _with(known, revoked)
    return _fall_back(left, now) if is_current else left


def schedule_revocation(known: Known, number: int, at: int, reason: str | None) -> Known:
    """The version is to be revoked then; NEVER: not any more. ConflictError when it was revoked."""
    version = require_version(known, number)
    if version.revoke_at == at == NEVER:
        return known
    if version.revoked_at is not None:
        raise ConflictError(f"Version {number} was revoked.")
    return _with(known, _replace(version, revoke_at=at, revoke_reason=reason if at < NEVER else None))


def change_version(
    known: Known,
    number: int,
    notes: str | msgspec.UnsetType | None,
    end_of_life: int | msgspec.UnsetType,
    revoke_at: int | msgspec.UnsetType,
) -> Known:
    """Change what is said of a version; UNSET: nothing."""
    version = require_version(known, number)
    if not isinstance(revoke_at, msgspec.UnsetType):
        known = schedule_revocation(known, number, revoke_at, version.revoke_reason)
        version = require_version(known, number)
    if not isinstance(notes, msgspec.UnsetType):
        version = _replace(version, notes=notes)
    if not isinstance(end_of_life, msgspec.UnsetType):
        version = _replace(version, end_of_life=end_of_life)
    return _with(known, version)


def restore(known: Known, number: int) -> Known:
    """The version can be used again, and promoted; it does not become the current one. One that was not
    revoked stays as it is, and so does an image that was deactivated before the revocation."""
    version = require_version(known, number)
    if version.revoked_at is None:
        return known
    image = version.image
    if version.has_deactivated and image.status == Status.DEACTIVATED:
        image = _replace(image, status=Status.ACTIVE)
    restored = _replace(version, revoked_at=None, revoke_reason=None, has_deactivated=False, image=image)
    return _with(known, restored)


# ---- what they have in common


def require_version(known: Known, number: int) -> Version:
    version = known.find(number)
    if version is None:
        raise version_absent(number)
    return version


def version_absent(number: object) -> NotFoundError:
    return NotFoundError(f"The family has no version {number}.")


def _with(known: Known, version: Version) -> Known:
    versions = [version if one.number == version.number else one for one in known.versions]
    return _replace(known, versions=versions)


# ---- what the images say of it


def describe(known: Known) -> Known:
    """The family with the properties of its versions' images as they are to be."""
    current = known.current
    replaced_by = current.image.id if current is not None else None
    versions = [
        _replace(version, image=_replace(version.image, properties=_properties(version, known, replaced_by)))
        for version in known.versions
    ]
    return _replace(known, versions=versions)


def _properties(version: Version, known: Known, replaced_by: str | None) -> Mapping[str, str]:
    state = known.state_of(version)
    of_family = {FAMILY: known.family.name, VERSION: str(version.number), STATE: str(state)}
    if state in (State.SUPERSEDED, State.REVOKED) and replaced_by is not None:
        of_family[REPLACED_BY] = replaced_by
    if state is State.REVOKED and version.revoke_reason:
        of_family[REVOKE_REASON] = version.revoke_reason
    if version.revoke_at < NEVER:
        of_family[REVOKE_AT] = show_time(version.revoke_at)
    return {**without_family(version.image.properties), **of_family}


def without_family(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties without those that the service sets for versions."""
    return {name: value for name, value in properties.items() if not name.startswith(FAMILY_PREFIX)}
