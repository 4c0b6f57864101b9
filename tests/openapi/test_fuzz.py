"""Random requests, made of the OpenAPI document, as every kind of caller: never a 500, and no answer that the
document does not have. `make soak` runs it for longer.

Half of the requests go to things that are there, whose ids no random text would ever hit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from harness.answers import DOCUMENT
from harness.forks import forked_service
from harness.service import Service
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

EXAMPLES = int(os.environ.get("TRANSOM_FUZZ_EXAMPLES", "4"))
CALLERS = (None, "publisher-reader", "publisher", "recipient", "other", "admin")
#: Would end what the other requests need: nobody is to log itself out or to change its password.
_LEFT_OUT = ("delete_identity_v3_auth_tokens", "post_identity_v3_users_id_password")
PATCH_TYPES = (
    "application/openstack-images-v2.1-json-patch",
    "application/openstack-images-v2.0-json-patch",
)
#: Values that no schema can ask for.
_ODD = ("", " ", "\u0000", "\ud7ff", "../..", "%00", "a" * 300, "{}", "-1", "null")


@schemathesis.serializer(*PATCH_TYPES)
def encode_patch(_context: Any, value: Any) -> bytes:
    return json.dumps(value).encode()


_schema = schemathesis.openapi.from_dict(json.loads(DOCUMENT.read_text())).exclude(
    operation_id=list(_LEFT_OUT)
)
OPERATIONS: list[Any] = [found.ok() for found in _schema.get_all_operations() if isinstance(found, Ok)]


class World:
    """A service of its own, with an image that is shared."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.projects = {name: cloud.project_id for name, cloud in service.clouds.items()}
        self.image_id = ""
        self.renew()

    def __repr__(self) -> str:
        return f"World({self.image_id})"

    def renew(self) -> None:
        """Make the image anew if a request has deleted it."""
        owner = self.service.client("publisher")
        if self.image_id and owner.get(f"/v2/images/{self.image_id}").status_code == httpx.codes.OK:
            return
        body = {"name": "web-1", "disk_format": "raw", "container_format": "bare"}
        self.image_id = owner.post("/v2/images", json=body).json()["id"]
        owner.put(
            f"/v2/images/{self.image_id}/file",
            content=b"some bytes",
            headers={"Content-Type": "application/octet-stream"},
        )
        owner.post(f"/v2/images/{self.image_id}/members", json={"member": self.projects["recipient"]})

    def real_value(self, name: str, caller: str | None) -> str | None:
        """What a variable of a path may be so that there is something."""
        own = self.projects[caller or "publisher"]
        return {
            "image_id": self.image_id,
            "member_id": self.projects["recipient"],
            "project_id": own,
            "id": own,
            "namespace": "OS::Fuzz",
            "store_id": "local",
        }.get(name)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with forked_service(tmp_path_factory.mktemp("fuzz"), None) as service:
        service.add_user("publisher-reader", "publisher", "reader")
        admin = service.client("admin")
        admin.post("/v2/metadefs/namespaces", json={"namespace": "OS::Fuzz", "visibility": "public"})
        yield World(service)


@pytest.mark.parametrize("operation", OPERATIONS, ids=[one.label for one in OPERATIONS])
@settings(
    max_examples=EXAMPLES,
    derandomize="TRANSOM_FUZZ_EXAMPLES" not in os.environ,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    data=st.data(),
    mode=st.sampled_from(GenerationMode),
    caller=st.sampled_from(CALLERS),
    is_real=st.booleans(),
    odd=st.one_of(st.none(), st.sampled_from(_ODD)),
)
def test_no_request_is_answered_otherwise_than_documented(
    world: World,
    operation: Any,
    data: st.DataObject,
    mode: GenerationMode,
    caller: str | None,
    is_real: bool,
    odd: str | None,
) -> None:
    case = data.draw(operation.as_strategy(generation_mode=mode))
    world.renew()
    for name in case.path_parameters or {}:
        real = world.real_value(name, caller)
        if is_real and real is not None:
            case.path_parameters[name] = real
        elif odd:
            case.path_parameters[name] = quote(odd, safe="%")
    request = httpx_request(world.service, case, caller)

    # The client's hook holds the answer against the document, which has no 500 anywhere.
    answer = world.service.client(caller).send(request)

    assert answer.status_code != httpx.codes.INTERNAL_SERVER_ERROR, answer.text


def httpx_request(service: Service, case: Any, caller: str | None) -> httpx.Request:
    """The request as one of the caller's client: with its token in place of a random one."""
    made = case.as_transport_kwargs(base_url=service.url)
    unwanted = {"x-auth-token", "authorization", "accept"}
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in made["headers"].items()
        if name.lower() not in unwanted
    ]
    return service.client(caller).build_request(
        made["method"],
        made["url"],
        params=made["params"] or None,
        headers=headers,
        json=made.get("json"),
        content=made.get("data"),
    )
