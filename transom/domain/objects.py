"""Objects of an S3-compatible service: how a client names one, and which project may use which buckets.

A name is `bucket:key`, or `https://bucket.host/key` (`https://host/bucket/key`) with the configured service's
host. What is refused here has never been asked for at the service.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from urllib.parse import unquote, urlsplit

import msgspec

from transom.domain.errors import InvalidError, Reason
from transom.domain.fields import quoted
from transom.domain.outbound import FetchLimits

#: What services take for names of buckets beside what S3 does: Swift also knows capital letters and `_`.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
#: S3: 1,024 bytes of UTF-8.
_MOST_KEY_BYTES = 1024
_CONTROLS = re.compile("[\0-\x1f\x7f\ud800-\udfff\\\\]")
_WEB = re.compile(r"https?://", re.IGNORECASE)
#: Whom a rule of the table may name for all projects.
EVERY_PROJECT = "*"
#: Endings of files whose format cannot be told from their bytes.
_KEPT_FORMATS = ("zvhd2", "zvhd")


class ObjectRef(msgspec.Struct, frozen=True):
    """One object, there or not."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}:{self.key}"

    @property
    def kept_format(self) -> str | None:
        """The disk format that the name alone tells: those of the IMS API; None: the bytes tell."""
        ending = self.key.rpartition(".")[2].lower()
        return ending if ending in _KEPT_FORMATS else None


class ObjectStore(msgspec.Struct, frozen=True, kw_only=True):
    """The service that has users' objects, by the settings `object_store_…`. `endpoint`: its URL; "": none.

    `is_asked_by_service`: with the key pair of this service, not with the user's. `own_buckets`: those of
    this service's own stores, which nobody may use.
    """

    endpoint: str
    region: str
    is_asked_by_service: bool
    access_key: str
    secret_key: str
    own_buckets: frozenset[str]
    limits: FetchLimits


def parse_object(field: str, value: object, endpoint: str) -> ObjectRef:
    """The object that a client named in this field. `endpoint`: the service's URL, without a path.

    InvalidError with the code of the IMS API for each mistake; its text names the field.
    """
    if not isinstance(value, str) or not value:
        raise InvalidError(f"{field}: must be bucket:key.", Reason.BUCKET_MISSING)
    bucket, key = _split_url(field, value, endpoint) if _WEB.match(value) else _split_pair(field, value)
    _check_bucket(field, bucket)
    _check_key(field, key)
    return ObjectRef(bucket, key)


def _split_pair(field: str, value: str) -> tuple[str, str]:
    bucket, colon, key = value.partition(":")
    if not colon:
        raise InvalidError(f"{field}: {quoted(value)} is not bucket:key.", Reason.OBJECT_NAME_MISSING)
    return bucket, key


def _split_url(field: str, value: str, endpoint: str) -> tuple[str, str]:
    """Nothing of a URL is asked but the bucket and the key: where the service is, the operator says."""
    try:
        asked, served = urlsplit(value), urlsplit(endpoint)
        ports = (asked.port, served.port)
    except ValueError:
        raise InvalidError(f"{field}: the URL is malformed.", Reason.OBJECT_NAME_INVALID) from None
    host, own, path = asked.hostname or "", served.hostname or "", unquote(asked.path.removeprefix("/"))
    if "@" in asked.netloc or asked.query or asked.fragment:
        text = f"{field}: the URL may have no user, no query and no fragment."
        raise InvalidError(text, Reason.OBJECT_NAME_INVALID)
    if ports[0] in (None, ports[1]) and host == own:
        bucket, _slash, key = path.partition("/")
        return bucket, key
    if ports[0] in (None, ports[1]) and host.endswith(f".{own}"):
        return host.removesuffix(f".{own}"), path
    text = f"{field}: the URL is not one of this region's object store, https://bucket.{own}/key."
    raise InvalidError(text, Reason.BUCKET_ELSEWHERE)


def _check_bucket(field: str, bucket: str) -> None:
    if not bucket:
        raise InvalidError(f"{field}: the name of the bucket is missing.", Reason.BUCKET_MISSING)
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        text = f"{field}: the bucket {quoted(bucket)} must have 3 to 63 letters, digits, '.', '_' and '-'."
        raise InvalidError(text, Reason.BUCKET_NAME_INVALID)


def _check_key(field: str, key: str) -> None:
    if not key or key.endswith("/"):
        raise InvalidError(f"{field}: the name of the file is missing.", Reason.OBJECT_NAME_MISSING)
    if len(key.encode("utf-8", "replace")) > _MOST_KEY_BYTES:
        text = f"{field}: the name of the file is longer than {_MOST_KEY_BYTES} bytes."
        raise InvalidError(text, Reason.OBJECT_NAME_TOO_LONG)
    if any(character.isspace() for character in key):
        text = f"{field}: the names of the folders and of the file may hold no blanks."
        raise InvalidError(text, Reason.OBJECT_NAME_HAS_BLANKS)
    if _CONTROLS.search(key) or any(part in ("", ".", "..") for part in key.split("/")):
        text = (
            f"{field}: the name of the file may hold no control characters, no backslash and no folder that "
            "is empty, '.' or '..'."
        )
        raise InvalidError(text, Reason.OBJECT_NAME_INVALID)


class BucketRule(msgspec.Struct, frozen=True, kw_only=True):
    """Buckets whose names match `pattern` (`*`, `?`, `[…]`), for these projects, or EVERY_PROJECT."""

    pattern: str
    projects: frozenset[str]
    read: bool = True
    write: bool = False

    def allows(self, project_id: str, bucket: str, *, write: bool) -> bool:
        is_meant = EVERY_PROJECT in self.projects or project_id in self.projects
        return is_meant and (self.write if write else self.read) and fnmatchcase(bucket, self.pattern)


class BucketTable(msgspec.Struct, frozen=True):
    """Which project may use which buckets by the service's own keys. What no rule names is not allowed."""

    rules: Sequence[BucketRule] = ()

    def allows(self, project_id: str | None, bucket: str, *, write: bool) -> bool:
        return project_id is not None and any(
            rule.allows(project_id, bucket, write=write) for rule in self.rules
        )
