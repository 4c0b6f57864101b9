"""`transom metadefs`: catalogues in the files that Glance brings, loaded, written out and thrown away."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from transom.cli.metadefs import metadefs
from transom.config import Settings

#: As a file of Glance's catalogue has it: neither its owner nor, in this one, its visibility is said.
CATALOGUE: dict[str, Any] = {
    "namespace": "TEST::Catalogue",
    "display_name": "Catalogue",
    "description": "What a machine can have",
    "protected": True,
    "resource_type_associations": [
        {"name": "OS::Glance::Image", "prefix": "hw_"},
        {"name": "OS::Nova::Flavor"},
    ],
    "properties": {"cores": {"title": "Cores", "type": "integer", "minimum": 1, "default": 2}},
    "objects": [{"name": "Quota", "description": "", "properties": {"z": {"title": "Z", "type": "string"}}}],
    "tags": [{"name": "b"}, {"name": "a"}],
}


@pytest.fixture
def settings(url: str) -> Settings:
    """Settings with a migrated database."""
    return Settings(database=url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one catalogue file."""
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "test.json").write_text(json.dumps(CATALOGUE))
    (folder / "README").write_text("not a namespace")
    return folder


def run(settings: Settings, *words: str | Path) -> Result:
    return CliRunner().invoke(metadefs, [str(word) for word in words], obj=settings)


def export(settings: Settings, tmp_path: Path) -> dict[str, Any]:
    """What the files say that an export writes, by name."""
    target = tmp_path / "exported"
    assert run(settings, "export", target).exit_code == 0
    return {file.name: json.loads(file.read_text()) for file in target.iterdir()}


def test_a_catalogue_that_was_loaded_is_written_out_as_it_was(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    loaded = run(settings, "load", folder)

    assert (loaded.exit_code, loaded.output) == (0, "TEST::Catalogue: loaded\n")
    assert export(settings, tmp_path) == {
        "test-catalogue.json": {**CATALOGUE, "visibility": "private", "owner": "admin"}
    }


def test_loading_again_does_nothing(settings: Settings, folder: Path, tmp_path: Path) -> None:
    run(settings, "load", folder)
    (folder / "test.json").write_text(json.dumps({**CATALOGUE, "display_name": "other", "tags": []}))

    again = run(settings, "load", folder / "test.json")

    assert (again.exit_code, again.output) == (0, "TEST::Catalogue: is there already\n")
    assert export(settings, tmp_path)["test-catalogue.json"]["display_name"] == "Catalogue"


@pytest.mark.parametrize(
    ("options", "display_name", "tags"),
    [
        (["--merge"], "Catalogue", ["b", "a", "c"]),
        (["--merge", "--prefer-new"], "other", ["b", "a", "c"]),
        (["--merge", "--overwrite"], "other", ["c"]),
    ],
)
def test_loading_again_merges_when_asked(
    settings: Settings, folder: Path, tmp_path: Path, options: list[str], display_name: str, tags: list[str]
) -> None:
    run(settings, "load", folder)
    changed = {**CATALOGUE, "display_name": "other", "tags": [{"name": "c"}]}
    (folder / "test.json").write_text(json.dumps(changed))

    assert run(settings, "load", *options, folder).exit_code == 0

    body = export(settings, tmp_path)["test-catalogue.json"]
    assert body["display_name"] == display_name
    assert [one["name"] for one in body["tags"]] == tags


def test_files_that_cannot_be_loaded_are_named_and_do_not_stop_the_others(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    (folder / "broken.json").write_text("{")
    (folder / "half.json").write_text(json.dumps({"namespace": "half", "tags": [{"name": "a"}, {}]}))

    result = run(settings, "load", folder)

    assert result.exit_code == 1
    assert "broken.json: not JSON" in result.output
    assert "half.json: Provided object does not match schema" in result.output
    assert "2 of 3 files could not be loaded" in result.output
    assert list(export(settings, tmp_path)) == ["test-catalogue.json"]


def test_names_that_make_one_file_name_make_two_files(settings: Settings, tmp_path: Path) -> None:
    for name in ("a::b", "a b"):
        (tmp_path / "one.json").write_text(json.dumps({"namespace": name}))
        run(settings, "load", tmp_path / "one.json")

    exported = export(settings, tmp_path)

    assert {file: body["namespace"] for file, body in exported.items()} == {
        "a-b.json": "a b",
        "a-b-2.json": "a::b",
    }


def test_unloading_is_asked_about_and_deletes_all(settings: Settings, folder: Path, tmp_path: Path) -> None:
    run(settings, "load", folder)

    refused = run(settings, "unload")
    done = run(settings, "unload", "--yes")

    assert refused.exit_code == 1
    assert (done.exit_code, done.output) == (0, "1 namespaces deleted\n")
    assert export(settings, tmp_path) == {}


@pytest.mark.parametrize(
    "options", [["--prefer-new"], ["--overwrite"], ["--merge", "--prefer-new", "--overwrite"]]
)
def test_options_that_do_not_go_together_are_refused(folder: Path, options: list[str]) -> None:
    assert run(Settings(), "load", *options, folder).exit_code == 2


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    result = run(Settings(), "load", tmp_path)

    assert (result.exit_code, "no .json files" in result.output) == (1, True)


def test_a_database_without_tables_is_told(empty_url: str, folder: Path) -> None:
    result = run(Settings(database=empty_url), "load", folder)

    assert result.exit_code == 1
    assert "metadef_namespace" in result.output
