"""Signed requests to the Identity API: a key learns where it may act, and changes nothing.

Each form of a signature (test_signature_forms.py), at `/identity/v3` and at the root, where Huawei's SDKs
ask. Errors have Keystone's shape. What whole clients ask is in test_provider_logins.py.
"""

import dataclasses
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from harness.service import MakeService, Service
from huaweicloudsdkcore.auth.credentials import (  # type: ignore[import-untyped]
    BasicCredentials,
    GlobalCredentials,
)
from huaweicloudsdkcore.client import ClientBuilder  # type: ignore[import-untyped]
from huaweicloudsdkcore.exceptions.exceptions import SdkException  # type: ignore[import-untyped]
from huaweicloudsdkcore.region.region import Region  # type: ignore[import-untyped]
from huaweicloudsdkims.v2 import ImsClient, ListImagesRequest  # type: ignore[import-untyped]
from sharing_calls import project_of
from test_signature_forms import CHAINED, FORMS, GOLANGSDK, PLAIN, Form
from test_signing import Answer, Key, get_key, make_date, make_request, send

V3 = "/identity/v3"
REGION = "RegionOne"
ROOTS = [V3, "/v3"]


@pytest.fixture
def service(shared_services: Any) -> Service:
    """Identity asks no database, so one will do."""
    found: Service = shared_services.get("sqlite")
    return found


def ask(
    service: Service,
    path: str,
    form: Form = PLAIN,
    method: str = "GET",
    key: Key | None = None,
    body: object = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Answer:
    """`headers`: further ones, or others in place of the usual."""
    unsigned = make_request(service, method, path, body, **headers)
    return send(service, form.sign(unsigned, key or get_key(service, "publisher")))


def run_accounts(service: Service, *words: str) -> str:
    command = [sys.executable, "-m", "transom", "--data-dir", str(service.data_dir), "accounts", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def new_key(service: Service, user: str) -> Key:
    access, secret = re.findall(r"key: +(\S+)", run_accounts(service, "keys", "add", user))
    return Key(access=access, secret=secret)


def is_refused(answer: Answer, status: int = 401) -> bool:
    """In Keystone's shape."""
    assert set(answer.body) == {"error"}, answer.body
    assert set(answer.body["error"]) == {"code", "title", "message"}
    return (answer.status, answer.body["error"]["code"]) == (status, status)


# ---- what a key may look at


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("root", ROOTS)
def test_each_form_finds_its_project_by_name(service: Service, root: str, form: Form) -> None:
    answer = ask(service, f"{root}/projects?name=publisher", form)

    assert answer.status == 200, answer.body
    assert [project["id"] for project in answer.body["projects"]] == [project_of(service, "publisher")]


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize(
    ("path", "key", "count"),
    [
        ("/projects", "projects", 1),
        ("/auth/projects", "projects", 1),
        ("/auth/domains", "domains", 1),
        ("/auth/catalog", "catalog", 2),
        ("/users", "users", 1),
        ("/regions", "regions", 1),
        ("/services", "services", 2),
        ("/endpoints", "endpoints", 6),
    ],
)
def test_a_key_looks_around(service: Service, root: str, path: str, key: str, count: int) -> None:
    answer = ask(service, f"{root}{path}")

    assert answer.status == 200, answer.body
    assert len(answer.body[key]) == count


@pytest.mark.parametrize("root", ROOTS)
def test_a_key_finds_the_default_domain(service: Service, root: str) -> None:
    """Beside it there may be others: the service is that of other tests, too."""
    answer = ask(service, f"{root}/domains")

    assert answer.status == 200, answer.body
    assert "default" in {domain["id"] for domain in answer.body["domains"]}


def test_a_key_sees_what_a_token_sees(service: Service) -> None:
    publisher = service.client("publisher")
    own = publisher.get(f"{V3}/users").json()["users"][0]["id"]
    paths = ["/auth/catalog", "/auth/projects", "/auth/domains", "/users", f"/users/{own}", "/projects"]

    answers = {path: ask(service, f"{V3}{path}").body for path in paths}

    assert answers == {path: publisher.get(f"{V3}{path}").json() for path in paths}


def test_a_key_sees_no_other_user(service: Service) -> None:
    other = service.client("recipient").get(f"{V3}/users").json()["users"][0]["id"]

    assert is_refused(ask(service, f"{V3}/users/{other}"), 404)


@pytest.mark.parametrize("form", [PLAIN, GOLANGSDK, CHAINED], ids=["sdk", "golangsdk", "chained"])
@pytest.mark.parametrize("name", ["X_Project_Id", "X_Domain_Id"])
def test_a_key_may_name_its_project_or_domain(service: Service, form: Form, name: str) -> None:
    value = project_of(service, "publisher") if name == "X_Project_Id" else "default"
    form = dataclasses.replace(form, unsigned=(*form.unsigned, "X-Domain-Id")) if form.unsigned else form

    answer = ask(service, "/v3/auth/catalog", form, headers={name: value})

    assert {entry["type"] for entry in answer.body["catalog"]} == {"image", "identity"}


@pytest.mark.parametrize("path", ["/v3//auth/domains", "//v3/auth/domains", f"{V3}//auth/domains"])
def test_an_endpoint_that_ends_with_a_slash_is_taken(service: Service, path: str) -> None:
    assert ask(service, path).body["domains"][0]["id"] == "default"


@pytest.mark.parametrize(("name", "count"), [("Default", 1), ("default", 0), ("Nowhere", 0)])
@pytest.mark.parametrize("path", ["/auth/domains", "/domains"])
def test_domains_are_found_by_their_exact_name(service: Service, path: str, name: str, count: int) -> None:
    assert len(ask(service, f"{V3}{path}?name={name}").body["domains"]) == count


# ---- what is refused


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: Key(access=key.access, secret="wrong"),
        lambda key: Key(access="UNKNOWN", secret=key.secret),
    ],
    ids=["secret", "key"],
)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("root", ROOTS)
def test_a_wrong_key_is_told_nothing_else(
    service: Service, root: str, form: Form, spoil: Callable[[Key], Key]
) -> None:
    answer = ask(service, f"{root}/projects", form, key=spoil(get_key(service, "publisher")))

    assert is_refused(answer)
    assert answer.body["error"]["message"] == "The request you have made requires authentication."


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"X_Project_Id": "0" * 32}, "project"),
        ({"X_Domain_Id": "elsewhere"}, "domain"),
        ({"X-Sdk-Date": make_date(16)}, "15 minutes"),
        ({"X-Sdk-Date": "today"}, "X-Sdk-Date"),
    ],
    ids=["project", "domain", "old", "no date"],
)
def test_a_refusal_says_what_is_wrong(
    service: Service, root: str, headers: dict[str, str], told: str
) -> None:
    answer = ask(service, f"{root}/auth/domains", headers=headers)

    assert is_refused(answer)
    assert told in answer.body["error"]["message"]


