"""Secrets are read from files that settings name, and never shown."""

import re
from pathlib import Path

import pytest

from transom.config import Settings, SettingsError, describe, read_settings, secrets

NAMES = [name for name, _, _ in describe()]
#: Values that the check of a setting accepts.
VALUES = {
    "database": "postgresql://transom:pass@127.0.0.1/transom",
    "keystone_password": "pass",
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: no `transom.toml` of somebody else."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_setting_whose_name_tells_of_a_secret_is_one() -> None:
    telling = {name for name in NAMES if re.search(r"password$|secret|private", name)}

    assert telling <= secrets()


def test_no_secret_has_a_file_setting_of_its_own() -> None:
    assert {f"{name}_file" for name in secrets()} & set(NAMES) == set()


def test_every_secret_is_text() -> None:
    assert {type(getattr(Settings(), name)) for name in secrets()} == {str}


@pytest.mark.parametrize("name", sorted(VALUES))
@pytest.mark.parametrize("source", ["file", "environment"])
def test_a_secret_is_the_text_of_the_file_that_is_named(empty_folder: Path, name: str, source: str) -> None:
    kept = empty_folder / "kept"
    kept.write_text(f"{VALUES[name]}\n")
    environ = {f"TRANSOM_{name.upper()}_FILE": str(kept)} if source == "environment" else {}
    if source == "file":
        Path("transom.toml").write_text(f'{name}_file = "{kept}"')

    assert getattr(read_settings(environ, {}), name) == VALUES[name]


def test_the_secret_key_of_s3_can_be_in_a_file(empty_folder: Path) -> None:
    """It is refused without its access key."""
    Path("kept").write_text("the key")

    found = read_settings({"TRANSOM_S3_SECRET_KEY_FILE": "kept", "TRANSOM_S3_ACCESS_KEY": "id"}, {})

    assert found.s3_secret_key == "the key"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"pass", "pass"),
        (b"pass\n", "pass"),
        (b"pass\r\n", "pass"),
        (b" pa ss \n", " pa ss "),
        (b"a\n\n", "a\n"),
    ],
)
def test_only_the_last_line_break_of_the_file_is_left_out(content: bytes, value: str) -> None:
    Path("kept").write_bytes(content)

    found = read_settings({"TRANSOM_KEYSTONE_PASSWORD_FILE": "kept"}, {})

    assert found.keystone_password == value


def test_the_file_that_the_environment_names_wins_over_the_settings_file() -> None:
    Path("kept").write_text("new")
    Path("transom.toml").write_text('keystone_password = "old"')

    found = read_settings({"TRANSOM_KEYSTONE_PASSWORD_FILE": "kept"}, {})

    assert found.keystone_password == "new"


def test_a_flag_wins_over_the_file_of_a_secret() -> None:
    Path("kept").write_text("postgresql://one/db")

    found = read_settings({"TRANSOM_DATABASE_FILE": "kept"}, {"database": "postgresql://two/db"})

    assert found.database == "postgresql://two/db"


def test_a_secret_that_one_source_gives_both_ways_is_an_error_that_does_not_show_it() -> None:
    Path("kept").write_text("hidden")
    environ = {"TRANSOM_KEYSTONE_PASSWORD": "hidden", "TRANSOM_KEYSTONE_PASSWORD_FILE": "kept"}

    with pytest.raises(SettingsError, match="keystone_password and keystone_password_file") as raised:
        read_settings(environ, {})

    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfehidden"])
def test_a_file_without_a_secret_in_it_is_an_error_that_names_it(content: bytes | None) -> None:
    if content is not None:
        Path("kept").write_bytes(content)

    with pytest.raises(SettingsError, match=r"keystone_password_file: .*kept") as raised:
        read_settings({"TRANSOM_KEYSTONE_PASSWORD_FILE": "kept"}, {})

    assert "hidden" not in str(raised.value)


def test_a_name_that_no_file_can_have_is_an_error_that_names_the_setting() -> None:
    Path("transom.toml").write_text('keystone_password_file = "\\u0000"')

    with pytest.raises(SettingsError, match="keystone_password_file"):
        read_settings({}, {})


@pytest.mark.parametrize("name", ["region_file", "s3_access_key_file"])
def test_what_is_no_secret_has_no_file(name: str) -> None:
    with pytest.raises(SettingsError, match="there is no setting"):
        read_settings({f"TRANSOM_{name.upper()}": "kept"}, {})
