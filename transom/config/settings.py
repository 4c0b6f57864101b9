"""Which settings there are: each a field with its default, its unit and its help text.

They hold text as given; what they point to is opened elsewhere. `serving.py` has those of the service itself,
`readings.py` what they mean.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from transom.config.field import setting
from transom.config.readings import LOCAL, Readings, listed
from transom.config.serving import ServingSettings

__all__ = ["LOCAL", "Settings", "SettingsError", "describe", "listed", "secrets", "select"]

_Record = TypeVar("_Record", bound=msgspec.Struct)


class SettingsError(Exception):
    """A setting is unknown or has a value it cannot have. The text names it."""


@dataclass(frozen=True, kw_only=True)
class Settings(ServingSettings, Readings):
    """All settings. `TRANSOM_LISTEN` is the environment's spelling of `listen`, and so on."""

    limit_param_default: int = setting(25, "Images in a page of a list when the request sets no limit.")
    api_limit_max: int = setting(1000, "Most images in a page of a list.")
    list_size_limit: int = setting(
        1 << 20,
        "Size at which a page of a list ends, bytes; a page of which at most 25 images were requested is "
        "never cut.",
    )
    image_size_cap: int = setting(1 << 40, "Largest size of an image's data, bytes.")
    image_count_quota: int = setting(-1, "Images a project may own; negative: no limit.")
    image_member_quota: int = setting(128, "Members an image may have; negative: no limit.")
    check_recipients: bool = setting(
        False,
        "Refuse to share an image with a project or domain that the identity service does not know.",
    )
    organizations_file: str = setting(
        "",
        "File (YAML) of organisations: which projects and domains are in which of their units; empty: none.",
    )
    indexed_properties: str = setting(
        "", "Properties by which lists are filtered as fast as by name, comma separated; each has indexes."
    )
    image_property_quota: int = setting(128, "Properties an image may have; negative: no limit.")
    image_metadata_limit: int = setting(
        65536, "Largest size of an image's properties together, bytes; a control character takes six."
    )
    image_tag_quota: int = setting(128, "Tags an image may have; negative: no limit.")
    ims_member_quota: int = setting(
        256, "Recipients an image may have when it is shared by the IMS API; negative: no limit."
    )
    ims_batch_limit: int = setting(
        10000, "Most pairs of an image and a recipient in one batch of the IMS API."
    )
    share_batch_limit: int = setting(
        10000, "Most pairs of an image and a recipient in one request of the share API."
    )
    share_member_quota: int = setting(
        10000, "Recipients an image may have when it is shared by the share API; negative: no limit."
    )
    offer_lifetime_days: int = setting(
        0, "How long an offer of the share API that names no `answer_by` can be answered, days; 0: always."
    )
    event_lifetime_days: int = setting(
        400, "How long events of sharing are kept, in history and for webhooks, days."
    )
    event_quota_per_day: int = setting(
        5_000_000,
        "Events of sharing that a project may cause in a day (UTC); beyond, it can only reject, withdraw, "
        "revoke and delete; negative: no limit.",
    )
    idempotency_lifetime_h: int = setting(
        24, "How long the answer to a request of the share API with an Idempotency-Key is kept, hours."
    )
    idempotency_key_quota: int = setting(
        10000,
        "Answers to Idempotency-Keys that are kept for a project at once; negative: no limit.",
    )
    share_rule_quota: int = setting(
        1000, "Rules a project may have for what others offer it; negative: no limit."
    )
    family_quota: int = setting(100, "Families of images a project may have; negative: no limit.")
    family_version_quota: int = setting(1000, "Versions a family may have; negative: no limit.")
    family_member_quota: int = setting(10000, "Members a family may have; negative: no limit.")
    hook_quota: int = setting(10, "Webhooks a project may have; negative: no limit.")
    hook_schemes: str = setting("https", "Schemes of URLs that webhooks may have, comma separated.")
    hook_hosts: str = setting(
        "",
        "Internal hosts that webhooks may be sent to, with any port (names or addresses), comma separated.",
    )
    hook_public_hosts: bool = setting(True, "Whether webhooks may be sent to any public address as well.")
    hook_ports: str = setting(
        "443", "Ports that webhooks may be sent to on hosts that hook_hosts does not name, comma separated."
    )
    hook_timeout_s: int = setting(15, "How long a receiver of a webhook has to answer, seconds.")
    os_versions_file: str = setting(
        "",
        "File (TOML) of operating systems that __os_version may name besides those built in; empty: none.",
    )
    job_lifetime_s: int = setting(604800, "How long a job is kept after its end, seconds.")
    serve_runs_jobs: bool = setting(
        True,
        "Whether the processes of `transom serve` run jobs and number events, too, or only `transom work`.",
    )
    jobs_at_once: int = setting(
        4, "Jobs that one process runs at once; one project has at most half of them."
    )
    job_attempts: int = setting(
        20,
        "How often a job is begun while a part that it needs, such as a store, is away. The pauses grow from "
        "2 s to a minute: 20 attempts bridge a quarter of an hour.",
    )
    open_jobs_quota: int = setting(
        100, "Jobs and tasks of a project that may wait or run at the same time; negative: no limit."
    )
    region_copies_quota: int = setting(
        5, "Copies to other regions of a project that may wait or run at once; negative: no limit."
    )
    kept_jobs_bytes: int = setting(
        64 << 20,
        "Largest size of a project's ended jobs and tasks in the database, bytes; beyond it the oldest "
        "are removed; 0: no limit.",
    )
    task_time_to_live: int = setting(48, "How long a task is kept after its end, hours.")
    enabled_import_methods: str = setting(
        "glance-direct,web-download,copy-image", "Methods of import that are offered, comma separated."
    )
    image_import_plugins: str = setting(
        "",
        "Plugins that process imported data, in this order, comma separated: image_decompression, "
        "image_conversion, inject_image_metadata.",
    )
    conversion_format: str = setting("raw", "Format that image_conversion converts to: raw, qcow2 or vmdk.")
    vmdk_allowed_types: str = setting(
        "streamOptimized,monolithicSparse",
        "Subformats of vmdk that image_conversion accepts, comma separated.",
    )
    inject_properties: str = setting(
        "", "Properties that inject_image_metadata sets (name:value, comma separated)."
    )
    ignore_user_roles: str = setting(
        "admin", "Roles whose imports get no properties from inject_image_metadata, comma separated."
    )
    glance_download_properties: str = setting(
        "hw_,trait:,os_distro,os_secure_boot,os_type",
        "Prefixes of the names of properties that glance-download takes over, comma separated.",
    )
    show_multiple_locations: bool = setting(
        False, "Show the locations of an image's data, and let PATCH change them."
    )
    image_location_quota: int = setting(
        10, "Locations that an image may have when PATCH adds one; negative: no limit."
    )
    do_secure_hash: bool = setting(
        True, "Hash the data of locations that are added, and compare it with the hash that the client gave."
    )
    image_signature_certificates_dir: str = setting(
        "",
        "Folder of certificates (PEM, named <uuid>.pem) by which signed images are verified; empty: none.",
    )
    image_signature_barbican: bool = setting(
        False,
        "Fetch certificates that are not in this folder from Barbican, with the user's token.",
    )
    allowed_schemes: str = setting("http,https", "Schemes of URLs that may be fetched, comma separated.")
    disallowed_schemes: str = setting(
        "", "Schemes that may not be fetched, comma separated; used only if allowed_schemes is empty."
    )
    allowed_hosts: str = setting(
        "", "Hosts that may be fetched from (names or addresses), comma separated; empty: any."
    )
    disallowed_hosts: str = setting(
        "", "Hosts that may not be fetched from, comma separated; used only if allowed_hosts is empty."
    )
    allowed_ports: str = setting("80,443", "Ports that a URL to fetch may name, comma separated.")
    disallowed_ports: str = setting(
        "", "Ports that it may not name, comma separated; used only if allowed_ports is empty."
    )
    allowed_networks: str = setting(
        "",
        "Networks that may be fetched from although they are not public (10.0.0.0/8, fd00::/8), comma "
        "separated; this machine and metadata services are opened by their exact addresses only.",
    )
    disallowed_networks: str = setting(
        "", "Networks that may not be fetched from, whatever else is allowed, comma separated."
    )
    fetch_least_bytes_s: int = setting(
        64 << 10,
        "Least pace at which a server must send the data that is fetched from it, bytes a second; 0: no "
        "limit.",
    )
    fetch_window_s: int = setting(60, "Time over which that pace is measured, seconds.")
    fetch_timeout_s: int = setting(
        21600, "Longest time spent waiting for the data of one fetch, in all, seconds; 0: no limit."
    )
    user_storage_quota: int = setting(0, "Bytes of image data a project may own; 0: no limit.")
    upload_memory_bytes: int = setting(
        2 << 30,
        "Memory for image data on its way to stores, of each process, bytes; one project has at most a "
        "quarter of what others leave. Uploads that find none wait, a minute at most.",
    )
    json_body_limit: int = setting(1 << 20, "Largest JSON body a request may bring, bytes.")
    identity_body_limit: int = setting(
        64 << 10, "Largest body of a request to the built-in identity, whose logins need no token, bytes."
    )
    body_memory_bytes: int = setting(
        128 << 20,
        "Most memory of a worker for bodies of requests, and of answers over 64 KiB, other than image data, "
        "bytes; a quarter of it for one project, or for one address without a token.",
    )
    hashing_algorithm: str = setting("sha512", "Algorithm of os_hash_value.")
    require_image_format_match: bool = setting(
        True, "Refuse data whose format differs from the image's disk_format."
    )
    gpt_safety_checks_nonfatal: str = setting(
        "", "Names of the checks of a partition table that may fail, comma separated."
    )
    upload_lease_s: int = setting(
        60, "An upload or job whose worker has not renewed its lease for so long is given up, seconds."
    )
    scrub_pace_bytes_s: int = setting(
        0,
        "Pace at which all image data is read and compared with its hashes in the background, by one "
        "process at a time, bytes a second; 0: never.",
    )
    scrub_pause_h: int = setting(24, "Pause between the end of such a run and the next one, hours.")
    scrub_repairs: bool = setting(False, "Whether it mends what it finds, as `transom check --repair` does.")
    max_request_id_length: int = setting(64, "Longest X-Openstack-Request-Id taken from a client.")


def describe() -> list[tuple[str, Any, str]]:
    """(name, default, help) of every setting, in order."""
    return [(f.name, f.default, f.metadata["help"]) for f in dataclasses.fields(Settings)]


def secrets() -> frozenset[str]:
    """The settings of which `<name>_file` may name a file that holds the value."""
    return frozenset(f.name for f in dataclasses.fields(Settings) if f.metadata["is_secret"])


def select(settings: Settings, kind: type[_Record]) -> _Record:
    """A record of `kind`, each of whose fields is the setting, or the reading of it, of that name."""
    return msgspec.convert(settings, kind, from_attributes=True)
