"""The names of operating systems: as many as the published tables have, and each says what it fixes."""

import re
from collections import Counter
from itertools import groupby

import pytest

from transom.domain.os_versions import BUILT_IN, OS_TYPES, OTHER_LINUX, TAGS, OsVersion, OsVersions

VERSIONS = list(BUILT_IN)
NAMES = [version.name for version in VERSIONS]

#: Open Telekom Cloud's table has 131 names; behind the first +, those of other published pages; behind the
#: second, what came after all of these.
COUNTS = {
    "Windows": 15 + 4 + 3,
    "SUSE": 12 + 4 + 4,
    "Oracle Linux": 12 + 0 + 26,
    "Red Hat": 17 + 10 + 16,
    "Ubuntu": 14 + 9 + 9,
    "OpenSUSE": 7 + 4 + 3,
    "CentOS": 25 + 7 + 3,
    "Debian": 11 + 22 + 25,
    "Fedora": 9 + 9 + 6,
    "EulerOS": 5 + 5 + 2,
    "CoreOS": 3,
    "openEuler": 1 + 5 + 12,
    "Other": 0 + 8,
    "Huawei Cloud EulerOS": 0 + 0 + 3,
    "Rocky Linux": 0 + 0 + 19,
    "AlmaLinux": 0 + 0 + 20,
    "FreeBSD": 0 + 0 + 13,
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
    ("Ubuntu 24.04 server 64bit", "Ubuntu", "Linux", "64", "x86 uefi arm"),
    ("Ubuntu 26.04 server 64bit", "Ubuntu", "Linux", "64", "x86 uefi arm"),
    ("Windows Server 2025 Standard 64bit", "Windows", "Windows", "64", "x86 uefi"),
    ("Windows Server 2025 Datacenter 64bit", "Windows", "Windows", "64", "x86 uefi"),
    ("Rocky Linux 8.10 64bit", "Rocky Linux", "Linux", "64", "x86 uefi arm"),
    ("Rocky Linux 10.0 64bit", "Rocky Linux", "Linux", "64", "x86 uefi arm"),
    ("AlmaLinux 9.4 64bit", "AlmaLinux", "Linux", "64", "x86 uefi arm"),
    ("Debian GNU/Linux 13.0.0 64bit", "Debian", "Linux", "64", "x86 uefi arm"),
    ("Huawei Cloud EulerOS 2.0 64bit", "Huawei Cloud EulerOS", "Linux", "64", "x86 uefi arm"),
    ("openEuler 24.03 SP2 64bit", "openEuler", "Linux", "64", "x86 uefi arm"),
    ("CentOS Stream 10 64bit", "CentOS", "Linux", "64", "x86 uefi arm"),
    ("Red Hat Linux Enterprise 10.0 64bit", "Red Hat", "Linux", "64", "x86 uefi arm"),
    ("Fedora 43 64bit", "Fedora", "Linux", "64", "x86 uefi arm"),
    ("openSUSE 16.0 64bit", "OpenSUSE", "Linux", "64", "x86 uefi arm"),
    ("SUSE Linux Enterprise Server 15 SP7 64bit", "SUSE", "Linux", "64", "x86 uefi arm"),
    ("FreeBSD 14.3 64bit", "FreeBSD", "Other", "64", "x86 uefi arm"),
]


def test_every_platform_has_as_many_names_as_are_published() -> None:
    assert Counter(version.platform for version in VERSIONS) == COUNTS


def test_names_are_in_the_published_order() -> None:
    assert NAMES[:2] == ["Windows 10 64bit", "Windows 7 Enterprise 64bit"]
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
    assert BUILT_IN.find(name) == OsVersion(
        name=name,
        platform=platform,
        os_type=os_type,
        os_bit=os_bit,
        tags=frozenset(tags.split()),
    )


def test_a_name_is_free_of_stray_signs() -> None:
    assert [name for name in NAMES if not re.fullmatch(r"[A-Za-z0-9./()]+( [A-Za-z0-9./()]+)*", name)] == []


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

    assert windows == {name for name in NAMES if name.startswith(("Windows ", "Other Windows("))}
    assert {one.os_type for one in VERSIONS} == set(OS_TYPES)
    assert {one.platform for one in VERSIONS if one.os_type == "Other"} == {"FreeBSD"}


def test_every_tag_is_one_that_may_be_asked_for_and_each_of_them_has_versions() -> None:
    assert frozenset().union(*(one.tags for one in VERSIONS)) == set(TAGS)


def test_an_image_that_names_none_has_a_name_of_the_list() -> None:
    assert BUILT_IN.find(OTHER_LINUX) is not None


@pytest.mark.parametrize(
    "name", ["", "Ubuntu", "ubuntu 18.04 server 64bit", "CentOS 7.6 64bit*+@", "Windows 10"]
)
def test_a_name_that_is_not_published_is_not_found(name: str) -> None:
    assert BUILT_IN.find(name) is None


@pytest.mark.parametrize(
    ("tags", "count"),
    [
        ([], 382),
        (["x86"], 382),
        (["uefi"], 268),
        (["bms"], 33),
        (["arm"], 163),
        (["uefi", "arm"], 161),
        (["uefi", "uefi"], 268),
        (["kvm"], 0),
        (["x86", "kvm"], 0),
    ],
)
def test_as_many_versions_go_with_all_the_tags_as_are_published(tags: list[str], count: int) -> None:
    assert len(BUILT_IN.select(tags)) == count


def test_selected_versions_keep_their_order() -> None:
    assert BUILT_IN.select([]) == VERSIONS
    assert [version.name for version in BUILT_IN.select({"arm", "bms"})] == [
        "CentOS 7.6 64bit",
        "CentOS 7.5 64bit",
        "CentOS 7.4 64bit",
        "EulerOS 2.8 64bit",
    ]


def _version(name: str, platform: str = "Ubuntu") -> OsVersion:
    return OsVersion(name=name, platform=platform, os_type="Linux", os_bit="64", tags=frozenset({"x86"}))


def test_more_versions_stand_with_their_platform() -> None:
    some = [_version("a"), _version("b", "Debian"), _version("c")]

    assert [version.name for version in OsVersions(some)] == ["a", "c", "b"]


def test_of_two_versions_with_one_name_the_later_one_counts() -> None:
    versions = OsVersions([_version("a"), _version("b"), _version("a", "Debian")])

    assert [(version.name, version.platform) for version in versions] == [("b", "Ubuntu"), ("a", "Debian")]
    assert versions.find("a") == _version("a", "Debian")
