"""The stylesheet, the scripts and the icon: read at the start, served from memory.

A request names one of them and its hash; it never becomes a path on a disk.
"""

import gzip
import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from transom.api.http import Headers

_TYPES = {
    "console.css": b"text/css; charset=utf-8",
    "console.js": b"text/javascript; charset=utf-8",
    "upload.js": b"text/javascript; charset=utf-8",
    "icon.svg": b"image/svg+xml",
}
#: What browsers need not be sent: file → a comment that has lines of its own.
_COMMENTS = {
    "console.css": re.compile(rb"^/\*.*?\*/\n", re.MULTILINE),
    "console.js": re.compile(rb"^ *//.*\n", re.MULTILINE),
    "upload.js": re.compile(rb"^ *//.*\n", re.MULTILINE),
}


class StaticFile(NamedTuple):
    """`tag`: of all; changes with the content of any."""

    tag: str
    plain: bytes
    packed: bytes
    headers: Headers


@lru_cache(maxsize=1)
def static_files() -> dict[str, StaticFile]:
    """By name."""
    folder = files("transom.console") / "static"
    contents = {name: (folder / name).read_bytes() for name in _TYPES}
    for name, comment in _COMMENTS.items():
        contents[name] = comment.sub(b"", contents[name])
    # One script, so that the page of uploads takes no more requests than others.
    contents["upload.js"] = contents["console.js"] + contents["upload.js"]
    tag = hashlib.sha256(b"".join(contents.values())).hexdigest()[:16]
    return {name: _make(tag, content, _TYPES[name]) for name, content in contents.items()}


def _make(tag: str, content: bytes, content_type: bytes) -> StaticFile:
    return StaticFile(
        tag=tag,
        plain=content,
        packed=gzip.compress(content, 9, mtime=0),
        headers=[
            (b"content-type", content_type),
            (b"cache-control", b"public, max-age=31536000, immutable"),
            (b"vary", b"Accept-Encoding"),
        ],
    )
