"""Which URLs may be fetched, and from which addresses: by tables and by laws (images-v2, 5.5)."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import InvalidError
from transom.domain.outbound import (
    Address,
    IsOwn,
    OutboundRules,
    allowed_addresses,
    check_url,
    normalize_host,
)

DEFAULT = OutboundRules(allowed_schemes=frozenset({"http", "https"}), allowed_ports=frozenset({80, 443}))
OPEN = OutboundRules(allowed_schemes=frozenset({"http", "https"}))
#: Of this machine, of its link, or of a metadata service: an operator opens them one by one.
HOME = [
    *("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "0.0.0.0", "::"),
    *("::ffff:169.254.1.1", "64:ff9b::7f00:1", "::127.0.0.1", "0.1.2.3", "fe80::a9fe:a9fe"),
    *("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    *("::ffff:168.63.129.16", "::ffff:0:168.63.129.16", "64:ff9b::168.63.129.16", "::100.100.100.200"),
]
#: Refused unless a network that the operator allows has them.
NOT_PUBLIC = [
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255"),
    *("192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("fc00::1", "fd00::1", "fec0::1", "ff02::1", "ff0e::1", "100::1", "5f00::1", "4000::1"),
    *("2001:db8::1", "3fff::1", "2001::1", "2001:0:53aa:64c:0:fbff:f7f7:f7f7", "2001:20::1"),
    *("2002:808:808::1", "2002:7f00:1::1", "64:ff9b:1::8.8.8.8", "64:ff9b:1:fffe::808:808"),
    *("2a00::5efe:8.8.8.8", "2a00::200:5efe:10.0.0.1"),
    *("::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::100.64.0.1"),
    *("64:ff9b::224.0.0.1", "::ffff:255.255.255.255"),
]
PUBLIC = [
    *("8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "168.63.129.17", "223.255.255.255"),
    *("2a00::1", "2600::1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
]
NUMBERS = ["127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "1.2.3.4.5", "127.0.0.0x1", "1."]
hosts = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9](\.[a-z]{2,6}){0,2}", fullmatch=True)


def rules(**lists: Any) -> OutboundRules:
    given: dict[str, Any] = {"allowed_schemes": {"http", "https"}, **lists}
    return OutboundRules(**{name: frozenset(values) for name, values in given.items()})


def nobodys(_address: Address) -> bool:
    return False


def connected_to(found: Iterable[str], given: OutboundRules, is_own: IsOwn = nobodys) -> tuple[str, ...]:
    """Those of the addresses of a name that are connected to."""
    try:
        return allowed_addresses(check_url("http://example.org/", given), found, given, is_own)
    except InvalidError:
        return ()


@pytest.mark.parametrize("address", [*HOME, *NOT_PUBLIC])
def test_nothing_but_public_addresses_is_connected_to(address: str) -> None:
    assert connected_to([address], DEFAULT) == ()


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_connected_to(address: str) -> None:
    assert connected_to([address], DEFAULT) == (address,)


@pytest.mark.parametrize("address", PUBLIC)
def test_this_machines_own_addresses_are_not(address: str) -> None:
    assert connected_to([address], DEFAULT, lambda _address: True) == ()


def test_an_own_address_is_known_in_its_ipv6_spelling_too() -> None:
    own = ip_address("8.8.8.8")

    assert connected_to(["::ffff:8.8.8.8", "64:ff9b::808:808", "8.8.4.4"], DEFAULT, own.__eq__) == (
        "8.8.4.4",
    )


@given(address=st.ip_addresses(v=4))
@pytest.mark.parametrize("spelling", ["::ffff:{}", "::ffff:0:{}", "64:ff9b::{}"])
def test_an_ipv4_address_is_judged_alike_in_its_ipv6_spellings(spelling: str, address: IPv4Address) -> None:
    spelled = str(IPv6Address(spelling.format(address)))

    assert bool(connected_to([spelled], DEFAULT)) == bool(connected_to([str(address)], DEFAULT))


@given(address=st.ip_addresses())
def test_what_the_registries_call_private_or_reserved_is_not_public(address: Address) -> None:
    """By the standard library's tables, which are kept apart from ours."""
    if connected_to([str(address)], DEFAULT) and getattr(address, "ipv4_mapped", None) is None:
        in_nat64 = address in ip_network("64:ff9b::/96") if address.version == 6 else False
        assert in_nat64 or (address.is_global and not address.is_multicast and not address.is_reserved)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_network_that_is_allowed_opens_its_addresses(address: str) -> None:
    everything = rules(allowed_networks={ip_network("0.0.0.0/0"), ip_network("::/0")})

    assert connected_to([address], everything) == (address,)


@pytest.mark.parametrize("address", HOME)
def test_a_network_that_is_allowed_opens_neither_this_machine_nor_metadata_services(address: str) -> None:
    networks = {ip_network(one) for one in ("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1", "169.254.0.0/16")}

    assert connected_to([address], rules(allowed_networks=networks)) == ()


