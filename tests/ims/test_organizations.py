"""Organisations and their units as recipients of images: batches, members, and what their projects see."""

from pathlib import Path

import httpx
import pytest
from harness.organizations import EMEA, ROOT, SALES, WHOLE, put_in_force, tree, urn_of
from harness.service import MakeService, Service
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    BatchAddMembersRequest,
    BatchAddMembersRequestBody,
    BatchDeleteMembersRequest,
    ListImageMembersRequest,
    ShowImageMemberRequest,
    ShowJobRequest,
)
from sdk_calls import make_sdk_client
from sharing_calls import (
    ACCEPTED,
    DEFAULT_DOMAIN,
    DONE,
    OFFERED,
    REJECTED,
    UNKNOWN_ID,
    UNSEEN,
    answer,
    code_of,
    create_image,
    list_members,
    outcomes,
    project_of,
    refusal,
    run_batch,
    send_batch,
    share,
    view,
)

# The SDK calls some of its methods deprecated; scripts use them all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Method .* is deprecated:DeprecationWarning")

OCTETS = {"Content-Type": "application/octet-stream"}
DATA = b"the data of an image"


def create_active_image(service: Service) -> str:
    image_id = create_image(service, disk_format="raw", container_format="bare")
    stored = service.client("publisher").put(f"/v2/images/{image_id}/file", content=DATA, headers=OCTETS)
    assert stored.status_code == 204, stored.text
    return image_id


def share_with(service: Service, image_id: str, *own_ids: str) -> None:
    body = {"images": [image_id], "organizations": [urn_of(one) for one in own_ids]}
    assert outcomes(run_batch(service, "publisher", "POST", body)) == [DONE] * len(own_ids)


def withdraw_from(service: Service, image_id: str, *own_ids: str) -> None:
    body = {"images": [image_id], "organizations": list(own_ids)}
    assert outcomes(run_batch(service, "publisher", "DELETE", body)) == [DONE] * len(own_ids)


def download(service: Service, caller: str, image_id: str) -> httpx.Response:
    return service.client(caller).get(f"/v2/images/{image_id}/file")


# ---- who sees what


@pytest.mark.parametrize("own_id", [WHOLE, ROOT, SALES])
def test_an_organisation_and_all_that_is_in_it_have_the_image_at_once(
    organized: Service, own_id: str
) -> None:
    image_id = create_active_image(organized)

    share_with(organized, image_id, own_id)

    assert view(organized, "recipient", image_id) == ACCEPTED
    assert view(organized, "other", image_id) == ACCEPTED
    assert download(organized, "other", image_id).content == DATA
    assert view(organized, "outsider", image_id) == UNSEEN


def test_a_unit_has_nothing_to_do_with_what_is_above_it(organized: Service) -> None:
    image_id = create_image(organized)

    share_with(organized, image_id, EMEA)

    assert view(organized, "other", image_id) == ACCEPTED
    assert view(organized, "recipient", image_id) == UNSEEN
    assert view(organized, "outsider", image_id) == UNSEEN


def test_an_image_shared_on_several_levels_is_listed_once_until_the_last_is_withdrawn(
    organized: Service,
) -> None:
    image_id = create_image(organized)
    share_with(organized, image_id, WHOLE, SALES, EMEA)

    listed = organized.client("other").get(f"/v2/images?id={image_id}").json()["images"]
    seen = [view(organized, "other", image_id)]
    withdraw_from(organized, image_id, WHOLE, EMEA)
    seen.append(view(organized, "other", image_id))
    withdraw_from(organized, image_id, SALES)
    seen.append(view(organized, "other", image_id))

    assert [one["id"] for one in listed] == [image_id]
    assert seen == [ACCEPTED, ACCEPTED, UNSEEN]
    assert list_members(organized, image_id) == {}


@pytest.mark.parametrize(
    "path",
    ["/v2/images", "/v2/cloudimages", "/v2/cloudimages?__imagetype=shared", "/v2/images?visibility=shared"],
)
def test_both_lists_have_it(organized: Service, path: str) -> None:
    image_id = create_image(organized)
    share_with(organized, image_id, SALES)
    query = f"{path}{'&' if '?' in path else '?'}id={image_id}"

    found = {who: organized.client(who).get(query).json()["images"] for who in ("recipient", "outsider")}

    assert [one["id"] for one in found["recipient"]] == [image_id]
    assert found["outsider"] == []


def test_a_project_goes_by_its_own_answer(organized: Service) -> None:
    image_id = create_image(organized)
    share_with(organized, image_id, WHOLE)
    share(organized, image_id)

    seen = [view(organized, "recipient", image_id)]
    answer(organized, "rejected", image_id)
    seen.append(view(organized, "recipient", image_id))

    assert seen == [OFFERED, REJECTED]
    assert view(organized, "other", image_id) == ACCEPTED


