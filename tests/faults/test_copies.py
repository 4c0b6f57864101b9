"""Copies that are cut short: by a kill of the service, by a deletion of the source or of the copy."""

from __future__ import annotations

import hashlib
from random import Random
from typing import Any

import pytest
from harness.service import MakeService, Service

from .calls import create_active_image, expect_eventually, list_all_images, stored_sizes

SIZE = 96 << 20
ROUNDS = 3
DATABASES = ["sqlite", "postgresql"]


def start_copy(service: Service, image_id: str) -> str:
    response = service.client("publisher").post(f"/v1/cloudimages/{image_id}/copy", json={"name": "copy"})
    assert response.status_code == 200, response.text
    return str(response.json()["job_id"])


def show_job(service: Service, job_id: str) -> dict[str, Any]:
    project_id = service.clouds["publisher"].project_id
    response = service.client("publisher").get(f"/v1/{project_id}/jobs/{job_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def is_over(service: Service, job_id: str) -> bool:
    return show_job(service, job_id)["status"] in ("SUCCESS", "FAIL")


@pytest.mark.parametrize("database", DATABASES)
def test_a_copy_goes_on_after_a_kill_and_leaves_no_bytes_behind(
    make_service: MakeService, database: str
) -> None:
    service = make_service(database)
    data = Random(1).randbytes(SIZE)
    image_id = create_active_image(service.client("publisher"), data)
    job_id = start_copy(service, image_id)

    for _ in range(ROUNDS):
        expect_eventually(lambda: len(stored_sizes(service)) > 1 or is_over(service, job_id), True)
        service.kill()
        service.start()
    expect_eventually(lambda: is_over(service, job_id), True)

    job = show_job(service, job_id)
    assert job["status"] == "SUCCESS", job
    copied = service.client("publisher").get(f"/v2/images/{job['entities']['image_id']}/file").content
    assert hashlib.sha256(copied).digest() == hashlib.sha256(data).digest()
    expect_eventually(lambda: stored_sizes(service), [SIZE, SIZE])


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("gone", ["source", "copy"])
def test_a_copy_of_an_image_that_is_deleted_meanwhile_ends_as_a_whole_or_not_at_all(
    make_service: MakeService, database: str, gone: str
) -> None:
    service = make_service(database)
    client = service.client("publisher")
    image_id = create_active_image(client, bytes(SIZE))
    job_id = start_copy(service, image_id)
    expect_eventually(lambda: len(stored_sizes(service)) > 1 or is_over(service, job_id), True)

    ids = {image["id"] for image in list_all_images(service)}
    deleted = image_id if gone == "source" else (ids - {image_id}).pop()
    assert client.delete(f"/v2/images/{deleted}").status_code == 204
    expect_eventually(lambda: is_over(service, job_id), True)

    left = {image["id"]: image["size"] for image in list_all_images(service)}
    assert deleted not in left
    assert set(left.values()) <= {SIZE}, "an image without data is left"
    expect_eventually(lambda: stored_sizes(service), [SIZE] * len(left))
