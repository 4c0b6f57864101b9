"""The operating systems an image may name in `__os_version`, and what each name fixes. A closed list, to
which an operator's file adds (`config/os_versions.py`).

Names are spelled as published, uneven as that is ("Redhat 7.6", "Server" and "server"). Facts are those of
the public Open Telekom Cloud and Huawei Cloud documentation of IMS and BMS (API references and user guides).
What is newer than these is named by the same patterns.
"""

from collections.abc import Collection, Iterable, Iterator

import msgspec

#: What an image has that names none (Open Telekom Cloud, POST /v2/images).
OTHER_LINUX = "Other Linux(64 bit)"
OS_TYPES = ("Linux", "Windows", "Other")
#: What GET /v1/cloudimages/os_version may be asked for.
TAGS = ("bms", "uefi", "arm", "x86")

_MARKS = {"*": "uefi", "+": "bms", "@": "arm"}
#: `__platform` → its names, those of two origins with an empty line between them:
#: first, in its order, the table of `__os_version` values in Open Telekom Cloud's API reference;
#: then what it lacks, from the same table of Huawei Cloud's, and from the supported systems in Open Telekom
#: Cloud's user guide; what that only spells differently, or gives as a bare number, is left out.
#: Other holds what has no platform: the default that the API reference states, the guide's other fallbacks,
#: "Other(32 bit)" of Huawei's example, and Huawei's NeoKylin.
#: A mark behind a name says where it also goes:
#:   *  boots by UEFI: all rows of the user guide's "OSs Supporting UEFI Boot Mode", its odd 32-bit one too;
#:   +  runs on bare metal: the tables of the BMS image creation guide and of the BMS user guide;
#:   @  runs on ARM: that creation guide, and Huawei's public ARM images (they are called "... with ARM", but
#:      have the plain name as their __os_version).
_NAMES = {
    "Windows": """
        Windows 10 64bit*, Windows 7 Enterprise 64bit, Windows 7 Professional 64bit,
        Windows 7 Professional 32bit, Windows Server 2016 Standard 64bit*+,
        Windows Server 2016 Datacenter 64bit*, Windows Server 2012 R2 Standard 64bit*+,
        Windows Server 2012 Essentials R2 64bit*, Windows Server 2012 R2 Datacenter 64bit*,
        Windows Server 2012 Datacenter 64bit*, Windows Server 2012 Standard 64bit*,
        Windows Server 2008 R2 WEB 64bit, Windows Server 2008 R2 Standard 64bit,
        Windows Server 2008 R2 Enterprise 64bit, Windows Server 2008 R2 Datacenter 64bit,

        Windows Server 2022 Standard 64bit*, Windows Server 2022 Datacenter 64bit*,
        Windows Server 2019 Standard 64bit*, Windows Server 2019 Datacenter 64bit*,
    """,
    "SUSE": """
        SUSE Linux Enterprise Server 15 SP1 64bit, SUSE Linux Enterprise Server 15 64bit,
        SUSE Linux Enterprise Server 12 SP5 64bit*, SUSE Linux Enterprise Server 12 SP4 64bit,
        SUSE Linux Enterprise Server 12 SP3 64bit+, SUSE Linux Enterprise Server 12 SP2 64bit+,
        SUSE Linux Enterprise Server 12 SP1 64bit*+, SUSE Linux Enterprise Server 12 64bit,
        SUSE Linux Enterprise Server 11 SP4 64bit+, SUSE Linux Enterprise Server 11 SP3 64bit*,
        SUSE Linux Enterprise Server 11 SP3 32bit, SUSE Linux Enterprise Server 11 SP1 64bit,

        SUSE Linux Enterprise Server 15 SP5 64bit*, SUSE Linux Enterprise Server 15 SP4 64bit*,
        SUSE Linux Enterprise Server 15 SP3 64bit*, SUSE Linux Enterprise Server 15 SP2 64bit*,
    """,
    "Oracle Linux": """
        Oracle Linux Server release 7.6 64bit, Oracle Linux Server release 7.5 64bit,
        Oracle Linux Server release 7.4 64bit*+, Oracle Linux Server release 7.3 64bit+,
        Oracle Linux Server release 7.2 64bit+, Oracle Linux Server release 7.1 64bit,
        Oracle Linux Server release 7.0 64bit, Oracle Linux Server release 6.10 64bit,
        Oracle Linux Server release 6.9 64bit*+, Oracle Linux Server release 6.8 64bit+,
        Oracle Linux Server release 6.7 64bit, Oracle Linux Server release 6.5 64bit,
    """,
    "Red Hat": """
        Redhat Linux Enterprise 8.0 64bit, Redhat 7.6 64bit, Redhat Linux Enterprise 7.5 64bit+,
        Redhat Linux Enterprise 7.4 64bit*+, Redhat Linux Enterprise 7.3 64bit*+,
        Redhat Linux Enterprise 7.2 64bit+, Redhat Linux Enterprise 7.1 64bit*,
        Redhat Linux Enterprise 7.0 64bit*, Redhat Linux Enterprise 6.10 64bit,
        Redhat Linux Enterprise 6.9 64bit*+, Redhat Linux Enterprise 6.8 64bit+,
        Redhat Linux Enterprise 6.7 64bit+, Redhat Linux Enterprise 6.6 64bit,
        Redhat Linux Enterprise 6.6 32bit*, Redhat Linux Enterprise 6.5 64bit*+,
        Redhat Linux Enterprise 6.4 64bit, Redhat Linux Enterprise 6.4 32bit,

        Red Hat Linux Enterprise 9.1 64bit*, Red Hat Linux Enterprise 9.0 64bit*,
        Red Hat Linux Enterprise 8.7 64bit*, Red Hat Linux Enterprise 8.6 64bit*,
        Red Hat Linux Enterprise 8.5 64bit*, Red Hat Linux Enterprise 8.4 64bit*,
        Red Hat Linux Enterprise 8.3 64bit*, Red Hat Linux Enterprise 8.2 64bit*,
        Red Hat Linux Enterprise 8.1 64bit*, Redhat Linux Enterprise 7.6 64bit,
    """,
    "Ubuntu": """
        Ubuntu 19.04 server 64bit*, Ubuntu 18.04 server 64bit*@, Ubuntu 16.04.3 Server 64bit,
        Ubuntu 16.04.2 Server 64bit, Ubuntu 16.04 server 64bit*+, Ubuntu 14.04.5 server 64bit,
        Ubuntu 14.04.4 server 64bit, Ubuntu 14.04.4 server 32bit, Ubuntu 14.04.3 server 64bit,
        Ubuntu 14.04.3 server 32bit, Ubuntu 14.04.1 server 64bit, Ubuntu 14.04.1 server 32bit,
        Ubuntu 14.04 server 64bit*+, Ubuntu 14.04 server 32bit,

        Ubuntu 22.04 server 64bit*+, Ubuntu 20.04 server 64bit*, Ubuntu 18.04.2 server 64bit,
        Ubuntu 18.04.1 server 64bit, Ubuntu 16.04.6 server 64bit, Ubuntu 16.04.5 server 64bit,
        Ubuntu 16.04.4 server 64bit, Ubuntu 16.04.3 server 64bit, Ubuntu 16.04.2 server 64bit,
    """,
    "OpenSUSE": """
        openSUSE 42.3 64bit, openSUSE 42.2 64bit, openSUSE 42.1 64bit*, openSUSE 15.1 64bit,
        openSUSE 15.0 64bit@, openSUSE 13.2 64bit, openSUSE 11.3 64bit,

        openSUSE 15.5 64bit*, openSUSE 15.4 64bit*, openSUSE 15.3 64bit*, openSUSE 15.2 64bit*,
    """,
    "CentOS": """
        CentOS 8.0 64bit@, CentOS 7.7 64bit, CentOS 7.6 64bit*+@, CentOS 7.5 64bit*+@, CentOS 7.4 64bit*+@,
        CentOS 7.3 64bit+, CentOS 7.2 64bit+, CentOS 7.1 64bit, CentOS 7.0 64bit*, CentOS 7.0 32bit,
        CentOS 6.10 64bit, CentOS 6.10 32bit, CentOS 6.9 64bit*+, CentOS 6.9 32bit, CentOS 6.8 64bit+,
        CentOS 6.7 64bit, CentOS 6.7 32bit, CentOS 6.6 64bit*, CentOS 6.6 32bit, CentOS 6.5 64bit,
        CentOS 6.5 32bit, CentOS 6.4 64bit, CentOS 6.4 32bit, CentOS 6.3 64bit, CentOS 6.3 32bit,

        CentOS 8.5 64bit*, CentOS 8.4 64bit*, CentOS 8.3 64bit*, CentOS 8.2 64bit*, CentOS 8.1 64bit*,
        CentOS 7.9 64bit, CentOS 7.8 64bit,
    """,
    "Debian": """
        Debian GNU/Linux 10.0.0 64bit, Debian GNU/Linux 9.3.0 64bit, Debian GNU/Linux 9.0.0 64bit,
        Debian GNU/Linux 8.10.0 64bit, Debian GNU/Linux 8.8.0 64bit*, Debian GNU/Linux 8.7.0 64bit,
        Debian GNU/Linux 8.6.0 64bit+, Debian GNU/Linux 8.5.0 64bit, Debian GNU/Linux 8.4.0 64bit,
        Debian GNU/Linux 8.2.0 64bit, Debian GNU/Linux 8.1.0 64bit,

        Debian GNU/Linux 12.0.0 64bit*, Debian GNU/Linux 11.7.0 64bit*, Debian GNU/Linux 11.6.0 64bit*,
        Debian GNU/Linux 11.5.0 64bit*, Debian GNU/Linux 11.4.0 64bit*, Debian GNU/Linux 11.3.0 64bit*,
        Debian GNU/Linux 11.2.0 64bit*, Debian GNU/Linux 11.1.0 64bit*, Debian GNU/Linux 11.0.0 64bit*,
        Debian GNU/Linux 10.13.0 64bit*, Debian GNU/Linux 10.12.0 64bit*, Debian GNU/Linux 10.11.0 64bit*,
        Debian GNU/Linux 10.10.0 64bit*, Debian GNU/Linux 10.9.0 64bit*, Debian GNU/Linux 10.8.0 64bit*,
        Debian GNU/Linux 10.7.0 64bit*, Debian GNU/Linux 10.6.0 64bit*, Debian GNU/Linux 10.5.0 64bit*,
        Debian GNU/Linux 10.4.0 64bit*, Debian GNU/Linux 10.3.0 64bit*, Debian GNU/Linux 10.2.0 64bit*@,
        Debian GNU/Linux 10.1.0 64bit*,
    """,
    "Fedora": """
        Fedora 30 64bit, Fedora 29 64bit*@, Fedora 28 64bit, Fedora 27 64bit, Fedora 26 64bit,
        Fedora 25 64bit, Fedora 24 64bit*, Fedora 23 64bit, Fedora 22 64bit,

        Fedora 39 64bit*, Fedora 38 64bit*, Fedora 37 64bit*, Fedora 36 64bit*, Fedora 35 64bit*,
        Fedora 34 64bit*, Fedora 33 64bit*, Fedora 32 64bit*, Fedora 31 64bit*,
    """,
    "EulerOS": """
        EulerOS 2.9 64bit, EulerOS 2.5 64bit*, EulerOS 2.3 64bit*+, EulerOS 2.2 64bit*+, EulerOS 2.1 64bit,

        EulerOS 2.12 64bit*, EulerOS 2.11 64bit*, EulerOS 2.10 64bit*, EulerOS 2.8 64bit*+@,
        EulerOS 2.7 64bit*,
    """,
    "CoreOS": """
        CoreOS 1068.10.0, CoreOS 1010.5.0, CoreOS 1298.6.0,
    """,
    "openEuler": """
        openEuler 20.03 64bit*@,

        openEuler 22.03 SP1 64bit*, openEuler 22.03 64bit*, openEuler 20.03 SP3 64bit*,
        openEuler 20.03 SP2 64bit*, openEuler 20.03 SP1 64bit*,
    """,
    "Other": """
        Other Linux(64 bit),

        Other Linux(32 bit), Other Windows(64 bit), Other Windows(32 bit), Other(32 bit),
        NeoKylin 7.4 64bit, NeoKylin Server release 5.0 U2 64bit,
        NeoKylin Linux Advanced Server release 7.0 U5 64bit,
    """,
}


