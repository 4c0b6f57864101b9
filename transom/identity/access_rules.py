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


def is_allowed(rules: Sequence[AccessRule], method: str, path: str) -> bool:
    """`path`: decoded, as it is routed. What is not decoded would let `a%2Fb` pass for one segment."""
    return any(
        rule.service == SERVICE_TYPE and rule.method == method and _compile(rule.path).fits(path)
        for rule in rules
    )


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
