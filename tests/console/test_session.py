"""Signing in and out, projects, and the row that a cookie stands for."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import sqlite3
from collections.abc import Callable, Iterator

import pytest
from harness import plain_http
from harness.service import Cloud, MakeService, Service
from msgspec.structs import replace

from transom.identity.accounts import AccountsFile
from transom.identity.directory import Accounts

from .visitor import COOKIE, Visitor

OpenVisitor = Callable[[Service, str], Visitor]


@pytest.fixture
def stranger(server: Service) -> Iterator[Visitor]:
    """Not signed in."""
    with Visitor(server) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def commuter(server: Service) -> tuple[Cloud, str]:
    """A user of two projects, and the id of the second."""
    cloud = server.add_user("commuter", "commuter-home", "member")
    other = server.add_user("commuter-guest", "commuter-work", "member")
    done = server.run("accounts", "grant", "commuter", "--project", "commuter-work", "--role", "member")
    assert done.returncode == 0, done.stdout
    return cloud, other.project_id


def test_who_signs_in_sees_his_project(publisher: Visitor) -> None:
    page = publisher.see("/images")

    assert "What publisher owns." in page.text


def test_who_is_not_signed_in_is_led_to_the_page_and_back(server: Service, stranger: Visitor) -> None:
    answer = stranger.http.get("/console/images?show=public")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/console/login?next=%2Fimages%3Fshow%3Dpublic"
    answer = stranger.sign_in(server.clouds["publisher"], "/images?show=public")
    assert answer.headers["Location"] == "/console/images?show=public"


@pytest.mark.parametrize(
    ("field", "value"), [("user", "nobody"), ("password", "wrong"), ("domain", "nowhere"), ("user", "x\0y")]
)
def test_whatever_is_wrong_is_told_in_the_same_words(
    server: Service, stranger: Visitor, field: str, value: str
) -> None:
    cloud = server.add_user(f"mistyping-{field}-{len(value)}", "mistyping", "member")
    fields = {"user": cloud.username, "password": cloud.password, "domain": "Default", field: value}

    answer = stranger.http.post("/console/login", data=fields, headers=stranger.own)

    assert answer.status_code == 401
    assert "Name, password or domain is wrong." in answer.text
    assert cloud.password not in answer.text
    assert not stranger.cookie


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/../v2/images",
        "/images/../../..//evil.example",
        "/%2e%2E/v2/images",
        "/.%2e/other-pages",
        "/images/..",
        "/x\r\nSet-Cookie: a=b",
        "/" + "x" * 5000,
    ],
)
def test_signing_in_leads_nowhere_but_to_the_console(
    server: Service, stranger: Visitor, elsewhere: str
) -> None:
    answer = stranger.sign_in(server.clouds["publisher"], elsewhere)

    assert answer.status_code == 303
    assert answer.headers["Location"] in ("/console/images", "/console/inbox")
    assert "a" not in answer.cookies


def test_the_cookie_is_for_the_console_alone_and_not_for_scripts(server: Service, stranger: Visitor) -> None:
    answer = stranger.sign_in(server.clouds["publisher"])
    (cookie,) = [one for one in answer.headers.get_list("Set-Cookie") if one.startswith(COOKIE)]

    attributes = {
        part.strip().partition("=")[0]: part.strip().partition("=")[2] for part in cookie.split(";")
    }
    assert attributes["Path"] == "/console"
    assert attributes["SameSite"] == "Lax"
    assert "HttpOnly" in attributes
    assert "Secure" not in attributes
    assert 0 < int(attributes["Max-Age"]) <= 86400
    assert len(attributes[COOKIE]) == 43


def test_signing_in_takes_no_cookie_that_was_there_before(server: Service, stranger: Visitor) -> None:
    planted = "A" * 43
    stranger.http.cookies.set(COOKIE, planted)

    stranger.sign_in(server.clouds["publisher"])

    assert planted not in [cookie.value for cookie in stranger.http.cookies.jar if cookie.path == "/console"]


def test_a_cookie_is_good_for_nothing_after_signing_out(publisher: Visitor) -> None:
    kept = publisher.cookie
    answer = publisher.post("/logout", {})

    assert "You are signed out." in answer.text
    with Visitor(publisher.service) as thief:
        thief.http.cookies.set(COOKIE, kept)
        assert thief.ask("GET", "/v2/images").status_code == 401
        assert thief.http.get("/console/images").status_code == 303


def test_behind_https_a_session_is_secure_and_ends_on_all_workers(make_service: MakeService) -> None:
    endpoint = "https://images.example.org/image"
    service = make_service("sqlite", TRANSOM_PUBLIC_ENDPOINT=endpoint, TRANSOM_WORKERS="2")
    cloud = service.clouds["publisher"]
    fields = {"user": cloud.username, "password": cloud.password}
    own = {"Sec-Fetch-Site": "same-origin"}
    answer = plain_http.post(f"{service.url}/console/login", data=fields, headers=own)
    (cookie,) = [one for one in answer.headers.get_list("Set-Cookie") if "_console=" in one]
    assert cookie.startswith("__Secure-transom_console=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/image/console"} <= set(cookie.split("; "))

    sent = {"Cookie": cookie.partition(";")[0]}
    # Each by a connection of its own: some come to one worker, some to the other.
    looked = [plain_http.get(f"{service.url}/console/images", headers=sent).status_code for _ in range(12)]
    gone = plain_http.post(
        f"{service.url}/console/logout", headers={**sent, **own}, data={"project": cloud.project_id}
    )
    after = [plain_http.get(f"{service.url}/console/images", headers=sent).status_code for _ in range(12)]

    assert looked == [200] * 12
    assert gone.headers["Clear-Site-Data"] == '"cache"'
    assert after == [303] * 12


def test_signing_out_ends_the_tokens_too(make_service: MakeService) -> None:
    service = make_service("sqlite")
    with Visitor(service) as visitor:
        visitor.sign_in(service.clouds["publisher"])
        before = _revoked(service)
        visitor.post("/logout", {})

    assert _revoked(service) > before


def _revoked(service: Service) -> int:
    return (service.data_dir / "identity" / "revoked").stat().st_size


def test_the_database_without_the_cookie_holds_no_token(publisher: Visitor) -> None:
    service = publisher.service
    # All tokens of the built-in identity begin so. It is too long to be in enciphered bytes by chance.
    header = service.token("publisher").partition(".")[0]
    assert len(header) > 20
    with sqlite3.connect(service.database.removeprefix("sqlite:///")) as db:
        rows = db.execute("select * from console_session").fetchall()

    assert rows
    for row in rows:
        assert header not in str(row)
        assert publisher.cookie not in str(row)


def test_a_row_that_another_cookie_made_opens_nothing(publisher: Visitor, recipient: Visitor) -> None:
    """Boxes of two rows exchanged: neither key opens the other's."""
    path = publisher.service.database.removeprefix("sqlite:///")
    with sqlite3.connect(path) as db:
        names = "('publisher', 'recipient')"
        rows = db.execute(
            f"select key_hash, box from console_session where user_name in {names} "
            "order by created_at desc limit 2"
        ).fetchall()
        (first, box), (second, other_box) = rows
        db.execute("update console_session set box = ? where key_hash = ?", (other_box, first))
        db.execute("update console_session set box = ? where key_hash = ?", (box, second))

    assert publisher.http.get("/console/images").status_code == 303
    assert recipient.http.get("/console/images").status_code == 303


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "A" * 5000, "é" * 43, "=" * 43, "A" * 42 + "!"])
def test_a_cookie_that_is_none_leads_to_the_page(server: Service, cookie: str) -> None:
    raw = f"{COOKIE}={cookie}".encode("latin-1")
    answer = plain_http.get(f"{server.url}/console/images", headers=[(b"Cookie", raw)])

    assert answer.status_code == 303


