"""Another region's image service with its identity, on the loopback address: it may be slow, or lie.

Images are records by their ids; what was sent of their data is kept. Start reading at `OtherRegion`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from harness.loopback import Handler, LoopbackServer

REGION, PROJECT, PROJECT_ID, TOKEN = "eu-west", "images", "p1", "token"
USER, PASSWORD = "copies", "secret"


class OtherRegion(LoopbackServer):
    """`lies`: the checksum that it tells instead of the true one; `holds`: how many uploads it reads the
    beginning of, and then no more until `released`, when it drops them; `outrun`: called when an image is to
    be made next, which is there by then, filled by somebody else."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.data: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.lies = ""
        self.holds = 0
        self.outrun: Callable[[], None] | None = None
        self._interruption: _Interruption | None = None
        self.is_holding = threading.Event()
        self.released = threading.Event()
        super().__init__(type("BoundHandler", (_RegionHandler,), {"region": self}))

    def count(self, method: str) -> int:
        return self.calls.count(method)

    def interrupt(self, number: int, do: Callable[[], None], *, is_done: bool) -> Callable[[], None]:
        """Call `do` at the request of this number (from 1), which is then never answered: after it was
        done, or instead. Returns what waits until that has happened."""
        interruption = self._interruption = _Interruption(number, do, is_done, threading.Event())

        def wait() -> None:
            assert interruption.is_over.wait(60), "so many requests never come"

        return wait

    def is_interrupted(self, *, is_done: bool) -> bool:
        """Whether the request at hand was the one to interrupt, before or after it is done."""
        found = self._interruption
        if found is None or (len(self.calls), is_done) != (found.number, found.is_done):
            return False
        self._interruption = None
        found.do()
        found.is_over.set()
        return True


class _Interruption(NamedTuple):
    """See `OtherRegion.interrupt`."""

    number: int
    do: Callable[[], None]
    is_done: bool
    is_over: threading.Event


class _RegionHandler(Handler):
    """Of one self.region."""

    region: OtherRegion

    def respond(self) -> None:
        self.region.calls.append(self.command)
        if self.region.is_interrupted(is_done=False):
            self.close_connection = True
            return
        self._respond()

    def answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, sent: int | None = None
    ) -> None:
        if self.region.is_interrupted(is_done=True):
            self.close_connection = True
            return
        super().answer(status, body, headers, sent=sent)

    def _respond(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/v3/auth/tokens":
            self._log_in()
        elif self.headers.get("X-Auth-Token") != TOKEN:
            self.answer(401, b"")
        elif path == "/v2/images":
            self._collection()
        elif path.endswith("/file"):
            self._take(path.split("/")[3])
        else:
            self._image(path.split("/")[3])

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _log_in(self) -> None:
        asked = json.loads(self._body())["auth"]
        user = asked["identity"]["password"]["user"]
        if (user["name"], user["password"]) != (USER, PASSWORD):
            self.answer(401, b"{}")
            return
        endpoint = {"interface": "public", "region": REGION, "url": f"{self.region.origin}/v2"}
        catalog = [{"type": "image", "endpoints": [endpoint]}]
        token = {"token": {"project": {"id": PROJECT_ID}, "catalog": catalog}}
        self.answer(201, json.dumps(token).encode(), {"X-Subject-Token": TOKEN})

    def _collection(self) -> None:
        if self.command == "GET":
            self.answer(200, b'{"images": []}')
            return
        record = json.loads(self._body()) | {"status": "queued", "owner": PROJECT_ID}
        self.region.images[record["id"]] = record
        outrun, self.region.outrun = self.region.outrun, None
        if outrun is not None:
            record["status"] = "active"
            outrun()
            self.answer(409, b"")
            return
        self.answer(201, json.dumps(record).encode())

    def _take(self, image_id: str) -> None:
        if self.region.holds:
            self.region.holds -= 1
            self.rfile.read(1)
            self.region.is_holding.set()
            self.region.released.wait(30)
            self.close_connection = True
            return
        data = self._body()
        self.region.data[image_id] = data
        checksum = self.region.lies or hashlib.md5(data).hexdigest()
        self.region.images[image_id] |= {"status": "active", "size": len(data), "checksum": checksum}
        self.answer(204, b"")

    def _image(self, image_id: str) -> None:
        if image_id not in self.region.images:
            self.answer(404, b"")
        elif self.command == "DELETE":
            del self.region.images[image_id]
            self.answer(204, b"")
        else:
            self.answer(200, json.dumps(self.region.images[image_id]).encode())


def peer_table(name: str, auth_url: str, user: str, password: str, to: str, remote_region: str) -> str:
    """An entry of the file of peers; every project may copy to `to`."""
    return (
        f'[[peer]]\nregion = "{name}"\nauth_url = "{auth_url}"\nusername = "{user}"\n'
        f'password = "{password}"\nremote_region = "{remote_region}"\n'
        f'[[peer.use]]\nprojects = ["*"]\nto = ["{to}"]\n'
    )
