"""The share API as its tests call it: images, offers, answers, and what a problem looks like.

Everything goes over HTTP. It must not know how the service is built.
"""

import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml
from harness.service import Service
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
from huaweicloudsdkcore.sdk_request import SdkRequest  # type: ignore[import-untyped]
from huaweicloudsdkcore.signer.signer import Signer  # type: ignore[import-untyped]

Body = dict[str, Any]
PROBLEM = "application/problem+json"
UNKNOWN_ID = "7f0e9a52-0000-4000-8000-000000000000"


def project_of(service: Service, caller: str) -> str:
    """The id of the project that the caller works in."""
    return service.clouds[caller].project_id


def problem_of(response: httpx.Response, name: str, status: int) -> Body:
    """The body of the refusal, which is a problem of this name and status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM, response.text
    body: Body = response.json()
    assert body["type"] == f"/share/v1/problems/{name}", body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == f"urn:x-request:{response.headers['x-openstack-request-id']}"
    return body


def send_signed(
    service: Service, caller: str, method: str, path: str, body: Body | None = None
) -> httpx.Response:
    """The answer to a request that Huawei's own signer has signed with the caller's key."""
    cloud = yaml.safe_load((service.data_dir / "clouds.yaml").read_text())["clouds"][caller]
    request = SdkRequest(
        method=method,
        schema="http",
        host=urlsplit(service.url).netloc,
        resource_path=path,
        uri="",
        query_params=[],
        header_params={"Content-Type": "application/json"},
        body=json.dumps(body) if body is not None else "",
    )
    signed = Signer(BasicCredentials(cloud["ak"], cloud["sk"])).sign(request)
    return httpx.request(
        method, f"{service.url}{path}", headers=signed.header_params, content=signed.body, trust_env=False
    )
