"""What is wrong in clouds.yaml is said in words, and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from transom.client.clouds import CloudError, connect

_URL = "http://127.0.0.1:1"
_ACCOUNT = "username: u, password: p, project_name: x"


def _refusal(folder: Path, content: str, secure: str = "clouds: {}") -> str:
    """Of the cloud `mine`."""
    (folder / "clouds.yaml").write_text(content)
    (folder / "secure.yaml").write_text(secure)
    files = {"OS_CLIENT_CONFIG_FILE": "clouds.yaml", "OS_CLIENT_SECURE_FILE": "secure.yaml"}
    with pytest.raises(CloudError) as refused:
        connect("mine", {name: str(folder / file) for name, file in files.items()})
    return str(refused.value)


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("auth: word", "auth"),
        ("auth: [1, 2]", "auth"),
        ("auth: {auth_url: 5, username: u, password: p}", "auth_url"),
        ("auth: {auth_url: [a], username: u, password: p}", "auth_url"),
        (f"auth: {{auth_url: 'http://[::1', {_ACCOUNT}}}", "auth_url"),
        (f"auth: {{auth_url: 'http://127.0.0.1:99999', {_ACCOUNT}}}", "auth_url"),
        (f"auth: {{auth_url: cloud.example.org, {_ACCOUNT}}}", "auth_url"),
        (f"auth: {{auth_url: '{_URL}', username: u, password: 12345}}", "password"),
        (f"auth: {{auth_url: '{_URL}', username: 2026-11-29, password: p}}", "username"),
        (f"auth: {{auth_url: '{_URL}', {_ACCOUNT}}}, region_name: 5", "region_name"),
        (f"auth: {{auth_url: '{_URL}', {_ACCOUNT}}}, cert: [a]", "cert"),
        (f"auth: {{auth_url: '{_URL}', {_ACCOUNT}}}, auth_type: 3", "auth_type"),
        (f"auth: {{auth_url: '{_URL}', {_ACCOUNT}}}, image_endpoint_override: x", "image_endpoint_override"),
    ],
)
def test_what_is_wrong_in_an_entry_is_named(tmp_path: Path, entry: str, named: str) -> None:
    assert named in _refusal(tmp_path, f"clouds: {{mine: {{{entry}}}}}")


def test_what_is_wrong_in_the_file_of_secrets_is_named(tmp_path: Path) -> None:
    entry = f"{{auth: {{auth_url: '{_URL}', {_ACCOUNT}}}}}"

    said = _refusal(tmp_path, f"clouds: {{mine: {entry}}}", "clouds: {mine: {auth: secret}}")

    assert "secure.yaml" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "content",
    ["clouds: {1: {}, other: {}, ~: {}}", f"clouds: {'[' * 3000}"],
    ids=["names of all kinds", "deep"],
)
def test_a_file_without_the_entry_is_told_of(tmp_path: Path, content: str) -> None:
    assert "clouds.yaml" in _refusal(tmp_path, content)


def test_an_entry_may_have_a_number_for_a_name(tmp_path: Path) -> None:
    path = tmp_path / "clouds.yaml"
    path.write_text(f"clouds: {{1: {{auth: {{auth_url: '{_URL}', {_ACCOUNT}}}}}}}")

    connect("1", {"OS_CLIENT_CONFIG_FILE": str(path)})


def test_a_home_that_nobody_has_is_no_file() -> None:
    with pytest.raises(CloudError, match=r"~nobody-at-all/clouds\.yaml: No such file"):
        connect("mine", {"OS_CLIENT_CONFIG_FILE": "~nobody-at-all/clouds.yaml"})
