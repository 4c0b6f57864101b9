"""What reverse proxies say of the client's side of a request: `Forwarded` (RFC 7239) and `X-Forwarded-…`.

Anybody can send these headers, so they count only if the peer of the connection is a trusted proxy, and of
several entries only those that trusted proxies wrote. Pure. Start reading at `read_forwarding`.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from transom.domain.errors import InvalidError

Headers = Sequence[tuple[bytes, bytes]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Whether an address is that of a trusted proxy.
IsTrusted = Callable[[str], bool]

_FORWARDED = "Forwarded"
_FOR = "X-Forwarded-For"
_PROTO = "X-Forwarded-Proto"
_HOST = "X-Forwarded-Host"
_PORT = "X-Forwarded-Port"
_PREFIX = "X-Forwarded-Prefix"
_NAMES = {name.lower().encode(): name for name in (_FORWARDED, _FOR, _PROTO, _HOST, _PORT, _PREFIX)}

#: forwarded-pair = token "=" ( token / quoted-string ), with what separates it from the next one.
_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PAIR = re.compile(rf'({_NAME})=({_NAME}|"(?:[^"\\]|\\.)*")[ \t]*([;,]|$)[ \t]*')
_ESCAPED = re.compile(r"\\(.)")
#: A node with its port (RFC 7239, 6), and IPv6 addresses as X-Forwarded-For has them: without brackets.
_NODE = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\w+)?|([0-9.]+)(?::\w+)?|([0-9A-Fa-f:.]+)", re.ASCII)
#: Segments of RFC 3986's characters, none of them empty.
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+;=:@-]|%[0-9A-Fa-f]{2})+)*/?")


class Forwarding(NamedTuple):
    """`client`: the address nearest the client that a trusted proxy or the connection itself vouches for.
    `scheme`, `host`, `port`: None where no proxy says. `host` is not checked. `prefix`: "" or "/path"."""

    client: str
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    prefix: str = ""


def make_trust(networks: Collection[Network]) -> IsTrusted:
    @lru_cache(maxsize=1024)
    def is_trusted(address: str) -> bool:
        found = _parse_address(address)
        return found is not None and any(found in network for network in networks)

    return is_trusted


def read_forwarding(headers: Headers, peer: str, is_trusted: IsTrusted) -> Forwarding:
    """`headers`: as sent, names in lower case. `peer`: the address at the other end of the connection.

    Raises InvalidError, which names the header, for one that a trusted proxy sends and that is malformed or
    could mean two things: a guess could make links lead elsewhere.
    """
    if not is_trusted(peer):
        return Forwarding(peer)
    sent: dict[str, list[str]] = {}
    for raw_name, value in headers:
        if (name := _NAMES.get(raw_name)) is not None:
            sent.setdefault(name, []).append(value.decode("latin-1"))
    if not sent:
        return Forwarding(peer)
    prefix = _read_prefix(_get_only(sent, _PREFIX))
    if _FORWARDED not in sent:
        return _read_old(sent, peer, is_trusted)._replace(prefix=prefix)
    if sent.keys() - {_FORWARDED, _PREFIX}:
        raise InvalidError(
            "Forwarded and X-Forwarded-… headers came together: the proxy must remove those that it does not "
            "write itself."
        )
    elements = _parse_forwarded(", ".join(sent[_FORWARDED]))
    return _read_new(elements, peer, is_trusted)._replace(prefix=prefix)


def _read_new(elements: list[dict[str, str]], peer: str, is_trusted: IsTrusted) -> Forwarding:
    client, trusted = _find_client([one.get("for", "") for one in elements], peer, is_trusted)
    said: dict[str, str] = {}
    # Nearest the client first: what a proxy behind it says is of the connection between the two.
    for element in elements[len(elements) - trusted :]:
        said = element | said
    return Forwarding(client, _read_scheme(_FORWARDED, said.get("proto")), said.get("host"))


def _read_old(sent: dict[str, list[str]], peer: str, is_trusted: IsTrusted) -> Forwarding:
    nodes = [node.strip() for value in sent.get(_FOR, ()) for node in value.split(",")]
    client, _ = _find_client(nodes, peer, is_trusted)
    scheme = _read_scheme(_PROTO, _get_only(sent, _PROTO))
    return Forwarding(client, scheme, _get_only(sent, _HOST), _read_port(_get_only(sent, _PORT)))


def _find_client(nodes: list[str], peer: str, is_trusted: IsTrusted) -> tuple[str, int]:
    """(address of the client, how many of the last nodes trusted proxies wrote). A proxy appends whom it was
    spoken to by: from the right, each node is believed as long as the one that wrote it is trusted."""
    client, trusted = peer, 0
    for node in reversed(nodes):
        if not is_trusted(client):
            break
        trusted += 1
        found = _NODE.fullmatch(node)
        address = _parse_address(found[1] or found[2] or found[3]) if found else None
        if address is None:  # RFC 7239 lets a proxy say `unknown` or a name of its own choice.
            break
        client = str(address)
    return client, trusted


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows an IPv4 peer as ::ffff:192.0.2.1.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _get_only(sent: dict[str, list[str]], name: str) -> str | None:
    """The value of a header, None if it is absent or empty. InvalidError for several that differ."""
    values = {part.strip() for value in sent.get(name, ()) for part in value.split(",")} - {""}
    if len(values) > 1:
        raise InvalidError(f"{name} has several values: the proxy that clients reach must replace it.")
    return values.pop() if values else None


def _read_scheme(header: str, value: str | None) -> str | None:
    if value is None:
        return None
    if value.lower() not in ("http", "https"):
        raise InvalidError(f"{header} must name http or https as the scheme.")
    return value.lower()


def _read_port(value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 0 < int(value) < 65536):
        raise InvalidError(f"{_PORT} must be a number from 1 to 65535.")
    return int(value)


def _read_prefix(value: str | None) -> str:
    if value is None:
        return ""
    # `//host` at the start of a link would name another server, and `..` another path than the proxy meant.
    if not _PATH.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise InvalidError(f"{_PREFIX} must be a path such as /image.")
    return value.rstrip("/")


def _parse_forwarded(value: str) -> list[dict[str, str]]:
    """The elements, names in lower case, values without their quotes. An empty one counts: RFC 9110 lets a
    sender leave elements of a list empty."""
    elements: list[dict[str, str]] = [{}]
    position = 0
    while position < len(value):
        if value[position] in ",; \t":
            if value[position] == ",":
                elements.append({})
            position += 1
            continue
        found = _PAIR.match(value, position)
        name = found[1].lower() if found else ""
        if found is None or name in elements[-1]:
            raise InvalidError("Forwarded is not as RFC 7239 has it.")
        text = found[2]
        elements[-1][name] = _ESCAPED.sub(r"\1", text[1:-1]) if text.startswith('"') else text
        if found[3] == ",":
            elements.append({})
        position = found.end()
    return [element for element in elements if element]
