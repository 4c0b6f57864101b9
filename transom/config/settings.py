"""Which settings there are: each a field with its default, its unit and its help text.

They hold text as given; what they point to is opened elsewhere. `readings.py` has what they mean.
"""

import dataclasses
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from transom.config.readings import LOCAL, Readings, listed

__all__ = ["LOCAL", "Settings", "SettingsError", "describe", "listed", "secrets"]


class SettingsError(Exception):
    """A setting is unknown or has a value it cannot have. The text names it."""


def _setting(default: Any, help: str, *, is_secret: bool = False) -> Any:  # noqa: A002 (the word of click)
    """`is_secret`: it can also be given as the name of a file that holds it."""
    return field(default=default, metadata=MappingProxyType({"help": help, "is_secret": is_secret}))


@dataclass(frozen=True, kw_only=True)
class Settings(Readings):
    """All settings. `TRANSOM_LISTEN` is the environment's spelling of `listen`, and so on."""

    listen: str = _setting("127.0.0.1:9292", "Address and port to serve on (host:port).")
    database: str = _setting(
        "",
        "Database URL: sqlite:///path or postgresql://…; empty: sqlite below data_dir.",
        is_secret=True,
    )
    data_dir: str = _setting("data", "Folder of the embedded database, the image store and the accounts.")
    workers: int = _setting(1, "Worker processes.")
    stores: str = _setting(
        "",
        "Stores for image data, comma separated: id=file:///folder?weight=100, id=s3://bucket/prefix; "
        "empty: one, `local`, below data_dir.",
    )
    disk_reserve: int = _setting(
        256 << 20,
        "Bytes that new data leaves free on the disks of local stores and of SQLite, so that deletions "
        "still work; at most 5 % of a disk; 0: none.",
    )
    default_store: str = _setting(
        "",
        "Store that takes data when the client names none; empty: the first that can be written.",
    )
    s3_access_key: str = _setting(
        "",
        "Access key of the S3 stores that name no profile; empty: AWS_ACCESS_KEY_ID, or what the machine's "
        "own role gives.",
    )
    s3_secret_key: str = _setting("", "Secret key that belongs to s3_access_key.", is_secret=True)
    s3_credentials_file: str = _setting(
        "",
        "File with the keys of the profiles that S3 stores name; empty: AWS_SHARED_CREDENTIALS_FILE, or "
        "~/.aws/credentials.",
    )
    object_store_endpoint: str = _setting(
        "", "URL of the S3 service from whose objects images are made (http(s)://host); empty: none."
    )
    object_store_region: str = _setting(
        "us-east-1", "Region that requests to the object store are signed for."
    )
    object_store_mode: str = _setting(
        "caller",
        "Whose keys the object store is asked by: caller (those of the user) or service (its own).",
    )
    object_store_access_key: str = _setting("", "Access key of this service at the object store.")
    object_store_secret_key: str = _setting(
        "", "Secret key that belongs to object_store_access_key.", is_secret=True
    )
    object_store_buckets_file: str = _setting(
        "",
        "File (TOML) that says which project may use which buckets by this service's key; empty: none may.",
    )
    object_size_cap: int = _setting(
        128 << 30, "Largest object that an image is made of, and image that is exported, bytes."
    )
    object_quick_size_cap: int = _setting(1 << 40, "The same for quick import and quick export, bytes.")
    peers_file: str = _setting(
        "",
        "File (TOML) of other image services that images may be copied to, with the credentials for them; "
        "empty: none.",
    )
    cache_size_bytes: int = _setting(
        10 << 30, "Largest size of this machine's cache of remote images, bytes; 0: no cache."
    )
    cache_dir: str = _setting("", "Folder of the cache, on a local disk; empty: `cache` below data_dir.")
    show_image_direct_url: bool = _setting(
        False, "Show the URL of an image's data in its store, as direct_url, to whoever sees the image."
    )
    identity: str = _setting(
        "builtin", "Where users and tokens come from: builtin (accounts of this service) or keystone."
    )
    signed_headers: str = _setting(
        "vendor",
        "Headers that a signature must cover: vendor (all but those that the clouds' own clients leave "
        "unsigned) or strict (Host, X-Project-Id and X-Domain-Id, too).",
    )
    signed_body_limit: int = _setting(
        12 << 20, "Largest body of a request whose signature covers the body, bytes."
    )
    keystone_auth_url: str = _setting("", "Keystone's URL, by which clients reach it too (http(s)://…/v3).")
    keystone_username: str = _setting("", "User name of this service's account in Keystone.")
    keystone_password: str = _setting("", "Password of this account.", is_secret=True)
    keystone_project_name: str = _setting("service", "Project in which this account has the role service.")
    keystone_user_domain: str = _setting("default", "Id of the account's domain.")
    keystone_project_domain: str = _setting("default", "Id of the project's domain.")
    keystone_cache_s: int = _setting(
        300,
        "How long an answer of Keystone is kept, and a revoked token may still be accepted, seconds; 0: "
        "for one request.",
    )
    keystone_cafile: str = _setting(
        "", "CA certificates (PEM) by which Keystone's certificate is verified; empty: those of the system."
    )
    use_keystone_limits: bool = _setting(
        False,
        "Limit projects by Keystone's unified limits instead of image_count_quota and user_storage_quota.",
    )
    keystone_limits_service: str = _setting(
        "image", "Service that these limits are registered for: its id, name or type in Keystone."
    )
    keystone_limits_cache_s: int = _setting(
        0, "How long a limit from Keystone is kept, seconds; 0: for one request, as in Glance."
    )
    policy_file: str = _setting("", "Policy file (YAML) whose rules replace the default ones; empty: none.")
    property_protection_file: str = _setting(
        "",
        "File (INI) that says who may create, read, update and delete which properties of images; empty: "
        "none.",
    )
    property_protection_rule_format: str = _setting(
        "roles", "What the property protection file names: roles or policies."
    )
    public_endpoint: str = _setting(
        "",
        "URL by which clients reach the service; empty: as a trusted proxy or the request's Host header "
        "says.",
    )
    trusted_proxies: str = _setting(
        "",
        "Networks of the proxies whose X-Forwarded-… and Forwarded headers are believed, comma separated "
        "(10.0.0.0/8, ::1); empty: none.",
    )
    http2: bool = _setting(False, "Whether to speak HTTP/2 as well; not needed behind a proxy.")
    keep_alive_s: int = _setting(
        75,
        "How long an idle connection is kept open, seconds; set it longer than a proxy in front keeps its "
        "own.",
    )
    head_timeout_s: int = _setting(
        20, "Longest time for the head of a request, and for the first request of a connection, seconds."
    )
    stall_timeout_s: int = _setting(
        60, "How far a client may fall behind least_pace_bytes_s before its connection is closed, seconds."
    )
    least_pace_bytes_s: int = _setting(
        1024, "Least pace at which a client must send a body or take an answer, bytes a second."
    )
    max_connections: int = _setting(
        1024, "Connections that a worker keeps open; fewer if it has too few file descriptors."
    )
    max_connections_per_address: int = _setting(
        256,
        "Connections that a worker keeps open for one client address (IPv6: one /64); addresses in "
        "trusted_proxies may have any number.",
    )
    console: str = _setting(
        "auto",
        "Pages for browsers at /console: on, off, or auto: on with the built-in identity, off with Keystone, "
        "whose users' passwords they would take.",
    )
    console_idle_s: int = _setting(
        28800, "A console session that has not been used for so long ends, seconds."
    )
    cors_allowed_origins: str = _setting(
        "",
        "Origins whose pages may use the API from a browser (https://horizon.example.org), comma "
        "separated; * for any; empty: none.",
    )
    cors_allowed_methods: str = _setting(
        "GET,HEAD,POST,PUT,PATCH,DELETE",
        "Methods that these pages may use, comma separated.",
    )
    cors_allowed_headers: str = _setting(
        "Authorization,Content-Digest,Content-MD5,Idempotency-Key,If-Match,If-None-Match,"
        "If-Range,Range,Repr-Digest,X-Auth-Token,X-Image-Meta-Store,X-OpenStack-Image-Size,"
        "X-OpenStack-Request-ID,X-Project-Id,X-Sdk-Content-Sha256,X-Sdk-Date,X-Service-Token,"
        "X-Subject-Token",
        "Request headers that these pages may send besides those that CORS always allows, comma separated.",
    )
    cors_expose_headers: str = _setting(
        "Accept-Ranges,Content-MD5,Content-Range,ETag,Idempotency-Replayed,Location,"
        "OpenStack-image-import-methods,OpenStack-image-store-ids,Retry-After,WWW-Authenticate,X-OpenStack-Request-ID,"
        "X-Request-Id,X-Subject-Token",
        "Response headers that these pages may read besides those that CORS always allows, comma separated.",
    )
    cors_max_age_s: int = _setting(
        3600,
        "How long a browser may cache the answer to a preflight request, seconds; 0: the header is left out.",
    )
    cors_allow_credentials: bool = _setting(
        True,
        "Whether these pages may send the browser's own credentials (cookies, TLS certificates); tokens "
        "do not need it.",
    )
    region: str = _setting(
        "RegionOne",
        "Region in the built-in catalog and in clouds.yaml, and the one whose limits in Keystone hold.",
    )
    catalog_ims_endpoint: bool = _setting(
        False,
        "Whether the image endpoint of the built-in catalog ends in /ims, for clients of the IMS API that "
        "take it from there.",
    )
    region_names_project: bool = _setting(
        True,
        "Whether the built-in identity accepts the region's name as that of the account's project, as "
        "Huawei Cloud's clients send it; a project of the account with that very name goes first.",
    )
    migrate_on_start: bool = _setting(True, "Bring the database's schema up to date when serving starts.")
    database_pool: int = _setting(10, "Most PostgreSQL connections of one worker.")
    log_level: str = _setting("info", "Least level that is logged: debug, info, warning or error.")
    log_format: str = _setting(
        "auto", "Form of log lines: json, text (for people), or auto: text on a terminal, json elsewhere."
    )
    access_log: bool = _setting(True, "Write one log line for each request.")
    metrics: bool = _setting(True, "Count requests and serve the counts at /metrics.")
    stop_delay_s: int = _setting(
        0, "How long /readyz answers 503 before a stop begins, while all else goes on, seconds."
    )
    stop_timeout_s: int = _setting(
        3600,
        "Longest time that transfers of image data and requests in flight may go on after a stop has "
        "begun, seconds.",
    )
    password_min_length: int = _setting(
        8, "Fewest characters of a new password or secret of the built-in identity."
    )
    token_lifetime_s: int = _setting(86400, "Lifetime of a token of the built-in identity, seconds.")
    limit_param_default: int = _setting(25, "Images in a page of a list when the request sets no limit.")
    api_limit_max: int = _setting(1000, "Most images in a page of a list.")
    list_size_limit: int = _setting(
        1 << 20,
        "Size at which a page of a list ends, bytes; a page of which at most 25 images were requested is "
        "never cut.",
    )
    image_size_cap: int = _setting(1 << 40, "Largest size of an image's data, bytes.")
    image_count_quota: int = _setting(-1, "Images a project may own; negative: no limit.")
    image_member_quota: int = _setting(128, "Members an image may have; negative: no limit.")
    check_recipients: bool = _setting(
        False,
        "Refuse to share an image with a project or domain that the identity service does not know.",
    )
    organizations_file: str = _setting(
        "",
        "File (YAML) of organisations: which projects and domains are in which of their units; empty: none.",
    )
    indexed_properties: str = _setting(
        "", "Properties by which lists are filtered as fast as by name, comma separated; each has indexes."
    )
    image_property_quota: int = _setting(128, "Properties an image may have; negative: no limit.")
    image_metadata_limit: int = _setting(65536, "Largest size of an image's properties together, bytes.")
    image_tag_quota: int = _setting(128, "Tags an image may have; negative: no limit.")
    ims_member_quota: int = _setting(
        256, "Recipients an image may have when it is shared by the IMS API; negative: no limit."
    )
    ims_batch_limit: int = _setting(
        10000, "Most pairs of an image and a recipient in one batch of the IMS API."
    )
    share_batch_limit: int = _setting(
        10000, "Most pairs of an image and a recipient in one request of the share API."
    )
    share_member_quota: int = _setting(
        10000, "Recipients an image may have when it is shared by the share API; negative: no limit."
    )
    offer_lifetime_days: int = _setting(
        0, "How long an offer of the share API that names no `answer_by` can be answered, days; 0: always."
    )
    event_lifetime_days: int = _setting(
        400, "How long events of sharing are kept, in history and for webhooks, days."
    )
    idempotency_lifetime_h: int = _setting(
        24, "How long the answer to a request of the share API with an Idempotency-Key is kept, hours."
    )
    idempotency_key_quota: int = _setting(
        10000,
        "Answers to Idempotency-Keys that are kept for a project at once; negative: no limit.",
    )
    share_rule_quota: int = _setting(
        1000, "Rules a project may have for what others offer it; negative: no limit."
    )
    family_quota: int = _setting(100, "Families of images a project may have; negative: no limit.")
    family_version_quota: int = _setting(1000, "Versions a family may have; negative: no limit.")
    family_member_quota: int = _setting(10000, "Members a family may have; negative: no limit.")
    hook_quota: int = _setting(10, "Webhooks a project may have; negative: no limit.")
    hook_schemes: str = _setting("https", "Schemes of URLs that webhooks may have, comma separated.")
    hook_hosts: str = _setting(
        "",
        "Internal hosts that webhooks may be sent to, with any port (names or addresses), comma separated.",
    )
    hook_public_hosts: bool = _setting(True, "Whether webhooks may be sent to any public address as well.")
    hook_ports: str = _setting(
        "443", "Ports that webhooks may be sent to on hosts that hook_hosts does not name, comma separated."
    )
    hook_timeout_s: int = _setting(15, "How long a receiver of a webhook has to answer, seconds.")
    os_versions_file: str = _setting(
        "",
        "File (TOML) of operating systems that __os_version may name besides those built in; empty: none.",
    )
    job_lifetime_s: int = _setting(604800, "How long a job is kept after its end, seconds.")
    serve_runs_jobs: bool = _setting(
        True,
        "Whether the processes of `transom serve` run jobs and number events, too, or only `transom work`.",
    )
    jobs_at_once: int = _setting(
        4, "Jobs that one process runs at once; one project has at most half of them."
    )
    job_attempts: int = _setting(
        20,
        "How often a job is begun while a part that it needs, such as a store, is away. The pauses grow from "
        "2 s to a minute: 20 attempts bridge a quarter of an hour.",
    )
    open_jobs_quota: int = _setting(
        100, "Jobs and tasks of a project that may wait or run at the same time; negative: no limit."
    )
    region_copies_quota: int = _setting(
        5, "Copies to other regions of a project that may wait or run at once; negative: no limit."
    )
    kept_jobs_bytes: int = _setting(
        64 << 20,
        "Largest size of a project's ended jobs and tasks in the database, bytes; beyond it the oldest "
        "are removed; 0: no limit.",
    )
    task_time_to_live: int = _setting(48, "How long a task is kept after its end, hours.")
    enabled_import_methods: str = _setting(
        "glance-direct,web-download,copy-image", "Methods of import that are offered, comma separated."
    )
    image_import_plugins: str = _setting(
        "",
        "Plugins that process imported data, in this order, comma separated: image_decompression, "
        "image_conversion, inject_image_metadata.",
    )
    conversion_format: str = _setting("raw", "Format that image_conversion converts to: raw, qcow2 or vmdk.")
    vmdk_allowed_types: str = _setting(
        "streamOptimized,monolithicSparse",
        "Subformats of vmdk that image_conversion accepts, comma separated.",
    )
    inject_properties: str = _setting(
        "", "Properties that inject_image_metadata sets (name:value, comma separated)."
    )
    ignore_user_roles: str = _setting(
        "admin", "Roles whose imports get no properties from inject_image_metadata, comma separated."
    )
    glance_download_properties: str = _setting(
        "hw_,trait:,os_distro,os_secure_boot,os_type",
        "Prefixes of the names of properties that glance-download takes over, comma separated.",
    )
    show_multiple_locations: bool = _setting(
        False, "Show the locations of an image's data, and let PATCH change them."
    )
    image_location_quota: int = _setting(
        10, "Locations that an image may have when PATCH adds one; negative: no limit."
    )
    do_secure_hash: bool = _setting(
        True, "Hash the data of locations that are added, and compare it with the hash that the client gave."
    )
    image_signature_certificates_dir: str = _setting(
        "",
        "Folder of certificates (PEM, named <uuid>.pem) by which signed images are verified; empty: none.",
    )
    image_signature_barbican: bool = _setting(
        False,
        "Fetch certificates that are not in this folder from Barbican, with the user's token.",
    )
    allowed_schemes: str = _setting("http,https", "Schemes of URLs that may be fetched, comma separated.")
    disallowed_schemes: str = _setting(
        "", "Schemes that may not be fetched, comma separated; used only if allowed_schemes is empty."
    )
    allowed_hosts: str = _setting(
        "", "Hosts that may be fetched from (names or addresses), comma separated; empty: any."
    )
    disallowed_hosts: str = _setting(
        "", "Hosts that may not be fetched from, comma separated; used only if allowed_hosts is empty."
    )
    allowed_ports: str = _setting("80,443", "Ports that a URL to fetch may name, comma separated.")
    disallowed_ports: str = _setting(
        "", "Ports that it may not name, comma separated; used only if allowed_ports is empty."
    )
    allowed_networks: str = _setting(
        "",
        "Networks that may be fetched from although they are not public (10.0.0.0/8, fd00::/8), comma "
        "separated; this machine and metadata services are opened by their exact addresses only.",
    )
    disallowed_networks: str = _setting(
        "", "Networks that may not be fetched from, whatever else is allowed, comma separated."
    )
    fetch_least_bytes_s: int = _setting(
        64 << 10,
        "Least pace at which a server must send the data that is fetched from it, bytes a second; 0: no "
        "limit.",
    )
    fetch_window_s: int = _setting(60, "Time over which that pace is measured, seconds.")
    fetch_timeout_s: int = _setting(
        21600, "Longest time spent waiting for the data of one fetch, in all, seconds; 0: no limit."
    )
    user_storage_quota: int = _setting(0, "Bytes of image data a project may own; 0: no limit.")
    json_body_limit: int = _setting(1 << 20, "Largest JSON body a request may bring, bytes.")
    identity_body_limit: int = _setting(
        64 << 10, "Largest body of a request to the built-in identity, whose logins need no token, bytes."
    )
    body_memory_bytes: int = _setting(
        128 << 20,
        "Most memory of a worker for request bodies other than image data, bytes; a quarter of it for one "
        "project, or for one address without a token.",
    )
    hashing_algorithm: str = _setting("sha512", "Algorithm of os_hash_value.")
    require_image_format_match: bool = _setting(
        True, "Refuse data whose format differs from the image's disk_format."
    )
    gpt_safety_checks_nonfatal: str = _setting(
        "", "Names of the checks of a partition table that may fail, comma separated."
    )
    upload_lease_s: int = _setting(
        60, "An upload or job whose worker has not renewed its lease for so long is given up, seconds."
    )
    scrub_pace_bytes_s: int = _setting(
        0,
        "Pace at which all image data is read and compared with its hashes in the background, by one "
        "process at a time, bytes a second; 0: never.",
    )
    scrub_pause_h: int = _setting(24, "Pause between the end of such a run and the next one, hours.")
    scrub_repairs: bool = _setting(False, "Whether it mends what it finds, as `transom check --repair` does.")
    max_request_id_length: int = _setting(64, "Longest X-Openstack-Request-Id taken from a client.")


def describe() -> list[tuple[str, Any, str]]:
    """(name, default, help) of every setting, in order."""
    return [(f.name, f.default, f.metadata["help"]) for f in dataclasses.fields(Settings)]


def secrets() -> frozenset[str]:
    """The settings of which `<name>_file` may name a file that holds the value."""
    return frozenset(f.name for f in dataclasses.fields(Settings) if f.metadata["is_secret"])
