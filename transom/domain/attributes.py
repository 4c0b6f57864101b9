"""Attributes of images by the rules of the IMS API: what is derived, what may be set, to which values.

They are kept as properties (and a few as fields) of the image, beside those that OpenStack clients set at
will; the rules hold for what comes by the IMS API. Source: IMS API, "Image Attributes", "Values of Related
Parameters", "Updating an Image", "Creating Image Metadata".
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from transom.domain.errors import ForbiddenError, InvalidError, LimitExceededError, Reason
from transom.domain.fields import (
    FIELDS,
    IMS_DISK_FORMATS,
    MAX_INT,
    MAX_NAME,
    check_field,
    quoted,
    read_only,
)
from transom.domain.model import FOR_EVERYBODY, Image, Status, Visibility
from transom.domain.os_versions import OTHER_LINUX, OsVersions
from transom.domain.patch import Operation, Rules, check_changeable
from transom.domain.tags import MOST_TAGS

OS_VERSION = "__os_version"
WHOLE_IMAGE = "__whole_image"
_KEY_ID = "__system__cmkid"
_BACKUP_ID = "__backup_id"
ENTERPRISE_PROJECT = "enterprise_project_id"
ARCHITECTURE = "architecture"
SUPPORT_ARM = "__support_arm"
ACTIVE_AT = "active_at"
#: What `__image_source_type` always is: "unified distributed storage".
IMAGE_SOURCE = "uds"

#: Worked out when an image is shown. Clients send some of them back: on creation they are left aside.
DERIVED = frozenset(
    {
        *("__imagetype", "__isregistered", "__image_source_type", "__image_size", "__image_location"),
        *("_sys_enterprise_project_id", ACTIVE_AT),
    }
)
#: What `__os_version` fixes, and what it is called in `os_versions.py`.
OS_FACTS = {"__os_bit": "os_bit", "__os_type": "os_type", "__platform": "platform"}
#: How it is written that a switch is on: here, and in what OpenStack clients set at will.
SWITCHED_ON = ("true", "True", "TRUE")
#: Of an image's fields, those that the extension's update may change.
UPDATABLE_FIELDS = frozenset({"name", "min_ram", "protected"})
#: Of its attributes, those that it may not: given once for all, or by services that we do not have. Any other
#: may be changed, and made, if its name has no capital letters.
_FIXED = frozenset(
    {
        *("__account_code", "__backup_id", "__data_origin", "__image_displayname", "__is_offshelved"),
        *("__lazyloading", "__originalimagename", "__os_feature_list", "__productcode", "__root_origin"),
        *("__sequence_num", "__system__cmkid", "__system_support_market", WHOLE_IMAGE),
        *(ARCHITECTURE, "virtual_env_type"),
    }
)
#: `true` or `false`, as text. One that an image lacks is off.
SWITCHES = frozenset(
    {
        *("__support_kvm", "__support_xen", "__support_largememory", "__support_diskintensive"),
        *("__support_highperformance", "__support_xen_hana", "__support_kvm_infiniband"),
        *("__support_kvm_hi1822_hisriov", "__support_kvm_hi1822_hivirtionet", "__support_kvm_hi1822_hiovs"),
        *("__support_kvm_nvme_spdk", "__support_amd", SUPPORT_ARM, "__support_fc_inject"),
        *("__is_config_init", "__is_offshelved", "__lazyloading", WHOLE_IMAGE),
        "hw_vif_multiqueue_enabled",
    }
)
_NAME = re.compile(r"[\w.\- ]*")
_MAX_IMAGE_NAME = 128
_MAX_DESCRIPTION = 1024
_NOT_IN_DESCRIPTION = frozenset("\r\n<>")
_MOST_GB = 1024
#: Of an image whose data comes in.
_COMING_IN = (Status.SAVING, Status.UPLOADING, Status.IMPORTING)
_DIGITS = re.compile(r"[0-9]{1,10}")


# ---- what an image is


def is_whole_image(properties: dict[str, str]) -> bool:
    """Whether the image holds all disks of a server rather than one."""
    return properties.get(WHOLE_IMAGE, "").lower() == "true"


def is_encrypted(properties: dict[str, str]) -> bool:
    return bool(properties.get(_KEY_ID))


def is_from_backup(properties: dict[str, str]) -> bool:
    return bool(properties.get(_BACKUP_ID))


# ---- how an image looks


def shown_visibility(image: Image, has_recipients: bool) -> str:
    """An image that nobody was offered is `private`, whatever its owner called it."""
    if image.visibility in FOR_EVERYBODY:
        return image.visibility
    return Visibility.SHARED if has_recipients else Visibility.PRIVATE


def shown_status(status: str) -> str:
    """The IMS API has one word for all ways of an image's data to come in."""
    return Status.SAVING if status in _COMING_IN else status


