"""Huawei Cloud's own SDK, unmodified, shares images: batches, jobs, lists of recipients, native calls.

Its typed answers must be filled: a field that it documents and finds empty is a field that scripts miss.
"""

import time
from typing import Any

import pytest
from harness.service import Service
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    BatchAddMembersRequest,
    BatchAddMembersRequestBody,
    BatchDeleteMembersRequest,
    BatchUpdateMembersRequest,
    BatchUpdateMembersRequestBody,
    GlanceAddImageMemberRequest,
    GlanceAddImageMemberRequestBody,
    GlanceDeleteImageMemberRequest,
    GlanceListImageMembersRequest,
    GlanceShowImageMemberRequest,
    GlanceUpdateImageMemberRequest,
    GlanceUpdateImageMemberRequestBody,
    ListImageMembersRequest,
    ShowImageMemberRequest,
    ShowJobProgressRequest,
    ShowJobRequest,
)
from sdk_calls import PATIENCE_S, make_sdk_client, refused, unfilled
from sharing_calls import (
    ACCEPTED,
    DEFAULT_DOMAIN,
    ENCRYPTED,
    OFFERED,
    REJECTED,
    UNKNOWN_ID,
    UNSEEN,
    create_image,
    create_shared_image,
    project_of,
    view,
)

# The SDK calls its native methods deprecated in favour of the batches; scripts use them all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Method .* is deprecated:DeprecationWarning")


#: A job that did all has nothing to say of what went wrong.
SUCCEEDED = {"error_code", "fail_reason"}
#: Of jobs that make an image, or that are made of others, or that are under way.
OF_IMAGES = {
    f"entities.{name}"
    for name in (
        *("image_id", "image_name", "current_task", "process_percent", "sub_jobs_list", "sub_jobs_result"),
        *("addition_error_code", "addition_error_msg", "alarm_code", "error", "error_code"),
    )
}


def share(service: Service, image_id: str, **recipients: list[str]) -> str:
    """The id of the publisher's job that shares the image; with the recipient unless told."""
    to = recipients or {"projects": [project_of(service, "recipient")]}
    request = BatchAddMembersRequest(BatchAddMembersRequestBody(images=[image_id], **to))
    return str(make_sdk_client(service, "publisher").batch_add_members(request).job_id)


def answer(service: Service, image_id: str, status: str, **more: str) -> str:
    body = BatchUpdateMembersRequestBody(
        images=[image_id], project_id=project_of(service, "recipient"), status=status, **more
    )
    request = BatchUpdateMembersRequest(body)
    return str(make_sdk_client(service, "recipient").batch_update_members(request).job_id)


def withdraw(service: Service, image_id: str) -> str:
    body = BatchAddMembersRequestBody(images=[image_id], projects=[project_of(service, "recipient")])
    request = BatchDeleteMembersRequest(body)
    return str(make_sdk_client(service, "publisher").batch_delete_members(request).job_id)


# ---- batches and their jobs


def test_an_image_is_shared_accepted_rejected_and_withdrawn(service: Service) -> None:
    image_id = create_image(service)

    share(service, image_id)
    seen = [view(service, "recipient", image_id)]
    answer(service, image_id, "accepted")
    seen.append(view(service, "recipient", image_id))
    answer(service, image_id, "rejected")
    seen.append(view(service, "recipient", image_id))
    withdraw(service, image_id)
    seen.append(view(service, "recipient", image_id))

    assert seen == [OFFERED, ACCEPTED, REJECTED, UNSEEN]


def test_an_image_is_shared_with_a_domain(service: Service) -> None:
    image_id = create_image(service)

    share(service, image_id, domains=[DEFAULT_DOMAIN])

    assert view(service, "other", image_id) == ACCEPTED


def test_a_vault_is_passed_on(service: Service) -> None:
    image_id = create_shared_image(service, __whole_image="true", __backup_id="backup")

    answer(service, image_id, "accepted", vault_id="vault-1")

    assert view(service, "recipient", image_id) == ACCEPTED


