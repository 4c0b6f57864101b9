"""Every code: docs/ims-errors.md says which of them occur here, and each of those is made to occur.

Requests go to the native paths below `/ims`, to the extension, and once to a service whose database is away.
Start reading at `PROVOKED`.
"""

import re
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import httpx
import pytest
from faults.postgres_server import OwnPostgreSQL
from harness.forks import forked_service
from harness.service import MakeService, Service
from sharing_calls import (
    BATCH,
    ENCRYPTED,
    UNKNOWN_ID,
    WHOLE_SERVER,
    WHOLE_SERVER_BACKUP,
    Job,
    answer,
    create_image,
    create_public_image,
    create_shared_image,
    project_of,
    refusal,
    run_batch,
    send_batch,
    share,
    share_with_domain,
    show_job,
)

from transom.api.ims.errors import CODES, code_of
from transom.domain.errors import Reason

PAGE = Path(__file__).parents[2] / "docs" / "ims-errors.md"
ROW = re.compile(r"\| (IMG\.\d{4}) \| ([^|]+) \| ([^|]+) \|")
#: Stories of images from objects, servers and volumes, and to other places, and of the quota of events: other
#: services or settings are needed to provoke what has a code of its own.
OF_OTHERS = [
    PAGE.parents[1] / "tests" / path
    for path in (
        "ims/test_object_imports.py",
        "ims/test_object_exports.py",
        "ims/test_servers.py",
        "ims/test_region_copies.py",
        "faults/test_objects.py",
        "share/test_event_quota.py",
    )
]
#: How many codes the IMS API lists; those from IMG.9001 on are ours.
LISTED = 177
FIRST_OF_OURS = "IMG.9001"

NATIVE = "/ims/v2/images"
EXTENSION = "/v2/cloudimages"
PATCH = "application/openstack-images-v2.1-json-patch"
OCTETS = {"Content-Type": "application/octet-stream"}
PATIENCE_S = 30
FAIL = "FAIL"

Seen = tuple[int | str, str]  # the status and the code of a refusal; `FAIL` stands for a job's


# ---- the table


class Row(NamedTuple):
    code: str
    meaning: str
    here: str

    @property
    def occurs(self) -> bool:
        return not self.here.startswith("never: ")


def read_rows() -> list[Row]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| IMG.")]
    return [Row(*found.groups()) for line in lines if (found := ROW.fullmatch(line))]


def codes_given() -> set[str]:
    """All that an answer of the service can have."""
    return {*CODES.values(), *(code_of("", status) for status in HTTPStatus if status >= 400)}


def test_the_table_has_every_code_once_and_in_order() -> None:
    codes = [row.code for row in read_rows()]

    assert codes == sorted(set(codes))
    assert PAGE.read_text(encoding="utf-8").count("| IMG.") == len(codes)


def test_the_table_has_all_the_codes_of_the_ims_api() -> None:
    assert len([row for row in read_rows() if row.code < FIRST_OF_OURS]) == LISTED


def test_the_table_says_of_the_codes_that_are_given_that_they_occur_and_of_no_others() -> None:
    assert {row.code for row in read_rows() if row.occurs} == codes_given()


def test_of_our_own_codes_the_table_has_those_that_are_given() -> None:
    assert [row.code for row in read_rows() if row.code >= FIRST_OF_OURS and not row.occurs] == []


def test_every_reason_has_a_code() -> None:
    assert set(CODES) == set(Reason)


# ---- calls; the publisher makes them unless told


def create(service: Service, **fields: object) -> Seen:
    """The refusal of a new image."""
    return refusal(service.client("publisher").post(NATIVE, json=fields))


def delete(service: Service, image_id: str, caller: str = "publisher") -> Seen:
    return refusal(service.client(caller).delete(f"{NATIVE}/{image_id}"))


def offer(service: Service, image_id: str, to: str = "recipient") -> httpx.Response:
    body = {"member": project_of(service, to)}
    return service.client("publisher").post(f"{NATIVE}/{image_id}/members", json=body)


def copy(service: Service, image_id: str, caller: str = "publisher", **fields: object) -> httpx.Response:
    return service.client(caller).post(f"{EXTENSION}/{image_id}/copy", json={"name": "a copy"} | fields)


def batch(service: Service, caller: str | None = "publisher", **fields: object) -> Seen:
    return refusal(send_batch(service, caller, "POST", {"images": [UNKNOWN_ID], "projects": ["y"]} | fields))


def create_active_image(service: Service, **fields: object) -> str:
    document = {"disk_format": "raw", "container_format": "bare"} | fields
    image_id = create_image(service, "publisher", **document)
    stored = service.client("publisher").put(f"/v2/images/{image_id}/file", content=b"data", headers=OCTETS)
    assert stored.status_code == 204, stored.text
    return image_id


