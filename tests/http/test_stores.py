"""Several stores: which there are, where data goes and where it comes from (images-v2, 5.1, 6.1, 6.2)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from conftest import DATABASES, SharedServices
from harness import plain_http
from harness.forks import create_migrated_database, forked_service
from harness.postgresql import PostgreSQL
from harness.service import Service
from harness.stores import stored_files
from images import (
    TEN_BYTES,
    UNKNOWN_ID,
    Image,
    create_active_image,
    create_image,
    create_raw_image,
    delete_image,
    explanation,
    list_ids,
    show_image,
    update_image,
    upload_data,
)
from importing import create_staged_image, finish_import, start_import


class TwoStores:
    """A service with the stores `fast` (the default) and `slow`, and the folders of both."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self.folder = folder

    def client(self, name: str) -> httpx.Client:
        return self.service.client(name)

    def files(self, store: str) -> set[str]:
        """The names of the files that the store holds."""
        return {path.name for path in stored_files(self.folder / store)}

    def file_of(self, store: str, image_id: str) -> Path:
        """The file in the store that holds the image's data."""
        (path,) = (path for path in (self.folder / store).rglob(f"{image_id}*") if path.is_file())
        return path


def stores_setting(folder: Path) -> str:
    fast, slow = (folder / name for name in ("fast", "slow"))
    return (
        f"fast={fast.as_uri()}?weight=300&description=fast%20file%20store,\n  slow={slow.as_uri()}?weight=100"
    )


@pytest.fixture(scope="module", params=DATABASES, ids=DATABASES)
def two_stores(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgresql: PostgreSQL,
    shared_services: SharedServices,
) -> Iterator[TwoStores]:
    folder = tmp_path_factory.mktemp("two-stores")
    database = create_migrated_database(postgresql) if request.param == "postgresql" else None
    settings = {
        "TRANSOM_STORES": stores_setting(folder),
        "TRANSOM_SHOW_IMAGE_DIRECT_URL": "true",
        "TRANSOM_UPLOAD_LEASE_S": "3",
    }
    with forked_service(folder, database, settings) as service:
        service.add_user("reader", "publisher", "reader")
        yield TwoStores(service, folder)


# ---- which there are


def test_the_stores_are_listed_as_they_are_set(two_stores: TwoStores) -> None:
    response = two_stores.client("publisher").get("/v2/info/stores")

    assert response.status_code == 200
    assert response.json() == {
        "stores": [
            {"id": "fast", "description": "fast file store", "default": "true"},
            {"id": "slow"},
        ]
    }


def test_an_admin_sees_what_the_stores_are_made_of(two_stores: TwoStores) -> None:
    response = two_stores.client("admin").get("/v2/info/stores/detail")

    fast, slow = response.json()["stores"]
    assert (fast["type"], fast["weight"], slow["weight"]) == ("file", 300, 100)
    assert fast["properties"]["data_dir"] == str(two_stores.folder / "fast")


def test_others_do_not_see_what_the_stores_are_made_of(two_stores: TwoStores) -> None:
    response = two_stores.client("publisher").get("/v2/info/stores/detail")

    assert response.status_code == 403
    assert "You are not authorized to complete stores_info_detail action." in explanation(response)


@pytest.mark.parametrize("path", ["/v2/info/stores", "/v2/info/stores/detail"])
def test_the_stores_are_told_to_known_callers_only(two_stores: TwoStores, path: str) -> None:
    assert plain_http.get(two_stores.service.url + path).status_code == 401


def test_a_service_without_the_setting_has_one_store(service: Service) -> None:
    response = service.client("publisher").get("/v2/info/stores")

    assert response.json() == {"stores": [{"id": "local", "default": "true"}]}


def test_the_answer_to_a_create_names_the_stores(two_stores: TwoStores) -> None:
    response = two_stores.client("publisher").post("/v2/images", json={})

    assert response.headers["OpenStack-image-store-ids"] == "fast,slow"


# ---- where data goes