def test_a_session_that_nobody_uses_ends(publisher: Visitor) -> None:
    with sqlite3.connect(publisher.service.database.removeprefix("sqlite:///")) as db:
        db.execute(
            "update console_session set used_at = used_at - 28801 * 1000000 where user_name = 'publisher'"
        )

    assert publisher.http.get("/console/images").status_code == 303


def test_rows_of_expired_tokens_go_with_the_next_signing_in(
    server: Service, open_visitor: OpenVisitor
) -> None:
    old = open_visitor(server, "other")
    with sqlite3.connect(server.database.removeprefix("sqlite:///")) as db:
        db.execute("update console_session set expires_at = 1 where key_hash = ?", (_hash(old),))

    open_visitor(server, "other")

    with sqlite3.connect(server.database.removeprefix("sqlite:///")) as db:
        assert db.execute("select 1 from console_session where expires_at = 1").fetchall() == []


def test_another_project_means_another_cookie(server: Service, commuter: tuple[Cloud, str]) -> None:
    cloud, work = commuter
    with Visitor(server) as visitor:
        visitor.sign_in(cloud)
        before = visitor.cookie
        visitor.post("/project", {"to": work})

        assert "What commuter-work owns." in visitor.see("/images").text
        assert visitor.cookie != before
        with Visitor(server) as old:
            old.http.cookies.set(COOKIE, before)
            assert old.http.get("/console/images").status_code == 303