def test_a_project_answers_for_itself_alone(organized: Service) -> None:
    image_id = create_image(organized)
    share_with(organized, image_id, SALES)
    path = f"/v2/images/{image_id}/members/organization%2F{SALES}"

    body = {"images": [image_id], "project_id": project_of(organized, "recipient"), "status": "rejected"}
    batch = send_batch(organized, "recipient", "PUT", body)
    single = organized.client("recipient").put(path, json={"status": "rejected"})

    assert code_of(batch) == "IMG.9002"
    assert single.status_code in (403, 404)
    assert view(organized, "recipient", image_id) == ACCEPTED


def test_an_image_that_was_closed_does_not_come_back(organized: Service) -> None:
    image_id = create_image(organized)
    share_with(organized, image_id, WHOLE)
    patch = [{"op": "replace", "path": "/visibility", "value": "private"}]
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    organized.client("publisher").patch(f"/v2/images/{image_id}", json=patch, headers=headers)

    share(organized, image_id)

    assert view(organized, "other", image_id) == UNSEEN


def test_a_recipient_neither_shares_further_nor_deletes(organized: Service) -> None:
    image_id = create_image(organized)
    share_with(organized, image_id, SALES)

    body = {"images": [image_id], "organizations": [urn_of(WHOLE)]}
    job = run_batch(organized, "recipient", "POST", body)
    deleted = organized.client("recipient").delete(f"/v2/images/{image_id}")

    assert outcomes(job) == ["IMG.0047"]
    assert deleted.status_code == 403


def test_an_image_is_not_deleted_before_it_is_withdrawn(organized: Service) -> None:
    image_id = create_image(organized)
    share_with(organized, image_id, EMEA)
    path = f"/ims/v2/images/{image_id}"

    first = organized.client("publisher").delete(path)
    withdraw_from(organized, image_id, EMEA)
    second = organized.client("publisher").delete(path)

    assert refusal(first) == (409, "IMG.9005")
    assert second.status_code == 204


# ---- strangers


def _asked_by_strangers(service: Service, image_id: str) -> list[tuple[int, str]]:
    """What an outsider is told of the image, without its id."""
    client = service.client("outsider")
    project_id = project_of(service, "outsider")
    paths = [
        f"/v2/images/{image_id}",
        f"/v2/images/{image_id}/file",
        f"/v2/images/{image_id}/members",
        f"/v2/images/{image_id}/members/{SALES}",
        f"/v1/{project_id}/cloudimages/{image_id}/members",
        f"/v1/{project_id}/cloudimages/{image_id}/members/{SALES}",
        f"/v2/cloudimages?id={image_id}",
        f"/share/v1/images/{image_id}/shares",
        f"/share/v1/images/{image_id}/shares/organizations/{SALES}",
        f"/share/v1/inbox/images/{image_id}",
    ]
    answers = [client.get(path) for path in paths]
    batch = {"images": [image_id], "organizations": [urn_of(SALES)]}
    answers.append(send_batch(service, "outsider", "POST", batch))
    answers.append(send_batch(service, "outsider", "POST", batch | {"organizations": [urn_of("ou-none")]}))
    return [_without(one, image_id) for one in answers]


def _without(response: httpx.Response, image_id: str) -> tuple[int, str]:
    request_id = response.headers["x-openstack-request-id"]
    return response.status_code, response.text.replace(image_id, "ID").replace(request_id, "REQUEST")


def test_to_strangers_hidden_and_absent_look_alike(organized: Service) -> None:
    """Nor do they learn which units there are: of what they cannot share nothing is said of the recipient."""
    image_id = create_active_image(organized)
    share_with(organized, image_id, SALES)

    hidden, absent = _asked_by_strangers(organized, image_id), _asked_by_strangers(organized, UNKNOWN_ID)

    assert hidden == absent
    assert hidden[-1] == hidden[-2]
    assert hidden[0][0] == 404


# ---- the batches


@pytest.mark.parametrize(
    "urn",
    [
        WHOLE,
        "organizations::acct:unit:o-acme/ou-sales",
        "organizations::acct:ou:ou-sales",
        "",
        7,
        None,
    ],
)
def test_what_is_no_urn_is_refused_and_nothing_changes(organized: Service, urn: object) -> None:
    image_id = create_image(organized)
    body = {"images": [image_id], "domains": [DEFAULT_DOMAIN], "organizations": [urn]}

    response = send_batch(organized, "publisher", "POST", body)

    assert refusal(response) == (400, "IMG.0001")
    assert list_members(organized, image_id) == {}


@pytest.mark.parametrize(
    "urn",
    [
        "organizations::acct:ou:o-acme/ou-none",
        "organizations::another:ou:o-acme/ou-sales",
        "organizations::acct:ou:o-else/ou-sales",
        "organizations::acct:root:o-acme/ou-sales",
    ],
)
def test_what_there_is_not_fails_beside_what_is_done(organized: Service, urn: str) -> None:
    image_id = create_image(organized)
    body = {"images": [image_id], "organizations": [urn, urn_of(EMEA)]}

    job = run_batch(organized, "publisher", "POST", body)

    assert outcomes(job) == ["IMG.9009", DONE]
    assert [one["organization_id"] for one in job["entities"]["results"]] == [urn, EMEA]
    assert list_members(organized, image_id) == {EMEA: "accepted"}


