"""`transom accounts`: what an operator does to users, and what is said when it cannot be done."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from transom.cli.accounts import accounts
from transom.config import Settings
from transom.identity.accounts import AccountsFile
from transom.identity.directory import Reference, Role
from transom.identity.passwords import verify_password


def _run(data_dir: Path, *words: str, password: str | bytes | None = None) -> Result:
    return CliRunner().invoke(accounts, words, obj=Settings(data_dir=str(data_dir)), input=password)


def _list(data_dir: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(_run(data_dir, "list", "-o", "json").output)
    return rows


def test_a_user_is_added_with_a_project_of_its_name_as_member(data_dir: Path) -> None:
    result = _run(data_dir, "add", "alice")

    assert result.exit_code == 0
    assert [(row["project"], row["roles"]) for row in _list(data_dir) if row["user"] == "alice"] == [
        ("alice", ["member"])
    ]


def test_the_password_that_was_made_is_shown(data_dir: Path) -> None:
    result = _run(data_dir, "add", "alice")

    shown = next(line.split()[-1] for line in result.output.splitlines() if line.startswith("password:"))
    user = AccountsFile(data_dir).read().get_user("alice")
    assert verify_password(user.password_hash, shown)


def test_the_password_that_was_given_is_not_shown(data_dir: Path) -> None:
    result = _run(data_dir, "add", "alice", "--password-stdin", password="sésame-street\n")

    user = AccountsFile(data_dir).read().get_user("alice")
    assert verify_password(user.password_hash, "sésame-street")
    assert "sésame" not in result.output


def test_a_user_is_added_to_a_project_that_exists(data_dir: Path) -> None:
    before = AccountsFile(data_dir).read().get_project("publisher")

    _run(data_dir, "add", "alice", "--project", "publisher", "--role", "manager", "--role", "service")

    directory = AccountsFile(data_dir).read()
    roles = directory.list_roles(directory.get_user("alice").id, before.id)
    assert roles == (Role.MANAGER, Role.MEMBER, Role.READER, Role.SERVICE)


def test_the_list_is_a_table_for_people(data_dir: Path) -> None:
    lines = _run(data_dir, "list").output.splitlines()

    assert lines[0].split() == ["user", "project", "roles", "user_id", "project_id"]
    assert [line.split()[:3] for line in lines[1:3]] == [
        ["admin", "admin", "admin"],
        ["publisher", "publisher", "member"],
    ]


def test_a_user_without_any_role_is_listed_too(data_dir: Path) -> None:
    _run(data_dir, "grant", "other", "--project", "other", "--role", "member", "--revoke")

    assert [row["project"] for row in _list(data_dir) if row["user"] == "other"] == [None]


def test_a_password_is_replaced(data_dir: Path) -> None:
    result = _run(data_dir, "passwd", "publisher", "--password-stdin", password="sesame-street")

    user = AccountsFile(data_dir).read().get_user("publisher")
    assert result.exit_code == 0
    assert verify_password(user.password_hash, "sesame-street")


def test_a_role_is_granted_and_revoked(data_dir: Path) -> None:
    directory = AccountsFile(data_dir).read()
    user, project = directory.get_user("publisher"), directory.get_project("recipient")

    _run(data_dir, "grant", "publisher", "--project", "recipient", "--role", "reader")
    granted = AccountsFile(data_dir).read().list_roles(user.id, project.id)
    _run(data_dir, "grant", "publisher", "--project", "recipient", "--role", "reader", "--revoke")
    revoked = AccountsFile(data_dir).read().list_roles(user.id, project.id)

    assert granted == (Role.READER,)
    assert revoked == ()


def test_a_user_is_removed(data_dir: Path) -> None:
    result = _run(data_dir, "remove", "other")

    assert result.exit_code == 0
    assert AccountsFile(data_dir).read().find_user(Reference(name="other")) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "publisher"), "There is a user 'publisher' already."),
        (("add", ""), "Expected `str` of length >= 1"),
        (("add", "x" * 256), "Expected `str` of length <= 255"),
        (("add", "alice", "--password-stdin"), "There was no password on standard input."),
        (("passwd", "nobody"), "There is no user 'nobody'."),
        (("remove", "nobody"), "There is no user 'nobody'."),
        (("grant", "nobody", "--project", "other", "--role", "reader"), "There is no user 'nobody'."),
        (("grant", "other", "--project", "nowhere", "--role", "reader"), "There is no project 'nowhere'."),
        (
            ("grant", "other", "--project", "other", "--role", "admin", "--revoke"),
            "The user does not have the role 'admin' in the project.",
        ),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    data_dir: Path, words: tuple[str, ...], said: str
) -> None:
    path = data_dir / "identity" / "accounts.yaml"
    before = path.read_bytes()

    result = _run(data_dir, *words)

    assert result.exit_code == 1
    assert said in result.output
    assert path.read_bytes() == before


@pytest.mark.parametrize("words", [("add", "alice"), ("passwd", "publisher")])
def test_a_short_password_is_refused(data_dir: Path, words: tuple[str, ...]) -> None:
    result = _run(data_dir, *words, "--password-stdin", password="7 chars\n")

    assert result.exit_code == 1
    assert "at least 8 characters" in result.output


def test_a_password_that_is_no_text_is_refused(data_dir: Path) -> None:
    result = _run(data_dir, "add", "alice", "--password-stdin", password=b"\xff\n")

    assert result.exit_code == 1
    assert "not UTF-8" in result.output


@pytest.mark.parametrize("words", [("list",), ("add", "alice"), ("remove", "alice")])
def test_a_folder_without_accounts_is_said_and_not_made(tmp_path: Path, words: tuple[str, ...]) -> None:
    result = _run(tmp_path / "mistyped", *words)

    assert result.exit_code == 1
    assert "the first `transom serve` makes it" in result.output
    assert not (tmp_path / "mistyped").exists()


def test_accounts_that_are_another_services_are_not_made_here(data_dir: Path) -> None:
    before = AccountsFile(data_dir).read().accounts
    settings = Settings(data_dir=str(data_dir), identity="keystone")

    result = CliRunner().invoke(accounts, ["add", "alice"], obj=settings)

    assert result.exit_code != 0
    assert "identity is keystone" in result.output
    assert AccountsFile(data_dir).read().accounts == before
