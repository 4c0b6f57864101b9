"""Access rules of application credentials: which requests a token is good for.

Pure. A rule names a service, a method and a path. A token with a list of rules is good for the requests that
one of them allows and for no others, also when the list is empty. The service that receives the token must
check this: Keystone sees only the login (Identity API v3, "Application Credentials").
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from transom.domain.errors import UnauthenticatedError
from transom.domain.escapes import unescape

IMAGE = "image"
IDENTITY = "identity"
#: Where the built-in Identity API is. Rules name its paths as its reference does, without this.
_IDENTITY_ROOT = "/identity"
#: No path of the APIs is as long. To compare one costs each rule up to half a microsecond a character.
LONGEST_PATH = 2048

_PARTS = re.compile(r"(?P<any_depth>\*\*)|(?P<one_segment>\*|\{[^}]*\})|.", re.DOTALL)


class AccessRule(msgspec.Struct, frozen=True, kw_only=True):
    """`path`: what is in the request's path; `*` and `{name}` stand for one or more characters but a slash,
    `**` for any characters."""

    service: str
    method: str
    path: str


class _Pattern(msgspec.Struct, frozen=True):
    """A rule's path as an automaton of `length` steps; a set of places in it is a number, a bit each.

    Not as a regular expression: users write rules, and of a path that almost fits one with many `*` an engine
    that tries and goes back would never see the end.
    """

    length: int
    #: The places at which this character leads on.
    literals: dict[str, int]
    #: Those at which any character but a slash leads on.
    one: int
    #: Those at which any character but a slash may pass, and those at which any may; none need to.
    loop_in_segment: int
    loop: int

    def fits(self, path: str) -> bool:
        places = self._rest(1)
        for character in path:
            in_segment = 0 if character == "/" else ~0
            led = places & (self.literals.get(character, 0) | (self.one & in_segment))
            stayed = places & (self.loop | (self.loop_in_segment & in_segment))
            places = self._rest(led << 1 | stayed)
            if not places:
                return False
        return bool(places >> self.length & 1)

    def _rest(self, places: int) -> int:
        """With all places that are reached without a character."""
        while (more := places | (places & (self.loop | self.loop_in_segment)) << 1) != places:
            places = more
        return places


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
    paths = tuple(_list_spellings(service, path))
    if service == IDENTITY and "/v3/auth/tokens" in paths and method in ("GET", "HEAD"):
        # Any token may be asked what it stands for, as in keystonemiddleware.
        return True
    return any(
        rule.service == service and rule.method == method and any(map(_compile(rule.path).fits, paths))
        for rule in rules
    )


def _list_spellings(service: str, path: str) -> Iterator[str]:
    yield path
    if service == IDENTITY and path.startswith(_IDENTITY_ROOT + "/"):
        yield path.removeprefix(_IDENTITY_ROOT)


@lru_cache(maxsize=256)
def _compile(pattern: str) -> _Pattern:
    literals: dict[str, int] = {}
    one = loop_in_segment = loop = length = 0
    for found in _PARTS.finditer(pattern):
        if found["any_depth"]:
            loop |= 1 << length
        elif found["one_segment"]:
            one |= 1 << length
            length += 1
            loop_in_segment |= 1 << length
        else:
            literals[found[0]] = literals.get(found[0], 0) | 1 << length
        length += 1
    return _Pattern(length, literals, one, loop_in_segment, loop)
