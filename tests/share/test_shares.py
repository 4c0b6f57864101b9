"""The publisher's side: whom an image is shared with, on which terms, and all recipients at once."""

import uuid

import httpx
import pytest
from conftest import SharedServices
from harness.service import Service

from .calls import (
    UNKNOWN_ID,
    Body,
    answer,
    create_image,
    find_item,
    find_share,
    get,
    list_all,
    offer,
    post,
    problem_of,
    project_of,
    share_path,
)
from .family_calls import Published, ok, patched_image
from .test_verbs import in_days, members_of


def set_path(image_id: str) -> str:
    return f"/share/v1/images/{image_id}/shares"


def tag_of_set(service: Service, image_id: str) -> str:
    return str(service.client("publisher").get(set_path(image_id)).headers["etag"])


def put(service: Service, image_id: str, tag: str, **body: object) -> httpx.Response:
    return service.client("publisher").put(set_path(image_id), json=body, headers={"If-Match": tag})


@pytest.fixture
def giver(service: Service) -> str:
    """An account of a project of its own, which has shared nothing yet."""
    account = f"giver-{uuid.uuid4()}"
    service.add_user(account, account, "member")
    return account


# ---- reading


def test_the_shares_of_an_image_say_who_has_it_and_how(service: Service) -> None:
    image = create_image(service)
    offer(service, image, message="Hello.", expires_at=(end := in_days(30)))
    answer(service, image)
    post(service, "publisher", "offers", images=[image], domains=["default"])

    shares = list_all(service, "publisher", f"images/{image}/shares")

    assert [(share["recipient"], share["name"], share["status"]) for share in shares] == sorted(
        [
            ({"domain": "default"}, "Default", "accepted"),
            ({"project": project_of(service, "recipient")}, "recipient", "accepted"),
        ],
        key=lambda one: "domain/default" if "domain" in one[0] else str(one[0]["project"]),
    )
    share = next(share for share in shares if "project" in share["recipient"])
    assert (share["message"], share["expires_at"], share["answer_by"]) == ("Hello.", end, None)
    assert share["offered_at"] < share["answered_at"]
    assert share["usage"].keys() == {"downloads", "last_used_at", "as_of"}
    assert (share["usage"]["downloads"], share["usage"]["last_used_at"]) == (0, None)


def test_the_shares_come_in_pages_and_by_status(service: Service) -> None:
    image = create_image(service)
    post(service, "publisher", "offers", images=[image], projects=[f"p{n}" for n in range(5)])
    offer(service, image)
    answer(service, image, status="rejected")

    paged = list_all(service, "publisher", f"images/{image}/shares", limit=2)

    assert paged == [
        share | {"usage": paged[number]["usage"]}
        for number, share in enumerate(list_all(service, "publisher", f"images/{image}/shares"))
    ]
    assert len(paged) == 6
    by_status = {
        status: len(list_all(service, "publisher", f"images/{image}/shares", status=status))
        for status in ("pending", "accepted", "rejected")
    }
    assert by_status == {"pending": 5, "accepted": 0, "rejected": 1}
    assert get(service, "publisher", f"images/{image}/shares/summary") == by_status | {"more": False}


def test_an_image_that_is_not_shared_has_no_shares(service: Service) -> None:
    image = create_image(service, visibility="private")

    assert list_all(service, "publisher", f"images/{image}/shares") == []
    assert get(service, "publisher", f"images/{image}/shares/summary")["pending"] == 0


def test_what_a_recipient_has_of_one_publisher_is_listed(service: Service) -> None:
    images = [create_image(service) for _ in range(3)]
    post(service, "publisher", "offers", images=images, projects=["customer"])
    foreign = create_image(service, "other")
    post(service, "other", "offers", images=[foreign], projects=["customer"])

    found = list_all(service, "publisher", "shares", to="customer", limit=2)

    assert {item["image"]["id"] for item in found} >= set(images)
    assert foreign not in {item["image"]["id"] for item in found}
    assert {item["kind"] for item in found} == {"image"}
    assert list_all(service, "publisher", "shares", to="projects/customer") != []
    assert list_all(service, "publisher", "shares", to="nobody") == []