def test_data_goes_to_the_default_store(two_stores: TwoStores) -> None:
    image = create_active_image(two_stores.client("publisher"))

    assert image["stores"] == "fast"
    assert two_stores.file_of("fast", image["id"]).read_bytes() == TEN_BYTES


def test_data_goes_to_the_store_that_the_client_names(two_stores: TwoStores) -> None:
    publisher = two_stores.client("publisher")
    image = create_raw_image(publisher)

    response = upload_data(publisher, image["id"], TEN_BYTES, {"X-Image-Meta-Store": "slow"})

    assert response.status_code == 204
    assert show_image(publisher, image["id"])["stores"] == "slow"
    assert two_stores.file_of("slow", image["id"]).read_bytes() == TEN_BYTES
    assert publisher.get(image["file"]).content == TEN_BYTES


def test_data_goes_to_no_store_that_is_not_there(two_stores: TwoStores) -> None:
    publisher = two_stores.client("publisher")
    image = create_raw_image(publisher)

    response = upload_data(publisher, image["id"], TEN_BYTES, {"X-Image-Meta-Store": "web"})

    assert response.status_code == 400
    assert "Store 'web' is not configured." in explanation(response)
    assert show_image(publisher, image["id"])["status"] == "queued"


def test_a_deleted_image_leaves_no_file_in_its_store(two_stores: TwoStores) -> None:
    publisher = two_stores.client("publisher")
    image = create_raw_image(publisher)
    upload_data(publisher, image["id"], TEN_BYTES, {"X-Image-Meta-Store": "slow"})

    delete_image(publisher, image["id"])

    assert [name for name in two_stores.files("slow") if name.startswith(image["id"])] == []


def test_a_refused_upload_leaves_no_file_in_its_store(two_stores: TwoStores) -> None:
    publisher = two_stores.client("publisher")
    image = create_raw_image(publisher)
    headers = {"X-Image-Meta-Store": "slow", "X-OpenStack-Image-Size": "11"}

    response = upload_data(publisher, image["id"], TEN_BYTES, headers)

    assert response.status_code == 400
    assert [name for name in two_stores.files("slow") if name.startswith(image["id"])] == []


# ---- what is shown of it


def test_an_image_without_data_is_in_no_store(two_stores: TwoStores) -> None:
    image = create_image(two_stores.client("publisher"))

    assert "stores" not in image
    assert "direct_url" not in image


def test_a_list_of_images_tells_their_stores(two_stores: TwoStores) -> None:
    publisher = two_stores.client("publisher")
    image = create_active_image(publisher)

    listed = publisher.get(f"/v2/images?id={image['id']}").json()["images"]

    assert listed == [image]


def test_the_direct_url_is_that_of_the_data(two_stores: TwoStores) -> None:
    image = create_active_image(two_stores.client("publisher"))

    assert image["direct_url"] == two_stores.file_of("fast", image["id"]).as_uri()


def test_the_direct_url_is_shown_on_demand_only(service: Service) -> None:
    assert "direct_url" not in create_active_image(service.client("publisher"))


def test_the_stores_of_a_deactivated_image_are_told_to_admins_only(two_stores: TwoStores) -> None:
    publisher = two_stores.client("publisher")
    image_id = create_active_image(publisher)["id"]
    publisher.post(f"/v2/images/{image_id}/actions/deactivate")

    seen_by = {name: show_image(two_stores.client(name), image_id) for name in ("publisher", "admin")}

    assert {"stores", "direct_url"} & set(seen_by["publisher"]) == set()
    assert seen_by["admin"]["stores"] == "fast"
    assert "direct_url" in seen_by["admin"]


@pytest.mark.parametrize("name", ["stores", "direct_url"])
def test_the_stores_of_an_image_are_not_the_clients_to_set(two_stores: TwoStores, name: str) -> None:
    publisher = two_stores.client("publisher")
    image_id = create_active_image(publisher)["id"]

    response = update_image(publisher, image_id, {"op": "replace", "path": f"/{name}", "value": "slow"})

    assert response.status_code == 403


