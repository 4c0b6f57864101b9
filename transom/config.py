"""One frozen tree of settings, read once: `transom.toml`, then `TRANSOM_*`, then flags (the last one wins).

Every setting is a field below with its default, its unit and its help text. A key nobody knows is an error,
so that a misspelt setting never silently does nothing. Settings hold text as given; what they point to is
opened elsewhere.
"""

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from transom.domain.outbound import OutboundRules, normalize_host
from transom.domain.stores import StoreInfo, StoreKind, parse_stores

ENV_PREFIX = "TRANSOM_"
#: The store there is when the settings name none.
_LOCAL = "local"
#: Settings file in the working directory; TRANSOM_CONFIG or --config name another.
DEFAULT_FILE = "transom.toml"


class SettingsError(Exception):
    """A setting is unknown or has a value it cannot have. The text names it."""


def _setting(default: Any, help: str) -> Any:  # noqa: A002 (the word argparse and click use)
    return field(default=default, metadata=MappingProxyType({"help": help}))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. `TRANSOM_LISTEN` is the environment's spelling of `listen`, and so on."""

    listen: str = _setting("127.0.0.1:9292", "Address and port to serve on (host:port).")
    database: str = _setting(
        "", "Database URL: sqlite:///path or postgresql://…; empty: sqlite below data_dir."
    )
    data_dir: str = _setting("data", "Folder of the embedded database, the image store and the accounts.")
    workers: int = _setting(1, "Worker processes.")
    stores: str = _setting(
        "",
        "Stores for image data, comma separated: id=file:///folder?weight=100, id=s3://bucket/prefix; "
        "empty: one, `local`, below data_dir.",
    )
    default_store: str = _setting(
        "",
        "Store that takes data when the client names none; empty: the first that can be written.",
    )
    s3_access_key: str = _setting(
        "", "Access key of the S3 stores; empty: AWS_ACCESS_KEY_ID, or what the machine's own role gives."
    )
    s3_secret_key: str = _setting(
        "", "Secret key of the S3 stores, better given in the environment; empty: AWS_SECRET_ACCESS_KEY."
    )
    cache_size_bytes: int = _setting(
        10 << 30, "Most bytes that copies of remote images may take on this machine's disk; 0: no cache."
    )
    cache_dir: str = _setting("", "Folder of these copies, on a local disk; empty: `cache` below data_dir.")
    show_image_direct_url: bool = _setting(
        False, "Show the URL of an image's data in its store, as direct_url, to whoever sees the image."
    )
    identity: str = _setting(
        "builtin", "Who says who the caller is: builtin (accounts of its own) or keystone."
    )
    keystone_auth_url: str = _setting("", "Keystone's URL, as clients reach it too (http(s)://…/v3).")
    keystone_username: str = _setting("", "Account with which the service speaks to Keystone.")
    keystone_password: str = _setting("", "Its password.")
    keystone_project_name: str = _setting("service", "Project in which it has the role service.")
    keystone_user_domain: str = _setting("default", "Id of its domain.")
    keystone_project_domain: str = _setting("default", "Id of the domain of its project.")
    keystone_cache_s: int = _setting(
        300, "How long an answer of Keystone is good, and a revoked token may still pass, seconds; 0: once."
    )
    keystone_cafile: str = _setting(
        "", "Certificates (PEM) to check Keystone's by; empty: those of the system."
    )
    use_keystone_limits: bool = _setting(
        False,
        "Limit projects by Keystone's unified limits, in the place of the two quotas of projects below.",
    )
    keystone_limits_service: str = _setting(
        "image", "The service these limits are registered for: its id, name or type in Keystone."
    )
    keystone_limits_cache_s: int = _setting(
        0, "How long a limit that Keystone told is good, seconds; 0: for one request, as in Glance."
    )
    policy_file: str = _setting(
        "", "Policy file with rules that replace those of the code (YAML); empty: none."
    )
    property_protection_file: str = _setting(
        "", "File that says who may do what with which properties of images (INI); empty: none."
    )
    property_protection_rule_format: str = _setting(
        "roles", "What the property protection file names: roles or policies."
    )
    public_endpoint: str = _setting(
        "", "URL that clients reach the service by; empty: as in the request's Host header."
    )
    region: str = _setting(
        "RegionOne", "Region name in the built-in catalog and in clouds.yaml, and of limits."
    )
    migrate_on_start: bool = _setting(True, "Bring the database's schema up to date when serving starts.")
    database_pool: int = _setting(10, "PostgreSQL connections a worker may hold.")
    log_level: str = _setting("info", "debug, info, warning or error.")
    access_log: bool = _setting(True, "Write one log line for each request.")
    metrics: bool = _setting(True, "Count requests and serve the counts at /metrics.")
    stop_timeout_s: int = _setting(3600, "Longest that requests in flight may go on after a stop was asked.")
    token_lifetime_s: int = _setting(86400, "Life of a token of the built-in identity.")
    limit_param_default: int = _setting(25, "Images in a page of a list when the request sets no limit.")
    api_limit_max: int = _setting(1000, "Most images in a page of a list.")
    image_size_cap: int = _setting(1 << 40, "Largest image data, bytes.")
    image_count_quota: int = _setting(-1, "Images a project may own; negative: no limit.")
    image_member_quota: int = _setting(128, "Members an image may have; negative: no limit.")
    image_property_quota: int = _setting(128, "Properties an image may have; negative: no limit.")
    image_metadata_limit: int = _setting(65536, "Largest sum of an image's properties, bytes.")
    image_tag_quota: int = _setting(128, "Tags an image may have; negative: no limit.")
    ims_member_quota: int = _setting(
        256, "Recipients an image may have when it is shared by the IMS API; negative: no limit."
    )
    ims_batch_limit: int = _setting(
        10000, "Most pairs of an image and a recipient in one batch of the IMS API."
    )
    job_lifetime_s: int = _setting(604800, "How long a job can be asked for after its end, seconds.")
    serve_runs_jobs: bool = _setting(
        True, "Whether the processes of `transom serve` run jobs, too; else it takes `transom work`."
    )
    jobs_at_once: int = _setting(2, "Jobs that one process runs at once.")
    task_time_to_live: int = _setting(48, "How long a task can be asked for after its end, hours.")
    enabled_import_methods: str = _setting(
        "glance-direct,web-download,copy-image", "Methods of import that are offered, comma separated."
    )
    image_import_plugins: str = _setting(
        "",
        "What is done to imported data, in this order, comma separated: image_decompression, "
        "image_conversion, inject_image_metadata.",
    )
    conversion_format: str = _setting("raw", "Format that image_conversion makes: raw, qcow2 or vmdk.")
    vmdk_allowed_types: str = _setting(
        "streamOptimized,monolithicSparse", "Kinds of vmdk that image_conversion takes, comma separated."
    )
    inject_properties: str = _setting(
        "", "Properties that inject_image_metadata sets (name:value, comma separated)."
    )
    ignore_user_roles: str = _setting(
        "admin", "Roles whose imports inject_image_metadata leaves alone, comma separated."
    )
    glance_download_properties: str = _setting(
        "hw_,trait:,os_distro,os_secure_boot,os_type",
        "Starts of the names of properties that glance-download takes over, comma separated.",
    )
    show_multiple_locations: bool = _setting(
        False, "Show the places of an image's data, as locations, and let PATCH change them."
    )
    image_location_quota: int = _setting(
        10, "Places that an image's data may have, if PATCH adds them; negative: no limit."
    )
    do_secure_hash: bool = _setting(
        True, "Hash the data of locations that are added, and compare it with what was said of it."
    )
    allowed_schemes: str = _setting("http,https", "Schemes of URLs that may be fetched, comma separated.")
    disallowed_schemes: str = _setting("", "Schemes that may not; only without allowed_schemes.")
    allowed_hosts: str = _setting(
        "", "Hosts that may be fetched from (names or addresses), comma separated; empty: any."
    )
    disallowed_hosts: str = _setting("", "Hosts that may not; only without allowed_hosts.")
    allowed_ports: str = _setting("80,443", "Ports that a fetched URL may name, comma separated.")
    disallowed_ports: str = _setting("", "Ports that it may not; only without allowed_ports.")
    user_storage_quota: int = _setting(0, "Bytes of image data a project may own; 0: no limit.")
    json_body_limit: int = _setting(1 << 20, "Largest JSON body a request may bring, bytes.")
    hashing_algorithm: str = _setting("sha512", "Algorithm of os_hash_value.")
    require_image_format_match: bool = _setting(
        True, "Refuse data whose format is not the one that disk_format claims."
    )
    gpt_safety_checks_nonfatal: str = _setting(
        "", "Partition table checks that may fail (comma separated names)."
    )
    upload_lease_s: int = _setting(
        60, "An upload whose worker has not been heard of for so long is given up, seconds."
    )
    max_request_id_length: int = _setting(64, "Longest X-Openstack-Request-Id taken from a client.")

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def import_methods(self) -> tuple[str, ...]:
        return _listed(self.enabled_import_methods)

    @property
    def import_plugins(self) -> tuple[str, ...]:
        return _listed(self.image_import_plugins)

    @property
    def nonfatal_checks(self) -> frozenset[str]:
        return frozenset(_listed(self.gpt_safety_checks_nonfatal))

    @property
    def allowed_vmdk_types(self) -> frozenset[str]:
        return frozenset(_listed(self.vmdk_allowed_types))

    @property
    def glance_download_prefixes(self) -> tuple[str, ...]:
        return _listed(self.glance_download_properties)

    @property
    def spared_roles(self) -> frozenset[str]:
        return frozenset(role.lower() for role in _listed(self.ignore_user_roles))

    @property
    def injected_properties(self) -> dict[str, str]:
        pairs = (pair.partition(":") for pair in _listed(self.inject_properties))
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def outbound_rules(self) -> OutboundRules:
        """Raises ValueError for a port that is none."""
        return OutboundRules(
            allowed_schemes=frozenset(_listed(self.allowed_schemes)),
            disallowed_schemes=frozenset(_listed(self.disallowed_schemes)),
            allowed_hosts=_hosts(self.allowed_hosts),
            disallowed_hosts=_hosts(self.disallowed_hosts),
            allowed_ports=frozenset(map(int, _listed(self.allowed_ports))),
            disallowed_ports=frozenset(map(int, _listed(self.disallowed_ports))),
        )

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir).resolve()

    @property
    def store_infos(self) -> tuple[StoreInfo, ...]:
        """The stores, one of them the default."""
        if self.stores:
            return parse_stores(self.stores, self.default_store)
        folder = str(self.data_path / "images")
        return (StoreInfo(id=_LOCAL, kind=StoreKind.FILE, address=folder, is_default=True),)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data_path / 'transom.db'}"


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _hosts(text: str) -> frozenset[str]:
    """In the spelling that URLs are brought to; one that is no host is never met."""
    return frozenset(normalize_host(host) or host for host in _listed(text))


