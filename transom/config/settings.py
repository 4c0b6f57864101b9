"""Which settings there are: each a field with its default, its unit and its help text.

They hold text as given; what they point to is opened elsewhere. The properties below the fields read it.
"""

import dataclasses
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any

from transom.domain.outbound import FetchLimits, OutboundRules, normalize_host
from transom.domain.stores import StoreInfo, StoreKind, parse_stores

#: The store there is when the settings name none.
LOCAL = "local"


class SettingsError(Exception):
    """A setting is unknown or has a value it cannot have. The text names it."""


def _setting(default: Any, help: str, *, is_secret: bool = False) -> Any:  # noqa: A002 (the word of click)
    """`is_secret`: it can also be given as the name of a file that holds it."""
    return field(default=default, metadata=MappingProxyType({"help": help, "is_secret": is_secret}))


@dataclass(frozen=True, kw_only=True)
class Settings:
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
        "Bytes that new data leaves free on the disks of local stores and of SQLite, so that deleting always "
        "works, at most 5 % of the disk; 0: none.",
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
    s3_secret_key: str = _setting("", "The secret key that belongs to it.", is_secret=True)
    s3_credentials_file: str = _setting(
        "",
        "File with the keys of the profiles that S3 stores name; empty: AWS_SHARED_CREDENTIALS_FILE, or "
        "~/.aws/credentials.",
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
    signed_headers: str = _setting(
        "vendor",
        "Headers that a signature must cover: vendor (all but those that the clouds' own clients leave "
        "unsigned) or strict (Host, X-Project-Id and X-Domain-Id, too).",
    )
    signed_body_limit: int = _setting(
        12 << 20, "Largest body of a request whose signature covers the body, bytes."
    )
    keystone_auth_url: str = _setting("", "Keystone's URL, as clients reach it too (http(s)://…/v3).")
    keystone_username: str = _setting("", "Account with which the service speaks to Keystone.")
    keystone_password: str = _setting("", "Its password.", is_secret=True)
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
    trusted_proxies: str = _setting(
        "",
        "Networks of the proxies whose X-Forwarded-… and Forwarded headers are believed, comma separated "
        "(10.0.0.0/8, ::1); empty: none.",
    )
    http2: bool = _setting(False, "Whether to speak HTTP/2, too; behind a proxy nothing needs it.")
    keep_alive_s: int = _setting(
        75, "How long a connection may wait for its next request, seconds; longer than a proxy keeps it."
    )
    head_timeout_s: int = _setting(
        20, "How long the head of a request, or the first request of a connection, may take, seconds."
    )
    stall_timeout_s: int = _setting(
        60, "How far a client may fall behind least_pace_bytes_s before its connection is closed, seconds."
    )
    least_pace_bytes_s: int = _setting(
        1024, "Pace at which a client must send a body or take an answer, bytes a second."
    )
    max_connections: int = _setting(
        1024, "Connections that a worker keeps open; fewer where it may have too few file descriptors."
    )
    max_connections_per_address: int = _setting(
        256,
        "Connections that a worker keeps open to one address (IPv6: to one /64); to those of trusted_proxies "
        "any number.",
    )
    cors_allowed_origins: str = _setting(
        "",
        "Origins whose pages may use the API from a browser (https://horizon.example.org), comma "
        "separated; * for any; empty: none.",
    )
    cors_allowed_methods: str = _setting(
        "GET,HEAD,POST,PUT,PATCH,DELETE",
        "Methods that they may use, comma separated.",
    )
    cors_allowed_headers: str = _setting(
        "Authorization,Content-Digest,Content-MD5,If-Match,If-None-Match,If-Range,Range,"
        "Repr-Digest,X-Auth-Token,X-Image-Meta-Store,X-OpenStack-Image-Size,"
        "X-OpenStack-Request-ID,X-Project-Id,X-Sdk-Content-Sha256,X-Sdk-Date,X-Service-Token,"
        "X-Subject-Token",
        "Headers that they may send beside those of any page, comma separated.",
    )
    cors_expose_headers: str = _setting(
        "Accept-Ranges,Content-MD5,Content-Range,ETag,Location,OpenStack-image-import-methods,"
        "OpenStack-image-store-ids,Retry-After,WWW-Authenticate,X-OpenStack-Request-ID,"
        "X-Request-Id,X-Subject-Token",
        "Headers of answers that they may read beside the simple ones, comma separated.",
    )
    cors_max_age_s: int = _setting(
        3600,
        "How long a browser may keep the answer to what is allowed, seconds; 0: it is not told.",
    )
    cors_allow_credentials: bool = _setting(
        True,
        "Whether they may send the browser's own credentials (cookies, TLS certificates) along; "
        "tokens need it not.",
    )
    region: str = _setting(
        "RegionOne", "Region name in the built-in catalog and in clouds.yaml, and of limits."
    )
    catalog_ims_endpoint: bool = _setting(
        False,
        "Whether the image endpoint of the built-in catalog ends in /ims, for clients of the IMS API that "
        "take it from there.",
    )
    region_names_project: bool = _setting(
        True,
        "Whether the built-in identity takes the region's name for that of the account's project, as Huawei "
        "Cloud's clients give it; an own project of that name goes first.",
    )
    migrate_on_start: bool = _setting(True, "Bring the database's schema up to date when serving starts.")
    database_pool: int = _setting(10, "PostgreSQL connections a worker may hold.")
    log_level: str = _setting("info", "debug, info, warning or error.")
    log_format: str = _setting(
        "auto", "Form of log lines: json, text (for people), or auto: text on a terminal, json elsewhere."
    )
    access_log: bool = _setting(True, "Write one log line for each request.")
    metrics: bool = _setting(True, "Count requests and serve the counts at /metrics.")
    stop_delay_s: int = _setting(
        0, "How long, after a stop was asked, /readyz says no while all else goes on, seconds."
    )
    stop_timeout_s: int = _setting(
        3600, "Longest that transfers of image data, and requests in flight, may then go on, seconds."
    )
    password_min_length: int = _setting(
        8, "Fewest characters of a new password or secret of the built-in identity."
    )
    token_lifetime_s: int = _setting(86400, "Life of a token of the built-in identity.")
    limit_param_default: int = _setting(25, "Images in a page of a list when the request sets no limit.")
    api_limit_max: int = _setting(1000, "Most images in a page of a list.")
    list_size_limit: int = _setting(
        1 << 20, "Bytes; the image that reaches them ends a page of more than 25 images."
    )
    image_size_cap: int = _setting(1 << 40, "Largest image data, bytes.")
    image_count_quota: int = _setting(-1, "Images a project may own; negative: no limit.")
    image_member_quota: int = _setting(128, "Members an image may have; negative: no limit.")
    check_recipients: bool = _setting(
        False,
        "Refuse to share an image with a project or domain that the identity service does not know.",
    )
    image_property_quota: int = _setting(128, "Properties an image may have; negative: no limit.")
    image_metadata_limit: int = _setting(65536, "Largest sum of an image's properties, bytes.")
    image_tag_quota: int = _setting(128, "Tags an image may have; negative: no limit.")
    ims_member_quota: int = _setting(
        256, "Recipients an image may have when it is shared by the IMS API; negative: no limit."
    )
    ims_batch_limit: int = _setting(
        10000, "Most pairs of an image and a recipient in one batch of the IMS API."
    )
    os_versions_file: str = _setting(
        "",
        "File of operating systems that images may name in __os_version beside those built in (TOML); "
        "empty: none.",
    )
    job_lifetime_s: int = _setting(604800, "How long a job can be asked for after its end, seconds.")
    serve_runs_jobs: bool = _setting(
        True, "Whether the processes of `transom serve` run jobs, too; else it takes `transom work`."
    )
    jobs_at_once: int = _setting(
        4, "Jobs that one process runs at once; those of one project are half of them at most."
    )
    open_jobs_quota: int = _setting(
        100, "Jobs and tasks of a project that may wait or run at a time; negative: no limit."
    )
    kept_jobs_bytes: int = _setting(
        64 << 20,
        "What the ended jobs and tasks of a project may take in the database, bytes; beyond that the oldest "
        "are forgotten; 0: no limit.",
    )
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
    image_signature_certificates_dir: str = _setting(
        "",
        "Folder of certificates (PEM, named <uuid>.pem) by which signed images are verified; empty: none.",
    )
    image_signature_barbican: bool = _setting(
        False,
        "Fetch the certificates of signed images that this folder lacks from Barbican, by the user's token.",
    )
    allowed_schemes: str = _setting("http,https", "Schemes of URLs that may be fetched, comma separated.")
    disallowed_schemes: str = _setting("", "Schemes that may not; only without allowed_schemes.")
    allowed_hosts: str = _setting(
        "", "Hosts that may be fetched from (names or addresses), comma separated; empty: any."
    )
    disallowed_hosts: str = _setting("", "Hosts that may not; only without allowed_hosts.")
    allowed_ports: str = _setting("80,443", "Ports that a fetched URL may name, comma separated.")
    disallowed_ports: str = _setting("", "Ports that it may not; only without allowed_ports.")
    fetch_least_bytes_s: int = _setting(
        64 << 10, "Fewest bytes a second that a server may send of what is fetched from it; 0: no limit."
    )
    fetch_window_s: int = _setting(60, "Time over which this pace is measured, seconds.")
    fetch_timeout_s: int = _setting(
        21600, "Longest that may be waited for the data of one fetch in all, seconds; 0: no limit."
    )
    user_storage_quota: int = _setting(0, "Bytes of image data a project may own; 0: no limit.")
    json_body_limit: int = _setting(1 << 20, "Largest JSON body a request may bring, bytes.")
    identity_body_limit: int = _setting(
        64 << 10, "The same for the calls of the built-in identity, which need no token, bytes."
    )
    body_memory_bytes: int = _setting(
        128 << 20,
        "Most bytes of bodies that a worker holds at once, image data aside; a quarter of it for one "
        "project, or one address without a token.",
    )
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
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Raises ValueError for what is no network."""
        return tuple(map(ip_network, listed(self.trusted_proxies)))

    @property
    def advertised_url(self) -> str:
        """Where this service tells clients that it is, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_endpoint.rstrip("/") or f"http://{host}:{self.port}"

    @property
    def has_strict_signatures(self) -> bool:
        return self.signed_headers == "strict"

    @property
    def import_methods(self) -> tuple[str, ...]:
        return listed(self.enabled_import_methods)

    @property
    def import_plugins(self) -> tuple[str, ...]:
        return listed(self.image_import_plugins)

    @property
    def nonfatal_checks(self) -> frozenset[str]:
        return frozenset(listed(self.gpt_safety_checks_nonfatal))

    @property
    def allowed_vmdk_types(self) -> frozenset[str]:
        return frozenset(listed(self.vmdk_allowed_types))

    @property
    def glance_download_prefixes(self) -> tuple[str, ...]:
        return listed(self.glance_download_properties)

    @property
    def spared_roles(self) -> frozenset[str]:
        return frozenset(role.lower() for role in listed(self.ignore_user_roles))

    @property
    def injected_properties(self) -> dict[str, str]:
        pairs = (pair.partition(":") for pair in listed(self.inject_properties))
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def outbound_rules(self) -> OutboundRules:
        """Raises ValueError for a port that is none."""
        return OutboundRules(
            allowed_schemes=frozenset(listed(self.allowed_schemes)),
            disallowed_schemes=frozenset(listed(self.disallowed_schemes)),
            allowed_hosts=_hosts(self.allowed_hosts),
            disallowed_hosts=_hosts(self.disallowed_hosts),
            allowed_ports=frozenset(map(int, listed(self.allowed_ports))),
            disallowed_ports=frozenset(map(int, listed(self.disallowed_ports))),
        )

    @property
    def fetch_limits(self) -> FetchLimits:
        return FetchLimits(
            least_bytes_s=self.fetch_least_bytes_s,
            window_s=self.fetch_window_s,
            total_s=self.fetch_timeout_s,
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
        return (StoreInfo(id=LOCAL, kind=StoreKind.FILE, address=folder, is_default=True),)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data_path / 'transom.db'}"


def listed(text: str) -> tuple[str, ...]:
    """The parts of a setting that is a list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _hosts(text: str) -> frozenset[str]:
    """In the spelling that URLs are brought to; one that is no host is never met."""
    return frozenset(normalize_host(host) or host for host in listed(text))


def describe() -> list[tuple[str, Any, str]]:
    """(name, default, help) of every setting, in order."""
    return [(f.name, f.default, f.metadata["help"]) for f in dataclasses.fields(Settings)]


def secrets() -> frozenset[str]:
    """The settings of which `<name>_file` may name a file that holds the value."""
    return frozenset(f.name for f in dataclasses.fields(Settings) if f.metadata["is_secret"])
