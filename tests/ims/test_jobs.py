"""The jobs that batches leave behind: their shape, who is told of them, and what is no job.

J1 and J2 of the IMS reference (1.4); docs/ims.md, Batches.
"""

import re
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from harness.service import Service
from hypothesis import given
from hypothesis import strategies as st
from sharing_calls import (
    DEFAULT_DOMAIN,
    DONE,
    ENCRYPTED,
    UNKNOWN_ID,
    answer,
    create_image,
    create_shared_image,
    project_of,
    refusal,
    run_batch,
    send_batch,
    share,
    withdraw,
)

from transom.api.ims.errors import code_of
from transom.api.ims.jobs import results_of
from transom.domain.errors import Reason
from transom.domain.job_inputs import Batch
from transom.domain.model import Failure, Job, JobKind, JobStatus
from transom.domain.recipients import domain_key

JOB_KEYS = {
    "job_id",
    "job_type",
    "status",
    "begin_time",
    "end_time",
    "error_code",
    "fail_reason",
    "entities",
}
TIME_WITH_MS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
JOB_CALLS = ["job", "progress"]


def ask(service: Service, call: str, job_id: str, caller: str | None = "publisher") -> httpx.Response:
    """The answer to the one question for a job or the other; by its own project in the path."""
    project_id = project_of(service, caller or "publisher")
    path = f"/v1/{project_id}/jobs/{job_id}" if call == "job" else f"/v1/cloudimages/job/{job_id}"
    return service.client(caller).get(path)


def start_job(service: Service) -> str:
    """The id of a job of the publisher."""
    return str(share(service, create_image(service))["job_id"])


def run(service: Service, kind: str) -> dict[str, Any]:
    """A job of each kind that does what it was asked."""
    image_id = create_shared_image(service)
    if kind == "imsAddImageMembersJob":
        return share(service, image_id, to="other")
    if kind == "imsUpdateImageMembersJob":
        return answer(service, "accepted", image_id)
    return withdraw(service, image_id)


KINDS = ["imsAddImageMembersJob", "imsUpdateImageMembersJob", "imsDelImageMembersJob"]


