"""Every command of python-openstackclient that is about images, unmodified."""

import json
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from harness.file_server import FileServer
from harness.service import Service

from clients.console import Console, commands_in, finish_import, wait_until

DATA = bytes(range(256)) * 64
FORMATS = "--disk-format raw --container-format bare"


class OpenStack:
    """The command `openstack` with the `clouds.yaml` of the service."""

    def __init__(self, console: Console, folder: Path) -> None:
        self._console = console
        self.data = folder / "data"
        self.data.write_bytes(DATA)
        self.saved = folder / "saved"

    def ask(self, caller: str, words: str) -> Any:
        """What the command shows."""
        return json.loads(self.do(caller, f"{words} -f json"))

    def do(self, caller: str, words: str, stdin: Path | None = None) -> str:
        done = self._console.run(f"--os-cloud {caller} {words}", stdin)
        assert done.status == 0, (words, done)
        return done.stdout

    def refused(self, caller: str, words: str) -> str:
        """The command's complaint."""
        done = self._console.run(f"--os-cloud {caller} {words}")
        assert done.status == 1, (words, done)
        return done.stderr

    def create(self, name: str) -> str:
        """The id of an active image of the publisher."""
        words = f"image create {FORMATS} --file {self.data} {name}"
        return str(self.ask("publisher", words)["id"])


@pytest.fixture(scope="module")
def openstack(cloud: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStack]:
    folder = tmp_path_factory.mktemp("openstack")
    environment = {"OS_CLIENT_CONFIG_FILE": str(cloud.data_dir / "clouds.yaml")}
    with Console("openstack", "help image list", folder, environment) as console:
        yield OpenStack(console, folder)


def test_every_command_about_images_has_a_story() -> None:
    commands = {entry.name.replace("_", " ") for entry in entry_points(group="openstack.image.v2")}

    assert len(commands) > 40
    assert commands - commands_in(__file__, commands) == set()


def test_an_image_is_made_changed_saved_and_deleted(openstack: OpenStack) -> None:
    made = openstack.ask(
        "publisher",
        f"image create {FORMATS} --file {openstack.data} --tag first --property os_distro=debian web",
    )
    assert (made["status"], made["size"], made["tags"]) == ("active", len(DATA), ["first"])
    assert made["properties"]["stores"] == "fast"

    openstack.do("publisher", "image set --name web-1 --tag second --os-version 12 --min-ram 64 web")
    openstack.do("publisher", "image unset --tag first --property os_distro web-1")
    shown = openstack.ask("publisher", "image show web-1")
    assert (shown["id"], shown["tags"], shown["min_ram"]) == (made["id"], ["second"], 64)
    assert shown["properties"]["os_version"] == "12"
    assert "os_distro" not in shown["properties"]

    rows = openstack.ask("publisher", "image list --long --tag second --property os_version=12")
    assert [(row["Name"], row["Checksum"]) for row in rows] == [("web-1", made["checksum"])]

    openstack.do("publisher", f"image save --file {openstack.saved} web-1")
    assert openstack.saved.read_bytes() == DATA

    openstack.do("publisher", "image set --deactivate web-1")
    # The client takes the error's text for the data.
    assert "Unable to download" in openstack.refused(
        "publisher", f"image save --file {openstack.saved} web-1"
    )
    openstack.do("publisher", "image set --activate web-1")
    openstack.do("publisher", "image set --hidden --community web-1")
    assert openstack.ask("publisher", "image list --hidden")[0]["Name"] == "web-1"

    openstack.do("publisher", "image delete web-1")
    assert "No Image found for web-1" in openstack.refused("publisher", "image show web-1")


def test_an_image_is_offered_accepted_and_withdrawn(openstack: OpenStack) -> None:
    image_id = openstack.create("offered")
    offer = openstack.ask("publisher", "image add project offered recipient")
    assert offer["status"] == "pending"
    recipient = offer["member_id"]

    openstack.do("recipient", f"image set --accept {image_id}")

    members = openstack.ask("publisher", "image member list offered")
    assert [(row["Member ID"], row["Status"]) for row in members] == [(recipient, "accepted")]
    assert openstack.ask("recipient", f"image member get {image_id} {recipient}")["status"] == "accepted"
    rows = openstack.ask("recipient", "image list --shared --member-status accepted")
    assert [row["ID"] for row in rows] == [image_id]

    openstack.do("recipient", f"image set --reject {image_id}")
    openstack.do("recipient", f"image set --pending {image_id}")
    openstack.do("publisher", "image remove project offered recipient")

    assert "No Image found" in openstack.refused("recipient", f"image show {image_id}")


