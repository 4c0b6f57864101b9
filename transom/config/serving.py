"""The settings of the service itself: where it listens and keeps its data, who its users are, whom it trusts,
how it starts, logs and stops. Those of what users do with images are in `settings.py`.
"""

from dataclasses import dataclass

from transom.config.field import setting


@dataclass(frozen=True, kw_only=True)
class ServingSettings:
    listen: str = setting("127.0.0.1:9292", "Address and port to serve on (host:port).")
    database: str = setting(
        "",
        "Database URL: sqlite:///path or postgresql://…; empty: sqlite below data_dir.",
        is_secret=True,
    )
    data_dir: str = setting("data", "Folder of the embedded database, the image store and the accounts.")
    workers: int = setting(1, "Worker processes.")
    stores: str = setting(
        "",
        "Stores for image data, comma separated: id=file:///folder?weight=100, id=s3://bucket/prefix; "
        "empty: one, `local`, below data_dir.",
    )
    disk_reserve: int = setting(
        256 << 20,
        "Bytes that new data leaves free on the disks of local stores and of SQLite, so that deletions "
        "still work; at most 5 % of a disk; 0: none.",
    )
    default_store: str = setting(
        "",
        "Store that takes data when the client names none; empty: the first that can be written.",
    )
    s3_access_key: str = setting(
        "",
        "Access key of the S3 stores that name no profile; empty: AWS_ACCESS_KEY_ID, or what the machine's "
        "own role gives.",
    )
    s3_secret_key: str = setting("", "Secret key that belongs to s3_access_key.", is_secret=True)
    s3_credentials_file: str = setting(
        "",
        "File with the keys of the profiles that S3 stores name; empty: AWS_SHARED_CREDENTIALS_FILE, or "
        "~/.aws/credentials.",
    )
    object_store_endpoint: str = setting(
        "", "URL of the S3 service from whose objects images are made (http(s)://host); empty: none."
    )
    object_store_region: str = setting(
        "us-east-1", "Region that requests to the object store are signed for."
    )
    object_store_mode: str = setting(
        "caller",
        "Whose keys the object store is asked by: caller (those of the user) or service (its own).",
    )
    object_store_access_key: str = setting("", "Access key of this service at the object store.")
    object_store_secret_key: str = setting(
        "", "Secret key that belongs to object_store_access_key.", is_secret=True
    )
    object_store_buckets_file: str = setting(
        "",
        "File (TOML) that says which project may use which buckets by this service's key; empty: none may.",
    )
    object_size_cap: int = setting(
        128 << 30, "Largest object that an image is made of, and image that is exported, bytes."
    )
    object_quick_size_cap: int = setting(1 << 40, "The same for quick import and quick export, bytes.")
    peers_file: str = setting(
        "",
        "File (TOML) of other image services that images may be copied to, with the credentials for them; "
        "empty: none.",
    )
    cache_size_bytes: int = setting(
        10 << 30, "Largest size of this machine's cache of remote images, bytes; 0: no cache."
    )
    cache_dir: str = setting("", "Folder of the cache, on a local disk; empty: `cache` below data_dir.")
    show_image_direct_url: bool = setting(
        False, "Show the URL of an image's data in its store, as direct_url, to whoever sees the image."
    )
    identity: str = setting(
        "builtin", "Where users and tokens come from: builtin (accounts of this service) or keystone."
    )
    signed_headers: str = setting(
        "vendor",
        "Headers that a signature must cover: vendor (all but those that the clouds' own clients leave "
        "unsigned) or strict (Host, X-Project-Id and X-Domain-Id, too).",
    )
    signed_body_limit: int = setting(
        12 << 20, "Largest body of a request whose signature covers the body, bytes."
    )
    keystone_auth_url: str = setting("", "Keystone's URL, by which clients reach it too (http(s)://…/v3).")
    keystone_username: str = setting("", "User name of this service's account in Keystone.")
    keystone_password: str = setting("", "Password of this account.", is_secret=True)
    keystone_project_name: str = setting("service", "Project in which this account has the role service.")
    keystone_user_domain: str = setting("default", "Id of the account's domain.")
    keystone_project_domain: str = setting("default", "Id of the project's domain.")
    keystone_cache_s: int = setting(
        300,
        "How long an answer of Keystone is kept, and a revoked token may still be accepted, seconds; 0: "
        "for one request.",
    )
    keystone_cafile: str = setting(
        "", "CA certificates (PEM) by which Keystone's certificate is verified; empty: those of the system."
    )
    use_keystone_limits: bool = setting(
        False,
        "Limit projects by Keystone's unified limits instead of image_count_quota and user_storage_quota.",
    )
    keystone_limits_service: str = setting(
        "image", "Service that these limits are registered for: its id, name or type in Keystone."
    )
    keystone_limits_cache_s: int = setting(
        0, "How long a limit from Keystone is kept, seconds; 0: for one request, as in Glance."
    )
    policy_file: str = setting("", "Policy file (YAML) whose rules replace the default ones; empty: none.")
    property_protection_file: str = setting(
        "",
        "File (INI) that says who may create, read, update and delete which properties of images; empty: "
        "none.",
    )
    property_protection_rule_format: str = setting(
        "roles", "What the property protection file names: roles or policies."
    )
    public_endpoint: str = setting(
        "",
        "URL by which clients reach the service; empty: as a trusted proxy or the request's Host header "
        "says.",
    )
    trusted_proxies: str = setting(
        "",
        "Networks of the proxies whose X-Forwarded-… and Forwarded headers are believed, comma separated "
        "(10.0.0.0/8, ::1); empty: none.",
    )
    http2: bool = setting(False, "Whether to speak HTTP/2 as well; not needed behind a proxy.")
    keep_alive_s: int = setting(
        75,
        "How long an idle connection is kept open, seconds; set it longer than a proxy in front keeps its "
        "own.",
    )
    head_timeout_s: int = setting(
        20, "Longest time for the head of a request, and for the first request of a connection, seconds."
    )
    stall_timeout_s: int = setting(
        60, "How far a client may fall behind least_pace_bytes_s before its connection is closed, seconds."
    )
    least_pace_bytes_s: int = setting(
        1024, "Least pace at which a client must send a body or take an answer, bytes a second."
    )
    max_connections: int = setting(
        1024, "Connections that a worker keeps open; fewer if it has too few file descriptors."
    )
    max_connections_per_address: int = setting(
        256,
        "Connections that a worker keeps open for one client address (IPv6: one /64); addresses in "
        "trusted_proxies may have any number.",
    )
    console: str = setting(
        "auto",
        "Pages for browsers at /console: on, off, or auto: on with the built-in identity, off with Keystone, "
        "whose users' passwords they would take.",
    )
    console_idle_s: int = setting(
        28800, "A console session that has not been used for so long ends, seconds."
    )
    cors_allowed_origins: str = setting(
        "",
        "Origins whose pages may use the API from a browser (https://horizon.example.org), comma "
        "separated; * for any; empty: none.",
    )
    cors_allowed_methods: str = setting(
        "GET,HEAD,POST,PUT,PATCH,DELETE",
        "Methods that these pages may use, comma separated.",
    )
    cors_allowed_headers: str = setting(
        "Authorization,Content-Digest,Content-MD5,Idempotency-Key,If-Match,If-None-Match,"
        "If-Range,Range,Repr-Digest,X-Auth-Token,X-Image-Meta-Store,X-OpenStack-Image-Size,"
        "X-OpenStack-Request-ID,X-Project-Id,X-Sdk-Content-Sha256,X-Sdk-Date,X-Service-Token,"
        "X-Subject-Token",
        "Request headers that these pages may send besides those that CORS always allows, comma separated.",
    )
    cors_expose_headers: str = setting(
        "Accept-Ranges,Content-MD5,Content-Range,ETag,Idempotency-Replayed,Location,"
        "OpenStack-image-import-methods,OpenStack-image-store-ids,Retry-After,WWW-Authenticate,X-OpenStack-Request-ID,"
        "X-Request-Id,X-Subject-Token",
        "Response headers that these pages may read besides those that CORS always allows, comma separated.",
    )
    cors_max_age_s: int = setting(
        3600,
        "How long a browser may cache the answer to a preflight request, seconds; 0: the header is left out.",
    )
    cors_allow_credentials: bool = setting(
        True,
        "Whether these pages may send the browser's own credentials (cookies, TLS certificates); tokens "
        "do not need it.",
    )
    region: str = setting(
        "RegionOne",
        "Region in the built-in catalog and in clouds.yaml, and the one whose limits in Keystone hold.",
    )
    catalog_ims_endpoint: bool = setting(
        False,
        "Whether the image endpoint of the built-in catalog ends in /ims, for clients of the IMS API that "
        "take it from there.",
    )
    region_names_project: bool = setting(
        True,
        "Whether the built-in identity accepts the region's name as that of the account's project, as "
        "Huawei Cloud's clients send it; a project of the account with that very name goes first.",
    )
    migrate_on_start: bool = setting(True, "Bring the database's schema up to date when serving starts.")
    database_pool: int = setting(10, "Most PostgreSQL connections of one worker.")
    log_level: str = setting("info", "Least level that is logged: debug, info, warning or error.")
    log_format: str = setting(
        "auto", "Form of log lines: json, text (for people), or auto: text on a terminal, json elsewhere."
    )
    access_log: bool = setting(True, "Write one log line for each request.")
    metrics: bool = setting(True, "Count requests and serve the counts at /metrics.")
    stop_delay_s: int = setting(
        0, "How long /readyz answers 503 before a stop begins, while all else goes on, seconds."
    )
    stop_timeout_s: int = setting(
        3600,
        "Longest time that transfers of image data and requests in flight may go on after a stop has "
        "begun, seconds.",
    )
    password_min_length: int = setting(
        8, "Fewest characters of a new password or secret of the built-in identity."
    )
    token_lifetime_s: int = setting(86400, "Lifetime of a token of the built-in identity, seconds.")
