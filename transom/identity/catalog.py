"""The catalog of a user's token, as Keystone has it: which services there are, and where."""

import ssl
from typing import Any

import msgspec

from transom.domain.errors import ConflictError, UnavailableError

_ANSWER_S = 15
_MOST_BYTES = 4 << 20


async def read_catalog(auth_url: str, cafile: str, token: str) -> Any:
    """What Keystone at `auth_url` lists for the token; of any shape. `cafile`: certificates to check it by,
    empty: those of the system. ConflictError when it does not take the token, UnavailableError when it cannot
    be asked."""
    # Imported with the first call: few workers ever make one.
    import aiohttp

    root = auth_url.rstrip("/").removesuffix("/v3") + "/v3"
    tls = ssl.create_default_context(cafile=cafile) if cafile else True
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    headers = {"X-Auth-Token": token, "Accept": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(f"{root}/auth/catalog", headers=headers, ssl=tls, allow_redirects=False) as response,
        ):
            if response.status in (401, 403, 404):
                raise ConflictError("The identity service does not take the user's token any more.")
            body = await response.content.read(_MOST_BYTES)
            return msgspec.json.decode(body, type=dict[str, Any])["catalog"]
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
        raise UnavailableError("The identity service cannot be asked for its catalog now.") from error
