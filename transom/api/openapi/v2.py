"""The calls of the Image API v2. Shapes are those of the served schemas (`api/v2/schemas.py`)."""

from typing import Any

from transom.api.openapi.model import (
    ANY,
    BOOLEAN,
    INTEGER,
    JSON,
    NATURAL,
    NOTHING,
    OBJECT,
    OCTETS,
    STRING,
    Answer,
    Operation,
    Parameter,
    Schema,
    Table,
    array,
    closed,
    header,
    json,
    nullable,
    one_of,
    query,
    record,
    ref,
)
from transom.api.v2.schemas import SCHEMAS
from transom.domain.fields import FIELDS, IMS_DISK_FORMATS, MAX_INT, SETTABLE
from transom.domain.listing import SORT_KEYS
from transom.domain.model import MemberStatus, Visibility

PATCH_TYPES = (
    "application/openstack-images-v2.1-json-patch",
    "application/openstack-images-v2.0-json-patch",
)
_SEEN = (403, 404)
_CHANGED = (403, 404, 409, 413)

IF_MATCH = header("If-Match", "Do it only if the image is still the version with this entity tag.")
IF_NONE_MATCH = header("If-None-Match", "304 if the image is still the version with this entity tag.")
_STORE = header("X-Image-Meta-Store", "The store that is to hold the data; the default one unless given.")
_DIGESTS = (
    header("Repr-Digest", "`sha-256` or `sha-512` of the data (RFC 9530); 400 if the data differs."),
    header("Content-Digest", "The same, of the content."),
    header("Content-MD5", "MD5 of the data, in base64 or hex."),
)
_SIZE = header("X-Openstack-Image-Size", "Size of the data in bytes, where Content-Length cannot say it.")
_RANGE = header("Range", "`bytes=first-last`: a part of the data (RFC 9110, section 14). One range only.")


def plain(schema: Schema) -> Schema:
    """A published schema without the keywords of its own vocabulary."""
    return {
        key: _plain_part(value)
        for key, value in schema.items()
        if key != "links" and not _is_name(key, value)
    }


def _is_name(key: str, value: Any) -> bool:
    return key == "name" and isinstance(value, str)


def _plain_part(value: Any) -> Any:
    if isinstance(value, dict):
        return plain(value)
    return [_plain_part(one) for one in value] if isinstance(value, list) else value


def image_schema(published: Schema, values: Schema) -> Schema:
    """An image as it is answered. `values`: what a custom property may be."""
    optional = ("direct_url", "stores", "locations")
    shown = plain(published)
    # An image that was made by the IMS API is shown as it is.
    formats = {**shown["properties"]["disk_format"], "enum": [None, *IMS_DISK_FORMATS]}
    return {
        **shown,
        "properties": {**shown["properties"], "disk_format": formats},
        "type": "object",
        "additionalProperties": values,
        "required": [name for name in FIELDS if name not in optional],
    }


def _new_image() -> Schema:
    properties = plain(SCHEMAS["image"])["properties"]
    natural = {**NATURAL, "maximum": MAX_INT}
    settable = {name: properties[name] for name in sorted({*SETTABLE, "id"})}
    return {
        "type": "object",
        "properties": {**settable, "min_disk": natural, "min_ram": natural},
        "additionalProperties": STRING,
    }


def page(items: str, schema: Schema) -> Schema:
    """A page of a list, with a link to the next one if there may be more."""
    return closed({items: array(schema), "first": STRING, "schema": STRING}, {"next": STRING})


_OPERATION = {
    "type": "object",
    "properties": {
        "op": one_of("add", "remove", "replace"),
        "path": {"type": "string", "pattern": "^/"},
        "value": ANY,
    },
    "required": ["op", "path"],
}
_MEMBER = {
    **plain(SCHEMAS["member"]),
    "type": "object",
    "required": ["member_id", "image_id", "status", "created_at", "updated_at", "schema"],
}
_METHOD = {
    "type": "object",
    "properties": {
        "name": one_of("glance-direct", "web-download", "copy-image", "glance-download", "s3-download"),
        "uri": STRING,
        "os_hash_algo": STRING,
        "os_hash_value": STRING,
        "glance_region": STRING,
        "glance_image_id": STRING,
        "glance_service_interface": STRING,
    },
    "required": ["name"],
}
_SAID = closed({"os_hash_algo": one_of("md5", "sha1", "sha256", "sha512"), "os_hash_value": STRING})

