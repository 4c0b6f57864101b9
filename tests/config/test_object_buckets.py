"""The operator's file of buckets (docs/object-store.md)."""

from pathlib import Path

import pytest

from transom.config import SettingsError
from transom.config.object_buckets import read_buckets

GOOD = """
[[bucket]]
name = "images-*"
projects = ["one", "two"]
write = true
"""


def test_a_file_says_which_project_may_use_which_buckets(tmp_path: Path) -> None:
    file = tmp_path / "buckets.toml"
    file.write_text(GOOD)

    table = read_buckets(str(file))

    assert table.allows("two", "images-x", write=True)
    assert not table.allows("three", "images-x", write=False)


def test_no_file_allows_nothing() -> None:
    assert not read_buckets("").allows("one", "images", write=False)


@pytest.mark.parametrize(
    "text",
    [
        "[[bucket",
        '[[bucket]]\nname = "x"\n',
        '[[bucket]]\nname = ""\nprojects = ["a"]\n',
        '[[bucket]]\nname = "x"\nprojects = []\n',
        '[[bucket]]\nname = "x"\nprojects = ["a"]\nowner = "b"\n',
        "[[buckets]]\n",
    ],
)
def test_what_is_no_table_of_buckets_is_refused_by_the_name_of_the_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "buckets.toml"
    file.write_text(text)

    with pytest.raises(SettingsError, match=f"object_store_buckets_file {file}"):
        read_buckets(str(file))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_buckets(str(tmp_path / "nothing.toml"))
