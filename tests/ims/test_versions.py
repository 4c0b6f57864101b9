"""Versions of the API and the operating systems that images may name (ims-api, 1.8 I17 and 1.11)."""

from typing import Any

import pytest
from harness.service import Service
from image_calls import create_image
from sharing_calls import message_of, refusal

OS_VERSIONS = "/v1/cloudimages/os_version"

VERSIONS = [
    ("v2", "v2.18", "CURRENT", "/v2/"),
    ("v2.18", "v2.18", "CURRENT", "/v2/"),
    ("v2.0", "v2.0", "SUPPORTED", "/v2/"),
    ("v2.2", "v2.2", "SUPPORTED", "/v2/"),
    ("v1", "v1.0", "DEPRECATED", "/v1/"),
    ("v1.1", "v1.1", "DEPRECATED", "/v1/"),
]


@pytest.mark.parametrize(("name", "version", "status", "path"), VERSIONS)
def test_a_version_is_told_alone(service: Service, name: str, version: str, status: str, path: str) -> None:
    response = service.client("publisher").get(f"/ims/{name}")

    links = [{"rel": "self", "href": f"{service.url}/ims{path}"}]
    assert response.status_code == 300
    assert response.json() == {"versions": [{"id": version, "status": status, "links": links}]}


@pytest.mark.parametrize("path", ["/v1", "/ims/v2"])
def test_a_version_is_told_to_known_callers_only(service: Service, path: str) -> None:
    assert refusal(service.client(None).get(path)) == (401, "IMG.0087")


def test_openstack_clients_are_still_sent_to_the_root(service: Service) -> None:
    assert service.client("publisher").get("/v2").status_code == 302


# ---- operating systems


def list_os_versions(service: Service, query: str = "") -> list[dict[str, Any]]:
    response = service.client("publisher").get(f"{OS_VERSIONS}{query}")
    assert response.status_code == 200, response.text
    return list(response.json())


def test_the_operating_systems_are_listed_by_platform(service: Service) -> None:
    listed = list_os_versions(service)

    platforms = [entry["platform"] for entry in listed]
    assert len(platforms) == len(set(platforms))
    assert {"Windows", "Ubuntu", "CentOS", "EulerOS", "Other"} <= set(platforms)
    for entry in listed:
        assert {version["platform"] for version in entry["version_list"]} == {entry["platform"]}


def test_an_operating_system_is_told_in_full(service: Service) -> None:
    (ubuntu,) = [entry for entry in list_os_versions(service) if entry["platform"] == "Ubuntu"]

    assert {
        "platform": "Ubuntu",
        "os_version_key": "Ubuntu 22.04 server 64bit",
        "os_version": "Ubuntu 22.04 server 64bit",
        "os_bit": 64,
        "os_type": "Linux",
    } in ubuntu["version_list"]


def test_every_listed_operating_system_can_be_given_to_an_image(service: Service) -> None:
    for entry in list_os_versions(service):
        version = entry["version_list"][0]

        image = create_image(service, __os_version=version["os_version_key"])

        assert (image["__platform"], image["__os_type"]) == (version["platform"], version["os_type"])


def test_tags_narrow_the_list_together(service: Service) -> None:
    def names(query: str) -> set[str]:
        return {
            version["os_version"]
            for entry in list_os_versions(service, query)
            for version in entry["version_list"]
        }

    assert names("?tag=x86") == names("")
    assert names("?tag=bms&tag=uefi") == names("?tag=bms") & names("?tag=uefi")
    assert set() < names("?tag=bms&tag=uefi") < names("?tag=bms")


def test_an_unknown_tag_is_refused(service: Service) -> None:
    response = service.client("publisher").get(f"{OS_VERSIONS}?tag=sparc")

    assert refusal(response) == (400, "IMG.0017")
    assert "sparc" in message_of(response)