def test_a_job_is_told_in_full(service: Service) -> None:
    image_id = create_image(service)
    client = make_sdk_client(service, "publisher")

    job = client.show_job(ShowJobRequest(share(service, image_id)))

    (result,) = job.entities.results
    assert unfilled(job) == SUCCEEDED | OF_IMAGES
    assert (job.job_type, job.status) == ("imsAddImageMembersJob", "SUCCESS")
    assert (job.error_code, job.fail_reason) == (None, None)
    assert (result.image_id, result.status) == (image_id, "SUCCESS")
    assert result.project_id == project_of(service, "recipient")


def test_the_jobs_of_answers_and_withdrawals_are_told(service: Service) -> None:
    image_id = create_shared_image(service)
    answered, withdrawn = answer(service, image_id, "accepted"), withdraw(service, image_id)

    jobs = [
        make_sdk_client(service, "recipient").show_job(ShowJobRequest(answered)),
        make_sdk_client(service, "publisher").show_job(ShowJobRequest(withdrawn)),
    ]

    assert [job.job_type for job in jobs] == ["imsUpdateImageMembersJob", "imsDelImageMembersJob"]
    assert [job.status for job in jobs] == ["SUCCESS", "SUCCESS"]


def test_a_job_that_failed_says_why(service: Service) -> None:
    client = make_sdk_client(service, "publisher")
    image_id = create_image(service, "publisher", **ENCRYPTED)

    job = client.show_job(ShowJobRequest(share(service, image_id)))

    assert unfilled(job) == OF_IMAGES - {"entities.error", "entities.error_code"}
    assert (job.status, job.error_code) == ("FAIL", "IMG.0098")
    assert image_id in job.fail_reason
    assert (job.entities.error_code, job.entities.error) == (job.error_code, job.fail_reason)
    assert [result.status for result in job.entities.results] == ["FAIL"]


def test_the_progress_of_a_job_is_told(service: Service) -> None:
    job_id = share(service, create_image(service))

    job = make_sdk_client(service, "publisher").show_job_progress(ShowJobProgressRequest(job_id))

    assert unfilled(job) <= SUCCEEDED | OF_IMAGES | {"entities.sub_job_id"}
    assert (job.status, job.entities.process_percent) == ("SUCCESS", 1)


def test_a_refusal_reaches_the_script_with_its_code_and_text(service: Service) -> None:
    projects = [project_of(service, "publisher")]
    request = BatchAddMembersRequest(
        BatchAddMembersRequestBody(images=[create_image(service)], projects=projects)
    )

    assert refused(make_sdk_client(service, "publisher").batch_add_members, request) == (400, "IMG.0076")


def test_the_job_of_another_project_reaches_nobody(service: Service) -> None:
    job_id = share(service, create_image(service))
    client = make_sdk_client(service, "recipient")

    assert refused(client.show_job, ShowJobRequest(job_id)) == (400, "IMG.9006")


# ---- who the recipients are


def test_the_recipients_are_listed_in_full(service: Service) -> None:
    image_id = create_image(service)
    share(service, image_id, projects=["project"], domains=[DEFAULT_DOMAIN])

    listed = make_sdk_client(service, "publisher").list_image_members(ListImageMembersRequest(image_id))

    assert unfilled(listed) == {"members.urn", "page_info.next_marker"}
    assert {member.member_id: member.member_type for member in listed.members} == {
        "project": "project",
        DEFAULT_DOMAIN: "domain",
    }
    assert listed.schema == "/v2/schemas/members"
    assert listed.page_info.current_count == 2


def test_the_recipients_are_listed_in_pages(service: Service) -> None:
    image_id = create_image(service)
    share(service, image_id, projects=["a", "b", "c"])
    client = make_sdk_client(service, "publisher")

    first = client.list_image_members(ListImageMembersRequest(image_id, limit=2))
    second = client.list_image_members(
        ListImageMembersRequest(image_id, limit=2, marker=first.page_info.next_marker)
    )

    ids = [[member.member_id for member in page.members] for page in (first, second)]
    assert [len(page) for page in ids] == [2, 1]
    assert sorted(ids[0] + ids[1]) == ["a", "b", "c"]
    assert not second.page_info.next_marker


