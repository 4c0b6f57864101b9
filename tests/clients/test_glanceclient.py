"""Every command of python-glanceclient, unmodified, and what only its library has."""

import hashlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from glanceclient import Client
from glanceclient.v2 import shell
from harness.file_server import FileServer
from harness.service import Service

from clients.console import Console, commands_in, finish_import, wait_until

DATA = bytes(range(256)) * 64
FORMATS = "--disk-format raw --container-format bare"


class Glance:
    """The command `glance`, with a token and the service's URL."""

    def __init__(self, console: Console, cloud: Service, folder: Path) -> None:
        self._console = console
        self._cloud = cloud
        self.data = folder / "data"
        self.data.write_bytes(DATA)
        self.saved = folder / "saved"

    def do(self, caller: str, words: str, stdin: Path | None = None) -> str:
        done = self._console.run(f"{self._session(caller)} {words}", stdin)
        assert done.status == 0, (words, done)
        assert done.stderr == ""
        return done.stdout

    def show(self, caller: str, words: str, stdin: Path | None = None) -> dict[str, str]:
        """Field → value, of the table that a command shows about one thing."""
        shown: dict[str, str] = {}
        name = ""
        for row in _table(self.do(caller, words, stdin)):
            # A long value goes on in rows without a name.
            name = row["Property"] or name
            shown[name] = shown.get(name, "") + row["Value"]
        return shown

    def rows(self, caller: str, words: str) -> list[dict[str, str]]:
        """Column → value, for each row of a list."""
        return _table(self.do(caller, words))

    def refused(self, caller: str, words: str) -> str:
        """The command's complaint."""
        done = self._console.run(f"{self._session(caller)} {words}")
        assert done.status == 1, (words, done)
        return done.stderr

    def warned(self, caller: str, words: str) -> str:
        """The complaint of a command that ends as if all were well."""
        done = self._console.run(f"{self._session(caller)} {words}")
        assert done.status == 0, (words, done)
        return done.stderr

    def create(self, name: str) -> str:
        """The id of an active image of the publisher."""
        return self.show("publisher", f"image-create {FORMATS} --file {self.data} --name {name}")["id"]

    def _session(self, caller: str) -> str:
        return f"--os-image-url {self._cloud.url} --os-auth-token {self._cloud.token(caller)}"


