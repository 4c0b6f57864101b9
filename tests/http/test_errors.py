"""What all calls share: who is let in, which routes exist, how an error looks (images-v2, 1.2-1.6)."""

import pytest
from conftest import SharedServices
from harness.service import Service
from images import (
    OCTET_STREAM,
    UNKNOWN_ID,
    create_active_image,
    create_image,
    create_raw_image,
    explanation,
    share_image,
)

IMAGE = f"/v2/images/{UNKNOWN_ID}"

CALLS = [
    ("POST", "/v2/images"),
    ("GET", "/v2/images"),
    ("GET", IMAGE),
    ("PATCH", IMAGE),
    ("DELETE", IMAGE),
    ("PUT", f"{IMAGE}/file"),
    ("GET", f"{IMAGE}/file"),
    ("POST", f"{IMAGE}/actions/deactivate"),
    ("POST", f"{IMAGE}/actions/reactivate"),
    ("PUT", f"{IMAGE}/tags/blue"),
    ("DELETE", f"{IMAGE}/tags/blue"),
    ("POST", f"{IMAGE}/members"),
    ("GET", f"{IMAGE}/members"),
    ("GET", f"{IMAGE}/members/someone"),
    ("PUT", f"{IMAGE}/members/someone"),
    ("DELETE", f"{IMAGE}/members/someone"),
    ("GET", "/v2/schemas/image"),
]

WRONG_METHODS = [
    ("/v2/images", ["PUT", "PATCH", "DELETE"], {"GET", "POST"}),
    (IMAGE, ["PUT", "POST"], {"GET", "PATCH", "DELETE"}),
    (f"{IMAGE}/actions/deactivate", ["GET", "PUT", "PATCH", "DELETE"], {"POST"}),
    (f"{IMAGE}/actions/reactivate", ["GET", "PUT", "PATCH", "DELETE"], {"POST"}),
    (f"{IMAGE}/tags/blue", ["GET", "POST", "PATCH"], {"PUT", "DELETE"}),
    (f"{IMAGE}/members", ["PUT", "PATCH", "DELETE"], {"GET", "POST"}),
    (f"{IMAGE}/members/someone", ["POST", "PATCH"], {"GET", "PUT", "DELETE"}),
    ("/v2/schemas/image", ["POST", "PUT", "PATCH", "DELETE"], {"GET"}),
    ("/v2/schemas/images", ["POST", "PUT", "PATCH", "DELETE"], {"GET"}),
    ("/v2/schemas/member", ["POST", "PUT", "PATCH", "DELETE"], {"GET"}),
    ("/v2/schemas/members", ["POST", "PUT", "PATCH", "DELETE"], {"GET"}),
]
ONE_WRONG_METHOD_EACH = [
    (path, method, allow) for path, methods, allow in WRONG_METHODS for method in methods
]

PATHS_WITHOUT_HEAD = [path for path, _, _ in WRONG_METHODS]

UNKNOWN_PATHS = [
    "/v2/nonexistent",
    f"{IMAGE}/nonexistent",
    f"{IMAGE}/actions",
    f"{IMAGE}/actions/nonexistent",
    f"{IMAGE}/tags",
    f"{IMAGE}/members/someone/x",
    f"{IMAGE}/file/x",
    "/v2/schemas",
    "/v2/schemas/nonexistent",
]

PATHS_WITH_A_TRAILING_SLASH = [
    "/v2/images/",
    f"{IMAGE}/",
    f"{IMAGE}/file/",
    f"{IMAGE}/members/",
    f"{IMAGE}/members/someone/",
    f"{IMAGE}/tags/",
    f"{IMAGE}/tags/blue/",
    f"{IMAGE}/actions/deactivate/",
    "/v2/schemas/image/",
]

CALLS_WITHOUT_BODY = [
    ("GET", IMAGE),
    ("GET", f"{IMAGE}/file"),
    ("POST", f"{IMAGE}/actions/deactivate"),
    ("POST", f"{IMAGE}/actions/reactivate"),
    ("PUT", f"{IMAGE}/tags/blue"),
    ("DELETE", f"{IMAGE}/tags/blue"),
    ("GET", f"{IMAGE}/members"),
    ("GET", f"{IMAGE}/members/someone"),
    ("DELETE", f"{IMAGE}/members/someone"),
    ("GET", "/v2/schemas/image"),
]

ANSWERS_BEHIND_AUTHENTICATION = [
    ("GET", "/v2/images?limit=0", 200),
    ("GET", "/v2/images?limit=x", 400),
    ("GET", IMAGE, 404),
    ("GET", "/v2/nonexistent", 404),
    ("PUT", "/v2/images", 405),
]


@pytest.fixture(scope="session")
def service(shared_services: SharedServices) -> Service:
    """Over one database: all of this is answered before any is asked."""
    return shared_services.get("sqlite")


def allowed_methods(allow: str) -> set[str]:
    """The methods an `Allow` header names."""
    return {method.strip() for method in allow.split(",")}


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_call_without_a_token_is_refused(service: Service, method: str, path: str) -> None:
    response = service.client(None).request(method, path)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith('Keystone uri="')


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_call_with_an_invalid_token_is_refused(service: Service, method: str, path: str) -> None:
    response = service.client(None).request(method, path, headers={"X-Auth-Token": "no-such-token"})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith('Keystone uri="')


