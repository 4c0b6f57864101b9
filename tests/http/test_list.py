"""GET /v2/images: who finds what, by which filter, in which order, page by page (images-v2, 3.2 and 4.9)."""

from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from conftest import SharedServices
from harness.databases import over_one_database
from harness.service import Service
from images import (
    UNKNOWN_ID,
    Image,
    create_active_image,
    create_image,
    create_public_image,
    create_raw_image,
    delete_image,
    escape,
    explanation,
    list_ids,
    list_names,
    share_image,
    show_image,
    update_image,
    upload_data,
)

SORT_KEYS = [
    "name",
    "status",
    "container_format",
    "disk_format",
    "size",
    "id",
    "created_at",
    "updated_at",
]
DIRECTIONS = ["asc", "desc"]


class Exhibition(NamedTuple):
    """Images of two projects in every visibility, named after what they are, under one tag."""

    tag: str
    publisher_id: str
    recipient_id: str


class Catalogue(NamedTuple):
    """Nine images of one project under one tag, full of equal and of missing values."""

    tag: str
    images: list[Image]


@pytest.fixture(scope="module")
def exhibition(service: Service) -> Exhibition:
    """The exhibition; its shares are pending, accepted and rejected by the recipient."""
    tag = str(uuid4())
    publisher = service.client("publisher")
    recipient = service.client("recipient")
    create_image(publisher, name="private", visibility="private", tags=[tag])
    create_image(publisher, name="unshared", tags=[tag])
    create_image(publisher, name="community", visibility="community", tags=[tag])
    create_image(publisher, name="hidden", os_hidden=True, tags=[tag])
    create_public_image(service, name="public", tags=[tag])
    share_image(service, create_image(publisher, name="pending", tags=[tag])["id"], "pending")
    share_image(service, create_image(publisher, name="accepted", tags=[tag])["id"], "accepted")
    share_image(service, create_image(publisher, name="rejected", tags=[tag])["id"], "rejected")
    share_image(
        service, create_image(publisher, name="hidden share", os_hidden=True, tags=[tag])["id"], "accepted"
    )
    create_image(recipient, name="own private", visibility="private", tags=[tag])
    create_image(recipient, name="own shared", tags=[tag])
    return Exhibition(tag, service.clouds["publisher"].project_id, service.clouds["recipient"].project_id)


@pytest.fixture(scope="module")
def catalogue(service: Service) -> Catalogue:
    """The catalogue, in the order of creation; three of its images hold data."""
    tag = str(uuid4())
    publisher = service.client("publisher")
    images = [
        create_image(publisher, name="apple", tags=[tag, "fruit"], hw_disk_bus="scsi"),
        create_image(publisher, name="apple", tags=[tag, "fruit", "green"], min_ram=64, min_disk=3),
        create_image(publisher, name=None, tags=[tag], protected=False),
        create_image(publisher, name=None, tags=[tag], hw_disk_bus="ide"),
        create_image(publisher, name="", tags=[tag], hw_disk_bus="scsi"),
        create_image(publisher, name='Apple, Eve\'s: "best"', tags=[tag], container_format="ovf"),
        create_active_image(publisher, b"123", name="pear", tags=[tag, "fruit", "green"]),
        create_active_image(publisher, b"12345", name="zebra", tags=[tag]),
        create_active_image(publisher, b"12345", name="pear", tags=[tag]),
    ]
    return Catalogue(tag, images)


def walk_pages(client: httpx.Client, path: str) -> list[list[str]]:
    """The ids of every page, following `next` until there is none."""
    pages = []
    while path:
        response = client.get(path)
        assert response.status_code == 200, response.text
        pages.append([image["id"] for image in response.json()["images"]])
        path = response.json().get("next", "")
    return pages


def query_of(link: str) -> dict[str, list[str]]:
    """The parameters of a link, with every value of the repeated ones."""
    return parse_qs(urlsplit(link).query, keep_blank_values=True)


