"""Patterns of access rules fit what a regular expression of the same sense fits, and cost no more than a look
at each character."""

import re

from hypothesis import given
from hypothesis import strategies as st

from transom.identity.access_rules import IMAGE, AccessRule, is_allowed

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


def test_a_pattern_of_many_signs_is_judged_on_a_long_path() -> None:
    """An engine that goes back would be busy with each of these for longer than anybody lives."""
    long = "/" + "a" * 2000

    assert not _allows("/" + "**a" * 40, long + "b")
    assert not _allows("/" + "*a" * 60, long + "b")
    assert _allows("/" + "**a" * 40, long)
