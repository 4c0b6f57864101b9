"""Whom the headers of proxies are taken from, and what they say (RFC 7239; X-Forwarded-… by custom)."""

from contextlib import suppress
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.api.forwarded import Forwarding, make_trust, read_forwarding
from transom.domain.errors import InvalidError

is_trusted = make_trust([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])
PROXY = "10.0.0.1"
#: (headers of a request from the trusted proxy, what they say)
UNDERSTOOD = [
    ([], Forwarding(PROXY)),
    ([("x-forwarded-for", "192.0.2.1")], Forwarding("192.0.2.1")),
    # Whatever stands before the first hop that no trusted proxy vouches for was sent by that hop.
    ([("x-forwarded-for", "198.51.100.9, 192.0.2.1")], Forwarding("192.0.2.1")),
    ([("x-forwarded-for", "198.51.100.9, 192.0.2.1, 10.0.0.2")], Forwarding("192.0.2.1")),
    ([("x-forwarded-for", "garbage, 192.0.2.1")], Forwarding("192.0.2.1")),
    ([("x-forwarded-for", "10.9.9.9"), ("x-forwarded-for", "192.0.2.1")], Forwarding("192.0.2.1")),
    ([("x-forwarded-for", "10.0.0.3, 10.0.0.2")], Forwarding("10.0.0.3")),
    ([("x-forwarded-for", "garbage")], Forwarding(PROXY)),
    ([("x-forwarded-for", "192.0.2.1:4711")], Forwarding("192.0.2.1")),
    ([("x-forwarded-for", "2001:db8::1")], Forwarding("2001:db8::1")),
    ([("x-forwarded-for", "[2001:db8::1]:4711")], Forwarding("2001:db8::1")),
    ([("x-forwarded-for", "192.0.2.1, fd00::2")], Forwarding("192.0.2.1")),
    ([("x-forwarded-for", "192.0.2.1, ::ffff:10.0.0.2")], Forwarding("192.0.2.1")),
    ([("x-forwarded-proto", "https")], Forwarding(PROXY, "https")),
    ([("x-forwarded-proto", "HTTPS")], Forwarding(PROXY, "https")),
    ([("x-forwarded-proto", "https, https")], Forwarding(PROXY, "https")),
    ([("x-forwarded-proto", "")], Forwarding(PROXY)),
    ([("x-forwarded-host", "images.example:8443")], Forwarding(PROXY, None, "images.example:8443")),
    ([("x-forwarded-port", "8443")], Forwarding(PROXY, port=8443)),
    ([("x-forwarded-prefix", "/image")], Forwarding(PROXY, prefix="/image")),
    ([("x-forwarded-prefix", "/cloud/image/")], Forwarding(PROXY, prefix="/cloud/image")),
    ([("x-forwarded-prefix", "/")], Forwarding(PROXY)),
    # RFC 7239, 4
    ([("forwarded", "for=192.0.2.60;proto=http;by=203.0.113.43")], Forwarding("192.0.2.60", "http")),
    ([("forwarded", 'For="[2001:db8:cafe::17]:4711"')], Forwarding("2001:db8:cafe::17")),
    ([("forwarded", "for=192.0.2.43, for=198.51.100.17")], Forwarding("198.51.100.17")),
    (
        [("forwarded", 'proto=https;host="images.example:8443"')],
        Forwarding(PROXY, "https", "images.example:8443"),
    ),
    ([("forwarded", r'host="im\ages"')], Forwarding(PROXY, None, "images")),
    ([("forwarded", "for=unknown;proto=https")], Forwarding(PROXY, "https")),
    ([("forwarded", "for=_hidden;proto=https")], Forwarding(PROXY, "https")),
    # The proxy that clients reach says how they reached it; the one behind it is not asked.
    (
        [("forwarded", "for=192.0.2.1;proto=https;host=images.example, for=10.0.0.2;proto=http;host=inner")],
        Forwarding("192.0.2.1", "https", "images.example"),
    ),
    (
        [("forwarded", "for=192.0.2.1;proto=https"), ("forwarded", "for=10.0.0.2;host=inner")],
        Forwarding("192.0.2.1", "https", "inner"),
    ),
    # The client's own entry says nothing.
    (
        [("forwarded", "for=10.0.0.9;proto=http;host=evil, for=192.0.2.1;proto=https")],
        Forwarding("192.0.2.1", "https"),
    ),
    ([("forwarded", "host=evil, , for=192.0.2.1;proto=https,")], Forwarding("192.0.2.1", "https")),
    (
        [("forwarded", "proto=https"), ("x-forwarded-prefix", "/image")],
        Forwarding(PROXY, "https", prefix="/image"),
    ),
]
#: (headers, the header that the refusal names)
REFUSED = [
    ([("x-forwarded-proto", "https, http")], "X-Forwarded-Proto"),
    ([("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")], "X-Forwarded-Proto"),
    ([("x-forwarded-proto", "ftp")], "X-Forwarded-Proto"),
    ([("x-forwarded-host", "evil, images.example")], "X-Forwarded-Host"),
    ([("x-forwarded-port", "0")], "X-Forwarded-Port"),
    ([("x-forwarded-port", "65536")], "X-Forwarded-Port"),
    ([("x-forwarded-port", "²")], "X-Forwarded-Port"),
    ([("x-forwarded-prefix", "image")], "X-Forwarded-Prefix"),
    ([("x-forwarded-prefix", "//evil.example")], "X-Forwarded-Prefix"),
    ([("x-forwarded-prefix", "/a/../b")], "X-Forwarded-Prefix"),
    ([("x-forwarded-prefix", '/a"b')], "X-Forwarded-Prefix"),
    ([("x-forwarded-prefix", "/a?b")], "X-Forwarded-Prefix"),
    ([("x-forwarded-prefix", "https://evil.example")], "X-Forwarded-Prefix"),
    ([("forwarded", "for")], "Forwarded"),
    ([("forwarded", 'host="open')], "Forwarded"),
    ([("forwarded", "proto=http;proto=https")], "Forwarded"),
    ([("forwarded", "proto=gopher")], "Forwarded"),
    ([("forwarded", "host=a b")], "Forwarded"),
    ([("forwarded", "proto=https"), ("x-forwarded-proto", "https")], "Forwarded"),
    ([("forwarded", "host=evil"), ("x-forwarded-for", "192.0.2.1")], "Forwarded"),
]

