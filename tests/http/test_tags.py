"""PUT and DELETE /v2/images/{id}/tags/{tag}: one tag at a time (images-v2, 3.9)."""

from uuid import uuid4

import pytest
from harness.service import Service
from images import (
    EMOJI,
    UNKNOWN_ID,
    brief,
    create_image,
    create_public_image,
    escape,
    explanation,
    list_ids,
    share_image,
    show_image,
)

TAGS = [
    "blue",
    "Blue",
    "dark blue",
    "é",
    "世界",
    "a.b",
    "100%",
    "a:b",
    "a,b",
    "a?b",
    "a#b",
    "a" * 255,
    "é" * 255,
]
UNSTORABLE_TAGS = [escape("a" * 256), escape("é" * 256), "a%00b", "%00", escape(EMOJI), "%FF", "a%C3"]


@pytest.mark.parametrize("tag", TAGS, ids=brief)
def test_a_tag_is_kept_as_it_is_written(service: Service, tag: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.put(f"{image['self']}/tags/{escape(tag)}")

    assert response.status_code == 204
    assert response.content == b""
    assert show_image(publisher, image["id"])["tags"] == [tag]


def test_a_tag_joins_those_that_are_there(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, tags=["red"])

    publisher.put(f"{image['self']}/tags/blue")

    assert sorted(show_image(publisher, image["id"])["tags"]) == ["blue", "red"]


def test_adding_a_tag_twice_is_adding_it_once(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, tags=["blue"])

    response = publisher.put(f"{image['self']}/tags/blue")

    assert response.status_code == 204
    assert show_image(publisher, image["id"])["tags"] == ["blue"]


@pytest.mark.parametrize("tag", TAGS, ids=brief)
def test_a_tag_is_taken_away(service: Service, tag: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, tags=[tag, "red"])

    response = publisher.delete(f"{image['self']}/tags/{escape(tag)}")

    assert response.status_code == 204
    assert response.content == b""
    assert show_image(publisher, image["id"])["tags"] == ["red"]


@pytest.mark.parametrize("tag", ["nothing", "Red", "red%20"])
def test_a_tag_that_is_not_there_is_not_found(service: Service, tag: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, tags=["red"])

    response = publisher.delete(f"{image['self']}/tags/{tag}")

    assert response.status_code == 404
    assert show_image(publisher, image["id"]) == image


def test_a_tag_is_found_by_the_list_in_its_own_case(service: Service) -> None:
    publisher = service.client("publisher")
    tag = f"Blue-{uuid4()}"
    image = create_image(publisher)

    publisher.put(f"{image['self']}/tags/{tag}")

    assert list_ids(publisher, f"tag={tag}") == [image["id"]]
    assert list_ids(publisher, f"tag={tag.lower()}") == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_tag_moves_the_time_of_update(service: Service, method: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, tags=["blue"])

    publisher.request(method, f"{image['self']}/tags/blue")

    changed = show_image(publisher, image["id"])
    assert changed["updated_at"] >= image["updated_at"]
    assert changed["created_at"] == image["created_at"]


@pytest.mark.parametrize("tag", UNSTORABLE_TAGS, ids=brief)
def test_a_tag_that_cannot_be_stored_is_refused(service: Service, tag: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.put(f"{image['self']}/tags/{tag}")

    assert response.status_code == 400
    assert show_image(publisher, image["id"]) == image


def test_a_tag_that_is_too_long_is_found_before_the_image_is_looked_up(service: Service) -> None:
    response = service.client("publisher").put(f"/v2/images/{UNKNOWN_ID}/tags/{'a' * 256}")

    assert response.status_code == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_escaped_slash_leads_nowhere(service: Service, method: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.request(method, f"{image['self']}/tags/a%2Fb")

    assert response.status_code == 404
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("image_id", [UNKNOWN_ID, "not-a-uuid"])
def test_an_absent_image_is_not_found(service: Service, image_id: str, method: str) -> None:
    response = service.client("publisher").request(method, f"/v2/images/{image_id}/tags/blue")

    assert response.status_code == 404
    assert f"Image {image_id} not found." in explanation(response)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_image_the_caller_cannot_see_is_not_found(service: Service, method: str) -> None:
    image = create_image(service.client("publisher"), tags=["blue"])

    response = service.client("other").request(method, f"{image['self']}/tags/blue")

    assert response.status_code == 404
    assert f"Image {image['id']} not found." in explanation(response)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("caller", ["publisher-reader", "recipient", "recipient-reader"])
def test_who_merely_sees_an_image_does_not_tag_it(service: Service, caller: str, method: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, tags=["blue"])
    share_image(service, image["id"], "accepted")

    response = service.client(caller).request(method, f"{image['self']}/tags/blue")

    assert response.status_code == 403
    assert "You are not authorized to complete modify_image action." in explanation(response)
    assert show_image(publisher, image["id"]) == image


def test_who_may_not_tag_does_not_learn_which_tags_are_missing(service: Service) -> None:
    path = create_public_image(service)["self"]

    response = service.client("other").delete(f"{path}/tags/nothing")

    assert response.status_code == 403


def test_an_admin_tags_the_image_of_another_project(service: Service) -> None:
    image = create_image(service.client("publisher"))

    response = service.client("admin").put(f"{image['self']}/tags/blue")

    assert response.status_code == 204


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_body_is_refused(service: Service, method: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, tags=["red"])

    response = publisher.request(method, f"{image['self']}/tags/red", content=b"{}")

    assert response.status_code == 400
    assert "A body is not expected with this request." in explanation(response)
    assert show_image(publisher, image["id"]) == image


def test_one_tag_too_many_is_over_the_quota(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, tags=[f"t{number}" for number in range(128)])

    response = publisher.put(f"{image['self']}/tags/one-more")

    assert response.status_code == 413
    assert f"Image tag limit exceeded for image {image['id']}" in explanation(response)
    assert sorted(show_image(publisher, image["id"])["tags"]) == sorted(image["tags"])


def test_the_128th_tag_is_within_the_quota(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, tags=[f"t{number}" for number in range(127)])

    response = publisher.put(f"{image['self']}/tags/one-more")

    assert response.status_code == 204