@pytest.mark.parametrize("token", ["", "a", "a" * 4000, "a.b.c", "%00"])
def test_a_token_of_any_shape_is_merely_invalid(service: Service, token: str) -> None:
    response = service.client(None).get("/v2/images", headers={"X-Auth-Token": token})

    assert response.status_code == 401


def test_the_refusal_says_that_the_caller_could_not_be_verified(service: Service) -> None:
    response = service.client(None).get("/v2/images")

    assert explanation(response).startswith("This server could not verify that you are authorized")


@pytest.mark.parametrize(("method", "path"), [("GET", "/v2/nonexistent"), ("PUT", "/v2/images")])
def test_an_unknown_caller_does_not_learn_which_routes_exist(
    service: Service, method: str, path: str
) -> None:
    response = service.client(None).request(method, path)

    assert response.status_code == 401


def test_an_unknown_caller_does_not_learn_what_is_wrong_with_a_body(service: Service) -> None:
    response = service.client(None).post("/v2/images", content=b"{")

    assert response.status_code == 401


@pytest.mark.parametrize(("path", "method", "allow"), ONE_WRONG_METHOD_EACH)
def test_a_wrong_method_is_answered_with_the_right_ones(
    service: Service, path: str, method: str, allow: set[str]
) -> None:
    response = service.client("publisher").request(method, path)

    assert response.status_code == 405
    assert allowed_methods(response.headers["Allow"]) == allow


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_wrong_method_on_the_file_is_answered_with_the_right_ones(service: Service, method: str) -> None:
    response = service.client("publisher").request(method, f"{IMAGE}/file")

    assert response.status_code == 405
    assert allowed_methods(response.headers["Allow"]) - {"HEAD"} == {"GET", "PUT"}


def test_the_text_of_a_405_names_the_method(service: Service) -> None:
    response = service.client("publisher").put("/v2/images")

    assert "The method PUT is not allowed for this resource." in explanation(response)


@pytest.mark.parametrize("path", PATHS_WITHOUT_HEAD)
def test_get_does_not_imply_head(service: Service, path: str) -> None:
    response = service.client("publisher").head(path)

    assert response.status_code == 405
    assert response.content == b""


def test_the_file_answers_head_like_get_without_the_data(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_active_image(publisher)["file"]

    response = publisher.head(path)

    assert response.status_code == 200
    assert response.headers["Content-Length"] == "10"
    assert response.content == b""


def test_the_file_of_an_absent_image_answers_head_with_404_and_no_body(service: Service) -> None:
    response = service.client("publisher").head(f"{IMAGE}/file")

    assert response.status_code == 404
    assert response.content == b""


@pytest.mark.parametrize("path", UNKNOWN_PATHS)
def test_an_unknown_path_is_not_found(service: Service, path: str) -> None:
    response = service.client("publisher").get(path)

    assert response.status_code == 404
    assert "The resource could not be found." in explanation(response)


@pytest.mark.parametrize("path", PATHS_WITH_A_TRAILING_SLASH)
def test_a_trailing_slash_makes_another_path_that_is_not_found(service: Service, path: str) -> None:
    response = service.client("publisher").get(path)

    assert response.status_code == 404


def test_deleting_with_an_empty_id_is_not_found(service: Service) -> None:
    response = service.client("publisher").delete("/v2/images/")

    assert response.status_code == 404


@pytest.mark.parametrize(
    "path", ["/v2/images", IMAGE, f"{IMAGE}/file", f"{IMAGE}/members", f"{IMAGE}/members/someone"]
)
def test_options_is_answered_empty_to_anybody(service: Service, path: str) -> None:
    response = service.client(None).options(path)

    assert response.status_code == 200
    assert response.content == b""


@pytest.mark.parametrize(("method", "path"), CALLS_WITHOUT_BODY)
def test_a_body_where_none_belongs_is_refused_before_the_image_is_looked_up(
    service: Service, method: str, path: str
) -> None:
    response = service.client("publisher").request(method, path, content=b"{}")

    assert response.status_code == 400
    assert "A body is not expected with this request." in explanation(response)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", f"{IMAGE}/actions/deactivate"), ("PUT", f"{IMAGE}/tags/blue")],
)
def test_a_chunked_body_where_none_belongs_is_refused_too(service: Service, method: str, path: str) -> None:
    response = service.client("publisher").request(method, path, content=[b"{}"])

    assert response.status_code == 400
    assert "A body is not expected with this request." in explanation(response)


@pytest.mark.parametrize(("method", "path"), CALLS_WITHOUT_BODY)
def test_the_ims_api_leaves_a_body_aside_where_none_belongs(service: Service, method: str, path: str) -> None:
    with_body = service.client("publisher").request(method, f"/ims{path}", content=b"{}")
    without = service.client("publisher").request(method, f"/ims{path}")

    assert with_body.status_code == without.status_code
    assert with_body.content == without.content


