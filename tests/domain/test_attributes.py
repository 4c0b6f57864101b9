"""Attributes of the IMS API: which are derived, which may be set, to which values (ims-api, 1.6 and 1.7)."""

from typing import Any

import pytest
from hypothesis import given

from transom.domain import attributes
from transom.domain.attributes import (
    DERIVED,
    OS_FACTS,
    SWITCHES,
    derived_attributes,
    extension_rules,
    make_check,
    native_rules,
    replace_or_add,
    shown_status,
    shown_visibility,
    statuses_shown_as,
)
from transom.domain.errors import ForbiddenError, InvalidError, LimitExceededError, Reason, TransomError
from transom.domain.fields import STATUSES
from transom.domain.model import Image, Visibility
from transom.domain.os_versions import BUILT_IN
from transom.domain.patch import Operation, parse_operations

from .samples import image, json_values, short_texts

NATIVE, EXTENSION, check_value = native_rules(BUILT_IN), extension_rules(BUILT_IN), make_check(BUILT_IN)

UBUNTU = {"__os_version": "Ubuntu 22.04 server 64bit"}
UBUNTU_FACTS = {"__os_bit": "64", "__os_type": "Linux", "__platform": "Ubuntu"}


def complete(given: dict[str, Any]) -> dict[str, Any]:
    return attributes.complete(given, BUILT_IN)


def follow_os_version(old: Image, new: Image) -> Image:
    return attributes.follow_os_version(old, new, BUILT_IN)


REFUSED_VALUES = [
    ("name", "", Reason.NAME_MISSING),
    ("name", None, Reason.NAME_MISSING),
    ("name", "x" * 129, Reason.NAME_TOO_LONG),
    ("name", " web", Reason.NAME_MALFORMED),
    ("name", "web ", Reason.NAME_MALFORMED),
    ("name", " ", Reason.NAME_MALFORMED),
    ("name", "a/b", Reason.NAME_MALFORMED),
    ("name", "a\nb", Reason.NAME_MALFORMED),
    ("name", "a\n", Reason.NAME_MALFORMED),
    ("name", "a\u00a0b", Reason.NAME_MALFORMED),
    ("name", 7, None),
    ("__description", "x" * 1025, Reason.DESCRIPTION_TOO_LONG),
    ("__description", "a\rb", Reason.DESCRIPTION_MALFORMED),
    ("__description", "a\nb", Reason.DESCRIPTION_MALFORMED),
    ("__description", "<b", Reason.DESCRIPTION_MALFORMED),
    ("__description", "a>", Reason.DESCRIPTION_MALFORMED),
    ("min_disk", 1025, Reason.SIZE_INVALID),
    ("min_disk", -1, Reason.SIZE_INVALID),
    ("min_disk", "1025", Reason.SIZE_INVALID),
    ("min_disk", "-1", None),
    ("min_disk", "many", None),
    ("min_disk", True, None),
    ("min_ram", -1, Reason.SIZE_INVALID),
    ("min_ram", 2**31, Reason.SIZE_INVALID),
    ("max_ram", "-1", Reason.SIZE_INVALID),
    ("max_ram", "2 GB", Reason.SIZE_INVALID),
    ("max_ram", 1.5, None),
    ("max_ram", 2**63, None),
    ("hw_firmware_type", "efi", Reason.FIRMWARE_INVALID),
    ("hw_firmware_type", "", Reason.FIRMWARE_INVALID),
    ("architecture", "x86_64", Reason.ARCHITECTURE_INVALID),
    ("__os_version", "Ubuntu", Reason.OS_VERSION_INVALID),
    ("__os_version", "", Reason.OS_VERSION_INVALID),
    ("__os_version", 22, Reason.OS_VERSION_INVALID),
    ("virtual_env_type", "Xen", None),
    ("visibility", "public", None),
    ("visibility", "shared", None),
    ("__support_kvm", "yes", None),
    ("__support_xen", 1, None),
    ("__whole_image", "maybe", None),
    ("hw_vif_multiqueue_enabled", "", None),
    ("protected", "yes", None),
    ("tags", [""], Reason.TAG_INVALID),
    ("tags", ["x" * 256], None),
    ("disk_format", "zvhd3", None),
    ("container_format", "zip", None),
    ("anything", ["a"], None),
    ("anything", {"a": 1}, None),
    ("anything", None, None),
]

