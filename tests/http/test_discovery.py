"""Version discovery: what a client learns before it has a token (images-v2, 1.1)."""

import pytest
from harness.service import Service

UNKNOWN_FIRST_SEGMENTS = ["/v1/images", "/v3", "/nonexistent", "/v2.99/images", "/images"]


def test_the_root_answers_with_multiple_choices_and_the_version_document(service: Service) -> None:
    response = service.client(None).get("/")

    assert response.status_code == 300
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["versions"]


def test_the_root_answers_head_with_the_status_of_get_and_no_body(service: Service) -> None:
    response = service.client(None).head("/")

    assert response.status_code == 300
    assert response.content == b""


def test_versions_answers_ok_with_the_document_of_the_root(service: Service) -> None:
    anonymous = service.client(None)

    response = anonymous.get("/versions")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == anonymous.get("/").json()


def test_versions_answers_head(service: Service) -> None:
    response = service.client(None).head("/versions")

    assert response.status_code == 200
    assert response.content == b""


@pytest.mark.parametrize("path", ["//v2/images", "/v2//images", "///v2.18//images"])
def test_slashes_around_the_version_count_as_one(service: Service, path: str) -> None:
    """The endpoint in a catalog may end with one."""
    answered = service.client("publisher").get(f"{service.url}{path}?limit=1")

    assert answered.status_code == 200
    assert answered.json()["schema"] == "/v2/schemas/images"


@pytest.mark.parametrize("path", ["//v2/images", "/v2//images"])
def test_slashes_around_the_version_open_no_way_past_the_token(service: Service, path: str) -> None:
    assert service.client(None).get(f"{service.url}{path}").status_code == 401


@pytest.mark.parametrize("path", UNKNOWN_FIRST_SEGMENTS)
def test_an_unknown_first_segment_answers_with_the_versions(service: Service, path: str) -> None:
    anonymous = service.client(None)

    response = anonymous.get(path)

    assert response.status_code == 300
    assert response.json() == anonymous.get("/").json()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_an_unknown_first_segment_answers_with_the_versions_to_any_method(
    service: Service, method: str
) -> None:
    response = service.client(None).request(method, "/v1/images")

    assert response.status_code == 300
    assert response.json()["versions"]


UNKNOWN_CALLS = [
    ("POST", "/v1.0/cloudimages/members"),
    ("GET", "/v1.0/images"),
    ("GET", "/v2.99/images"),
    ("PUT", "/nonexistent"),
    ("GET", "/images"),
    ("POST", "/v3"),
    ("GET", "/v1/images"),
    ("POST", "/v1/nothing"),
    ("GET", "/ims/nothing"),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN_CALLS)
def test_who_brings_a_token_is_told_that_a_path_is_not_there(
    service: Service, method: str, path: str
) -> None:
    """A client of the IMS API would take the list of versions for its answer."""
    response = service.client("publisher").request(method, path)

    assert response.status_code == 404
    assert "versions" not in response.json()


@pytest.mark.parametrize(("method", "path"), UNKNOWN_CALLS)
def test_who_brings_none_gets_the_versions_there(service: Service, method: str, path: str) -> None:
    assert service.client(None).request(method, path).status_code == 300


@pytest.mark.parametrize("path", ["/v3", "/v3/", "/v2.99", "/v1.0"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_look_up_of_a_version_may_bring_a_token(service: Service, method: str, path: str) -> None:
    response = service.client("publisher").request(method, path)

    assert response.status_code == 300


@pytest.mark.parametrize("path", ["/", "/versions"])
def test_the_versions_are_there_for_who_brings_a_token(service: Service, path: str) -> None:
    assert service.client("publisher").get(path).json() == service.client(None).get(path).json()


def test_every_version_has_exactly_an_id_a_status_and_links(service: Service) -> None:
    versions = service.client(None).get("/versions").json()["versions"]

    assert {frozenset(version) for version in versions} == {frozenset({"id", "status", "links"})}


def test_every_version_is_current_or_supported(service: Service) -> None:
    versions = service.client(None).get("/versions").json()["versions"]

    assert {version["status"] for version in versions} <= {"CURRENT", "SUPPORTED"}


def test_exactly_one_version_is_current(service: Service) -> None:
    versions = service.client(None).get("/versions").json()["versions"]

    assert [version["status"] for version in versions].count("CURRENT") == 1


def test_no_version_is_advertised_twice(service: Service) -> None:
    ids = [version["id"] for version in service.client(None).get("/versions").json()["versions"]]

    assert len(ids) == len(set(ids))


def test_every_version_links_to_the_one_base_address(service: Service) -> None:
    versions = service.client(None).get("/versions").json()["versions"]

    base_link = {"rel": "self", "href": service.url.rstrip("/") + "/v2/"}
    assert [version["links"] for version in versions] == [[base_link]] * len(versions)


def test_every_advertised_version_serves_the_images(service: Service) -> None:
    publisher = service.client("publisher")
    versions = publisher.get("/versions").json()["versions"]

    statuses = {publisher.get(f"/{version['id']}/images?limit=0").status_code for version in versions}

    assert statuses == {200}


def test_a_minor_version_in_the_path_is_an_alias_of_v2(service: Service) -> None:
    publisher = service.client("publisher")

    response = publisher.get("/v2.3/images?limit=0")

    assert response.status_code == 200
    assert response.json() == publisher.get("/v2/images?limit=0").json()


def test_links_under_a_minor_version_still_say_v2(service: Service) -> None:
    response = service.client("publisher").get("/v2.3/images?limit=0")

    assert response.json()["first"] == "/v2/images?limit=0"
    assert response.json()["schema"] == "/v2/schemas/images"


def test_a_minor_version_in_the_path_needs_a_token_too(service: Service) -> None:
    response = service.client(None).get("/v2.3/images")

    assert response.status_code == 401


def test_the_bare_v2_redirects_to_the_base_address(service: Service) -> None:
    response = service.client("publisher").get("/v2", follow_redirects=False)

    assert response.status_code == 302
    assert response.headers["Location"] == service.url.rstrip("/") + "/v2/"


def test_the_base_address_itself_holds_no_document(service: Service) -> None:
    response = service.client("publisher").get("/v2/")

    assert response.status_code == 404


def test_the_health_check_needs_no_token(service: Service) -> None:
    response = service.client(None).get("/healthcheck", headers={"Accept": "*/*"})

    assert response.status_code == 200
    assert response.text == "OK"


def test_the_health_check_speaks_json_to_who_asks_for_it(service: Service) -> None:
    response = service.client(None).get("/healthcheck", headers={"Accept": "application/json"})

    assert response.json() == {"detailed": False, "reasons": ["OK"]}


def test_the_health_check_answers_head_without_content(service: Service) -> None:
    assert service.client(None).head("/healthcheck").status_code == 204


def test_a_version_in_the_accept_header_stands_in_for_the_one_in_the_path(service: Service) -> None:
    response = service.client("publisher").get(
        "/images?limit=0", headers={"Accept": "application/vnd.openstack.images-v2.3"}
    )

    assert response.status_code == 200
    assert response.json()["images"] == []


def test_an_unknown_version_in_the_accept_header_answers_with_the_versions(service: Service) -> None:
    response = service.client("publisher").get(
        "/images", headers={"Accept": "application/vnd.openstack.images-v9.9"}
    )

    assert response.status_code == 300
    assert response.json()["versions"]