def describe() -> list[tuple[str, Any, str]]:
    """(name, default, help) of every setting, in order."""
    return [(f.name, f.default, f.metadata["help"]) for f in dataclasses.fields(Settings)]


def read_settings(environ: Mapping[str, str], flags: Mapping[str, Any], file: str | None = None) -> Settings:
    """The settings in force. `flags`: name → value, None meaning that the flag was not given.

    Raises SettingsError for a key that is not a setting, a value of the wrong type, or a value out of range.
    """
    named = file or environ.get(ENV_PREFIX + "CONFIG")
    values = _from_file(Path(named or DEFAULT_FILE), must_exist=named is not None)
    values |= _from_environ(environ)
    values |= {name: value for name, value in flags.items() if value is not None}
    settings = Settings(**values)
    _check(settings)
    return settings


def override(settings: Settings, **flags: Any) -> Settings:
    """The settings with a verb's own flags on top; None: the flag was not given."""
    changed = dataclasses.replace(settings, **{name: v for name, v in flags.items() if v is not None})
    _check(changed)
    return changed


def _from_file(path: Path, must_exist: bool) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(f"{path}: no such settings file") from None
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    for name, value in found.items():
        _require_known(name, str(path))
        if type(value) is not _TYPES[name]:
            raise SettingsError(f"{path}: {name} must be of type {_TYPES[name].__name__}")
    return found


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for key, text in environ.items():
        if key.startswith(ENV_PREFIX) and key != ENV_PREFIX + "CONFIG":
            name = key[len(ENV_PREFIX) :].lower()
            _require_known(name, key)
            values[name] = _PARSERS[_TYPES[name]](key, text)
    return values


