"""The operator's file of peers (docs/ims.md)."""

from pathlib import Path

import pytest

from transom.config import SettingsError
from transom.config.peers import read_peers

GOOD = """
[[peer]]
region = "eu-west"
auth_url = "https://images.example.org/identity/v3"
username = "copies"
password = "secret"
remote_region = "RegionOne"

[[peer.use]]
projects = ["one"]
to = ["images"]

[[peer.use]]
projects = ["*"]
to = ["public"]
"""
_START = '[[peer]]\nregion = "x"\nauth_url = "https://x"\nusername = "u"\n'


def test_a_file_says_which_project_may_copy_to_which(tmp_path: Path) -> None:
    file = tmp_path / "peers.toml"
    file.write_text(GOOD)

    peer = read_peers(str(file))["eu-west"]

    assert (peer.region, peer.user_domain) == ("RegionOne", "default")
    assert [peer.allows(one, "images") for one in ("one", "two", None)] == [True, False, False]
    assert [peer.allows(one, "public") for one in ("one", "two", None)] == [True, True, False]


def test_a_peer_is_in_its_own_catalog_by_its_name_unless_told(tmp_path: Path) -> None:
    file = tmp_path / "peers.toml"
    file.write_text(f'{_START}password = "p"\n')

    peer = read_peers(str(file))["x"]

    assert (peer.region, peer.allows("one", "images")) == ("x", False)


def test_no_file_names_nobody() -> None:
    assert read_peers("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "[[peer",
        "[[peers]]\n",
        _START,
        f'{_START}password = ""\n',
        f'{_START}password = "p"\nowner = "b"\n',
        f'{_START}password = "p"\n'.replace("https", "ftp"),
        f'{_START}password = "p"\n[[peer.use]]\nprojects = []\nto = ["a"]\n',
        f'{_START}password = "p"\n[[peer.use]]\nprojects = ["a"]\nto = []\n',
        f'{_START}password = "p"\n' * 2,
    ],
)
def test_what_is_no_list_of_peers_is_refused_by_the_name_of_the_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "peers.toml"
    file.write_text(text)

    with pytest.raises(SettingsError, match=f"peers_file {file}"):
        read_peers(str(file))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_peers(str(tmp_path / "nothing.toml"))