PAGE_PARAMETERS = (
    query("limit", "Entries in a page.", NATURAL),
    query("marker", "The id of the last entry of the page before."),
)
LIST_PARAMETERS: tuple[Parameter, ...] = (
    query("limit", "Images in a page.", NATURAL),
    query("marker", "The id of the last image of the page before."),
    query("sort_key", "What to sort by; repeatable.", one_of(*SORT_KEYS)),
    query("sort_dir", "The direction; repeatable.", one_of("asc", "desc")),
    query("sort", "In place of the two: `key:dir,key:dir`."),
    query("name", "Images of this name, or `in:a,b`."),
    query("status", "Images in this status, or `in:a,b`."),
    query("owner", "Images of this project."),
    query("tag", "Images with this tag; repeatable."),
    query("visibility", "Images of this visibility.", one_of(*Visibility, "all")),
    query("member_status", "Offers in this status, `accepted` unless given.", one_of(*MemberStatus, "all")),
    query("os_hidden", "Hidden images, which are not in the list otherwise.", one_of("true", "false")),
    query("created_at", "`gt:`, `gte:`, `lt:`, `lte:`, `eq:` or `neq:` and a time."),
    query("updated_at", "As `created_at`."),
    query("size_min", "Images of at least this size, bytes.", INTEGER),
    query("size_max", "Images of at most this size, bytes.", INTEGER),
)


def _image_answer() -> Answer:
    return json(ref("Image"), ETag="The version that was answered.")


def _schema_of(name: str) -> Operation:
    return Operation(summary=f"The JSON schema of {name}", answers={200: json(ref("PublishedSchema"))})


