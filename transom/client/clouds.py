"""Which account, at which service: `clouds.yaml` and `OS_…` variables, as OpenStack's own clients read them.

Source: openstacksdk, "Configuring OpenStack SDK Applications". Of it: the files and where they are looked
for, `secure.yaml` beside them, `auth_type` with any plugin of keystoneauth1, TLS, region, interface and an
address of the image service. Not of it: profiles of vendors.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from keystoneauth1 import exceptions, loading
from keystoneauth1.session import Session

from transom.client.service import Service

_FOLDERS = ("~/.config/openstack", "/etc/openstack")
#: Of the plugin `password`, which takes what an entry has of these.
_DEFAULT_PLUGIN = "password"
#: What an entry has beside `auth`. YAML takes `5` for a number and `2026-11-29` for a date.
_TEXTS = ("auth_type", "region_name", "interface", "image_endpoint_override", "cacert", "cert", "key")
_ADDRESSES = frozenset({"auth_url", "endpoint", "image_endpoint_override"})


class CloudError(Exception):
    """What is configured cannot be used; the text says why."""


def connect(cloud: str | None, environ: Mapping[str, str] | None = None) -> Service:
    """The service that the entry `cloud` of clouds.yaml names; None: the one of `OS_CLOUD`, else what the
    `OS_…` variables say. Nothing is asked before the first request. CloudError."""
    environ = os.environ if environ is None else environ
    name = cloud or environ.get("OS_CLOUD")
    entry = read_cloud(name, environ) if name else read_environ(environ)
    if not entry.get("auth"):
        raise CloudError("No account is named: use --cloud, OS_CLOUD or the OS_… variables.")
    for one in _TEXTS:
        _require_text(one, entry.get(one))
    session = Session(auth=_load_plugin(entry), **_tls_of(entry))
    return Service(
        session,
        endpoint=entry.get("image_endpoint_override"),
        region=entry.get("region_name"),
        interface=entry.get("interface") or "public",
    )


def read_cloud(name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The entry of clouds.yaml, with what secure.yaml adds. CloudError when there is none."""
    path = find_file("clouds", environ)
    if path is None:
        raise CloudError("There is no clouds.yaml: name one with OS_CLIENT_CONFIG_FILE.")
    clouds = _read_clouds(path)
    if name not in clouds:
        raise CloudError(f"{path} has no cloud {name!r}; it has {', '.join(sorted(clouds)) or 'none'}.")
    secure = find_file("secure", environ)
    added = _read_clouds(secure).get(name, {}) if secure is not None else {}
    return _merge(clouds[name], added)


def find_file(kind: str, environ: Mapping[str, str]) -> Path | None:
    """`kind`: "clouds" or "secure"."""
    variable = {"clouds": "OS_CLIENT_CONFIG_FILE", "secure": "OS_CLIENT_SECURE_FILE"}[kind]
    if environ.get(variable):
        return Path(os.path.expanduser(environ[variable]))  # noqa: PTH111 (a home that is unknown is no error)
    for folder in (".", *map(os.path.expanduser, _FOLDERS)):
        for ending in ("yaml", "yml"):
            path = Path(folder) / f"{kind}.{ending}"
            if path.is_file():
                return path
    return None


def _read_clouds(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise CloudError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise CloudError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    clouds = document.get("clouds") if isinstance(document, dict) else None
    if not isinstance(clouds, dict) or not all(isinstance(entry, dict) for entry in clouds.values()):
        raise CloudError(f"{path} has no `clouds` with an entry for each cloud.")
    for name, entry in clouds.items():
        if not isinstance(entry.get("auth") or {}, dict):
            raise CloudError(f"{path}: the `auth` of cloud {name!r} is no mapping.")
    return {str(name): entry for name, entry in clouds.items()}


def _merge(entry: dict[str, Any], added: dict[str, Any]) -> dict[str, Any]:
    merged = dict(entry)
    for name, value in added.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def read_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    """The same as an entry, of `OS_AUTH_URL`, `OS_USERNAME` and the like."""
    given = {name[3:].lower(): value for name, value in environ.items() if name.startswith("OS_") and value}
    entry: dict[str, Any] = {name: given.pop(name) for name in _TEXTS if name in given}
    if given.get("auth_url") or given.get("endpoint"):
        entry["auth"] = given
    return entry


def _load_plugin(entry: Mapping[str, Any]) -> Any:
    auth = dict(entry["auth"])
    try:
        loader: Any = loading.get_plugin_loader(entry.get("auth_type") or _DEFAULT_PLUGIN)
        # What the plugin does not know is for other clients, as in openstacksdk.
        known = {option.dest for option in loader.get_options()}
        taken = {name: auth[name] for name in auth if name in known}
        for name, value in taken.items():
            # Lists are for plugins that log in by several methods.
            if name in _ADDRESSES or not isinstance(value, list):
                _require_text(name, value)
        return loader.load_from_options(**taken)
    except (exceptions.ClientException, TypeError, ValueError) as error:
        raise CloudError(f"The account cannot be used: {error}") from None


def _require_text(name: str, value: Any) -> None:
    """CloudError unless it is a text, or left out; an address has to be one."""
    if value is not None and not isinstance(value, str | bool):
        raise CloudError(f"{name} is no text: put it in quotes.")
    if value and name in _ADDRESSES:
        try:
            parts = urlsplit(str(value))
            is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address:
            raise CloudError(f"{name} is {value!r}, not an address like https://cloud.example.org:5000/v3.")


def _tls_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    verify: Any = entry.get("verify", True)
    if entry.get("insecure"):
        verify = False
    elif verify and entry.get("cacert"):
        verify = str(entry["cacert"])
    cert = entry.get("cert")
    return {"verify": verify, "cert": (cert, entry["key"]) if cert and entry.get("key") else cert}
