"""Imports: what may be asked for, and what an image becomes step by step.

Three properties of an image tell how its import stands (Image API v2, "Interoperable image import"): the task
that holds the image, the stores that are still to get the data, and those that could not. The image is
changed only in transactions that need the task's job to be held as well, so no step is made twice.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from transom.domain.errors import ConflictError, InvalidError
from transom.domain.fields import UUID_PATTERN, has_surrogates, quoted
from transom.domain.model import Content, Image, Location, Status
from transom.domain.status import WITH_DATA, advance

#: The task that holds the image; nobody else may start one.
TASK = "os_glance_import_task"
#: Stores that are still to get the data, those that could not take it: names with commas between.
WAITING = "os_glance_importing_to_stores"
FAILED = "os_glance_failed_import"


class Method(StrEnum):
    DIRECT = "glance-direct"
    WEB = "web-download"
    COPY = "copy-image"
    GLANCE = "glance-download"
    OBJECT = "s3-download"


#: Methods that fetch the data of a `queued` image from elsewhere.
_FETCHING = (Method.WEB, Method.GLANCE, Method.OBJECT)


#: What each method takes beside its name. All of it is text.
_ARGUMENTS: Mapping[Method, tuple[str, ...]] = {
    Method.DIRECT: (),
    Method.WEB: ("uri", "os_hash_algo", "os_hash_value"),
    Method.COPY: (),
    Method.GLANCE: ("glance_region", "glance_image_id", "glance_service_interface"),
    Method.OBJECT: ("uri", "os_hash_algo", "os_hash_value"),
}
#: Longest name of a region or of an interface.
_MOST_NAME = 255


class ImportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asked for. `stores` None: it named none; `arguments`: its `method`, as far as that knows
    the keys; `body`: the whole request, likewise."""

    method: Method
    arguments: dict[str, Any]
    body: dict[str, Any]
    stores: tuple[str, ...] | None
    all_stores: bool
    all_must_succeed: bool


def parse_request(body: Any, enabled: Iterable[str]) -> ImportRequest:
    """The request in a body, by one of the `enabled` methods; InvalidError names what is wrong with it."""
    check_texts(body)
    if not isinstance(body, dict) or "method" not in body:
        raise InvalidError("Import request requires a 'method' field.")
    arguments = body["method"]
    if not isinstance(arguments, dict):
        raise InvalidError("'method' must be an object.")
    if "name" not in arguments:
        raise InvalidError("Import request requires a 'name' field.")
    if arguments["name"] not in tuple(enabled):
        raise InvalidError(f"Unknown import method name {_quoted(arguments['name'])}.")
    method, stores = Method(arguments["name"]), _named_stores(body)
    known = {name: arguments[name] for name in ("name", *_ARGUMENTS[method]) if name in arguments}
    kept = {name: body[name] for name in ("all_stores", "all_stores_must_succeed") if name in body}
    if stores is not None:
        kept["stores"] = stores
    return ImportRequest(
        method=method,
        arguments=known,
        body={"method": known, **kept},
        stores=stores,
        all_must_succeed=_switch(body, "all_stores_must_succeed", default=True),
        all_stores=_switch(body, "all_stores", default=False),
    )


