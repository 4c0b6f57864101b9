"""Every command that this package adds to python-openstackclient, which itself is unmodified."""

import json
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from harness.service import Service

from clients.console import Console, Ran, commands_in


class OpenStack:
    """The command `openstack` with the `clouds.yaml` of the service."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def run(self, caller: str, words: str) -> Ran:
        """With nobody to ask: what it read would be empty."""
        return self._console.run(f"--os-cloud {caller} {words}", Path("/dev/null"))

    def do(self, caller: str, words: str) -> str:
        done = self.run(caller, words)
        assert done.status == 0, (words, done)
        return done.stdout

    def ask(self, caller: str, words: str) -> Any:
        """What the command shows."""
        return json.loads(self.do(caller, f"{words} -f json"))


@pytest.fixture(scope="module")
def openstack(cloud: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStack]:
    folder = tmp_path_factory.mktemp("openstack")
    environment = {"OS_CLIENT_CONFIG_FILE": str(cloud.data_dir / "clouds.yaml")}
    with Console("openstack", "help image share list", folder, environment) as console:
        yield OpenStack(console)


def _make_image(cloud: Service, name: str) -> str:
    client = cloud.client("publisher")
    body = {"name": name, "disk_format": "raw", "container_format": "bare"}
    image_id = str(client.post("/v2/images", json=body).json()["id"])
    octets = {"Content-Type": "application/octet-stream"}
    client.put(f"/v2/images/{image_id}/file", content=b"data", headers=octets)
    return image_id


def test_every_command_of_ours_has_a_story() -> None:
    found = [entry for entry in entry_points(group="openstack.extension") if "transom" in entry.value]
    commands = {entry.name.replace("_", " ") for entry in found}

    assert len(commands) == 20
    assert commands - commands_in(__file__, commands) == set()


def test_an_offer_is_seen_answered_left_and_withdrawn(
    openstack: OpenStack, cloud: Service, tmp_path: Path
) -> None:
    image_id = _make_image(cloud, "shared")
    (tmp_path / "to.txt").write_text("recipient\nother\n")

    offered = openstack.do(
        "publisher", f"image share offer shared --to-file {tmp_path}/to.txt --message 'New.' --expires-at 90d"
    )
    inbox = openstack.ask("recipient", "image share inbox --from publisher")
    openstack.do("recipient", "image share reject shared")
    openstack.do("recipient", "image share accept --all rejected")
    given = openstack.ask("publisher", "image share list shared")
    unasked = openstack.run("recipient", "image share leave shared")
    openstack.do("recipient", "image share leave shared --yes")
    again = openstack.run("publisher", "image share offer shared --to recipient --to publisher")
    withdrawn = openstack.do("publisher", "image share withdraw shared --everybody --reason Ended. --yes")
    history = openstack.ask("recipient", f"image share history --image {image_id} --type share.withdrawn")

    assert offered == "offered: 2\n"
    assert [(item["id"], item["from"], item["message"]) for item in inbox] == [
        (image_id, "publisher", "New.")
    ]
    assert {item["name"]: item["status"] for item in given} == {"recipient": "accepted", "other": "pending"}
    assert unasked.status == 1
    assert "Your access to 1 image ends? Say --yes" in unasked.stderr
    assert (again.status, again.stdout) == (3, "offered: 1\n")
    assert image_id in again.stderr
    assert withdrawn == "withdrawn: 2\n"
    assert [item["reason"] for item in history] == ["Ended."]


def test_a_family_is_made_published_revoked_changed_and_deleted(openstack: OpenStack, cloud: Service) -> None:
    first, second = (_make_image(cloud, name) for name in ("web-1", "web-2"))
    family = openstack.ask("publisher", "image family create web --title 'Web server'")
    openstack.do("publisher", "image share offer --family web --to recipient")
    openstack.do("recipient", "image share accept --family web")

    openstack.do("publisher", "image family publish web web-1")
    candidate = openstack.ask("publisher", "image family publish web web-2 --notes Faster. --candidate")
    current = openstack.ask("publisher", "image family promote web 2")
    revoked = openstack.ask("publisher", "image family revoke web 2 --reason CVE-2026-1 --yes")
    shown = openstack.ask("recipient", "image family show web")
    versions = openstack.ask("recipient", "image family versions web")
    listed = openstack.ask("recipient", "image family list --role member")
    restored = openstack.ask("publisher", "image family restore web 2")
    members = openstack.ask("publisher", "image family members web --status accepted")
    changed = openstack.ask("publisher", "image family set web --title 'Server of pages'")
    openstack.do("publisher", "image family remove web 2 --yes")
    left = openstack.ask("publisher", "image family versions web")
    openstack.do("publisher", "image family delete web --yes")
    of_nobody = openstack.ask("publisher", "image family list")

    assert (candidate["state"], current["state"], revoked["state"]) == ("candidate", "current", "revoked")
    assert (shown["id"], shown["current"]) == (family["id"], first)
    assert [(one["image_id"], one["revoke_reason"]) for one in versions] == [
        (second, "CVE-2026-1"),
        (first, None),
    ]
    assert [(one["name"], one["current_number"], one["status"]) for one in listed] == [("web", 1, "accepted")]
    assert restored["state"] == "superseded"
    assert [item["recipient"] for item in members] == [cloud.clouds["recipient"].project_id]
    assert changed["title"] == "Server of pages"
    assert [one["image_id"] for one in left] == [first]
    assert of_nobody == []


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("image share offer none --to recipient", 1, "There is no image 'none'"),
        ("image share offer --to recipient", 1, "Name an image or a family."),
        ("image share offer x --to recipient --expires-at soon", 2, "neither a time nor"),
        ("image share accept x --all pending", 1, "or use --all"),
        ("image family show none", 1, "There is no family 'none'"),
    ],
)
def test_what_is_wrong_is_said(openstack: OpenStack, words: str, status: int, said: str) -> None:
    done = openstack.run("publisher", words)

    assert done.status == status, done
    assert said in done.stderr
    assert "Traceback" not in done.stderr
