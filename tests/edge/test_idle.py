"""Connections that wait for their next request."""

from conftest import SharedServices

from edge.sockets import connect


def test_an_idle_connection_is_closed_after_the_time_that_is_set(
    shared_services: SharedServices,
) -> None:
    service = shared_services.get("sqlite", TRANSOM_KEEP_ALIVE_S="1")
    with connect(service) as connection:
        connection.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: images\r\n\r\n")

        received = b"".join(iter(lambda: connection.recv(65536), b""))

    assert received.startswith(b"HTTP/1.1 ")
    assert b"connection: close" not in received.lower()
