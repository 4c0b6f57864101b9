"""Organisations and their units as recipients by the share API, of images and of families."""

from uuid import uuid4

import pytest
from harness.organizations import EMEA, SALES, WHOLE
from harness.service import Service

from .calls import Body, create_image, find_item, list_all, post, problem_of, project_of
from .family_calls import Published


def offer_to(service: Service, image: str, *own_ids: str, **more: object) -> Body:
    return post(service, "publisher", "offers", images=[image], organizations=list(own_ids), **more)


def set_path(image: str) -> str:
    return f"/share/v1/images/{image}/shares"


def through(service: Service, caller: str = "recipient") -> int:
    found: int = service.client(caller).get("/share/v1/inbox/summary").json()["through_organization"]
    return found


def sees(service: Service, caller: str, image: str) -> bool:
    return service.client(caller).get(f"/v2/images/{image}").status_code == 200


def test_an_image_is_offered_and_withdrawn(organized: Service) -> None:
    image = create_image(organized)

    made = offer_to(organized, image, SALES, EMEA)
    again = offer_to(organized, image, SALES)
    seen = [sees(organized, who, image) for who in ("recipient", "other", "outsider")]
    gone = post(organized, "publisher", "withdrawals", images=[image], organizations=[SALES, EMEA, WHOLE])

    assert (made["offered"], made["failures"]) == (2, [])
    assert (again["offered"], again["unchanged"]) == (0, 1)
    assert seen == [True, True, False]
    assert (gone["withdrawn"], gone["absent"]) == (2, 1)
    assert not sees(organized, "recipient", image)


def test_what_there_is_not_is_a_failure_beside_what_is_done(organized: Service) -> None:
    image = create_image(organized)

    made = offer_to(organized, image, "ou-none", EMEA)

    (failure,) = made["failures"]
    assert made["offered"] == 1
    assert (failure["recipient"], failure["type"]) == (
        {"organization": "ou-none"},
        "/share/v1/problems/not-found",
    )


def test_a_stranger_does_not_learn_which_units_there_are(organized: Service) -> None:
    image = create_image(organized)

    failures = [
        post(organized, "outsider", "offers", images=[image], organizations=[one])["failures"]
        for one in (SALES, "ou-none")
    ]

    assert failures[0] == failures[1]
    assert "recipient" not in failures[0][0]


def test_there_is_nothing_to_answer_by(organized: Service) -> None:
    body = {
        "images": [create_image(organized)],
        "organizations": [SALES],
        "answer_by": "2099-01-01T00:00:00Z",
    }

    refused = organized.client("publisher").post("/share/v1/offers", json=body)

    assert problem_of(refused, "invalid", 400)["field"] == "/answer_by"


def test_the_inbox_has_it_through_the_organisation_alone(organized: Service) -> None:
    image = create_image(organized)
    offer_to(organized, image, SALES)
    before = through(organized)
    offer_to(organized, image, WHOLE)

    item = find_item(organized, image, through="organization", kind="image")

    assert item is not None
    assert (item["status"], item["through"]) == ("accepted", {"organization": WHOLE})
    assert find_item(organized, image) is None
    assert find_item(organized, image, through="domain") is None
    assert find_item(organized, image, caller="outsider", through="organization", kind="image") is None
    assert through(organized) == before  # It is one image, whoever has it.
    assert through(organized, "outsider") == 0


def test_pages_through_an_organisation_have_each_thing_once(organized: Service) -> None:
    images = [create_image(organized) for _ in range(3)]
    post(organized, "publisher", "offers", images=images, organizations=[SALES, WHOLE])

    found: list[str] = []
    path = "/share/v1/inbox?through=organization&kind=image&limit=1"
    while path and len(found) < 3:
        page = organized.client("recipient").get(path).json()
        found += [one["image"]["id"] for one in page["items"]]
        path = page["next"]

    assert sorted(found) == sorted(images)


@pytest.mark.parametrize("word", ["rejected", "left"])
def test_what_an_organisation_has_is_not_answered(organized: Service, word: str) -> None:
    image = create_image(organized)
    offer_to(organized, image, SALES)

    done = post(organized, "recipient", "answers", images=[image], answer=word)

    (failure,) = done["failures"]
    assert failure["type"] == "/share/v1/problems/conflict"
    assert "organization" in failure["detail"]
    assert sees(organized, "recipient", image)


def test_the_shares_of_an_image_show_it_by_its_name(organized: Service) -> None:
    image = create_image(organized)
    offer_to(organized, image, EMEA, message="for you")
    client = organized.client("publisher")
    path = f"{set_path(image)}/organizations/{EMEA}"

    (listed,) = client.get(set_path(image)).json()["items"]
    one = client.get(path)
    patched = client.patch(
        path, json={"message": "for all of you"}, headers={"If-Match": one.headers["etag"]}
    )
    to = client.get(f"/share/v1/shares?to=organizations/{EMEA}").json()["items"]

    assert (listed["recipient"], listed["name"], listed["status"]) == (
        {"organization": EMEA},
        "EMEA",
        "accepted",
    )
    assert patched.json()["message"] == "for all of you"
    assert image in [share["image"]["id"] for share in to]


def test_a_set_is_replaced(organized: Service) -> None:
    image = create_image(organized)
    offer_to(organized, image, SALES)
    client = organized.client("publisher")
    tag = client.get(set_path(image)).headers["etag"]

    done = client.put(
        set_path(image),
        json={"projects": [project_of(organized, "recipient")], "organizations": [EMEA]},
        headers={"If-Match": tag},
    ).json()

    assert (done["offered"], done["withdrawn"], done["failures"]) == (2, 1, [])
    assert [sees(organized, who, image) for who in ("recipient", "other")] == [True, True]


def test_an_organisation_is_no_publisher(organized: Service) -> None:
    path = f"/share/v1/rules/organizations/{SALES}"

    problem_of(organized.client("recipient").put(path, json={"answer": "accepted"}), "not-found", 404)


def test_its_events_are_told_to_its_projects(organized: Service) -> None:
    image = create_image(organized)
    offer_to(organized, image, SALES)

    def told(caller: str) -> list[Body]:
        path = f"/share/v1/events?image={image}&type=share.offered&wait=10"
        events: list[Body] = organized.client(caller).get(path).json()["events"]
        return events

    assert [one["data"]["recipient"] for one in told("publisher")] == [{"organization": SALES}]
    assert [one["data"]["recipient"] for one in told("other")] == [{"organization": SALES}]
    path = f"/share/v1/events?image={image}"
    assert organized.client("outsider").get(path).json()["events"] == []


def test_a_family_is_shared_with_an_organisation(organized: Service) -> None:
    family = Published(organized, f"web-{uuid4().hex[:8]}")
    image = family.image()

    post(organized, "publisher", "offers", families=[family.id], organizations=[SALES])
    family.publish(image)
    refused = post(organized, "recipient", "answers", families=[family.id], answer="left")
    who = ("recipient", "other", "outsider")
    shown = [organized.client(one).get(family.path).status_code for one in who]
    joined = list_all(organized, "recipient", "families", role="member")
    items = list_all(organized, "recipient", "inbox", through="organization", kind="family")

    assert shown == [200, 200, 404]
    assert family.id in [one["id"] for one in joined]
    assert [one["through"] for one in items] == [{"organization": SALES}]
    assert refused["failures"][0]["type"] == "/share/v1/problems/conflict"
    assert [sees(organized, one, image) for one in who] == [True, True, False]
    post(organized, "publisher", "withdrawals", families=[family.id], organizations=[SALES])
    assert not sees(organized, "recipient", image)
