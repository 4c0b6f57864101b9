"""A service whose operator changed the rules: over HTTP, with a policy file."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness.service import Service

#: Operators of images have a role of their own, everybody who may write may offer to everybody, recipients
#: may not be listed, and readers may download what is theirs.
POLICY = """
context_is_admin: role:manager
publicize_image: role:member and project_id:%(owner)s and not 'draft':%(name)s
get_members: rule:context_is_admin
download_image: role:reader and project_id:%(project_id)s
get_image: "@"
delete_image: "!"
"""


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("governed")
    file = folder / "policy.yaml"
    file.write_text(POLICY)
    with Service(folder, settings={"TRANSOM_POLICY_FILE": str(file)}) as service:
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
    """`get_image` lets everybody here; which images a project sees at all is no rule's to say."""
    image = _create(governed.client("publisher"), visibility="shared").json()
    other = governed.client("other")

    assert other.get(image["self"]).status_code == 404
    assert other.delete(image["self"]).status_code == 404
    assert image["id"] not in [one["id"] for one in other.get("/v2/images").json()["images"]]


@pytest.mark.parametrize("text", ["add_image: http://127.0.0.1/", None])
def test_a_service_does_not_start_with_a_bad_file(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "policy.yaml"
    if text is not None:
        file.write_text(text)

    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "transom",
            "--data-dir",
            str(tmp_path / "data"),
            "serve",
            "--listen",
            "127.0.0.1:0",
        ],
        env={"TRANSOM_POLICY_FILE": str(file), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        timeout=60,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: {file}: ")
    assert "Traceback" not in ended.stderr
