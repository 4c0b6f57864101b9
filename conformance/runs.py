"""The two runs. In the strict one everything is switched on; the lenient one has what contradicts that.

Tempest has tests for both sides of two settings: a test that one run must skip is in the other.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from conformance.tempest import SUITES, WAIT_TIMEOUT_S


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """region: of the catalog; its image service is tested. The three facts hold for that service, and
    Tempest is told of them. include: how the names of its tests begin, a regular expression."""

    name: str
    region: str
    is_format_enforced: bool
    is_location_hashed: bool
    has_remote: bool
    include: str


STRICT = Run(
    name="strict",
    region="RegionOne",
    is_format_enforced=True,
    is_location_hashed=True,
    has_remote=True,
    include=SUITES,
)
LENIENT = Run(
    name="lenient",
    region="RegionTwo",
    is_format_enforced=False,
    is_location_hashed=False,
    has_remote=False,
    include=rf"{SUITES}.*\.(ListUserImagesTest|LocationImportTest|MultistoreLocationImportTest)\.",
)
RUNS = (STRICT, LENIENT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloud:
    """Where Tempest finds Keystone and the files that it lets the image service fetch.

    identity_url: ends with /v3; identity_region: the region it is listed in.
    """

    identity_url: str
    identity_region: str
    admin_name: str
    admin_password: str
    admin_project: str
    files_url: str


def make_options(run: Run, cloud: Cloud) -> dict[str, dict[str, str]]:
    """Tempest's configuration, by section."""
    options: Mapping[str, Mapping[str, Any]] = {
        "auth": {
            "use_dynamic_credentials": True,
            "create_isolated_networks": False,
            "admin_username": cloud.admin_name,
            "admin_password": cloud.admin_password,
            "admin_project_name": cloud.admin_project,
            "admin_domain_name": "Default",
        },
        "identity": {
            "auth_version": "v3",
            "uri_v3": cloud.identity_url,
            "region": cloud.identity_region,
            "v3_endpoint_type": "public",
        },
        "service_available": {
            "glance": True,
            **dict.fromkeys(("nova", "cinder", "neutron", "swift", "horizon"), False),
        },
        "enforce_scope": {"glance": True},
        "glance_api": {"system_scope_supported": False},
        "image": {
            "region": run.region,
            "endpoint_type": "public",
            "image_caching_enabled": True,
            "http_image": f"{cloud.files_url}/blob.bin",
            "http_qcow2_image": f"{cloud.files_url}/disk.qcow2",
            "build_timeout": WAIT_TIMEOUT_S,
            "disk_formats": "qcow2,raw,ami,ari,aki,vhd,vmdk,vdi,iso,vhdx",
            **({"alternate_image_endpoint": "image_remote"} if run.has_remote else {}),
        },
        "image-feature-enabled": {
            "import_image": True,
            "os_glance_reserved": True,
            "manage_locations": True,
            "http_store_enabled": True,
            "store_weight_enabled": True,
            "do_secure_hash": run.is_location_hashed,
            "image_conversion": False,
            "image_format_enforcement": run.is_format_enforced,
        },
    }
    return {
        section: {name: str(value) for name, value in values.items()} for section, values in options.items()
    }