def check_texts(body: Any) -> None:
    """Refuse what a database cannot keep: what is known of the request is kept as it came."""
    waiting = [body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and ("\0" in one or has_surrogates(one)):
            raise InvalidError("The request can't contain NUL characters or unpaired surrogates.")


def _quoted(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) and len(value) <= 80 else quoted(value)


def _switch(body: dict[str, Any], name: str, *, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise InvalidError(f"'{name}' must be boolean value only")
    return value


def _named_stores(body: dict[str, Any]) -> tuple[str, ...] | None:
    stores = body.get("stores")
    if stores is None:
        return None
    if not isinstance(stores, list) or not stores or not all(isinstance(one, str) for one in stores):
        raise InvalidError("'stores' must be a list of names of stores.")
    return tuple(dict.fromkeys(stores))


def check_state(method: Method, image: Image) -> None:
    """ConflictError when the image is in no state for this method."""
    is_copy = method is Method.COPY
    if image.status == Status.ACTIVE and not is_copy:
        raise ConflictError("Image with status active cannot be target for import")
    if image.status != Status.ACTIVE and is_copy:
        raise ConflictError("Only images with status active can be targeted for copying")
    if method in _FETCHING and image.status != Status.QUEUED:
        raise ConflictError(f"Image needs to be in 'queued' state to use '{method}' method")
    if method is Method.DIRECT and image.status != Status.UPLOADING:
        raise ConflictError("Image needs to be staged before 'glance-direct' method can be used")
    for name in ("container_format", "disk_format"):
        if getattr(image, name) is None:
            raise ConflictError(f"'{name}' needs to be set before import")


def check_remote_image(arguments: dict[str, Any]) -> None:
    """InvalidError when the image of another service is not named as it must be."""
    for name in ("glance_region", "glance_image_id"):
        if name not in arguments:
            raise InvalidError(f"'{name}' needs to be set for glance-download import method")
    for name in ("glance_region", "glance_service_interface"):
        value = arguments.get(name, "")
        if not isinstance(value, str):
            raise InvalidError(f"'{name}' must be a string.")
        if len(value) > _MOST_NAME:
            raise InvalidError(f"'{name}' must have at most {_MOST_NAME} characters.")
    remote_id = arguments["glance_image_id"]
    if not isinstance(remote_id, str) or not re.fullmatch(UUID_PATTERN, remote_id):
        raise InvalidError(f"Remote image id does not look like a UUID: {_unquoted(remote_id)}")


def _unquoted(value: Any) -> str:
    return value[:80] if isinstance(value, str) else quoted(value)


# ---- what an image becomes


def split_names(text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, (text or "").split(",")))


def waiting_stores(image: Image) -> tuple[str, ...]:
    return split_names(image.properties.get(WAITING))


def is_held_by(image: Image, task_id: str) -> bool:
    return image.properties.get(TASK) == task_id


def begin(image: Image, task_id: str, stores: Sequence[str]) -> Image:
    """The import was accepted: nobody else may start one until it is over."""
    status = image.status if image.status == Status.ACTIVE else advance(image.status, Status.IMPORTING)
    failed = set(split_names(image.properties.get(FAILED))) - set(stores)
    return msgspec.structs.replace(
        _with_progress(image, waiting=stores, failed=failed, task_id=task_id), status=status
    )


def store_done(image: Image, location: Location, content: Content, *, all_must_succeed: bool) -> Image:
    """One store has the data. The image can be used from the first one on, or from the last one if all must
    succeed."""
    waiting = [name for name in waiting_stores(image) if name != location.store]
    status = image.status
    if status == Status.IMPORTING and not (waiting and all_must_succeed):
        status = advance(status, Status.ACTIVE)
    if image.status in WITH_DATA:
        filled = image
    else:
        filled = msgspec.structs.replace(
            image,
            size=content.size,
            virtual_size=content.virtual_size,
            checksum=content.checksum,
            os_hash_algo=content.os_hash_algo,
            os_hash_value=content.os_hash_value,
        )
    filled = msgspec.structs.replace(filled, status=status, locations=(*image.locations, location))
    return _with_progress(filled, waiting=waiting)


def store_failed(image: Image, store: str) -> Image:
    """One store cannot take the data, and the others go on without it."""
    waiting = [name for name in waiting_stores(image) if name != store]
    failed = {*split_names(image.properties.get(FAILED)), store}
    return _with_progress(image, waiting=waiting, failed=failed)


def finish(image: Image) -> Image:
    """The import is over; the two lists stay, as clients wait for them to be empty."""
    status = image.status
    if status == Status.IMPORTING:
        status = advance(status, Status.ACTIVE)
    return msgspec.structs.replace(_with_progress(image, waiting=(), task_id=None), status=status)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a step of an import sets beside the data."""

    fields: dict[str, Any] = {}
    properties: dict[str, str] = {}


def enrich(image: Image, change: Change) -> Image:
    """The image with what an import found out, or was told to set."""
    properties = {**image.properties, **change.properties}
    return msgspec.structs.replace(image, **change.fields, properties=properties)


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """The undo log of an import: what the image had before, None standing for a property that was not there,
    and what the import has set since."""

    fields: dict[str, Any] = {}
    properties: dict[str, str | None] = {}
    set_fields: dict[str, Any] = {}
    set_properties: dict[str, str] = {}


def extend_undo_log(before: Before | None, image: Image, change: Change) -> Before:
    """`before` with the change, and with what `image` has now of what the change sets, unless that has been
    noted already."""
    earlier = before or Before()
    return Before(
        fields={name: getattr(image, name) for name in change.fields} | earlier.fields,
        properties={name: image.properties.get(name) for name in change.properties} | earlier.properties,
        set_fields=earlier.set_fields | change.fields,
        set_properties=earlier.set_properties | change.properties,
    )


def _put_back(image: Image, before: Before | None) -> Image:
    """What somebody else has changed after the import did stays as it is."""
    if before is None:
        return image
    fields = {
        name: value
        for name, value in before.fields.items()
        if getattr(image, name) == before.set_fields.get(name, getattr(image, name))
    }
    properties = dict(image.properties)
    for name, value in before.properties.items():
        if image.properties.get(name) != before.set_properties.get(name, image.properties.get(name)):
            continue
        if value is None:
            properties.pop(name, None)
        else:
            properties[name] = value
    return msgspec.structs.replace(image, **fields, properties=properties)


def undo(image: Image, taken_back: Collection[str], before: Before | None = None) -> Image:
    """The import has failed. An image that had no data before is `queued` again, with what it had `before`;
    one that is in use stays so, without what the stores in `taken_back` got by this import."""
    failed = {*split_names(image.properties.get(FAILED)), *waiting_stores(image)}
    back = _with_progress(image, waiting=(), failed=failed, task_id=None)
    if image.status in WITH_DATA:
        left = tuple(location for location in image.locations if location.store not in taken_back)
        return msgspec.structs.replace(back, locations=left)
    return msgspec.structs.replace(
        _put_back(back, before),
        status=advance(image.status, Status.QUEUED),
        size=None,
        virtual_size=None,
        checksum=None,
        os_hash_algo=None,
        os_hash_value=None,
        locations=(),
    )


_KEEP = object()


def _with_progress(
    image: Image,
    *,
    waiting: Iterable[str],
    failed: Iterable[str] | None = None,
    task_id: Any = _KEEP,
) -> Image:
    properties = {**image.properties, WAITING: ",".join(sorted(waiting))}
    if failed is not None:
        properties[FAILED] = ",".join(sorted(failed))
    if task_id is None:
        properties.pop(TASK, None)
    elif task_id is not _KEEP:
        properties[TASK] = task_id
    return msgspec.structs.replace(image, properties=properties)
