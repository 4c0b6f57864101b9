"""As whom the object store is asked for a user's object, and whether it is asked at all.

With `object_store_mode` `caller` it is asked with the user's own key pair, and decides itself; with `service`
with the service's, and the table of the operator decides. Buckets of this service's own stores are refused.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from transom.domain.errors import ForbiddenError, InvalidError, Reason
from transom.domain.model import Caller
from transom.domain.objects import BucketTable, ObjectRef, ObjectStore, parse_object
from transom.late_imports import import_beside
from transom.stores.s3_credentials import Keys

if TYPE_CHECKING:
    from transom.stores.objects import ObjectClient


class KeyPair(Protocol):
    """What a user signs requests with."""

    @property
    def access(self) -> str: ...
    @property
    def secret(self) -> str: ...


#: The key pair of a user in a project; None when it has none, UnavailableError when that cannot be found out.
KeysOf = Callable[[str, str | None], Awaitable[KeyPair | None]]


class ObjectAccess:
    """`keys_of`: None where no keys are known, as on a machine without the accounts."""

    def __init__(self, store: ObjectStore, table: BucketTable, keys_of: KeysOf | None) -> None:
        self._store = store
        self._table = table
        self._keys_of = keys_of

    def use_table(self, table: BucketTable) -> None:
        """From now on this table says which project may use which buckets."""
        self._table = table

    def parse(self, field: str, value: object) -> ObjectRef:
        """The object that a client named in this field; InvalidError if it named none, or there is no object
        store here (UNSUPPORTED)."""
        self.require_configured()
        return parse_object(field, value, self._store.endpoint)

    def require_configured(self) -> None:
        """InvalidError (UNSUPPORTED) where there is no object store."""
        if not self._store.endpoint:
            raise InvalidError(
                "This service has no object store to make images from and to export them to. Create an image "
                "by POST /v2/images and send its data by PUT /v2/images/{image_id}/file.",
                Reason.UNSUPPORTED,
            )

    def require(self, caller: Caller, ref: ObjectRef, *, write: bool) -> None:
        """ForbiddenError when the caller may not use the object, as far as this service judges. What is
        forbidden is answered as what is absent."""
        is_own = ref.bucket in self._store.own_buckets
        is_judged = self._store.is_asked_by_service
        if is_own or (is_judged and not self._table.allows(caller.project_id, ref.bucket, write=write)):
            raise ForbiddenError(
                f"The object {ref} is not there, or may not be used.", Reason.OBJECT_UNUSABLE
            )

    async def open(self, caller: Caller, ref: ObjectRef, *, write: bool) -> "ObjectClient":
        """The object for this caller. Raises as `require`; ForbiddenError (KEYS_MISSING) when the caller has
        no key pair, UnavailableError when that cannot be found out."""
        self.require(caller, ref, write=write)
        await import_beside("transom.stores.objects")
        from transom.stores.objects import ObjectClient

        keys = await self._keys(caller)
        endpoint = self._store.endpoint.rstrip("/")
        return ObjectClient(ref, endpoint, self._store.region, keys, self._store.limits)

    async def _keys(self, caller: Caller) -> Keys:
        if self._store.is_asked_by_service:
            return Keys(access_key=self._store.access_key, secret_key=self._store.secret_key)
        pair = None
        if self._keys_of is not None:
            pair = await self._keys_of(caller.user_id, caller.project_id)
        if pair is None:
            raise ForbiddenError(
                "The user has no access key in this project, with which the object store could be asked.",
                Reason.KEYS_MISSING,
            )
        return Keys(access_key=pair.access, secret_key=pair.secret)