def lose_data(service: Service, image_id: str) -> str:
    """The image, when somebody has removed its file from the store."""
    (path,) = (service.data_dir / "images").rglob(f"{image_id}-*")
    path.unlink()
    return image_id


def failure(job: Job) -> Seen:
    """The end of a job, as the refusals of calls are told."""
    return job["status"], job["error_code"]


def finish(service: Service, taken: httpx.Response) -> Job:
    """The job of a call of the publisher that was taken, once it is over."""
    assert taken.status_code == 200, taken.text
    deadline = time.monotonic() + PATIENCE_S
    while (job := show_job(service, "publisher", taken.json()["job_id"]))["status"] in ("INIT", "RUNNING"):
        assert time.monotonic() < deadline, job
        # Another process gets there when it does: looking again is the only way to learn it.
        time.sleep(0.02)
    return job


def status_of(service: Service, image_id: str) -> str:
    return str(service.client("admin").get(f"/v2/images/{image_id}").json()["status"])


def upload(service: Service, image_id: str, data: bytes | Iterator[bytes]) -> httpx.Response:
    return service.client("publisher").put(f"{NATIVE}/{image_id}/file", content=data, headers=OCTETS)


def upload_during(service: Service, do: Callable[[str], object]) -> httpx.Response:
    """The answer to an upload during which something is done with the image."""
    image_id = create_image(service, disk_format="raw", container_format="bare")

    def data() -> Iterator[bytes]:
        yield b"first"
        deadline = time.monotonic() + PATIENCE_S
        while status_of(service, image_id) != "saving":
            assert time.monotonic() < deadline
            time.sleep(0.005)
        do(image_id)
        yield b"last"

    return upload(service, image_id, data())


# ---- what takes more than one call


def attribute_that_is_not_there(service: Service) -> Seen:
    operations = [{"op": "remove", "path": "/nothing"}]
    path, headers = f"{NATIVE}/{create_image(service)}", {"Content-Type": PATCH}
    return refusal(service.client("publisher").patch(path, json=operations, headers=headers))


def update_of_a_queued_image(service: Service) -> Seen:
    operations = [{"op": "replace", "path": "/name", "value": "new"}]
    return refusal(service.client("publisher").patch(f"{EXTENSION}/{create_image(service)}", json=operations))


def data_of_another_format(service: Service) -> Seen:
    image_id = create_image(service, disk_format="qcow2", container_format="bare")
    return refusal(upload(service, image_id, b"no qcow2"))


def download_of_lost_data(service: Service) -> Seen:
    image_id = lose_data(service, create_active_image(service))
    return refusal(service.client("publisher").get(f"{NATIVE}/{image_id}/file"))


def deletion_during_an_upload(service: Service) -> Seen:
    seen: list[Seen] = []
    assert upload_during(service, lambda image_id: seen.append(delete(service, image_id))).status_code == 204
    return seen[0]


def upload_outlived(service: Service) -> Seen:
    """The OpenStack API deletes an image that is being filled."""
    return refusal(
        upload_during(service, lambda image_id: service.client("publisher").delete(f"/v2/images/{image_id}"))
    )


def iso_copy(service: Service) -> Seen:
    image_id = create_active_image(service, disk_format="iso", container_format="ami")
    return refusal(copy(service, image_id))


def tag_that_is_not_there(service: Service) -> Seen:
    path = f"{NATIVE}/{create_image(service)}/tags/nothing"
    return refusal(service.client("publisher").delete(path))


def offer_to_nobody(service: Service) -> Seen:
    body = {"member": "no-such-project"}
    path = f"{NATIVE}/{create_image(service)}/members"
    return refusal(service.client("publisher").post(path, json=body))


def offer_that_stands(service: Service) -> Seen:
    return refusal(offer(service, create_shared_image(service)))


def member_that_is_not_there(service: Service) -> Seen:
    path = f"{NATIVE}/{create_shared_image(service)}/members/nobody"
    return refusal(service.client("publisher").get(path))


def answer_that_is_none(service: Service) -> Seen:
    path = f"{NATIVE}/{create_shared_image(service)}/members/{project_of(service, 'recipient')}"
    return refusal(service.client("recipient").put(path, json={"status": "perhaps"}))


def eleventh_recipient(service: Service) -> Seen:
    image_id = create_image(service, "publisher", **WHOLE_SERVER_BACKUP)
    ten = [f"project-{number}" for number in range(10)]
    assert run_batch(service, "publisher", "POST", {"images": [image_id], "projects": ten})["status"] != FAIL
    return refusal(offer(service, image_id))


def deletion_of_what_a_domain_has(service: Service) -> Seen:
    image_id = create_image(service)
    share_with_domain(service, image_id)
    return delete(service, image_id)


