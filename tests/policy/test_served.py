"""A service whose operator changed the rules and protected properties: over HTTP, with the two files."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import IMPORTING
from harness.file_server import FileServer
from harness.forks import forked_service
from harness.service import Service

#: Operators of images have a role of their own, everybody who may write may offer to everybody, recipients
#: may not be listed, and readers may download what is theirs.
POLICY = """
context_is_admin: role:manager
publicize_image: role:member and project_id:%(owner)s and not 'draft':%(name)s
get_members: rule:context_is_admin
download_image: role:reader and project_id:%(project_id)s
get_image: "not 'unlisted':%(name)s or rule:context_is_admin"
delete_image: "!"
add_member: rule:context_is_admin or (role:member and project_id:%(project_id)s and not 'kept':%(free)s)
modify_member: role:member and project_id:%(member_id)s and not 'refused':%(free)s
get_events: rule:context_is_admin
tasks_api_access: role:member
"""

#: `secret…` is the operators'. `grade` everybody reads, and operators set. All else is everybody's, but for
#: `x…`, which nobody may have, and one that the service gives to images of the IMS API.
PROTECTIONS = """
[^secret]
create = manager
read = manager
update = manager
delete = manager
[^grade$]
create = manager
read = @
update = manager
delete = !
[^x]
create = !
read = @
update = @
delete = @
[^virtual_env_type$]
create = manager
read = @
update = @
delete = @
[.]
create = @
read = @
update = @
delete = @
"""
OVER = ("success", "failure")
PATIENCE_S = 30.0
OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("governed")
    file = folder / "policy.yaml"
    file.write_text(POLICY)
    protections = folder / "protections.conf"
    protections.write_text(PROTECTIONS)
    settings = {
        "TRANSOM_POLICY_FILE": str(file),
        "TRANSOM_PROPERTY_PROTECTION_FILE": str(protections),
        "TRANSOM_GLANCE_DOWNLOAD_PROPERTIES": "secret,grade,free,os_",
        **IMPORTING,
    }
    with forked_service(folder, settings=settings) as service:
        service.add_user("operator", "operations", "manager")
        service.add_user("publisher-reader", "publisher", "reader")
        yield service


def _create(client: httpx.Client, **fields: object) -> httpx.Response:
    return client.post("/v2/images", json={"disk_format": "raw", "container_format": "bare", **fields})


def test_who_is_an_admin_sees_and_changes_the_images_of_all_projects(governed: Service) -> None:
    image = _create(governed.client("publisher"), visibility="private").json()
    operator = governed.client("operator")

    listed = operator.get("/v2/images", params={"visibility": "private"}).json()["images"]
    renamed = operator.patch(
        image["self"],
        json=[{"op": "replace", "path": "/owner", "value": governed.clouds["operator"].project_id}],
        headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
    )

    assert image["id"] in [one["id"] for one in listed]
    assert renamed.status_code == 200


def test_a_right_that_was_given_to_members_is_theirs_under_its_condition(governed: Service) -> None:
    publisher = governed.client("publisher")

    assert _create(publisher, visibility="public").status_code == 201
    assert _create(publisher, visibility="public", name="draft").status_code == 201
    named = _create(publisher, name="draft").json()
    publicized = publisher.patch(
        named["self"],
        json=[{"op": "replace", "path": "/visibility", "value": "public"}],
        headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
    )
    assert publicized.status_code == 403
    assert "publicize_image" in publicized.text


def test_a_right_that_was_taken_is_refused_by_its_name(governed: Service) -> None:
    publisher = governed.client("publisher")
    image = _create(publisher, visibility="shared").json()

    members = publisher.get(f"{image['self']}/members")
    deleted = publisher.delete(image["self"])

    assert (members.status_code, deleted.status_code) == (403, 403)
    assert "get_members" in members.text
    assert "delete_image" in deleted.text


def test_a_reader_downloads_where_the_rule_lets_it(governed: Service) -> None:
    image = _create(governed.client("publisher"), visibility="public").json()
    governed.client("publisher").put(
        image["file"], content=b"bytes", headers={"Content-Type": "application/octet-stream"}
    )

    own = governed.client("publisher-reader").get(image["file"])
    foreign = governed.client("other").get(image["file"])

    assert (own.status_code, own.content) == (200, b"bytes")
    assert foreign.status_code == 403


def test_no_rule_opens_what_is_hidden(governed: Service) -> None:
    """`get_image` asks for no project here; which images a project sees at all is no rule's to say."""
    image = _create(governed.client("publisher"), visibility="shared").json()
    other = governed.client("other")

    assert other.get(image["self"]).status_code == 404
    assert other.delete(image["self"]).status_code == 404
    assert image["id"] not in [one["id"] for one in other.get("/v2/images").json()["images"]]


