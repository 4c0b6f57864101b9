"""The catalog of a user's token, as Keystone has it: which services there are, and where."""

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import msgspec

from transom.domain.errors import ConflictError, Reason, UnavailableError
from transom.late_imports import import_beside

_ANSWER_S = 15
_MOST_BYTES = 4 << 20


class _Endpoint(msgspec.Struct, frozen=True):
    interface: str
    url: str
    region: str | None = None
    region_id: str | None = None


class _Service(msgspec.Struct, frozen=True):
    type: str
    endpoints: tuple[_Endpoint, ...] = ()


async def read_catalog(auth_url: str, cafile: str, token: str) -> Any:
    """What Keystone at `auth_url` lists for the token; of any shape. `cafile`: certificates to check it by,
    empty: those of the system. ConflictError when it does not take the token, UnavailableError when it cannot
    be asked."""
    root = auth_url.rstrip("/").removesuffix("/v3") + "/v3"
    unavailable = "The identity service cannot be asked for its catalog now."
    answer = await get_as_user(f"{root}/auth/catalog", cafile, token, "application/json", unavailable)
    if answer.status in (401, 403, 404):
        text = "The identity service does not take the user's token any more."
        raise ConflictError(text, Reason.TOKEN_ENDED)
    try:
        return msgspec.json.decode(answer.body, type=dict[str, Any])["catalog"]
    except (ValueError, KeyError) as error:
        raise UnavailableError(unavailable) from error


class UserAnswer(NamedTuple):
    """What a service of the cloud answered: the whole of it. `headers`: by their names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


async def get_as_user(url: str, cafile: str, token: str, accept: str, unavailable: str) -> UserAnswer:
    """As `ask`, by GET with a user's token."""
    return await ask("GET", url, cafile, {"X-Auth-Token": token, "Accept": accept}, unavailable)


async def ask(
    method: str,
    url: str,
    cafile: str,
    headers: Mapping[str, str],
    unavailable: str,
    data: bytes | AsyncIterator[bytes] | None = None,
    answer_s: float = _ANSWER_S,
) -> UserAnswer:
    """Ask a service that the operator names, or the catalog of the operator's own cloud. `unavailable`: what
    to say when it cannot be asked, has no answer for `answer_s` seconds after it has been sent all of `data`,
    or answers without end. No redirects: they would carry the token to wherever they point."""
    await import_beside("aiohttp")
    import aiohttp

    tls = ssl.create_default_context(cafile=cafile) if cafile else True
    is_streamed = data is not None and not isinstance(data, bytes)
    total = None if is_streamed else answer_s
    timeout = aiohttp.ClientTimeout(total=total, sock_connect=_ANSWER_S, sock_read=answer_s)
    body = bytearray()
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(
                method, url, headers=headers, data=data, ssl=tls, allow_redirects=False
            ) as response,
        ):
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise UnavailableError(unavailable)
            found = {name.lower(): value for name, value in response.headers.items()}
            return UserAnswer(response.status, bytes(body), found)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise UnavailableError(unavailable) from error


def endpoint_in(catalog: Any, service_type: str, region: str, interface: str) -> str:
    """The URL that a catalog has of the service; ConflictError when it has none there."""
    try:
        services = msgspec.convert(catalog, type=list[_Service])
    except msgspec.ValidationError:
        services = []
    for service in services:
        for endpoint in service.endpoints if service.type == service_type else ():
            if endpoint.interface == interface and region in (endpoint.region, endpoint.region_id):
                return endpoint.url
    raise no_endpoint(service_type, region, interface)


def no_endpoint(service_type: str, region: str, interface: str) -> ConflictError:
    return ConflictError(f"There is no {interface} endpoint of a service {service_type} in region {region}.")