KEPT_VALUES = [
    ("name", "x" * 128, "x" * 128),
    ("name", "web-1._a b", "web-1._a b"),
    ("name", "Überß 镜像", "Überß 镜像"),
    ("__description", "x" * 1024, "x" * 1024),
    ("__description", "", ""),
    ("min_disk", 0, 0),
    ("min_disk", 1024, 1024),
    ("min_disk", "40", 40),
    ("min_ram", "2048", 2048),
    ("min_ram", 2**31 - 1, 2**31 - 1),
    ("max_ram", 4096, "4096"),
    ("max_ram", "4096", "4096"),
    ("max_ram", "", ""),
    ("hw_firmware_type", "uefi", "uefi"),
    ("architecture", "arm", "arm"),
    ("virtual_env_type", "Ironic", "Ironic"),
    ("visibility", "private", "private"),
    ("__support_kvm", True, "true"),
    ("__support_kvm", "True", "true"),
    ("__whole_image", False, "false"),
    ("__support_kvm_gpu_type", "V100", "V100"),
    ("__support_agent_list", "hss,ces", "hss,ces"),
    ("protected", "True", True),
    ("protected", "false", False),
    ("protected", True, True),
    ("tags", ["b", "a=1"], ("a=1", "b")),
    ("disk_format", "zvhd2", "zvhd2"),
    ("disk_format", "qcow2", "qcow2"),
    ("disk_format", None, None),
    ("anything", 7, "7"),
    ("anything", "Seven", "Seven"),
    ("__sequence_num", 0, "0"),
]


@pytest.mark.parametrize(("name", "value", "reason"), REFUSED_VALUES)
def test_a_value_that_the_attribute_cannot_have_is_refused_by_name(
    name: str, value: object, reason: Reason | None
) -> None:
    with pytest.raises(InvalidError, match=name) as refusal:
        check_value(name, value)

    assert refusal.value.reason == reason


@pytest.mark.parametrize(("name", "value", "kept"), KEPT_VALUES)
def test_a_value_is_kept_in_the_attributes_own_type(name: str, value: object, kept: object) -> None:
    found = check_value(name, value)

    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize("name", sorted(version.name for version in BUILT_IN))
def test_every_listed_operating_system_may_be_named(name: str) -> None:
    assert check_value("__os_version", name) == name


def test_an_image_has_ten_tags_at_most() -> None:
    check_value("tags", [str(n) for n in range(10)])

    with pytest.raises(LimitExceededError) as refusal:
        check_value("tags", [str(n) for n in range(11)])

    assert refusal.value.reason is Reason.TAGS_FULL


@given(short_texts, json_values)
def test_whatever_the_value_it_is_kept_or_refused(name: str, value: Any) -> None:
    try:
        kept = check_value(name, value)
    except TransomError:
        return
    assert isinstance(kept, str | int | bool | tuple | list | None)


# ---- new images


def test_a_new_image_has_the_defaults() -> None:
    assert complete({}) == {
        "visibility": "private",
        "container_format": "bare",
        "disk_format": "zvhd2",
        "virtual_env_type": "FusionCompute",
        "__support_kvm": "true",
        "__is_config_init": "false",
        "__root_origin": "file",
        "enterprise_project_id": "0",
        "__os_version": "Other Linux(64 bit)",
        "__os_bit": "64",
        "__os_type": "Linux",
        "__platform": "Other",
    }


def test_what_is_given_wins_over_the_defaults() -> None:
    chosen = {"disk_format": "raw", "virtual_env_type": "Ironic", "__support_kvm": "false", "name": "n"}

    assert complete(chosen).items() >= chosen.items()


def test_null_counts_as_absent() -> None:
    assert complete({"disk_format": None, "name": None}) == complete({})


def test_an_iso_is_an_iso_image() -> None:
    assert complete({"disk_format": "iso"})["virtual_env_type"] == "IsoImage"


@pytest.mark.parametrize("name", sorted(DERIVED))
def test_what_is_derived_is_left_aside(name: str) -> None:
    assert complete({name: "gold"}) == complete({})


@pytest.mark.parametrize("fact", sorted(OS_FACTS))
def test_the_operating_system_fixes_what_follows_from_it(fact: str) -> None:
    completed = complete({**UBUNTU, fact: "else"})

    assert completed.items() >= UBUNTU_FACTS.items()


@pytest.mark.parametrize("version", ["unknown", 7, [], {}])
def test_a_version_that_is_none_is_left_to_be_refused(version: object) -> None:
    assert complete({"__os_version": version})["__os_version"] == version


# ---- changes


@pytest.mark.parametrize(
    "name", ["visibility", "id", "status", "size", "location", *sorted(DERIVED), *OS_FACTS]
)
def test_what_is_worked_out_or_shared_cannot_be_changed(name: str) -> None:
    for rules in (NATIVE, EXTENSION):
        with pytest.raises(ForbiddenError, match=name) as refusal:
            rules.check_name(name)
        assert refusal.value.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    "name", ["owner", "tags", "min_disk", "os_hidden", "disk_format", "architecture", "__system__cmkid"]
)
def test_the_native_update_changes_more_than_the_extensions(name: str) -> None:
    NATIVE.check_name(name)
    with pytest.raises(ForbiddenError, match=name) as refusal:
        EXTENSION.check_name(name)

    assert refusal.value.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    "name",
    [
        *("name", "min_ram", "protected", "max_ram", "__description", "__os_version", "__is_config_init"),
        *("enterprise_project_id", "hw_vif_multiqueue_enabled", "hw_firmware_type", "__support_kvm"),
        *("__support_fc_inject", "free", "free_2", "__free"),
    ],
)
def test_the_extension_changes_what_is_documented_and_free_attributes(name: str) -> None:
    EXTENSION.check_name(name)