def test_what_one_recipient_has_is_images_and_families_newest_first(service: Service) -> None:
    name = f"to-{uuid.uuid4()}"
    families = [Published(service, f"{name}-{number}") for number in range(2)]
    images = [create_image(service) for _ in range(2)]
    offered: list[str] = []
    for family, image in zip(families, images, strict=True):
        ends = {"expires_at": in_days(9), "message": "Hello."}
        post(service, "publisher", "offers", families=[family.id], projects=[name], **ends)
        post(service, "publisher", "offers", images=[image], projects=[name])
        offered += [family.id, image]

    whole = list_all(service, "publisher", "shares", to=name)
    paged = list_all(service, "publisher", "shares", to=name, limit=1)

    assert [item[item["kind"]]["id"] for item in whole] == offered[::-1]
    assert [item[item["kind"]]["id"] for item in paged] == offered[::-1]
    (_image, shown, *_rest) = whole
    assert (shown["kind"], shown["family"]["name"], shown["status"]) == ("family", f"{name}-1", "pending")
    assert (shown["message"], shown["answered_at"], shown["answer_by"]) == ("Hello.", None, None)
    assert shown["expires_at"] is not None
    assert (shown["new_versions"], shown["usage"]) == ("accepted", {"last_used_at": None})
    assert list_all(service, "other", "shares", to=name) == []


def _by_status(pending: int = 0, accepted: int = 0, rejected: int = 0) -> Body:
    return {"pending": pending, "accepted": accepted, "rejected": rejected}


def test_the_recipients_of_a_project_say_how_much_each_has_by_its_answer(
    service: Service, giver: str
) -> None:
    family = ok(service.client(giver).post("/share/v1/families", json={"name": "web"}), 201)["id"]
    images = [create_image(service, giver) for _ in range(3)]
    own = project_of(service, "recipient")
    post(service, giver, "offers", images=images, families=[family], projects=[own])
    post(service, giver, "offers", images=images[:1], projects=["-a", "zz"], domains=["default"])
    answer(service, images[0])
    answer(service, images[1], status="rejected")

    found = list_all(service, giver, "recipients")

    shown = [(one["recipient"], one["name"], one["images"], one["families"]) for one in found]
    # In the order of their ids; a project's is made up of hexadecimal digits.
    in_between = [
        ({"project": own}, "recipient", _by_status(1, 1, 1), _by_status(pending=1)),
        ({"domain": "default"}, "Default", _by_status(accepted=1), _by_status()),
    ]
    assert shown == [
        ({"project": "-a"}, None, _by_status(pending=1), _by_status()),
        *(in_between if own < "domain/default" else reversed(in_between)),
        ({"project": "zz"}, None, _by_status(pending=1), _by_status()),
    ]
    offered_at = {str(one["recipient"]): one["offered_at"] for one in found}
    assert offered_at[str({"project": own})] <= offered_at[str({"project": "-a"})]
    assert list_all(service, giver, "recipients", limit=1) == found


def test_who_has_nothing_any_more_is_no_recipient(service: Service, giver: str) -> None:
    withdrawn, private, gone = (create_image(service, giver) for _ in range(3))
    for image, recipient in ((withdrawn, "one"), (private, "two"), (gone, "three")):
        post(service, giver, "offers", images=[image], projects=[recipient])
    client = service.client(giver)
    post(service, giver, "withdrawals", images=[withdrawn], projects=["one"])
    assert patched_image(client, private, visibility="private").is_success
    assert client.delete(f"/v2/images/{gone}").is_success

    assert list_all(service, giver, "recipients") == []


# ---- the terms of one share


def test_the_terms_of_a_share_can_be_changed(service: Service) -> None:
    image = create_image(service)
    offer(service, image, message="old", answer_by=in_days(5), expires_at=in_days(30))
    answer_by, expires_at = in_days(6), in_days(40)

    changed = service.client("publisher").patch(
        share_path(service, image),
        json={"message": "new", "answer_by": answer_by, "expires_at": expires_at},
        headers={"Content-Type": "application/merge-patch+json"},
    )

    assert changed.status_code == 200, changed.text
    item = find_item(service, image)
    assert item is not None
    assert (item["message"], item["answer_by"], item["expires_at"]) == ("new", answer_by, expires_at)


def test_what_is_not_named_stays_and_null_removes(service: Service) -> None:
    image = create_image(service)
    offer(service, image, message="old", answer_by=(deadline := in_days(5)), expires_at=in_days(30))

    service.client("publisher").patch(share_path(service, image), json={"expires_at": None})
    one = find_share(service, image)
    service.client("publisher").patch(share_path(service, image), json={"message": None, "answer_by": None})
    two = find_share(service, image)

    assert one is not None
    assert two is not None
    assert (one["message"], one["answer_by"], one["expires_at"]) == ("old", deadline, None)
    assert (two["message"], two["answer_by"], two["expires_at"]) == (None, None, None)


