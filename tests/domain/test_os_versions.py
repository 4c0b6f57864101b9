"""The names of operating systems: as many as the published tables have, and each says what it fixes."""

import re
from collections import Counter
from itertools import groupby

import pytest

from transom.domain.os_versions import OS_VERSIONS, OTHER_LINUX, TAGS, OsVersion, find_os_version, select

VERSIONS = list(OS_VERSIONS.values())

#: Open Telekom Cloud's table has 131 names; behind the +, those of other published pages.
COUNTS = {
    "Windows": 15 + 4,
    "SUSE": 12 + 4,
    "Oracle Linux": 12,
    "Red Hat": 17 + 10,
    "Ubuntu": 14 + 9,
    "OpenSUSE": 7 + 4,
    "CentOS": 25 + 7,
    "Debian": 11 + 22,
    "Fedora": 9 + 9,
    "EulerOS": 5 + 5,
    "CoreOS": 3,
    "openEuler": 1 + 5,
    "Other": 0 + 8,
}
#: What a name of the platform starts with, where that is not the platform.
STARTS = {
    "Oracle Linux": ("Oracle Linux Server release ",),
    "Red Hat": ("Redhat ", "Red Hat "),
    "OpenSUSE": ("openSUSE ",),
    "Other": ("Other", "NeoKylin "),
}
#: Picked by hand from the published pages: name, platform, type, bits, tags.
ROWS = [
    ("Windows 7 Professional 32bit", "Windows", "Windows", "32", "x86"),
    ("Windows Server 2012 Essentials R2 64bit", "Windows", "Windows", "64", "x86 uefi"),
    ("Windows Server 2016 Standard 64bit", "Windows", "Windows", "64", "x86 uefi bms"),
    ("SUSE Linux Enterprise Server 12 SP3 64bit", "SUSE", "Linux", "64", "x86 bms"),
    ("Redhat 7.6 64bit", "Red Hat", "Linux", "64", "x86"),
    ("Redhat Linux Enterprise 6.6 32bit", "Red Hat", "Linux", "32", "x86 uefi"),
    ("Ubuntu 16.04.3 Server 64bit", "Ubuntu", "Linux", "64", "x86"),
    ("Ubuntu 16.04.3 server 64bit", "Ubuntu", "Linux", "64", "x86"),
    ("Ubuntu 20.04 server 64bit", "Ubuntu", "Linux", "64", "x86 uefi"),
    ("openSUSE 42.1 64bit", "OpenSUSE", "Linux", "64", "x86 uefi"),
    ("CentOS 7.6 64bit", "CentOS", "Linux", "64", "x86 uefi bms arm"),
    ("CentOS 7.0 32bit", "CentOS", "Linux", "32", "x86"),
    ("Debian GNU/Linux 8.6.0 64bit", "Debian", "Linux", "64", "x86 bms"),
    ("EulerOS 2.8 64bit", "EulerOS", "Linux", "64", "x86 uefi bms arm"),
    ("CoreOS 1298.6.0", "CoreOS", "Linux", "64", "x86"),
    ("openEuler 20.03 64bit", "openEuler", "Linux", "64", "x86 uefi arm"),
    ("Other Linux(64 bit)", "Other", "Linux", "64", "x86"),
    ("Other Windows(64 bit)", "Other", "Windows", "64", "x86"),
    ("Other(32 bit)", "Other", "Linux", "32", "x86"),
]


def test_every_platform_has_as_many_names_as_are_published() -> None:
    assert Counter(version.platform for version in VERSIONS) == COUNTS


def test_names_are_in_the_published_order() -> None:
    assert list(OS_VERSIONS)[:2] == ["Windows 10 64bit", "Windows 7 Enterprise 64bit"]
    assert [version.name for version in VERSIONS if version.platform == "CoreOS"] == [
        "CoreOS 1068.10.0",
        "CoreOS 1010.5.0",
        "CoreOS 1298.6.0",
    ]


def test_the_names_of_a_platform_follow_each_other() -> None:
    assert [platform for platform, _ in groupby(VERSIONS, key=lambda one: one.platform)] == list(COUNTS)


@pytest.mark.parametrize(("name", "platform", "os_type", "os_bit", "tags"), ROWS)
def test_a_published_name_fixes_the_rest(
    name: str, platform: str, os_type: str, os_bit: str, tags: str
) -> None:
    assert find_os_version(name) == OsVersion(
        name=name,
        platform=platform,
        os_type=os_type,
        os_bit=os_bit,
        architecture="x86",
        tags=frozenset(tags.split()),
    )


def test_a_name_is_free_of_stray_signs() -> None:
    assert [
        name for name in OS_VERSIONS if not re.fullmatch(r"[A-Za-z0-9./()]+( [A-Za-z0-9./()]+)*", name)
    ] == []


def test_a_name_states_the_bits_that_it_fixes() -> None:
    differing = [
        one.name for one in VERSIONS if not one.name.endswith((f" {one.os_bit}bit", f"({one.os_bit} bit)"))
    ]

    assert differing == ["CoreOS 1068.10.0", "CoreOS 1010.5.0", "CoreOS 1298.6.0"]


def test_a_name_starts_with_its_platform() -> None:
    starts = {platform: STARTS.get(platform, (platform + " ",)) for platform in COUNTS}

    assert [one for one in VERSIONS if not one.name.startswith(starts[one.platform])] == []


def test_the_type_is_windows_where_the_name_says_so() -> None:
    windows = {one.name for one in VERSIONS if one.os_type == "Windows"}

    assert windows == {name for name in OS_VERSIONS if name.startswith(("Windows ", "Other Windows("))}
    assert {one.os_type for one in VERSIONS} == {"Windows", "Linux"}


def test_every_tag_is_one_that_may_be_asked_for_and_each_of_them_has_versions() -> None:
    assert frozenset().union(*(one.tags for one in VERSIONS)) == set(TAGS)


def test_an_image_that_names_none_has_a_name_of_the_list() -> None:
    assert find_os_version(OTHER_LINUX) is OS_VERSIONS[OTHER_LINUX]


@pytest.mark.parametrize(
    "name", ["", "Ubuntu", "ubuntu 18.04 server 64bit", "CentOS 7.6 64bit*+@", "Windows 10"]
)
def test_a_name_that_is_not_published_is_not_found(name: str) -> None:
    assert find_os_version(name) is None


@pytest.mark.parametrize(
    ("tags", "count"),
    [
        ([], 218),
        (["x86"], 218),
        (["uefi"], 107),
        (["bms"], 33),
        (["arm"], 10),
        (["uefi", "arm"], 8),
        (["uefi", "uefi"], 107),
        (["kvm"], 0),
        (["x86", "kvm"], 0),
    ],
)
def test_as_many_versions_go_with_all_the_tags_as_are_published(tags: list[str], count: int) -> None:
    assert len(select(tags)) == count


def test_selected_versions_keep_their_order() -> None:
    assert select([]) == VERSIONS
    assert [version.name for version in select({"arm", "bms"})] == [
        "CentOS 7.6 64bit",
        "CentOS 7.5 64bit",
        "CentOS 7.4 64bit",
        "EulerOS 2.8 64bit",
    ]
