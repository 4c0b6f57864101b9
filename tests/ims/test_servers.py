"""Images of servers and volumes: I9 with instance_id, volume_id, data_images, and I12 (ims-api, 1.8, 3.5).

The services of the cloud are stood in for by `harness/cloud.py`; Keystone and its catalog are real, and so is
the token that all of them are asked with.
"""

import struct
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from harness.cloud import SERVER, VOLUME, Cloud
from harness.databases import over_one
from harness.forks import create_migrated_database, forked_service
from harness.keystone import Keystone
from harness.objects import ACTION
from harness.postgresql import PostgreSQL
from harness.service import Service
from sharing_calls import refusal
from test_copies import download, finish, show

WHOLE = "/v1/cloudimages/wholeimages/action"
RAW = bytes(range(256)) * 4096
DEBIAN = "Debian GNU/Linux 10.0.0 64bit"
PATIENCE_S = 30
WHO = "demo"


@pytest.fixture(scope="module")
def cloud(keystone: Keystone) -> Iterator[Cloud]:
    with Cloud() as server:
        keystone.set_image_endpoint(server.compute, "compute")
        keystone.set_image_endpoint(server.volumes, "volumev3")
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest,
    keystone: Keystone,
    postgresql: PostgreSQL,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    database = create_migrated_database(postgresql) if request.param == "postgresql" else None
    folder = tmp_path_factory.mktemp("servers")
    with forked_service(folder, database, {**keystone.settings(), "TRANSOM_UPLOAD_LEASE_S": "3"}) as found:
        found.use_clouds(keystone.clouds)
        yield found


@pytest.fixture
def service(shared: Service, cloud: Cloud) -> Service:
    cloud.forget(shared.url)
    return shared


def qcow2() -> bytes:
    """An empty disk of 64 MiB."""
    start = struct.pack(">4sIQI", b"QFI\xfb", 3, 0, 0)
    rest = struct.pack(">IQIIQQIIQQQQII", 16, 2**26, 0, 1, 3 << 16, 1 << 16, 1, 0, 0, 0, 0, 0, 4, 104)
    return (start + rest).ljust(65536, b"\0")


def ask(service: Service, path: str = ACTION, who: str = WHO, **given: Any) -> httpx.Response:
    return service.client(who).post(path, json={"name": "web 1"} | given)


def begin(service: Service, path: str = ACTION, **given: Any) -> str:
    """The job's id."""
    answer = ask(service, path, **given)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["job_id"])


def wait_for_images(cloud: Cloud, count: int = 1) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(cloud.made) < count:
        assert time.monotonic() < deadline, cloud.asked
        time.sleep(0.02)


def show_job(service: Service, job_id: str) -> dict[str, Any]:
    project_id = service.clouds[WHO].project_id
    found: dict[str, Any] = service.client(WHO).get(f"/v1/{project_id}/jobs/{job_id}").json()
    return found


def wait_for_name(service: Service, cloud: Cloud, name: str = "web 1") -> None:
    """Until the job has made the image its own."""
    deadline = time.monotonic() + PATIENCE_S
    while "__data_origin" not in (image := show(service, WHO, cloud.made[-1].image_id)):
        assert time.monotonic() < deadline, image
        time.sleep(0.02)
    assert image["name"] == name


def capture(service: Service, cloud: Cloud, data: bytes, path: str = ACTION, **given: Any) -> dict[str, Any]:
    """The job at its end, and the image's data is there."""
    job_id = begin(service, path, **given)
    wait_for_images(cloud)
    wait_for_name(service, cloud)
    cloud.deliver(data)
    return finish(service, WHO, job_id)


# ---- what is made


def test_an_image_of_a_server_has_what_both_services_and_the_client_say(
    service: Service, cloud: Cloud
) -> None:
    given: dict[str, Any] = {"description": "before the update", "tags": ["stage.test"], "min_ram": 512}

    job = capture(service, cloud, qcow2(), instance_id=SERVER, **given)

    assert (job["status"], job["job_type"]) == ("SUCCESS", "imsCreateImageByInstance"), job
    assert job["entities"]["image_name"] == "web 1"
    ((path, version, body),) = cloud.asked
    assert (path, version) == (f"/v2.1/servers/{SERVER}/action", "compute 2.45")
    assert body["createImage"]["name"] == "web 1"
    image_id = job["entities"]["image_id"]
    assert [made.image_id for made in cloud.made] == [image_id]
    (found,) = service.client(WHO).get(f"/v2/cloudimages?id={image_id}").json()["images"]
    expected = {
        "name": "web 1",
        "status": "active",
        "__imagetype": "private",
        "__data_origin": f"instance,{SERVER}",
        "__description": "before the update",
        "__os_version": "CentOS 7.4 64bit",
        "min_ram": 512,
        "min_disk": 20,
        "tags": ["stage=test"],
        "instance_uuid": SERVER,
        "enterprise_project_id": "0",
    }
    assert {name: found.get(name) for name in expected} == expected
    assert "__ims_job" not in found


