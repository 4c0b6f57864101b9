"""The operating systems an image may name in `__os_version`, and what each name fixes. A closed list.

Names are spelled as published, uneven as that is ("Redhat 7.6", "Server" and "server"). Facts are those of
the public Open Telekom Cloud and Huawei Cloud documentation of IMS and BMS (API references and user guides).
"""

from collections.abc import Collection

import msgspec

#: What an image has that names none (Open Telekom Cloud, POST /v2/images).
OTHER_LINUX = "Other Linux(64 bit)"
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


class OsVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One operating system.

    `architecture`: "x86" or "arm", the one to take where an image states none. It is x86 throughout: no name
    is published for ARM alone. What runs on both has both among its `tags` (of TAGS).
    """

    name: str
    platform: str
    os_type: str
    os_bit: str
    architecture: str
    tags: frozenset[str]


def _read(platform: str, entry: str) -> OsVersion:
    name = entry.rstrip("".join(_MARKS))
    return OsVersion(
        name=name,
        platform=platform,
        # Also of "Other(32 bit)", in the published example: no name has the type Other.
        os_type="Windows" if "Windows" in name else "Linux",
        # CoreOS states none; it was never made for 32.
        os_bit="32" if name.endswith(("32bit", "(32 bit)")) else "64",
        architecture="x86",
        tags=frozenset({"x86", *(_MARKS[mark] for mark in entry[len(name) :])}),
    )


#: By name; those of a platform follow each other.
OS_VERSIONS: dict[str, OsVersion] = {
    version.name: version
    for platform, text in _NAMES.items()
    for version in (_read(platform, entry.strip()) for entry in text.split(",") if entry.strip())
}


def find_os_version(name: str) -> OsVersion | None:
    return OS_VERSIONS.get(name)


def select(tags: Collection[str]) -> list[OsVersion]:
    """The versions that go with all of `tags`, hence all for no tags and none for one outside TAGS."""
    return [version for version in OS_VERSIONS.values() if version.tags.issuperset(tags)]