def test_a_list_leaves_out_what_get_image_hides_and_its_pages_stay_full(governed: Service) -> None:
    """In Glance such a page is shorter than it was asked to be."""
    publisher = governed.client("publisher")
    tag = {"tags": ["paged"], "visibility": "public"}
    made = [
        _create(publisher, name="unlisted" if number % 3 else "listed", **tag).json()["id"]
        for number in range(7)
    ]

    found = []
    path = "/v2/images?tag=paged&limit=2&sort=created_at:asc"
    for _ in range(4):
        page = publisher.get(path).json()
        found.append([image["id"] for image in page["images"]])
        path = page.get("next", "")
        if not path:
            break

    assert found == [[made[0], made[3]], [made[6]]]
    assert publisher.get(f"/v2/images/{made[1]}").status_code == 404
    operators = governed.client("operator").get("/v2/images?tag=paged&sort=created_at:asc").json()
    assert [image["id"] for image in operators["images"]] == made


def test_tags_and_finding_by_them_leave_out_what_get_image_hides(governed: Service) -> None:
    """Of 101 images more than one step is read; the hidden ones are neither shown nor counted."""
    governed.add_user("tagger", "tagged", "member")
    tagger, project_id = governed.client("tagger"), governed.clouds["tagger"].project_id
    made = [
        _create(tagger, name=name, tags=[f"kept.{name}", "both"]).json()["id"]
        for name in ["listed", *["unlisted"] * 100, "also"]
    ]
    sought = f"/v2/{project_id}/images/resource_instances/action"
    both = {"tags": [{"key": "both"}]}

    everything = tagger.get("/v1/cloudimages/tags", params={"owner": project_id}).json()
    second = tagger.get(
        "/v1/cloudimages/tags", params={"owner": project_id, "limit": "1", "page": "2"}
    ).json()
    own = tagger.get(f"/v2/{project_id}/images/tags").json()
    found = tagger.post(sought, json={"action": "filter", **both}).json()
    last = tagger.post(sought, json={"action": "filter", "limit": "1", "offset": "1", **both}).json()
    count = tagger.post(sought, json={"action": "count", **both}).json()

    assert everything == {"tags": ["both", "kept.also", "kept.listed"]}
    assert second == {"tags": ["kept.also"]}
    assert own == {"tags": [{"key": "both", "values": [""]}, {"key": "kept", "values": ["also", "listed"]}]}
    assert [one["resource_id"] for one in found["resources"]] == [made[-1], made[0]]
    assert [one["resource_id"] for one in last["resources"]] == [made[0]]
    assert found["total_count"] == last["total_count"] == 2
    assert count == {"total_count": 2}


def test_a_batch_and_the_ims_calls_ask_the_rules_about_the_image_itself(governed: Service) -> None:
    publisher, project_id = governed.client("publisher"), governed.clouds["recipient"].project_id
    kept, refused, free = (
        publisher.post("/ims/v2/images", json={"name": "n", "free": value}).json()["id"]
        for value in ("kept", "refused", "f")
    )

    shared = _run_batch(governed, "publisher", "POST", images=[kept, refused, free], projects=[project_id])
    alone = publisher.post(f"/ims/v2/images/{kept}/members", json={"member": project_id})
    answer = {"images": [refused, free], "project_id": project_id, "status": "accepted"}
    answered = _run_batch(governed, "recipient", "PUT", **answer)

    assert shared == {kept: "FAIL", refused: "SUCCESS", free: "SUCCESS"}
    assert alone.status_code == 403
    assert answered == {refused: "FAIL", free: "SUCCESS"}