def job_that_is_not_there(service: Service) -> Seen:
    return refusal(service.client("publisher").get(f"/v1/cloudimages/job/{'0' * 32}"))


def job_of_another_project(service: Service) -> Seen:
    return refusal(service.client("publisher").get(f"/v1/{project_of(service, 'recipient')}/jobs/x"))


def batch_of_too_many(service: Service) -> Seen:
    images = [str(uuid4()) for _ in range(101)]
    return batch(service, images=images, projects=[str(number) for number in range(100)])


def get(service: Service, path: str, caller: str | None = "publisher") -> Seen:
    return refusal(service.client(caller).get(path))


#: Code → the status that it comes with here, and how it comes about.
PROVOKED: dict[str, tuple[int | str, Callable[[Service], Seen]]] = {
    "IMG.0001": (400, lambda service: refusal(send_batch(service, "publisher", "POST", b"{"))),
    "IMG.0002": (400, lambda service: create(service, name="n" * 129)),
    "IMG.0003": (400, lambda service: create(service, name=" n")),
    "IMG.0004": (400, lambda service: create(service, __description="d" * 1025)),
    "IMG.0007": (400, lambda service: refusal(send_batch(service, "publisher", "POST", b""))),
    "IMG.0013": (400, lambda service: refusal(copy(service, create_active_image(service), name=None))),
    "IMG.0017": (400, lambda service: get(service, f"{NATIVE}?limit=x")),
    "IMG.0026": (403, lambda service: batch(service, "publisher-reader")),
    "IMG.0027": (404, lambda service: get(service, f"{NATIVE}/{UNKNOWN_ID}")),
    "IMG.0028": (403, lambda service: delete(service, create_image(service, protected=True))),
    "IMG.0030": (400, job_of_another_project),
    "IMG.0035": (409, attribute_that_is_not_there),
    "IMG.0046": (400, update_of_a_queued_image),
    "IMG.0047": (403, lambda service: delete(service, create_shared_image(service), "recipient")),
    "IMG.0054": (400, lambda service: create(service, __description="<b>")),
    "IMG.0055": (400, lambda service: create(service, min_disk=1025)),
    "IMG.0056": (400, lambda service: create(service, __os_version="Plan 9")),
    "IMG.0057": (415, data_of_another_format),
    "IMG.0061": (503, download_of_lost_data),
    "IMG.0066": (400, lambda service: batch(service, images=["web-1"])),
    "IMG.0076": (400, lambda service: batch(service, projects=[project_of(service, "publisher")])),
    "IMG.0087": (401, lambda service: batch(service, None)),
    "IMG.0089": (403, lambda service: refusal(offer(service, create_public_image(service)))),
    "IMG.0090": (409, deletion_during_an_upload),
    "IMG.0094": (403, lambda service: delete(service, create_public_image(service))),
    "IMG.0095": (400, lambda service: refusal(copy(service, create_active_image(service), cmk_id="key"))),
    "IMG.0098": (FAIL, lambda service: failure(share(service, create_image(service, **ENCRYPTED)))),
    "IMG.0105": (405, lambda service: refusal(service.client("publisher").patch(BATCH))),
    "IMG.0115": (400, lambda service: create(service, tags=[""])),
    "IMG.0116": (413, lambda service: create(service, tags=[str(number) for number in range(11)])),
    "IMG.0121": (404, lambda service: get(service, "/ims/v1/nothing")),
    "IMG.0130": (400, lambda service: refusal(copy(service, create_active_image(service, **WHOLE_SERVER)))),
    "IMG.0135": (FAIL, lambda service: failure(share(service, create_image(service, **WHOLE_SERVER)))),
    "IMG.0141": (400, lambda service: create(service, hw_firmware_type="coreboot")),
    "IMG.0144": (410, upload_outlived),
    "IMG.0167": (400, iso_copy),
    "IMG.0196": (400, lambda service: refusal(copy(service, create_shared_image(service), "recipient"))),
    "IMG.0197": (400, lambda service: refusal(copy(service, create_active_image(service, **ENCRYPTED)))),
    "IMG.0212": (400, lambda service: create(service, architecture="s390x")),
    "IMG.9001": (409, offer_that_stands),
    "IMG.9002": (404, member_that_is_not_there),
    "IMG.9003": (400, answer_that_is_none),
    "IMG.9004": (413, eleventh_recipient),
    "IMG.9005": (409, deletion_of_what_a_domain_has),
    "IMG.9006": (400, job_that_is_not_there),
    "IMG.9007": (400, batch_of_too_many),
    "IMG.9008": (
        FAIL,
        lambda service: failure(
            answer(service, "accepted", create_shared_image(service, **WHOLE_SERVER_BACKUP))
        ),
    ),
    "IMG.9009": (
        FAIL,
        lambda service: failure(
            run_batch(
                service,
                "publisher",
                "POST",
                {"images": [create_image(service)], "organizations": ["organizations::x:root:o-1/r-1"]},
            )
        ),
    ),
    "IMG.9010": (404, tag_that_is_not_there),
}
#: Those that need a service with settings of its own.
PROVOKED_BY_SETTINGS: dict[str, tuple[int | str, Callable[[Service], Seen], dict[str, str]]] = {
    "IMG.0015": (413, create, {"TRANSOM_IMAGE_COUNT_QUOTA": "0"}),
    "IMG.0060": (
        400,
        lambda service: refusal(copy(service, create_active_image(service))),
        {"TRANSOM_OPEN_JOBS_QUOTA": "0"},
    ),
    "IMG.0108": (404, offer_to_nobody, {"TRANSOM_CHECK_RECIPIENTS": "true"}),
}


