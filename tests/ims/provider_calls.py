"""What resources of both clouds' Terraform providers have in common: how they ask, poll, read and destroy.

Start reading at `Provider`.
"""

import time
from typing import Any

from harness.service import Service
from sharing_calls import project_of
from test_provider_logins import Client
from test_signature_forms import Form
from test_signing import get_key

DEBIAN = "Debian GNU/Linux 10.0.0 64bit"
PATIENCE_S = 60


class Provider:
    """A provider's client of one project: its requests are signed in this form, or without one have a token;
    those are for the endpoint below which the rules of the IMS API hold."""

    def __init__(self, service: Service, form: Form | None = None, caller: str = "publisher") -> None:
        if form is None:
            self._client, self._root = Client(service, token=service.token(caller)), f"{service.url}/ims"
        else:
            self._client, self._root = Client(service, key=get_key(service, caller), form=form), service.url
        self._client.project_id = project_of(service, caller)

    def request(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, f"{self._root}/{path}", body)
        return answer.json() if answer.content else None

    def wait(self, answer: Any) -> dict[str, Any]:
        """Polls the job until it is SUCCESS; anything but INIT and RUNNING else is an error."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            job = self.request("GET", f"v1/{self._client.project_id}/jobs/{answer['job_id']}")
            if job["status"] == "SUCCESS":
                return dict(job)
            assert job["status"] in ("INIT", "RUNNING"), job
            assert time.monotonic() < deadline, job
            # Another process gets there when it does: looking again is the only way to learn it.
            time.sleep(0.05)

    def read(self, image_id: str) -> dict[str, Any]:
        (found,) = self.request("GET", f"v2/cloudimages?id={image_id}")["images"]
        return dict(found)

    def rename(self, image_id: str, name: str) -> None:
        change = [{"op": "replace", "path": "/name", "value": name}]
        self.request("PATCH", f"v2/cloudimages/{image_id}", change)

    def tags(self, image_id: str) -> dict[str, str]:
        found = self.request("GET", f"v2/{self._client.project_id}/images/{image_id}/tags")["tags"]
        return {tag["key"]: tag["value"] for tag in found}

    def tag(self, image_id: str, action: str, **tags: str) -> None:
        pairs = [{"key": key, "value": value} for key, value in tags.items()]
        path = f"v2/{self._client.project_id}/images/{image_id}/tags/action"
        self.request("POST", path, {"action": action, "tags": pairs})

    def destroy(self, image_id: str, body: Any = None) -> None:
        self.request("DELETE", f"v2/images/{image_id}", body)
        assert self.request("GET", f"v2/cloudimages?id={image_id}")["images"] == []


def has(image: dict[str, Any], **expected: Any) -> bool:
    return {name: image.get(name) for name in expected} == expected