WHO_FINDS_WHAT = [
    (
        "publisher",
        "",
        {"private", "unshared", "pending", "accepted", "rejected", "community", "public"},
    ),
    (
        "publisher-reader",
        "",
        {"private", "unshared", "pending", "accepted", "rejected", "community", "public"},
    ),
    ("recipient", "", {"own private", "own shared", "accepted", "public"}),
    ("recipient-reader", "", {"own private", "own shared", "accepted", "public"}),
    ("other", "", {"public"}),
    (
        "admin",
        "",
        {
            "private",
            "unshared",
            "pending",
            "accepted",
            "rejected",
            "public",
            "own private",
            "own shared",
        },
    ),
    ("publisher", "visibility=private", {"private"}),
    ("recipient", "visibility=private", {"own private"}),
    ("other", "visibility=private", set()),
    ("admin", "visibility=private", {"private", "own private"}),
    ("publisher", "visibility=shared", {"unshared", "pending", "accepted", "rejected"}),
    ("recipient", "visibility=shared", {"own shared", "accepted"}),
    ("other", "visibility=shared", set()),
    ("admin", "visibility=shared", {"unshared", "pending", "accepted", "rejected", "own shared"}),
    ("publisher", "visibility=community", {"community"}),
    ("recipient", "visibility=community", {"community"}),
    ("other", "visibility=community", {"community"}),
    ("admin", "visibility=community", {"community"}),
    ("publisher", "visibility=public", {"public"}),
    ("recipient", "visibility=public", {"public"}),
    ("other", "visibility=public", {"public"}),
    ("admin", "visibility=public", {"public"}),
    (
        "publisher",
        "visibility=all",
        {"private", "unshared", "pending", "accepted", "rejected", "community", "public"},
    ),
    (
        "recipient",
        "visibility=all",
        {"own private", "own shared", "accepted", "community", "public"},
    ),
    ("other", "visibility=all", {"community", "public"}),
    (
        "admin",
        "visibility=all",
        {
            "private",
            "unshared",
            "pending",
            "accepted",
            "rejected",
            "community",
            "public",
            "own private",
            "own shared",
        },
    ),
    ("recipient", "member_status=pending", {"own private", "own shared", "pending", "public"}),
    ("recipient", "member_status=accepted", {"own private", "own shared", "accepted", "public"}),
    ("recipient", "member_status=rejected", {"own private", "own shared", "rejected", "public"}),
    (
        "recipient",
        "member_status=all",
        {"own private", "own shared", "pending", "accepted", "rejected", "public"},
    ),
    ("other", "member_status=all", {"public"}),
    ("recipient", "visibility=shared&member_status=pending", {"own shared", "pending"}),
    ("recipient", "visibility=shared&member_status=accepted", {"own shared", "accepted"}),
    ("recipient", "visibility=shared&member_status=rejected", {"own shared", "rejected"}),
    (
        "recipient",
        "visibility=shared&member_status=all",
        {"own shared", "pending", "accepted", "rejected"},
    ),
    (
        "recipient",
        "visibility=all&member_status=pending",
        {"own private", "own shared", "pending", "community", "public"},
    ),
    (
        "publisher",
        "visibility=shared&member_status=all",
        {"unshared", "pending", "accepted", "rejected"},
    ),
    (
        "admin",
        "member_status=pending",
        {
            "private",
            "unshared",
            "pending",
            "accepted",
            "rejected",
            "public",
            "own private",
            "own shared",
        },
    ),
    ("publisher", "os_hidden=true", {"hidden", "hidden share"}),
    ("publisher", "os_hidden=TRUE", {"hidden", "hidden share"}),
    ("recipient", "os_hidden=true", {"hidden share"}),
    ("other", "os_hidden=true", set()),
    ("admin", "os_hidden=true", {"hidden", "hidden share"}),
    ("other", "os_hidden=False", {"public"}),
]


@pytest.mark.parametrize(("caller", "query", "found"), WHO_FINDS_WHAT)
def test_a_caller_finds_what_its_project_may_see(
    service: Service, exhibition: Exhibition, caller: str, query: str, found: set[str]
) -> None:
    names = list_names(service.client(caller), f"tag={exhibition.tag}&{query}")

    assert sorted(names) == sorted(found)


@pytest.mark.parametrize(
    ("caller", "query", "found"),
    [
        ("recipient", "", {"accepted", "public"}),
        ("recipient", "&visibility=shared", {"accepted"}),
        ("recipient", "&visibility=private", set()),
        ("other", "", {"public"}),
        ("other", "&visibility=community", {"community"}),
    ],
)
def test_the_owner_filter_never_widens_the_view(
    service: Service, exhibition: Exhibition, caller: str, query: str, found: set[str]
) -> None:
    names = list_names(service.client(caller), f"tag={exhibition.tag}&owner={exhibition.publisher_id}{query}")

    assert sorted(names) == sorted(found)


def test_the_owner_filter_finds_the_own_images(service: Service, exhibition: Exhibition) -> None:
    names = list_names(service.client("recipient"), f"tag={exhibition.tag}&owner={exhibition.recipient_id}")

    assert sorted(names) == ["own private", "own shared"]


