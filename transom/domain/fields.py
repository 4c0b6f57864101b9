"""The fields of an image: their types and limits, for what clients send and for the published schema.

Types and limits are those of the Image API v2 schema (GET /v2/schemas/image). Type tests are JSON Schema's: a
boolean is no integer, 1.0 is one.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from transom.domain.errors import ForbiddenError, InvalidError, Reason
from transom.domain.model import Visibility

CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop")
#: The IMS API has two of its own. They say what an image is kept as there, whatever was uploaded.
IMS_DISK_FORMATS = (*DISK_FORMATS, "zvhd", "zvhd2")
STATUSES = (
    "queued",
    "saving",
    "active",
    "killed",
    "deleted",
    "uploading",
    "importing",
    "pending_delete",
    "deactivated",
)
UUID_PATTERN = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
#: The same, quicker to look for.
UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
MAX_NAME = 255
MAX_INT = 2147483647


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field. `types` are JSON Schema's; `read_only` ones are the service's to set."""

    name: str
    types: tuple[str, ...]
    description: str
    read_only: bool = False
    max_length: int | None = None
    enum: tuple[str | None, ...] | None = None
    pattern: str | None = None


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field(name="id", types=("string",), pattern=UUID_PATTERN, description="An identifier for the image"),
        Field(
            name="name",
            types=("null", "string"),
            max_length=MAX_NAME,
            description="Descriptive name for the image",
        ),
        Field(
            name="status",
            types=("string",),
            enum=STATUSES,
            read_only=True,
            description="Status of the image",
        ),
        Field(
            name="visibility",
            types=("string",),
            enum=(Visibility.COMMUNITY, Visibility.PUBLIC, Visibility.PRIVATE, Visibility.SHARED),
            description="Scope of image accessibility",
        ),
        Field(name="protected", types=("boolean",), description="If true, image will not be deletable."),
        Field(
            name="os_hidden",
            types=("boolean",),
            description="If true, image will not appear in default image list response.",
        ),
        Field(
            name="checksum",
            types=("null", "string"),
            max_length=32,
            read_only=True,
            description="md5 hash of image contents.",
        ),
        Field(
            name="os_hash_algo",
            types=("null", "string"),
            max_length=64,
            read_only=True,
            description="Algorithm to calculate the os_hash_value",
        ),
        Field(
            name="os_hash_value",
            types=("null", "string"),
            max_length=128,
            read_only=True,
            description="Hexdigest of the image contents using the algorithm specified by the os_hash_algo",
        ),
        Field(name="owner", types=("null", "string"), max_length=MAX_NAME, description="Owner of the image"),
        Field(
            name="size",
            types=("null", "integer"),
            read_only=True,
            description="Size of image file in bytes",
        ),
        Field(
            name="virtual_size",
            types=("null", "integer"),
            read_only=True,
            description="Virtual size of image in bytes",
        ),
        Field(
            name="container_format",
            types=("null", "string"),
            enum=(None, *CONTAINER_FORMATS),
            description="Format of the container",
        ),
        Field(
            name="disk_format",
            types=("null", "string"),
            enum=(None, *DISK_FORMATS),
            description="Format of the disk",
        ),
        Field(
            name="created_at",
            types=("string",),
            read_only=True,
            description="Date and time of image registration",
        ),
        Field(
            name="updated_at",
            types=("string",),
            read_only=True,
            description="Date and time of the last image modification",
        ),
        Field(
            name="tags",
            types=("array",),
            max_length=MAX_NAME,
            description="List of strings related to the image",
        ),
        Field(
            name="direct_url",
            types=("string",),
            read_only=True,
            description="URL to access the image file kept in external store",
        ),
        Field(
            name="min_ram", types=("integer",), description="Amount of ram (in MB) required to boot image."
        ),
        Field(
            name="min_disk",
            types=("integer",),
            description="Amount of disk space (in GB) required to boot image.",
        ),
        Field(name="self", types=("string",), read_only=True, description="An image self url"),
        Field(name="file", types=("string",), read_only=True, description="An image file url"),
        Field(name="schema", types=("string",), read_only=True, description="An image schema url"),
        Field(
            name="stores",
            types=("string",),
            read_only=True,
            description="Store in which image data resides",
        ),
        Field(
            name="locations",
            types=("array",),
            description="A set of URLs to access the image file kept in external store",
        ),
    )
}

