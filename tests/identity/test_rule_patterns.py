"""Patterns of access rules fit what a regular expression of the same sense fits, and cost no more than a look
at each character."""

import re
import sys
from types import FrameType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from transom.identity.access_rules import IMAGE, LONGEST_PATH, AccessRule, is_allowed

#: A sign → the same for `re`. Any other sign stands for one segment: a name in braces.
SIGNS = {"**": ".*", "*": "[^/]+", "{": r"\{", "}": r"\}", "/": "/", "a": "a", "b": "b", "x": "x"}
SIGN = re.compile(r"\*\*|\*|\{[^}]*\}|.")


def _allows(pattern: str, path: str) -> bool:
    return is_allowed([AccessRule(service="image", method="GET", path=pattern)], IMAGE, "GET", path)


@given(st.lists(st.sampled_from(["a*", "b*", "/**", "/*", "{x}", "{", "/", "a", "b"]), max_size=6), st.data())
def test_a_pattern_fits_what_its_expression_fits(parts: list[str], data: st.DataObject) -> None:
    pattern = "".join(parts)
    expression = SIGN.sub(lambda found: SIGNS.get(found[0], "[^/]+"), pattern)
    path = data.draw(st.one_of(st.text("ab/{", max_size=8), st.from_regex(f"\\A{expression}\\Z")))

    assert _allows(pattern, path) == (re.fullmatch(expression, path, re.DOTALL) is not None)


def test_rules_beyond_so_many_characters_allow_nothing() -> None:
    """Each takes some of the event loop's time for each request."""
    paths = ["/" + "*a" * 100] * 99 + ["/images"]
    for before, is_within in ((99, True), (100, False)):
        rules = [
            AccessRule(service=IMAGE, method="GET", path=path) for path in paths[:1] * before + paths[99:]
        ]
        assert is_allowed(rules, IMAGE, "GET", "/images") == is_within
    others = [AccessRule(service=IMAGE, method="PUT", path=paths[0])] * 200
    assert is_allowed([*others, *rules[-1:]], IMAGE, "GET", "/images")


def test_many_rules_are_compared_with_a_long_path_in_a_few_steps_each() -> None:
    """Not in one for each of its characters: forty of them would take 40 ms of the event loop."""
    rules = [AccessRule(service=IMAGE, method="GET", path=f"/**a**{number}") for number in range(40)]
    path = "/" + "a" * (LONGEST_PATH - 1)
    is_allowed(rules, IMAGE, "GET", "/a")
    lines = 0

    def count(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    sys.settrace(count)
    try:
        assert not is_allowed(rules, IMAGE, "GET", path)
    finally:
        sys.settrace(None)

    assert lines < 40 * LONGEST_PATH


def test_a_pattern_of_many_signs_is_judged_on_a_long_path() -> None:
    """An engine that goes back would be busy with each of these for longer than anybody lives."""
    long = "/" + "a" * 2000

    assert not _allows("/" + "**a" * 40, long + "b")
    assert not _allows("/" + "*a" * 60, long + "b")
    assert _allows("/" + "**a" * 40, long)
