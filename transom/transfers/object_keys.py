"""Where the keys come from with which the object store is asked for a user's objects."""

from functools import partial
from typing import TYPE_CHECKING

from transom.config import Settings
from transom.config.object_buckets import read_buckets
from transom.identity.current_roles import CurrentRoles
from transom.stores.object_access import ObjectAccess

if TYPE_CHECKING:
    from transom.identity.keystone_client import KeystoneClient


def open_objects(settings: Settings, keystone: "KeystoneClient | None") -> ObjectAccess:
    """Contacts nothing. Raises SettingsError for a table of buckets that cannot be understood."""
    table = read_buckets(settings.object_store_buckets_file)
    if keystone is not None:
        # Imported here: who has no Keystone does without its HTTP client.
        from transom.identity.keystone_keys import find_key_of

        return ObjectAccess(settings, table, partial(find_key_of, keystone))
    current = CurrentRoles(settings.data_path)
    return ObjectAccess(settings, table, current.find_key if current.is_known else None)


def needs_keystone(settings: Settings) -> bool:
    """Whether a worker that answers no requests has to ask Keystone."""
    asks_for_keys = bool(settings.object_store_endpoint) and settings.object_store_mode == "caller"
    return settings.use_keystone_limits or (settings.identity == "keystone" and asks_for_keys)
