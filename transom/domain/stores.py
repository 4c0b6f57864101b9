"""Which stores there are, as the setting `stores` spells them. What they hold is opened elsewhere.

One store is `id=URL`. The URL says what kind it is (`file:///folder`, `s3://bucket/prefix`, `http://`), and
its query what else there is to know: for each of them `weight` and `description`. Stores are separated by
commas; a comma within a URL is written %2C.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from transom.domain.outbound import FetchLimits, OutboundRules


class StoreKind(StrEnum):
    """What a store is made of, in the words that Glance's detail of stores has for it."""

    FILE = "file"
    S3 = "s3"
    HTTP = "http"


class StoreInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One store. Of several that hold an image the one with the largest `weight` is read first. `address`:
    the folder of a file store, bucket and prefix of an S3 store. `options` are those of its kind."""

    id: str
    kind: StoreKind
    address: str = ""
    weight: int = 0
    description: str = ""
    is_default: bool = False
    options: dict[str, str] = {}

    @property
    def is_read_only(self) -> bool:
        """Data of others, which is never written or removed here."""
        return self.kind is StoreKind.HTTP


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say of all stores. `disk_reserve`: bytes that stay free on the disks of local ones;
    `s3_credentials_file`: "", the usual one; `s3_access_key`: "", none; fetching: for stores of kind HTTP."""

    infos: tuple[StoreInfo, ...]
    disk_reserve: int
    s3_access_key: str
    s3_secret_key: str
    s3_credentials_file: str
    fetch_rules: OutboundRules
    fetch_limits: FetchLimits


#: Options of each kind beside `weight` and `description`.
OPTIONS: dict[StoreKind, frozenset[str]] = {
    StoreKind.FILE: frozenset(),
    StoreKind.S3: frozenset({"endpoint", "region", "part_size_mib", "profile", "retry_s"}),
    StoreKind.HTTP: frozenset(),
}

#: Of an upload to S3, unless its store is told otherwise: how it is cut, and how many parts go at once.
PART_SIZE_MIB = "16"
PARTS_AT_ONCE = 4
#: For how long a request of an upload to S3 is tried again, unless its store is told otherwise, seconds.
RETRY_S = 30

_KINDS = {
    "file": StoreKind.FILE,
    "s3": StoreKind.S3,
    "http": StoreKind.HTTP,
    "https": StoreKind.HTTP,
}
#: Ids go into paths, headers and comma lists.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_RESERVED = "os_glance_"
_RETRY = re.compile(r"[1-9][0-9]{0,2}")
#: S3 takes parts of 5 MiB to 5 GiB.
_PART_SIZE = re.compile(r"[5-9]|[1-9][0-9]{1,2}|[1-4][0-9]{3}|50[0-9]{2}|51[01][0-9]|5120")
#: Of a file of credentials: whatever can stand between its brackets.
_PROFILE = re.compile(r"[^\x00-\x1f\x7f\[\]\s][^\x00-\x1f\x7f\[\]]{0,127}")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")


def parse_stores(text: str, default: str) -> tuple[StoreInfo, ...]:
    """The stores in the order of the setting, one of them the default: the one that is named so, or the first
    that can be written. ValueError with a text that names what is wrong; it never repeats a URL, which may
    hold a secret by mistake."""
    found = [_parse_store(part.strip()) for part in text.split(",") if part.strip()]
    _require_distinct([(one.id,) for one in found], "the id")
    # Other services, and other accounts of one, may have a bucket of the same name.
    places = [
        (one.address, one.options.get("endpoint"), one.options.get("profile"))
        for one in found
        if one.kind is not StoreKind.HTTP
    ]
    _require_distinct(places, "the place of")
    writable = [one.id for one in found if not one.is_read_only]
    if not writable:
        raise ValueError("none of the stores can be written")
    chosen = default or writable[0]
    if chosen not in writable:
        raise ValueError(f"the default store {chosen!r} is not one of those that can be written")
    return tuple(msgspec.structs.replace(one, is_default=one.id == chosen) for one in found)


def _parse_store(text: str) -> StoreInfo:
    store_id, equals, url = text.partition("=")
    if not equals or not _ID.fullmatch(store_id) or store_id.startswith(_RESERVED):
        raise ValueError(
            f"a store is spelt id=URL, its id of letters, digits, '.', '_' and '-'; not {store_id[:64]!r}"
        )
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError(f"the URL of store {store_id} is malformed") from None
    kind = _KINDS.get(parts.scheme)
    if kind is None or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            f"the URL of store {store_id} must be file:///folder, s3://bucket/prefix or http://, without keys"
        )
    options = dict(query)
    _check_options(store_id, kind, options)
    return StoreInfo(
        id=store_id,
        kind=kind,
        address=_address(store_id, kind, parts.netloc, unquote(parts.path)),
        weight=_parse_weight(store_id, options.pop("weight", "0")),
        description=options.pop("description", ""),
        options=options,
    )


def _check_options(store_id: str, kind: StoreKind, options: dict[str, Any]) -> None:
    for name in options:
        if name not in OPTIONS[kind] | {"weight", "description"}:
            raise ValueError(f"store {store_id} has no option {name[:64]!r}")
    endpoint = urlsplit(options.get("endpoint", "http://host"))
    if endpoint.scheme not in ("http", "https") or not endpoint.netloc or "@" in endpoint.netloc:
        raise ValueError(f"the endpoint of store {store_id} must be an http(s) URL without keys")
    if not _PROFILE.fullmatch(options.get("profile", "default")):
        raise ValueError(f"the profile of store {store_id} must be a name as it stands between brackets")
    if not _PART_SIZE.fullmatch(options.get("part_size_mib", PART_SIZE_MIB)):
        raise ValueError(f"part_size_mib of store {store_id} must be a whole number from 5 to 5120")
    if not _RETRY.fullmatch(options.get("retry_s", str(RETRY_S))):
        raise ValueError(f"retry_s of store {store_id} must be a whole number from 1 to 999")


def _address(store_id: str, kind: StoreKind, host: str, path: str) -> str:
    if kind is StoreKind.FILE:
        if host or not path.startswith("/") or path.strip("/") == "":
            raise ValueError(f"the folder of store {store_id} must be absolute: file:///folder")
        return path.rstrip("/")
    if kind is StoreKind.S3:
        if not host:
            raise ValueError(f"store {store_id} lacks its bucket: s3://bucket/prefix")
        return f"{host}/{path.strip('/')}".rstrip("/")
    if host or path.strip("/"):
        raise ValueError(f"store {store_id} is for URLs of any host: spell it http://")
    return ""


def _parse_weight(store_id: str, text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError(f"the weight of store {store_id} must be a whole number, not {text[:64]!r}")
    return int(text)


def _require_distinct(found: Sequence[tuple[str | None, ...]], what: str) -> None:
    """`found`: of each store what no other may have, and first of it what the error names."""
    for one in found:
        if found.count(one) > 1:
            raise ValueError(f"{what} {one[0]!r} belongs to more than one store")


def by_weight(infos: tuple[StoreInfo, ...]) -> list[StoreInfo]:
    """The heaviest first; of equal ones in the order of their ids."""
    return sorted(infos, key=lambda one: (-one.weight, one.id))
