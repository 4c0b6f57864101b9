"""Checks of settings: values that one cannot have, by itself or together with another."""

import re
from ipaddress import ip_network
from urllib.parse import urlsplit

from transom.config.settings import LOCAL, Settings, SettingsError, listed

_AT_LEAST = {
    "workers": 1,
    "database_pool": 1,
    "stop_timeout_s": 1,
    "stop_delay_s": 0,
    "keep_alive_s": 1,
    "head_timeout_s": 1,
    "stall_timeout_s": 1,
    "least_pace_bytes_s": 1,
    "max_connections": 1,
    "max_connections_per_address": 1,
    "console_idle_s": 60,
    "cors_max_age_s": 0,
    "password_min_length": 1,
    "token_lifetime_s": 1,
    "limit_param_default": 1,
    "api_limit_max": 1,
    "image_size_cap": 0,
    "user_storage_quota": 0,
    "upload_memory_bytes": 40 << 20,
    "disk_reserve": 0,
    "cache_size_bytes": 0,
    "object_size_cap": 1,
    "object_quick_size_cap": 1,
    "ims_batch_limit": 1,
    "share_batch_limit": 1,
    "offer_lifetime_days": 0,
    "event_lifetime_days": 1,
    "idempotency_lifetime_h": 1,
    "job_lifetime_s": 60,
    "task_time_to_live": 1,
    "jobs_at_once": 1,
    "job_attempts": 1,
    "kept_jobs_bytes": 0,
    "fetch_least_bytes_s": 0,
    "fetch_window_s": 1,
    "hook_timeout_s": 1,
    "fetch_timeout_s": 0,
    "json_body_limit": 1,
    "signed_body_limit": 1,
    "identity_body_limit": 1,
    "image_metadata_limit": 0,
    "upload_lease_s": 3,
    "scrub_pace_bytes_s": 0,
    "scrub_pause_h": 0,
    "keystone_cache_s": 0,
    "keystone_limits_cache_s": 0,
    "max_request_id_length": 1,
}
_ONE_OF = {
    "identity": ("builtin", "keystone"),
    "console": ("auto", "on", "off"),
    "signed_headers": ("vendor", "strict"),
    "object_store_mode": ("caller", "service"),
    "property_protection_rule_format": ("roles", "policies"),
    "conversion_format": ("raw", "qcow2", "vmdk"),
    "log_format": ("auto", "text", "json"),
    "log_level": ("debug", "info", "warning", "error"),
    "hashing_algorithm": ("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
}
#: Lists, and what they may hold.
_EACH_OF = {
    "enabled_import_methods": (
        "glance-direct",
        "web-download",
        "copy-image",
        "glance-download",
        "s3-download",
    ),
    "image_import_plugins": ("image_decompression", "image_conversion", "inject_image_metadata"),
    "allowed_schemes": ("http", "https"),
    "hook_schemes": ("http", "https"),
}
#: It is spelt out in statements.
_PROPERTY = re.compile(r"[A-Za-z0-9_.:-]{1,255}", re.ASCII)
#: As a browser writes it: in lower case, without a path.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")


def check(settings: Settings) -> None:
    """Raises SettingsError, whose text names the setting."""
    for name, least in _AT_LEAST.items():
        if getattr(settings, name) < least:
            raise SettingsError(f"{name} must be at least {least}, not {getattr(settings, name)}")
    for name, allowed in _ONE_OF.items():
        if getattr(settings, name) not in allowed:
            raise SettingsError(
                f"{name} must be one of {', '.join(allowed)}, not {getattr(settings, name)!r}"
            )
    largest = max(settings.json_body_limit, settings.signed_body_limit, settings.identity_body_limit)
    if settings.body_memory_bytes < 4 * largest:
        raise SettingsError(
            f"body_memory_bytes must be at least four times the largest body, {4 * largest}, not "
            f"{settings.body_memory_bytes}"
        )
    _check_stores(settings)
    _check_object_store(settings)
    _check_lists(settings)
    _check_fetching(settings)
    host, colon, port = settings.listen.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise SettingsError(f"listen must be host:port, the port at most 65535, not {settings.listen!r}")
    starts = ("sqlite:///", "postgresql://", "postgres://")
    if not (_scheme(settings.database_url) and settings.database_url.startswith(starts)):
        raise SettingsError(
            # Not the whole of it: there may be a password in it.
            f"database must start with sqlite:/// or postgresql://, not {_scheme(settings.database_url)!r}"
        )
    if settings.public_endpoint and not _is_web_address(settings.public_endpoint):
        raise SettingsError(f"public_endpoint must be an http(s) URL, not {settings.public_endpoint!r}")
    _check_callers(settings)
    _check_identity(settings)
    if settings.use_keystone_limits:
        _check_keystone_limits(settings)


def _check_callers(settings: Settings) -> None:
    """Proxies and pages that are let through."""
    try:
        _ = settings.trusted_networks
    except ValueError as error:
        raise SettingsError(f"trusted_proxies: {error}") from None
    for origin in listed(settings.cors_allowed_origins):
        if origin not in ("*", "null") and not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"cors_allowed_origins names origins as browsers do (https://host[:port]), not {origin!r}"
            )