def test_the_last_project_is_entered_again(server: Service, commuter: tuple[Cloud, str]) -> None:
    cloud, work = commuter
    with Visitor(server) as visitor:
        visitor.sign_in(cloud)
        visitor.post("/project", {"to": work})
        visitor.project_id = work
        visitor.post("/logout", {})
        visitor.sign_in(cloud)

        assert "What commuter-work owns." in visitor.see("/images").text


def test_the_first_project_is_the_one_that_the_user_prefers(server: Service) -> None:
    server.add_user("guest-of-two", "a-project-of-others", "member")
    cloud = server.add_user("homing", "z-home", "member")
    done = server.run("accounts", "grant", "homing", "--project", "a-project-of-others", "--role", "member")
    assert done.returncode == 0, done.stdout
    with Visitor(server) as visitor:
        visitor.sign_in(cloud)

        assert "What z-home owns." in visitor.see("/images").text


def _leave_projects(accounts: Accounts, name: str) -> Accounts:
    """Nobody can be put out of the last project by a command."""
    (user,) = (one for one in accounts.users if one.name == name)
    return replace(
        accounts,
        users=tuple(replace(one, default_project_id=None) if one is user else one for one in accounts.users),
        grants=tuple(one for one in accounts.grants if one.user_id != user.id),
    )


def test_who_is_in_no_project_is_told_so_and_stays_signed_in(server: Service) -> None:
    cloud = server.add_user("of-nowhere", "left-behind", "member")
    # Every worker sees it at once, as it does not what an editor changes.
    AccountsFile(server.data_dir).change(lambda accounts: _leave_projects(accounts, "of-nowhere"))
    with Visitor(server) as visitor:
        visitor.sign_in(cloud)
        for path in ("/project", "/", "/inbox", "/images/upload", "/operator"):
            assert "You have no role in any project yet." in visitor.see(path).text
        assert "of-nowhere" in visitor.see("/account").text
        assert "clouds: {}" in visitor.get("/account/clouds.yaml").text
        assert visitor.http.post("/console/images/x/delete", headers=visitor.own).headers["Location"] == (
            "/console/project"
        )
        assert "You are signed out." in visitor.post("/logout", {}).text


def test_a_form_of_another_project_does_nothing(server: Service, commuter: tuple[Cloud, str]) -> None:
    cloud, work = commuter
    with Visitor(server) as visitor:
        visitor.sign_in(cloud)
        visitor.post("/project", {"to": work})
        made = server.client("commuter").post("/v2/images", json={"name": "stays"}).json()["id"]

        answer = visitor.post(f"/images/{made}/delete", {}, project=cloud.project_id)

        assert answer.status_code == 409
        assert "Nothing was done." in answer.text
        assert "Go back to commuter-home" in answer.text
        assert server.client("commuter").get(f"/v2/images/{made}").status_code == 200
        asked = visitor.ask("GET", "/v2/images", **{"X-Transom-Project": cloud.project_id})
        assert asked.status_code == 409


