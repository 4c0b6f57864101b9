"""The stores that the settings name: by id, in order, and the one that new data goes to."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from transom.config import SettingsError
from transom.domain.errors import InvalidError, UnavailableError
from transom.domain.model import Location
from transom.domain.stores import StoreInfo, StoreKind, StoreOptions, by_weight
from transom.outbound import Outbound
from transom.stores import Keyed, Store
from transom.stores.filesystem import FilesystemStore
from transom.stores.http import HttpStore
from transom.stores.s3_credentials import Keys, credentials_file, read_profile


class Stores:
    """All stores of the service. `infos`: in the order of the settings, one of them the default."""

    def __init__(self, infos: tuple[StoreInfo, ...], opened: Mapping[str, Store]) -> None:
        self.infos = infos
        self.default = next(info for info in infos if info.is_default)
        self._opened = opened
        self._rank = {info.id: rank for rank, info in enumerate(by_weight(infos))}
        self._infos = {info.id: info for info in infos}

    @property
    def writable(self) -> list[StoreInfo]:
        """Those that take new data, the heaviest first."""
        return [info for info in by_weight(self.infos) if not info.is_read_only]

    def __contains__(self, store_id: str) -> bool:
        return store_id in self._opened

    def require(self, store_id: str) -> StoreInfo:
        """The store that a client named; InvalidError when there is none."""
        try:
            return self._infos[store_id]
        except KeyError:
            raise InvalidError(f"Store '{store_id}' is not configured.") from None

    def get(self, store_id: str) -> Store:
        """The store that a row names; UnavailableError when the settings have it no more."""
        try:
            return self._opened[store_id]
        except KeyError:
            raise UnavailableError(f"The store {store_id} is not configured.") from None

    def reader_of(self, url: str) -> str | None:
        """The store that reads data which others keep at such URLs, None when there is none."""
        is_web = url.startswith(("http://", "https://"))
        return next((info.id for info in self.infos if is_web and info.kind is StoreKind.HTTP), None)

    def ordered(self, locations: Iterable[Location], preferred: Sequence[str] = ()) -> list[Location]:
        """In which order to read them: those in `preferred` stores as these are named, then by weight."""
        first = {store_id: place for place, store_id in reversed(list(enumerate(preferred)))}
        last = len(self._rank)
        return sorted(
            locations,
            key=lambda one: (first.get(one.store, len(preferred)), self._rank.get(one.store, last)),
        )

    def ids_of(self, locations: Iterable[Location]) -> list[str]:
        """The stores that hold an image, the heaviest first, each once."""
        return list(dict.fromkeys(location.store for location in self.ordered(locations)))

    def url(self, location: Location) -> str:
        """The URL of a copy of an image's data, for those who may see it. It never holds a key to a store."""
        return self.get(location.store).url(location.key)


def open_stores(options: StoreOptions) -> Stores:
    """Make the stores; none is contacted, so that one which is away does not hold up the others. Raises
    SettingsError when a store's keys are not where they should be."""
    infos = options.infos
    return Stores(infos, {info.id: _open_store(info, options) for info in infos})


def check_stores(options: StoreOptions) -> None:
    """Raises as `open_stores` does. For the process that forks the workers: no library with threads of its
    own may start there, so the stores that need one are not opened."""
    for info in options.infos:
        if info.kind is StoreKind.S3:
            _keys_of(info, options)
        else:
            _open_store(info, options)


def use_keys(stores: Stores, options: StoreOptions) -> None:
    """Go on with the keys as they are now in the file that `options` name. Raises as `open_stores` does, and
    then nothing is changed."""
    keys = {info.id: _keys_of(info, options) for info in stores.infos if info.kind is StoreKind.S3}
    for store_id, key in keys.items():
        store = stores.get(store_id)
        if isinstance(store, Keyed):
            store.use_keys(key)


def _open_store(info: StoreInfo, options: StoreOptions) -> Store:
    if info.kind is StoreKind.S3:
        # Imported only where it is used: the library is large.
        from transom.stores.s3 import S3Store

        return S3Store(info, _keys_of(info, options))
    if info.kind is StoreKind.HTTP:
        return HttpStore(info.id, Outbound(options.fetch_rules, options.fetch_limits))
    return FilesystemStore(info.id, Path(info.address), options.disk_reserve)


def _keys_of(info: StoreInfo, options: StoreOptions) -> Keys | None:
    """The keys of an S3 store; None when they are for the environment or the machine's role to give."""
    if "profile" in info.options:
        try:
            return read_profile(credentials_file(options.s3_credentials_file), info.options["profile"])
        except ValueError as error:
            raise SettingsError(f"stores: the keys of store {info.id}: {error}") from None
    if options.s3_access_key:
        return Keys(access_key=options.s3_access_key, secret_key=options.s3_secret_key)
    return None
