"""The private names of libraries that we use, where the libraries offer no public way: a new version that has
them no more is found here at once, and not by somebody who is served by it."""

from collections.abc import Callable
from inspect import getattr_static

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector
from aiohttp.resolver import ThreadedResolver
from aiohttp.test_utils import TestServer
from oslo_utils.imageutils.format_inspector import FileInspector, VHDXInspector

from transom.guarded_http import guarded_connector

#: More than the library reads before anybody asks for it: the connection is still the answer's.
_MUCH = 4 << 20


def _names_in(function: Callable[..., object]) -> set[str]:
    """The names of attributes that a function reads or sets."""
    return set(function.__code__.co_names)


@pytest.mark.parametrize(
    ("user", "name"),
    [
        # `guarded_http.py`: a connector makes the protocol of its connections by `_factory`, and has no
        # public argument for it; a protocol keeps the data that is on its way in `_payload`.
        (BaseConnector.__init__, "_factory"),
        (ResponseHandler.data_received, "_payload"),
        # `data/parsers.py`: a parser reads the tables of a VHDX by these, which have no public names, and
        # keeps what comes by `_capture`.
        (FileInspector.__init__, "_initialize"),
        (FileInspector.eat_chunk, "_capture"),
        (VHDXInspector.post_process, "_find_meta_region"),
        (VHDXInspector.post_process, "_find_meta_entry"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__qualname__,
)
def test_the_library_uses_the_private_name_that_we_do(user: Callable[..., object], name: str) -> None:
    assert name in _names_in(user)


def test_our_parser_of_vhdx_replaces_methods_that_there_are() -> None:
    for name in ("_initialize", "eat_chunk", "_find_meta_region", "_find_meta_entry"):
        assert callable(getattr_static(VHDXInspector, name))


@pytest.mark.anyio
async def test_the_connections_of_a_guarded_connector_are_guarded() -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(_MUCH))

    app = web.Application()
    app.router.add_get("/", answer)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(connector=guarded_connector(ThreadedResolver())) as session,
        session.get(server.make_url("/")) as response,
    ):
        assert response.connection is not None
        protocol = response.connection.protocol
        assert type(protocol).__module__ == "transom.guarded_http"
        assert len(await response.read()) == _MUCH
