"""What a handler is given beside the request: the services that `assemble.py` put together."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from transom.api.options import (
    AccountOptions,
    BodyLimits,
    ImageOptions,
    ImsLimits,
    ListOptions,
    ShareLimits,
    Site,
    TaskOptions,
)
from transom.data.transfer import Transfer
from transom.disk import Room
from transom.domain.image_quotas import ImageQuotas
from transom.identity import Identity
from transom.operator_files import OperatorFilesInForce
from transom.outbound import Outbound
from transom.quotas.events import EventQuota
from transom.quotas.projects import Limits
from transom.sharing.delivery import Delivery
from transom.sharing.idempotency import StoredResponses
from transom.sharing.names import NameBook
from transom.sharing.recipients import Recipients
from transom.sharing.relay import Relay
from transom.sharing.usage import Uses
from transom.sql.db import Database
from transom.stores.cache import Cache
from transom.stores.object_access import ObjectAccess
from transom.stores.registry import Stores
from transom.transfers.options import Cloud
from transom.transfers.requesters import Requesters


@dataclass(frozen=True, kw_only=True)
class Services:
    site: Site
    bodies: BodyLimits
    lists: ListOptions
    image_options: ImageOptions
    ims_limits: ImsLimits
    share_limits: ShareLimits
    tasks: TaskOptions
    accounts: AccountOptions
    db: Database
    transfer: Transfer
    stores: Stores
    #: The disks of this machine that are filled: the data folder's as `data`, local stores' by their ids.
    disks: Mapping[str, Room]
    limits: Limits
    event_quota: EventQuota
    image_quotas: ImageQuotas
    outbound: Outbound
    cloud: Cloud
    objects: ObjectAccess
    cache: Cache | None
    wake_prefetch: Callable[[], None]
    identity: Identity
    requesters: Requesters
    recipients: Recipients
    relay: Relay
    uses: Uses
    stored_responses: StoredResponses
    deliveries: Delivery
    operator_files: OperatorFilesInForce
    wake_jobs: Callable[[], None]
    render_metrics: Callable[[], Awaitable[bytes]]
    #: Counts a login by its outcome.
    count_login: Callable[[str], None]
    #: Whether a stop was asked, and balancers are to look elsewhere.
    is_leaving: Callable[[], bool]

    @property
    def names(self) -> NameBook:
        """What projects, domains and organisations are called."""
        return NameBook(self.identity, self.operator_files.organizations)
