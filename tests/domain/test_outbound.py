"""Which URLs may be fetched, and from which addresses: by tables and by laws (images-v2, 5.5)."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import InvalidError
from transom.domain.outbound import (
    OutboundRules,
    allowed_addresses,
    check_url,
    leads_home,
    normalize_host,
)

DEFAULT = OutboundRules(allowed_schemes=frozenset({"http", "https"}), allowed_ports=frozenset({80, 443}))
OPEN = OutboundRules(allowed_schemes=frozenset({"http", "https"}))
HOME = [
    *("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "0.0.0.0", "::"),
    *("::ffff:169.254.1.1", "64:ff9b::7f00:1", "::127.0.0.1", "0.1.2.3", "fd00:ec2::254"),
]
ABROAD = ["10.0.0.1", "192.168.1.1", "172.16.0.1", "8.8.8.8", "2001:db8::1", "fd00::1", "::ffff:8.8.8.8"]
NUMBERS = ["127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "1.2.3.4.5", "127.0.0.0x1", "1."]
hosts = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9](\.[a-z]{2,6}){0,2}", fullmatch=True)


def rules(**lists: Any) -> OutboundRules:
    given: dict[str, Any] = {"allowed_schemes": {"http", "https"}, **lists}
    return OutboundRules(**{name: frozenset(values) for name, values in given.items()})


@pytest.mark.parametrize("address", HOME)
def test_addresses_of_this_machine_and_its_link_lead_home(address: str) -> None:
    assert leads_home(ip_address(address))


@pytest.mark.parametrize("address", ABROAD)
def test_addresses_of_other_machines_do_not(address: str) -> None:
    assert not leads_home(ip_address(address))


@given(address=st.ip_addresses(v=4))
def test_an_ipv4_address_leads_where_its_ipv6_spelling_does(address: IPv4Address) -> None:
    assert leads_home(IPv6Address(f"::ffff:{address}")) == leads_home(address)


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


@given(host=hosts, addresses=st.lists(st.ip_addresses().map(str), max_size=5))
def test_of_an_unlisted_host_only_addresses_abroad_are_connected_to(host: str, addresses: list[str]) -> None:
    target = check_url(f"http://{host}/", DEFAULT)
    abroad = tuple(one for one in addresses if not leads_home(ip_address(one)))

    if abroad:
        assert allowed_addresses(target, addresses, DEFAULT) == abroad
    else:
        with pytest.raises(InvalidError):
            allowed_addresses(target, addresses, DEFAULT)


def test_of_a_host_that_is_listed_every_address_is_connected_to() -> None:
    listed = rules(allowed_hosts={"localhost"})
    target = check_url("http://localhost/", listed)

    assert allowed_addresses(target, ["127.0.0.1", "::1"], listed) == ("127.0.0.1", "::1")


def test_an_address_that_is_disallowed_blocks_the_names_that_lead_to_it() -> None:
    listed = rules(disallowed_hosts={"10.0.0.1"})
    target = check_url("http://example.org/", listed)

    assert allowed_addresses(target, ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"], listed) == ("10.0.0.2",)
