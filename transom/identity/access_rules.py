"""Access rules of application credentials: which requests a token is good for.

Pure. A rule names a service, a method and a path. A token with a list of rules is good for the requests that
one of them allows and for no others, also when the list is empty. The service that receives the token must
check this: Keystone sees only the login (Identity API v3, "Application Credentials").
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from transom.domain.errors import UnauthenticatedError
from transom.domain.escapes import unescape

IMAGE = "image"
IDENTITY = "identity"
#: Where the built-in Identity API is. Rules name its paths as its reference does, without this.
_IDENTITY_ROOT = "/identity"
#: No path of the APIs is as long.
LONGEST_PATH = 2048
#: Of the rules of a token for one service and method, together. Further ones allow nothing: Keystone keeps as
#: many as a user makes, and each is compared with each request, on the event loop. Ours have 9,000.
_MOST_CHARACTERS = 20_000

_PARTS = re.compile(r"(?P<any_depth>\*\*)|(?P<one_segment>\*|\{[^}]*\})|.", re.DOTALL)


class AccessRule(msgspec.Struct, frozen=True, kw_only=True):
    """`path`: what is in the request's path; `*` and `{name}` stand for one or more characters but a slash,
    `**` for any characters."""

    service: str
    method: str
    path: str


class _Wildcard(Enum):
    ONE_SEGMENT = "*"
    ANY_DEPTH = "**"


class _Pattern(NamedTuple):
    """A rule's path: what it begins with, and what follows from its first wildcard on, sign by sign."""

    start: str
    signs: tuple["str | _Wildcard", ...]


class _Path:
    """A request's path, which many rules are compared with. A set of places in it is a number, a bit each:
    those that a part of a pattern may end at are known at once.

    Not by a regular expression: users write rules, and of a path that almost fits one with many `*` an engine
    that tries and goes back would never see the end. Nor is the path gone through for each rule: it is long.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._end = 1 << len(path)
        self._all = (self._end << 1) - 1
        #: Where each character stands.
        self._at: dict[str, int] = {}
        self._others = self._end - 1 & ~self._places_of("/")

    def fits(self, pattern: _Pattern) -> bool:
        if not pattern.signs:
            return self._path == pattern.start
        if not self._path.startswith(pattern.start):
            return False
        places = 1 << len(pattern.start)
        for sign in pattern.signs:
            if sign is _Wildcard.ANY_DEPTH:
                places = self._all & -(places & -places)
            elif sign is _Wildcard.ONE_SEGMENT:
                places = self._within_segment(places)
            else:
                places = (places & self._places_of(sign)) << 1
            if not places:
                return False
        return bool(places & self._end)

    def _within_segment(self, places: int) -> int:
        """Those behind one or more characters that are no slash. A sum carries each of the places on to the
        end of its segment."""
        others = self._others
        begun = places & others
        return ((((begun + others) ^ others) | begun) & others) << 1

    def _places_of(self, character: str) -> int:
        if character not in self._at:
            bits = "".join("1" if one == character else "0" for one in reversed(self._path))
            self._at[character] = int(bits or "0", 2)
        return self._at[character]


def require_allowed(rules: Sequence[AccessRule] | None, service: str, method: str, raw_path: bytes) -> None:
    """UnauthenticatedError unless a rule allows the request; `rules` None: there are none to obey.

    service: the type of the service that received the request. raw_path: still encoded, without the query.
    """
    if rules is None:
        return
    path = unescape(raw_path).decode(errors="replace")
    if not is_allowed(rules, service, method, path):
        raise UnauthenticatedError("The application credential's access rules do not allow this request.")


def is_allowed(rules: Sequence[AccessRule], service: str, method: str, path: str) -> bool:
    """`path`: decoded, as it is routed. What is not decoded would let `a%2Fb` pass for one segment."""
    if len(path) > LONGEST_PATH:
        return False
    spellings = tuple(_list_spellings(service, path))
    if service == IDENTITY and "/v3/auth/tokens" in spellings and method in ("GET", "HEAD"):
        # Any token may be asked what it stands for, as in keystonemiddleware.
        return True
    paths = tuple(map(_Path, spellings))
    left = _MOST_CHARACTERS
    for rule in rules:
        if rule.service == service and rule.method == method:
            left -= len(rule.path)
            if left >= 0 and any(one.fits(_compile(rule.path)) for one in paths):
                return True
    return False


def _list_spellings(service: str, path: str) -> Iterator[str]:
    yield path
    if service == IDENTITY and path.startswith(_IDENTITY_ROOT + "/"):
        yield path.removeprefix(_IDENTITY_ROOT)


@lru_cache(maxsize=256)
def _compile(pattern: str) -> _Pattern:
    signs: list[str | _Wildcard] = []
    for found in _PARTS.finditer(pattern):
        if found["any_depth"]:
            signs.append(_Wildcard.ANY_DEPTH)
        elif found["one_segment"]:
            signs.append(_Wildcard.ONE_SEGMENT)
        else:
            signs.append(found[0])
    first = next((at for at, sign in enumerate(signs) if isinstance(sign, _Wildcard)), len(signs))
    return _Pattern(pattern[:first], tuple(signs[first:]))