@pytest.mark.parametrize("answer", ["accepted", "rejected", "left"])
def test_an_offer_of_an_image_that_get_image_hides_is_not_answered(governed: Service, answer: str) -> None:
    """It looks like none, for each call that answers."""
    publisher, recipient = governed.client("publisher"), governed.client("recipient")
    project_id = governed.clouds["recipient"].project_id
    image_id = publisher.post("/v2/images", json={"name": "n"}).json()["id"]
    member = f"/v2/images/{image_id}/members/{project_id}"
    assert publisher.post(f"/v2/images/{image_id}/members", json={"member": project_id}).status_code == 200
    hide = [{"op": "replace", "path": "/name", "value": "unlisted"}]
    hidden = governed.client("operator").patch(f"/v2/images/{image_id}", json=hide, headers=PATCH)
    assert hidden.status_code == 200

    done = recipient.post("/share/v1/answers", json={"images": [image_id], "answer": answer}).json()
    if answer != "left":
        body = {"images": [image_id], "project_id": project_id, "status": answer}
        assert recipient.put("/v1/cloudimages/members", json=body).status_code == 400
        assert recipient.put(member, json={"status": answer}).status_code == 404

    assert (done["changed"], done["failures"][0]["type"]) == (0, "/share/v1/problems/not-found")
    assert governed.client("operator").get(member).json()["status"] == "pending"


def test_who_may_not_see_events_has_none_sent(governed: Service) -> None:
    hook = {"url": "https://ci.example.org/images"}

    made = governed.client("publisher").post("/share/v1/hooks", json=hook)

    assert made.status_code == 403
    assert "get_events" in made.json()["detail"]
    assert governed.client("operator").post("/share/v1/hooks", json=hook).status_code == 201


def test_who_may_look_at_tasks_sees_those_of_its_own_project(governed: Service, files: FileServer) -> None:
    own, foreign = governed.client("publisher"), governed.client("recipient")
    url = files.offer(b"bytes")
    body = {"import_from": url, "import_from_format": "raw", "image_properties": {"free": "f"}}
    task = own.post("/v2/tasks", json={"type": "import", "input": body})
    assert task.status_code == 201, task.text
    task_id, owner = task.json()["id"], governed.clouds["publisher"].project_id

    for client, sees in ((own, True), (governed.client("operator"), True), (foreign, False)):
        for query in ("", f"?owner={owner}"):
            assert (task_id in client.get(f"/v2/tasks{query}").text) is sees
        assert client.get(f"/v2/tasks/{task_id}").status_code == (200 if sees else 404)
        marked = client.get("/v2/tasks", params={"marker": task_id})
        assert marked.status_code == (200 if sees else 400)
    assert own.get(f"/v2/tasks?owner={governed.clouds['recipient'].project_id}").json()["tasks"] == []


def _run_batch(service: Service, name: str, method: str, **fields: object) -> dict[str, str]:
    """Image → what came of it."""
    client, own = service.client(name), service.clouds[name].project_id
    job_id = client.request(method, "/v1/cloudimages/members", json=fields).json()["job_id"]
    job = client.get(f"/v1/{own}/jobs/{job_id}").json()
    return {one["image_id"]: one["status"] for one in job["entities"]["results"]}


# ---- property protections