def test_an_image_of_a_volume_has_its_name_and_system_and_the_size_of_its_disk(
    service: Service, cloud: Cloud
) -> None:
    job = capture(service, cloud, RAW, volume_id=VOLUME, os_version=DEBIAN, type="ECS")

    assert (job["status"], job["job_type"]) == ("SUCCESS", "imsVolumeCreateImageJob"), job
    ((path, version, body),) = cloud.asked
    assert (path, version) == (f"/v3/project/volumes/{VOLUME}/action", "volume 3.1")
    assert body["os-volume_upload_image"]["visibility"] == "private"
    image = show(service, WHO, job["entities"]["image_id"])
    assert (image["name"], image["min_disk"], image["__os_version"]) == ("web 1", 1, DEBIAN)
    assert (image["__platform"], image["__data_origin"]) == ("Debian", f"volume,{VOLUME}")
    assert download(service, WHO, image["id"]) == RAW


def test_data_images_of_volumes_have_a_job_each(service: Service, cloud: Cloud) -> None:
    volumes = [
        {"name": "data 1", "volume_id": VOLUME, "tags": ["a.b"]},
        {"name": "data 2", "volume_id": "second", "description": "the second"},
    ]
    job_id = begin(service, name=None, data_images=volumes)
    wait_for_images(cloud, 2)
    for number in range(2):
        cloud.deliver(RAW, number)

    job = finish(service, WHO, job_id)

    assert (job["status"], job["job_type"]) == ("SUCCESS", "imsVolumesToSysDataImagesJob"), job
    results = job["entities"]["sub_jobs_result"]
    assert [one["job_type"] for one in results] == ["imsVolumeCreateImageJob"] * 2
    assert job["entities"]["image_id"] == results[0]["entities"]["image_id"]
    images = [show(service, WHO, one["entities"]["image_id"]) for one in results]
    assert [image["name"] for image in images] == ["data 1", "data 2"]
    assert [image["virtual_env_type"] for image in images] == ["DataImage"] * 2
    assert (images[0]["tags"], images[1]["__description"]) == (["a=b"], "the second")
    assert all("__os_version" not in image and image["__os_type"] == "Linux" for image in images)


def test_an_image_of_a_server_and_of_its_volumes_are_made_by_one_call(service: Service, cloud: Cloud) -> None:
    volumes = [{"name": "data 1", "volume_id": VOLUME}]
    job_id = begin(service, instance_id=SERVER, data_images=volumes)
    wait_for_images(cloud, 2)
    of_server = next(
        n for n, made in enumerate(cloud.made) if "instance_uuid" in show(service, WHO, made.image_id)
    )
    cloud.deliver(qcow2(), of_server)
    cloud.deliver(RAW, 1 - of_server)

    job = finish(service, WHO, job_id)

    assert job["status"] == "SUCCESS", job
    types = [one["job_type"] for one in job["entities"]["sub_jobs_result"]]
    assert types == ["imsCreateImageByInstance", "imsVolumeCreateImageJob"]
    assert job["entities"]["image_id"] == cloud.made[of_server].image_id


def test_a_whole_image_is_marked_as_one(service: Service, cloud: Cloud) -> None:
    job = capture(service, cloud, qcow2(), WHOLE, instance_id=SERVER)

    assert (job["status"], job["job_type"]) == ("SUCCESS", "imsCreateWholeImageByInstanceJob"), job
    image_id = job["entities"]["image_id"]
    found = service.client(WHO).get("/v2/cloudimages?__whole_image=true").json()["images"]
    assert image_id in [image["id"] for image in found]


def test_the_image_is_told_before_it_has_its_data(service: Service, cloud: Cloud) -> None:
    job_id = begin(service, instance_id=SERVER)
    wait_for_images(cloud)
    wait_for_name(service, cloud)

    job = show_job(service, job_id)

    assert job["status"] == "RUNNING"
    assert job["entities"]["image_id"] == cloud.made[0].image_id
    cloud.deliver(qcow2())
    assert finish(service, WHO, job_id)["status"] == "SUCCESS"