def test_the_list_tolerates_a_body(service: Service) -> None:
    response = service.client("publisher").request("GET", "/v2/images?limit=0", content=b"{}")

    assert response.status_code == 200


@pytest.mark.parametrize(
    "accept", ["application/json", "application/json, */*", "text/html;q=0.5, application/json"]
)
def test_an_error_is_json_to_a_client_that_reads_json(service: Service, accept: str) -> None:
    response = service.client("publisher").get(IMAGE, headers={"Accept": accept})

    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("application/json")
    assert set(response.json()) == {"message", "code", "title"}


def test_an_error_in_json_tells_code_title_and_explanation(service: Service) -> None:
    response = service.client("publisher").get(IMAGE, headers={"Accept": "application/json"})

    assert response.json()["code"] == "404 Not Found"
    assert response.json()["title"] == "Not Found"
    assert f"No image found with ID {UNKNOWN_ID}" in response.json()["message"]


@pytest.mark.parametrize("accept", ["text/html", "*/*", "text/plain, */*;q=0.1"])
def test_an_error_is_a_page_to_a_client_that_asks_for_html_or_takes_anything(
    service: Service, accept: str
) -> None:
    response = service.client("publisher").get(IMAGE, headers={"Accept": accept})

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert "<h1>404 Not Found</h1>" in response.text
    assert f"No image found with ID {UNKNOWN_ID}" in response.text


def test_an_error_page_escapes_what_the_client_sent(service: Service) -> None:
    response = service.client("publisher").get(
        "/v2/images?sort_key=%3Cscript%3E", headers={"Accept": "text/html"}
    )

    assert response.status_code == 400
    assert "<script>" not in response.text


@pytest.mark.parametrize("accept", ["text/plain", "", "application/vnd.acme"])
def test_an_error_is_plain_text_to_a_client_that_asks_for_text_or_for_nothing_we_write(
    service: Service, accept: str
) -> None:
    response = service.client("publisher").get(IMAGE, headers={"Accept": accept})

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert response.text.startswith("404 Not Found\n\nNo image found with ID")


def test_the_refusal_of_an_unknown_caller_has_the_form_of_any_error(service: Service) -> None:
    response = service.client(None).get("/v2/images", headers={"Accept": "application/json"})

    assert set(response.json()) == {"message", "code", "title"}
    assert response.json()["code"] == "401 Unauthorized"


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS_BEHIND_AUTHENTICATION)
def test_every_answer_behind_authentication_carries_a_request_id(
    service: Service, method: str, path: str, status: int
) -> None:
    response = service.client("publisher").request(method, path)

    assert response.status_code == status
    assert response.headers["X-Openstack-Request-Id"].startswith("req-")


def test_an_answer_without_a_body_carries_a_request_id(service: Service) -> None:
    publisher = service.client("publisher")
    path = create_raw_image(publisher)["file"]

    response = publisher.put(path, content=b"", headers={"Content-Type": OCTET_STREAM})

    assert response.status_code == 204
    assert response.headers["X-Openstack-Request-Id"].startswith("req-")


def test_two_requests_have_different_ids(service: Service) -> None:
    publisher = service.client("publisher")

    first = publisher.get("/v2/images?limit=0").headers["X-Openstack-Request-Id"]
    second = publisher.get("/v2/images?limit=0").headers["X-Openstack-Request-Id"]

    assert first != second


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("req-abc", "req-abc"),
        ("abc", "req-abc"),
        ("req-" + "a" * 60, "req-" + "a" * 60),
    ],
)
def test_the_request_id_of_the_client_is_echoed_with_its_prefix(
    service: Service, sent: str, answered: str
) -> None:
    response = service.client("publisher").get("/v2/images?limit=0", headers={"X-Openstack-Request-Id": sent})

    assert response.status_code == 200
    assert response.headers["X-Openstack-Request-Id"] == answered


def test_the_request_id_of_the_client_is_echoed_on_an_error(service: Service) -> None:
    response = service.client("publisher").get(IMAGE, headers={"X-Openstack-Request-Id": "req-abc"})

    assert response.status_code == 404
    assert response.headers["X-Openstack-Request-Id"] == "req-abc"


def test_a_request_id_of_more_than_64_characters_is_refused(service: Service) -> None:
    response = service.client("publisher").get(
        "/v2/images", headers={"X-Openstack-Request-Id": "req-" + "a" * 61}
    )

    assert response.status_code == 431


def test_a_hidden_image_looks_exactly_like_an_absent_one(service: Service) -> None:
    hidden_id = create_image(service.client("publisher"))["id"]
    other = service.client("other")

    hidden = other.get(f"/v2/images/{hidden_id}")

    absent = other.get(IMAGE)
    assert hidden.status_code == absent.status_code == 404
    assert explanation(hidden).replace(hidden_id, UNKNOWN_ID) == explanation(absent)


def test_an_image_the_caller_sees_but_may_not_change_is_forbidden(service: Service) -> None:
    image_id = create_image(service.client("publisher"))["id"]
    share_image(service, image_id)

    response = service.client("recipient").delete(f"/v2/images/{image_id}")

    assert response.status_code == 403
    assert "You are not authorized to complete delete_image action." in explanation(response)
