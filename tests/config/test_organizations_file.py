"""The operator's file of organisations (docs/operating.md)."""

from pathlib import Path

import pytest

from transom.config import SettingsError
from transom.config.organizations import read_organizations

GOOD = """
organizations:
  - id: o-acme
    name: Acme
    account: acct
    root: r-acme
    domains: [acme]
    units:
      - id: ou-sales
        name: Sales
        projects: [seller]
        units:
          - id: ou-emea
            name: EMEA
            domains: [emea]
  - id: o-else
    name: Else
    account: other
    projects: [guest]
"""
_WHOLE = ("organization/r-acme", "organization/o-acme")


def test_a_file_says_who_is_in_which_unit(tmp_path: Path) -> None:
    file = tmp_path / "organizations.yaml"
    file.write_text(GOOD)

    found = read_organizations(str(file))

    assert found.keys_of("any", "acme") == _WHOLE
    assert found.keys_of("seller", "any") == ("organization/ou-sales", *_WHOLE)
    assert found.keys_of("any", "emea") == ("organization/ou-emea", "organization/ou-sales", *_WHOLE)
    assert found.keys_of("guest", "any") == ("organization/o-else",)
    assert {own_id: unit.urn for own_id, unit in found.units.items()} == {
        "o-acme": "organizations::acct:organization:o-acme",
        "r-acme": "organizations::acct:root:o-acme/r-acme",
        "ou-sales": "organizations::acct:ou:o-acme/ou-sales",
        "ou-emea": "organizations::acct:ou:o-acme/ou-emea",
        "o-else": "organizations::other:organization:o-else",
    }
    assert found.units["ou-emea"].name == "EMEA"


@pytest.mark.parametrize("text", ["organizations: []", "{}"])
def test_a_file_may_have_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "organizations.yaml"
    file.write_text(text)

    assert read_organizations(str(file)).units == {}


def _deep(levels: int) -> str:
    text = "organizations:\n- id: o\n  name: O\n  account: a\n"
    for level in range(levels):
        text += f"{'  ' * level}  units:\n{'  ' * level}  - id: u{level}\n{'  ' * level}    name: U\n"
    return text


def test_units_stand_in_each_other_five_deep(tmp_path: Path) -> None:
    file = tmp_path / "organizations.yaml"
    file.write_text(_deep(5))

    assert len(read_organizations(str(file)).units["u4"].above) == 6


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("organizations: [", "parsing"),
        ("", "object"),
        ("- id: o-1", "object"),
        ("organisations: []", "organisations"),
        ("organizations: [{id: o-1, name: A}]", "account"),
        ("organizations: [{id: o-1, account: a}]", "name"),
        ("organizations: [{id: o-1, name: '', account: a}]", "name"),
        ("organizations: [{id: o-1, name: A, account: 'a:b'}]", "account"),
        ("organizations: [{id: o/1, name: A, account: a}]", "o/1"),
        ("organizations: [{id: o-1, name: A, account: a, domains: [1]}]", "domains"),
        ("organizations: [{id: o-1, name: A, account: a, domains: [a/b]}]", "a/b"),
        ("organizations: [{id: o-1, name: A, account: a, projects: ['']}]", "project"),
        ("organizations: [{id: o-1, name: A, account: a, root: o-1}]", "o-1"),
        ("organizations: [{id: o-1, name: A, account: a, members: [x]}]", "members"),
        (GOOD.replace("ou-emea", "ou-sales"), "ou-sales"),
        (GOOD.replace("[emea]", "[acme]"), "acme"),
        (GOOD.replace("[guest]", "[seller]"), "seller"),
        (_deep(6), "u5"),
    ],
)
def test_what_is_no_tree_of_organisations_is_refused_by_the_name_of_the_file(
    tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "organizations.yaml"
    file.write_text(text)

    with pytest.raises(SettingsError) as refusal:
        read_organizations(str(file))

    assert str(refusal.value).startswith(f"organizations_file {file}: ")
    assert told in str(refusal.value).removeprefix(f"organizations_file {file}: ")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_organizations(str(tmp_path / "nothing.yaml"))
