"""The console with accounts of a real Keystone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.forks import forked_service
from harness.keystone import Keystone
from harness.service import Service

from .visitor import Visitor


@pytest.fixture(scope="module")
def server(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    keystone.add_user("console-user", "console-one", "member")
    keystone.add_user("console-reader", "console-two", "reader")
    settings = {**keystone.settings(), "TRANSOM_CONSOLE": "on"}
    with forked_service(tmp_path_factory.mktemp("console-keystone"), None, settings) as service:
        service.use_clouds(keystone.clouds)
        yield service


def test_a_user_of_keystone_signs_in_acts_and_signs_out(server: Service) -> None:
    cloud = server.clouds["console-user"]
    made = server.client("console-user").post("/v2/images", json={"name": "of-keystone"}).json()["id"]
    with Visitor(server) as visitor:
        assert visitor.sign_in(cloud).headers["Location"].startswith("/console/")
        page = visitor.see("/images")
        assert "What console-one owns." in page.text
        assert "of-keystone" in page.text
        answer = visitor.post(f"/images/{made}/protect", {})
        assert "Nobody can delete it now" in answer.text
        assert server.client("console-user").get(f"/v2/images/{made}").json()["protected"] is True
        assert "project_id" in visitor.get("/account/clouds.yaml").text
        cookie = visitor.cookie
        visitor.post("/logout", {})
        visitor.http.cookies.set("transom_console", cookie, path="/console")
        assert visitor.http.get("/console/images").status_code == 303


@pytest.mark.parametrize("field", ["user", "password", "domain"])
def test_whatever_is_wrong_is_told_in_the_same_words(server: Service, field: str) -> None:
    cloud = server.clouds["console-user"]
    fields = {"user": cloud.username, "password": cloud.password, "domain": "Default", field: "wrong"}
    with Visitor(server) as visitor:
        answer = visitor.http.post("/console/login", data=fields, headers=visitor.own)
        assert "Name, password or domain is wrong." in answer.text
        assert not visitor.cookie


def test_who_may_only_read_has_no_buttons_and_no_operators_pages(server: Service) -> None:
    with Visitor(server) as visitor:
        visitor.sign_in(server.clouds["console-reader"])
        page = visitor.see("/images")
        assert "Upload an image" not in page.text
        assert "Operator" not in page.text
        assert visitor.get("/operator").status_code == 403


def test_an_operator_sees_that_keystone_answers(server: Service) -> None:
    with Visitor(server) as visitor:
        visitor.sign_in(server.clouds["admin"])
        text = visitor.see("/operator").text
    assert "reachable" in text
    assert "Keystone, answered in" in text
