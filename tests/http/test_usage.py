"""GET /v2/info/usage: how much of its quotas a project uses (images-v2, 5.1 and 5.8)."""

from harness.service import Service
from images import MakeService, create_active_image, create_image

MIB = 1 << 20


def test_without_limits_there_is_nothing_to_tell(service: Service) -> None:
    response = service.client("publisher").get("/v2/info/usage")

    assert response.status_code == 200
    assert response.json() == {"usage": {}}


def test_each_limit_is_told_with_what_the_project_uses_of_it(make_service: MakeService) -> None:
    quotas = {"TRANSOM_IMAGE_COUNT_QUOTA": "5", "TRANSOM_USER_STORAGE_QUOTA": str(10 * MIB)}
    service = make_service("sqlite", **quotas)
    publisher, recipient = service.client("publisher"), service.client("recipient")
    create_image(publisher)
    create_active_image(publisher, b"\0" * 2 * MIB)

    usages = [client.get("/v2/info/usage").json()["usage"] for client in (publisher, recipient)]

    assert usages == [
        {"image_count_total": {"usage": 2, "limit": 5}, "image_size_total": {"usage": 2, "limit": 10}},
        {"image_count_total": {"usage": 0, "limit": 5}, "image_size_total": {"usage": 0, "limit": 10}},
    ]


def test_it_needs_a_token_and_knows_only_get(service: Service) -> None:
    path = "/v2/info/usage"

    statuses = [
        service.client(None).get(path).status_code,
        service.client("publisher").post(path).status_code,
    ]

    assert statuses == [401, 405]
