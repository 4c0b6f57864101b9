"""What a project may have of images, what it has, and whether there is room for more.

The limits are Keystone's where `use_keystone_limits` is on, else those of the settings, of which `Uploads`
holds clients to `user_storage_quota` by itself. What a project has is counted when it is asked for, and kept
nowhere else. The project is the owner of the image, not that of the caller.

Nobody knows the size of data that comes without one: as in Glance it is taken while its project is not yet
over the limit, which then it may be.
"""

from typing import Protocol

from transom.domain.imports import Method
from transom.domain.model import Image
from transom.domain.project_quotas import MIB, UNLIMITED, Limit, ProjectLimits, in_unit, require_room
from transom.sql import images
from transom.sql.blobs import UploadGuard
from transom.sql.db import Database

_COUNT = {
    Limit.SIZE: images.placed_storage,
    Limit.STAGED: images.staged_storage,
    Limit.COUNT: images.count_images,
    Limit.UPLOADING: images.count_uploading,
}


class FindsLimits(Protocol):
    """Who keeps the limits of projects: Keystone (`identity/limits.py`)."""

    async def find(self, project_id: str | None) -> ProjectLimits:
        """Raises UnavailableError when that cannot be found out now."""
        ...


class Limits:
    """For one process. All of these raise UnavailableError when a limit cannot be found out now. Those that
    check something raise LimitExceededError; where the limits are not Keystone's, they check nothing."""

    def __init__(
        self, image_count_quota: int, user_storage_quota: int, db: Database, keystone: FindsLimits | None
    ) -> None:
        """The quotas are the settings of these names. `keystone`: None where they limit projects."""
        self._image_count_quota = image_count_quota
        self._user_storage_quota = user_storage_quota
        self._db = db
        self._keystone = keystone

    async def most_images(self, owner: str | None) -> int:
        """How many images a project may own; negative for no limit."""
        if self._keystone is None:
            return self._image_count_quota
        return (await self._keystone.find(owner))[Limit.COUNT]

    async def check_upload(self, owner: str | None, announced: int | None) -> UploadGuard:
        """Whether `announced` bytes of data may come, or some, and how many uploads may be under way then."""
        return await self._check_data(owner, Limit.SIZE, announced)

    async def check_staging(self, owner: str | None, announced: int | None) -> UploadGuard:
        """As `check_upload`, of data that is to be imported later."""
        return await self._check_data(owner, Limit.STAGED, announced)

    async def _check_data(self, owner: str | None, name: Limit, announced: int | None) -> UploadGuard:
        if self._keystone is None:
            return UploadGuard(owner, UNLIMITED)
        given = await self._keystone.find(owner)
        await self._require(given, owner, name, in_unit(name, announced or 0))
        return UploadGuard(owner, given[Limit.UPLOADING])

    async def check_size(self, owner: str | None, size: int = 0) -> None:
        """Whether the project may have so many more bytes of data."""
        if self._keystone is not None:
            given = await self._keystone.find(owner)
            await self._require(given, owner, Limit.SIZE, in_unit(Limit.SIZE, size))

    async def check_import(self, image: Image, method: Method) -> None:
        """Whether an import may do its work, now that it holds the image, which therefore counts already."""
        if self._keystone is None:
            return
        if method is Method.DIRECT:
            await self.check_size(image.owner, image.size or 0)
            return
        given = await self._keystone.find(image.owner)
        for name in (Limit.STAGED, Limit.UPLOADING):
            await self._require(given, image.owner, name)

    async def usage(self, project_id: str | None) -> dict[str, tuple[int, int]]:
        """Of each thing that is limited, what the project has and what it may have, in the limit's unit. One
        that is None has nothing."""
        given = await self._find(project_id)
        return {name: (await self._used(project_id, name), limit) for name, limit in given.items()}

    async def _find(self, project_id: str | None) -> ProjectLimits:
        if self._keystone is not None:
            return await self._keystone.find(project_id)
        limits = {}
        if self._image_count_quota >= 0:
            limits[Limit.COUNT] = self._image_count_quota
        if self._user_storage_quota > 0:
            limits[Limit.SIZE] = self._user_storage_quota // MIB
        return limits

    async def _used(self, project_id: str | None, name: Limit) -> int:
        if project_id is None:
            return 0
        if self._keystone is None and name is Limit.SIZE:
            # `user_storage_quota` counts an image once, and what is staged as well.
            return in_unit(name, await images.used_storage(self._db, project_id))
        return in_unit(name, await _COUNT[name](self._db, project_id))

    async def _require(self, given: ProjectLimits, owner: str | None, name: Limit, delta: int = 0) -> None:
        if given[name] >= 0:
            require_room(owner, name, given[name], await self._used(owner, name), delta)