# ---- what goes wrong at the other service


REFUSALS = [
    ("no server", {"instance_id": SERVER}, (404, "itemNotFound", "Instance could not be found."), "IMG.0005"),
    (
        "server busy",
        {"instance_id": SERVER},
        (
            409,
            "conflictingRequest",
            f"Cannot 'createImage' instance {SERVER} while it is in task_state image_uploading",
        ),
        "IMG.0010",
    ),
    (
        "server in error",
        {"instance_id": SERVER},
        (409, "conflictingRequest", f"Cannot 'createImage' instance {SERVER} while it is in vm_state error"),
        "IMG.0008",
    ),
    (
        "no right",
        {"instance_id": SERVER},
        (403, "forbidden", "Policy doesn't allow os_compute_api:servers:create_image to be performed."),
        "IMG.0137",
    ),
    (
        "server of another kind",
        {"instance_id": SERVER},
        (400, "badRequest", "Snapshotting this server is disabled."),
        "IMG.0063",
    ),
    ("over quota", {"instance_id": SERVER}, (403, "forbidden", "Image quota exceeded"), "IMG.0015"),
    ("token ended", {"instance_id": SERVER}, (401, "unauthorized", "x"), "IMG.0087"),
    ("another answer", {"instance_id": SERVER}, (406, "computeFault", "x"), "IMG.0014"),
    (
        "no volume",
        {"volume_id": VOLUME, "os_version": DEBIAN},
        (404, "itemNotFound", "Volume could not be found."),
        "IMG.0120",
    ),
    (
        "volume in use",
        {"volume_id": VOLUME, "os_version": DEBIAN},
        (400, "badRequest", "Invalid volume: Volume status must be available."),
        "IMG.0022",
    ),
]