def _table(text: str) -> list[dict[str, str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]


def _as_json(value: object) -> str:
    """As one word of a command."""
    return shlex.quote(json.dumps(value))


@pytest.fixture(scope="module")
def glance(cloud: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    folder = tmp_path_factory.mktemp("glance")
    with Console("glance", "help", folder, {}) as console:
        yield Glance(console, cloud, folder)


def test_every_command_has_a_story() -> None:
    commands = {name[3:].replace("_", "-") for name in vars(shell) if name.startswith("do_")}

    assert len(commands) > 60
    assert commands - commands_in(__file__, commands) == set()


def test_an_image_is_made_changed_and_deleted(glance: Glance) -> None:
    made = glance.show("publisher", f"image-create {FORMATS} --name web --property colour=blue --min-ram 64")
    assert (made["status"], made["colour"], made["min_ram"]) == ("queued", "blue", "64")
    image_id = made["id"]

    glance.do("publisher", f"image-upload --file {glance.data} --store slow {image_id}")
    changed = glance.show(
        "publisher",
        f"image-update {image_id} --name web-1 --property size_class=s --remove-property colour",
    )
    assert (changed["name"], changed["size_class"], changed["stores"]) == ("web-1", "s", "slow")
    assert "colour" not in changed
    tagged = glance.rows("publisher", f"image-tag-update {image_id} first")
    assert tagged == [{"ID": image_id, "Tags": "['first']"}]
    rows = glance.rows("publisher", "image-list --tag first --sort name:asc --limit 5")
    assert rows == [{"ID": image_id, "Name": "web-1"}]
    glance.do("publisher", f"image-tag-delete {image_id} first")

    glance.do("publisher", f"image-download --file {glance.saved} --prefer slow,fast {image_id}")
    assert glance.saved.read_bytes() == DATA
    glance.do("publisher", f"image-deactivate {image_id}")
    assert "Unable to download" in glance.refused("publisher", f"image-download --file /dev/null {image_id}")
    glance.do("publisher", f"image-reactivate {image_id}")
    shown = glance.show("publisher", f"image-show {image_id}")
    assert (shown["status"], shown["checksum"]) == ("active", hashlib.md5(DATA).hexdigest())

    glance.do("publisher", f"image-delete {image_id}")
    assert "No image found" in glance.refused("publisher", f"image-show {image_id}")


def test_the_schemas_are_explained(glance: Glance) -> None:
    rows = glance.rows("publisher", "explain image")

    assert {"id", "visibility", "os_hash_value"} <= {row["Attribute"] for row in rows}


def test_an_image_of_a_format_of_the_ims_api_is_updated(cloud: Service, glance: Glance) -> None:
    """The client holds an image that it changes, as a whole, against the schema; the one below /ims lists
    its formats."""
    made = cloud.client("publisher").post("/ims/v2/images", json={"name": "ims"}).json()

    url = f"--os-image-url {cloud.url}/ims"
    shown = glance.show("publisher", f"{url} image-update --name renamed --property color=red {made['id']}")

    assert (shown["name"], shown["color"], shown["disk_format"]) == ("renamed", "red", "zvhd2")


def test_members_are_added_answer_and_are_removed(cloud: Service, glance: Glance) -> None:
    image_id = glance.create("offered")
    recipient = cloud.clouds["recipient"].project_id

    offered = glance.rows("publisher", f"member-create {image_id} {recipient}")
    answered = glance.rows("recipient", f"member-update {image_id} {recipient} accepted")
    member = {"Image ID": image_id, "Member ID": recipient}

    assert offered == [member | {"Status": "pending"}]
    assert answered == [member | {"Status": "accepted"}]
    assert glance.rows("publisher", f"member-list --image-id {image_id}") == answered
    assert glance.show("recipient", f"member-get {image_id} {recipient}")["status"] == "accepted"
    glance.do("publisher", f"member-delete {image_id} {recipient}")
    assert glance.rows("publisher", f"member-list --image-id {image_id}") == []


def test_data_is_staged_and_imported_to_stores(cloud: Service, glance: Glance) -> None:
    image_id = glance.show("publisher", f"image-create {FORMATS} --name staged")["id"]

    glance.do("publisher", f"image-stage --file {glance.data} {image_id}")
    started = glance.show("publisher", f"image-import --stores slow,fast --allow-failure False {image_id}")

    assert started["status"] in ("uploading", "importing", "active")
    assert finish_import(cloud, image_id) == "active"
    assert glance.show("publisher", f"image-show {image_id}")["stores"] == "fast,slow"
    tasks = glance.rows("publisher", f"image-tasks {image_id}")
    assert [task["Status"] for task in tasks] == ["success"]


def test_images_are_created_by_imports(cloud: Service, glance: Glance, files: FileServer) -> None:
    methods = glance.show("publisher", "import-info")["import-methods"]
    assert {"glance-direct", "web-download", "copy-image", "glance-download"} <= set(
        json.loads(methods)["value"]
    )

    direct = glance.show(
        "publisher", f"image-create-via-import {FORMATS} --name direct --file {glance.data} --store slow"
    )["id"]
    url = files.offer(DATA)
    fetched = glance.show(
        "publisher",
        f"image-create-via-import {FORMATS} --name fetched --import-method web-download --uri {url}",
    )["id"]
    assert finish_import(cloud, direct) == finish_import(cloud, fetched) == "active"
    remote = f"--remote-region RegionOne --remote-image-id {fetched}"
    again = glance.show(
        "publisher",
        f"image-create-via-import {FORMATS} --name again --import-method glance-download {remote}",
    )["id"]
    assert finish_import(cloud, again) == "active"

    shown = [glance.show("publisher", f"image-show {one}") for one in (direct, fetched, again)]
    assert {one["checksum"] for one in shown} == {hashlib.md5(DATA).hexdigest()}
    assert [one["stores"] for one in shown] == ["slow", "fast", "fast"]


def test_an_image_is_copied_between_stores(cloud: Service, glance: Glance) -> None:
    stores = json.loads(glance.show("publisher", "stores-info")["stores"])
    assert [(one["id"], one.get("default")) for one in stores][:2] == [("fast", "true"), ("slow", None)]
    assert "properties" in glance.show("admin", "stores-info --detail")["stores"]
    image_id = glance.create("copied")

    glance.do("admin", f"image-import --import-method copy-image --all-stores True {image_id}")
    assert finish_import(cloud, image_id) == "active"

    assert glance.show("publisher", f"image-show {image_id}")["stores"] == "fast,slow"
    glance.do("admin", f"stores-delete --store fast {image_id}")
    assert glance.show("publisher", f"image-show {image_id}")["stores"] == "slow"
    assert "Unable to delete image" in glance.refused("admin", f"stores-delete --store slow {image_id}")


def test_an_image_is_given_data_that_lies_elsewhere(
    cloud: Service, glance: Glance, files: FileServer
) -> None:
    image_id = glance.show("publisher", f"image-create {FORMATS} --name elsewhere")["id"]
    url = files.offer(DATA)
    said = {"os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(DATA).hexdigest()}

    glance.do("publisher", f"add-location --url {url} --validation-data {_as_json(said)} {image_id}")

    assert finish_import(cloud, image_id) == "active"
    glance.do("publisher", f"image-download --file {glance.saved} {image_id}")
    assert glance.saved.read_bytes() == DATA
    # Which no command shows.
    images = Client(endpoint=f"{cloud.url}/v2", token=cloud.token("admin")).images
    locations = images.get_image_locations(image_id)
    assert [location["url"] for location in locations] == [url]


@pytest.mark.parametrize(
    "words", ["location-add --url {} {}", "location-update --url {} {}", "location-delete --url {} {}"]
)
def test_locations_are_not_changed_as_before_the_locations_api(glance: Glance, words: str) -> None:
    image_id = glance.create("fixed")

    complaint = glance.refused("publisher", words.format("http://127.0.0.1/x", image_id))

    assert "locations" in complaint


def test_usage_is_told_beside_its_limits(glance: Glance) -> None:
    glance.create("counted")

    rows = glance.rows("publisher", "usage")

    assert {row["Quota"]: row["Limit"] for row in rows} == {
        "image_count_total": "100",
        "image_size_total": "1024",
    }


def test_tasks_make_images(cloud: Service, glance: Glance, files: FileServer) -> None:
    wanted = {
        "import_from": files.offer(DATA),
        "import_from_format": "raw",
        "image_properties": {"name": "by-task", "disk_format": "raw", "container_format": "bare"},
    }

    made = glance.show("admin", f"task-create --type import --input {_as_json(wanted)}")
    assert made["type"] == "import"
    wait_until(lambda: glance.show("admin", f"task-show {made['id']}")["status"] == "success")

    listed = glance.rows("admin", "task-list --type import --status success --sort-key id")
    assert made["id"] in {row["ID"] for row in listed}
    image_id = json.loads(glance.show("admin", f"task-show {made['id']}")["result"])["image_id"]
    assert glance.show("admin", f"image-show {image_id}")["name"] == "by-task"


def test_images_are_brought_to_the_cache_and_out_of_it(glance: Glance) -> None:
    def cached() -> set[str]:
        rows = glance.rows("admin", "cache-list")
        return {row["ID"] for row in rows if row["State"] == "cached"}

    first, second = glance.create("cached-1"), glance.create("cached-2")
    glance.do("admin", f"cache-queue {first} {second}")
    wait_until(lambda: {first, second} <= cached())

    assert glance.do("admin", "cache-clean") == ""
    assert glance.do("admin", "cache-prune") == "Pruned 0 file(s), 0 byte(s).\n"
    assert "409" in glance.warned("admin", f"cache-nodes-list {first}")
    glance.do("admin", f"cache-delete {first}")
    assert cached() & {first, second} == {second}
    glance.do("admin", "cache-clear --target both")
    assert cached() == set()
    assert "not permitted" in glance.warned("publisher", "cache-clear")


def test_namespaces_of_definitions(glance: Glance, tmp_path: Path) -> None:
    made = glance.show("admin", "md-namespace-create --visibility public --display-name Shop Shop")
    assert (made["visibility"], made["display_name"]) == ("public", "Shop")
    whole = {
        "namespace": "Whole",
        "visibility": "public",
        "properties": {"width": {"title": "Width", "type": "integer"}},
        "objects": [{"name": "Tree", "properties": {"height": {"title": "Height", "type": "integer"}}}],
        "tags": [{"name": "green"}],
        "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "g_"}],
    }
    file = tmp_path / "whole.json"
    file.write_text(json.dumps(whole))

    glance.do("admin", f"md-namespace-import --file {file}")
    glance.do("admin", "md-namespace-update Shop --display-name Shops --visibility public")

    shown = glance.show("publisher", "md-namespace-show --resource-type OS::Glance::Image Whole")
    assert "g_width" in shown["properties"]
    assert "Tree" in shown["objects"]
    names = {row["namespace"] for row in glance.rows("publisher", "md-namespace-list --page-size 1")}
    assert {"Shop", "Whole"} <= names
    glance.do("admin", "md-namespace-delete Shop")
    glance.do("admin", "md-namespace-delete Whole")
    assert "404" in glance.refused("admin", "md-namespace-show Shop")


@pytest.fixture
def namespace(glance: Glance) -> Iterator[str]:
    glance.do("admin", "md-namespace-create --visibility public Garden")
    yield "Garden"
    glance.do("admin", "md-namespace-delete Garden")


def test_properties_of_a_namespace(glance: Glance, namespace: str) -> None:
    schema = _as_json({"minimum": 1})
    glance.do(
        "admin", f"md-property-create {namespace} --name width --title Width --type integer --schema {schema}"
    )
    glance.do("admin", f"md-property-update {namespace} width --name breadth --title Breadth")

    shown = glance.show("publisher", f"md-property-show {namespace} breadth")
    rows = glance.rows("publisher", f"md-property-list {namespace}")

    assert (shown["title"], shown["minimum"]) == ("Breadth", "1")
    assert rows == [{"name": "breadth", "title": "Breadth", "type": "integer"}]
    glance.do("admin", f"md-property-delete {namespace} breadth")
    glance.do("admin", f"md-namespace-properties-delete {namespace}")
    assert glance.rows("publisher", f"md-property-list {namespace}") == []


def test_objects_of_a_namespace(glance: Glance, namespace: str) -> None:
    schema = {"description": "It grows.", "properties": {"height": {"title": "Height", "type": "integer"}}}
    glance.do("admin", f"md-object-create {namespace} --name Tree --schema {_as_json(schema)}")
    glance.do("admin", f"md-object-update {namespace} Tree --name Plant")

    shown = glance.show("publisher", f"md-object-show {namespace} Plant")
    height = glance.show("publisher", f"md-object-property-show {namespace} Plant height")
    rows = glance.rows("publisher", f"md-object-list {namespace}")

    assert (shown["description"], height["title"]) == ("It grows.", "Height")
    assert rows == [{"name": "Plant", "description": "It grows."}]
    glance.do("admin", f"md-object-delete {namespace} Plant")
    glance.do("admin", f"md-namespace-objects-delete {namespace}")
    assert glance.rows("publisher", f"md-object-list {namespace}") == []


def test_tags_of_a_namespace(glance: Glance, namespace: str) -> None:
    def names() -> set[str]:
        return {row["name"] for row in glance.rows("publisher", f"md-tag-list {namespace}")}

    glance.do("admin", f"md-tag-create {namespace} --name green")
    glance.do("admin", f"md-tag-create-multiple {namespace} --names green,wet,dry")
    assert names() == {"green", "wet", "dry"}

    glance.do("admin", f"md-tag-update {namespace} wet --name damp")
    assert glance.show("publisher", f"md-tag-show {namespace} damp")["name"] == "damp"
    glance.do("admin", f"md-tag-delete {namespace} green")
    assert names() == {"damp", "dry"}
    glance.do("admin", f"md-namespace-tags-delete {namespace}")
    assert names() == set()


def test_resource_types_of_a_namespace(glance: Glance, namespace: str) -> None:
    types = {row["name"] for row in glance.rows("publisher", "md-resource-type-list")}
    assert "OS::Glance::Image" in types

    glance.do("admin", f"md-resource-type-associate {namespace} --name OS::Glance::Image --prefix g_")
    rows = glance.rows("publisher", f"md-namespace-resource-type-list {namespace}")

    assert [(row["name"], row["prefix"]) for row in rows] == [("OS::Glance::Image", "g_")]
    glance.do("admin", f"md-resource-type-deassociate {namespace} OS::Glance::Image")
    assert glance.rows("publisher", f"md-namespace-resource-type-list {namespace}") == []
