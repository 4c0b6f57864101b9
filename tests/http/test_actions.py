"""POST actions/deactivate and actions/reactivate: data withdrawn from use and given back (images-v2, 3.6)."""

import pytest
from harness.service import Service
from images import (
    UNKNOWN_ID,
    create_active_image,
    create_image,
    create_public_image,
    create_raw_image,
    explanation,
    share_image,
    show_image,
    update_image,
    upload_data,
)

ACTIONS = ["deactivate", "reactivate"]


def test_deactivating_an_active_image_withdraws_it(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)

    response = publisher.post(f"{image['self']}/actions/deactivate")

    assert response.status_code == 204
    assert response.content == b""
    assert show_image(publisher, image["id"])["status"] == "deactivated"


def test_reactivating_a_deactivated_image_gives_it_back(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)
    publisher.post(f"{image['self']}/actions/deactivate")

    response = publisher.post(f"{image['self']}/actions/reactivate")

    assert response.status_code == 204
    assert response.content == b""
    assert publisher.get(image["file"]).content == b"0123456789"


def test_deactivating_changes_the_status_and_withholds_the_stores(service: Service) -> None:
    """From all but an admin (images-v2, 2.1)."""
    publisher = service.client("publisher")
    image = create_active_image(publisher)

    publisher.post(f"{image['self']}/actions/deactivate")

    withdrawn = show_image(publisher, image["id"])
    seen_by_admin = show_image(service.client("admin"), image["id"])
    assert seen_by_admin == image | {"status": "deactivated", "updated_at": withdrawn["updated_at"]}
    assert withdrawn == {name: value for name, value in seen_by_admin.items() if name != "stores"}


def test_deactivating_twice_is_deactivating_once(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)
    publisher.post(f"{image['self']}/actions/deactivate")

    response = publisher.post(f"{image['self']}/actions/deactivate")

    assert response.status_code == 204
    assert show_image(publisher, image["id"])["status"] == "deactivated"


def test_reactivating_an_active_image_leaves_it_active(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)

    response = publisher.post(f"{image['self']}/actions/reactivate")

    assert response.status_code == 204
    assert show_image(publisher, image["id"])["status"] == "active"


@pytest.mark.parametrize("action", ACTIONS)
def test_an_image_without_data_cannot_be_withdrawn_or_given_back(service: Service, action: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.post(f"{image['self']}/actions/{action}")

    assert response.status_code == 403
    assert f"Not allowed to {action} image in status 'queued'" in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("image_id", [UNKNOWN_ID, "not-a-uuid"])
def test_an_absent_image_is_not_found(service: Service, image_id: str, action: str) -> None:
    response = service.client("publisher").post(f"/v2/images/{image_id}/actions/{action}")

    assert response.status_code == 404
    assert f"No image found with ID {image_id}" in explanation(response)


@pytest.mark.parametrize("action", ACTIONS)
def test_an_image_the_caller_cannot_see_is_not_found(service: Service, action: str) -> None:
    image = create_active_image(service.client("publisher"))

    response = service.client("other").post(f"{image['self']}/actions/{action}")

    assert response.status_code == 404
    assert f"No image found with ID {image['id']}" in explanation(response)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("caller", ["publisher-reader", "recipient", "recipient-reader"])
def test_who_merely_sees_an_image_does_not_withdraw_it(service: Service, caller: str, action: str) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)
    share_image(service, image["id"], "accepted")

    response = service.client(caller).post(f"{image['self']}/actions/{action}")

    assert response.status_code == 403
    assert f"You are not authorized to complete {action} action." in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("visibility", ["public", "community"])
def test_who_may_not_act_learns_nothing_of_the_status(service: Service, visibility: str, action: str) -> None:
    image = create_raw_image(service.client("admin"), visibility=visibility)

    response = service.client("other").post(f"{image['self']}/actions/{action}")

    assert response.status_code == 403
    assert f"You are not authorized to complete {action} action." in explanation(response)


def test_an_admin_withdraws_the_image_of_another_project(service: Service) -> None:
    image = create_active_image(service.client("publisher"), visibility="private")

    response = service.client("admin").post(f"{image['self']}/actions/deactivate")

    assert response.status_code == 204


@pytest.mark.parametrize("action", ACTIONS)
def test_a_body_is_refused(service: Service, action: str) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)

    response = publisher.post(f"{image['self']}/actions/{action}", content=b"{}")

    assert response.status_code == 400
    assert "A body is not expected with this request." in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("action", ["nonexistent", "Deactivate", "deactivate/x", "delete"])
def test_an_unknown_action_is_not_found(service: Service, action: str) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)

    response = publisher.post(f"{image['self']}/actions/{action}")

    assert response.status_code == 404
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("caller", ["publisher", "recipient"])
def test_withdrawn_data_is_withheld_from_owner_and_members(service: Service, caller: str) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)
    share_image(service, image["id"], "accepted")
    publisher.post(f"{image['self']}/actions/deactivate")

    response = service.client(caller).get(image["file"])

    assert response.status_code == 403
    assert "The requested image has been deactivated. Image data download is forbidden." in explanation(
        response
    )


def test_withdrawn_data_is_open_to_an_admin(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)
    publisher.post(f"{image['self']}/actions/deactivate")

    response = service.client("admin").get(image["file"])

    assert response.status_code == 200
    assert response.content == b"0123456789"


def test_a_withdrawn_image_may_be_described_anew(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)
    publisher.post(f"{image['self']}/actions/deactivate")

    response = update_image(publisher, image["id"], {"op": "replace", "path": "/name", "value": "new"})

    assert response.status_code == 200
    assert (response.json()["name"], response.json()["status"]) == ("new", "deactivated")


def test_a_withdrawn_image_keeps_its_members(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)
    share_image(service, image["id"], "accepted")

    publisher.post(f"{image['self']}/actions/deactivate")

    assert show_image(service.client("recipient"), image["id"])["status"] == "deactivated"


def test_a_withdrawn_image_takes_no_new_data(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher)
    publisher.post(f"{image['self']}/actions/deactivate")

    response = upload_data(publisher, image["id"], b"other data")

    assert response.status_code == 409
    assert "Image status transition from deactivated to saving is not allowed" in explanation(response)


def test_the_owner_withdraws_its_public_image(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_public_image(service)
    upload_data(publisher, image["id"], b"0123456789")

    response = publisher.post(f"{image['self']}/actions/deactivate")

    assert response.status_code == 204