@pytest.mark.parametrize("key", [None, Key(access="unknown", secret="none")], ids=["known", "unknown"])
def test_a_query_of_too_many_parameters_is_refused_before_it_is_sorted(
    service: Service, key: Key | None
) -> None:
    """Whoever signs it may be nobody: to sort five thousand takes the event loop 17 ms."""
    answer = ask(service, f"/v3/auth/domains?{'&'.join(f'p{number}=v' for number in range(1001))}", key=key)

    assert is_refused(answer, 400)
    assert "more than 1000 parameters" in answer.body["error"]["message"]


@pytest.mark.parametrize(
    "authorization", ["SDK-HMAC-SHA256 junk", "V11-HMAC-SHA256", "SDK-HMAC-SM3 Access=A"]
)
def test_no_token_stands_in_for_a_broken_signature(service: Service, authorization: str) -> None:
    headers = {"Authorization": authorization}

    response = service.client("publisher").get("/v3/auth/domains", headers=headers)

    assert response.status_code == 401
    assert "error" in response.json()


def test_a_further_value_that_a_scheme_does_not_sign_is_refused(service: Service) -> None:
    """gophertelekomcloud's scheme signs of a repeated parameter the first value only."""
    signed = CHAINED.sign(
        make_request(service, "GET", "/v3/projects?name=publisher"), get_key(service, "publisher")
    )

    answer = send(service, signed.to("GET", f"{signed.target}&name=recipient"))

    assert is_refused(answer, 400)
    assert "'name'" in answer.body["error"]["message"]


def test_a_signature_changes_nothing(service: Service) -> None:
    """Nobody could end what was made so: a key is no session."""
    own = service.client("publisher").get(f"{V3}/users").json()["users"][0]["id"]
    credential = {"application_credential": {"name": "by a key"}}
    password = {"user": {"password": "long enough", "original_password": "x"}}
    asked = [
        ("POST", f"/users/{own}/application_credentials", credential),
        ("DELETE", f"/users/{own}/application_credentials/none", None),
        ("DELETE", f"/users/{own}/access_rules/none", None),
        ("POST", f"/users/{own}/password", password),
        ("GET", "/auth/tokens", None),
        ("DELETE", "/auth/tokens", None),
    ]

    answers = [ask(service, f"/v3{path}", method=method, body=body) for method, path, body in asked]

    assert all(is_refused(answer, 403) for answer in answers)
    listed = service.client("publisher").get(f"{V3}/users/{own}/application_credentials").json()
    assert listed["application_credentials"] == []


@pytest.mark.parametrize("root", ROOTS)
def test_a_path_that_is_not_there_is_told_in_keystones_shape(service: Service, root: str) -> None:
    assert is_refused(ask(service, f"{root}/nothing"), 404)
    assert is_refused(ask(service, f"{root}/auth/catalog", method="PATCH"), 405)


# ---- a region's name for a project's


def test_the_regions_name_stands_for_the_keys_project(service: Service) -> None:
    answer = ask(service, f"/v3/projects?name={REGION}")

    (project,) = answer.body["projects"]
    assert (project["id"], project["name"]) == (project_of(service, "publisher"), REGION)


