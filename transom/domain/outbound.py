"""Which URLs the service may fetch for its users, and which addresses it may connect to for that.

A user who names a URL makes the service connect from its own network: to itself, to its neighbours, to the
metadata service of its cloud. The rules are those of Glance's `import_filtering_opts`: schemes, hosts and
ports, then the addresses that a host's name leads to. Of these only public ones may be connected to, unless
the operator allows more. Nothing here asks the network; `outbound.py` does.
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import msgspec

from transom.domain.errors import InvalidError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
#: Whether an address is this machine's own.
IsOwn = Callable[[Address], bool]

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
#: The machine itself and its link, where most metadata services are.
_HOME = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16"))) + tuple(
    map(IPv6Network, ("::/127", "fe80::/10"))
)
#: Metadata services of clouds that are no address of the link: of AWS, Google Cloud and Scaleway for machines
#: that speak IPv6 only, of Alibaba Cloud, of Oracle Cloud's first generation, and of Azure, whose is public.
_METADATA = frozenset(
    map(
        ip_address,
        (
            *("fd00:ec2::254", "fd20:ce::254", "fd00:42::42"),
            *("100.100.100.200", "192.0.0.192", "168.63.129.16"),
        ),
    )
)
#: What is not public of the IPv4 addresses: IANA's registry of special-purpose addresses, multicast
#: (224.0.0.0/4), and what is reserved with the broadcast address (240.0.0.0/4).
_SPECIAL_IPV4 = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        ),
    )
)
#: All public IPv6 addresses (RFC 4291, 2.4, and IANA's registry), and what is not public of these: protocol
#: assignments with Teredo (2001::/32), documentation, and 6to4.
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_SPECIAL_IPV6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
#: IPv6 addresses that end in the IPv4 address they stand for: mapped (RFC 4291), translated (RFC 2765), by
#: NAT64 (RFC 6052), and compatible (RFC 4291). The local NAT64 of RFC 8215 is refused as it is not public.
_WITH_IPV4 = tuple(map(IPv6Network, ("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "::/96")))
#: The middle of an ISATAP address (RFC 5214, 6.1) without its bit for public ones; an IPv4 address follows.
_ISATAP = 0x00005EFE


class OutboundRules(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator allows. Where both lists of a pair are given, only what is allowed counts, but for
    networks: one that is disallowed is never connected to."""

    allowed_schemes: frozenset[str]
    disallowed_schemes: frozenset[str] = frozenset()
    allowed_hosts: frozenset[str] = frozenset()
    disallowed_hosts: frozenset[str] = frozenset()
    allowed_ports: frozenset[int] = frozenset()
    disallowed_ports: frozenset[int] = frozenset()
    allowed_networks: frozenset[Network] = frozenset()
    disallowed_networks: frozenset[Network] = frozenset()


class HookRules(msgspec.Struct, frozen=True, kw_only=True):
    """Where events may be sent. `hosts` may have any port and any address; all others, which `is_open` lets
    in, one of the `ports` and public addresses."""

    schemes: frozenset[str]
    hosts: frozenset[str] = frozenset()
    is_open: bool = True
    ports: frozenset[int] = frozenset({443})
    disallowed_networks: frozenset[Network] = frozenset()


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


def check_hook_url(url: object, rules: HookRules) -> tuple[Target, OutboundRules]:
    """Where the URL leads, and by which rules its addresses are to be chosen; or InvalidError."""
    networks = rules.disallowed_networks
    others = OutboundRules(allowed_schemes=rules.schemes, disallowed_networks=networks)
    target = check_url(url, others)
    parts = urlsplit(target.url)
    if "@" in parts.netloc or parts.fragment:
        raise InvalidError("The URL may have neither a user nor a fragment.")
    if target.host in rules.hosts:
        named = OutboundRules(
            allowed_schemes=rules.schemes, allowed_hosts=rules.hosts, disallowed_networks=networks
        )
        return target, named
    if not rules.is_open:
        raise InvalidError(f"The host '{target.host}' is not allowed.")
    if target.port not in rules.ports:
        raise InvalidError(f"The port {target.port} is not allowed.")
    return target, others


def is_literal(host: str) -> bool:
    """Whether the host of a Target is an address, which no name server is asked for."""
    return ":" in host or host.replace(".", "").isdigit()


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


def allowed_addresses(
    target: Target, found: Iterable[str], rules: OutboundRules, is_own: IsOwn
) -> tuple[str, ...]:
    """Those of the addresses of the target's host that may be connected to, in their order; InvalidError when
    none may be."""
    is_listed = target.host in rules.allowed_hosts
    refused = frozenset() if rules.allowed_hosts else _addresses_among(rules.disallowed_hosts)

    def is_allowed(address: Address) -> bool:
        plain = _plain(address)
        if plain in refused or _is_among(rules.disallowed_networks, address, plain):
            return False
        return is_listed or _is_open(plain, rules.allowed_networks, is_own)

    allowed = tuple(one for one in found if is_allowed(ip_address(one)))
    if not allowed:
        raise unreachable(target)
    return allowed


def unreachable(target: Target) -> InvalidError:
    """One text for a name that nobody knows and for one whose addresses are refused: the service resolves
    names that its users cannot, and does not tell them which there are."""
    return InvalidError(f"The host '{target.host}' leads to no address that may be connected to.")


def _is_open(address: Address, allowed: Iterable[Network], is_own: IsOwn) -> bool:
    """Whether a host that is not listed may have the address. Networks that are allowed open what is not
    public; this machine, its link and metadata services only if they are that one address."""
    if _is_among(_HOME, address) or address in _METADATA or is_own(address):
        return _is_among((one for one in allowed if one.prefixlen == one.max_prefixlen), address)
    return _is_public(address) or _is_among(allowed, address)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not _is_among(_SPECIAL_IPV4, address)
    is_isatap = (int(address) >> 32) & 0xFDFFFFFF == _ISATAP
    return address in _GLOBAL_IPV6 and not _is_among(_SPECIAL_IPV6, address) and not is_isatap


def _is_among(networks: Iterable[Network], *addresses: Address) -> bool:
    return any(address in network for network in networks for address in addresses)


def _plain(address: Address) -> Address:
    """The IPv4 address in an IPv6 address that stands for one."""
    if isinstance(address, IPv6Address) and int(address) > 1 and _is_among(_WITH_IPV4, address):
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
