"""By which address a client reached the service, for links, and from which address it came.

The Host header says it, or the proxies in between (`forwarded.py`). Pure: a request as ASGI has it in, an
`Origin` or InvalidError out. Start reading at `read_origin`.
"""

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from transom.api.forwarded import Forwarding, IsTrusted, read_forwarding
from transom.domain.errors import InvalidError

#: uri-host [ ":" port ] (RFC 3986, 3.2.2). Without the comma that the grammar allows in a name: no host has
#: one, and a list of hosts that a proxy joined would pass for one.
_AUTHORITY = re.compile(
    rb"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2}){1,255})"
    rb"(?::(?P<port>[0-9]{0,5}))?"
)
_PORT = re.compile(r":[0-9]+$")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(msgspec.Struct, frozen=True):
    """`host`: with the port where the client named one. `prefix`: the path that a proxy serves us below, ""
    or "/path". `client`: the client's address. `signed_host`: the Host that the client sent, where
    a proxy replaced it."""

    scheme: str
    host: str
    prefix: str
    client: str
    signed_host: str | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}{self.prefix}"


def read_origin(scope: Mapping[str, Any], peer: str, is_trusted: IsTrusted | None) -> Origin:
    """`peer`: the address at the other end of the connection. `is_trusted` None: there are no proxies.

    Raises InvalidError for a request without exactly one valid Host (RFC 9112, 3.2), and for what a trusted
    proxy says wrongly.
    """
    host = _read_host(scope)
    if is_trusted is None:
        return Origin(scope["scheme"], host, "", peer)
    return _apply(read_forwarding(scope["headers"], peer, is_trusted), scope["scheme"], host)


def _read_host(scope: Mapping[str, Any]) -> str:
    sent: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"host":
            if sent is not None:
                raise InvalidError("The Host header must be sent once.")
            sent = value
    # Granian adds an empty Host where there is none, and that of HTTP/2 is its `:authority`.
    if not sent:
        if scope["http_version"] not in ("1", "1.0"):
            raise InvalidError("The Host header is missing.")
        address, port = scope["server"]
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return _require_authority("The Host header", sent)


def _apply(said: Forwarding, scheme: str, host: str) -> Origin:
    """The host that a proxy names goes before the one it sends, and the port that it names before both."""
    replaced = None
    if said.host is not None:
        replaced = _require_authority("The host that the proxy forwards", said.host.encode("latin-1"))
        host = replaced
    scheme = said.scheme or scheme
    if said.port is not None:
        host = _PORT.sub("", host)
        if said.port != _DEFAULT_PORTS[scheme]:
            host = f"{host}:{said.port}"
    return Origin(scheme, host, said.prefix, said.client, replaced)


@lru_cache(maxsize=256)
def _require_authority(what: str, value: bytes) -> str:
    """The host and port of an authority; InvalidError if it is malformed. They are safe in a URL and within
    quotes."""
    found = _AUTHORITY.fullmatch(value)
    if found is None or int(found["port"] or 0) > 65535 or not _is_ipv6_or_none(found["ipv6"]):
        raise InvalidError(f"{what} must be a host name or an address, with or without a port.")
    return value.decode("ascii").removesuffix(":")


def _is_ipv6_or_none(text: bytes | None) -> bool:
    try:
        return text is None or bool(ipaddress.IPv6Address(text.decode("ascii")))
    except ValueError:
        return False
