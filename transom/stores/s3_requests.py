"""Requests to an S3 service that obstore has no call for, signed as AWS Signature Version 4 says.

Blocking: to be called in a thread.

Unfinished uploads, the parts that a killed process left, which no object holds (ListMultipartUploads,
AbortMultipartUpload). The objects of a folder (ListObjectsV2): obstore ends a list at a name that it cannot
spell, such as `a//b`, whoever made that.
"""

import hashlib
import hmac
import html
import http.client
import re
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

#: Longest waits, seconds: for the next bytes, for the whole answer. How long that may be, bytes.
_TIMEOUT_S = 30
_ANSWER_S = 60
_MOST_BYTES = 4 << 20
_NO_BODY = hashlib.sha256(b"").hexdigest()
_UPLOAD = re.compile(r"<Upload>(.*?)</Upload>", re.DOTALL)
_KEY = re.compile(r"<Key>(.*?)</Key>", re.DOTALL)
_UPLOAD_ID = re.compile(r"<UploadId>(.*?)</UploadId>", re.DOTALL)
_OBJECT = re.compile(r"<Contents>(.*?)</Contents>", re.DOTALL)
_SIZE = re.compile(r"<Size>([0-9]{1,19})</Size>")
_NEXT = re.compile(r"<NextContinuationToken>(.*?)</NextContinuationToken>", re.DOTALL)
#: Objects in a page of a list: what S3 gives at most.
_PAGE = 1000
#: Answers after which the same request may have another one, and the pauses before, seconds.
_PASSING = (429, 500, 502, 503, 504)
_PAUSES_S = (0.1, 0.3, 0.9)


class Bucket(NamedTuple):
    """Where a bucket is, and the keys to it. `path`: what stands before an object's key, "" or "/bucket"."""

    origin: str
    path: str
    region: str
    access_key: str
    secret_key: str


class RefusedError(OSError):
    """The service did not do it; the text says what it answered."""


class AbsentError(RefusedError):
    """What the request is about is not there."""


class Objects(NamedTuple):
    """A page of a list: name to size in bytes, and where the next page begins, "" after the last."""

    sizes: dict[str, int]
    continuation: str


def list_objects(bucket: Bucket, folder: str, continuation: str = "") -> Objects:
    """Objects whose name is `folder` and one part more, without a slash: a page of them. `folder`: "", or its
    name and a slash. Raises as `abort_uploads`."""
    query = {
        "list-type": "2",
        "prefix": folder,
        "delimiter": "/",
        "encoding-type": "url",
        "max-keys": str(_PAGE),
    }
    if continuation:
        query["continuation-token"] = continuation
    listed = _ask(bucket, "GET", f"{bucket.path}/", query)
    sizes = {
        unquote(_read(_KEY, entry)).removeprefix(folder): int(size[1])
        for entry in _OBJECT.findall(listed)
        if (size := _SIZE.search(entry))
    }
    following = _read(_NEXT, listed)
    if following and following == continuation:
        raise RefusedError(f"the list of {folder} does not go on")
    sizes.pop("", None)  # The folder itself, as programs make it that show folders.
    return Objects(sizes, following)


def abort_uploads(bucket: Bucket, key: str) -> int:
    """End all unfinished uploads to the key and free what they hold; how many there were. OSError when the
    service cannot be reached, RefusedError when it refuses."""
    try:
        listed = _ask(bucket, "GET", f"{bucket.path}/", {"prefix": key, "uploads": ""})
    except AbsentError:
        return 0
    found = [_upload_id(entry) for entry in _UPLOAD.findall(listed) if _read(_KEY, entry) == key]
    for upload_id in found:
        with suppress(AbsentError):  # It has ended by itself.
            _ask(bucket, "DELETE", f"{bucket.path}/{quote(key)}", {"uploadId": upload_id})
    return len(found)


def _upload_id(entry: str) -> str:
    return _read(_UPLOAD_ID, entry)


def _read(element: re.Pattern[str], entry: str) -> str:
    found = element.search(entry)
    return html.unescape(found[1]) if found else ""


def _ask(bucket: Bucket, method: str, path: str, query: dict[str, str]) -> str:
    for pause_s in (0.0, *_PAUSES_S):
        time.sleep(pause_s)
        status, body = _ask_once(bucket, method, path, query)
        if status not in _PASSING:
            break
    if status == http.client.NOT_FOUND:
        raise AbsentError(f"{method} {path}: {status}")
    if status >= http.client.MULTIPLE_CHOICES:
        raise RefusedError(f"{method} {path}: {status} {http.client.responses.get(status, '')}".rstrip())
    return body


def _ask_once(bucket: Bucket, method: str, path: str, query: dict[str, str]) -> tuple[int, str]:
    """(status, body) of the answer."""
    origin = urlsplit(bucket.origin)
    https = origin.scheme == "https"
    connect = http.client.HTTPSConnection if https else http.client.HTTPConnection
    connection = connect(origin.hostname or "", origin.port, timeout=_TIMEOUT_S)
    text = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items())
    )
    hanging_up: threading.Timer | None = None
    began_at = time.monotonic()
    try:
        connection.connect()
        hanging_up = threading.Timer(_ANSWER_S, partial(_hang_up, connection.sock))
        hanging_up.daemon = True
        hanging_up.start()
        connection.request(
            method, f"{path}?{text}", headers=_sign(bucket, method, origin.netloc, path, text, time.gmtime())
        )
        answer = connection.getresponse()
        body = answer.read(_MOST_BYTES).decode("utf-8", "replace")
        if answer.read(1) or time.monotonic() - began_at >= _ANSWER_S:
            raise RefusedError(f"{method} {path}: the answer does not end")
    except http.client.HTTPException as error:
        raise RefusedError(f"{method} {path}: {error!r}") from None
    finally:
        if hanging_up is not None:
            hanging_up.cancel()
        connection.close()
    return answer.status, body


def _hang_up(connection: socket.socket) -> None:
    """A service that sends a byte now and then would never be given up."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _sign(
    bucket: Bucket, method: str, host: str, path: str, query: str, now: time.struct_time
) -> dict[str, str]:
    """The headers of a request without a body, signed."""
    moment, day = time.strftime("%Y%m%dT%H%M%SZ", now), time.strftime("%Y%m%d", now)
    headers = {"host": host, "x-amz-content-sha256": _NO_BODY, "x-amz-date": moment}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join([method, path, query, lines, names, _NO_BODY])
    scope = f"{day}/{bucket.region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{bucket.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"Credential={bucket.access_key}/{scope}"
    authorization = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": authorization}
