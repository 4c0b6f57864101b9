"""If-Match and If-None-Match for image data and for images (RFC 9110, 13.1 and 13.2)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from conftest import SharedServices
from harness.service import Service
from images import (
    JSON_PATCH,
    TEN_BYTES,
    UNKNOWN_ID,
    create_active_image,
    create_raw_image,
    explanation,
    share_image,
    show_image,
    upload_data,
)
from importing import stage

RENAME = [{"op": "replace", "path": "/name", "value": "renamed"}]


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")


def rename(client: httpx.Client, image_id: str, headers: dict[str, str]) -> httpx.Response:
    sent = {"Content-Type": JSON_PATCH} | headers
    return client.patch(f"/v2/images/{image_id}", json=RENAME, headers=sent)


def tag_of(client: httpx.Client, image_id: str) -> str:
    return str(client.get(f"/v2/images/{image_id}").headers["etag"])


# ---- data


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("If-None-Match", "{tag}", 304),
        ("If-None-Match", "W/{tag}", 304),
        ("If-None-Match", '"x" , W/"y",, {tag}', 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", '"x"', 200),
        ("If-None-Match", '"a,b", W/"x"', 200),
        ("If-Match", "{tag}", 200),
        ("If-Match", '"x", {tag}', 200),
        ("If-Match", "*", 200),
        ("If-Match", "W/{tag}", 412),
        ("If-Match", '"x"', 412),
    ],
)
def test_data_is_sent_by_the_conditions(
    server: Service, method: str, header: str, value: str, status: int
) -> None:
    client = server.client("publisher")
    image = create_active_image(client)
    tag = f'"{image["os_hash_value"]}"'

    answer = client.request(
        method, f"/v2/images/{image['id']}/file", headers={header: value.replace("{tag}", tag)}
    )

    assert answer.status_code == status
    if status == 304:
        assert (answer.headers["etag"], answer.content) == (tag, b"")
    elif method == "GET" and status == 200:
        assert answer.content == TEN_BYTES


def test_if_match_comes_before_if_none_match(server: Service) -> None:
    client = server.client("publisher")
    image = create_active_image(client)
    tag = f'"{image["os_hash_value"]}"'

    answer = client.get(f"/v2/images/{image['id']}/file", headers={"If-Match": '"x"', "If-None-Match": tag})

    assert answer.status_code == 412


def test_conditions_come_before_ranges(server: Service) -> None:
    client = server.client("publisher")
    image = create_active_image(client)
    tag = f'"{image["os_hash_value"]}"'
    url = f"/v2/images/{image['id']}/file"

    answers = [
        client.get(url, headers={"Range": range_, **condition}).status_code
        for range_ in ("bytes=0-1", "bytes=100-")
        for condition in ({"If-None-Match": tag}, {"If-Match": '"x"'})
    ]

    assert answers == [304, 412, 304, 412]
    assert client.get(url, headers={"Range": "bytes=0-1", "If-Match": tag}).content == TEN_BYTES[:2]


@pytest.mark.parametrize("value", ["x", '"x', 'w/"x"', '"x" "y"', '"x y"', '*, "x"'])
@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_condition_that_cannot_be_read_is_refused_by_name(server: Service, header: str, value: str) -> None:
    client = server.client("publisher")
    image_id = create_active_image(client)["id"]

    for path in (f"/v2/images/{image_id}", f"/v2/images/{image_id}/file"):
        answer = client.get(path, headers={header: value})
        assert (answer.status_code, explanation(answer).partition(":")[0]) == (400, header)


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_condition_of_very_many_tags_is_refused_by_name(server: Service, header: str) -> None:
    """They are read on the event loop; elements that are empty are as dear as others."""
    client = server.client("publisher")
    image_id = create_active_image(client)["id"]

    for value in ('W/"a",' * 1000, "," * 1000):
        answer = client.get(f"/v2/images/{image_id}", headers={header: value})
        assert (answer.status_code, explanation(answer).partition(":")[0]) == (400, header)


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_condition_of_nothing_but_blanks_takes_no_time(server: Service, header: str) -> None:
    """The client would give up if each division of the blanks were tried."""
    client = server.client("publisher")
    image_id = create_active_image(client)["id"]

    answer = client.get(f"/v2/images/{image_id}", headers={header: f'"a",{" " * 60_000}x'})

    assert answer.status_code == 400


def test_without_data_there_is_nothing_that_could_match(server: Service) -> None:
    client = server.client("publisher")
    url = f"/v2/images/{create_raw_image(client)['id']}/file"

    answers = [client.get(url, headers={header: "*"}).status_code for header in ("If-Match", "If-None-Match")]

    assert answers == [412, 204]


def test_who_may_not_have_the_data_hears_nothing_of_conditions(server: Service) -> None:
    image = create_active_image(server.client("publisher"))
    url = f"/v2/images/{image['id']}/file"
    known = {"If-None-Match": f'"{image["os_hash_value"]}"'}

    assert server.client("other").get(url, headers=known).status_code == 404
    assert server.client("publisher-reader").get(url, headers=known).status_code == 403


@pytest.mark.parametrize("put", [upload_data, stage], ids=["upload", "stage"])
def test_data_can_only_be_put_where_there_is_none(server: Service, put: object) -> None:
    """`If-None-Match: *` says so, and of what is not there no If-Match holds."""
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]
    assert callable(put)

    assert put(client, image_id, TEN_BYTES, {"If-Match": "*"}).status_code == 412
    assert put(client, image_id, TEN_BYTES, {"If-None-Match": "*"}).status_code == 204
    # Where the answer would be an error without the condition, it is that error (RFC 9110, 13.2.1).
    assert put(client, image_id, TEN_BYTES, {"If-None-Match": "*"}).status_code == 409


# ---- images


def test_an_image_that_is_known_is_not_sent_again(server: Service) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]
    url, tag = f"/v2/images/{image_id}", tag_of(client, image_id)

    known = client.get(url, headers={"If-None-Match": f'"x", W/{tag}'})
    renamed = rename(client, image_id, {})

    assert (known.status_code, known.headers["etag"], known.content) == (304, tag, b"")
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 200
    assert tag != renamed.headers["etag"] == tag_of(client, image_id)


def test_the_tag_of_a_new_image_is_that_of_its_first_version(server: Service) -> None:
    client = server.client("publisher")

    created = client.post("/v2/images", json={"name": "new"})

    assert created.headers["etag"] == tag_of(client, created.json()["id"])


def test_every_change_makes_another_version(server: Service) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]
    url = f"/v2/images/{image_id}"
    tags = [tag_of(client, image_id)]

    changes: list[Callable[[], httpx.Response]] = [
        lambda: upload_data(client, image_id, TEN_BYTES),
        lambda: client.put(f"{url}/tags/blue"),
        lambda: client.post(f"{url}/actions/deactivate"),
        lambda: client.post(f"{url}/actions/reactivate"),
        lambda: rename(client, image_id, {}),
        lambda: rename(client, image_id, {}),
    ]
    for change in changes:
        change().raise_for_status()
        tags.append(tag_of(client, image_id))

    assert len(set(tags)) == 7


def test_what_two_callers_are_shown_has_two_tags(server: Service) -> None:
    """A cache between could take the body of the one for that of the other."""
    publisher, recipient = server.client("publisher"), server.client("recipient")
    image = create_active_image(publisher, visibility="shared")
    share_image(server, image["id"], "accepted")
    publisher.post(f"/v2/images/{image['id']}/actions/deactivate").raise_for_status()

    assert show_image(publisher, image["id"]) == show_image(recipient, image["id"])
    assert tag_of(publisher, image["id"]) == tag_of(recipient, image["id"])
    assert "stores" in show_image(server.client("admin"), image["id"])
    assert tag_of(publisher, image["id"]) != tag_of(server.client("admin"), image["id"])


@pytest.mark.parametrize("verb", ["PATCH", "DELETE"])
def test_an_image_is_changed_and_deleted_by_the_conditions(server: Service, verb: str) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client, name="first")["id"]
    old = tag_of(client, image_id)
    client.put(f"/v2/images/{image_id}/tags/blue").raise_for_status()
    now = tag_of(client, image_id)

    def ask(header: str, value: str) -> int:
        if verb == "PATCH":
            return rename(client, image_id, {header: value}).status_code
        return client.delete(f"/v2/images/{image_id}", headers={header: value}).status_code

    refused = [
        ask("If-Match", old),
        ask("If-Match", f"W/{now}"),
        ask("If-None-Match", "*"),
        ask("If-None-Match", f"W/{now}"),
    ]

    assert refused == [412] * 4
    assert show_image(client, image_id)["name"] == "first"
    assert ask("If-Match", f"{old}, {now}") == (200 if verb == "PATCH" else 204)


def test_a_change_that_would_be_refused_anyway_is_refused_for_that(server: Service) -> None:
    image_id = create_raw_image(server.client("publisher"))["id"]
    share_image(server, image_id)
    stale = {"If-Match": '"x"'}

    assert rename(server.client("other"), image_id, stale).status_code == 404
    assert rename(server.client("recipient"), image_id, stale).status_code == 403
    assert server.client("recipient").delete(f"/v2/images/{image_id}", headers=stale).status_code == 403
    assert server.client("publisher").delete(f"/v2/images/{UNKNOWN_ID}", headers=stale).status_code == 404


def test_a_stale_version_is_told_before_what_is_wrong_with_the_change(server: Service) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client)["id"]
    absent = [{"op": "remove", "path": "/colour"}]

    answers = [
        client.patch(
            f"/v2/images/{image_id}", json=absent, headers={"Content-Type": JSON_PATCH, "If-Match": tag}
        ).status_code
        for tag in ('"x"', tag_of(client, image_id))
    ]

    assert answers == [412, 409]


def test_of_changes_at_once_to_one_version_one_is_made(service: Service) -> None:
    client = service.client("publisher")
    for _ in range(5):
        image_id = create_raw_image(client)["id"]
        tag = tag_of(client, image_id)

        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(rename, client, image_id, {"If-Match": tag}) for _ in range(6)]

        assert sorted(one.result().status_code for one in asked) == [200, *[412] * 5]


@pytest.mark.parametrize("prefix", ["", "/ims"])
def test_the_other_api_keeps_to_the_conditions_as_well(server: Service, prefix: str) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client, name="first")["id"]
    url = f"{prefix}/v2/images/{image_id}"
    tag = client.get(url).headers["etag"]
    client.put(f"/v2/images/{image_id}/tags/blue").raise_for_status()
    headers = {"Content-Type": JSON_PATCH, "If-Match": tag}

    stale = client.patch(url, json=RENAME, headers=headers)
    kept = client.delete(url, headers={"If-Match": tag})
    fresh = client.get(url).headers["etag"]

    assert (stale.status_code, kept.status_code) == (412, 412)
    assert client.get(url, headers={"If-None-Match": fresh}).status_code == 304
    assert client.patch(url, json=RENAME, headers=headers | {"If-Match": fresh}).status_code == 200
