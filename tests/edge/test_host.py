"""The Host header: which requests are refused for it (RFC 9112, 3.2; RFC 3986, 3.2.2).

Sent over raw sockets, for no HTTP library sends what is wrong here.
"""

import json

import pytest
from harness.service import Service

from edge.sockets import exchange

#: (what is wrong, the header lines)
REFUSED = {
    "none": b"",
    "empty": b"Host:\r\n",
    "two": b"Host: a\r\nHost: b\r\n",
    "the same twice": b"Host: a\r\nHost: a\r\n",
    "breaks out of quotes": b'Host: evil", realm="x\r\n',
    "with a scheme": b"Host: http://a\r\n",
    "with a path": b"Host: a/b\r\n",
    "with a user": b"Host: user@a\r\n",
    "a list": b"Host: a,b\r\n",
    "a blank inside": b"Host: a b\r\n",
    "a name of a port": b"Host: a:http\r\n",
    "a port too large": b"Host: a:65536\r\n",
    "an open bracket": b"Host: [::1\r\n",
    "no IPv6 address": b"Host: [1:2:3]\r\n",
    "a broken escape": b"Host: a%2\r\n",
    "bytes that are not ASCII": b"Host: \xe9\r\n",
    "markup": b"Host: <script>\r\n",
}
TAKEN = {
    "a name": (b"Host: images.example\r\n", "images.example"),
    "a name with a port": (b"Host: images.example:8443\r\n", "images.example:8443"),
    "an address": (b"Host: 192.0.2.7\r\n", "192.0.2.7"),
    "an IPv6 address": (b"Host: [2001:db8::7]:9292\r\n", "[2001:db8::7]:9292"),
    "an empty port": (b"Host: images.example:\r\n", "images.example"),
    "an underscore": (b"Host: image_api\r\n", "image_api"),
}


@pytest.mark.parametrize("lines", REFUSED.values(), ids=REFUSED)
def test_a_request_without_one_valid_host_is_refused(server: Service, lines: bytes) -> None:
    status, _, body = exchange(server, b"GET / HTTP/1.1\r\n" + lines)

    assert status == 400
    assert "Host" in json.loads(body)["message"]


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"DELETE"])
@pytest.mark.parametrize("path", [b"/v2/images", b"/identity/v3", b"/v1/cloudimages/tags", b"/healthz"])
def test_a_malformed_host_never_reaches_an_answer(server: Service, method: bytes, path: bytes) -> None:
    """Every 401 names the identity service by the client's host."""
    status, head, body = exchange(server, method + b" " + path + b' HTTP/1.1\r\nHost: evil", realm="x\r\n')

    assert status == 400
    assert "evil" not in head
    assert b"evil" not in body


@pytest.mark.parametrize(("lines", "host"), TAKEN.values(), ids=TAKEN)
def test_links_name_the_host_that_the_client_named(server: Service, lines: bytes, host: str) -> None:
    status, _, body = exchange(server, b"GET / HTTP/1.1\r\n" + lines)

    assert status == 300
    assert json.loads(body)["versions"][0]["links"][0]["href"] == f"http://{host}/v2/"


def test_http_1_0_needs_no_host(server: Service) -> None:
    """It was defined before the header was."""
    status, _, body = exchange(server, b"GET / HTTP/1.0\r\n")

    assert status == 300
    assert json.loads(body)["versions"][0]["links"][0]["href"] == f"{server.url}/v2/"
