"""Recipients that do not exist, with `check_recipients`: each call that shares, and who learns of it.

The contract is docs/api.md (Recipients) and docs/ims-errors.md (IMG.0108).
"""

from uuid import uuid4

import httpx
import pytest
from conftest import DATABASES, SharedServices
from harness.service import Service
from sharing_calls import (
    DEFAULT_DOMAIN,
    DONE,
    UNKNOWN_ID,
    code_of,
    create_image,
    list_members,
    message_of,
    outcomes,
    project_of,
    run_batch,
    send_batch,
    share,
    show_visibility,
    withdraw,
)

ABSENT = "no-such-project"
NO_TENANT = "IMG.0108"


@pytest.fixture(scope="module", params=DATABASES, ids=DATABASES)
def service(request: pytest.FixtureRequest, shared_services: SharedServices) -> Service:
    """One that looks recipients up."""
    return shared_services.get(request.param, TRANSOM_CHECK_RECIPIENTS="true")


def offer(
    service: Service, image_id: str, member_id: str, caller: str = "publisher", prefix: str = ""
) -> httpx.Response:
    path = f"{prefix}/v2/images/{image_id}/members"
    return service.client(caller).post(path, json={"member": member_id})


# ---- the Image API


def test_an_image_is_offered_to_a_project_that_exists(service: Service) -> None:
    image_id = create_image(service, visibility="shared")

    response = offer(service, image_id, project_of(service, "recipient"))

    assert response.status_code == 200
    assert list_members(service, image_id) == {project_of(service, "recipient"): "pending"}


@pytest.mark.parametrize("member_id", [ABSENT, DEFAULT_DOMAIN, "..", "a?b", "é" * 255])
def test_an_offer_to_no_project_is_404_with_its_id_and_changes_nothing(
    service: Service, member_id: str
) -> None:
    image_id = create_image(service, visibility="shared")

    response = offer(service, image_id, member_id)

    assert response.status_code == 404
    assert f"No project found with ID {member_id}" in response.json()["message"]
    assert list_members(service, image_id) == {}


def test_an_id_in_other_letters_is_no_project(service: Service) -> None:
    other_case = project_of(service, "recipient").swapcase()

    response = offer(service, create_image(service, visibility="shared"), other_case)

    assert response.status_code == 404


@pytest.mark.parametrize(
    ("caller", "status"), [("other", 404), ("recipient", 403), ("publisher-reader", 403)]
)
def test_who_may_not_offer_learns_of_no_project(service: Service, caller: str, status: int) -> None:
    image_id = create_image(service, visibility="shared")
    assert offer(service, image_id, project_of(service, "recipient")).status_code == 200

    present, absent = (
        offer(service, image_id, named, caller) for named in (project_of(service, "other"), ABSENT)
    )

    assert (present.status_code, absent.status_code) == (status, status)
    assert present.json() == absent.json()


def test_of_a_private_image_nobody_learns_of_a_project(service: Service) -> None:
    image_id = create_image(service, visibility="private")

    present, absent = (offer(service, image_id, named) for named in (project_of(service, "other"), ABSENT))

    assert (present.status_code, absent.status_code) == (403, 403)
    assert present.json() == absent.json()


def test_a_member_added_before_can_answer_and_be_removed(service: Service) -> None:
    """Only offers are held to it."""
    image_id, member_id = create_image(service, visibility="shared"), project_of(service, "recipient")
    assert offer(service, image_id, member_id).status_code == 200
    path = f"/v2/images/{image_id}/members/{member_id}"

    answered = service.client("recipient").put(path, json={"status": "accepted"})
    removed = service.client("publisher").delete(path)

    assert (answered.status_code, removed.status_code) == (200, 204)


# ---- the IMS API: one image


def test_a_native_share_with_no_project_is_404_with_its_code(service: Service) -> None:
    image_id = create_image(service)

    response = offer(service, image_id, ABSENT, prefix="/ims")

    assert (response.status_code, code_of(response)) == (404, NO_TENANT)
    assert f"No project found with ID {ABSENT}" in message_of(response)
    assert show_visibility(service, image_id) == "private"


def test_a_native_share_of_a_hidden_image_learns_of_no_project(service: Service) -> None:
    image_id = create_image(service)

    present, absent = (
        offer(service, image_id, named, "other", "/ims")
        for named in (project_of(service, "recipient"), ABSENT)
    )

    assert (present.status_code, code_of(present)) == (404, "IMG.0027")
    assert present.json() == absent.json()


# ---- the IMS API: batches


def test_a_batch_tells_of_each_recipient_whether_it_exists(service: Service) -> None:
    images = [create_image(service), create_image(service)]
    known = project_of(service, "recipient")
    body = {"images": images, "projects": [ABSENT, known], "domains": ["no-such-domain", DEFAULT_DOMAIN]}

    job = run_batch(service, "publisher", "POST", body)

    assert outcomes(job) == [NO_TENANT, DONE, NO_TENANT, DONE] * 2
    first, _, third, _ = job["entities"]["results"][:4]
    assert first["fail_reason"] == f"No project found with ID {ABSENT}"
    assert third["fail_reason"] == "No domain found with ID no-such-domain"
    assert job["error_code"] == NO_TENANT
    for image_id in images:
        assert set(list_members(service, image_id)) == {known, DEFAULT_DOMAIN}


def test_a_batch_to_nobody_who_exists_shares_nothing(service: Service) -> None:
    image_id = create_image(service)

    job = run_batch(service, "publisher", "POST", {"images": [image_id], "projects": [ABSENT, "nor-this"]})

    assert outcomes(job) == [NO_TENANT, NO_TENANT]
    assert show_visibility(service, image_id) == "private"


def test_a_batch_judges_the_image_before_the_recipient(service: Service) -> None:
    images = [UNKNOWN_ID, create_image(service)]

    job = run_batch(service, "publisher", "POST", {"images": images, "projects": [ABSENT]})

    assert outcomes(job) == ["IMG.0027", NO_TENANT]


def test_a_batch_of_images_that_the_caller_may_not_share_learns_of_no_project(service: Service) -> None:
    image_id = create_image(service)
    assert share(service, image_id)["status"] == DONE
    named = [project_of(service, "other"), ABSENT]

    of_others = [
        run_batch(service, "recipient", "POST", {"images": [image_id], "projects": [one]}) for one in named
    ]
    hidden = [
        send_batch(service, "other", "POST", {"images": [image_id], "projects": [one]})
        for one in (project_of(service, "publisher"), ABSENT)
    ]

    assert [outcomes(job) for job in of_others] == [["IMG.0047"], ["IMG.0047"]]
    assert [code_of(response) for response in hidden] == ["IMG.0027", "IMG.0027"]


def test_places_go_to_recipients_that_exist(service: Service) -> None:
    """A whole server takes ten recipients; those that do not exist take no place."""
    image_id = create_image(service, __whole_image="true", __backup_id="backup")
    projects = [*(f"absent-{uuid4()}" for _ in range(10)), project_of(service, "recipient")]

    job = run_batch(service, "publisher", "POST", {"images": [image_id], "projects": projects})

    assert outcomes(job) == [NO_TENANT] * 10 + [DONE]


def test_what_was_offered_to_nobody_can_be_withdrawn(service: Service) -> None:
    image_id = create_image(service)
    assert share(service, image_id)["status"] == DONE

    job = run_batch(service, "publisher", "DELETE", {"images": [image_id], "projects": [ABSENT]})

    assert outcomes(job) == [DONE]
    assert withdraw(service, image_id)["status"] == DONE
