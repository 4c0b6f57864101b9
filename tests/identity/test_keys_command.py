"""`transom accounts keys`, and what `passwd` does to keys; a running service heeds both at once."""

import hashlib
import hmac
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from harness.service import Service

from transom.cli.accounts import accounts
from transom.config import Settings
from transom.identity import changes
from transom.identity.accounts import AccountsFile
from transom.identity.clouds import refresh_clouds
from transom.identity.directory import ApplicationCredential, Role


def _run(data_dir: Path, *words: str, password: str | None = None) -> Result:
    return CliRunner().invoke(accounts, words, obj=Settings(data_dir=str(data_dir)), input=password)


def _list(data_dir: Path, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(_run(data_dir, "keys", "list", *words, "-o", "json").output)
    return rows


def _add(data_dir: Path, *words: str) -> tuple[str, str]:
    """(access key, secret key) as printed"""
    lines = _run(data_dir, "keys", "add", *words).output.splitlines()
    access, secret = (line.split()[-1] for line in lines if " key: " in line)
    return access, secret


def _ask_signed(service: Service, access: str, secret: str) -> int:
    """The status of a list of images that is signed with the key (SDK-HMAC-SHA256, docs/identity.md)."""
    host, date = urlsplit(service.url).netloc, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/v2/images/\n\nhost:{host}\nx-sdk-date:{date}\n\nhost;x-sdk-date\n{empty}"
    to_sign = f"SDK-HMAC-SHA256\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    value = f"SDK-HMAC-SHA256 Access={access}, SignedHeaders=host;x-sdk-date, Signature={signature}"
    headers = {"X-Sdk-Date": date, "Authorization": value}
    return service.client(None).get("/v2/images", headers=headers).status_code


def test_keys_are_listed_with_whom_they_stand_for_and_without_secrets(data_dir: Path) -> None:
    directory = AccountsFile(data_dir).read()
    of_publisher = directory.get_user("publisher")
    [key] = [key for key in directory.accounts.access_keys if key.user_id == of_publisher.id]

    everybodys, own = _list(data_dir), _list(data_dir, "publisher")

    assert [row["user"] for row in everybodys] == ["admin", "publisher", "recipient", "other"]
    assert own == [
        {
            "access_key": key.access,
            "user": "publisher",
            "project": "publisher",
            "user_id": key.user_id,
            "project_id": key.project_id,
        }
    ]


def test_a_key_is_added_and_an_old_one_removed_under_a_running_service(server: Service) -> None:
    server.add_user("rotating", "rotating", "member")
    [old] = _list(server.data_dir, "rotating")

    access, secret = _add(server.data_dir, "rotating")
    before = _ask_signed(server, access, secret)
    other_access, other_secret = _add(server.data_dir, "rotating", "--project", "rotating")
    _run(server.data_dir, "keys", "remove", access)
    after = _ask_signed(server, access, secret)

    assert (before, after) == (200, 401)
    assert _ask_signed(server, other_access, other_secret) == 200
    assert [row["access_key"] for row in _list(server.data_dir, "rotating")] == [
        old["access_key"],
        other_access,
    ]


def test_a_changed_password_leaves_keys_good_and_says_so(server: Service) -> None:
    server.add_user("staying", "staying", "member")
    access, secret = _add(server.data_dir, "staying")

    said = _run(server.data_dir, "passwd", "staying").output

    assert "Still good: access keys: 2, application credentials: 0." in said
    assert "--end-keys" in said
    assert _ask_signed(server, access, secret) == 200


def test_end_keys_ends_them_under_a_running_service(server: Service) -> None:
    server.add_user("ending", "ending", "member")
    access, secret = _add(server.data_dir, "ending")
    assert _ask_signed(server, access, secret) == 200

    said = _run(server.data_dir, "passwd", "ending", "--end-keys").output

    assert "Removed: access keys: 2, application credentials: 0." in said
    assert _ask_signed(server, access, secret) == 401
    assert _list(server.data_dir, "ending") == []


def test_a_removed_users_tokens_and_keys_end_under_a_running_service(server: Service) -> None:
    server.add_user("leaving", "leaving", "member")
    access, secret = _add(server.data_dir, "leaving")
    client = server.client("leaving")
    before = client.get("/v2/images").status_code, _ask_signed(server, access, secret)

    _run(server.data_dir, "remove", "leaving")
    after = client.get("/v2/images").status_code, _ask_signed(server, access, secret)

    assert (before, after) == ((200, 200), (401, 401))


def test_end_keys_ends_application_credentials_of_this_user_only(data_dir: Path) -> None:
    file = AccountsFile(data_dir)
    for name in ("publisher", "other"):
        user = file.read().get_user(name)
        credential = ApplicationCredential(
            id=name,
            name="ci",
            user_id=user.id,
            project_id=file.read().get_project(name).id,
            roles=(Role.READER,),
            secret_hash="",
        )
        file.change(lambda before, added=credential: changes.add_credential(before, added))  # type: ignore[misc]

    _run(data_dir, "passwd", "publisher", "--end-keys", "--password-stdin", password="sesame-street")

    assert list(file.read().credentials) == ["other"]


def test_a_key_that_clouds_yaml_still_has_is_pointed_out(data_dir: Path, clouds: dict[str, Any]) -> None:
    access, _ = _add(data_dir, "publisher")

    removed_old = _run(data_dir, "keys", "remove", clouds["publisher"]["ak"]).output
    removed_new = _run(data_dir, "keys", "remove", access).output

    assert "clouds.yaml still has it" in removed_old
    assert "clouds.yaml" not in removed_new


def test_a_password_that_clouds_yaml_still_has_is_pointed_out(data_dir: Path) -> None:
    _run(data_dir, "add", "alice")

    of_publisher = _run(data_dir, "passwd", "publisher").output
    of_alice = _run(data_dir, "passwd", "alice").output

    assert "clouds.yaml still has the old one" in of_publisher
    assert "clouds.yaml" not in of_alice


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_clouds_yaml_is_not_waited_for(data_dir: Path) -> None:
    (data_dir / "clouds.yaml").unlink()
    os.mkfifo(data_dir / "clouds.yaml")

    changed = _run(data_dir, "passwd", "publisher")

    assert changed.exit_code == 0
    assert "clouds.yaml" not in changed.output
    assert not refresh_clouds(data_dir, "http://127.0.0.1:8080/identity/v3", "RegionOne")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "nobody"), "There is no user 'nobody'."),
        (("add", "nobody"), "There is no user 'nobody'."),
        (("add", "publisher", "--project", "nowhere"), "There is no project 'nowhere'."),
        (("add", "publisher", "--project", "other"), "no role in the project 'other'"),
        (("remove", "UNKNOWN"), "There is no access key 'UNKNOWN'."),
    ],
)
def test_what_cannot_be_done_to_keys_is_said_and_changes_nothing(
    data_dir: Path, words: tuple[str, ...], said: str
) -> None:
    before = AccountsFile(data_dir).read().accounts

    result = _run(data_dir, "keys", *words)

    assert result.exit_code == 1
    assert said in result.output
    assert AccountsFile(data_dir).read().accounts == before