_IMAGES = {
    "GET /v2": Operation(
        summary="Be sent to the versions", answers={302: Answer(headers={"Location": "`/v2/`."})}
    ),
    "GET /v2/images": Operation(
        summary="List images: own, public, and accepted ones of others",
        answers={200: json(ref("Images"))},
        errors=(403,),
        parameters=LIST_PARAMETERS,
        description="Any other parameter filters by the property of that name.",
    ),
    "POST /v2/images": Operation(
        summary="Create an image without data",
        bodies={JSON: ref("NewImage")},
        answers={201: json(ref("Image"), ETag="Its version.", Location="The image.")},
        errors=(403, 409, 413),
        example={"name": "web-1", "disk_format": "qcow2", "container_format": "bare"},
    ),
    "GET /v2/images/{image_id}": Operation(
        summary="Show an image",
        answers={200: _image_answer(), 304: NOTHING},
        errors=(*_SEEN, 412),
        parameters=(IF_NONE_MATCH, IF_MATCH),
    ),
    "PATCH /v2/images/{image_id}": Operation(
        summary="Change an image",
        bodies=dict.fromkeys(PATCH_TYPES, array(_OPERATION)),
        answers={200: _image_answer()},
        errors=(*_CHANGED, 412, 415),
        parameters=(IF_MATCH,),
        example=[{"op": "replace", "path": "/name", "value": "web-2"}],
    ),
    "DELETE /v2/images/{image_id}": Operation(
        summary="Delete an image with its data",
        answers={204: NOTHING},
        errors=(*_CHANGED, 412),
        parameters=(IF_MATCH,),
    ),
    "GET /v2/images/{image_id}/file": Operation(
        summary="Download the data",
        answers={
            200: Answer(shape={}, media_type=OCTETS, headers={"ETag": "Its hash, `os_hash_value`."}),
            206: Answer(shape={}, media_type=OCTETS, headers={"Content-Range": "Which part it is."}),
            204: Answer(text="The image has no data yet."),
            304: NOTHING,
        },
        errors=(*_SEEN, 412, 416),
        parameters=(_RANGE, IF_NONE_MATCH, IF_MATCH, query("prefer", "Stores to read from first: `a,b`.")),
    ),
    "HEAD /v2/images/{image_id}/file": Operation(
        summary="Size and hash of the data, without the data",
        answers={200: NOTHING, 204: NOTHING, 304: NOTHING},
        errors=(*_SEEN, 412),
    ),
    "PUT /v2/images/{image_id}/file": Operation(
        summary="Upload the data of a queued image",
        bodies={OCTETS: {}},
        answers={204: NOTHING},
        errors=(*_CHANGED, 410, 412, 415),
        parameters=(_STORE, _SIZE, *_DIGESTS),
    ),
    "PUT /v2/images/{image_id}/stage": Operation(
        summary="Upload data that an import will make the image's",
        bodies={OCTETS: {}},
        answers={204: NOTHING},
        errors=(*_CHANGED, 410, 412, 415),
        parameters=(_SIZE, *_DIGESTS),
    ),
    "POST /v2/images/{image_id}/import": Operation(
        summary="Start an import",
        bodies={JSON: ref("ImportRequest")},
        answers={202: NOTHING},
        errors=_CHANGED,
        parameters=(_STORE,),
        example={"method": {"name": "web-download", "uri": "https://images.example/web-1.qcow2"}},
    ),
    "GET /v2/images/{image_id}/tasks": Operation(
        summary="List the tasks about an image",
        answers={200: json(closed({"tasks": array(ref("ImageTask"))}, {"next": STRING}))},
        errors=_SEEN,
        parameters=PAGE_PARAMETERS,
    ),
    "POST /v2/images/{image_id}/locations": Operation(
        summary="Give a queued image the data at a URL",
        bodies={JSON: record({"url": STRING}, {"validation_data": nullable(_SAID)})},
        answers={202: NOTHING},
        errors=_CHANGED,
    ),
    "GET /v2/images/{image_id}/locations": Operation(
        summary="Show where the data lies",
        answers={200: json(array(closed({"url": STRING, "metadata": OBJECT})))},
        errors=_SEEN,
    ),
    "POST /v2/images/{image_id}/actions/deactivate": Operation(
        summary="Close the data to all but admins", answers={204: NOTHING}, errors=_CHANGED
    ),
    "POST /v2/images/{image_id}/actions/reactivate": Operation(
        summary="Open the data again", answers={204: NOTHING}, errors=_CHANGED
    ),
    "PUT /v2/images/{image_id}/tags/{tag}": Operation(
        summary="Tag an image", answers={204: NOTHING}, errors=_CHANGED
    ),
    "DELETE /v2/images/{image_id}/tags/{tag}": Operation(
        summary="Take a tag off", answers={204: NOTHING}, errors=_CHANGED
    ),
}
_MEMBERS = {
    "GET /v2/images/{image_id}/members": Operation(
        summary="List the members of an image; a recipient sees its own entry",
        answers={200: json(closed({"members": array(ref("Member")), "schema": STRING}))},
        errors=_SEEN,
    ),
    "POST /v2/images/{image_id}/members": Operation(
        summary="Offer an image to a project",
        bodies={JSON: record({"member": {"type": "string", "minLength": 1, "maxLength": 255}})},
        answers={200: json(ref("Member"))},
        errors=_CHANGED,
        example={"member": "8989447062e04a818baf9e073fd04fa7"},
    ),
    "GET /v2/images/{image_id}/members/{member_id}": Operation(
        summary="Show a member", answers={200: json(ref("Member"))}, errors=_SEEN
    ),
    "PUT /v2/images/{image_id}/members/{member_id}": Operation(
        summary="Answer an offer",
        bodies={JSON: record({"status": one_of(*MemberStatus)})},
        answers={200: json(ref("Member"))},
        errors=_CHANGED,
        example={"status": "accepted"},
    ),
    "DELETE /v2/images/{image_id}/members/{member_id}": Operation(
        summary="Withdraw an offer", answers={204: NOTHING}, errors=_CHANGED
    ),
}
_SCHEMAS = {f"GET /v2/schemas/{name}": _schema_of(name) for name in SCHEMAS}

V2 = Table(
    tag="images",
    text="The OpenStack Image API v2. `/v2` and each of `/v2.0` to `/v2.18` are the same.",
    error="Error",
    operations={**_IMAGES, **_MEMBERS, **_SCHEMAS},
    components={
        "Error": closed({"message": STRING, "code": STRING, "title": STRING}),
        "Image": image_schema(SCHEMAS["image"], STRING),
        "Images": page("images", ref("Image")),
        "NewImage": _new_image(),
        "Member": _MEMBER,
        "ImportRequest": record(
            {"method": _METHOD},
            {"stores": array(STRING), "all_stores": BOOLEAN, "all_stores_must_succeed": BOOLEAN},
        ),
        "PublishedSchema": record({"name": STRING, "properties": OBJECT}),
    },
)
