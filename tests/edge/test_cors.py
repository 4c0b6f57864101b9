"""Browsers' requests from other origins (the Fetch standard), as oslo.middleware's CORS answers them.

oslo.middleware itself, from Keystone's environment, says what is expected.
"""

import json
import subprocess
from pathlib import Path

import httpx
import pytest
from conftest import SharedServices
from harness.environments import install
from harness.service import MakeService, Service

HORIZON = "https://horizon.example"
OTHER = "https://evil.example"
METHOD = "Access-Control-Request-Method"
HEADERS = "Access-Control-Request-Headers"
#: (method, headers)
REQUESTS: list[tuple[str, dict[str, str]]] = [
    ("GET", {}),
    ("GET", {"Origin": HORIZON}),
    ("GET", {"Origin": OTHER}),
    ("GET", {"Origin": "null"}),
    ("GET", {"Origin": HORIZON.upper()}),
    ("GET", {"Origin": f"{HORIZON}:443"}),
    ("PUT", {"Origin": HORIZON}),
    ("OPTIONS", {}),
    ("OPTIONS", {"Origin": HORIZON}),
    ("OPTIONS", {"Origin": HORIZON, METHOD: "PUT"}),
    ("OPTIONS", {"Origin": HORIZON, METHOD: "put"}),
    ("OPTIONS", {"Origin": HORIZON, METHOD: "TRACE"}),
    ("OPTIONS", {"Origin": HORIZON, METHOD: ""}),
    ("OPTIONS", {"Origin": OTHER, METHOD: "PUT"}),
    ("OPTIONS", {METHOD: "PUT"}),
    ("OPTIONS", {"Origin": HORIZON, METHOD: "PUT", HEADERS: "x-auth-token,content-type"}),
    ("OPTIONS", {"Origin": HORIZON, METHOD: "PUT", HEADERS: "X-Auth-Token , , accept"}),
    ("OPTIONS", {"Origin": HORIZON, METHOD: "PUT", HEADERS: "x-auth-token,x-evil"}),
    ("OPTIONS", {"Origin": HORIZON, METHOD: "PUT", HEADERS: ""}),
]
#: Ours, and oslo.middleware's words for them.
SETTINGS = {
    "one origin": (
        {"TRANSOM_CORS_ALLOWED_ORIGINS": f"{HORIZON}, https://second.example"},
        {"allowed_origin": [HORIZON, "https://second.example"]},
    ),
    "any origin": ({"TRANSOM_CORS_ALLOWED_ORIGINS": "*"}, {"allowed_origin": ["*"]}),
    "nothing else allowed": (
        {
            "TRANSOM_CORS_ALLOWED_ORIGINS": HORIZON,
            "TRANSOM_CORS_ALLOW_CREDENTIALS": "false",
            "TRANSOM_CORS_MAX_AGE_S": "0",
            "TRANSOM_CORS_ALLOWED_HEADERS": "",
            "TRANSOM_CORS_ALLOWED_METHODS": "GET",
            "TRANSOM_CORS_EXPOSE_HEADERS": "",
        },
        {
            "allowed_origin": [HORIZON],
            "allow_credentials": False,
            "max_age": 0,
            "allow_headers": [],
            "allow_methods": ["GET"],
            "expose_headers": [],
        },
    ),
}


@pytest.fixture(scope="module")
def horizons(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite", TRANSOM_CORS_ALLOWED_ORIGINS=HORIZON)


@pytest.mark.parametrize(("ours", "theirs"), SETTINGS.values(), ids=SETTINGS)
def test_requests_are_answered_as_by_oslo_middleware(
    make_service: MakeService, ours: dict[str, str], theirs: dict[str, object]
) -> None:
    service = make_service("sqlite", **ours)
    defaults = {
        "allow_methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        "allow_headers": ["X-Auth-Token"],
        "expose_headers": _EXPOSED,
    }

    answered = [_cors_headers(service.client(None).request(m, "/versions", headers=h)) for m, h in REQUESTS]

    assert answered == _ask_oslo(defaults | theirs)


def test_whoever_asks_before_needs_no_token(horizons: Service) -> None:
    asked = {"Origin": HORIZON, METHOD: "PUT", HEADERS: "content-type,x-auth-token"}

    response = horizons.client(None).options(f"/v2/images/{'0' * 36}/file", headers=asked)

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == HORIZON
    assert response.headers["Access-Control-Allow-Headers"] == "content-type,x-auth-token"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/images", 401),
        ("GET", "/identity/v3/users", 401),
        ("GET", "/v1/cloudimages/tags", 401),
        ("PUT", "/versions", 405),
        ("GET", "/v2/images?%ff", 401),
    ],
)
def test_a_page_may_read_refusals_too(horizons: Service, method: str, path: str, status: int) -> None:
    """Else its script learns only that something failed."""
    response = horizons.client(None).request(method, path, headers={"Origin": HORIZON})

    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == HORIZON
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("origin", [None, HORIZON, OTHER])
def test_caches_are_told_that_the_origin_matters(horizons: Service, origin: str | None) -> None:
    """More than oslo.middleware does: the answer to one origin is not the answer to another (Fetch, 3.3)."""
    headers = {"Origin": origin} if origin else {}

    assert "Origin" in horizons.client(None).get("/versions", headers=headers).headers["Vary"]


@pytest.mark.parametrize(("method", "headers"), REQUESTS)
def test_it_is_off_unless_origins_are_set(server: Service, method: str, headers: dict[str, str]) -> None:
    assert _cors_headers(server.client(None).request(method, "/versions", headers=headers)) == {}


_EXPOSED = [
    "Accept-Ranges",
    "Content-MD5",
    "Content-Range",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "OpenStack-image-import-methods",
    "OpenStack-image-store-ids",
    "Retry-After",
    "WWW-Authenticate",
    "X-OpenStack-Request-ID",
    "X-Request-Id",
    "X-Subject-Token",
]


def _cors_headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


def _ask_oslo(settings: dict[str, object]) -> list[dict[str, str]]:
    """Its headers for each of REQUESTS."""
    program = Path(__file__).with_name("oslo_cors.py")
    result = subprocess.run(
        [install("keystone"), "-I", program],
        input=json.dumps({"settings": settings, "requests": REQUESTS}),
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    return [
        {name: value for name, value in headers.items() if name.startswith("access-control-")}
        for headers in json.loads(result.stdout)
    ]
