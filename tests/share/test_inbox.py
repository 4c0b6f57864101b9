"""The recipient's side: who offers what, and why; pages and counts."""

import pytest
from conftest import SharedServices
from harness.service import MakeService, Service

from .calls import (
    UNKNOWN_ID,
    answer,
    create_image,
    find_item,
    get,
    list_all,
    offer,
    post,
    problem_of,
    project_of,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def quiet(request: pytest.FixtureRequest, make_service: MakeService) -> Service:
    """A service of the test's own, where nobody was offered anything yet."""
    return make_service(request.param)


def summary(service: Service, caller: str = "recipient") -> dict[str, object]:
    return get(service, caller, "inbox/summary")


def test_an_item_says_what_is_offered_and_who_offers_it(service: Service) -> None:
    image = create_image(service, name="web-7", min_disk=10, min_ram=512, disk_format="raw")
    offer(service, image, message="Replaces web-6.")

    item = find_item(service, image)

    assert item is not None
    shown = service.client("publisher").get(f"/v2/images/{image}").json()
    assert item["image"].pop("created_at")[:19] == shown["created_at"][:19]
    assert item["image"] == {
        "id": image,
        "name": "web-7",
        "status": "queued",
        "disk_format": "raw",
        "container_format": None,
        "size": None,
        "min_disk": 10,
        "min_ram": 512,
        "os_hash_algo": None,
        "os_hash_value": None,
    }
    assert item["from"] == {
        "project": project_of(service, "publisher"),
        "name": "publisher",
        "domain": "default",
        "domain_name": "Default",
        "publisher": None,
    }
    assert (item["kind"], item["status"], item["message"]) == ("image", "pending", "Replaces web-6.")
    assert (item["answer_by"], item["expires_at"], item["family"], item["through"]) == (None,) * 4
    assert item["usage"] == {"last_used_at": None}


def test_the_senders_user_is_not_told(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    users = service.client("admin").get("/identity/v3/users").json()["users"]

    item = str(find_item(service, image))

    assert not [user["id"] for user in users if user["id"] in item]


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
def test_each_status_has_a_list(service: Service, status: str) -> None:
    image = create_image(service)
    offer(service, image)
    answer(service, image, status=status)

    found = {one for one in ("pending", "accepted", "rejected") if find_item(service, image, status=one)}

    assert found == {status}
    assert (find_item(service, image) is not None) == (status == "pending")


def test_the_newest_offer_comes_first_and_an_offer_made_again_is_new(quiet: Service) -> None:
    images = [create_image(quiet) for _ in range(3)]
    for image in images:
        offer(quiet, image)
    answer(quiet, images[0], status="rejected")
    offer(quiet, images[0])

    found = [item["image"]["id"] for item in list_all(quiet, "recipient", "inbox")]

    assert found == [images[0], images[2], images[1]]


def test_pages_have_each_item_once_whatever_comes_and_goes(quiet: Service) -> None:
    images = [create_image(quiet) for _ in range(7)]
    offer(quiet, *images[:6])

    first = get(quiet, "recipient", "inbox", limit=2, kind="image")
    offer(quiet, images[6])
    answer(quiet, first["items"][0]["image"]["id"])
    response = quiet.client("recipient").get(first["next"])
    second = response.json()
    rest = quiet.client("recipient").get(second["next"]).json()

    ids = [item["image"]["id"] for page in (first, second, rest) for item in page["items"]]
    assert sorted(ids) == sorted(images[:6])
    assert rest["next"] is None
    assert response.headers["link"] == f'<{second["next"]}>; rel="next"'
    assert "kind=image" in first["next"]
    assert "limit=2" in first["next"]


def test_offers_of_one_project_can_be_asked_for(service: Service) -> None:
    mine, theirs = create_image(service), create_image(service, "other")
    offer(service, mine)
    post(service, "other", "offers", images=[theirs], projects=[project_of(service, "recipient")])
    query = {"from": project_of(service, "other")}

    assert find_item(service, theirs, **query) is not None
    assert find_item(service, mine, **query) is None


def test_what_a_domain_has_is_listed_as_such(service: Service) -> None:
    image = create_image(service)
    post(service, "publisher", "offers", images=[image], domains=["default"])

    item = find_item(service, image, through="domain")

    assert item is not None
    assert (item["status"], item["through"]) == ("accepted", {"domain": "default"})
    assert find_item(service, image) is None
    assert find_item(service, image, caller="publisher", through="domain") is None


def test_an_image_that_is_closed_is_in_no_inbox(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    patch = [{"op": "replace", "path": "/visibility", "value": "private"}]
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    service.client("publisher").patch(f"/v2/images/{image}", json=patch, headers=headers)

    assert find_item(service, image) is None
    problem_of(service.client("recipient").get(f"/share/v1/inbox/images/{image}"), "not-found", 404)


def test_the_summary_counts_by_status(quiet: Service) -> None:
    images = [create_image(quiet) for _ in range(4)]
    none = {"pending": 0, "accepted": 0, "rejected": 0}
    through = {"through_domain": 0, "through_organization": 0}
    empty = {"images": none, "families": none, **through, "more": False, "newest_offered_at": None}
    assert summary(quiet) == empty

    offer(quiet, *images)
    answer(quiet, images[0])
    answer(quiet, images[1], status="rejected")
    post(quiet, "publisher", "offers", images=images[:2], domains=["default"])

    found = summary(quiet)
    newest = list_all(quiet, "recipient", "inbox")[0]["offered_at"]
    assert found == empty | {
        "images": {"pending": 2, "accepted": 1, "rejected": 1},
        "through_domain": 2,
        "newest_offered_at": newest,
    }
    assert summary(quiet, "publisher") == empty


def test_counts_end_at_a_thousand(quiet: Service) -> None:
    offer(quiet, *[create_image(quiet) for _ in range(1001)])

    found = summary(quiet)

    assert found["images"] == {"pending": 1000, "accepted": 0, "rejected": 0}
    assert found["more"] is True


def test_a_client_that_knows_the_counts_is_told_nothing_new(service: Service) -> None:
    client = service.client("recipient")
    image = create_image(service)
    offer(service, image)
    tag = client.get("/share/v1/inbox/summary").headers["etag"]

    same = client.get("/share/v1/inbox/summary", headers={"If-None-Match": tag})
    answer(service, image)
    other = client.get("/share/v1/inbox/summary", headers={"If-None-Match": tag})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
def test_one_offer_is_the_item_of_the_list(service: Service, status: str) -> None:
    image = create_image(service)
    offer(service, image)
    answer(service, image, status=status)

    response = service.client("recipient").get(f"/share/v1/inbox/images/{image}")

    assert response.json() == find_item(service, image, status=status)
    again = {"If-None-Match": response.headers["etag"]}
    assert (
        service.client("recipient").get(f"/share/v1/inbox/images/{image}", headers=again).status_code == 304
    )


def test_hidden_absent_and_left_are_the_same_404(service: Service) -> None:
    hidden, left = create_image(service), create_image(service)
    offer(service, left)
    answer(service, left, status="left")
    client = service.client("recipient")
    request_id = {"X-Openstack-Request-Id": "req-same"}

    answers = {
        client.get(f"/share/v1/inbox/images/{image}", headers=request_id).text.replace(image, "")
        for image in (hidden, left, UNKNOWN_ID)
    }

    assert len(answers) == 1


def test_an_owner_with_a_membership_of_its_own_image_is_not_told_of_it(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    answer(service, image)
    owner = [{"op": "replace", "path": "/owner", "value": project_of(service, "recipient")}]
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    changed = service.client("admin").patch(f"/v2/images/{image}", json=owner, headers=headers)
    assert changed.status_code == 200

    assert find_item(service, image, status="accepted") is None


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("status=foo", "status"),
        ("status=", "status"),
        ("status=pending&status=accepted", "status"),
        ("kind=tape", "kind"),
        ("kind=", "kind"),
        ("through=project", "through"),
        ("through=domain&status=pending", "status"),
        ("through=organization&status=rejected", "status"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("after=x", "after"),
        ("after=", "after"),
        ("marker=x", "marker"),
        ("from=%00", "from"),
    ],
)
def test_a_query_that_is_wrong_is_refused_by_name(server: Service, query: str, name: str) -> None:
    response = server.client("recipient").get(f"/share/v1/inbox?{query}")

    assert problem_of(response, "invalid", 400)["parameter"] == name


def test_a_cursor_of_another_list_is_refused(server: Service) -> None:
    images = [create_image(server) for _ in range(2)]
    offer(server, *images)
    cursor = get(server, "recipient", "inbox", limit=1)["next"].rpartition("after=")[2]

    response = server.client("publisher").get(f"/share/v1/images/{images[0]}/shares?after={cursor}")

    assert problem_of(response, "invalid", 400)["parameter"] == "after"
