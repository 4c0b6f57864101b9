"""By which address a client reached the service, for links: the authority that the Host header names.

Pure: bytes of a request in, an `Origin` or InvalidError out. Start reading at `read_origin`.
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from transom.domain.errors import InvalidError

Headers = Sequence[tuple[bytes, bytes]]

#: uri-host [ ":" port ] (RFC 3986, 3.2.2). Without the comma that the grammar allows in a name: no host has
#: one, and a list of hosts that a proxy joined would pass for one.
_AUTHORITY = re.compile(
    rb"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2}){1,255})"
    rb"(?::(?P<port>[0-9]{0,5}))?"
)


class Origin(NamedTuple):
    """`host`: with the port where the client named one."""

    scheme: str
    host: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"


def read_origin(http_version: str, scheme: str, headers: Headers, server: tuple[str, object]) -> Origin:
    """`headers`: as sent, names in lower case. `server`: the address that accepted the connection.

    Raises InvalidError for a request without exactly one valid Host (RFC 9112, 3.2).
    """
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1:
        raise InvalidError("The Host header must be sent once.")
    # Granian adds an empty Host where there is none, and that of HTTP/2 is its `:authority`.
    if not any(hosts):
        if http_version not in ("1", "1.0"):
            raise InvalidError("The Host header is missing.")
        return Origin(scheme, _address_of(server))
    host = parse_authority(hosts[0])
    if host is None:
        raise InvalidError("The Host header must be a host name or an address, with or without a port.")
    return Origin(scheme, host)


@lru_cache(maxsize=256)
def parse_authority(value: bytes) -> str | None:
    """The host and port of an authority, None if it is malformed. It is safe in a URL and within quotes."""
    found = _AUTHORITY.fullmatch(value)
    if found is None or int(found["port"] or 0) > 65535:
        return None
    if found["ipv6"] is not None:
        try:
            ipaddress.IPv6Address(found["ipv6"].decode("ascii"))
        except ValueError:
            return None
    return value.decode("ascii").removesuffix(":")


def _address_of(server: tuple[str, object]) -> str:
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