def test_an_admin_finds_community_images_of_its_own_project(service: Service) -> None:
    tag = str(uuid4())
    admin = service.client("admin")
    create_image(admin, name="own community", visibility="community", tags=[tag])

    assert list_names(admin, f"tag={tag}") == ["own community"]


def test_an_answer_holds_the_images_and_its_links(service: Service, catalogue: Catalogue) -> None:
    response = service.client("publisher").get(f"/v2/images?tag={catalogue.tag}")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert set(response.json()) == {"images", "first", "schema"}
    assert response.json()["schema"] == "/v2/schemas/images"


def test_listed_images_are_the_whole_images(service: Service, catalogue: Catalogue) -> None:
    publisher = service.client("publisher")

    images = publisher.get(f"/v2/images?tag={catalogue.tag}&sort=id:asc").json()["images"]

    assert images == sorted(catalogue.images, key=lambda image: str(image["id"]))


def test_a_list_without_query_links_to_itself_without_query(service: Service) -> None:
    response = service.client("publisher").get("/v2/images")

    assert response.status_code == 200
    assert response.json()["first"] == "/v2/images"


def test_a_deleted_image_leaves_the_list(service: Service) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    image_id = create_image(publisher, tags=[tag])["id"]
    delete_image(publisher, image_id)

    assert list_ids(publisher, f"tag={tag}") == []


@pytest.mark.parametrize("name", ["Debian 8 2016-04-17T22:10", "a:b", "http://x", ":", "eq", "In:a", " in:a"])
def test_a_name_with_a_colon_is_found_by_the_bare_name(service: Service, name: str) -> None:
    """A word before the colon that is no operator belongs to the name (docs/deviations.md)."""
    tag = str(uuid4())
    publisher = service.client("publisher")
    image = create_image(publisher, name=name, tags=[tag])
    create_image(publisher, name=name.partition(":")[2], tags=[tag])

    assert list_ids(publisher, f"tag={tag}&name={escape(name)}") == [image["id"]]


@pytest.mark.parametrize("name", ["in:a,b", "eq:a", "gt:a"])
def test_a_name_that_begins_as_an_operator_is_found_by_eq(service: Service, name: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, name=name, tags=[tag := str(uuid4())])

    assert list_ids(publisher, f"tag={tag}&name=eq:{escape(name)}") == [image["id"]]


def test_a_deactivated_image_stays_in_the_list(service: Service) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    image = create_active_image(publisher, tags=[tag])
    publisher.post(f"{image['self']}/actions/deactivate")

    assert list_ids(publisher, f"tag={tag}&status=deactivated") == [image["id"]]