def test_a_free_attribute_has_no_capital_letters() -> None:
    with pytest.raises(InvalidError, match="capital"):
        EXTENSION.check_name("Free")


def test_a_path_is_judged_before_its_value() -> None:
    body = [{"op": "replace", "path": "/visibility", "value": "public"}]

    with pytest.raises(ForbiddenError, match="read-only"):
        parse_operations(body, old_form=False, rules=NATIVE)


def test_the_extensions_replace_makes_what_is_not_there() -> None:
    operations = [Operation("replace", "a", "1"), Operation("remove", "b")]

    assert replace_or_add(operations) == [Operation("add", "a", "1"), Operation("remove", "b")]


def test_a_new_operating_system_brings_what_it_fixes() -> None:
    old = image(properties={"__os_version": "Other Linux(64 bit)", "__platform": "Other", "a": "b"})
    new = image(properties={**old.properties, **UBUNTU})

    assert follow_os_version(old, new).properties == {**UBUNTU, **UBUNTU_FACTS, "a": "b"}


def test_without_an_operating_system_nothing_follows_from_it() -> None:
    old = image(properties={**UBUNTU, **UBUNTU_FACTS, "a": "b"})
    new = image(properties={**UBUNTU_FACTS, "a": "b"})

    assert follow_os_version(old, new).properties == {"a": "b"}


def test_what_openstack_clients_wrote_stays_while_the_version_does() -> None:
    old = image(properties={"__os_type": "BeOS"})

    assert follow_os_version(old, old) is old


# ---- the view


@pytest.mark.parametrize(
    ("visibility", "has_recipients", "shown", "kind"),
    [
        (Visibility.PRIVATE, False, "private", "private"),
        (Visibility.SHARED, False, "private", "private"),
        (Visibility.SHARED, True, "shared", "shared"),
        (Visibility.COMMUNITY, False, "community", "gold"),
        (Visibility.PUBLIC, False, "public", "gold"),
    ],
)
def test_an_image_is_shared_when_it_has_recipients(
    visibility: Visibility, has_recipients: bool, shown: str, kind: str
) -> None:
    seen = image(visibility=visibility)

    assert shown_visibility(seen, has_recipients) == shown
    assert derived_attributes(seen, shown)["__imagetype"] == kind


def test_the_size_is_derived_once_it_is_known() -> None:
    assert "__image_size" not in derived_attributes(image(), "private")
    assert derived_attributes(image(size=7), "private")["__image_size"] == "7"


@pytest.mark.parametrize(
    ("properties", "architecture"),
    [
        ({}, "x86"),
        ({"__support_arm": "false"}, "x86"),
        ({"__support_arm": "true"}, "arm"),
        ({"__support_arm": "True"}, "arm"),
        ({"__support_arm": "TRUE"}, "arm"),
        ({"__support_arm": "maybe"}, "x86"),
    ],
)
def test_the_architecture_is_derived_where_the_image_states_none(
    properties: dict[str, str], architecture: str
) -> None:
    assert derived_attributes(image(properties=properties), "private")["architecture"] == architecture


def test_a_stated_architecture_is_none_of_what_is_derived() -> None:
    stated = image(properties={"architecture": "x86_64", "__support_arm": "true"})

    assert "architecture" not in derived_attributes(stated, "private")


@pytest.mark.parametrize("name", sorted(SWITCHES))
@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (True, "true"),
        ("true", "true"),
        ("True", "true"),
        ("TRUE", "true"),
        (False, "false"),
        ("False", "false"),
    ],
)
def test_a_switch_is_kept_in_one_spelling(name: str, written: str | bool, kept: str) -> None:
    assert check_value(name, written) == kept


@pytest.mark.parametrize("status", ["saving", "uploading", "importing"])
def test_data_that_comes_in_is_being_saved_however_it_comes(status: str) -> None:
    assert shown_status(status) == "saving"


@pytest.mark.parametrize("asked", STATUSES)
def test_a_status_stands_for_those_that_are_shown_as_it(asked: str) -> None:
    assert set(statuses_shown_as(asked)) == {status for status in STATUSES if shown_status(status) == asked}


@pytest.mark.parametrize("status", ["queued", "active", "deactivated"])
def test_every_other_status_is_shown_as_it_is(status: str) -> None:
    assert shown_status(status) == status
