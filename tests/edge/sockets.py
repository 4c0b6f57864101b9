"""Requests as bytes, for what no HTTP library would send."""

import socket
from http.client import HTTPResponse

import httpx
from harness.service import Service

PATIENCE_S = 20


def exchange(service: Service, head: bytes) -> tuple[int, str, bytes]:
    """(status, headers, body) of the answer to a request line and header lines, all with their line ends."""
    with connect(service) as connection:
        connection.sendall(head + b"Accept: application/json\r\nConnection: close\r\n\r\n")
        response = HTTPResponse(connection)
        response.begin()
        return response.status, str(response.headers), response.read()


def connect(service: Service) -> socket.socket:
    url = httpx.URL(service.url)
    return socket.create_connection((url.host, url.port or 80), timeout=PATIENCE_S)