def test_data_is_staged_and_imported(cloud: Service, openstack: OpenStack) -> None:
    image_id = openstack.ask("publisher", f"image create {FORMATS} staged")["id"]

    openstack.do("publisher", "image stage staged", stdin=openstack.data)
    assert openstack.ask("publisher", "image show staged")["status"] == "uploading"
    openstack.ask("publisher", "image import --all-stores --disallow-failure staged")

    # A store that takes no data is none of all.
    assert finish_import(cloud, image_id) == "active"
    shown = openstack.ask("publisher", "image show staged")
    assert (shown["size"], shown["properties"]["stores"]) == (len(DATA), "fast,slow")


def test_an_image_is_created_by_an_import(cloud: Service, openstack: OpenStack) -> None:
    made = openstack.ask("publisher", f"image create {FORMATS} --import --file {openstack.data} imported")

    assert finish_import(cloud, made["id"]) == "active"
    openstack.do("publisher", f"image save --file {openstack.saved} imported")
    assert openstack.saved.read_bytes() == DATA


def test_data_is_imported_from_a_url_and_from_another_service(
    cloud: Service, openstack: OpenStack, files: FileServer
) -> None:
    methods = openstack.ask("publisher", "image import info")["import-methods"]
    assert "web-download" in str(methods)
    for name in ("fetched", "fetched-again"):
        openstack.ask("publisher", f"image create {FORMATS} {name}")

    url = files.offer(DATA)
    fetched = openstack.ask("publisher", f"image import --method web-download --uri {url} fetched")
    assert finish_import(cloud, fetched["id"]) == "active"
    # The client leaves the region out unless the interface is told.
    remote = f"--remote-region RegionOne --remote-service-interface public --remote-image {fetched['id']}"
    again = openstack.ask("publisher", f"image import --method glance-download {remote} fetched-again")
    assert finish_import(cloud, again["id"]) == "active"

    checksums = [
        openstack.ask("publisher", f"image show {one['id']}")["checksum"] for one in (fetched, again)
    ]
    assert checksums[0] == checksums[1]


def test_an_image_is_copied_to_another_store_and_taken_from_it(cloud: Service, openstack: OpenStack) -> None:
    stores = openstack.ask("publisher", "image stores list")
    assert [(row["ID"], row["Default"]) for row in stores][:2] == [("fast", True), ("slow", None)]
    detail = openstack.ask("admin", "image stores list --detail")
    assert detail[0]["Properties"]["data_dir"].endswith("/fast")
    image_id = openstack.create("copied")

    openstack.ask("admin", f"image import {image_id} --method copy-image --store slow")
    assert finish_import(cloud, image_id) == "active"

    openstack.do("publisher", f"image save --store-preference slow --file {openstack.saved} copied")
    assert openstack.saved.read_bytes() == DATA
    openstack.do("admin", f"image delete --store fast {image_id}")
    assert openstack.ask("publisher", "image show copied")["properties"]["stores"] == "slow"


def test_tasks_are_watched(cloud: Service, openstack: OpenStack) -> None:
    made = openstack.ask("publisher", f"image create {FORMATS} --import --file {openstack.data} watched")
    finish_import(cloud, made["id"])

    tasks = openstack.ask("admin", "image task list --status success --sort-key created_at --sort-dir desc")
    task = openstack.ask("admin", f"image task show {tasks[0]['ID']}")

    assert (task["status"], task["type"]) == ("success", "api_image_import")
    assert task["input"]["image_id"] == made["id"]
    assert "403" in openstack.refused("publisher", "image task list")


def test_images_are_brought_to_the_cache_and_out_of_it(openstack: OpenStack) -> None:
    def cached() -> set[str]:
        rows = openstack.ask("admin", "cached image list")
        return {row["ID"] for row in rows if row["State"] == "cached"}

    first, second = openstack.create("cached-1"), openstack.create("cached-2")
    openstack.do("admin", f"cached image queue {first} {second}")
    wait_until(lambda: {first, second} <= cached())

    openstack.do("admin", f"cached image delete {first}")
    assert cached() & {first, second} == {second}
    openstack.do("admin", "cached image clear")
    assert cached() == set()


