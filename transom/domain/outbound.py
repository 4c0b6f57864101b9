"""Which URLs the service may fetch for its users, and which addresses it may connect to for that.

Whoever may name a URL makes the service speak from where it stands: to itself, to its neighbours, to the
metadata service of its cloud. The rules are those of Glance's `import_filtering_opts`: schemes, hosts and
ports, then the addresses that a host's name leads to. Nothing here asks the network; `outbound.py` does.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import msgspec

from transom.domain.errors import InvalidError

Address = IPv4Address | IPv6Address

_DEFAULT_PORTS = {"http": 80, "https": 443}
#: Nothing that one parser of URLs may take for the end of the host and another one not.
_PLAIN_URL = re.compile(r"[!#-;=?-\[\]_a-z~]+", re.IGNORECASE)
#: Longest URL: what servers take of a request's first line, and signed URLs of object stores need half of.
_MOST_URL = 8192
_NAME = re.compile(
    r"(?=.{1,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?"
)
#: A last label like this makes the whole host a number for some resolvers (RFC 3986 has only the full form).
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
#: 0.0.0.0 and its like lead to the machine itself.
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
#: The metadata service of a cloud whose machines speak IPv6 only: no address of the link.
_METADATA = IPv6Address("fd00:ec2::254")
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


class OutboundRules(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator allows. Where both lists of a pair are given, only what is allowed counts."""

    allowed_schemes: frozenset[str]
    disallowed_schemes: frozenset[str] = frozenset()
    allowed_hosts: frozenset[str] = frozenset()
    disallowed_hosts: frozenset[str] = frozenset()
    allowed_ports: frozenset[int] = frozenset()
    disallowed_ports: frozenset[int] = frozenset()


class FetchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How slow a server may be. `least_bytes_s`: bytes a second over `window_s` seconds, 0 for no limit;
    `total_s`: seconds for all of the data, 0 for no limit."""

    least_bytes_s: int = 64 << 10
    window_s: int = 60
    total_s: int = 6 * 3600


DEFAULT_LIMITS = FetchLimits()


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a URL leads: `host` is an address in its one spelling, or a name in lower case."""

    url: str
    scheme: str
    host: str
    port: int


def check_url(url: object, rules: OutboundRules) -> Target:
    """Where the URL leads, or InvalidError. The addresses of its host are still to be checked."""
    if isinstance(url, str) and len(url) > _MOST_URL:
        raise InvalidError(f"The URL is longer than {_MOST_URL} characters.")
    if not isinstance(url, str) or not _PLAIN_URL.fullmatch(url):
        raise InvalidError("The URL is missing, or holds characters that have to be escaped.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidError(f"The URL is malformed: {error}.") from None
    if parts.scheme not in _DEFAULT_PORTS or not _passes(
        parts.scheme, rules.allowed_schemes, rules.disallowed_schemes
    ):
        raise InvalidError(f"The scheme '{parts.scheme}' is not allowed.")
    normal = normalize_host(host or "")
    if normal is None:
        raise InvalidError("The host is missing, or not spelled as it must be.")
    if not _passes(normal, rules.allowed_hosts, rules.disallowed_hosts):
        raise InvalidError(f"The host '{normal}' is not allowed.")
    if port is not None and not _passes(port, rules.allowed_ports, rules.disallowed_ports):
        raise InvalidError(f"The port {port} is not allowed.")
    return Target(
        url=url,
        scheme=parts.scheme,
        host=normal,
        port=port if port is not None else _DEFAULT_PORTS[parts.scheme],
    )


def _passes(value: object, allowed: frozenset[object], disallowed: frozenset[object]) -> bool:
    return value in allowed if allowed else value not in disallowed


def normalize_host(host: str) -> str | None:
    """The host in its one spelling; None for what is neither an address in full nor a name.

    Numbers that some resolvers take for addresses (`127.1`, `2130706433`, `0x7f.1`) are neither.
    """
    if "%" in host:  # The zone of an IPv6 address is this machine's business.
        return None
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    host = host.lower().removesuffix(".")
    last_label = host.rpartition(".")[2]
    if not _NAME.fullmatch(host) or _NUMBER.fullmatch(last_label):
        return None
    return host


def allowed_addresses(target: Target, found: Iterable[str], rules: OutboundRules) -> tuple[str, ...]:
    """Those of the addresses of the target's host that may be connected to, in their order; InvalidError when
    none may be."""
    if target.host in rules.allowed_hosts:
        return tuple(found)
    refused = frozenset() if rules.allowed_hosts else _addresses_among(rules.disallowed_hosts)
    allowed = tuple(
        one for one in found if not leads_home(ip_address(one)) and _plain(ip_address(one)) not in refused
    )
    if not allowed:
        raise InvalidError(f"The host '{target.host}' has no address that may be connected to.")
    return allowed


def leads_home(address: Address) -> bool:
    """Whether the address is this machine's own, or of its link, where metadata services are."""
    plain = _plain(address)
    if isinstance(plain, IPv4Address) and plain in _THIS_NETWORK:
        return True
    return plain.is_loopback or plain.is_link_local or plain.is_unspecified or plain == _METADATA


def _plain(address: Address) -> Address:
    """The IPv4 address in an IPv6 address that stands for one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _addresses_among(hosts: Iterable[str]) -> frozenset[Address]:
    found = set()
    for host in hosts:
        try:
            found.add(_plain(ip_address(host)))
        except ValueError:
            continue
    return frozenset(found)