FILTERS = [
    ("name=apple", [0, 1]),
    ("name=eq:apple", [0, 1]),
    ("name=Apple", []),
    ("name=app", []),
    ("name=in:apple,pear", [0, 1, 6, 8]),
    ("name=in:apple", [0, 1]),
    ("name=in:nothing", []),
    ('name=in:"apple","zebra"', [0, 1, 7]),
    ('name=in:"pear",zebra', [6, 7, 8]),
    ("name=in:pear,", [6, 8]),
    ("name=in:", []),
    ("name=in:" + escape('"Apple, Eve\'s: \\"best\\""'), [5]),
    ("name=eq:" + escape('Apple, Eve\'s: "best"'), [5]),
    ("status=queued", [0, 1, 2, 3, 4, 5]),
    ("status=active", [6, 7, 8]),
    ("name=in:" + escape('"app\\l\\e","\\\\","Apple\\, Eve\'s\\: \\"best\\""'), [0, 1, 5]),
    ("status=in:queued,active", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("status=unheard-of", []),
    ("container_format=bare", [6, 7, 8]),
    ("container_format=eq:ovf", [5]),
    ("container_format=in:bare,ovf", [5, 6, 7, 8]),
    ("container_format=box", []),
    ("disk_format=raw", [6, 7, 8]),
    ("disk_format=in:raw,qcow2", [6, 7, 8]),
    ("disk_format=floppy", []),
    ("tag=fruit", [0, 1, 6]),
    ("tag=fruit&tag=green", [1, 6]),
    ("tag=%20fruit%20", [0, 1, 6]),
    ("tag=Fruit", []),
    ("tag=fruit&tag=nothing", []),
    ("size=5", [7, 8]),
    ("size=4", []),
    ("size_min=4", [7, 8]),
    ("size_min=3", [6, 7, 8]),
    ("size_max=3", [6]),
    ("size_min=3&size_max=4", [6]),
    ("size_min=-1", [6, 7, 8]),
    ("size_max=-1", []),
    ("virtual_size=5", [7, 8]),
    ("min_ram=64", [1]),
    ("min_disk=3", [1]),
    ("min_ram=0", [0, 2, 3, 4, 5, 6, 7, 8]),
    ("protected=false", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("protected=true", []),
    ("checksum=202cb962ac59075b964b07152d234b70", [6]),
    ("checksum=827ccb0eea8a706c4c34a16891f84e7b", [7, 8]),
    ("os_hash_algo=sha512", [6, 7, 8]),
    ("os_hash_algo=md5", []),
    ("os_hash_value=nothing", []),
    ("hw_disk_bus=scsi", [0, 4]),
    ("hw_disk_bus=ide", [3]),
    ("hw_disk_bus=usb", []),
    ("nonexistent=x", []),
    ("deleted=true", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("changes-since=", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("created_at=gte:2001-01-01T00:00:00Z", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("created_at=lt:2001-01-01T00:00:00Z", []),
    ("updated_at=gt:2001-01-01T00:00:00Z", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("updated_at=lte:2001-01-01", []),
    ("status=active&name=pear", [6, 8]),
    ("status=active&name=apple", []),
    ("hw_disk_bus=scsi&tag=fruit", [0]),
]


@pytest.mark.parametrize(("query", "found"), FILTERS)
def test_a_filter_finds_what_matches_it(
    service: Service, catalogue: Catalogue, query: str, found: list[int]
) -> None:
    ids = list_ids(service.client("publisher"), f"tag={catalogue.tag}&{query}")

    assert sorted(ids) == sorted(catalogue.images[number]["id"] for number in found)


def test_the_id_filter_finds_one_image(service: Service, catalogue: Catalogue) -> None:
    image_id = catalogue.images[3]["id"]

    assert list_ids(service.client("publisher"), f"id={image_id}") == [image_id]


def test_the_id_filter_takes_a_list(service: Service, catalogue: Catalogue) -> None:
    wanted = [catalogue.images[3]["id"], catalogue.images[5]["id"]]

    ids = list_ids(service.client("publisher"), f"id=in:{wanted[0]},{wanted[1]},{UNKNOWN_ID}")

    assert sorted(ids) == sorted(wanted)


def test_the_filter_on_the_hash_finds_equal_data(service: Service, catalogue: Catalogue) -> None:
    hash_value = catalogue.images[6]["os_hash_value"]

    ids = list_ids(service.client("publisher"), f"tag={catalogue.tag}&os_hash_value={hash_value}")

    assert ids == [catalogue.images[6]["id"]]


def test_the_filter_on_protection_finds_protected_images(service: Service) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    image_id = create_image(publisher, tags=[tag], protected=True)["id"]
    create_image(publisher, tags=[tag])

    assert list_ids(publisher, f"tag={tag}&protected=true") == [image_id]


@pytest.mark.parametrize("field", ["created_at", "updated_at"])
@pytest.mark.parametrize(
    ("operator", "count"),
    [("", 1), ("eq:", 1), ("gte:", 1), ("lte:", 1), ("gt:", 0), ("lt:", 0), ("neq:", 0)],
)
def test_a_time_is_compared_with_the_time_shown(
    service: Service, field: str, operator: str, count: int
) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    time_shown = create_image(publisher, tags=[tag])[field]

    assert len(list_ids(publisher, f"tag={tag}&{field}={operator}{time_shown}")) == count


@pytest.mark.parametrize(
    ("time", "count"),
    [
        ("gte:2001-01-01", 1),
        ("gte:2001-01-01T00:00:00", 1),
        ("gte:2001-01-01T00:00:00Z", 1),
        ("gte:2001-01-01T00:00:00%2B02:00", 1),
        ("gte:2101-01-01T00:00:00Z", 0),
        ("gte:2001", 1),
        ("gte:2001-02", 1),
        ("gte:2101", 0),
    ],
)
def test_a_time_may_take_any_form_of_iso_8601(service: Service, time: str, count: int) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    create_image(publisher, tags=[tag])

    assert len(list_ids(publisher, f"tag={tag}&created_at={time}")) == count


REFUSED_QUERIES = [
    ("limit=x", "limit param must be an integer"),
    ("limit=", "limit param must be an integer"),
    ("limit=1.5", "limit param must be an integer"),
    ("limit=-1", "limit param must be positive"),
    (f"marker={UNKNOWN_ID}", f"No image found with ID {UNKNOWN_ID}"),
    ("marker=not-a-uuid", "No image found with ID not-a-uuid"),
    ("sort_key=foo", "Invalid sort key: foo."),
    ("sort_key=owner", "Invalid sort key: owner."),
    ("sort_key=name&sort_key=foo", "Invalid sort key: foo."),
    ("sort_dir=foo", "Invalid sort direction: foo"),
    (
        "sort_key=name&sort_key=size&sort_key=id&sort_dir=asc&sort_dir=desc",
        "Number of sort dirs does not match the number of sort keys",
    ),
    ("sort=foo", "Invalid sort key: foo."),
    ("sort=name:asc,foo", "Invalid sort key: foo."),
    ("sort=name:foo", "Invalid sort direction: foo"),
    ("sort=" + ",".join(["name"] * 101), "Too many sort keys"),
    ("sort=name&sort_key=name", "Old and new sorting syntax cannot be combined"),
    ("sort=name&sort_dir=asc", "Old and new sorting syntax cannot be combined"),
    ("visibility=foo", "Invalid visibility value: foo"),
    ("visibility=", "visibility"),
    ("member_status=foo", "Invalid status: foo"),
    ("name=gt:b", "Unable to filter by unknown operator 'gt'."),
    ("id=x:b", "Unable to filter by unknown operator 'x'."),
    ("status=x:b", "Unable to filter by unknown operator 'x'."),
    ("container_format=x:b", "Unable to filter by unknown operator 'x'."),
    ("disk_format=x:b", "Unable to filter by unknown operator 'x'."),
    ('name=in:"a', ""),
    ('name=in:"a"b', ""),
    ('name=in:a"b', ""),
    ('name=in:a"b"', ""),
    ('name=in:"a" ,b', ""),
    ("created_at=yesterday", 'Bad "created_at" query filter format. Use ISO 8601 DateTime notation.'),
    ("created_at=gt:x", 'Bad "created_at" query filter format. Use ISO 8601 DateTime notation.'),
    ("updated_at=x", 'Bad "updated_at" query filter format. Use ISO 8601 DateTime notation.'),
    ("created_at=in:2001-01-01T00:00:00Z", ""),
    ("size_min=x", "Unable to filter on a range with a non-numeric value."),
    ("size_max=x", "Unable to filter on a range with a non-numeric value."),
    ("size_max=", "Unable to filter on a range with a non-numeric value."),
    ("size=x", "size"),
    ("virtual_size=x", "virtual_size"),
    ("min_ram=x", "min_ram"),
    ("min_disk=x", "min_disk"),
    (
        "protected=foo",
        "Invalid value 'foo' for 'protected' filter. Valid values are 'true' or 'false'.",
    ),
    (
        "protected=True",
        "Invalid value 'True' for 'protected' filter. Valid values are 'true' or 'false'.",
    ),
    (
        "os_hidden=foo",
        "Invalid value 'foo' for 'os_hidden' filter. Valid values are 'true' or 'false'.",
    ),
    (
        "changes-since=2001-01-01T00:00:00Z",
        'The "changes-since" filter is no longer available on v2.',
    ),
    ("name=%FF", "could not be decoded"),
    ("%FF=x", "could not be decoded"),
]


@over_one_database
@pytest.mark.parametrize(("query", "reason"), REFUSED_QUERIES)
def test_a_query_that_means_nothing_is_refused(service: Service, query: str, reason: str) -> None:
    response = service.client("publisher").get(f"/v2/images?{query}")

    assert response.status_code == 400
    assert reason in explanation(response)


@pytest.mark.parametrize("caller", ["publisher", "admin"])
@pytest.mark.parametrize("query", ["visibility=foo", "member_status=foo"])
def test_an_admin_may_ask_no_nonsense_either(service: Service, caller: str, query: str) -> None:
    response = service.client(caller).get(f"/v2/images?{query}")

    assert response.status_code == 400


def test_a_bad_sort_key_is_answered_with_the_good_ones(service: Service) -> None:
    response = service.client("publisher").get("/v2/images?sort_key=foo")

    assert (
        "It must be one of the following: name, status, container_format, disk_format, size, id, "
        "created_at, updated_at."
    ) in explanation(response)


@pytest.mark.parametrize("name", ["members", "locations", "properties", "foo_min", "foo_max", "tags"])
def test_an_internal_name_is_a_property_like_any_or_refused(service: Service, name: str) -> None:
    response = service.client("publisher").get(f"/v2/images?{name}=1")

    assert response.status_code in (200, 400)


def test_a_page_has_25_images_unless_told_otherwise(service: Service) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    made = [create_image(publisher, tags=[tag]) for _ in range(26)]

    assert len(made) == 26
    assert len(list_ids(publisher, f"tag={tag}")) == 25


def test_a_limit_of_zero_gives_an_empty_page_that_leads_nowhere(
    service: Service, catalogue: Catalogue
) -> None:
    response = service.client("publisher").get(f"/v2/images?tag={catalogue.tag}&limit=0")

    assert response.status_code == 200
    assert response.json()["images"] == []
    assert "next" not in response.json()


@pytest.mark.parametrize("limit", [1001, 2**31, 2**63, 2**70])
def test_a_limit_over_the_largest_page_is_capped_silently(
    service: Service, catalogue: Catalogue, limit: int
) -> None:
    ids = list_ids(service.client("publisher"), f"tag={catalogue.tag}&limit={limit}")

    assert len(ids) == len(catalogue.images)


#: A mebibyte and a half of properties together: more than a page holds, which the eighteenth image ends.
LARGE = 27
LARGE_PAGE = 18
LARGE_TEXT = "x" * 60_000


@pytest.fixture(scope="module")
def large(service: Service) -> Catalogue:
    """Images that fit no one page together."""
    tag = str(uuid4())
    publisher = service.client("publisher")
    return Catalogue(tag, [create_image(publisher, tags=[tag], text=LARGE_TEXT) for _ in range(LARGE)])


def test_a_page_ends_at_a_mebibyte_and_links_to_the_next(service: Service, large: Catalogue) -> None:
    pages = walk_pages(service.client("publisher"), f"/v2/images?tag={large.tag}&limit=1000")

    assert [len(page) for page in pages] == [LARGE_PAGE, LARGE - LARGE_PAGE]
    assert {one for page in pages for one in page} == {image["id"] for image in large.images}


def test_a_long_page_of_the_ims_api_ends_there_too(service: Service, large: Catalogue) -> None:
    path = f"/v2/cloudimages?tag={large.tag}&limit=1000"
    first = service.client("publisher").get(path).json()

    marker = first["page_info"]["next_marker"]
    second = service.client("publisher").get(f"{path}&marker={marker}").json()

    assert [len(page["images"]) for page in (first, second)] == [LARGE_PAGE, LARGE - LARGE_PAGE]
    assert "page_info" not in second


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def terse(request: pytest.FixtureRequest, shared_services: SharedServices) -> Service:
    """A service whose pages end at some images with 20 kB of properties."""
    return shared_services.get(request.param, TRANSOM_LIST_SIZE_LIMIT="65536")


def test_pages_of_both_apis_end_where_the_operator_has_set_it(terse: Service) -> None:
    publisher = terse.client("publisher")
    made = {create_image(publisher, text="x" * 20_000)["id"] for _ in range(5)}

    pages = walk_pages(publisher, "/v2/images?limit=1000")
    of_ims = publisher.get("/v2/cloudimages?limit=1000").json()["images"]

    assert [len(page) for page in pages] == [4, 1]
    assert ({one for page in pages for one in page}, len(of_ims)) == (made, 4)


def test_a_full_page_links_to_the_next_by_its_last_image(service: Service, catalogue: Catalogue) -> None:
    response = service.client("publisher").get(f"/v2/images?tag={catalogue.tag}&limit=2&sort=name:asc")

    assert query_of(response.json()["next"]) == {
        "tag": [catalogue.tag],
        "limit": ["2"],
        "sort": ["name:asc"],
        "marker": [response.json()["images"][-1]["id"]],
    }


def test_the_link_to_the_first_page_keeps_the_query_without_the_marker(
    service: Service, catalogue: Catalogue
) -> None:
    marker = catalogue.images[0]["id"]

    response = service.client("publisher").get(f"/v2/images?marker={marker}&tag={catalogue.tag}&limit=2")

    assert response.json()["first"].startswith("/v2/images?")
    assert query_of(response.json()["first"]) == {"tag": [catalogue.tag], "limit": ["2"]}


def test_links_escape_what_has_a_meaning_in_a_query(service: Service) -> None:
    response = service.client("publisher").get('/v2/images?name=in:"a %26 b",c')

    assert response.status_code == 200
    assert "name=in%3A%22a" in response.json()["first"]
    assert query_of(response.json()["first"]) == {"name": ['in:"a & b",c']}


def test_links_keep_repeated_parameters(service: Service, catalogue: Catalogue) -> None:
    response = service.client("publisher").get(
        f"/v2/images?tag={catalogue.tag}&tag=fruit&limit=1&sort_key=name&sort_key=id&sort_dir=asc"
    )

    assert query_of(response.json()["first"])["tag"] == [catalogue.tag, "fruit"]
    assert query_of(response.json()["next"])["tag"] == [catalogue.tag, "fruit"]
    assert query_of(response.json()["next"])["sort_key"] == ["name", "id"]


def test_the_page_after_the_marker_begins_behind_it(service: Service, catalogue: Catalogue) -> None:
    publisher = service.client("publisher")
    in_order = list_ids(publisher, f"tag={catalogue.tag}&sort=name:asc")

    ids = list_ids(publisher, f"tag={catalogue.tag}&sort=name:asc&marker={in_order[3]}")

    assert ids == in_order[4:]


def test_the_page_after_the_last_image_is_empty(service: Service, catalogue: Catalogue) -> None:
    publisher = service.client("publisher")
    last_id = list_ids(publisher, f"tag={catalogue.tag}&sort=name:asc")[-1]

    response = publisher.get(f"/v2/images?tag={catalogue.tag}&sort=name:asc&marker={last_id}")

    assert response.json()["images"] == []
    assert "next" not in response.json()


def test_a_deleted_marker_is_unknown(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]
    delete_image(publisher, image_id)

    response = publisher.get(f"/v2/images?marker={image_id}")

    assert response.status_code == 400
    assert f"No image found with ID {image_id}" in explanation(response)


def test_an_invisible_marker_is_as_unknown_as_an_absent_one(service: Service) -> None:
    image_id = create_image(service.client("publisher"))["id"]
    other = service.client("other")

    invisible = other.get(f"/v2/images?marker={image_id}")

    absent = other.get(f"/v2/images?marker={UNKNOWN_ID}")
    assert invisible.status_code == absent.status_code == 400
    assert explanation(invisible).replace(image_id, UNKNOWN_ID) == explanation(absent)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("key", SORT_KEYS)
def test_a_walk_over_the_pages_meets_every_image_once(
    service: Service, catalogue: Catalogue, key: str, direction: str, limit: int
) -> None:
    publisher = service.client("publisher")
    query = f"tag={catalogue.tag}&sort_key={key}&sort_dir={direction}"

    pages = walk_pages(publisher, f"/v2/images?{query}&limit={limit}")

    walked = [image_id for page in pages for image_id in page]
    assert walked == list_ids(publisher, query)
    assert sorted(walked) == sorted(image["id"] for image in catalogue.images)
    assert {len(page) for page in pages[:-2]} <= {limit}


@pytest.mark.parametrize(
    "sort",
    [
        "sort=name,size",
        "sort=name:asc,size:desc",
        "sort=size:asc,name:desc",
        "sort=status:asc,name:asc,created_at:desc",
        "sort=disk_format,container_format:asc,id:asc",
        "sort_key=name&sort_key=size&sort_dir=asc",
        "sort_key=size&sort_key=name&sort_dir=desc&sort_dir=asc",
        "sort_key=status&sort_key=name&sort_key=id&sort_dir=asc&sort_dir=desc&sort_dir=asc",
        "",
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_a_walk_in_a_mixed_order_meets_every_image_once(
    service: Service, catalogue: Catalogue, sort: str, limit: int
) -> None:
    publisher = service.client("publisher")
    query = f"tag={catalogue.tag}&{sort}"

    pages = walk_pages(publisher, f"/v2/images?{query}&limit={limit}")

    walked = [image_id for page in pages for image_id in page]
    assert walked == list_ids(publisher, query)
    assert sorted(walked) == sorted(image["id"] for image in catalogue.images)


@pytest.mark.parametrize("caller", ["publisher", "recipient", "other", "admin"])
@pytest.mark.parametrize("visibility", ["visibility=all", "visibility=shared", "member_status=all"])
def test_a_walk_over_what_others_share_meets_every_image_once(
    service: Service, exhibition: Exhibition, caller: str, visibility: str
) -> None:
    client = service.client(caller)
    query = f"tag={exhibition.tag}&{visibility}&sort=name:asc"

    pages = walk_pages(client, f"/v2/images?{query}&limit=2")

    assert [image_id for page in pages for image_id in page] == list_ids(client, query)


def test_a_walk_goes_on_after_its_marker_was_hidden_from_the_query(service: Service) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    _, second, third = [create_image(publisher, name=name, tags=[tag])["id"] for name in "abc"]
    update_image(publisher, second, {"op": "replace", "path": "/os_hidden", "value": True})

    ids = list_ids(publisher, f"tag={tag}&sort=name:asc&marker={second}")

    assert ids == [third]


@pytest.mark.parametrize("key", SORT_KEYS)
def test_ascending_is_descending_backwards(service: Service, catalogue: Catalogue, key: str) -> None:
    publisher = service.client("publisher")
    query = f"tag={catalogue.tag}&sort_key={key}"

    ascending = list_ids(publisher, f"{query}&sort_dir=asc")

    assert ascending == list_ids(publisher, f"{query}&sort_dir=desc")[::-1]


@pytest.mark.parametrize(
    "query", ["sort_key=size", "sort=size", "sort_key=size&sort_dir=desc", "sort=size:desc"]
)
def test_the_direction_is_descending_unless_told_otherwise(
    service: Service, catalogue: Catalogue, query: str
) -> None:
    response = service.client("publisher").get(f"/v2/images?tag={catalogue.tag}&size_min=0&{query}")

    assert [image["size"] for image in response.json()["images"]] == [5, 5, 3]


@pytest.mark.parametrize("query", ["sort_key=size&sort_dir=asc", "sort=size:asc"])
def test_sizes_are_sorted_as_numbers(service: Service, query: str) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    create_active_image(publisher, b"12345678901", tags=[tag])
    create_active_image(publisher, b"12", tags=[tag])

    response = publisher.get(f"/v2/images?tag={tag}&{query}")

    assert [image["size"] for image in response.json()["images"]] == [2, 11]


def test_one_direction_serves_all_keys(service: Service) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    create_image(publisher, name="b", disk_format="raw", tags=[tag])
    create_image(publisher, name="a", disk_format="raw", tags=[tag])
    create_image(publisher, name="c", disk_format="iso", tags=[tag])

    names = list_names(publisher, f"tag={tag}&sort_key=disk_format&sort_key=name&sort_dir=asc")

    assert names == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sort=disk_format:asc", "abc"),
        ("sort_key=disk_format&sort_dir=asc", "abc"),
        ("sort_key=disk_format&sort_key=status&sort_dir=asc", "abc"),
        ("sort=disk_format:asc,status:asc", "cba"),
        ("sort_key=disk_format&sort_key=status&sort_dir=asc&sort_dir=asc", "cba"),
        ("sort=disk_format", "cba"),
    ],
)
def test_equal_images_are_sorted_by_age_in_the_direction_that_was_named_if_it_was_one(
    service: Service, query: str, names: str
) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    for name in "abc":
        create_image(publisher, name=name, tags=[tag])

    assert list_names(publisher, f"tag={tag}&{query}") == list(names)


@pytest.mark.parametrize(
    "query", ["sort_key=name%20&sort_dir=asc%20", "sort=name%20:asc%20", "limit=%202%20"]
)
def test_spaces_around_what_steers_a_list_say_nothing(service: Service, query: str) -> None:
    assert service.client("publisher").get(f"/v2/images?{query}").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "sort=disk_format:desc,name:asc",
        "sort=disk_format,name:asc",
        "sort_key=disk_format&sort_key=name&sort_dir=desc&sort_dir=asc",
    ],
)
def test_every_key_may_have_its_own_direction(service: Service, query: str) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    create_image(publisher, name="b", disk_format="raw", tags=[tag])
    create_image(publisher, name="a", disk_format="raw", tags=[tag])
    create_image(publisher, name="c", disk_format="iso", tags=[tag])

    names = list_names(publisher, f"tag={tag}&{query}")

    assert names == ["a", "b", "c"]


def test_missing_values_are_sorted_as_the_largest(service: Service) -> None:
    """3.2: any rule will do that paging shares; this one is what Glance on PostgreSQL shows."""
    tag = str(uuid4())
    publisher = service.client("publisher")
    create_image(publisher, name="a", tags=[tag])
    create_image(publisher, name=None, tags=[tag])
    create_image(publisher, name="b", tags=[tag])

    assert list_names(publisher, f"tag={tag}&sort=name:asc") == ["a", "b", None]
    assert list_names(publisher, f"tag={tag}&sort=name:desc") == [None, "b", "a"]


def test_a_caller_without_a_share_of_its_own_finds_a_new_public_image(service: Service) -> None:
    tag = str(uuid4())
    image_id = create_public_image(service, tags=[tag])["id"]

    assert list_ids(service.client("other"), f"tag={tag}") == [image_id]


def test_a_filter_follows_a_change_of_the_image(service: Service) -> None:
    tag = str(uuid4())
    publisher = service.client("publisher")
    image_id = create_raw_image(publisher, tags=[tag])["id"]
    upload_data(publisher, image_id, b"1234567")
    update_image(publisher, image_id, {"op": "add", "path": "/hw_disk_bus", "value": "scsi"})

    listed = publisher.get(f"/v2/images?tag={tag}&size=7&status=active&hw_disk_bus=scsi").json()["images"]

    assert listed == [show_image(publisher, image_id)]