def _check_identity(settings: Settings) -> None:
    if settings.identity == "keystone":
        _check_keystone(settings)
        if settings.catalog_ims_endpoint:
            raise SettingsError(
                "catalog_ims_endpoint is for the built-in catalog: where identity is keystone, give the "
                "image endpoint in Keystone's an /ims at its end"
            )
    elif settings.image_signature_barbican:
        raise SettingsError("image_signature_barbican needs identity to be keystone, whose tokens it takes")


def _check_keystone(settings: Settings) -> None:
    url = settings.keystone_auth_url
    if not _is_web_address(url):
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
    if bool(settings.s3_access_key) != bool(settings.s3_secret_key):
        raise SettingsError("s3_access_key and s3_secret_key go together: one of them is missing")
    if not settings.stores and settings.default_store not in ("", LOCAL):
        raise SettingsError(f"default_store names {settings.default_store!r}, and stores names none")
    try:
        _ = settings.store_infos
    except ValueError as error:
        raise SettingsError(f"stores: {error}") from None


def _check_object_store(settings: Settings) -> None:
    endpoint = urlsplit(settings.object_store_endpoint) if settings.object_store_endpoint else None
    if endpoint is not None and not (
        _is_web_address(settings.object_store_endpoint)
        and endpoint.hostname
        and "@" not in endpoint.netloc
        and endpoint.path in ("", "/")
        and not endpoint.query
    ):
        raise SettingsError("object_store_endpoint must be an http(s) URL without path and keys")
    has_keys = bool(settings.object_store_access_key), bool(settings.object_store_secret_key)
    if has_keys[0] != has_keys[1]:
        raise SettingsError(
            "object_store_access_key and object_store_secret_key go together: one of them is missing"
        )
    if endpoint is not None and settings.object_store_mode == "service" and not has_keys[0]:
        raise SettingsError("object_store_mode service needs object_store_access_key")


def _check_lists(settings: Settings) -> None:
    for name, known in _EACH_OF.items():
        for one in listed(getattr(settings, name)):
            if one not in known:
                raise SettingsError(f"{name} may name {', '.join(known)}, not {one!r}")
    for pair in listed(settings.inject_properties):
        if not all(part.strip() for part in pair.partition(":")):
            raise SettingsError(f"inject_properties has pairs of name:value, not {pair!r}")
    for name in listed(settings.indexed_properties):
        if not _PROPERTY.fullmatch(name):
            raise SettingsError(
                f"indexed_properties names properties of letters, digits, _ . : -, not {name!r}"
            )


def _check_fetching(settings: Settings) -> None:
    for name in ("allowed_ports", "disallowed_ports", "hook_ports"):
        for port in listed(getattr(settings, name)):
            if not (port.isascii() and port.isdigit() and int(port) < 65536):
                raise SettingsError(f"{name} names ports, not {port!r}")
    for name in ("allowed_networks", "disallowed_networks"):
        for network in listed(getattr(settings, name)):
            try:
                ip_network(network)
            except ValueError as error:
                raise SettingsError(f"{name}: {error}") from None


def _is_web_address(url: str) -> bool:
    """Whether it is an http(s) URL that can stand in a header, within quotes."""
    return _scheme(url) in ("http", "https") and url.isascii() and url.isprintable() and '"' not in url


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""
