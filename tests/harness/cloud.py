"""A Nova and a Cinder on the loopback address, as far as images are made of servers and volumes.

They answer as the documented APIs do (Compute API 2.45, `createImage`; Block Storage API 3.1,
`os-volume_upload_image`), and make the image at the image service with the caller's own token, as the real
ones do: the record at once, the data in `deliver`. Start reading at `Cloud`.
"""

from __future__ import annotations

import json
import threading
from typing import Any, NamedTuple

from harness import plain_http
from harness.loopback import Handler, LoopbackServer

SERVER, VOLUME = "5b6f0f53-1d3a-4c1e-9f6b-0e6d8ffb0a11", "b2f1c3de-8a0e-4a4e-9d0e-3c8a5b7e6f22"
#: Properties that Nova gives a snapshot, of the server and of the image that it was made of.
INHERITED = {
    "instance_uuid": SERVER,
    "image_type": "snapshot",
    "__os_version": "CentOS 7.4 64bit",
    "__os_type": "Linux",
    "__os_bit": "64",
    "__platform": "CentOS",
}


class Made(NamedTuple):
    """An image that was made, and the token that it was made with."""

    image_id: str
    token: str


class Cloud(LoopbackServer):
    """`refusal`: (status, name, message) that every action is answered with, None for none; `breaks_off`:
    makes the image, and then drops the connection instead of answering; `makes_nothing`: names an image that
    it has not made here."""

    def __init__(self) -> None:
        self.image_url = ""
        self.refusal: tuple[int, str, str] | None = None
        self.breaks_off = False
        self.makes_nothing = False
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []
        self.made: list[Made] = []
        self.is_asked = threading.Event()
        cloud = self

        class CloudHandler(Handler):
            def respond(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
                cloud.asked.append((self.path, self.headers.get("OpenStack-API-Version"), body))
                cloud.is_asked.set()
                if cloud.refusal is not None:
                    status, name, message = cloud.refusal
                    said = {name: {"code": status, "message": message}}
                    self.answer(status, json.dumps(said).encode(), {"Content-Type": "application/json"})
                    return
                answer = cloud.make(self.path, body, self.headers["X-Auth-Token"])
                if cloud.breaks_off:
                    self.connection.close()
                    self.close_connection = True
                    return
                self.answer(202, json.dumps(answer).encode(), {"Content-Type": "application/json"})

        super().__init__(CloudHandler)

    @property
    def compute(self) -> str:
        return f"{self.origin}/v2.1"

    @property
    def volumes(self) -> str:
        return f"{self.origin}/v3/project"

    def forget(self, image_url: str) -> None:
        """As new, before a test: images are made at this service."""
        self.image_url = image_url
        self.refusal, self.breaks_off, self.makes_nothing = None, False, False
        self.asked.clear()
        self.made.clear()
        self.is_asked.clear()

    def make(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        """The image is made; the body of the answer."""
        if path == f"/v2.1/servers/{SERVER}/action":
            asked = body["createImage"]
            record = {
                "name": asked["name"],
                "visibility": "private",
                "disk_format": "qcow2",
                "container_format": "bare",
                "min_disk": 20,
                **INHERITED,
                **asked["metadata"],
            }
            return {"image_id": self._create(record, token)}
        volume_id = path.split("/")[-2]
        asked = body["os-volume_upload_image"]
        record = {
            name: asked[name] for name in ("container_format", "disk_format", "visibility", "protected")
        } | {"name": asked["image_name"]}
        uploaded = {
            "id": volume_id,
            "status": "uploading",
            "size": 1,
            "image_id": self._create(record, token),
            "image_name": asked["image_name"],
            "container_format": asked["container_format"],
            "disk_format": asked["disk_format"],
            "visibility": asked["visibility"],
            "protected": asked["protected"],
            "display_description": None,
            "volume_type": None,
            "updated_at": "2026-01-01T00:00:00.000000",
        }
        return {"os-volume_upload_image": uploaded}

    def deliver(self, data: bytes, number: int = -1) -> None:
        """Upload the data of an image that was made, the last one if not told."""
        made = self.made[number]
        headers = {"X-Auth-Token": made.token, "Content-Type": "application/octet-stream"}
        url = f"{self.image_url}/v2/images/{made.image_id}/file"
        answer = plain_http.put(url, content=data, headers=headers)
        assert answer.status_code == 204, answer.text

    def drop(self) -> None:
        """Delete the image that was made, as Nova does when a snapshot fails."""
        made = self.made[-1]
        url = f"{self.image_url}/v2/images/{made.image_id}"
        answer = plain_http.delete(url, headers={"X-Auth-Token": made.token})
        assert answer.status_code == 204, answer.text

    def _create(self, record: dict[str, Any], token: str) -> str:
        if self.makes_nothing:
            return "11111111-1111-4111-8111-111111111111"
        headers = {"X-Auth-Token": token}
        answer = plain_http.post(f"{self.image_url}/v2/images", json=record, headers=headers)
        assert answer.status_code == 201, answer.text
        self.made.append(Made(str(answer.json()["id"]), token))
        return self.made[-1].image_id