Pairs = list[tuple[str, str]]


def read(pairs: Pairs, peer: str = PROXY) -> Forwarding:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    return read_forwarding(headers, peer, is_trusted)


@pytest.mark.parametrize(("headers", "said"), UNDERSTOOD)
def test_a_trusted_proxy_says_who_asks_and_by_which_address(headers: Pairs, said: Forwarding) -> None:
    assert read(headers) == said


@pytest.mark.parametrize("headers", [headers for headers, _ in [*UNDERSTOOD, *REFUSED]])
@pytest.mark.parametrize("peer", ["192.0.2.9", "2001:db8::9", "::ffff:192.0.2.9", ""])
def test_nobody_else_is_believed(headers: Pairs, peer: str) -> None:
    assert read(headers, peer) == Forwarding(peer)


@pytest.mark.parametrize(("headers", "name"), REFUSED)
def test_what_could_mean_two_things_is_refused_by_name(headers: Pairs, name: str) -> None:
    with pytest.raises(InvalidError, match=name):
        read(headers)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["forwarded", "x-forwarded-for", "x-forwarded-prefix"]),
            st.text('/for=;,"\\.:[]1a \t', max_size=40),
        )
    )
)
def test_whatever_a_proxy_sends_is_understood_or_refused(headers: Pairs) -> None:
    with suppress(InvalidError):
        read(headers)


@given(st.text('for=;,"\\ 10.2:[]', max_size=60))
def test_a_client_cannot_speak_for_the_proxy(client_sent: str) -> None:
    """The proxy appends its own entry: whatever comes before is refused, or changes nothing."""
    with suppress(InvalidError):
        said = read([("forwarded", f"{client_sent}, for=192.0.2.1;proto=https;host=images.example")])

        assert said == Forwarding("192.0.2.1", "https", "images.example")
