"""Keystone's unified limits → what a project may have (Identity API v3, "Unified Limits").

Answers are kept for `cache_s`, asked for once however many requests wait for them. Whatever keeps us from a
clear answer is an UnavailableError: a limit that is not known is not none.
"""

import asyncio
import logging
from urllib.parse import quote

import msgspec

from transom.domain.errors import UnavailableError
from transom.domain.project_quotas import GivenLimit, ProjectLimits, choose_limits
from transom.identity.answers import Answers
from transom.identity.keystone_client import KeystoneClient, in_time

_log = logging.getLogger(__name__)

#: Projects whose limits a worker knows.
KNOWN_PROJECTS = 4096
#: How long the id of our service is known, seconds: it changes when somebody makes the service anew.
SERVICE_KEPT_S = 300.0


class _Service(msgspec.Struct, frozen=True):
    """A service of the catalog."""

    id: str
    type: str
    name: str = ""


class _ServicesAnswer(msgspec.Struct, frozen=True):
    services: tuple[_Service, ...]


class _RegisteredLimit(msgspec.Struct, frozen=True):
    resource_name: str
    default_limit: int
    region_id: str | None = None


class _RegisteredLimitsAnswer(msgspec.Struct, frozen=True):
    registered_limits: tuple[_RegisteredLimit, ...]


class _ProjectLimit(msgspec.Struct, frozen=True):
    resource_name: str
    resource_limit: int
    project_id: str | None = None
    region_id: str | None = None


class _ProjectLimitsAnswer(msgspec.Struct, frozen=True):
    limits: tuple[_ProjectLimit, ...]


class KeystoneLimits:
    """One per process, used by its event loop only."""

    def __init__(self, client: KeystoneClient, service: str, region_id: str, cache_s: float) -> None:
        """`service`: the type, name or id of the service that the limits are registered for."""
        self._client = client
        self._service = service
        self._region_id = region_id
        self._cache_s = cache_s
        self._services: Answers[str] = Answers(1)
        self._registered: Answers[tuple[GivenLimit, ...]] = Answers(1)
        self._own: Answers[tuple[GivenLimit, ...]] = Answers(KNOWN_PROJECTS)

    async def find(self, project_id: str | None) -> ProjectLimits:
        """What the project may have; without a project, what is registered for all."""
        service_id = await self._services.get(b"", self._ask_for_service)
        if service_id is None:
            raise UnavailableError("The limits of images cannot be found in the identity service.")
        registered, own = await asyncio.gather(
            self._find_registered(service_id), self._find_own(service_id, project_id)
        )
        return choose_limits(own, registered, self._region_id)

    async def _ask_for_service(self) -> tuple[str | None, float]:
        answer = await in_time(self._client.read("/services", _ServicesAnswer, "services"))
        found = _choose_service(answer.services, self._service)
        if len(found) == 1:
            return found[0].id, SERVICE_KEPT_S
        _log.error(
            "keystone_limits_service: Keystone has %d services of the id, name or type %r, and not one",
            len(found),
            self._service,
        )
        return None, 0

    async def _find_registered(self, service_id: str) -> tuple[GivenLimit, ...]:
        async def ask() -> tuple[tuple[GivenLimit, ...] | None, float]:
            path = f"/registered_limits?service_id={quote(service_id, safe='')}"
            asked = self._client.read(path, _RegisteredLimitsAnswer, "registered limits")
            limits = (await in_time(asked)).registered_limits
            given = (
                GivenLimit(name=limit.resource_name, region_id=limit.region_id, value=limit.default_limit)
                for limit in limits
            )
            return tuple(given), self._cache_s

        return await self._registered.get(service_id.encode(), ask) or ()

    async def _find_own(self, service_id: str, project_id: str | None) -> tuple[GivenLimit, ...]:
        if project_id is None:
            return ()

        async def ask() -> tuple[tuple[GivenLimit, ...] | None, float]:
            wanted = f"service_id={quote(service_id, safe='')}&project_id={quote(project_id, safe='')}"
            asked = self._client.read(f"/limits?{wanted}", _ProjectLimitsAnswer, "limits")
            # Filtered again: a server that ignored the filter would give this project another one's limits.
            given = (
                GivenLimit(name=limit.resource_name, region_id=limit.region_id, value=limit.resource_limit)
                for limit in (await in_time(asked)).limits
                if limit.project_id == project_id
            )
            return tuple(given), self._cache_s

        return await self._own.get(f"{service_id} {project_id}".encode(), ask) or ()


def _choose_service(services: tuple[_Service, ...], named: str) -> list[_Service]:
    """Those that are meant: by id, else by name, else by type."""
    for known_by in ("id", "name", "type"):
        found = [service for service in services if getattr(service, known_by) == named]
        if found:
            return found
    return []