#: Fields a client may set at any time (owner and the formats under further rules).
SETTABLE = frozenset(
    [
        "name",
        "visibility",
        "protected",
        "os_hidden",
        "tags",
        "min_disk",
        "min_ram",
        "owner",
        "container_format",
        "disk_format",
    ]
)
#: Fields that hold a number from 0 to MAX_INT.
NATURAL = ("min_disk", "min_ram")
#: Unicode's categories of control and format characters and of line ends.
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})
#: Names that never become a custom property.
RESERVED = frozenset({"location", "deleted", "deleted_at"})
#: Of what the service says about the family that an image is a version of. Clients copy properties from one
#: image to another: Nova gives a snapshot those of the server's image. So these are left out, not refused,
#: where an image is made; a change of one is refused.
FAMILY_PREFIX = "os_share_"
#: Of properties that only the service sets; the other one is about imports.
RESERVED_PREFIXES = ("os_glance", FAMILY_PREFIX)

_JSON_TYPES: dict[type, str] = {
    type(None): "null",
    str: "string",
    bool: "boolean",
    int: "integer",
    list: "array",
}


def check_field(name: str, value: Any) -> Any:
    """`value` as the image keeps it. `name`: a field of FIELDS, or else of a custom property (a string).

    Raises InvalidError, whose text names the field, for what the published schema does not allow.
    """
    field = FIELDS.get(name)
    if field is None:
        if not isinstance(value, str):
            raise _mismatch(name, f"{quoted(value)} is not of type 'string'")
        return value
    if type(value) is float and value.is_integer():
        value = int(value)
    if _JSON_TYPES.get(type(value)) not in field.types:
        raise _mismatch(name, f"{quoted(value)} is not of type {', '.join(map(repr, field.types))}")
    if isinstance(value, list) and name == "tags":
        return _check_tags(value)
    if isinstance(value, str):
        _check_text(field, value)
    elif field.enum is not None and value not in field.enum:
        raise _mismatch(name, f"{quoted(value)} is not one of {list(field.enum)}")
    return value


def _check_text(field: Field, value: str) -> None:
    if field.max_length is not None and len(value) > field.max_length:
        raise _mismatch(field.name, f"{quoted(value)} is too long (at most {field.max_length} characters)")
    if field.enum is not None and value not in field.enum:
        allowed = ["null" if one is None else str(one) for one in field.enum]
        raise _mismatch(field.name, f"{quoted(value)} is not one of {', '.join(allowed)}")
    if field.pattern is not None and not re.fullmatch(field.pattern, value):
        raise _mismatch(field.name, f"{quoted(value)} does not match {field.pattern!r}")


def _check_tags(value: list[Any]) -> tuple[str, ...]:
    for tag in value:
        if not isinstance(tag, str):
            raise _mismatch("tags", f"{quoted(tag)} is not of type 'string'")
        check_tag(tag)
    return tuple(sorted(set(value)))


def check_tag(tag: str) -> None:
    if len(tag) > MAX_NAME:
        raise _mismatch("tags", f"{quoted(tag)} is too long (at most {MAX_NAME} characters)")
    check_characters("Tags", tag)


def check_not_negative(name: str, value: int) -> None:
    if value < 0:
        raise InvalidError(f"Invalid value '{value}' for parameter '{name}': Cannot be a negative value")


def check_storable(name: str, value: Any) -> None:
    """Limits that are the storage's, not the schema's: ranges of numbers and characters of texts."""
    if name in NATURAL:
        check_not_negative(name, value)
        if value > MAX_INT:
            raise InvalidError(f"'{name}' value out of range, must not exceed {MAX_INT}.")
    elif name not in FIELDS:
        check_characters("Property names", name)
        check_characters("Param values", value, name)
    elif isinstance(value, str):
        check_characters(name.capitalize(), value)


