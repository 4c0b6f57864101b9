"""What the settings say of imports, exports and copies."""

from pathlib import Path

import msgspec


class Cloud(msgspec.Struct, frozen=True, kw_only=True):
    """The cloud that this service belongs to, and the others it knows.

    `auth_url`: Keystone's; None with the built-in identity. `cafile`: by which Keystone is verified; "": the
    system's. `own_url`: by which clients reach this service; None when it does not know. `peers_file`: see
    `config/peers.py`.
    """

    auth_url: str | None
    cafile: str
    region: str
    own_url: str | None
    peers_file: str


class PluginOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Of the plugins of imports, and of conversions. Each field is the setting, or the reading of it, of the
    same name (`config/settings.py`, `config/readings.py`)."""

    conversion_format: str
    allowed_vmdk_types: frozenset[str]
    nonfatal_checks: frozenset[str]
    spared_roles: frozenset[str]
    injected_properties: dict[str, str]


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Fields as in `PluginOptions`."""

    import_plugins: tuple[str, ...]
    hashing_algorithm: str
    image_property_quota: int
    image_metadata_limit: int
    glance_download_prefixes: tuple[str, ...]


class TransferOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`work_folder`: this machine's, for files that programs read; `disk_reserve`: bytes that stay free on
    its disk; `object_size_cap`: of an exported object, bytes; `location_hash`: the algorithm by which data
    of added locations is hashed, None when it is not."""

    cloud: Cloud
    imports: ImportOptions
    plugins: PluginOptions
    work_folder: Path
    disk_reserve: int
    object_size_cap: int
    location_hash: str | None