@pytest.fixture(scope="module")
def graded(governed: Service) -> dict[str, str]:
    """A publisher's image on which an operator has set properties."""
    image = _create(governed.client("publisher"), visibility="public", free="f").json()
    changes = [{"op": "add", "path": f"/{name}", "value": name} for name in ("secret", "grade")]
    changed = governed.client("operator").patch(image["self"], json=changes, headers=PATCH)
    assert (changed.status_code, changed.json()["secret"]) == (200, "secret")
    return {"id": image["id"], "self": image["self"]}


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("operator", {"secret", "grade", "free"}),
        ("publisher", {"grade", "free"}),
        ("publisher-reader", {"grade", "free"}),
        ("other", {"grade", "free"}),
    ],
)
def test_a_property_is_in_the_answers_to_those_who_may_read_it(
    governed: Service, graded: dict[str, str], name: str, seen: set[str]
) -> None:
    client = governed.client(name)
    every = {"secret", "grade", "free"}

    shown = client.get(graded["self"]).json()
    listed = client.get("/v2/images", params={"limit": 1000}).json()["images"]
    by_ims = client.get("/v2/cloudimages", params={"id": graded["id"]}).json()["images"]
    by_v1 = client.head(f"/v1/images/{graded['id']}")

    assert every & shown.keys() == seen
    assert [every & one.keys() for one in listed if one["id"] == graded["id"]] == [seen]
    assert [every & one.keys() for one in by_ims] == [seen]
    assert {one for one in every if f"x-image-meta-property-{one}" in by_v1.headers} == seen


def test_the_answer_to_a_patch_keeps_what_its_caller_may_not_read(
    governed: Service, graded: dict[str, str]
) -> None:
    publisher = governed.client("publisher")

    changed = publisher.patch(
        graded["self"], json=[{"op": "replace", "path": "/free", "value": "new"}], headers=PATCH
    )

    assert changed.status_code == 200
    assert "secret" not in changed.json()
    assert governed.client("operator").get(graded["self"]).json()["secret"] == "secret"


@pytest.mark.parametrize(
    ("op", "name", "status"),
    [
        ("add", "secret_too", 403),
        ("add", "x", 403),
        ("replace", "grade", 403),
        ("remove", "grade", 403),
        ("remove", "secret", 409),
        ("replace", "secret", 409),
        ("add", "secret", 403),
    ],
)
def test_a_protected_property_is_not_for_others_to_change(
    governed: Service, graded: dict[str, str], op: str, name: str, status: int
) -> None:
    operation = {"op": op, "path": f"/{name}", "value": "new"}

    refused = governed.client("publisher").patch(graded["self"], json=[operation], headers=PATCH)

    assert refused.status_code == status
    if status == 403:
        assert refused.json()["message"] == f"Attribute '{name}' is reserved."


def test_what_nobody_may_delete_stays(governed: Service, graded: dict[str, str]) -> None:
    operations = [{"op": "remove", "path": "/grade"}]

    refused = governed.client("operator").patch(graded["self"], json=operations, headers=PATCH)

    assert refused.status_code == 403


def test_an_image_is_not_made_with_a_property_that_is_not_ones_own(governed: Service) -> None:
    publisher, operator = governed.client("publisher"), governed.client("operator")

    refused = [_create(publisher, secret="s"), _create(publisher, grade="g"), _create(operator, x="x")]
    made = _create(operator, secret="s", grade="g", free="f")

    assert [answer.status_code for answer in refused] == [403, 403, 403]
    assert "Attribute 'secret' is reserved." in refused[0].text
    assert (made.status_code, made.json()["secret"]) == (201, "s")


def test_what_one_may_not_read_is_not_found_by_a_filter(governed: Service, graded: dict[str, str]) -> None:
    def found(name: str, **filters: str) -> bool:
        images = governed.client(name).get("/v2/images", params=filters).json()["images"]
        return graded["id"] in [one["id"] for one in images]

    assert found("operator", secret="secret")
    assert not found("publisher", secret="secret")
    assert found("publisher", grade="grade")


