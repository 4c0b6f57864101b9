"""What a service notes of the use of images is on record when it has stopped."""

import sqlite3

import pytest
from harness.service import MakeService, Service
from images import TEN_BYTES, create_active_image


def recorded(service: Service) -> dict[tuple[str, str], int]:
    """Downloads by image and project."""
    with sqlite3.connect(service.database.removeprefix("sqlite:///")) as connection:
        rows = connection.execute("select image_id, project_id, downloads from image_use").fetchall()
    connection.close()
    return {(image_id, project_id): downloads for image_id, project_id, downloads in rows}


@pytest.fixture
def service(make_service: MakeService) -> Service:
    return make_service("sqlite")


def test_downloads_by_others_are_on_record_after_a_stop(service: Service) -> None:
    """From the first byte on: what goes on with a download, or only looks, is none."""
    publisher, recipient = service.client("publisher"), service.client("recipient")
    project = service.clouds["recipient"].project_id
    image_id = create_active_image(publisher, visibility="community")["id"]
    path = f"/v2/images/{image_id}/file"

    assert publisher.get(path).content == TEN_BYTES
    assert recipient.get(f"/v2/images/{image_id}").status_code == 200
    assert recipient.head(path).status_code == 200
    assert recipient.get(path, headers={"Range": "bytes=3-"}).status_code == 206
    whole = recipient.get(path)
    again = recipient.get(path, headers={"If-None-Match": whole.headers["ETag"]})
    assert (whole.content, again.status_code) == (TEN_BYTES, 304)
    assert recipient.get(path, headers={"Range": "bytes=0-2"}).status_code == 206
    assert service.stop() == 0

    assert recorded(service) == {(image_id, project): 2}