def test_a_deadline_for_an_answered_offer_is_a_conflict(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    answer(service, image)

    response = service.client("publisher").patch(share_path(service, image), json={"answer_by": in_days(5)})

    problem_of(response, "conflict", 409)


def test_a_share_of_another_version_is_not_changed(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    client, path = service.client("publisher"), share_path(service, image)
    tag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304

    first = client.patch(path, json={"message": "one"}, headers={"If-Match": tag})
    second = client.patch(path, json={"message": "two"}, headers={"If-Match": tag})

    assert first.status_code == 200
    problem_of(second, "precondition-failed", 412)
    assert client.patch(path, json={"message": "two"}, headers={"If-Match": first.headers["etag"]}).is_success


def test_a_share_that_is_not_there_is_404(service: Service) -> None:
    image = create_image(service)
    client = service.client("publisher")

    for path in (share_path(service, image), f"{set_path(image)}/domains/x", f"{set_path(image)}/planets/x"):
        problem_of(client.get(path), "not-found", 404)
        problem_of(client.patch(path, json={}), "not-found", 404)


# ---- all recipients at once


def test_a_set_is_what_the_image_has_from_then_on(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    answer(service, image)
    post(service, "publisher", "offers", images=[image], projects=["gone"])
    recipient, other = project_of(service, "recipient"), project_of(service, "other")

    response = put(service, image, tag_of_set(service, image), projects=[recipient, other], message="Hello.")

    assert response.json() == {"offered": 1, "renewed": 0, "unchanged": 1, "withdrawn": 1, "failures": []}
    assert members_of(service, image) == {recipient: "accepted", other: "pending"}
    assert response.headers["etag"] == tag_of_set(service, image)
    again = put(service, image, response.headers["etag"], projects=[other, recipient])
    assert again.json() == {"offered": 0, "renewed": 0, "unchanged": 2, "withdrawn": 0, "failures": []}


def test_an_answer_does_not_make_a_set_another_one_but_a_leave_does(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    tag = tag_of_set(service, image)

    answer(service, image, status="rejected")
    after_answer = tag_of_set(service, image)
    answer(service, image, status="left")

    assert after_answer == tag
    assert tag_of_set(service, image) != tag
    problem_of(put(service, image, tag, projects=["x"]), "precondition-failed", 412)


def test_who_has_rejected_is_not_offered_again_by_a_set(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    answer(service, image, status="rejected")
    recipient = project_of(service, "recipient")

    put(service, image, tag_of_set(service, image), projects=[recipient])

    assert members_of(service, image) == {recipient: "rejected"}


def test_a_set_that_somebody_changed_by_another_api_is_not_replaced(service: Service) -> None:
    image = create_image(service)
    tag = tag_of_set(service, image)
    service.client("publisher").post(f"/v2/images/{image}/members", json={"member": "by-glance"})

    problem_of(put(service, image, tag, projects=["x"]), "precondition-failed", 412)
    assert members_of(service, image) == {"by-glance": "pending"}


def test_a_set_is_not_replaced_blindly(service: Service) -> None:
    image = create_image(service)

    publisher = service.client("publisher")
    for headers in ({}, {"If-None-Match": '"x"'}, {"If-None-Match": "*"}):
        problem_of(publisher.put(set_path(image), json={}, headers=headers), "precondition-required", 428)


def test_an_empty_set_withdraws_from_all(service: Service) -> None:
    image = create_image(service)
    offer(service, image)

    assert put(service, image, "*").json()["withdrawn"] == 1
    assert members_of(service, image) == {}


def test_a_private_image_becomes_shared_by_its_set(service: Service) -> None:
    image = create_image(service, visibility="private")

    assert put(service, image, tag_of_set(service, image), projects=["x"]).json()["offered"] == 1
    assert members_of(service, image) == {"x": "pending"}


def test_a_public_image_has_no_set(service: Service) -> None:
    owner = project_of(service, "publisher")
    image = create_image(service, "admin", visibility="public", owner=owner)

    problem_of(put(service, image, "*", projects=["x"]), "not-shareable", 409)


# ---- hidden and absent


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")


@pytest.mark.parametrize("caller", ["recipient", "recipient-reader", "other", "other-reader"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/share/v1/images/{id}/shares"),
        ("GET", "/share/v1/images/{id}/shares/summary"),
        ("GET", "/share/v1/images/{id}/shares/projects/{project}"),
        ("PATCH", "/share/v1/images/{id}/shares/projects/{project}"),
        ("PUT", "/share/v1/images/{id}/shares"),
    ],
)
def test_who_is_not_the_owner_learns_nothing(server: Service, caller: str, method: str, path: str) -> None:
    image = create_image(server)
    offer(server, image)
    headers = {"X-Openstack-Request-Id": "req-same", "If-Match": "*"}
    body: dict[str, object] | None = None if method == "GET" else {}

    def ask(image_id: str) -> tuple[int, str]:
        url = path.format(id=image_id, project=project_of(server, "recipient"))
        response = server.client(caller).request(method, url, json=body, headers=headers)
        return response.status_code, response.text.replace(image_id, "")

    assert ask(image) == ask(UNKNOWN_ID)
    is_refused_by_role = caller.endswith("reader") and method != "GET"
    assert ask(image)[0] == (403 if is_refused_by_role else 404)
