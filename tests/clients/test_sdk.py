"""Every method of openstacksdk for images, unmodified, in stories."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.file_server import FileServer
from harness.sdk import connect
from harness.service import Service
from openstack.exceptions import ConflictException, ForbiddenException, NotFoundException
from openstack.image.v2._proxy import Proxy

from clients.console import finish_import, wait_until

DATA = bytes(range(256)) * 64
FORMATS = {"disk_format": "raw", "container_format": "bare"}
#: How often and how long the client's own waiting asks.
PATIENCE: dict[str, Any] = {"interval": 0.05, "wait": 30}
# The client warns of its own future.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


class Callers:
    """The image API as each account sees it."""

    def __init__(self, cloud: Service) -> None:
        self._cloud = cloud
        self._connections: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._connections:
            self._connections[name] = connect(self._cloud, name)
        return self._connections[name].image

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()


@pytest.fixture(scope="module")
def callers(cloud: Service) -> Iterator[Callers]:
    callers = Callers(cloud)
    yield callers
    callers.close()


@pytest.fixture
def publisher(callers: Callers) -> Any:
    return callers["publisher"]


@pytest.fixture
def recipient(callers: Callers) -> Any:
    return callers["recipient"]


@pytest.fixture
def admin(callers: Callers) -> Any:
    return callers["admin"]


def create(image: Any, name: str) -> Any:
    """An active image."""
    made = image.create_image(name, data=DATA, allow_duplicates=True, **FORMATS)
    return image.get_image(made.id)


def test_every_method_has_a_story() -> None:
    methods = {name for name, _ in inspect.getmembers(Proxy, inspect.isfunction) if name in vars(Proxy)}
    public = {name for name in methods if not name.startswith("_")}
    nodes = list(ast.walk(ast.parse(Path(__file__).read_text())))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}

    assert len(public) > 70
    assert public - attributes - texts == set()


def test_an_image_is_made_changed_and_deleted(publisher: Any, tmp_path: Path) -> None:
    made = create(publisher, "web")
    assert (made.status, made.size) == ("active", len(DATA))

    publisher.update_image(made, name="web-1", min_ram=64)
    assert publisher.update_image_properties(made, colour="blue")
    publisher.add_tag(made, "first")
    publisher.add_tag(made, "second")
    publisher.remove_tag(made, "first")
    shown = publisher.get_image(made.id)
    assert (shown.name, shown.min_ram, shown.tags) == ("web-1", 64, ["second"])
    assert shown.properties["colour"] == "blue"
    assert publisher.find_image("web-1").id == made.id
    assert [one.id for one in publisher.images(tag="second", limit=1)] == [made.id]

    assert publisher.download_image(made).content == DATA
    publisher.download_image(made, output=str(tmp_path / "saved"), stream=True)
    assert (tmp_path / "saved").read_bytes() == DATA
    publisher.deactivate_image(made)
    assert publisher.get_image(made).status == "deactivated"
    publisher.reactivate_image(made)

    publisher.delete_image(made)
    publisher.wait_for_delete(made, **PATIENCE)
    with pytest.raises(NotFoundException):
        publisher.get_image(made.id)


def test_the_old_way_to_upload_still_works(publisher: Any) -> None:
    made = publisher.upload_image("bare", "raw", DATA, name="old")

    assert publisher.get_image(made).checksum == made.checksum


def test_an_image_is_offered_accepted_and_withdrawn(cloud: Service, publisher: Any, recipient: Any) -> None:
    image = create(publisher, "offered")
    project = cloud.clouds["recipient"].project_id

    assert publisher.add_member(image, member_id=project).status == "pending"
    recipient.update_member(project, image, status="accepted")

    assert publisher.get_member(project, image).status == "accepted"
    assert publisher.find_member(project, image).status == "accepted"
    assert [member.member_id for member in publisher.members(image)] == [project]
    assert image.id in {one.id for one in recipient.images(visibility="shared")}
    publisher.remove_member(project, image, ignore_missing=False)
    with pytest.raises(NotFoundException):
        recipient.get_image(image.id)


def test_data_is_staged_and_imported_to_stores(publisher: Any) -> None:
    image = publisher.create_image("staged", allow_duplicates=True, **FORMATS)
    assert set(publisher.get_import_info().import_methods["value"]) >= {"glance-direct", "copy-image"}

    publisher.stage_image(image, data=DATA)
    assert image.status == "uploading"
    publisher.import_image(image, stores=["fast", "slow"], all_stores_must_succeed=True)

    image = publisher.wait_for_status(image, "active", ["queued"], **PATIENCE)
    assert (image.size, image.properties["stores"]) == (len(DATA), "fast,slow")
    (task,) = publisher.image_tasks(image)
    assert (task.type, task.image_id) == ("api_image_import", image.id)


def test_images_are_created_by_imports(cloud: Service, publisher: Any, files: FileServer) -> None:
    direct = publisher.create_image("direct", data=DATA, use_import=True, **FORMATS)
    fetched = publisher.create_image("fetched", **FORMATS)
    publisher.import_image(fetched, method="web-download", uri=files.offer(DATA))
    assert finish_import(cloud, fetched.id) == "active"
    again = publisher.create_image("again", **FORMATS)
    remote = {"remote_region": "RegionOne", "remote_service_interface": "public"}
    publisher.import_image(again, method="glance-download", remote_image_id=fetched.id, **remote)

    assert finish_import(cloud, direct.id) == finish_import(cloud, again.id) == "active"
    assert [publisher.download_image(one).content for one in (direct, fetched, again)] == [DATA] * 3


def test_an_image_is_copied_between_stores(cloud: Service, publisher: Any, admin: Any) -> None:
    stores = list(publisher.stores())
    assert [(store.id, store.is_default) for store in stores][:2] == [("fast", True), ("slow", None)]
    assert next(iter(admin.stores(details=True))).properties["data_dir"].endswith("/fast")
    image = create(publisher, "copied")

    admin.import_image(image, method="copy-image", all_stores=True)
    assert finish_import(cloud, image.id) == "active"
    assert publisher.download_image(image, store_preferences=["slow"]).content == DATA
    admin.delete_image(image, store="fast")

    assert publisher.get_image(image.id).properties["stores"] == "slow"
    with pytest.raises(ForbiddenException):
        admin.delete_image(image, store="slow")


def test_an_image_is_given_data_that_lies_elsewhere(
    cloud: Service, publisher: Any, admin: Any, files: FileServer
) -> None:
    image = publisher.create_image("elsewhere", **FORMATS)
    url = files.offer(DATA)

    publisher.add_image_location(image, url)

    assert finish_import(cloud, image.id) == "active"
    assert [location.url for location in admin.image_locations(image)] == [url]
    assert publisher.download_image(image.id).content == DATA


def test_tasks_make_images(admin: Any, files: FileServer) -> None:
    wanted = {
        "import_from": files.offer(DATA),
        "import_from_format": "raw",
        "image_properties": {"name": "by-task", **FORMATS},
    }

    task = admin.create_task(type="import", input=wanted)
    done = admin.wait_for_task(task, **PATIENCE)

    assert admin.get_task(task).result == done.result
    assert task.id in {one.id for one in admin.tasks(type="import")}
    assert admin.get_image(done.result["image_id"]).name == "by-task"


def test_images_are_brought_to_the_cache_and_out_of_it(publisher: Any, admin: Any) -> None:
    def cached() -> set[str]:
        return {one["image_id"] for one in admin.get_image_cache().cached_images}

    first, second = create(publisher, "cached-1"), create(publisher, "cached-2")
    admin.queue_image(first)
    admin.queue_image(second.id)
    wait_until(lambda: {first.id, second.id} <= cached())

    admin.clean_cache()
    assert admin.prune_cache() == {"total_files_pruned": 0, "total_bytes_pruned": 0}
    with pytest.raises(ConflictException):
        admin.cached_image_nodes(first)
    admin.cache_delete_image(first.id, ignore_missing=False)
    assert cached() & {first.id, second.id} == {second.id}
    admin.clear_cache("both")
    assert cached() == set()


SCHEMAS = {
    "get_image_schema": "image",
    "get_images_schema": "images",
    "get_member_schema": "member",
    "get_members_schema": "members",
    "get_task_schema": "task",
    "get_tasks_schema": "tasks",
    "get_metadef_namespace_schema": "namespace",
    "get_metadef_namespaces_schema": "namespaces",
    "get_metadef_object_schema": "object",
    "get_metadef_objects_schema": "objects",
    "get_metadef_property_schema": "property",
    "get_metadef_properties_schema": "properties",
    "get_metadef_tag_schema": "tag",
    "get_metadef_tags_schema": "tags",
    "get_metadef_resource_type_schema": "resource_type_association",
    "get_metadef_resource_types_schema": "resource_type_associations",
}


@pytest.mark.parametrize(("method", "name"), SCHEMAS.items())
def test_schemas_are_read(publisher: Any, method: str, name: str) -> None:
    schema = getattr(publisher, method)()

    assert schema.name == name
    assert schema.properties


@pytest.fixture
def namespace(admin: Any) -> Iterator[Any]:
    made = admin.create_metadef_namespace(namespace="Garden", visibility="public", description="It grows.")
    yield made
    admin.delete_metadef_namespace(made, ignore_missing=False)


def test_namespaces_of_definitions(cloud: Service, publisher: Any, admin: Any, namespace: Any) -> None:
    # An instance would leave out what did not change, and what is left out is private.
    changed = admin.update_metadef_namespace("Garden", display_name="Gardens", visibility="public")
    admin.add_tag_to_metadef_namespace(namespace, "green")
    admin.add_tag_to_metadef_namespace(namespace, "wet")
    admin.remove_tag_from_metadef_namespace(namespace, "wet")

    shown = publisher.get_metadef_namespace("Garden")
    assert (changed.display_name, shown.display_name) == ("Gardens", "Gardens")
    assert [tag["name"] for tag in shown.tags] == ["green"]
    assert [one.namespace for one in publisher.metadef_namespaces()] == ["Garden"]
    admin.remove_tags_from_metadef_namespace(namespace)
    # The client keeps tags that it added where every namespace without any finds them.
    left = cloud.client("publisher").get("/v2/metadefs/namespaces/Garden/tags")
    assert left.json()["tags"] == []


def test_objects_of_a_namespace(publisher: Any, admin: Any, namespace: Any) -> None:
    properties = {"height": {"title": "Height", "type": "integer"}}
    made = admin.create_metadef_object(namespace, name="Tree", properties=properties)
    admin.create_metadef_object(namespace, name="Bush")
    admin.update_metadef_object(made, namespace, name="Plant")

    assert {one.name for one in publisher.metadef_objects(namespace)} == {"Plant", "Bush"}
    admin.delete_metadef_object("Bush", namespace)
    assert publisher.get_metadef_object("Plant", namespace).name == "Plant"
    admin.delete_all_metadef_objects(namespace)
    assert list(publisher.metadef_objects(namespace)) == []


def test_properties_of_a_namespace(publisher: Any, admin: Any, namespace: Any) -> None:
    width = {"name": "width", "title": "Width", "type": "integer", "minimum": 1}
    admin.create_metadef_property(namespace, **width)
    admin.create_metadef_property(namespace, name="hue", title="Hue", type="string", enum=["red"])
    admin.update_metadef_property("width", namespace, **width | {"title": "Breadth"})

    shown = publisher.get_metadef_property("width", namespace)
    assert (shown.title, shown.type, shown.minimum) == ("Breadth", "integer", 1)
    assert {one.name for one in publisher.metadef_properties(namespace)} == {"hue", "width"}
    admin.delete_metadef_property("hue", namespace, ignore_missing=False)
    admin.delete_all_metadef_properties(namespace)
    assert list(publisher.metadef_properties(namespace)) == []


def test_resource_types_of_a_namespace(publisher: Any, admin: Any, namespace: Any) -> None:
    assert "OS::Glance::Image" in {one.name for one in publisher.metadef_resource_types()}

    admin.create_metadef_resource_type_association(namespace, name="OS::Glance::Image", prefix="g_")

    (found,) = publisher.metadef_resource_type_associations(namespace)
    assert (found.name, found.prefix) == ("OS::Glance::Image", "g_")
    admin.delete_metadef_resource_type_association(found, namespace, ignore_missing=False)
    assert list(publisher.metadef_resource_type_associations(namespace)) == []
