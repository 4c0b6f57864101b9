"""Access rules of application credentials: which requests a token is good for.

Pure. A rule names a service, a method and a path; a token that has rules, be it none of them, is good for
what one of them allows and for nothing else. Whoever takes such a token has to hold it to them, for Keystone
sees only the first request of many (Identity API v3, "Application Credentials").
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

SERVICE_TYPE = "image"

_PARTS = re.compile(r"(?P<any_depth>\*\*)|(?P<one_segment>\*|\{[^}]*\})")


class AccessRule(msgspec.Struct, frozen=True, kw_only=True):
    """`path`: what is in the request's path; `*` and `{name}` stand for one or more characters but a slash,
    `**` for any characters."""

    service: str
    method: str
    path: str


def is_allowed(rules: Sequence[AccessRule], method: str, path: str) -> bool:
    """`path`: decoded, as it is routed. What is not decoded would let `a%2Fb` pass for one segment."""
    return any(
        rule.service == SERVICE_TYPE and rule.method == method and _compile(rule.path).fullmatch(path)
        for rule in rules
    )


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    parts = []
    end = 0
    for found in _PARTS.finditer(pattern):
        parts.append(re.escape(pattern[end : found.start()]))
        parts.append(".*" if found["any_depth"] else "[^/]+")
        end = found.end()
    return re.compile("".join([*parts, re.escape(pattern[end:])]), re.DOTALL)
