"""Files of recipients: lines, columns, YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from transom.cli.spelling import spell_cell
from transom.client.recipients import RecipientsError, read_file


@pytest.mark.parametrize(
    ("name", "text", "projects", "domains", "organizations"),
    [
        ("to.txt", "one\n\n  two  # the second\n# nobody\n", ["one", "two"], [], []),
        ("to.txt", "\ufeffone\r\ntwo\r\n", ["one", "two"], [], []),
        ("to.csv", "name,project\nFirst,one\nSecond,two\n", ["one", "two"], [], []),
        ("to.csv", "customer;what\n", ["customer;what"], [], []),
        ("to.csv", "customer;project\nFirst;one\nSecond;two\n", ["one", "two"], [], []),
        ("to.csv", "customer\tdomain\nFirst, Ltd.\tall\n", [], ["all"], []),
        ("to.csv", "name\none\n", ["one"], [], []),
        ("to.csv", "one\ntwo\n", ["one", "two"], [], []),
        ("to.csv", 'project,domain\n"one, two",\n,all\n', ["one, two"], ["all"], []),
        ("to.csv", "project\n'=one\n''@two\n'three\n-four\n", ["=one", "'@two", "'three", "-four"], [], []),
        ("to.csv", "domain\nall\n", [], ["all"], []),
        ("to.yaml", "- one\n- 2\n", ["one", "2"], [], []),
        ("to.csv", "project,organization\none,\n,ou-1\n", ["one"], [], ["ou-1"]),
        ("to.yaml", "organizations: [o-1, ou-1]\n", [], [], ["o-1", "ou-1"]),
        ("to.yml", "projects: [one]\ndomains: [all]\n", ["one"], ["all"], []),
    ],
)
def test_a_file_names_projects_domains_and_organisations(
    tmp_path: Path, name: str, text: str, projects: list[str], domains: list[str], organizations: list[str]
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")

    assert read_file(path) == {"projects": projects, "domains": domains, "organizations": organizations}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("to.txt", b"# nobody\n"),
        ("to.csv", b""),
        ("to.yaml", b"projects: one"),
        ("to.yaml", b"project: [one]"),
        ("to.yaml", b"{"),
        ("to.yaml", b"- [one]"),
    ],
)
def test_a_file_that_names_nobody_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(RecipientsError, match=name):
        read_file(path)


@pytest.mark.parametrize("name", ["to.txt", "to.csv", "to.yaml"])
def test_a_file_in_another_encoding_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("projects", encoding="utf-16")

    with pytest.raises(RecipientsError, match=rf"{name} is not UTF-8"):
        read_file(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipientsError, match=r"none\.txt: No such file"):
        read_file(tmp_path / "none.txt")


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@sum", "＝1", "'=1", "''-1", "1-1", "'", "plain", "a=b"]
)
def test_a_cell_is_no_formula_and_is_read_as_it_was(tmp_path: Path, name: str) -> None:
    path = tmp_path / "to.csv"
    path.write_text(f"project\n{spell_cell(name)}\n", encoding="utf-8")

    assert spell_cell(name)[0] not in "=+-@＝"
    assert read_file(path)["projects"] == [name]