def test_what_one_may_not_read_finds_no_tags(governed: Service, graded: dict[str, str]) -> None:
    def tags(name: str, **filters: str) -> list[str]:
        return list(governed.client(name).get("/v1/cloudimages/tags", params=filters).json()["tags"])

    governed.client("publisher").put(f"{graded['self']}/tags/graded")

    assert tags("operator", secret="secret") == ["graded"]
    assert tags("publisher", secret="secret") == []
    assert tags("publisher", grade="grade") == ["graded"]


def test_the_ims_api_protects_what_its_clients_name(governed: Service) -> None:
    publisher = governed.client("publisher")

    made = publisher.post("/ims/v2/images", json={"name": "n", "__os_version": "Ubuntu 22.04 server 64bit"})
    refused = publisher.post("/ims/v2/images", json={"name": "n", "secret": "s"})
    change = [{"op": "add", "path": "/grade", "value": "g"}]
    changed = publisher.patch(f"/ims/v2/images/{made.json()['id']}", json=change, headers=PATCH)

    assert (made.status_code, refused.status_code, changed.status_code) == (201, 403, 403)
    assert made.json()["virtual_env_type"] == "FusionCompute"


def test_an_import_takes_over_what_its_caller_may_create(governed: Service, graded: dict[str, str]) -> None:
    """`graded` has a grade: the publisher reads it, and may not give it to an image of its own."""
    operator, publisher = governed.client("operator"), governed.client("publisher")
    own = _create(operator, secret="s", grade="g", free="f").json()
    for client, source in ((operator, own), (publisher, graded)):
        file = f"{source['self']}/file"
        assert client.put(file, content=b"bytes", headers=OCTETS).status_code == 204

    taken, refused = _download(governed, "operator", own), _download(governed, "publisher", graded)

    assert taken.items() >= {"status": "active", "secret": "s", "grade": "g", "free": "f"}.items()
    assert refused["message"] == "Attribute 'grade' is reserved."
    assert refused["status"] == "queued"
    assert not {"secret", "grade", "free"} & refused.keys()


def test_what_the_source_keeps_for_its_own_work_is_left_there(governed: Service) -> None:
    """An imported image has two lists of stores, which Glance drops as well (`os_` is an example of its)."""
    operator = governed.client("operator")
    source = _create(operator, os_distro="debian").json()
    assert operator.put(source["file"], content=b"bytes", headers=OCTETS).status_code == 204

    second = _download(governed, "operator", _download(governed, "operator", source))

    assert (second["status"], second["os_distro"]) == ("active", "debian")


def _download(service: Service, name: str, source: dict[str, str]) -> dict[str, Any]:
    """A new image after glance-download, with the message of its task."""
    client = service.client(name)
    image = _create(client).json()
    method = {"name": "glance-download", "glance_region": "RegionOne", "glance_image_id": source["id"]}
    started = client.post(f"{image['self']}/import", json={"method": method})
    assert started.status_code == 202, started.text
    deadline = time.monotonic() + PATIENCE_S
    while (task := client.get(f"{image['self']}/tasks").json()["tasks"][0])["status"] not in OVER:
        assert time.monotonic() < deadline, task
        # A worker gets there when it does: asking again is the only way to learn it.
        time.sleep(0.02)
    return {**client.get(image["self"]).json(), "message": task["message"]}


# ---- bad files


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("add_image: http://127.0.0.1/", ["serve", "--listen", "127.0.0.1:0"]),
        (None, ["serve", "--listen", "127.0.0.1:0"]),
        (None, ["work"]),
    ],
)
def test_a_service_does_not_start_with_a_bad_file(
    tmp_path: Path, text: str | None, command: list[str]
) -> None:
    file = tmp_path / "policy.yaml"
    if text is not None:
        file.write_text(text)

    ended = subprocess.run(
        [sys.executable, "-m", "transom", "--data-dir", str(tmp_path / "data"), *command],
        env={"TRANSOM_POLICY_FILE": str(file), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        timeout=60,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert f"Error: {file}: " in ended.stderr
    assert "Traceback" not in ended.stderr