def test_a_form_of_another_user_does_nothing(server: Service) -> None:
    """In one browser, where another user of the same project has signed in since."""
    first = server.add_user("first-here", "shared-desk", "member")
    second = server.add_user("second-here", "shared-desk", "member")
    made = server.client("first-here").post("/v2/images", json={"name": "stays"}).json()["id"]
    with Visitor(server) as visitor:
        visitor.sign_in(first)
        form = visitor.see(f"/images/{made}/delete").hidden
        visitor.post("/logout", {})
        visitor.sign_in(second)

        answer = visitor.post(f"/images/{made}/delete", form)
        asked = visitor.ask("DELETE", f"/v2/images/{made}", **{"X-Transom-User": form["made-for"]})

        assert answer.status_code == 409
        assert "Nothing was done." in answer.text
        assert asked.status_code == 409
        assert server.client("second-here").get(f"/v2/images/{made}").status_code == 200
        assert visitor.post(f"/images/{made}/delete", visitor.see(f"/images/{made}/delete").hidden).is_success
        assert server.client("second-here").get(f"/v2/images/{made}").status_code == 404


def test_who_signs_in_where_another_is_signed_in_is_who_signed_in(server: Service) -> None:
    """By a form that was open when the other signed in, in another tab of the browser."""
    first = server.add_user("signed-in-before", "before", "member")
    second = server.add_user("signs-in-after", "after", "member")
    with Visitor(server) as visitor:
        visitor.sign_in(first)
        before = visitor.cookie
        refused = visitor.sign_in(dataclasses.replace(second, password="wrong"))

        assert refused.status_code == 401
        assert "What before owns." in visitor.see("/images").text

        visitor.sign_in(second)

        assert "What after owns." in visitor.see("/images").text
        with Visitor(server) as old:
            old.http.cookies.set(COOKIE, before)
            assert old.http.get("/console/images").status_code == 303


def test_the_last_project_of_another_user_is_not_taken_for_a_choice(server: Service) -> None:
    server.add_user("guest-of-all", "all-others", "member")
    cloud = server.add_user("at-home", "home-of-it", "member")
    done = server.run("accounts", "grant", "at-home", "--project", "all-others", "--role", "member")
    assert done.returncode == 0, done.stdout
    with Visitor(server) as visitor:
        visitor.sign_in(server.clouds["publisher"])
        visitor.post("/logout", {})
        visitor.sign_in(cloud)

        assert "What home-of-it owns." in visitor.see("/images").text


def test_a_project_that_one_is_not_in_cannot_be_entered(publisher: Visitor) -> None:
    answer = publisher.post("/project", {"to": publisher.service.clouds["other"].project_id})

    assert answer.status_code == 401
    assert "What publisher owns." in publisher.see("/images").text


def test_one_can_end_his_own_sessions_only(server: Service, open_visitor: OpenVisitor) -> None:
    mine, elsewhere = open_visitor(server, "other"), open_visitor(server, "other")
    theirs = open_visitor(server, "recipient")
    hashes = [_hash(elsewhere), _hash(theirs)]

    assert "That session has ended." in mine.post("/account", {"end": hashes[0]}).text
    assert elsewhere.http.get("/console/images").status_code == 303
    assert mine.post("/account", {"end": hashes[1]}).status_code == 404
    assert theirs.http.get("/console/images").status_code == 200


def _hash(visitor: Visitor) -> str:
    return hashlib.sha256(base64.urlsafe_b64decode(visitor.cookie + "=")).hexdigest()


def test_clouds_yaml_has_no_password(publisher: Visitor) -> None:
    answer = publisher.get("/account/clouds.yaml")

    assert answer.headers["Content-Disposition"] == 'attachment; filename="clouds.yaml"'
    assert publisher.project_id in answer.text
    assert "password" not in answer.text
