"""Huawei Cloud's own SDK asks what the service is: its quota, versions, operating systems and schemas."""

from typing import Any

import pytest
from harness.service import Service
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    GlanceListImageMemberSchemasRequest,
    GlanceListImageSchemasRequest,
    GlanceShowImageMemberSchemasRequest,
    GlanceShowImageSchemasRequest,
    ListOsVersionsRequest,
    ListVersionsRequest,
    ShowImageQuotaRequest,
    ShowVersionRequest,
)
from sdk_calls import make_sdk_client, refused, unfilled
from test_versions import VERSIONS


def test_the_quota_is_told_in_full(service: Service) -> None:
    answer = make_sdk_client(service, "publisher").show_image_quota(ShowImageQuotaRequest())

    found = {resource.type: resource for resource in answer.quotas.resources}
    assert unfilled(answer) == set()
    assert found.keys() == {"image", "image_shared", "image_member"}
    assert {
        type(getattr(one, name)) for one in found.values() for name in ("used", "quota", "min", "max")
    } == {int}


@pytest.mark.parametrize(("name", "version", "status", "path"), VERSIONS)
def test_a_version_is_shown(service: Service, name: str, version: str, status: str, path: str) -> None:
    answer = make_sdk_client(service, "publisher").show_version(ShowVersionRequest(version=name))

    (found,) = answer.versions
    assert (found.id, found.status) == (version, status)
    assert [(link.rel, link.href) for link in found.links] == [("self", f"{service.url}{path}")]


def test_the_versions_are_listed(service: Service) -> None:
    answer = make_sdk_client(service, "publisher").list_versions(ListVersionsRequest())

    assert unfilled(answer) == set()
    assert [version.status for version in answer.versions].count("CURRENT") == 1
    assert "v2.2" in {version.id for version in answer.versions}
    assert all(link.href == f"{service.url}/v2/" for one in answer.versions for link in one.links)


def test_the_operating_systems_are_listed(service: Service) -> None:
    answer = make_sdk_client(service, "publisher").list_os_versions(ListOsVersionsRequest(tag="arm"))

    (platform,) = [entry for entry in answer.body if entry.platform == "Ubuntu"]
    versions = {version.os_version: version for version in platform.version_list}
    version = versions["Ubuntu 18.04 server 64bit"]
    assert unfilled(answer) == set()
    assert (version.platform, version.os_type, version.os_bit) == ("Ubuntu", "Linux", 64)
    assert version.os_version == version.os_version_key
    assert "Ubuntu 16.04 server 64bit" not in versions


def test_an_unknown_kind_of_operating_systems_is_refused(service: Service) -> None:
    client = make_sdk_client(service, "publisher")

    assert refused(client.list_os_versions, ListOsVersionsRequest(tag="sparc")) == (400, "IMG.0017")


@pytest.mark.parametrize(
    ("call", "request_type", "name"),
    [
        ("glance_show_image_member_schemas", GlanceShowImageMemberSchemasRequest, "member"),
        ("glance_list_image_member_schemas", GlanceListImageMemberSchemasRequest, "members"),
        ("glance_show_image_schemas", GlanceShowImageSchemasRequest, "image"),
        ("glance_list_image_schemas", GlanceListImageSchemasRequest, "images"),
    ],
)
def test_the_schemas_are_told_in_full(service: Service, call: str, request_type: Any, name: str) -> None:
    schema = getattr(make_sdk_client(service, "publisher"), call)(request_type())

    assert schema.name == name
    assert unfilled(schema) == set()
