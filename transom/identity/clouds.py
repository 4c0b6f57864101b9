"""DATA/clouds.yaml: the first accounts in the form that OpenStack's own clients are configured with.

The service writes it at the first start and keeps its addresses right; it never reads a password from it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from transom.disk import open_file
from transom.identity.durable import lock_folder, replace_file

_HEADER = """\
# The accounts that the first start made. To use one of them:
#   OS_CLIENT_CONFIG_FILE=clouds.yaml openstack --os-cloud publisher image list
"""


class Cloud(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `access` and `secret` are the key pair for signed requests."""

    auth_url: str
    region: str
    username: str
    password: str
    project_name: str
    project_id: str
    access: str
    secret: str


def render_cloud(cloud: Cloud) -> dict[str, Any]:
    """The entry as clouds.yaml has it; OpenStack's clients pass over `ak` and `sk`."""
    return {
        "auth": {
            "auth_url": cloud.auth_url,
            "username": cloud.username,
            "password": cloud.password,
            "project_name": cloud.project_name,
            "project_id": cloud.project_id,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        "region_name": cloud.region,
        "identity_api_version": "3",
        "ak": cloud.access,
        "sk": cloud.secret,
    }


def write_clouds(data_dir: Path, clouds: Mapping[str, Cloud]) -> None:
    """The caller holds the lock of the identity folder."""
    _write(data_dir, {"clouds": {name: render_cloud(cloud) for name, cloud in clouds.items()}})


def refresh_clouds(data_dir: Path, auth_url: str, region: str) -> bool:
    """Give the service's own entries the address it serves at now; passwords and all else are kept.

    Returns whether the file was written. A file that is missing or not in our form is left alone: it is for
    people, and the service does not need it.
    """
    with lock_folder(data_dir / "identity"):
        document = _read(data_dir)
        stale = [entry for entry in _own_entries(document) if _is_stale(entry, auth_url, region)]
        for entry in stale:
            entry["auth"]["auth_url"] = auth_url
            entry["region_name"] = region
        if stale:
            _write(data_dir, document)
    return bool(stale)


def holds_access_key(data_dir: Path, access: str) -> bool:
    """Whether an entry of the file has this access key."""
    return any(entry["ak"] == access for entry in _read_own_entries(data_dir))


def names_user(data_dir: Path, name: str) -> bool:
    """Whether an entry of the file is for this user."""
    return any(entry["auth"].get("username") == name for entry in _read_own_entries(data_dir))


def _read_own_entries(data_dir: Path) -> list[dict[str, Any]]:
    return _own_entries(_read(data_dir))


def _read(data_dir: Path) -> Any:
    """What the file says; None of one that is missing or cannot be understood."""
    try:
        with open(open_file(data_dir / "clouds.yaml"), "rb") as file:  # noqa: PTH123 (a descriptor)
            return yaml.safe_load(file)
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return None


def _own_entries(document: Any) -> list[dict[str, Any]]:
    """Those with a key pair of ours: people may have put other clouds beside them."""
    clouds = document.get("clouds") if isinstance(document, dict) else None
    entries = clouds.values() if isinstance(clouds, dict) else ()
    return [
        entry
        for entry in entries
        if isinstance(entry, dict) and "ak" in entry and isinstance(entry.get("auth"), dict)
    ]


def _is_stale(entry: dict[str, Any], auth_url: str, region: str) -> bool:
    return (entry["auth"].get("auth_url"), entry.get("region_name")) != (auth_url, region)


def _write(data_dir: Path, document: dict[str, Any]) -> None:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    replace_file(data_dir / "clouds.yaml", (_HEADER + text).encode())