def test_one_recipient_is_shown_in_full(service: Service) -> None:
    image_id = create_shared_image(service, "accepted")
    request = ShowImageMemberRequest(image_id, project_of(service, "recipient"))

    shown = [
        make_sdk_client(service, caller).show_image_member(request) for caller in ("publisher", "recipient")
    ]

    assert [unfilled(member) for member in shown] == [{"urn"}, {"urn"}]
    assert [member.status for member in shown] == ["accepted", "accepted"]


# ---- native calls


def test_native_calls_share_answer_and_withdraw_a_private_image(service: Service) -> None:
    publisher, recipient = make_sdk_client(service, "publisher"), make_sdk_client(service, "recipient")
    image_id, project_id = create_image(service), project_of(service, "recipient")

    offered = publisher.glance_add_image_member(
        GlanceAddImageMemberRequest(image_id, GlanceAddImageMemberRequestBody(member=project_id))
    )
    answered = recipient.glance_update_image_member(
        GlanceUpdateImageMemberRequest(
            image_id, project_id, GlanceUpdateImageMemberRequestBody(status="accepted")
        )
    )
    shown = recipient.glance_show_image_member(GlanceShowImageMemberRequest(image_id, project_id))
    seen = view(service, "recipient", image_id)
    publisher.glance_delete_image_member(GlanceDeleteImageMemberRequest(image_id, project_id))

    assert [unfilled(member) for member in (offered, answered, shown)] == [{"urn"}] * 3
    assert [offered.status, answered.status, shown.status] == ["pending", "accepted", "accepted"]
    assert seen == ACCEPTED
    assert view(service, "recipient", image_id) == UNSEEN


def test_the_native_list_is_told_in_full(service: Service) -> None:
    image_id = create_shared_image(service)

    listed = make_sdk_client(service, "publisher").glance_list_image_members(
        GlanceListImageMembersRequest(image_id)
    )

    (member,) = listed.members
    assert unfilled(listed) == {"members.urn", "page_info.next_marker"}
    assert member.member_id == project_of(service, "recipient")
    assert listed.schema == "/v2/schemas/members"
    assert listed.page_info.current_count == 1


@pytest.mark.parametrize(
    ("member", "status", "code"), [("recipient", 409, "IMG.9001"), ("publisher", 400, "IMG.0076")]
)
def test_a_native_refusal_has_its_status_and_code(
    service: Service, member: str, status: int, code: str
) -> None:
    body = GlanceAddImageMemberRequestBody(member=project_of(service, member))
    request = GlanceAddImageMemberRequest(create_shared_image(service), body)

    client = make_sdk_client(service, "publisher")

    assert refused(client.glance_add_image_member, request) == (status, code)


def test_an_absent_image_is_not_found(service: Service) -> None:
    request = GlanceListImageMembersRequest(UNKNOWN_ID)

    client = make_sdk_client(service, "publisher")

    assert refused(client.glance_list_image_members, request) == (404, "IMG.0027")


def _feed(service: Service, image_id: str, limit: int) -> list[dict[str, Any]]:
    """The first events of the image as its owner sees them, without what tells them apart: number, time, and
    the request."""
    deadline = time.monotonic() + PATIENCE_S
    client = service.client("publisher")
    while len(found := client.get("/share/v1/events", params={"image": image_id}).json()["events"]) < limit:
        assert time.monotonic() < deadline, found
    own = {"request_id": None, "via": None, "image": None}
    return [{"type": event["type"], "data": event["data"] | own} for event in found]


def test_batches_write_the_events_of_single_calls(service: Service) -> None:
    project = project_of(service, "recipient")
    by_batches, by_calls = (create_image(service, visibility="shared") for _ in range(2))
    share(service, by_batches)
    answer(service, by_batches, "accepted")
    withdraw(service, by_batches)

    publisher, recipient = (service.client(caller) for caller in ("publisher", "recipient"))
    members = f"/v2/images/{by_calls}/members"
    assert publisher.post(members, json={"member": project}).status_code == 200
    assert recipient.put(f"{members}/{project}", json={"status": "accepted"}).status_code == 200
    assert publisher.delete(f"{members}/{project}").status_code == 204

    assert _feed(service, by_batches, 3) == _feed(service, by_calls, 3)