def _require_known(name: str, where: str) -> None:
    if name not in _TYPES:
        raise SettingsError(f"{where}: there is no setting {name!r}")


def _parse_int(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{key} must be a whole number, not {text!r}") from None


def _parse_bool(key: str, text: str) -> bool:
    try:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
    except KeyError:
        raise SettingsError(f"{key} must be true or false, not {text!r}") from None


def _parse_str(_key: str, text: str) -> str:
    return text


_PARSERS: dict[type, Callable[[str, str], Any]] = {int: _parse_int, bool: _parse_bool, str: _parse_str}
_TYPES: dict[str, type] = {f.name: type(f.default) for f in dataclasses.fields(Settings)}

_AT_LEAST = {
    "workers": 1,
    "database_pool": 1,
    "stop_timeout_s": 1,
    "token_lifetime_s": 1,
    "limit_param_default": 1,
    "api_limit_max": 1,
    "image_size_cap": 0,
    "user_storage_quota": 0,
    "cache_size_bytes": 0,
    "ims_batch_limit": 1,
    "job_lifetime_s": 60,
    "task_time_to_live": 1,
    "jobs_at_once": 1,
    "json_body_limit": 1,
    "image_metadata_limit": 0,
    "upload_lease_s": 3,
    "keystone_cache_s": 0,
    "keystone_limits_cache_s": 0,
    "max_request_id_length": 1,
}
_ONE_OF = {
    "identity": ("builtin", "keystone"),
    "property_protection_rule_format": ("roles", "policies"),
    "conversion_format": ("raw", "qcow2", "vmdk"),
    "log_level": ("debug", "info", "warning", "error"),
    "hashing_algorithm": ("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
}
#: Lists, and what they may hold.
_EACH_OF = {
    "enabled_import_methods": ("glance-direct", "web-download", "copy-image", "glance-download"),
    "image_import_plugins": ("image_decompression", "image_conversion", "inject_image_metadata"),
    "allowed_schemes": ("http", "https"),
}


def _check(settings: Settings) -> None:
    for name, least in _AT_LEAST.items():
        if getattr(settings, name) < least:
            raise SettingsError(f"{name} must be at least {least}, not {getattr(settings, name)}")
    for name, allowed in _ONE_OF.items():
        if getattr(settings, name) not in allowed:
            raise SettingsError(
                f"{name} must be one of {', '.join(allowed)}, not {getattr(settings, name)!r}"
            )
    _check_stores(settings)
    _check_lists(settings)
    host, colon, port = settings.listen.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise SettingsError(f"listen must be host:port, not {settings.listen!r}")
    starts = ("sqlite:///", "postgresql://", "postgres://")
    if not (_scheme(settings.database_url) and settings.database_url.startswith(starts)):
        raise SettingsError(
            # Not the whole of it: there may be a password in it.
            f"database must start with sqlite:/// or postgresql://, not {_scheme(settings.database_url)!r}"
        )
    if settings.public_endpoint and _scheme(settings.public_endpoint) not in ("http", "https"):
        raise SettingsError(f"public_endpoint must be an http(s) URL, not {settings.public_endpoint!r}")
    if settings.identity == "keystone":
        _check_keystone(settings)
    if settings.use_keystone_limits:
        _check_keystone_limits(settings)


def _check_keystone(settings: Settings) -> None:
    url = settings.keystone_auth_url
    if _scheme(url) not in ("http", "https") or not url.isascii() or not url.isprintable() or '"' in url:
        raise SettingsError(f"keystone_auth_url must be an http(s) URL, not {url!r}")
    if "@" in url:  # Every 401 shows it.
        raise SettingsError("keystone_auth_url must have no password: there is keystone_password")
    for name in ("keystone_username", "keystone_password", "keystone_project_name"):
        if not getattr(settings, name):
            raise SettingsError(f"{name} must be given where identity is keystone")


def _check_keystone_limits(settings: Settings) -> None:
    if settings.identity != "keystone":
        raise SettingsError("use_keystone_limits needs identity to be keystone: only that keeps limits")
    if settings.image_count_quota >= 0 or settings.user_storage_quota:
        raise SettingsError("use_keystone_limits replaces image_count_quota and user_storage_quota")


def _check_stores(settings: Settings) -> None:
    if not settings.stores and settings.default_store not in ("", _LOCAL):
        raise SettingsError(f"default_store names {settings.default_store!r}, and stores names none")
    try:
        _ = settings.store_infos
    except ValueError as error:
        raise SettingsError(f"stores: {error}") from None


def _check_lists(settings: Settings) -> None:
    for name, known in _EACH_OF.items():
        for one in _listed(getattr(settings, name)):
            if one not in known:
                raise SettingsError(f"{name} may name {', '.join(known)}, not {one!r}")
    for name in ("allowed_ports", "disallowed_ports"):
        for port in _listed(getattr(settings, name)):
            if not (port.isascii() and port.isdigit() and int(port) < 65536):
                raise SettingsError(f"{name} names ports, not {port!r}")
    for pair in _listed(settings.inject_properties):
        if not all(part.strip() for part in pair.partition(":")):
            raise SettingsError(f"inject_properties has pairs of name:value, not {pair!r}")


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""