def test_namespaces_of_definitions(openstack: OpenStack) -> None:
    made = openstack.ask(
        "admin",
        "image metadef namespace create --display-name Shop --description Shops --public --protected Shop",
    )
    assert (made["visibility"], made["protected"]) == ("public", True)

    changes = "--unprotected --public --display-name Shops --tag a --tag b"
    openstack.do("admin", f"image metadef namespace set {changes} Shop")
    openstack.do("admin", "image metadef namespace unset --tag a Shop")
    shown = openstack.ask("publisher", "image metadef namespace show Shop")
    assert (shown["display_name"], shown["protected"]) == ("Shops", False)
    assert [tag["name"] for tag in shown["tags"]] == ["b"]
    rows = openstack.ask("publisher", "image metadef namespace list --visibility public")
    assert [row["namespace"] for row in rows] == ["Shop"]

    openstack.do("admin", "image metadef namespace unset --all-tags Shop")
    openstack.do("admin", "image metadef namespace delete Shop")
    assert "Shop was not found" in openstack.refused("admin", "image metadef namespace show Shop")


@pytest.fixture
def namespace(openstack: OpenStack) -> Iterator[str]:
    openstack.do("admin", "image metadef namespace create --public Garden")
    yield "Garden"
    openstack.do("admin", "image metadef namespace delete Garden")


def test_properties_of_a_namespace(openstack: OpenStack, namespace: str) -> None:
    schema = "--schema '{\"minimum\": 1}'"
    openstack.ask(
        "admin",
        f"image metadef property create --name width --title Width --type integer {schema} {namespace}",
    )
    openstack.do("admin", f"image metadef property set --name breadth --title Breadth {namespace} width")

    shown = openstack.ask("publisher", f"image metadef property show {namespace} breadth")
    rows = openstack.ask("publisher", f"image metadef property list {namespace}")

    assert (shown["title"], shown["type"], shown["minimum"]) == ("Breadth", "integer", 1)
    assert [row["name"] for row in rows] == ["breadth"]
    openstack.do("admin", f"image metadef property delete {namespace} breadth")
    assert openstack.ask("publisher", f"image metadef property list {namespace}") == []


def test_objects_of_a_namespace(cloud: Service, openstack: OpenStack, namespace: str) -> None:
    openstack.ask("admin", f"image metadef object create --namespace {namespace} Tree")
    openstack.do("admin", f"image metadef object update {namespace} Tree --name Plant")
    # The client makes objects without properties only.
    plant = {"name": "Plant", "properties": {"height": {"title": "Height", "type": "integer"}}}
    answer = cloud.client("admin").put(f"/v2/metadefs/namespaces/{namespace}/objects/Plant", json=plant)
    assert answer.status_code == 200, answer.text

    shown = openstack.ask("publisher", f"image metadef object show {namespace} Plant")
    height = openstack.ask("publisher", f"image metadef object property show {namespace} Plant height")
    rows = openstack.ask("publisher", f"image metadef object list {namespace}")

    assert shown["namespace_name"] == namespace
    assert (height["title"], height["type"]) == ("Height", "integer")
    assert [row["name"] for row in rows] == ["Plant"]
    openstack.do("admin", f"image metadef object delete {namespace} Plant")
    assert openstack.ask("publisher", f"image metadef object list {namespace}") == []


def test_resource_types_of_a_namespace(openstack: OpenStack, namespace: str) -> None:
    types = openstack.ask("publisher", "image metadef resource type list")
    assert "OS::Glance::Image" in {row["Name"] for row in types}

    openstack.ask("admin", f"image metadef resource type association create {namespace} OS::Glance::Image")
    rows = openstack.ask("publisher", f"image metadef resource type association list {namespace}")
    assert [row["Name"] for row in rows] == ["OS::Glance::Image"]

    openstack.do("admin", f"image metadef resource type association delete {namespace} OS::Glance::Image")
    assert openstack.ask("publisher", f"image metadef resource type association list {namespace}") == []
