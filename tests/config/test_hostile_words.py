"""Texts of strangers in what the commands of an operator say: control characters are shown, not obeyed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What clears a screen, begins a sequence (by ESC, and by its one-byte form), rings, writes backwards.
EVIL = "\x1b[2J\x9b31m\x07\u202e"
#: Nobody waits longer for a command that has only to say what is wrong.
PATIENCE_S = 60


def _run(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRANSOM_", "OS_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "transom", *words],
        cwd=folder,
        env={**inherited, "TRANSOM_DATA_DIR": str(folder / "data"), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def _require_plain(done: subprocess.CompletedProcess[str]) -> str:
    said = done.stdout + done.stderr
    assert said.replace("\n", "").isprintable(), repr(said)
    assert "Traceback" not in said, said
    return said


def _write_mark(store: Path, owner: str) -> None:
    store.mkdir(parents=True)
    (store / "transom-store.json").write_text(json.dumps({"database": owner, "store": "local"}))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database has tables, and whose store is somebody else's."""
    folder = tmp_path_factory.mktemp("hostile")
    assert _run(folder, "migrate").returncode == 0
    _write_mark(folder / "data" / "images", EVIL)
    return folder


@pytest.mark.parametrize("words", [("status", "--output", "json"), ("adopt", "local")], ids=" ".join)
def test_the_mark_of_a_store_is_spelled_out(migrated: Path, words: tuple[str, ...]) -> None:
    said = _require_plain(_run(migrated, "stores", *words))

    assert "31m" in said


def test_a_catalogue_of_strangers_is_spelled_out(migrated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "named.json").write_text(json.dumps({"namespace": f"a{EVIL}", "visibility": "public"}))
    (folder / f"b{EVIL}.json").write_text("{")

    said = _require_plain(_run(migrated, "metadefs", "load", str(folder)))

    assert said.count("31m") == 2


def test_a_path_in_a_refusal_is_spelled_out(tmp_path: Path) -> None:
    said = _require_plain(_run(tmp_path, "--config", f"a{EVIL}.toml", "audit"))

    assert "31m" in said