def test_images_are_not_found_by_their_store(two_stores: TwoStores) -> None:
    """`stores` is no property, though a filter of that name looks like one."""
    publisher = two_stores.client("publisher")
    create_active_image(publisher)

    assert list_ids(publisher, "stores=fast") == []


# ---- where data comes from


@pytest.mark.parametrize("preferred", ["slow", "fast", "slow,fast", ""])
def test_data_comes_from_wherever_it_is(two_stores: TwoStores, preferred: str) -> None:
    publisher = two_stores.client("publisher")
    image = create_active_image(publisher)

    response = publisher.get(image["file"], params={"prefer": preferred})

    assert (response.status_code, response.content) == (200, TEN_BYTES)


@pytest.mark.parametrize("preferred", ["web", "fast,web", "fast,"])
def test_a_store_that_is_not_there_is_not_preferred(two_stores: TwoStores, preferred: str) -> None:
    publisher = two_stores.client("publisher")
    image = create_active_image(publisher)

    response = publisher.get(image["file"], params={"prefer": preferred})

    assert response.status_code == 400
    assert "is not configured." in explanation(response)


def test_data_of_a_store_that_is_gone_from_the_settings_is_unavailable_and_not_lost(
    tmp_path: Path,
) -> None:
    with forked_service(tmp_path, None, {"TRANSOM_STORES": stores_setting(tmp_path)}) as service:
        image = create_active_image(service.client("publisher"))
        service.stop()
        service.settings["TRANSOM_STORES"] = f"slow={(tmp_path / 'slow').as_uri()}"
        service.start()
        without = service.client("publisher").get(image["file"])
        shown = show_image(service.client("publisher"), image["id"])
        service.stop()
        service.settings["TRANSOM_STORES"] = stores_setting(tmp_path)
        service.start()
        again = service.client("publisher").get(image["file"])

    assert without.status_code == 503
    assert shown["stores"] == "fast"
    assert (again.status_code, again.content) == (200, TEN_BYTES)


def test_images_from_before_there_were_several_stores_are_still_there(tmp_path: Path) -> None:
    with forked_service(tmp_path) as service:
        image = create_active_image(service.client("publisher"))
        service.stop()
        local = f"local={(service.data_dir / 'images').as_uri()}"
        service.settings["TRANSOM_STORES"] = f"{stores_setting(tmp_path)}, {local}"
        service.start()
        response = service.client("publisher").get(image["file"])

    assert (response.status_code, response.content) == (200, TEN_BYTES)


# ---- taking a copy away


def delete_from_store(client: httpx.Client, store_id: str, image_id: str) -> httpx.Response:
    return client.delete(f"/v2/stores/{store_id}/{image_id}")


def test_the_only_copy_is_not_taken_away(two_stores: TwoStores) -> None:
    image = create_active_image(two_stores.client("publisher"))

    response = delete_from_store(two_stores.client("admin"), "fast", image["id"])

    assert response.status_code == 403
    assert "the only store containing it" in explanation(response)
    assert two_stores.client("publisher").get(image["file"]).content == TEN_BYTES


def test_a_copy_is_taken_from_no_store_that_is_not_there(two_stores: TwoStores) -> None:
    response = delete_from_store(two_stores.client("admin"), "web", UNKNOWN_ID)

    assert response.status_code == 409
    assert "The selected store web is not available on this node." in explanation(response)


def test_a_copy_of_an_unknown_image_is_not_found(two_stores: TwoStores) -> None:
    response = delete_from_store(two_stores.client("admin"), "fast", UNKNOWN_ID)

    assert response.status_code == 404
    assert f"Failed to find image {UNKNOWN_ID}" in explanation(response)


@pytest.mark.parametrize(("name", "status"), [("publisher", 403), ("reader", 403), ("recipient", 404)])
def test_a_copy_is_taken_away_by_admins_only(two_stores: TwoStores, name: str, status: int) -> None:
    image = create_active_image(two_stores.client("publisher"))

    assert delete_from_store(two_stores.client(name), "fast", image["id"]).status_code == status


