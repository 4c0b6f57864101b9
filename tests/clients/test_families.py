"""Clients that know nothing of families, unmodified, beside one.

They find its current version by property, manage its images as before, and what they make of one is none.

`openstack` by its command line is in docs/families.md, whose commands are run.
"""

import io
from collections.abc import Iterator

import pytest
from glanceclient.v2.client import Client as GlanceClient
from harness.sdk import connect
from harness.service import Service
from share.family_calls import Published, active_image, answer_as, offer_to

# The client warns of its own future.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

#: What a publisher says of its images in its repository.
MANAGED = {"hw_disk_bus": "scsi", "architecture": "x86_64"}


@pytest.fixture
def family(cloud: Service, request: pytest.FixtureRequest) -> Iterator[Published]:
    """The publisher's, of which the recipient is a member."""
    family = Published(cloud, f"web-{request.node.name.replace('_', '-')[:40]}")
    offer_to(family, "recipient")
    answer_as(family, "recipient", "accepted")
    yield family
    family.owner.delete(family.path)


def test_the_sdk_finds_the_current_version_by_property_alone(cloud: Service, family: Published) -> None:
    with connect(cloud, "recipient") as connection:

        def found() -> list[str]:
            return [image.id for image in connection.image.images(os_share_family=family.name)]

        first, second = family.image(), family.image()
        before = found()
        family.publish(first)
        published = found()
        family.publish(second)
        replaced = found()
        assert family.act(2, "revoke", reason="CVE-2026-1").status_code == 200
        fallen_back = found()

        assert (before, published, replaced, fallen_back) == ([], [first], [second], [first])
        told = connection.image.get_image(second)
        assert (told.status, told.properties["os_share_revoke_reason"]) == ("deactivated", "CVE-2026-1")


def test_properties_that_a_repository_manages_are_written_without_a_difference(
    cloud: Service, family: Published
) -> None:
    """As Terraform's provider reconciles: it says again what it manages, of the image as it finds it."""
    first = family.image(**MANAGED)
    family.publish(first)
    family.publish()
    before = family.owner.get(f"/v2/images/{first}").json()

    with connect(cloud, "publisher") as connection:
        connection.image.update_image(connection.image.get_image(first), **MANAGED)
        unchanged = family.owner.get(f"/v2/images/{first}").json()
        connection.image.update_image(connection.image.get_image(first), hw_disk_bus="virtio")

    changed = family.owner.get(f"/v2/images/{first}").json()
    assert unchanged == before
    assert changed == before | {"hw_disk_bus": "virtio", "updated_at": changed["updated_at"]}
    assert family.states() == {1: "superseded", 2: "current"}


def test_a_snapshot_of_a_server_from_a_version_is_none_of_the_family(
    cloud: Service, family: Published
) -> None:
    """As Nova makes one: by glanceclient, as the member, with the properties of the image that was booted."""
    first = family.image(**MANAGED)
    family.publish(first)
    glance = GlanceClient(session=None, endpoint=cloud.url, token=cloud.token("recipient"))
    base = glance.images.get(first)
    inherited = {name: value for name, value in base.items() if name.startswith(("hw_", "os_", "archit"))}
    own = {"os_hash_algo", "os_hash_value", "os_hidden"}
    properties = {name: value for name, value in inherited.items() if name not in own}

    snapshot = glance.images.create(
        name="snapshot", disk_format="raw", container_format="bare", base_image_ref=first, **properties
    )
    glance.images.upload(snapshot["id"], io.BytesIO(b"data"))

    assert {"os_share_family", "os_share_version", "os_share_state"} <= properties.keys()
    made = glance.images.get(snapshot["id"])
    assert made["status"] == "active"
    assert {name: made[name] for name in MANAGED} == MANAGED
    assert [name for name in made if name.startswith("os_share_")] == []
    assert family.found() == [first]
    listed = glance.images.list(filters={"os_share_family": family.name})
    assert [image["id"] for image in listed] == [first]


def test_glanceclient_sees_six_fields_of_a_member(cloud: Service, family: Published) -> None:
    first = str(active_image(family.owner)["id"])
    family.publish(first)
    glance = GlanceClient(session=None, endpoint=cloud.url, token=cloud.token("publisher"))

    (member,) = glance.image_members.list(first)

    schema = glance.schemas.get("member")
    fields = {"created_at", "image_id", "member_id", "schema", "status", "updated_at"}
    assert set(member) - {"request_ids"} == fields
    assert {one.name for one in schema.properties} == fields
