"""Huawei Cloud's own SDK, unmodified, as the tests of its groups of methods use it.

Start reading at `make_sdk_client`; what an answer left empty, `unfilled` says.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from harness.service import Service
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException  # type: ignore[import-untyped]
from huaweicloudsdkims.v2 import ImsClient, ShowJobRequest  # type: ignore[import-untyped]

PATIENCE_S = 30
#: Of an answer, what the SDK itself adds to every one.
_OWN = frozenset({"status_code", "header_params", "raw_content"})


def make_sdk_client(service: Service, caller: str) -> Any:
    """The client with the caller's key pair."""
    cloud = yaml.safe_load((service.data_dir / "clouds.yaml").read_text())["clouds"][caller]
    credentials = BasicCredentials(cloud["ak"], cloud["sk"], cloud["auth"]["project_id"])
    return ImsClient.new_builder().with_credentials(credentials).with_endpoint(service.url).build()


def unfilled(answer: Any) -> set[str]:
    """The attributes that a typed answer declares and finds empty, to any depth: `members.urn`."""
    return set(_unfilled(answer, ""))


def _unfilled(model: Any, before: str) -> Iterator[str]:
    for name in sorted(set(model.openapi_types) - _OWN):
        value = getattr(model, name)
        if value is None or value == "":
            yield before + name
        for one in value if isinstance(value, list) else [value]:
            if hasattr(one, "openapi_types"):
                yield from _unfilled(one, f"{before}{name}.")


def refused(call: Callable[..., Any], *given: Any) -> tuple[int, str]:
    """The status and the code with which the SDK raises; it has found a text too."""
    with pytest.raises(ServiceResponseException) as raised:
        call(*given)
    assert raised.value.error_msg
    assert raised.value.request_id
    return raised.value.status_code, raised.value.error_code


def finish(client: Any, job_id: str) -> Any:
    """The job, once it is over."""
    deadline = time.monotonic() + PATIENCE_S
    while (job := client.show_job(ShowJobRequest(job_id))).status in ("INIT", "RUNNING"):
        assert time.monotonic() < deadline, job
        # Another process gets there when it does: looking again is the only way to learn it.
        time.sleep(0.02)
    return job