def statuses_shown_as(status: str) -> tuple[str, ...]:
    """Those of which `shown_status` makes this one."""
    if status == Status.SAVING:
        return _COMING_IN
    return () if status in _COMING_IN else (status,)


def derived_attributes(image: Image, visibility: str) -> dict[str, str]:
    """Those of DERIVED that are shown, but for the time, and the architecture of an image that states none.
    Where the data lies is not shown."""
    derived = {
        "__isregistered": "true",
        "__imagetype": "gold" if visibility in FOR_EVERYBODY else visibility,
        "__image_source_type": IMAGE_SOURCE,
    }
    if image.size is not None:
        derived["__image_size"] = str(image.size)
    if ENTERPRISE_PROJECT in image.properties:
        derived["_sys_enterprise_project_id"] = image.properties[ENTERPRISE_PROJECT]
    if ARCHITECTURE not in image.properties:
        derived[ARCHITECTURE] = "arm" if image.properties.get(SUPPORT_ARM) in SWITCHED_ON else "x86"
    return derived


# ---- a new image


def complete(given: dict[str, Any], os_versions: OsVersions) -> dict[str, Any]:
    """What a client gave of a new image, with the defaults and without what is derived. Null is as absent.

    The values are judged later, by `check_value`; what `__os_version` fixes wins over what was given of it.
    """
    kept = {name: value for name, value in given.items() if value is not None and name not in DERIVED}
    is_iso = kept.get("disk_format") == "iso"
    defaults = {
        "visibility": Visibility.PRIVATE.value,
        "container_format": "bare",
        "disk_format": "zvhd2",
        "virtual_env_type": "IsoImage" if is_iso else "FusionCompute",
        "__support_kvm": "true",
        "__is_config_init": "false",
        # Nothing comes into being here but by an upload.
        "__root_origin": "file",
        ENTERPRISE_PROJECT: "0",
        OS_VERSION: OTHER_LINUX,
    }
    whole = {**defaults, **kept}
    return {**whole, **_os_facts(whole[OS_VERSION], os_versions)}


def _os_facts(name: Any, os_versions: OsVersions) -> dict[str, str]:
    version = os_versions.find(name) if isinstance(name, str) else None
    if version is None:
        return {}
    return {attribute: getattr(version, fact) for attribute, fact in OS_FACTS.items()}


# ---- changes


def check_native_name(name: str) -> None:
    """May the native update change this? Who sees an image is changed by sharing it."""
    check_changeable(name)
    if name == "visibility" or name in DERIVED or name in OS_FACTS:
        raise read_only(name)


def check_extension_name(name: str) -> None:
    """May the extension's update change this?"""
    check_native_name(name)
    if name in _FIXED or (name in FIELDS and name not in UPDATABLE_FIELDS):
        raise ForbiddenError(f"Attribute '{name}' cannot be updated by this call.", Reason.UNSUPPORTED)
    if name != name.lower():
        raise InvalidError(f"{quoted(name)}: the name of an attribute has no capital letters.")


def replace_or_add(operations: list[Operation]) -> list[Operation]:
    """The extension's `replace` makes what is not there."""
    return [
        msgspec.structs.replace(operation, op="add") if operation.op == "replace" else operation
        for operation in operations
    ]


def follow_os_version(old: Image, new: Image, os_versions: OsVersions) -> Image:
    """`new` with what its `__os_version` fixes, if that is another one than `old` had."""
    name = new.properties.get(OS_VERSION)
    if name == old.properties.get(OS_VERSION):
        return new
    others = {key: value for key, value in new.properties.items() if key not in OS_FACTS}
    return msgspec.structs.replace(new, properties={**others, **_os_facts(name, os_versions)})


# ---- values


def make_check(os_versions: OsVersions) -> Callable[[str, Any], Any]:
    """`check_value`, which also looks whether an `__os_version` is one of these."""

    def check(name: str, value: Any) -> Any:
        value = check_value(name, value)
        if name == OS_VERSION and os_versions.find(value) is None:
            raise InvalidError(
                f"{name}: {quoted(value)} is not in the list of GET /v1/cloudimages/os_version.",
                Reason.OS_VERSION_INVALID,
            )
        return value

    return check


