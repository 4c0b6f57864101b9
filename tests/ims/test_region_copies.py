"""Copies to another region: I16 (ims-api, 1.8, 3.3).

Between two real services: one that the operator's file of peers names, and one that a real Keystone's catalog
has. What goes wrong on the way is done by `harness/region.py`.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults.calls import expect_eventually
from harness.databases import change_database, over_one
from harness.forks import forked_service
from harness.keystone import Keystone
from harness.ports import find_free_port
from harness.region import PASSWORD, PROJECT, REGION, USER, OtherRegion, peer_table
from harness.service import Service
from sharing_calls import ENCRYPTED, UNKNOWN_ID, WHOLE_SERVER, refusal, share
from test_copies import DATA, KEPT, create_image, download, finish, show

PATH = "/v1/cloudimages/{}/cross_region_copy"
PEER = "peer"
#: As the database has it.
KIND = "imsCrossRegionCopyImageJob"
ISO = b"\0" * 32769 + b"CD001\1" + b"\0" * 4096


@pytest.fixture(scope="module")
def region() -> Iterator[OtherRegion]:
    with OtherRegion() as server:
        yield server


@pytest.fixture(scope="module")
def other(shared_services: Any) -> Service:
    """The service that images are copied to, with an identity of its own."""
    found: Service = shared_services.get("sqlite")
    return found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest,
    shared_services: Any,
    other: Service,
    region: OtherRegion,
    tmp_path_factory: pytest.TempPathFactory,
) -> Service:
    cloud = other.clouds["other"]
    auth_url, to = f"{other.url}/identity/v3", cloud.project_name
    away = f"http://127.0.0.1:{find_free_port()}/v3"
    table = tmp_path_factory.mktemp("peers") / "peers.toml"
    table.write_text(
        peer_table(PEER, auth_url, cloud.username, cloud.password, to, "RegionOne")
        + peer_table("wrong", auth_url, cloud.username, "no", to, "RegionOne")
        + peer_table("lost", auth_url, cloud.username, cloud.password, to, "nowhere")
        + peer_table("away", away, USER, PASSWORD, PROJECT, REGION)
        + peer_table(REGION, f"{region.origin}/v3", USER, PASSWORD, PROJECT, REGION)
    )
    found: Service = shared_services.get(
        request.param, TRANSOM_PEERS_FILE=str(table), TRANSOM_UPLOAD_LEASE_S="3", TRANSOM_JOB_ATTEMPTS="3"
    )
    return found


@pytest.fixture
def source(shared: Service, region: OtherRegion) -> Service:
    """The service that images are copied from."""
    region.images.clear()
    region.data.clear()
    region.calls.clear()
    region.lies, region.holds, region.outrun = "", 0, None
    region.is_holding.clear()
    region.released.clear()
    return shared


def ask(source: Service, image_id: str, who: str = "publisher", **given: Any) -> httpx.Response:
    body = {"name": "there", "region": PEER, "project_name": "other", "agency_name": "carrier"} | given
    return source.client(who).post(PATH.format(image_id), json=body)


def begin(source: Service, image_id: str, who: str = "publisher", **given: Any) -> str:
    answer = ask(source, image_id, who, **given)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["job_id"])


def target(other: Service) -> str:
    return other.clouds["other"].project_name


def new_name() -> str:
    """One that no image in the other region has: that region serves these tests for both databases."""
    return f"copy-{uuid.uuid4()}"


def copy(source: Service, image_id: str, who: str = "publisher", **given: Any) -> dict[str, Any]:
    return finish(source, who, begin(source, image_id, who, **given))


# ---- what is made


def test_a_copy_is_a_private_image_there_with_the_same_data_and_properties(
    source: Service, other: Service
) -> None:
    image_id = create_image(source, name="web", os_distro="debian", min_disk=3, protected=True)

    name = new_name()
    job = copy(source, image_id, name=name, project_name=target(other), description="for them")

    assert (job["status"], job["job_type"]) == ("SUCCESS", "imsCrossRegionCopyImageJob"), job
    assert job["entities"]["image_name"] == name
    made = show(other, "other", job["entities"]["image_id"])
    original = show(source, "publisher", image_id)
    assert {name: made[name] for name in KEPT} == {name: original[name] for name in KEPT}
    assert (made["visibility"], made["protected"], made["__description"]) == ("private", False, "for them")
    assert made["__originalimagename"] == image_id
    assert download(other, "other", made["id"]) == DATA


def test_an_image_of_a_format_of_the_ims_api_can_be_copied(source: Service, other: Service) -> None:
    created = source.client("publisher").post("/ims/v2/images", json={"name": "web", "disk_format": "zvhd2"})
    image_id = created.json()["id"]
    headers = {"Content-Type": "application/octet-stream"}
    source.client("publisher").put(f"/v2/images/{image_id}/file", content=DATA, headers=headers)

    job = copy(source, image_id, name=new_name(), project_name=target(other))

    assert job["status"] == "SUCCESS", job
    assert show(other, "other", job["entities"]["image_id"])["disk_format"] == "zvhd2"


def test_a_shared_image_is_copied_by_its_recipient(source: Service, other: Service) -> None:
    image_id = create_image(source, visibility="shared")
    share(source, image_id)
    refused = ask(source, image_id, "recipient", project_name=target(other))
    assert refusal(refused) == (400, "IMG.0196")
    member = source.clouds["recipient"].project_id
    path = f"/v2/images/{image_id}/members/{member}"
    source.client("recipient").put(path, json={"status": "accepted"})

    job = copy(source, image_id, "recipient", name=new_name(), project_name=target(other))

    assert job["status"] == "SUCCESS", job


def test_a_copy_takes_along_what_its_requester_may_read(other: Service, tmp_path: Path) -> None:
    cloud = other.clouds["other"]
    peers, protections = tmp_path / "peers.toml", tmp_path / "protections.conf"
    peers.write_text(
        peer_table(
            PEER,
            f"{other.url}/identity/v3",
            cloud.username,
            cloud.password,
            cloud.project_name,
            "RegionOne",
        )
    )
    protections.write_text(
        "[^secret$]\ncreate = admin\nread = admin\nupdate = admin\ndelete = admin\n"
        "[.*]\ncreate = @\nread = @\nupdate = @\ndelete = @\n"
    )
    files = {
        "TRANSOM_PEERS_FILE": str(peers),
        "TRANSOM_PROPERTY_PROTECTION_FILE": str(protections),
    }
    with forked_service(tmp_path, None, files) as source:
        image_id = create_image(source, os_distro="debian")
        hidden = [{"op": "add", "path": "/secret", "value": "42"}]
        kept = source.client("admin").patch(
            f"/v2/images/{image_id}",
            content=json.dumps(hidden),
            headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
        )
        assert (kept.status_code, kept.json().get("secret")) == (200, "42"), kept.text

        job = copy(source, image_id, name=new_name(), project_name=target(other))

    assert job["status"] == "SUCCESS", job
    made = show(other, "other", job["entities"]["image_id"])
    assert (made["os_distro"], "secret" in made) == ("debian", False)


def test_the_catalog_of_keystone_leads_to_the_region(
    keystone: Keystone, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        forked_service(tmp_path_factory.mktemp("one"), None, keystone.settings()) as one,
        forked_service(
            tmp_path_factory.mktemp("two"), None, {**keystone.settings(), "TRANSOM_REGION": "RegionTwo"}
        ) as two,
    ):
        for service, name in ((one, "RegionOne"), (two, "RegionTwo")):
            service.use_clouds(keystone.clouds)
            keystone.set_image_endpoint(service.url, region=name)
        image_id = create_image(one, caller="demo")
        in_two = {"region": "RegionTwo", "project_name": "demo"}

        job = copy(one, image_id, "demo", **in_two)
        elsewhere = copy(one, image_id, "demo", **(in_two | {"project_name": "alt"}))
        taken = copy(one, image_id, "demo", **in_two)
        unknown = ask(one, image_id, "demo", region="RegionThree")

        assert job["status"] == "SUCCESS", job
        assert download(two, "demo", job["entities"]["image_id"]) == DATA
        assert (elsewhere["status"], elsewhere["error_code"]) == ("FAIL", "IMG.0145")
        assert (taken["status"], taken["error_code"]) == ("FAIL", "IMG.0009")
        assert refusal(unknown) == (400, "IMG.0108")
        assert one.token("demo") not in one.read_log()
        shown = two.client("demo").get("/v2/images").json()["images"]
        assert [image["id"] for image in shown] == [job["entities"]["image_id"]]


# ---- what is refused at once


REFUSED = [
    ("no name", {"name": None}, "IMG.0013"),
    ("name", {"name": "<b>"}, "IMG.0003"),
    ("long name", {"name": "n" * 200}, "IMG.0002"),
    ("description", {"description": "<b>"}, "IMG.0054"),
    ("long description", {"description": "d" * 1025}, "IMG.0004"),
    ("no region", {"region": None}, "IMG.0108"),
    ("unknown region", {"region": "nowhere"}, "IMG.0108"),
    ("the same region", {"region": "RegionOne"}, "IMG.0178"),
    ("no project", {"project_name": None}, "IMG.0104"),
    ("project that is not for it", {"project_name": "admin"}, "IMG.0145"),
    ("no agency", {"agency_name": None}, "IMG.0041"),
]


@pytest.mark.parametrize(("given", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_wrong_with_a_request_is_told_at_once(
    source: Service, other: Service, given: dict[str, Any], code: str
) -> None:
    image_id = create_image(source)

    assert refusal(ask(source, image_id, **({"project_name": target(other)} | given))) == (400, code)


IMAGES = [
    ("whole server", {"data": DATA, **WHOLE_SERVER}, "IMG.0130"),
    ("encrypted", {"data": DATA, **ENCRYPTED}, "IMG.0197"),
    ("ISO", {"data": ISO, "disk_format": "iso"}, "IMG.0167"),
    ("without data", {"data": None}, "IMG.0046"),
]


@pytest.mark.parametrize(("fields", "code"), [row[1:] for row in IMAGES], ids=[row[0] for row in IMAGES])
def test_some_images_cannot_be_copied(
    source: Service, other: Service, fields: dict[str, Any], code: str
) -> None:
    image_id = create_image(source, **fields)

    assert refusal(ask(source, image_id, project_name=target(other))) == (400, code)


def test_what_the_caller_cannot_see_is_not_there(source: Service, other: Service) -> None:
    hidden = create_image(source, visibility="private")

    refusals = [
        refusal(ask(source, one, "other", project_name=target(other))) for one in (hidden, UNKNOWN_ID)
    ]

    assert refusals == [(400, "IMG.0027")] * 2


def test_a_project_has_five_copies_under_way(source: Service, region: OtherRegion) -> None:
    image_id, region.holds = create_image(source), 5
    held = [begin(source, image_id, region=REGION, project_name=PROJECT) for _ in range(5)]

    sixth = ask(source, image_id, region=REGION, project_name=PROJECT)
    region.released.set()
    for job_id in held:
        finish(source, "publisher", job_id)

    assert refusal(sixth) == (400, "IMG.0060")
    assert copy(source, image_id, region=REGION, project_name=PROJECT)["status"] == "SUCCESS"


# ---- what the job finds out


def test_a_name_that_is_taken_there(source: Service, other: Service) -> None:
    image_id = create_image(source)
    given = {"name": f"taken-{image_id}", "project_name": target(other)}
    assert copy(source, image_id, **given)["status"] == "SUCCESS"

    job = copy(source, image_id, **given)

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0009")


@pytest.mark.parametrize(
    ("name", "code"), [("wrong", "IMG.0036"), ("lost", "IMG.0108")], ids=["password", "region"]
)
def test_a_peer_that_does_not_fit_the_table(source: Service, other: Service, name: str, code: str) -> None:
    job = copy(source, create_image(source), region=name, project_name=target(other))

    assert (job["status"], job["error_code"]) == ("FAIL", code)


@over_one("shared")
def test_a_region_that_is_away(source: Service) -> None:
    job = copy(source, create_image(source), region="away", project_name=PROJECT)

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0014")


def test_other_data_there_is_taken_away_again(source: Service, region: OtherRegion) -> None:
    region.lies = hashlib.md5(b"other").hexdigest()

    job = copy(source, create_image(source), region=REGION, project_name=PROJECT)

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0014")
    assert (region.count("PUT"), region.images) == (1, {})


def hold(source: Service, region: OtherRegion, image_id: str) -> str:
    """A job whose data has begun to come."""
    region.holds = 1
    job_id = begin(source, image_id, region=REGION, project_name=PROJECT)
    assert region.is_holding.wait(30)
    return job_id


def test_a_source_that_goes_ends_the_copy_and_nothing_is_left(source: Service, region: OtherRegion) -> None:
    image_id = create_image(source)
    job_id = hold(source, region, image_id)
    source.client("publisher").delete(f"/v2/images/{image_id}")

    job = finish(source, "publisher", job_id)
    region.released.set()

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0027")
    assert region.images == {}


def test_a_killed_service_goes_on_with_the_same_image(source: Service, region: OtherRegion) -> None:
    image_id = create_image(source)
    job_id = hold(source, region, image_id)
    source.kill()
    region.released.set()
    source.start()

    job = finish(source, "publisher", job_id)

    assert job["status"] == "SUCCESS", job
    assert list(region.data) == list(region.images) == [job["entities"]["image_id"]]
    assert (region.data[job["entities"]["image_id"]], region.count("PUT")) == (DATA, 2)


def test_a_connection_that_breaks_is_tried_again(source: Service, region: OtherRegion) -> None:
    image_id = create_image(source)
    job_id = hold(source, region, image_id)
    region.released.set()

    job = finish(source, "publisher", job_id)

    assert (job["status"], region.count("PUT")) == ("SUCCESS", 2), job
    assert region.data[job["entities"]["image_id"]] == DATA


def test_a_worker_whose_job_was_taken_over_leaves_the_image_there_to_the_other(
    source: Service, region: OtherRegion
) -> None:
    """It slept, say, between its look for the image there and its attempt to make it."""
    image_id = create_image(source)
    taken_over = (
        f"update job set holder = 'another', status = 'SUCCESS', end_at = begin_at"
        f" where kind = '{KIND}' and end_at is null"
    )
    region.outrun = lambda: change_database(source, taken_over)

    job = finish(source, "publisher", begin(source, image_id, region=REGION, project_name=PROJECT))

    expect_eventually(lambda: f"{job['job_id']} was taken over" in source.log_path.read_text(), True)
    assert (job["status"], region.count("DELETE")) == ("SUCCESS", 0)
    assert [one["status"] for one in region.images.values()] == ["active"]
