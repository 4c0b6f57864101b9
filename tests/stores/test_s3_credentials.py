"""Keys of S3 stores from a file of profiles: what is read, what is told otherwise, whose store is whose."""

from pathlib import Path
from typing import Any

import pytest
from harness.swift import ACCESS_KEY, BUCKET, OTHER_ACCESS_KEY, OTHER_SECRET_KEY, SECRET_KEY, Swift

from transom.config import SettingsError, read_settings
from transom.config.stores import store_options
from transom.domain.errors import UnavailableError
from transom.stores.registry import Stores, open_stores
from transom.stores.s3_credentials import Keys, read_profile

from .test_contract import KEY, MIB, _chunks, _got

PROFILES = f"""
# Both accounts of one service.
[first]
aws_access_key_id = {ACCESS_KEY}
aws_secret_access_key={SECRET_KEY}

[the other one]
AWS_ACCESS_KEY_ID = {OTHER_ACCESS_KEY}
aws_secret_access_key = {OTHER_SECRET_KEY}

[swapped]
aws_access_key_id = {OTHER_ACCESS_KEY}
aws_secret_access_key = {SECRET_KEY}
"""


def _open(given: dict[str, Any]) -> Stores:
    return open_stores(store_options(read_settings({}, given)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "credentials"
    found.write_text(PROFILES)
    return found


# ---- the file


def test_a_profile_has_its_own_keys(file: Path) -> None:
    assert read_profile(str(file), "first") == Keys(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    assert read_profile(str(file), "the other one") == Keys(
        access_key=OTHER_ACCESS_KEY, secret_key=OTHER_SECRET_KEY
    )


def test_keys_that_were_lent_come_with_their_token(file: Path) -> None:
    file.write_text("[a]\naws_access_key_id = k\naws_secret_access_key = s=%(x)s:;#\naws_session_token = t\n")

    assert read_profile(str(file), "a") == Keys(access_key="k", secret_key="s=%(x)s:;#", token="t")


def test_keys_do_not_show_their_secrets() -> None:
    shown = repr(Keys(access_key="k", secret_key="the secret", token="the token"))

    assert "the secret" not in shown
    assert "the token" not in shown


def test_a_file_in_the_home_folder_is_found(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(file.parent))

    assert read_profile("~/credentials", "first").access_key == ACCESS_KEY


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no profile 'a'"),
        ("[b]\naws_access_key_id = s3cret\n", "has no profile 'a'"),
        ("[DEFAULT]\naws_access_key_id = s3cret\n[a]\n", "has no aws_access_key_id in its profile 'a'"),
        ("[a]\naws_access_key_id =\n", "has no aws_access_key_id in its profile 'a'"),
        ("[a]\naws_access_key_id = s3cret\n", "has no aws_secret_access_key in its profile 'a'"),
        ("aws_access_key_id = s3cret\n[a]\n", "is malformed: MissingSectionHeaderError in line 1"),
        ("[a]\ns3cret\n", "is malformed: ParsingError in line 2"),
        ("[a]\nk = s3cret\nk = s3cret\n", "is malformed: DuplicateOptionError in line 3"),
        ("[a]\n[a]\n", "is malformed: DuplicateSectionError in line 2"),
        (b"[a]\ns3cret = \xff\n", "is malformed: UnicodeDecodeError"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_without_what_is_in_it(
    file: Path, text: str | bytes, complaint: str
) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(ValueError, match="credentials ") as raised:
        read_profile(str(file), "a")

    assert str(raised.value) == f"{file} {complaint}"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absent cannot be read: No such file"):
        read_profile(str(tmp_path / "absent"), "a")


# ---- the stores


def _setting(swift: Swift, prefix: str, **profiles: str) -> str:
    url = swift.store_url(prefix=prefix)
    return ",".join(f"{name}={url}&profile={profile}" for name, profile in profiles.items())


@pytest.mark.anyio
async def test_each_store_has_the_keys_of_its_profile(swift: Swift, file: Path) -> None:
    """Two accounts, each with a bucket of the same name."""
    stores = _setting(swift, file.parent.name, one="first", two="the%20other%20one")
    opened = _open({"stores": stores, "s3_credentials_file": str(file)})
    one, two = opened.get("one"), opened.get("two")

    await one.put(KEY, _chunks(b"in the first"))
    await two.put(KEY, _chunks(b"x" * (6 * MIB)))

    assert (await one.size(KEY), await two.size(KEY)) == (12, 6 * MIB)
    assert await _got(one, KEY, 0, 12) == b"in the first"
    await two.delete(KEY)
    assert (await one.size(KEY), await two.size(KEY)) == (12, None)
    assert two.url(KEY) == f"s3://{BUCKET}/{file.parent.name}/{KEY}"


@pytest.mark.anyio
async def test_a_profile_wins_over_the_keys_and_the_token_of_the_rest(
    swift: Swift, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "of the environment")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    given = {"stores": _setting(swift, file.parent.name, one="first", two="swapped")}
    opened = _open({**given, "s3_access_key": "k", "s3_secret_key": "s"})

    await opened.get("one").put(KEY, _chunks(b"data"))

    assert await opened.get("one").size(KEY) == 4
    with pytest.raises(UnavailableError):
        await opened.get("two").size(KEY)


def test_a_store_whose_profile_is_missing_is_named(swift: Swift, file: Path) -> None:
    given = {"stores": _setting(swift, "", one="first", two="absent"), "s3_credentials_file": str(file)}

    with pytest.raises(SettingsError, match=r"the keys of store two: .* has no profile 'absent'"):
        _open(given)