# ---- what a job tells


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_that_did_all_is_a_success_without_reasons(service: Service, kind: str) -> None:
    job = run(service, kind)

    assert set(job) == JOB_KEYS
    assert re.fullmatch(r"[0-9a-f]{32}", job["job_id"])
    assert (job["job_type"], job["status"]) == (kind, DONE)
    assert (job["error_code"], job["fail_reason"]) == (None, None)
    assert TIME_WITH_MS.fullmatch(job["begin_time"])
    assert TIME_WITH_MS.fullmatch(job["end_time"])
    assert job["begin_time"] <= job["end_time"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_batch_answers_with_its_job_and_nothing_else(service: Service, method: str) -> None:
    image_id = create_shared_image(service)
    recipient = project_of(service, "recipient")
    body: dict[str, object] = {"images": [image_id]}
    body |= {"project_id": recipient, "status": "rejected"} if method == "PUT" else {"projects": [recipient]}

    response = send_batch(service, "recipient" if method == "PUT" else "publisher", method, body)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert set(response.json()) == {"job_id"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_pair_has_a_result(service: Service, kind: str) -> None:
    job = run(service, kind)

    assert set(job["entities"]) == {"results"}
    (result,) = job["entities"]["results"]
    to = "other" if kind == "imsAddImageMembersJob" else "recipient"
    assert result["project_id"] == project_of(service, to)
    assert result["status"] == DONE
    assert set(result) == {"image_id", "project_id", "status"}


def test_results_are_of_all_images_with_all_recipients(service: Service) -> None:
    images = [create_image(service), UNKNOWN_ID]

    job = run_batch(
        service,
        "publisher",
        "POST",
        {"images": images, "projects": ["a", "b"], "domains": [DEFAULT_DOMAIN]},
    )

    results = job["entities"]["results"]
    pairs = [(result["image_id"], result.get("project_id"), result.get("domain_id")) for result in results]
    assert sorted(pairs, key=str) == sorted(
        [(image, *to) for image in images for to in [("a", None), ("b", None), (None, DEFAULT_DOMAIN)]],
        key=str,
    )
    assert {result["status"] for result in results if result["image_id"] == images[0]} == {DONE}
    assert {result["error_code"] for result in results if result["image_id"] == UNKNOWN_ID} == {"IMG.0027"}


def test_a_job_that_could_not_do_all_says_why(service: Service) -> None:
    good, encrypted = create_image(service), create_image(service, **ENCRYPTED)

    job = share(service, good, encrypted)

    failed = job["entities"]["results"][1]
    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0098")
    assert encrypted in job["fail_reason"]
    assert (failed["image_id"], failed["status"], failed["error_code"]) == (encrypted, "FAIL", "IMG.0098")
    assert failed["fail_reason"]
    assert (job["entities"]["error_code"], job["entities"]["error"]) == ("IMG.0098", job["fail_reason"])
    assert [result["status"] for result in job["entities"]["results"]] == [DONE, "FAIL"]


def test_two_batches_are_two_jobs(service: Service) -> None:
    image_id = create_image(service)

    jobs = {share(service, image_id)["job_id"], share(service, image_id)["job_id"]}

    assert len(jobs) == 2


@pytest.mark.parametrize("good", [True, False], ids=["all done", "nothing done"])
def test_the_progress_of_a_job_that_is_over_is_1(service: Service, good: bool) -> None:
    job = share(service, create_image(service, "publisher", **({} if good else ENCRYPTED)))

    progress = ask(service, "progress", job["job_id"])

    assert progress.status_code == 200
    told = progress.json()
    assert set(told) == JOB_KEYS
    assert told["entities"]["process_percent"] == 1
    assert told | {"entities": None} == job | {"entities": None}


def test_a_refused_batch_leaves_no_job(service: Service) -> None:
    response = send_batch(service, "publisher", "POST", {"images": [], "projects": ["x"]})

    assert response.status_code == 400
    assert "job_id" not in response.text


def test_a_batch_of_many_recipients_is_told_whole_and_in_order(service: Service) -> None:
    """So many that they are told beside the event loop."""
    recipients = [uuid4().hex for _ in range(1500)]

    image_id = create_image(service, "publisher", **ENCRYPTED)

    job = run_batch(service, "publisher", "POST", {"images": [image_id], "projects": recipients})

    results = job["entities"]["results"]
    assert [result["project_id"] for result in results] == recipients
    assert {result["status"] for result in results} == {"FAIL"}


_ids = st.text(st.characters(exclude_characters="/", codec="utf-8"), max_size=6)
_members = _ids | _ids.map(domain_key)
_reasons = st.sampled_from(["", *Reason])


@given(
    images=st.lists(st.text(max_size=6), unique=True, min_size=1, max_size=4),
    recipients=st.lists(_members, unique=True, min_size=1, max_size=4),
    data=st.data(),
)
def test_results_are_those_of_plain_python(
    images: list[str], recipients: list[str], data: st.DataObject
) -> None:
    of_one = st.builds(
        Failure, st.sampled_from(images), st.sampled_from([None, *recipients]), _reasons, st.text()
    )
    failures = data.draw(st.lists(of_one, unique_by=lambda one: one[:2], max_size=6))
    job = Job(
        id="j",
        kind=JobKind.SHARE,
        project_id="p",
        status=JobStatus.SUCCESS,
        input=Batch(images=tuple(images), recipients=tuple(recipients)),
        failures=tuple(failures),
        begin_at=0,
        end_at=1,
    )
    ends = {
        (image_id, member): {"status": "FAIL", "error_code": code_of(reason), "fail_reason": text}
        for image_id, member, reason, text in failures
    }

    assert bytes(results_of(job)) == msgspec.json.encode(
        [
            {
                "image_id": image_id,
                "domain_id" if "/" in member else "project_id": member.removeprefix("domain/"),
                **ends.get((image_id, member), ends.get((image_id, None), {"status": "SUCCESS"})),
            }
            for image_id in images
            for member in recipients
        ]
    )


def test_the_results_stay_when_the_image_is_gone(service: Service) -> None:
    image_id = create_image(service)
    job = share(service, image_id)
    service.client("publisher").delete(f"/v2/images/{image_id}")

    again = ask(service, "job", job["job_id"])

    assert again.json() == job


# ---- who is told


@pytest.mark.parametrize("call", JOB_CALLS)
@pytest.mark.parametrize("caller", ["publisher", "publisher-reader", "publisher-manager"])
def test_everybody_in_the_project_is_told(service: Service, caller: str, call: str) -> None:
    response = ask(service, call, start_job(service), caller)

    assert response.status_code == 200


@pytest.mark.parametrize("call", JOB_CALLS)
@pytest.mark.parametrize("caller", ["recipient", "other", "other-reader"])
def test_a_job_of_another_project_looks_like_none(service: Service, caller: str, call: str) -> None:
    """Even to the recipient whom it is about."""
    job_id, absent_id = start_job(service), uuid4().hex

    of_another = ask(service, call, job_id, caller)
    of_nobody = ask(service, call, absent_id, caller)

    assert refusal(of_another)[0] == 400
    assert refusal(of_another) == refusal(of_nobody)
    assert of_another.text.replace(job_id, "ID") == of_nobody.text.replace(absent_id, "ID")


@pytest.mark.parametrize("caller", ["recipient", "other", "admin"])
def test_the_project_of_the_path_must_be_the_callers(service: Service, caller: str) -> None:
    job_id = start_job(service)
    path = f"/v1/{project_of(service, 'publisher')}/jobs"

    of_job = service.client(caller).get(f"{path}/{job_id}")
    of_none = service.client(caller).get(f"{path}/{uuid4().hex}")

    assert refusal(of_job) == (400, "IMG.0030")
    assert of_job.json() == of_none.json()


@pytest.mark.parametrize("project_id", ["x", "%00", "%FF", "a" * 300, "%20"])
def test_a_project_that_cannot_be_is_not_the_callers(service: Service, project_id: str) -> None:
    response = service.client("publisher").get(f"/v1/{project_id}/jobs/{uuid4().hex}")

    assert refusal(response)[0] == 400


@pytest.mark.parametrize("call", JOB_CALLS)
def test_without_a_token_nobody_is_told(service: Service, call: str) -> None:
    job_id = start_job(service)

    assert refusal(ask(service, call, job_id, None)) == (401, "IMG.0087")


# ---- what is no job


@pytest.mark.parametrize("call", JOB_CALLS)
@pytest.mark.parametrize(
    "job_id", ["0" * 32, "x", "a" * 300, UNKNOWN_ID, "%20", "é", "%27%20or%201=1", "%00", "%FF", "a%00b"]
)
def test_what_is_no_job_is_refused_with_a_code(service: Service, job_id: str, call: str) -> None:
    """docs/ims.md: 400 and a code for every refusal; 404 is no answer to a job."""
    response = ask(service, call, job_id)

    assert refusal(response)[0] == 400


@pytest.mark.parametrize("call", JOB_CALLS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_job_is_only_asked_for(service: Service, method: str, call: str) -> None:
    job_id = start_job(service)
    project_id = project_of(service, "publisher")
    path = f"/v1/{project_id}/jobs/{job_id}" if call == "job" else f"/v1/cloudimages/job/{job_id}"

    response = service.client("publisher").request(method, path)

    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert refusal(response)[1].startswith("IMG.")
    assert ask(service, call, job_id).status_code == 200