@over_one("shared")
@pytest.mark.parametrize(
    ("given", "answer", "code"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_a_refusal_of_the_cloud_ends_the_job_with_its_code(
    service: Service, cloud: Cloud, given: dict[str, Any], answer: tuple[int, str, str], code: str
) -> None:
    cloud.refusal = answer

    job = finish(service, WHO, begin(service, **given))

    assert (job["status"], job["error_code"]) == ("FAIL", code), job
    assert "image_id" not in job["entities"]
    assert len(cloud.asked) == 1


@over_one("shared")
def test_a_server_whose_state_allows_no_whole_image(service: Service, cloud: Cloud) -> None:
    cloud.refusal = (409, "conflictingRequest", "Cannot 'createImage' while it is in vm_state building")

    job = finish(service, WHO, begin(service, WHOLE, instance_id=SERVER))

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0126")


@over_one("shared")
def test_an_image_that_was_made_elsewhere_is_none_of_this_service(service: Service, cloud: Cloud) -> None:
    cloud.makes_nothing = True

    job = finish(service, WHO, begin(service, instance_id=SERVER))

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0014")


def test_an_image_that_the_cloud_gives_up_ends_the_job(service: Service, cloud: Cloud) -> None:
    job_id = begin(service, instance_id=SERVER)
    wait_for_images(cloud)
    wait_for_name(service, cloud)
    cloud.drop()

    job = finish(service, WHO, job_id)

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0027")


# ---- a service that stops in between


@pytest.mark.parametrize("given", [{"instance_id": SERVER}, {"volume_id": VOLUME, "os_version": DEBIAN}])
def test_an_image_whose_id_was_never_told_is_found_by_its_mark(
    service: Service, cloud: Cloud, given: dict[str, Any]
) -> None:
    cloud.breaks_off = True
    job_id = begin(service, **given)
    wait_for_images(cloud)
    cloud.breaks_off = False
    wait_for_name(service, cloud)
    cloud.deliver(qcow2() if "instance_id" in given else RAW)

    job = finish(service, WHO, job_id)

    assert (job["status"], job["entities"]["image_id"]) == ("SUCCESS", cloud.made[0].image_id), job
    assert len(cloud.asked) == len(cloud.made) == 1


def test_a_killed_service_goes_on_where_it_was(service: Service, cloud: Cloud) -> None:
    job_id = begin(service, instance_id=SERVER)
    wait_for_images(cloud)
    wait_for_name(service, cloud)
    service.kill()
    service.start()
    cloud.deliver(qcow2())

    job = finish(service, WHO, job_id)

    assert (job["status"], len(cloud.asked)) == ("SUCCESS", 1), job


def test_a_service_killed_while_the_cloud_is_asked_asks_no_second_time(
    service: Service, cloud: Cloud
) -> None:
    cloud.breaks_off = True
    job_id = begin(service, volume_id=VOLUME, os_version=DEBIAN)
    wait_for_images(cloud)
    service.kill()
    cloud.breaks_off = False
    service.start()
    wait_for_name(service, cloud)
    cloud.deliver(RAW)

    job = finish(service, WHO, job_id)

    assert (job["status"], len(cloud.asked)) == ("SUCCESS", 1), job


# ---- what is refused at once


REFUSED = [
    ("no name", ACTION, {"name": None, "instance_id": SERVER}, "IMG.0013"),
    ("server's id", ACTION, {"instance_id": "../flavors"}, "IMG.0012"),
    ("server's id no text", ACTION, {"instance_id": 7}, "IMG.0012"),
    ("no server", WHOLE, {}, "IMG.0012"),
    ("volume's id", ACTION, {"volume_id": "a/b", "os_version": DEBIAN}, "IMG.0120"),
    ("volume without system", ACTION, {"volume_id": VOLUME}, "IMG.0056"),
    ("volume of unknown system", ACTION, {"volume_id": VOLUME, "os_version": "Plan 9"}, "IMG.0056"),
    ("data image without volume", ACTION, {"data_images": [{"name": "x"}]}, "IMG.0120"),
    ("data image without name", ACTION, {"data_images": [{"volume_id": VOLUME}]}, "IMG.0013"),
    ("a key", ACTION, {"instance_id": SERVER, "cmk_id": "key"}, "IMG.0095"),
    ("a backup", ACTION, {"backup_id": "backup"}, "IMG.0020"),
    ("a vault's backup", WHOLE, {"backup_id": "backup", "whole_image_type": "CBR"}, "IMG.0020"),
    ("a server's backup", WHOLE, {"backup_id": "backup"}, "IMG.0127"),
    ("a vault", WHOLE, {"instance_id": SERVER, "vault_id": "vault"}, "IMG.0184"),
]


@pytest.mark.parametrize(
    ("path", "given", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_is_wrong_with_a_request_is_told_at_once(
    service: Service, cloud: Cloud, path: str, given: dict[str, Any], code: str
) -> None:
    assert refusal(ask(service, path, **given)) == (400, code)
    assert cloud.asked == []


@pytest.mark.parametrize(
    ("path", "given", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_it_is_told_before_that_there_is_no_cloud(
    shared_services: Any, path: str, given: dict[str, Any], code: str
) -> None:
    assert refusal(ask(shared_services.get("sqlite"), path, "publisher", **given)) == (400, code)


@over_one("shared")
def test_who_may_make_no_images_may_make_none_of_servers(service: Service) -> None:
    answer = ask(service, who="demo-reader", instance_id=SERVER)

    assert refusal(answer) == (403, "IMG.0026")


@over_one("shared")
def test_without_such_a_service_in_the_catalog_the_call_is_not_supported(
    service: Service, keystone: Keystone, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {**keystone.settings(), "TRANSOM_REGION": "elsewhere"}
    with forked_service(tmp_path_factory.mktemp("elsewhere"), None, settings) as other:
        other.use_clouds(keystone.clouds)
        answers = [
            ask(other, instance_id=SERVER),
            ask(other, volume_id=VOLUME, os_version=DEBIAN),
            ask(other, WHOLE, instance_id=SERVER),
        ]

    assert [refusal(answer) for answer in answers] == [(400, "IMG.0105")] * 3
    texts = [answer.json()["error"]["message"] for answer in answers]
    assert ["compute service" in text for text in texts] == [True, False, True]
    assert all("region elsewhere" in text for text in texts)


def test_the_right_that_has_ended_ends_the_job(service: Service, cloud: Cloud, keystone: Keystone) -> None:
    """By the rules of then: with Keystone, only the policy of now can take it away from a job."""
    job_id = begin(service, instance_id=SERVER)
    wait_for_images(cloud)
    wait_for_name(service, cloud)
    policy = service.work_dir / "policy.yaml"
    policy.write_text('"add_image": "!"\n')
    service.kill()
    service.settings["TRANSOM_POLICY_FILE"] = str(policy)
    service.start()
    try:
        job = finish(service, WHO, job_id)
    finally:
        del service.settings["TRANSOM_POLICY_FILE"]
        service.kill()
        service.start()

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0026"), job
    assert service.client(WHO).get(f"/v2/images/{cloud.made[0].image_id}").status_code == 404