@pytest.mark.parametrize("status", ["queued", "deactivated"])
def test_a_copy_is_taken_from_an_active_image_only(two_stores: TwoStores, status: str) -> None:
    publisher = two_stores.client("publisher")
    image_id = (create_raw_image if status == "queued" else create_active_image)(publisher)["id"]
    if status == "deactivated":
        publisher.post(f"/v2/images/{image_id}/actions/deactivate")

    assert delete_from_store(two_stores.client("admin"), "fast", image_id).status_code == 409


# ---- an image in two stores


def create_copied_image(two_stores: TwoStores) -> Image:
    """An image of the publisher with its data in both stores."""
    publisher = two_stores.client("publisher")
    image_id = create_staged_image(publisher, TEN_BYTES)
    started = start_import(publisher, image_id, stores=["fast", "slow"])
    assert started.status_code == 202, started.text
    assert finish_import(publisher, image_id)["status"] == "success"
    return show_image(publisher, image_id)


def test_an_image_names_the_heavier_store_first(two_stores: TwoStores) -> None:
    image = create_copied_image(two_stores)

    assert image["stores"] == "fast,slow"
    assert image["direct_url"] == two_stores.file_of("fast", image["id"]).as_uri()


@pytest.mark.parametrize(("preferred", "store"), [(None, "fast"), ("slow", "slow"), ("slow,fast", "slow")])
def test_the_preferred_copy_is_read(two_stores: TwoStores, preferred: str | None, store: str) -> None:
    image = create_copied_image(two_stores)
    two_stores.file_of(store, image["id"]).write_bytes(b"this one  ")

    params = {} if preferred is None else {"prefer": preferred}
    response = two_stores.client("publisher").get(image["file"], params=params)

    assert response.content == b"this one  "


@pytest.mark.parametrize("damage", ["gone", "cut short"])
def test_a_copy_that_is_not_as_recorded_is_passed_over(two_stores: TwoStores, damage: str) -> None:
    image = create_copied_image(two_stores)
    file = two_stores.file_of("fast", image["id"])
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(TEN_BYTES[:5])

    response = two_stores.client("publisher").get(image["file"])

    assert (response.status_code, response.content) == (200, TEN_BYTES)


@pytest.mark.parametrize(("store", "other"), [("fast", "slow"), ("slow", "fast")])
def test_a_copy_is_taken_away_and_the_other_stays(two_stores: TwoStores, store: str, other: str) -> None:
    image = create_copied_image(two_stores)
    file = two_stores.file_of(store, image["id"])

    response = delete_from_store(two_stores.client("admin"), store, image["id"])

    after = show_image(two_stores.client("publisher"), image["id"])
    assert response.status_code == 204
    assert (after["stores"], after["status"], file.exists()) == (other, "active", False)
    assert two_stores.client("publisher").get(image["file"]).content == TEN_BYTES
    again = delete_from_store(two_stores.client("admin"), other, image["id"])
    assert again.status_code == 403


def test_both_copies_go_with_the_image(two_stores: TwoStores) -> None:
    image = create_copied_image(two_stores)

    delete_image(two_stores.client("publisher"), image["id"])

    left = two_stores.files("fast") | two_stores.files("slow")
    assert [name for name in left if name.startswith(image["id"])] == []


def test_of_two_who_take_both_copies_away_one_is_refused(two_stores: TwoStores) -> None:
    image = create_copied_image(two_stores)
    admin = two_stores.client("admin")

    with ThreadPoolExecutor(2) as together:
        answers = list(
            together.map(lambda store: delete_from_store(admin, store, image["id"]), ["fast", "slow"])
        )

    assert sorted(answer.status_code for answer in answers) == [204, 403]
    assert two_stores.client("publisher").get(image["file"]).content == TEN_BYTES