def check_value(name: str, value: Any) -> Any:
    """`value` as the image keeps it, as `fields.check_field` has it, by the rules of the IMS API.

    Raises InvalidError or LimitExceededError, naming the attribute.
    """
    value = _converted(name, value)
    if name != "disk_format" or value not in IMS_DISK_FORMATS:
        value = check_field(name, value)
    rule = _RULES.get(name)
    if rule is not None:
        rule(name, value)
    return value


def _converted(name: str, value: Any) -> Any:
    """Every attribute is text in this API, and clients write numbers and switches either way."""
    if name in ("min_ram", "min_disk") and isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if name == "protected" and isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), value)
    if name in FIELDS:
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) <= MAX_INT:
        return str(value)
    return value.lower() if name in SWITCHES and isinstance(value, str) else value


def _one_of(*allowed: str, reason: Reason | None = None) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value not in allowed:
            raise InvalidError(f"{name}: {quoted(value)} is not one of {', '.join(allowed)}.", reason)

    return check


def _check_image_name(name: str, value: Any) -> None:
    if not value:
        raise InvalidError(f"{name}: must not be empty.", Reason.NAME_MISSING)
    if len(value) > _MAX_IMAGE_NAME:
        raise InvalidError(
            f"{name}: must not be longer than {_MAX_IMAGE_NAME} characters.", Reason.NAME_TOO_LONG
        )
    if not _NAME.fullmatch(value) or value != value.strip(" "):
        raise InvalidError(
            f"{name}: may hold letters, digits, '-', '.', '_' and, but for its ends, spaces.",
            Reason.NAME_MALFORMED,
        )


def _check_description(name: str, value: str) -> None:
    if len(value) > _MAX_DESCRIPTION:
        raise InvalidError(
            f"{name}: must not be longer than {_MAX_DESCRIPTION} characters.", Reason.DESCRIPTION_TOO_LONG
        )
    if not _NOT_IN_DESCRIPTION.isdisjoint(value):
        raise InvalidError(f"{name}: may not hold line breaks, '<' and '>'.", Reason.DESCRIPTION_MALFORMED)


def _check_min_disk(name: str, value: int) -> None:
    if not 0 <= value <= _MOST_GB:
        raise InvalidError(f"{name}: must be 0 to {_MOST_GB} (GB).", Reason.SIZE_INVALID)


def _check_min_ram(name: str, value: int) -> None:
    if not 0 <= value <= MAX_INT:
        raise InvalidError(f"{name}: must be 0 to {MAX_INT} (MB).", Reason.SIZE_INVALID)


def _check_max_ram(name: str, value: str) -> None:
    if value and not _DIGITS.fullmatch(value):
        raise InvalidError(f"{name}: must be a whole number (MB).", Reason.SIZE_INVALID)


def _check_tags(name: str, value: tuple[str, ...]) -> None:
    if "" in value:
        raise InvalidError(f"{name}: a tag has 1 to {MAX_NAME} characters.", Reason.TAG_INVALID)
    if len(value) > MOST_TAGS:
        raise LimitExceededError(f"{name}: an image can have at most {MOST_TAGS} tags.", Reason.TAGS_FULL)


_RULES: dict[str, Callable[[str, Any], None]] = {
    **dict.fromkeys(SWITCHES, _one_of("true", "false")),
    "name": _check_image_name,
    "visibility": _one_of(Visibility.PRIVATE),
    "tags": _check_tags,
    "min_disk": _check_min_disk,
    "min_ram": _check_min_ram,
    "max_ram": _check_max_ram,
    ARCHITECTURE: _one_of("x86", "arm", reason=Reason.ARCHITECTURE_INVALID),
    "hw_firmware_type": _one_of("bios", "uefi", reason=Reason.FIRMWARE_INVALID),
    "virtual_env_type": _one_of("FusionCompute", "Ironic", "DataImage", "IsoImage"),
    "__description": _check_description,
}


def native_rules(os_versions: OsVersions) -> Rules:
    """Of `PATCH /v2/images/{image_id}`."""
    return Rules(check_native_name, make_check(os_versions))


def extension_rules(os_versions: OsVersions) -> Rules:
    """Of `PATCH /v2/cloudimages/{image_id}`."""
    return Rules(check_extension_name, make_check(os_versions))