def test_every_code_that_is_given_is_made_to_occur() -> None:
    by_others = {code for story in OF_OTHERS for code in re.findall(r"IMG\.\d{4}", story.read_text())}

    assert {*PROVOKED, *PROVOKED_BY_SETTINGS} | by_others == codes_given()


@pytest.mark.parametrize("code", PROVOKED)
def test_a_code_comes_with_its_status(service: Service, code: str) -> None:
    status, provoke = PROVOKED[code]

    assert provoke(service) == (status, code)


@pytest.mark.parametrize("code", PROVOKED_BY_SETTINGS)
def test_a_code_that_settings_bring_about_comes_with_its_status(make_service: MakeService, code: str) -> None:
    status, provoke, settings = PROVOKED_BY_SETTINGS[code]

    assert provoke(make_service("sqlite", **settings)) == (status, code)


# ---- the same code otherwise


def test_a_copy_whose_data_is_lost_ends_with_the_code_of_an_absent_image(service: Service) -> None:
    image_id = lose_data(service, create_active_image(service))

    assert failure(finish(service, copy(service, image_id))) == (FAIL, "IMG.0027")


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/{}/file", {"Range": "bytes=9-"}, (416, "IMG.0001")),
        ("GET", "/{}", {"X-Openstack-Request-Id": "x" * 65}, (431, "IMG.0001")),
        ("BREW", "/{}", {}, (405, "IMG.0105")),
        ("BREW", "/{}/nothing", {}, (501, "IMG.0105")),
    ],
)
def test_a_refusal_that_only_http_knows_is_no_unknown_error(
    service: Service, method: str, path: str, headers: dict[str, str], expected: Seen
) -> None:
    image_id = create_active_image(service)

    refused = service.client("publisher").request(method, NATIVE + path.format(image_id), headers=headers)

    assert refusal(refused) == expected


@pytest.mark.parametrize("path", ["/{}/tags/cloudimages", "/cloudimages"])
def test_a_native_path_that_names_something_like_the_extension_keeps_its_status(
    service: Service, path: str
) -> None:
    refused = service.client("publisher").delete(NATIVE + path.format(create_image(service)))

    assert refused.status_code == 404


def call_all_over(service: Service) -> list[httpx.Response]:
    """The answers to calls of every kind, with nothing wrong in them."""
    client, own = service.client("publisher"), project_of(service, "publisher")
    pairs = {"images": [UNKNOWN_ID], "projects": ["y"]}
    return [
        send_batch(service, "publisher", "POST", pairs),
        send_batch(
            service, "publisher", "PUT", {"images": [UNKNOWN_ID], "project_id": own, "status": "accepted"}
        ),
        send_batch(service, "publisher", "DELETE", pairs),
        client.get(f"/v1/cloudimages/job/{'0' * 32}"),
        client.get(f"/v1/{own}/jobs/{'0' * 32}"),
        client.get("/v1/cloudimages/tags"),
        client.get(f"/v2/{own}/images/tags"),
        copy(service, UNKNOWN_ID),
        client.get(NATIVE),
        client.post(NATIVE, json={}),
        client.delete(f"{NATIVE}/{UNKNOWN_ID}"),
        client.put(f"{NATIVE}/{UNKNOWN_ID}/tags/key"),
        offer(service, UNKNOWN_ID),
    ]


def test_while_the_database_is_away_every_call_says_so(tmp_path: Path) -> None:
    with OwnPostgreSQL() as postgres, forked_service(tmp_path, postgres.url) as service:
        service.token("publisher")
        postgres.stop("immediate")
        answers = call_all_over(service)
        postgres.start()

    assert [refusal(one) for one in answers] == [(503, "IMG.0061")] * len(answers)
    assert all(one.headers["retry-after"].isdigit() for one in answers)
