"""What the settings say of stores, and of the service that has users' objects."""

from transom.config.outbound import fetch_limits, fetch_rules
from transom.config.settings import Settings
from transom.domain.objects import ObjectStore
from transom.domain.stores import StoreKind, StoreOptions


def store_options(settings: Settings) -> StoreOptions:
    """Raises ValueError as `fetch_rules` does."""
    return StoreOptions(
        infos=settings.store_infos,
        disk_reserve=settings.disk_reserve,
        s3_access_key=settings.s3_access_key,
        s3_secret_key=settings.s3_secret_key,
        s3_credentials_file=settings.s3_credentials_file,
        fetch_rules=fetch_rules(settings),
        fetch_limits=fetch_limits(settings),
    )


def object_store(settings: Settings) -> ObjectStore:
    """The service of `object_store_endpoint`, which may be none."""
    return ObjectStore(
        endpoint=settings.object_store_endpoint,
        region=settings.object_store_region,
        is_asked_by_service=settings.object_store_mode == "service",
        access_key=settings.object_store_access_key,
        secret_key=settings.object_store_secret_key,
        own_buckets=frozenset(
            info.address.partition("/")[0] for info in settings.store_infos if info.kind is StoreKind.S3
        ),
        limits=fetch_limits(settings),
    )