@pytest.mark.parametrize("value", ["x", {"a": 1}, 5])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_organisations_are_a_list(organized: Service, method: str, value: object) -> None:
    body = {"images": [UNKNOWN_ID], "projects": ["y"], "organizations": value}

    assert refusal(send_batch(organized, "publisher", method, body)) == (400, "IMG.0001")


def test_a_urn_withdraws_nothing(organized: Service) -> None:
    image_id = create_image(organized)
    share_with(organized, image_id, SALES)

    body = {"images": [image_id], "organizations": [urn_of(SALES)]}
    response = send_batch(organized, "publisher", "DELETE", body)

    assert refusal(response) == (400, "IMG.0001")
    assert view(organized, "recipient", image_id) == ACCEPTED


def test_the_sdk_shares_lists_and_withdraws(organized: Service) -> None:
    image_id = create_image(organized)
    client = make_sdk_client(organized, "publisher")
    given = BatchAddMembersRequestBody(
        images=[image_id], domains=[DEFAULT_DOMAIN], organizations=[urn_of(WHOLE), urn_of(SALES)]
    )

    job_id = client.batch_add_members(BatchAddMembersRequest(given)).job_id
    listed = client.list_image_members(ListImageMembersRequest(image_id)).members
    one = client.show_image_member(ShowImageMemberRequest(image_id, SALES))
    seen = view(organized, "recipient", image_id)
    bare = BatchAddMembersRequestBody(
        images=[image_id], domains=[DEFAULT_DOMAIN], organizations=[WHOLE, SALES]
    )
    client.batch_delete_members(BatchDeleteMembersRequest(bare))

    assert client.show_job(ShowJobRequest(job_id)).status == DONE
    assert {(each.member_type, each.member_id, each.urn, each.status) for each in listed} == {
        ("domain", DEFAULT_DOMAIN, None, "accepted"),
        ("organization", WHOLE, urn_of(WHOLE), "accepted"),
        ("organization", SALES, urn_of(SALES), "accepted"),
    }
    assert (one.member_type, one.member_id, one.urn) == ("organization", SALES, urn_of(SALES))
    assert one.created_at == one.updated_at
    assert seen == ACCEPTED
    assert list_members(organized, image_id) == {}
    assert view(organized, "recipient", image_id) == UNSEEN


def test_a_recipient_sees_its_own_units_among_the_members_alone(organized: Service) -> None:
    image_id = create_image(organized)
    share_with(organized, image_id, WHOLE, EMEA)
    path = f"/v2/images/{image_id}/members"

    seen = {
        who: sorted(
            (one["member_id"], one["member_type"])
            for one in organized.client(who).get(path).json()["members"]
        )
        for who in ("publisher", "recipient", "other")
    }

    both = [(WHOLE, "organization"), (EMEA, "organization")]
    assert seen == {"publisher": both, "recipient": both[:1], "other": both}
    assert organized.client("recipient").get(f"{path}/{EMEA}").status_code == 404


# ---- the file


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_who_leaves_loses_its_images_at_the_reload(
    make_service: MakeService, tmp_path: Path, database: str
) -> None:
    file = tmp_path / "organizations.yaml"
    file.write_text(tree(domains=[DEFAULT_DOMAIN]))
    service = make_service(database, TRANSOM_ORGANIZATIONS_FILE=str(file))
    image_id = create_active_image(service)
    share_with(service, image_id, WHOLE)
    assert [view(service, who, image_id) for who in ("recipient", "other")] == [ACCEPTED, ACCEPTED]
    assert download(service, "recipient", image_id).content == DATA

    put_in_force(service, file, tree(of_emea=[project_of(service, "other")]))

    assert view(service, "recipient", image_id) == UNSEEN
    assert download(service, "recipient", image_id).status_code == 404
    assert service.client("recipient").get(f"/v2/images/{image_id}/members").status_code == 404
    assert view(service, "other", image_id) == ACCEPTED
    assert list_members(service, image_id) == {WHOLE: "accepted"}

    put_in_force(service, file, "organizations: [")

    assert view(service, "other", image_id) == ACCEPTED
    assert service.client("publisher").get("/readyz").json()["files_not_in_force"] == ["organizations_file"]

    put_in_force(service, file, "organizations: []")

    assert view(service, "other", image_id) == UNSEEN
    (member,) = service.client("publisher").get(f"/v2/images/{image_id}/members").json()["members"]
    assert (member["member_id"], member["member_type"]) == (WHOLE, "organization")
    withdraw_from(service, image_id, WHOLE)
    assert list_members(service, image_id) == {}


def test_a_service_does_not_start_with_a_file_that_cannot_be_used(
    make_service: MakeService, tmp_path: Path
) -> None:
    file = tmp_path / "organizations.yaml"
    file.write_text("organizations: [{id: o-1}]")

    with pytest.raises(Exception, match="organizations_file"):
        make_service("sqlite", TRANSOM_ORGANIZATIONS_FILE=str(file))