def test_it_stands_for_the_project_that_the_request_names(service: Service) -> None:
    service.add_user("two-projects", "first", "member")
    service.add_user("its-second", "second", "member")
    run_accounts(service, "grant", "two-projects", "--project", "second", "--role", "reader")
    key = new_key(service, "two-projects")
    second = project_of(service, "its-second")

    answer = ask(service, f"/v3/projects?name={REGION}", key=key, headers={"X_Project_Id": second})

    assert [project["id"] for project in answer.body["projects"]] == [second]


@pytest.mark.parametrize("query", [f"name={REGION}&domain_id=elsewhere", "name=regionone", "name=eu-de"])
def test_no_other_name_does(service: Service, query: str) -> None:
    assert ask(service, f"/v3/projects?{query}").body["projects"] == []


def test_a_token_is_shown_projects_of_that_very_name_only(service: Service) -> None:
    assert service.client("publisher").get(f"{V3}/projects?name={REGION}").json()["projects"] == []


def test_an_own_project_of_the_regions_name_goes_first(make_service: MakeService) -> None:
    service = make_service("sqlite")
    service.add_user("at-home", REGION, "member")
    run_accounts(service, "grant", "publisher", "--project", REGION, "--role", "reader")
    named = project_of(service, "at-home")

    of_publisher = ask(service, f"/v3/projects?name={REGION}").body["projects"]
    of_recipient = ask(service, f"/v3/projects?name={REGION}", key=get_key(service, "recipient")).body

    assert [project["id"] for project in of_publisher] == [named]
    assert [project["id"] for project in of_recipient["projects"]] == [project_of(service, "recipient")]


def test_the_setting_takes_it_back(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_REGION_NAMES_PROJECT="false")

    assert ask(service, f"/v3/projects?name={REGION}").body["projects"] == []
    assert log_in_to_region(service).status_code == 401


def test_a_login_may_name_the_region_for_the_default_project(service: Service) -> None:
    token = log_in_to_region(service).json()["token"]

    assert token["project"] == {
        "id": project_of(service, "publisher"),
        "name": "publisher",
        "domain": {"id": "default", "name": "Default"},
    }


def test_a_login_means_a_project_of_the_regions_name_where_there_is_one(make_service: MakeService) -> None:
    """Whoever has no role there is refused, and does not work in another project unawares."""
    service = make_service("sqlite")
    service.add_user("at-home", REGION, "member")

    assert log_in_to_region(service).status_code == 401


def test_a_login_that_names_another_domain_may_not(service: Service) -> None:
    assert log_in_to_region(service, domain="Elsewhere").status_code == 401


def log_in_to_region(service: Service, domain: str = "Default") -> Any:
    cloud = service.clouds["publisher"]
    user = {"name": cloud.username, "domain": {"name": "Default"}, "password": cloud.password}
    scope = {"project": {"name": REGION, "domain": {"name": domain}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    return service.client(None).post("/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})


# ---- Huawei's SDK for Python


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK keeps what it learnt of a key for the whole process."""
    monkeypatch.setattr(BasicCredentials, "_CACHE", {})
    monkeypatch.setattr(GlobalCredentials, "_CACHE", {})


@pytest.mark.parametrize("iam", ["", "/v3", "/identity/v3"])
def test_the_sdk_finds_its_project_by_the_regions_name(service: Service, iam: str) -> None:
    """It keeps scheme and host of the IAM endpoint only."""
    key = get_key(service, "publisher")
    credentials = BasicCredentials(key.access, key.secret).with_iam_endpoint(f"{service.url}{iam}")
    region = Region(REGION, service.url)

    client = ImsClient.new_builder().with_credentials(credentials).with_region(region).build()

    assert credentials.project_id == project_of(service, "publisher")
    assert isinstance(client.list_images(ListImagesRequest(limit=1)).images, list)


def test_the_sdk_finds_its_domain(service: Service) -> None:
    key = get_key(service, "publisher")
    credentials = GlobalCredentials(key.access, key.secret).with_iam_endpoint(service.url)
    builder = ClientBuilder(ImsClient, GlobalCredentials.__name__)

    client = builder.with_credentials(credentials).with_region(Region(REGION, service.url)).build()

    assert credentials.domain_id == "default"
    assert isinstance(client.list_images(ListImagesRequest(limit=1)).images, list)


def test_the_sdk_is_told_that_a_region_is_not_this_one(service: Service) -> None:
    key = get_key(service, "publisher")
    credentials = BasicCredentials(key.access, key.secret).with_iam_endpoint(service.url)
    builder = ImsClient.new_builder().with_credentials(credentials)

    with pytest.raises(SdkException, match="Failed to get project id of region 'elsewhere'"):
        builder.with_region(Region("elsewhere", service.url)).build()


def test_the_sdk_is_told_that_its_key_is_wrong(service: Service) -> None:
    key = get_key(service, "publisher")
    credentials = BasicCredentials(key.access, "wrong").with_iam_endpoint(service.url)
    builder = ImsClient.new_builder().with_credentials(credentials)

    with pytest.raises(SdkException, match="requires authentication"):
        builder.with_region(Region(REGION, service.url)).build()