def check_characters(what: str, text: str, field: str | None = None) -> None:
    """Refuse characters that Glance refuses (beyond U+FFFF) and those a database cannot keep (NUL)."""
    where = f" (property {field!r})" if field is not None else ""
    if text.isascii():
        if "\0" in text:
            raise InvalidError(f"{what} can't contain NUL characters{where}.")
        return
    if max(text) > "\uffff":
        raise InvalidError(f"{what} can't contain 4 byte unicode characters{where}.")
    if "\0" in text:
        raise InvalidError(f"{what} can't contain NUL characters{where}.")
    if has_surrogates(text):
        raise InvalidError(f"{what} can't contain unpaired surrogates{where}.")


def has_surrogates(text: str) -> bool:
    """Whether it holds half a surrogate pair, which JSON can escape and UTF-8 cannot encode."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def check_id_text(what: str, text: str) -> None:
    """Refuse what is always a mistake in the id of a project or an image: it came along when it was copied,
    and names nobody."""
    check_characters(what, text)
    if text != text.strip():
        raise InvalidError(f"{what} must not begin or end with blanks: {quoted(text)}.")
    if not text.isprintable() and any(unicodedata.category(character) in _INVISIBLE for character in text):
        raise InvalidError(f"{what} can't contain control characters: {quoted(text)}.")


def unique_ids(ids: Sequence[Any], check: Callable[[int, Any], object]) -> list[str]:
    """The ids of projects and the like, each once, in the order given.

    `check` judges one by its position, and raises. It is asked only if they do not pass all together: of
    thousands that takes a while.
    """
    if not (set(map(type, ids)) <= {str} and _are_plain_ids(ids)):
        for position, one in enumerate(ids):
            check(position, one)
    return list(dict.fromkeys(ids))


def _are_plain_ids(ids: Sequence[str]) -> bool:
    """Whether all are ids of visible ASCII characters."""
    text = "".join(ids)
    return (
        text.isascii()
        and text.isprintable()
        and " " not in text
        and "/" not in text
        and all(ids)
        and len(max(ids, key=len, default="")) <= MAX_NAME
    )


def check_property_name(name: str) -> None:
    """May a client make a property of this name?"""
    if not name or len(name) > MAX_NAME:
        raise InvalidError(
            f"Custom property should not be greater than {MAX_NAME} characters."
            if name
            else "Custom property should have a name of at least 1 character."
        )
    check_not_reserved(name)


def check_not_reserved(name: str) -> None:
    if name in RESERVED or name.startswith(RESERVED_PREFIXES):
        raise ForbiddenError(f"Attribute '{name}' is reserved.", Reason.UNSUPPORTED)


def read_only(name: str) -> ForbiddenError:
    return ForbiddenError(f"Attribute '{name}' is read-only.", Reason.UNSUPPORTED)


def _mismatch(name: str, why: str) -> InvalidError:
    return InvalidError(f"Provided object does not match schema 'image': {name}: {why}")


def quoted(value: Any) -> str:
    """The value for an error's text: at most 80 characters."""
    try:
        text = _begin(value, 80)
    except RecursionError:
        return "the value"
    return text if len(text) <= 80 else text[:77] + "..."


def _begin(value: Any, room: int) -> str:
    """What `repr` gives of a value of JSON, or more than `room` characters of its beginning: of long ones it
    takes a while."""
    if isinstance(value, str):
        return repr(value[: room + 1])
    if isinstance(value, list):
        return _begin_all("[", ((None, one) for one in value), room) + "]"
    if isinstance(value, dict):
        return _begin_all("{", value.items(), room) + "}"
    return repr(value)


def _begin_all(text: str, items: Iterable[tuple[str | None, Any]], room: int) -> str:
    before = ""
    for key, value in items:
        text += before if key is None else f"{before}{_begin(key, room)}: "
        text += _begin(value, room - len(text))
        if len(text) > room:
            break
        before = ", "
    return text
