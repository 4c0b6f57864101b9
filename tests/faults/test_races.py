"""Many clients at once on the same image: every answer is one that some order of the calls explains.

Sources: images-v2, 3.5, 3.7, 3.8, 4.2-4.7, 4.10, 4.13. The service runs with a member quota of five.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from threading import Barrier

import httpx
import pytest
from harness.forks import create_migrated_database, forked_service
from harness.postgresql import PostgreSQL
from harness.service import Service

from .calls import (
    PATIENCE_S,
    STATUSES,
    Answer,
    add_member,
    add_property,
    create_active_image,
    create_image,
    expect_eventually,
    list_all_images,
    member_statuses,
    others_than,
    remove_member,
    set_member_status,
    show_image,
    statuses,
    stored_sizes,
    timed,
    together,
    update_image,
    upload_data,
)
from .histories import Event, explain

CLIENTS = 20
MEMBER_QUOTA = 5
ROUNDS = 10
MIB = 1 << 20
#: States that a search for an explaining order may visit; a history of ours takes a few hundred.
MOST_STATES = 200_000
DEPLOYMENTS = [
    pytest.param(("sqlite", "1"), id="sqlite"),
    pytest.param(("sqlite", "2"), id="sqlite with two workers"),
    pytest.param(("postgresql", "1"), id="postgresql"),
    pytest.param(("postgresql", "2"), id="postgresql with two workers"),
]

Status = str | None  # of a membership; None when there is none


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL
) -> Iterator[Service]:
    """One service for all tests of a deployment."""
    database, workers = request.param
    settings = {"TRANSOM_WORKERS": workers, "TRANSOM_IMAGE_MEMBER_QUOTA": str(MEMBER_QUOTA)}
    url = create_migrated_database(postgresql) if database == "postgresql" else None
    with forked_service(tmp_path_factory.mktemp(f"races-{database}"), url, settings) as running:
        yield running


@pytest.fixture
def owner(service: Service) -> httpx.Client:
    return service.client("publisher")


@pytest.fixture
def recipient(service: Service) -> httpx.Client:
    return service.client("recipient")


@pytest.fixture
def recipient_id(service: Service) -> str:
    return service.clouds["recipient"].project_id


# ---- members


def test_answers_offers_and_withdrawals_of_one_membership_have_an_order_that_explains_them(
    service: Service, owner: httpx.Client, recipient: httpx.Client, recipient_id: str
) -> None:
    image_id = create_image(owner)["id"]
    admin = service.client("admin")
    dice = Random(image_id)
    flips = [_flip(recipient, image_id, recipient_id, dice.choices(STATUSES, k=2)) for _ in range(CLIENTS)]
    offers = [_offer_and_withdraw(client, image_id, recipient_id) for client in (owner, admin)]
    looks = [_look(client, image_id, recipient_id) for client in (owner, admin)]

    history = _run_in_parallel(*flips, *offers, *looks)
    last = timed(partial(_show_member, owner, image_id, recipient_id))

    answers = [answer for answer, _event in history]
    assert others_than(answers, 200, 204, 404, 409) == []
    events = [event for _answer, event in history]
    order = explain([*events, _looked(last)], None, MOST_STATES)
    assert order is not None, "\n".join(f"{a.start:.6f} {a.end:.6f} {a}" for a in [*answers, last])


def test_answers_while_the_offer_is_withdrawn_and_made_again_are_accepted_or_not_found(
    owner: httpx.Client, recipient: httpx.Client, recipient_id: str
) -> None:
    image_id = create_image(owner)["id"]
    answering = [
        partial(set_member_status, recipient, image_id, recipient_id, status)
        for status, _ in zip(itertools.cycle(STATUSES), range(CLIENTS), strict=False)
    ]

    for _ in range(ROUNDS):
        add_member(owner, image_id, recipient_id)
        answers = together(partial(remove_member, owner, image_id, recipient_id), *answering)

        assert answers[0].status == 204, answers[0]
        assert others_than(answers[1:], 200, 404) == []
        # After the withdrawal no answer may bring the membership back.
        assert member_statuses(owner, image_id) == {}


def test_of_many_offers_to_the_same_project_one_is_made_and_the_others_are_duplicates(
    owner: httpx.Client,
) -> None:
    for _ in range(ROUNDS):
        image_id = create_image(owner)["id"]

        answers = together(*[partial(add_member, owner, image_id, "project") for _ in range(CLIENTS)])

        assert statuses(answers) == {200: 1, 409: CLIENTS - 1}, others_than(answers, 200, 409)
        assert member_statuses(owner, image_id) == {"project": "pending"}


def test_the_member_quota_holds_whoever_adds_at_the_same_time(owner: httpx.Client) -> None:
    for _ in range(ROUNDS):
        image_id = create_image(owner)["id"]

        answers = together(
            *[partial(add_member, owner, image_id, f"project-{number}") for number in range(CLIENTS)]
        )

        assert len(member_statuses(owner, image_id)) == MEMBER_QUOTA
        assert statuses(answers) == {200: MEMBER_QUOTA, 413: CLIENTS - MEMBER_QUOTA}


def test_offers_and_withdrawals_of_one_project_never_meet_the_quota(owner: httpx.Client) -> None:
    image_id = create_image(owner)["id"]
    offers = [partial(add_member, owner, image_id, "project") for _ in range(CLIENTS)]
    withdrawals = [partial(remove_member, owner, image_id, "project") for _ in range(CLIENTS)]

    for _ in range(ROUNDS):
        answers = together(*offers, *withdrawals)

        assert others_than(answers[:CLIENTS], 200, 409) == []
        assert others_than(answers[CLIENTS:], 204, 404) == []


def test_a_recipient_answers_or_finds_nothing_while_the_owner_hides_and_shows_the_image(
    owner: httpx.Client, recipient: httpx.Client, recipient_id: str
) -> None:
    image_id = create_image(owner)["id"]
    add_member(owner, image_id, recipient_id)
    dice = Random(image_id)

    for _ in range(ROUNDS):
        toggles = [
            partial(_set_visibility, owner, image_id, visibility) for visibility in ("private", "shared") * 3
        ]
        flips = [
            partial(set_member_status, recipient, image_id, recipient_id, dice.choice(STATUSES))
            for _ in range(CLIENTS)
        ]

        answers = together(*toggles, *flips)

        assert others_than(answers[: len(toggles)], 200) == []
        assert others_than(answers[len(toggles) :], 200, 404) == []


def test_offers_while_the_owner_hides_and_shows_the_image_are_made_or_forbidden(owner: httpx.Client) -> None:
    for _ in range(ROUNDS):
        image_id = create_image(owner)["id"]
        toggles = [
            partial(_set_visibility, owner, image_id, visibility) for visibility in ("private", "shared") * 3
        ]
        offers = [partial(add_member, owner, image_id, f"project-{number}") for number in range(MEMBER_QUOTA)]

        answers = together(*toggles, *offers)

        assert others_than(answers[: len(toggles)], 200) == []
        assert others_than(answers[len(toggles) :], 200, 403) == []
        _set_visibility(owner, image_id, "shared")
        assert len(member_statuses(owner, image_id)) == statuses(answers[len(toggles) :])[200]


def test_an_offer_beside_a_change_of_the_recipients_rule_goes_by_the_rule_before_or_after(
    service: Service, owner: httpx.Client, recipient: httpx.Client, recipient_id: str
) -> None:
    publisher = service.clouds["publisher"].project_id
    rule = f"/share/v1/rules/projects/{publisher}"
    assert recipient.put(rule, json={"answer": "accepted"}).is_success
    for number in range(ROUNDS):
        before, after = ("accepted", "rejected") if number % 2 == 0 else ("rejected", "accepted")
        image_ids = [create_image(owner)["id"] for _ in range(3)]

        *offered, changed = together(
            *(partial(add_member, owner, image_id, recipient_id) for image_id in image_ids),
            partial(recipient.put, rule, json={"answer": after}),
        )

        assert changed.status == 200
        assert others_than(offered, 200) == []
        assert {json.loads(answer.text)["status"] for answer in offered} <= {before, after}
        image_id = create_image(owner)["id"]
        assert add_member(owner, image_id, recipient_id).json()["status"] == after
    assert recipient.delete(rule).is_success


# ---- image data


def test_of_two_uploads_to_one_image_one_is_taken_and_the_other_conflicts(owner: httpx.Client) -> None:
    for _ in range(ROUNDS):
        image_id = create_image(owner)["id"]
        contents = [b"a" * 3 * MIB, b"b" * 3 * MIB]

        answers = together(*[partial(upload_data, owner, image_id, content) for content in contents])

        assert statuses(answers) == {204: 1, 409: 1}, others_than(answers, 204, 409)
        winner = contents[[answer.status for answer in answers].index(204)]
        assert show_image(owner, image_id)["os_hash_value"] == hashlib.sha512(winner).hexdigest()
        assert owner.get(f"/v2/images/{image_id}/file").content == winner


def test_deleting_an_image_while_its_data_comes_leaves_nothing(service: Service, owner: httpx.Client) -> None:
    _delete_all_images(service)
    for _ in range(ROUNDS):
        image_id = create_image(owner)["id"]

        deleted, uploaded = together(
            partial(owner.delete, f"/v2/images/{image_id}"),
            partial(upload_data, owner, image_id, b"x" * 2 * MIB),
        )

        assert deleted.status == 204, deleted
        assert uploaded.status in (204, 404, 410), uploaded
        assert owner.get(f"/v2/images/{image_id}").status_code == 404
    assert stored_sizes(service) == []


def test_deleting_an_image_while_it_is_read_gives_whole_data_or_a_clean_refusal(
    service: Service, owner: httpx.Client, recipient: httpx.Client, recipient_id: str
) -> None:
    _delete_all_images(service)
    content = Random(0).randbytes(2 * MIB)
    for _ in range(ROUNDS):
        image_id = create_active_image(owner, content)
        add_member(owner, image_id, recipient_id)

        answers = together(
            partial(owner.delete, f"/v2/images/{image_id}"),
            *[partial(_download, client, image_id, content) for client in (owner, recipient) * 3],
            *[partial(_download, client, image_id, content, 1000) for client in (owner, recipient) * 3],
        )

        assert answers[0].status == 204, answers[0]
        assert others_than(answers[1:], 200, 206, 404) == []
    assert stored_sizes(service) == []


def test_deleting_an_image_while_it_is_shared_and_changed_never_makes_the_service_err(
    service: Service, owner: httpx.Client, recipient: httpx.Client, recipient_id: str
) -> None:
    _delete_all_images(service)
    for _ in range(ROUNDS):
        image_id = create_active_image(owner, b"data")
        add_member(owner, image_id, recipient_id)

        answers = together(
            partial(owner.delete, f"/v2/images/{image_id}"),
            *[
                partial(add_member, owner, image_id, f"project-{number}")
                for number in range(MEMBER_QUOTA - 1)
            ],
            *[partial(set_member_status, recipient, image_id, recipient_id, status) for status in STATUSES],
            partial(remove_member, owner, image_id, recipient_id),
            partial(add_property, owner, image_id, "key", "value"),
            partial(owner.put, f"/v2/images/{image_id}/tags/tag"),
            partial(owner.post, f"/v2/images/{image_id}/actions/deactivate"),
        )

        assert answers[0].status == 204, answers[0]
        assert others_than(answers[1:], 200, 204, 404) == []
        assert owner.get(f"/v2/images/{image_id}/members").status_code == 404
    assert stored_sizes(service) == []


def test_of_many_deletes_of_one_image_one_succeeds_and_the_others_find_nothing(
    service: Service, owner: httpx.Client
) -> None:
    _delete_all_images(service)
    for _ in range(ROUNDS):
        image_id = create_active_image(owner, b"data")

        answers = together(*[partial(owner.delete, f"/v2/images/{image_id}") for _ in range(CLIENTS)])

        assert statuses(answers) == {204: 1, 404: CLIENTS - 1}, others_than(answers, 204, 404)
    assert stored_sizes(service) == []


# ---- images


def test_of_many_images_made_with_one_id_one_is_made_and_the_others_conflict(owner: httpx.Client) -> None:
    image_id = create_image(owner)["id"]
    taken = f"{image_id[:-4]}{(int(image_id[-4:], 16) ^ 1):04x}"

    answers = together(
        *[
            partial(owner.post, "/v2/images", json={"id": taken, "name": f"{number}"})
            for number in range(CLIENTS)
        ]
    )

    assert statuses(answers) == {201: 1, 409: CLIENTS - 1}, others_than(answers, 201, 409)


def test_properties_that_many_clients_add_at_once_are_all_there(owner: httpx.Client) -> None:
    image_id = create_image(owner)["id"]
    values = {f"key{number}": f"value{number}" for number in range(CLIENTS)}

    answers = together(
        *[partial(add_property, owner, image_id, name, value) for name, value in values.items()]
    )

    assert others_than(answers, 200) == []
    assert show_image(owner, image_id).items() >= values.items()


def test_tags_that_many_clients_add_at_once_are_all_there(owner: httpx.Client) -> None:
    image_id = create_image(owner)["id"]
    tags = [f"tag{number:02}" for number in range(CLIENTS)]

    answers = together(*[partial(owner.put, f"/v2/images/{image_id}/tags/{tag}") for tag in tags])

    assert others_than(answers, 204) == []
    assert sorted(show_image(owner, image_id)["tags"]) == tags


def test_of_many_replacements_of_one_property_each_sees_its_own(owner: httpx.Client) -> None:
    image_id = create_image(owner, key="first")["id"]
    values = [f"value{number}" for number in range(CLIENTS)]
    seen: list[str] = []

    def replace(value: str) -> httpx.Response:
        response = add_property(owner, image_id, "key", value)
        seen.append(response.json().get("key"))
        return response

    answers = together(*[partial(replace, value) for value in values])

    assert others_than(answers, 200) == []
    assert sorted(seen) == sorted(values)
    assert show_image(owner, image_id)["key"] in values


# ---- calls as events of a history

Call = tuple[Answer, Event[Status]]


def _run_in_parallel(*clients: Callable[[], list[Call]]) -> list[Call]:
    """What all clients did, each one call after another, all starting at once."""
    barrier = Barrier(len(clients))

    def run(client: Callable[[], list[Call]]) -> list[Call]:
        barrier.wait(PATIENCE_S)
        return client()

    with ThreadPoolExecutor(len(clients)) as threads:
        done = [threads.submit(run, client) for client in clients]
        return [call for future in done for call in future.result()]


def _flip(client: httpx.Client, image_id: str, member_id: str, wanted: list[str]) -> Callable[[], list[Call]]:
    def run() -> list[Call]:
        calls = []
        for status in wanted:
            answer = timed(partial(set_member_status, client, image_id, member_id, status))
            calls.append((answer, _answered_offer(answer, status)))
        return calls

    return run


def _answered_offer(answer: Answer, wanted: str) -> Event[Status]:
    if answer.status == 200:
        return Event(
            f"set {wanted}",
            answer.start,
            answer.end,
            lambda state: None if state is None else (wanted,),
            is_look=False,
        )
    return _found_nothing(answer)


def _offer_and_withdraw(client: httpx.Client, image_id: str, member_id: str) -> Callable[[], list[Call]]:
    def run() -> list[Call]:
        calls = []
        for _ in range(6):
            offered = timed(partial(add_member, client, image_id, member_id))
            calls.append((offered, _offered(offered)))
            withdrawn = timed(partial(remove_member, client, image_id, member_id))
            calls.append((withdrawn, _withdrawn(withdrawn)))
        return calls

    return run


def _offered(answer: Answer) -> Event[Status]:
    if answer.status == 200:
        return Event(
            "offer",
            answer.start,
            answer.end,
            lambda state: ("pending",) if state is None else None,
            is_look=False,
        )
    return Event(
        "offer again",
        answer.start,
        answer.end,
        lambda state: None if state is None else (state,),
        is_look=True,
    )


def _withdrawn(answer: Answer) -> Event[Status]:
    if answer.status == 204:
        return Event(
            "withdraw",
            answer.start,
            answer.end,
            lambda state: None if state is None else (None,),
            is_look=False,
        )
    return _found_nothing(answer)


def _look(client: httpx.Client, image_id: str, member_id: str) -> Callable[[], list[Call]]:
    def run() -> list[Call]:
        answers = [timed(partial(_show_member, client, image_id, member_id)) for _ in range(12)]
        return [(answer, _looked(answer)) for answer in answers]

    return run


def _show_member(client: httpx.Client, image_id: str, member_id: str) -> httpx.Response:
    return client.get(f"/v2/images/{image_id}/members/{member_id}")


def _looked(answer: Answer) -> Event[Status]:
    seen = next((status for status in STATUSES if f'"{status}"' in answer.text), None)
    return Event(
        f"see {seen}",
        answer.start,
        answer.end,
        lambda state: (state,) if state == seen else None,
        is_look=True,
    )


def _found_nothing(answer: Answer) -> Event[Status]:
    return Event(
        "see None",
        answer.start,
        answer.end,
        lambda state: (None,) if state is None else None,
        is_look=True,
    )


# ---- single steps


def _set_visibility(client: httpx.Client, image_id: str, visibility: str) -> httpx.Response:
    operation = {"op": "replace", "path": "/visibility", "value": visibility}
    return update_image(client, image_id, operation)


def _download(
    client: httpx.Client, image_id: str, content: bytes, first: int | None = None
) -> httpx.Response:
    """The answer; when it has data, all that was asked for must have come, and be right."""
    headers = {} if first is None else {"Range": f"bytes={first}-"}
    response = client.get(f"/v2/images/{image_id}/file", headers=headers)
    if response.status_code in (200, 206):
        assert response.content == content[first or 0 :]
    return response


def _delete_all_images(service: Service) -> None:
    admin = service.client("admin")
    for image in list_all_images(service):
        admin.delete(f"/v2/images/{image['id']}")
    expect_eventually(lambda: stored_sizes(service), [])
