"""The operator's file of operating systems: what it adds, and that a mistake in it stops the start."""

from pathlib import Path

import pytest
from harness.child import ServiceFailedError
from harness.forks import forked_service

from transom.config import SettingsError
from transom.config.os_versions import read_os_versions
from transom.domain.os_versions import BUILT_IN, OsVersion

NEW = """
    [[os_version]]
    name = "Ubuntu 28.04 server 64bit"
    platform = "Ubuntu"
    tags = ["x86", "arm", "uefi"]

    [[os_version]]
    name = "Our Own 1"
    platform = "Ours"
    os_type = "Other"
    os_bit = 32
"""


def write(folder: Path, text: str) -> str:
    file = folder / "os-versions.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_without_a_file_there_is_what_is_built_in() -> None:
    assert read_os_versions("") is BUILT_IN


def test_a_file_adds_to_what_is_built_in(tmp_path: Path) -> None:
    versions = read_os_versions(write(tmp_path, NEW))

    added = {version.name: version for version in versions if BUILT_IN.find(version.name) is None}
    assert len(list(versions)) == len(list(BUILT_IN)) + 2
    assert added == {
        "Ubuntu 28.04 server 64bit": OsVersion(
            name="Ubuntu 28.04 server 64bit",
            platform="Ubuntu",
            os_type="Linux",
            os_bit="64",
            tags=frozenset({"x86", "arm", "uefi"}),
        ),
        "Our Own 1": OsVersion(
            name="Our Own 1", platform="Ours", os_type="Other", os_bit="32", tags=frozenset({"x86"})
        ),
    }


def test_a_file_has_the_last_word_on_a_name_that_is_built_in(tmp_path: Path) -> None:
    """So that a release of ours that knows the name, too, starts with the file as it is."""
    name = "Ubuntu 24.04 server 64bit"
    file = write(tmp_path, f'[[os_version]]\nname = "{name}"\nplatform = "Ubuntu"\ntags = ["bms"]')

    versions = read_os_versions(file)

    found = versions.find(name)
    assert found is not None
    assert found.tags == {"bms"}
    assert len(list(versions)) == len(list(BUILT_IN))


@pytest.mark.parametrize("text", ["", "# nothing yet", "os_version = []"])
def test_an_empty_file_adds_nothing(tmp_path: Path, text: str) -> None:
    assert list(read_os_versions(write(tmp_path, text))) == list(BUILT_IN)


ENTRY = '[[os_version]]\nname = "A"\nplatform = "P"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nos_version", "at end of document"),
        ('[[os_versions]]\nname = "A"', "os_versions"),
        ("os_version = 1", "os_version"),
        ('[[os_version]]\nname = "A"', "platform"),
        ('[[os_version]]\nplatform = "P"', "name"),
        ('[[os_version]]\nname = 1\nplatform = "P"', "name"),
        ('[[os_version]]\nname = ""\nplatform = "P"', "name"),
        ('[[os_version]]\nname = " A"\nplatform = "P"', "name"),
        ('[[os_version]]\nname = "A\\n"\nplatform = "P"', "name"),
        (f'[[os_version]]\nname = "{"A" * 256}"\nplatform = "P"', "name"),
        ('[[os_version]]\nname = "A"\nplatform = ""', "platform"),
        (f'{ENTRY}os_type = "Unix"', "os_type"),
        (f"{ENTRY}os_bit = 16", "os_bit"),
        (f'{ENTRY}os_bit = "64"', "os_bit"),
        (f'{ENTRY}tags = ["kvm"]', "tags"),
        (f'{ENTRY}tags = "arm"', "tags"),
        (f"{ENTRY}arch = 1", "arch"),
        (f"{ENTRY}{ENTRY}", "'A' stands there 2 times"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    file = write(tmp_path, text)

    with pytest.raises(SettingsError) as refusal:
        read_os_versions(file)

    assert str(refusal.value).startswith(f"os_versions_file {file}: ")
    assert told in str(refusal.value).removeprefix(f"os_versions_file {file}: ")


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"^os_versions_file .*: (No such file|Is a directory)"):
        read_os_versions(str(tmp_path / name))


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "os-versions.toml"
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match=r"^os_versions_file .*utf-8"):
        read_os_versions(str(file))


def test_the_service_takes_what_the_file_names(tmp_path: Path) -> None:
    file = write(tmp_path, NEW)
    (tmp_path / "work").mkdir()

    with forked_service(tmp_path / "work", None, {"TRANSOM_OS_VERSIONS_FILE": file}) as service:
        client = service.client("publisher")
        created = client.post("/ims/v2/images", json={"name": "a", "__os_version": "Our Own 1"})
        changed = client.patch(
            f"/ims/v2/images/{created.json()['id']}",
            json=[{"op": "replace", "path": "/__os_version", "value": "Ubuntu 28.04 server 64bit"}],
            headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
        )
        listed = client.get("/v1/cloudimages/os_version?tag=arm").json()

    facts = ("__os_version", "__platform", "__os_type", "__os_bit")
    assert [created.json()[name] for name in facts] == ["Our Own 1", "Ours", "Other", "32"]
    assert [changed.json()[name] for name in facts] == ["Ubuntu 28.04 server 64bit", "Ubuntu", "Linux", "64"]
    (ubuntu,) = [entry for entry in listed if entry["platform"] == "Ubuntu"]
    assert "Ubuntu 28.04 server 64bit" in [version["os_version"] for version in ubuntu["version_list"]]
    assert "Ours" not in [entry["platform"] for entry in listed]


def test_a_mistake_in_the_file_stops_the_start(tmp_path: Path) -> None:
    file = write(tmp_path, "os_version = 1")
    (tmp_path / "work").mkdir()

    service = forked_service(tmp_path / "work", None, {"TRANSOM_OS_VERSIONS_FILE": file})
    with pytest.raises(ServiceFailedError, match="os_versions_file"):
        service.start()