#: `__platform` → patterns of names with a mark each, and what stands for {}: what came after those tables.
#: Huawei Cloud spells "Huawei Cloud EulerOS 2.0 64bit", "AlmaLinux 9.4 64bit" (with its platform) and "CentOS
#: Stream 9 64bit" so, and Open Telekom Cloud "Ubuntu 24.04 server 64bit" and "Windows Server 2025 Standard
#: 64bit". All boot by UEFI; ARM is marked where those who make the system publish it for aarch64.
_NEWER: dict[str, tuple[tuple[str, str], ...]] = {
    "Windows": (("Windows {} 64bit*", "11"), ("Windows Server 2025 {} 64bit*", "Standard Datacenter")),
    "SUSE": (
        ("SUSE Linux Enterprise Server 15 {} 64bit*@", "SP7 SP6"),
        ("SUSE Linux Enterprise Server {} 64bit*@", "16.1 16.0"),
    ),
    "Oracle Linux": (
        (
            "Oracle Linux Server release {} 64bit*@",
            "10.2 10.1 10.0 9.8 9.7 9.6 9.5 9.4 9.3 9.2 9.1 9.0 8.10 8.9 8.8 8.7 8.6 8.5 8.4 8.3 8.2 8.1 8.0",
        ),
        ("Oracle Linux Server release {} 64bit", "7.9 7.8 7.7"),
    ),
    "Red Hat": (
        (
            "Red Hat Linux Enterprise {} 64bit*@",
            "10.2 10.1 10.0 9.8 9.7 9.6 9.5 9.4 9.3 9.2 8.10 8.9 8.8",
        ),
        ("Red Hat Linux Enterprise {} 64bit*", "7.9 7.8 7.7"),
    ),
    "Ubuntu": (("Ubuntu {} server 64bit*@", "26.10 26.04 25.10 25.04 24.10 24.04 23.10 23.04 22.10"),),
    "OpenSUSE": (("openSUSE {} 64bit*@", "16.1 16.0 15.6"),),
    "CentOS": (("CentOS Stream {} 64bit*@", "10 9 8"),),
    "Debian": (
        (
            "Debian GNU/Linux {} 64bit*@",
            "13.6.0 13.5.0 13.4.0 13.3.0 13.2.0 13.1.0 13.0.0 12.15.0 12.14.0 12.13.0 12.12.0 12.11.0 "
            "12.10.0 12.9.0 12.8.0 12.7.0 12.6.0 12.5.0 12.4.0 12.2.0 12.1.0 11.11.0 11.10.0 11.9.0 11.8.0",
        ),
    ),
    "Fedora": (("Fedora {} 64bit*@", "45 44 43 42 41 40"),),
    "EulerOS": (("EulerOS {} 64bit*", "2.14 2.13"),),
    "openEuler": (
        ("openEuler {} 64bit*@", "24.03 24.09 25.03 25.09"),
        ("openEuler 24.03 {} 64bit*@", "SP4 SP3 SP2 SP1"),
        ("openEuler 22.03 {} 64bit*@", "SP4 SP3 SP2"),
        ("openEuler 20.03 {} 64bit*@", "SP4"),
    ),
    "Huawei Cloud EulerOS": (("Huawei Cloud EulerOS {} 64bit*@", "3.0 2.0 1.1"),),
    "Rocky Linux": (
        (
            "Rocky Linux {} 64bit*@",
            "10.2 10.1 10.0 9.8 9.7 9.6 9.5 9.4 9.3 9.2 9.1 9.0 8.10 8.9 8.8 8.7 8.6 8.5 8.4",
        ),
    ),
    "AlmaLinux": (
        (
            "AlmaLinux {} 64bit*@",
            "10.2 10.1 10.0 9.8 9.7 9.6 9.5 9.4 9.3 9.2 9.1 9.0 8.10 8.9 8.8 8.7 8.6 8.5 8.4 8.3",
        ),
    ),
    "FreeBSD": (("FreeBSD {} 64bit*@", "15.1 15.0 14.4 14.3 14.2 14.1 14.0 13.5 13.4 13.3 13.2 13.1 13.0"),),
}


class OsVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One operating system.

    `os_type`: one of OS_TYPES; `os_bit`: "32" or "64". `tags`: those of TAGS that it goes with; what runs on
    both architectures has both.
    """

    name: str
    platform: str
    os_type: str
    os_bit: str
    tags: frozenset[str]


class OsVersions:
    """All that images may name, by platform: those of one follow each other."""

    def __init__(self, versions: Iterable[OsVersion]) -> None:
        """Of two with one name the later one counts, in the place of the first."""
        by_platform: dict[str, dict[str, OsVersion]] = {}
        platforms: dict[str, str] = {}
        for version in versions:
            before = platforms.get(version.name)
            if before not in (None, version.platform):
                del by_platform[str(before)][version.name]
            platforms[version.name] = version.platform
            by_platform.setdefault(version.platform, {})[version.name] = version
        self._by_name = {name: one for found in by_platform.values() for name, one in found.items()}

    def __iter__(self) -> Iterator[OsVersion]:
        return iter(self._by_name.values())

    def find(self, name: str) -> OsVersion | None:
        return self._by_name.get(name)

    def select(self, tags: Collection[str]) -> list[OsVersion]:
        """The versions that go with all of `tags`, hence all for no tags and none for one outside TAGS."""
        return [version for version in self if version.tags.issuperset(tags)]


def _read(platform: str, entry: str) -> OsVersion:
    name = entry.rstrip("".join(_MARKS))
    return OsVersion(
        name=name,
        platform=platform,
        os_type=_os_type(name),
        # CoreOS states none; it was never made for 32.
        os_bit="32" if name.endswith(("32bit", "(32 bit)")) else "64",
        tags=frozenset({"x86", *(_MARKS[mark] for mark in entry[len(name) :])}),
    )


def _os_type(name: str) -> str:
    """Linux also of "Other(32 bit)", as in the published example."""
    if "Windows" in name:
        return "Windows"
    return "Other" if name.startswith("FreeBSD ") else "Linux"


def _entries(platform: str) -> Iterator[str]:
    yield from (entry.strip() for entry in _NAMES.get(platform, "").split(",") if entry.strip())
    for pattern, releases in _NEWER.get(platform, ()):
        yield from (pattern.format(release) for release in releases.split())


#: What every installation knows.
BUILT_IN = OsVersions(
    _read(platform, entry) for platform in {**_NAMES, **_NEWER} for entry in _entries(platform)
)
