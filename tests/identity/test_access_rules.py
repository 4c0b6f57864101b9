"""Which requests the access rules of an application credential allow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.identity.access_rules import IDENTITY, IMAGE, AccessRule, is_allowed


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
    assert is_allowed([_rule(pattern)], IMAGE, "GET", path) is allowed


def test_method_and_service_must_be_those_of_the_rule() -> None:
    assert not is_allowed([_rule("/v2/images", method="POST")], IMAGE, "GET", "/v2/images")
    assert not is_allowed([_rule("/v2/images", service="compute")], IMAGE, "GET", "/v2/images")


def test_one_of_several_rules_is_enough_and_none_allows_nothing() -> None:
    assert is_allowed([_rule("/v2/tasks"), _rule("/v2/images")], IMAGE, "GET", "/v2/images")
    assert not is_allowed([], IMAGE, "GET", "/v2/images")


@pytest.mark.parametrize(
    ("method", "path", "rule", "allowed"),
    [
        ("GET", "/identity/v3/projects", "/v3/projects", True),
        ("GET", "/identity/v3/projects", "/identity/v3/projects", True),
        ("GET", "/v3/projects", "/v3/projects", True),
        ("GET", "/identity/v3/projects", "/v3/users", False),
        ("GET", "/identityx/v3/projects", "x/v3/projects", False),
        ("GET", "/identity/v3/auth/tokens", "/v3/users", True),
        ("HEAD", "/identity/v3/auth/tokens", "/v3/users", True),
        ("DELETE", "/identity/v3/auth/tokens", "/v3/users", False),
    ],
)
def test_rules_for_identity_name_its_paths_as_the_reference_does(
    method: str, path: str, rule: str, allowed: bool
) -> None:
    """A token may always be asked what it stands for, as in keystonemiddleware."""
    assert is_allowed([_rule(rule, method="GET", service="identity")], IDENTITY, method, path) is allowed


def test_a_path_that_is_too_long_to_compare_is_refused() -> None:
    assert is_allowed([_rule("/**")], IMAGE, "GET", "/" + "a" * 2047)
    assert not is_allowed([_rule("/**")], IMAGE, "GET", "/" + "a" * 2048)


@given(st.text(st.characters(blacklist_characters="*{}")), st.text())
def test_a_pattern_without_signs_fits_itself_alone(pattern: str, path: str) -> None:
    assert is_allowed([_rule(pattern)], IMAGE, "GET", pattern)
    assert is_allowed([_rule(pattern)], IMAGE, "GET", path) == (path == pattern)
