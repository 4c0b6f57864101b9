"""Which images may be exported to an object store, by whom, and in which format. Pure.

Source: IMS API, "Exporting an Image", and the codes of its refusals.
"""

from typing import Any

from transom.domain.attributes import is_encrypted, is_from_backup, is_whole_image
from transom.domain.errors import ConflictError, ForbiddenError, InvalidError, LimitExceededError, Reason
from transom.domain.fields import quoted
from transom.domain.model import FOR_EVERYBODY, Caller, Image, ImageTarget, Status
from transom.images import rules

#: What an image can be converted to. The IMS API's own formats are exported as they are kept only.
CONVERTED = ("qcow2", "vhd", "vmdk", "raw")
_KEPT = ("zvhd", "zvhd2")
#: What can be read to be converted.
_CONVERTIBLE = frozenset({*CONVERTED, "vdi", "vhdx"})
#: What marks an image that is sold, or was made of one.
_PRODUCT = "__productcode"


def export_image(caller: Caller, target: ImageTarget) -> None:
    """May the caller export this image, which it sees, as things are? Raises ForbiddenError or ConflictError
    with the code of the IMS API for the first thing in the way."""
    image = target.image
    if image.visibility in FOR_EVERYBODY:
        raise ForbiddenError(f"Image {image.id} is a public image.", Reason.EXPORT_PUBLIC)
    rules.modify_image(caller, target)
    rules.download_image(caller, target)
    if image.status != Status.ACTIVE or image.size is None:
        text = f"Image {image.id} is {image.status}; only an active image can be exported."
        raise ConflictError(text, Reason.IMAGE_NOT_READY)
    if is_whole_image(image.properties):
        raise ForbiddenError(f"Image {image.id} holds a whole server.", Reason.EXPORT_WHOLE)
    if is_from_backup(image.properties):
        raise ForbiddenError(f"Image {image.id} was made from a backup.", Reason.EXPORT_FROM_BACKUP)
    if image.properties.get(_PRODUCT):
        raise ForbiddenError(f"Image {image.id} comes from a charged image.", Reason.EXPORT_CHARGED)
    if is_encrypted(image.properties) or image.disk_format == "iso":
        what = "an ISO image" if image.disk_format == "iso" else "encrypted"
        raise ForbiddenError(f"Image {image.id} is {what}.", Reason.EXPORT_REFUSED)


def export_format(image: Image, wanted: Any, *, is_quick: bool) -> str | None:
    """The format to convert the image to; None: it goes out as it is kept. InvalidError for a format that it
    cannot have."""
    if is_quick:
        if wanted:
            text = "file_format: a quick export has the format that the image is kept in."
            raise InvalidError(text, Reason.EXPORT_FORMAT)
        return None
    if not isinstance(wanted, str) or wanted not in (*CONVERTED, *_KEPT):
        allowed = ", ".join((*CONVERTED, *_KEPT))
        raise InvalidError(f"file_format: {quoted(wanted)} is not one of {allowed}.", Reason.EXPORT_FORMAT)
    if wanted == image.disk_format:
        return None
    if wanted in _KEPT or image.disk_format not in _CONVERTIBLE or image.container_format != "bare":
        text = f"file_format: an image in {image.disk_format} cannot be converted to {wanted}."
        raise InvalidError(text, Reason.EXPORT_FORMAT)
    return wanted


def require_size(image: Image, most_bytes: int, *, is_quick: bool) -> None:
    """LimitExceededError for an image too large to be exported so."""
    if (image.size or 0) > most_bytes:
        hint = "" if is_quick else "; is_quick_export may take it"
        text = f"Image {image.id} has {image.size} bytes, more than {most_bytes}{hint}."
        raise LimitExceededError(text, Reason.EXPORT_TOO_LARGE)
