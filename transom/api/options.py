"""What handlers are given of the settings. Each field is the setting, or the reading of it, of the same name
(`config/settings.py`, `config/readings.py`), which say what it means.
"""

from ipaddress import IPv4Network, IPv6Network

import msgspec


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service is, and of what it is made."""

    public_endpoint: str
    region: str
    identity: str
    database_kind: str
    has_console: bool


class BodyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Of requests' bodies, bytes."""

    json_body_limit: int
    identity_body_limit: int
    signed_body_limit: int


class ListOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Of pages of lists."""

    limit_param_default: int
    api_limit_max: int
    list_size_limit: int
    with_indexes: frozenset[str]


class ImageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Of the Image API."""

    image_member_quota: int
    image_location_quota: int
    import_methods: tuple[str, ...]
    hashing_algorithm: str
    do_secure_hash: bool
    show_image_direct_url: bool
    show_multiple_locations: bool


class ImsLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Of the IMS API."""

    ims_member_quota: int
    ims_batch_limit: int
    object_size_cap: int
    object_quick_size_cap: int
    region_copies_quota: int


class ShareLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Of the share API, which shows them, in this order, to clients that want to know them beforehand."""

    share_batch_limit: int
    share_member_quota: int
    offer_lifetime_days: int
    share_rule_quota: int
    event_lifetime_days: int
    event_quota_per_day: int
    idempotency_lifetime_h: int
    idempotency_key_quota: int
    hook_quota: int
    json_body_limit: int
    family_quota: int
    family_version_quota: int
    family_member_quota: int


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Of jobs, and of tasks, which are jobs as the Image API shows them."""

    open_jobs_quota: int
    task_time_to_live: int


class AccountOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Of the built-in identity and its catalog."""

    password_min_length: int
    region_names_project: bool
    catalog_ims_endpoint: bool


class CorsOptions(msgspec.Struct, frozen=True, kw_only=True):
    cors_allowed_origins: str
    cors_allowed_methods: str
    cors_allowed_headers: str
    cors_expose_headers: str
    cors_max_age_s: int
    cors_allow_credentials: bool


class FrontOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Of what is done with each request before a handler has it. `cors`: None: no page of another origin may
    use the API."""

    trusted_networks: tuple[IPv4Network | IPv6Network, ...]
    max_connections_per_address: int
    max_request_id_length: int
    cors: CorsOptions | None