def test_an_own_address_is_opened_by_naming_it_alone() -> None:
    own = ip_address("10.0.0.5").__eq__
    wide, narrow = ip_network("10.0.0.0/8"), ip_network("10.0.0.5/32")

    assert connected_to(["10.0.0.5", "10.0.0.6"], rules(allowed_networks={wide}), own) == ("10.0.0.6",)
    assert connected_to(["10.0.0.5", "10.0.0.6"], rules(allowed_networks={narrow}), own) == ("10.0.0.5",)


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("8.8.0.0/16", "8.8.8.8"),
        ("8.8.0.0/16", "::ffff:8.8.8.8"),
        ("64:ff9b::/96", "64:ff9b::8.8.8.8"),
        ("2a00::/12", "2a00::1"),
    ],
)
def test_a_network_that_is_disallowed_closes_its_addresses_whatever_is_allowed(
    network: str, address: str
) -> None:
    everything = {ip_network("0.0.0.0/0"), ip_network("::/0")}
    closed = rules(allowed_networks=everything, disallowed_networks={ip_network(network)})
    listed = rules(allowed_hosts={"example.org"}, disallowed_networks={ip_network(network)})

    assert connected_to([address], closed) == ()
    assert connected_to([address], listed) == ()


@pytest.mark.parametrize("host", [*NUMBERS, "", "a..b", "-a", "a-", "a b", "fe80::1%eth0", "ä.org", "a" * 64])
def test_hosts_that_are_neither_an_address_in_full_nor_a_name_are_none(host: str) -> None:
    assert normalize_host(host) is None


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("EXAMPLE.org", "example.org"),
        ("example.org.", "example.org"),
        ("127.0.0.1", "127.0.0.1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a_b", "a_b"),
    ],
)
def test_a_host_has_one_spelling(host: str, normal: str) -> None:
    assert normalize_host(host) == normal


@given(host=st.text())
def test_to_spell_a_host_twice_changes_nothing_more(host: str) -> None:
    normal = normalize_host(host)

    assert normal is None or normalize_host(normal) == normal


@given(url=st.text() | st.from_regex(r"https?://[^/]{0,20}(/.*)?"))
def test_any_text_is_a_url_to_fetch_or_refused(url: str) -> None:
    try:
        target = check_url(url, OPEN)
    except InvalidError:
        return
    assert normalize_host(target.host) == target.host
    assert 0 <= target.port < 65536


@pytest.mark.parametrize("number", [one for one in NUMBERS if one != "1."])
@given(address=st.ip_addresses())
def test_no_spelling_of_a_number_passes(number: str, address: IPv4Address) -> None:
    with pytest.raises(InvalidError):
        check_url(f"http://{number}/{address}", OPEN)


@pytest.mark.parametrize(
    ("url", "lists"),
    [
        ("https://example.org/x", {"allowed_schemes": {"http"}}),
        ("https://example.org/x", {"allowed_schemes": set(), "disallowed_schemes": {"https"}}),
        ("ftp://example.org/x", {"allowed_schemes": {"ftp"}}),
        ("http://example.org/x", {"allowed_hosts": {"example.com"}}),
        ("http://sub.example.org/x", {"allowed_hosts": {"example.org"}}),
        ("http://example.org/x", {"disallowed_hosts": {"example.org"}}),
        ("http://EXAMPLE.org./x", {"disallowed_hosts": {"example.org"}}),
        ("http://example.org:8080/x", {"allowed_ports": {80}}),
        ("http://example.org:8080/x", {"disallowed_ports": {8080}}),
    ],
)
def test_what_the_lists_do_not_allow_is_refused(url: str, lists: dict[str, set[str]]) -> None:
    with pytest.raises(InvalidError):
        check_url(url, rules(**lists))


@pytest.mark.parametrize(
    ("url", "lists"),
    [
        ("http://example.org:8080/x", {"allowed_ports": {8080}, "disallowed_ports": {8080}}),
        ("http://example.org/x", {"allowed_hosts": {"example.org"}, "disallowed_hosts": {"example.org"}}),
        ("https://example.org/x", {"disallowed_schemes": {"https"}}),
        ("http://example.org/x", {"allowed_ports": {8080}}),
    ],
)
def test_an_allowed_list_wins_and_a_port_counts_only_when_it_is_named(
    url: str, lists: dict[str, set[str]]
) -> None:
    assert check_url(url, rules(**lists)).url == url


@given(host=hosts, addresses=st.lists(st.sampled_from([*HOME, *NOT_PUBLIC, *PUBLIC]), max_size=5))
def test_of_an_unlisted_host_only_public_addresses_are_connected_to(host: str, addresses: list[str]) -> None:
    target = check_url(f"http://{host}/", DEFAULT)
    public = tuple(one for one in addresses if one in PUBLIC)

    if public:
        assert allowed_addresses(target, addresses, DEFAULT, nobodys) == public
    else:
        with pytest.raises(InvalidError):
            allowed_addresses(target, addresses, DEFAULT, nobodys)


def test_of_a_host_that_is_listed_every_address_is_connected_to() -> None:
    listed = rules(allowed_hosts={"localhost"})
    target = check_url("http://localhost/", listed)

    assert allowed_addresses(target, ["127.0.0.1", "::1"], listed, nobodys) == ("127.0.0.1", "::1")


def test_an_address_that_is_disallowed_blocks_the_names_that_lead_to_it() -> None:
    listed = rules(disallowed_hosts={"8.8.8.8"})

    assert connected_to(["8.8.8.8", "::ffff:8.8.8.8", "8.8.4.4"], listed) == ("8.8.4.4",)
