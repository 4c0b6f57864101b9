"""The `transom` command: where options may stand, and what is said of words and folders that are wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: A place where nobody can make a folder, not even root.
NOWHERE = "/proc/nowhere"


def _run(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRANSOM_")}
    return subprocess.run(
        [sys.executable, "-m", "transom", *words],
        cwd=folder,
        env=inherited | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--data-dir", "here", "migrate"),
        ("migrate", "--data-dir", "here"),
        ("migrate", "--data-dir=here"),
        ("migrate", "--check", "--database", "sqlite:///here/transom.db"),
        ("metadefs", "--data-dir", "here", "export", "found"),
        ("metadefs", "export", "found", "--data-dir", "here"),
        ("migrate", "--config", "settings.toml"),
    ],
)
def test_the_shared_options_may_stand_anywhere(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "settings.toml").write_text('data_dir = "here"')
    assert _run(tmp_path, "--data-dir", "here", "migrate").returncode == 0

    done = _run(tmp_path, *words)

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "data").exists()


def test_a_shared_option_without_its_value_is_named(tmp_path: Path) -> None:
    done = _run(tmp_path, "migrate", "--data-dir")

    assert done.returncode == 2
    assert "Option '--data-dir' requires an argument." in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serv",), "Did you mean 'serve'?"),
        (("polic", "show"), "Did you mean 'policy'?"),
        (("accounts", "lst"), "Did you mean 'list'?"),
        (("serve", "--prot", "9293"), "Did you mean '--port'?"),
        (("serve", "--lissten", "x"), "Did you mean '--listen'?"),
        (("--listen", "127.0.0.1:0", "serve"), "--listen goes after its verb: transom serve --listen"),
        (("--no-such-thing", "serve"), "No such option '--no-such-thing'."),
        (("serve", "--listen", "127.0.0.1:1", "--port", "2"), "Either --listen or --port, not both."),
    ],
)
def test_a_word_that_is_wrong_is_answered_with_the_right_one(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = _run(tmp_path, *words)

    assert done.returncode == 2
    assert said in done.stderr


VERBS = [
    ("serve", "--port", "0"),
    ("work",),
    ("migrate",),
    ("accounts", "list"),
    ("metadefs", "export", "found"),
]


@pytest.mark.parametrize("words", VERBS)
def test_a_file_in_place_of_the_data_folder_is_called_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()

    done = _run(tmp_path, *words, "--data-dir", "file")

    assert done.returncode == 1
    assert done.stderr == f"Error: data_dir is {tmp_path / 'file'}, which is a file. It must be a folder.\n"


@pytest.mark.parametrize("words", VERBS)
@pytest.mark.parametrize("data_dir", ["file/data", NOWHERE])
def test_a_data_folder_that_cannot_be_is_said_in_one_line(
    tmp_path: Path, words: tuple[str, ...], data_dir: str
) -> None:
    (tmp_path / "file").touch()

    done = _run(tmp_path, *words, "--data-dir", data_dir)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert data_dir in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_an_export_to_where_nothing_can_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    done = _run(tmp_path, "metadefs", "export", NOWHERE)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr


def test_a_database_that_cannot_be_opened_is_said_once(tmp_path: Path) -> None:
    done = _run(tmp_path, "migrate", "--database", "sqlite:////etc")

    assert done.returncode == 1
    assert done.stderr.count("unable to open database file") == 1
