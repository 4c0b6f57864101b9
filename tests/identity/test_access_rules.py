"""Which requests the access rules of an application credential allow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.identity.access_rules import AccessRule, is_allowed


def _rule(path: str, method: str = "GET", service: str = "image") -> AccessRule:
    return AccessRule(service=service, method=method, path=path)


@pytest.mark.parametrize(
    ("pattern", "path", "allowed"),
    [
        ("/v2/images", "/v2/images", True),
        ("/v2/images", "/v2/images/", False),
        ("/v2/images", "/v2/images/x", False),
        ("/v2/images", "/ims/v2/images", False),
        ("/v2/images/*", "/v2/images/x", True),
        ("/v2/images/*", "/v2/images/", False),
        ("/v2/images/*", "/v2/images/x/file", False),
        ("/v2/images/*/file", "/v2/images/x/file", True),
        ("/v2/images/{image_id}", "/v2/images/x", True),
        ("/v2/images/{image_id}", "/v2/images/x/members", False),
        ("/v2/images/{image_id}/members/{id}", "/v2/images/x/members/y", True),
        ("/v2/images/im-*", "/v2/images/im-1", True),
        ("/v2/images/im-*", "/v2/images/1", False),
        ("/v2/**", "/v2/images/x/members/y", True),
        ("/v2/**", "/v2", False),
        ("/v2/images**", "/v2/images", True),
        ("**", "/anything/at all", True),
        ("/v2.0/images", "/v2x0/images", False),
        ("/v2/(images|tasks)", "/v2/images", False),
        ("/v2/images", "/v2/images\n", False),
        ("/v2/images/*", "/v2/images/x\n", True),
        ("/v2/{images", "/v2/images", False),
    ],
)
def test_a_path_fits_a_pattern_or_not(pattern: str, path: str, allowed: bool) -> None:
    assert is_allowed([_rule(pattern)], "GET", path) is allowed


def test_method_and_service_must_be_those_of_the_rule() -> None:
    assert not is_allowed([_rule("/v2/images", method="POST")], "GET", "/v2/images")
    assert not is_allowed([_rule("/v2/images", service="compute")], "GET", "/v2/images")


def test_one_of_several_rules_is_enough_and_none_allows_nothing() -> None:
    assert is_allowed([_rule("/v2/tasks"), _rule("/v2/images")], "GET", "/v2/images")
    assert not is_allowed([], "GET", "/v2/images")


@given(st.text(st.characters(blacklist_characters="*{}")), st.text())
def test_a_pattern_without_signs_fits_itself_alone(pattern: str, path: str) -> None:
    assert is_allowed([_rule(pattern)], "GET", pattern)
    assert is_allowed([_rule(pattern)], "GET", path) == (path == pattern)
