"""What settings mean: the values that others need, read from the text that was given."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

from transom.domain.stores import StoreInfo, StoreKind, parse_stores

#: The store there is when the settings name none.
LOCAL = "local"


class Readings:
    """The settings that have these fields (`Settings`), as properties that read them."""

    console: str
    data_dir: str
    database: str
    default_store: str
    enabled_import_methods: str
    glance_download_properties: str
    gpt_safety_checks_nonfatal: str
    ignore_user_roles: str
    identity: str
    image_import_plugins: str
    indexed_properties: str
    inject_properties: str
    listen: str
    public_endpoint: str
    signed_headers: str
    stores: str
    trusted_proxies: str
    vmdk_allowed_types: str

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
    def own_url(self) -> str | None:
        """The same; None when it listens on all addresses, none of which clients could use."""
        is_known = self.public_endpoint or not _is_any(self.host)
        return self.advertised_url if is_known else None

    @property
    def with_indexes(self) -> frozenset[str]:
        """The properties that have indexes."""
        return frozenset(listed(self.indexed_properties))

    @property
    def has_console(self) -> bool:
        return self.console == "on" or (self.console == "auto" and self.identity == "builtin")

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

    @property
    def database_kind(self) -> str:
        """sqlite or postgresql."""
        return "sqlite" if self.database_url.startswith("sqlite:") else "postgresql"


def _is_any(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def listed(text: str) -> tuple[str, ...]:
    """The parts of a setting that is a list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
