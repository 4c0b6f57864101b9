"""Lists of images by the rules of the IMS API: who finds what, by which filter, page by page (1.5 there)."""

from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from harness.databases import over_one_database
from harness.service import Service
from image_calls import (
    CLOUD_IMAGES,
    IMAGES,
    UNKNOWN_ID,
    create_active_image,
    create_image,
    create_native_image,
    create_public_image,
    list_images,
    list_names,
    new_mark,
    show_image,
)
from sharing_calls import answer, message_of, refusal, share, share_with_domain

LISTS = [CLOUD_IMAGES, IMAGES]


class Exhibition(NamedTuple):
    """Images of two projects, named after what they are, under one tag."""

    tag: str


class Catalogue(NamedTuple):
    """Images of the publisher's with many attributes, under one tag."""

    tag: str


@pytest.fixture(scope="module")
def exhibition(service: Service) -> Exhibition:
    tag = new_mark()
    create_image(service, name="own", tags=[tag])
    create_native_image(service, name="own-native", tags=[tag])
    create_native_image(service, name="community", visibility="community", tags=[tag])
    create_public_image(service, name="public", tags=[tag])
    for status in ("pending", "accepted", "rejected"):
        image_id = str(create_image(service, name=status, tags=[tag])["id"])
        share(service, image_id)
        if status != "pending":
            answer(service, status, image_id)
    create_image(service, "recipient", name="recipients-own", tags=[tag])
    return Exhibition(tag)


@pytest.fixture(scope="module")
def catalogue(service: Service) -> Catalogue:
    tag = new_mark()
    create_image(
        service,
        name="ubuntu",
        tags=[tag, "stage=test"],
        __os_version="Ubuntu 22.04 server 64bit",
        min_disk=40,
        min_ram=2048,
        architecture="arm",
        enterprise_project_id="0",
        disk_format="raw",
    )
    create_image(
        service,
        name="windows",
        tags=[tag, "stage=live"],
        __os_version="Windows Server 2019 Standard 64bit",
        __support_kvm="false",
        protected=True,
        hw_firmware_type="uefi",
        enterprise_project_id="ep-1",
        __whole_image=False,
    )
    create_image(
        service,
        name="whole",
        tags=[tag, "stage"],
        __whole_image=True,
        __backup_id="b",
        __system__cmkid="key",
        virtual_env_type="Ironic",
        enterprise_project_id="",
    )
    create_active_image(service, name="iso", tags=[tag, "a.b"], disk_format="zvhd", own_attribute="Yes, this")
    create_native_image(service, name="in:native,raw", tags=[tag])
    return Catalogue(tag)


# ---- who finds what


WHO_FINDS_WHAT = [
    ("publisher", "", {"own", "own-native", "pending", "accepted", "rejected", "community", "public"}),
    ("publisher-reader", "visibility=private", {"own", "own-native"}),
    ("publisher", "visibility=private", {"own", "own-native"}),
    ("publisher", "__imagetype=private", {"own", "own-native"}),
    ("publisher", "visibility=shared", {"pending", "accepted", "rejected"}),
    ("publisher", "__imagetype=shared", {"pending", "accepted", "rejected"}),
    ("publisher", "visibility=shared&__imagetype=shared", {"pending", "accepted", "rejected"}),
    ("publisher", "visibility=shared&member_status=accepted", set()),
    ("publisher", "visibility=public", {"public"}),
    ("publisher", "visibility=community", {"community"}),
    ("publisher", "visibility=community&__imagetype=gold", {"community"}),
    ("recipient", "", {"recipients-own", "accepted", "public"}),
    ("recipient", "visibility=private", {"recipients-own"}),
    ("recipient", "visibility=shared", {"accepted"}),
    ("recipient", "member_status=accepted&visibility=shared&__imagetype=shared", {"accepted"}),
    ("recipient", "member_status=pending&visibility=shared", {"pending"}),
    ("recipient", "member_status=rejected&__imagetype=shared", {"rejected"}),
    ("recipient", "member_status=pending", {"pending"}),
    ("recipient", "member_status=all", {"pending", "accepted", "rejected"}),
    ("recipient", "visibility=private&member_status=pending", {"recipients-own"}),
    ("recipient", "__imagetype=gold", {"public"}),
    ("recipient", "__imagetype=gold&visibility=public&protected=true", set()),
    ("recipient", "__imagetype=private&visibility=shared", set()),
    ("recipient", "__imagetype=gold&visibility=private", set()),
    ("recipient", "__imagetype=market", set()),
    ("recipient", "__isregistered=true", {"recipients-own", "accepted", "public"}),
    ("recipient", "__isregistered=True", {"recipients-own", "accepted", "public"}),
    ("recipient", "__isregistered=false", set()),
    ("recipient", "__image_source_type=uds", {"recipients-own", "accepted", "public"}),
    ("recipient", "__image_source_type=obs", set()),
    ("other", "", {"public"}),
    ("other", "visibility=shared", set()),
    ("other", "member_status=all", set()),
    ("admin", "visibility=private", {"own", "own-native", "recipients-own"}),
    ("admin", "visibility=shared", {"pending", "accepted", "rejected"}),
    ("admin", "__imagetype=gold", {"public"}),
    ("admin", "member_status=all", set()),
    (
        "admin",
        "",
        {"own", "own-native", "pending", "accepted", "rejected", "public", "recipients-own"},
    ),
]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("caller", "query", "names"), WHO_FINDS_WHAT)
def test_a_list_holds_what_the_caller_may_find(
    service: Service, exhibition: Exhibition, caller: str, query: str, names: set[str], path: str
) -> None:
    assert list_names(service, caller, f"tag={exhibition.tag}&{query}", path) == names


@pytest.mark.parametrize("visibility", ["private", "shared", "public", "community"])
@pytest.mark.parametrize("caller", ["publisher", "recipient", "admin"])
def test_the_filter_finds_what_looks_so(
    service: Service, exhibition: Exhibition, caller: str, visibility: str
) -> None:
    found = list_images(service, caller, f"tag={exhibition.tag}&visibility={visibility}&member_status=all")

    assert {image["visibility"] for image in found} <= {visibility}


def test_a_list_shows_images_as_they_are_shown_alone(service: Service, exhibition: Exhibition) -> None:
    for image in list_images(service, "publisher", f"tag={exhibition.tag}", IMAGES):
        assert show_image(service, image["id"]) == image


def test_what_a_domain_was_offered_needs_no_acceptance(service: Service) -> None:
    tag = new_mark()
    share_with_domain(service, create_image(service, name="for all", tags=[tag])["id"])

    assert list_names(service, "other", f"tag={tag}&visibility=shared") == {"for all"}
    assert list_names(service, "other", f"tag={tag}&member_status=pending") == set()


def test_an_image_withdrawn_from_everybody_is_private_again(service: Service) -> None:
    tag = new_mark()
    image_id = create_image(service, name="back", tags=[tag])["id"]
    share(service, image_id)
    recipient_id = service.clouds["recipient"].project_id
    service.client("publisher").delete(f"{IMAGES}/{image_id}/members/{recipient_id}")

    assert list_names(service, "publisher", f"tag={tag}&visibility=private") == {"back"}
    assert list_names(service, "publisher", f"tag={tag}&visibility=shared") == set()


def test_hidden_images_are_found_when_asked_for(service: Service) -> None:
    tag = new_mark()
    create_native_image(service, name="hidden", os_hidden=True, tags=[tag])

    assert list_names(service, "publisher", f"tag={tag}") == set()
    assert list_names(service, "publisher", f"tag={tag}&os_hidden=true") == {"hidden"}


# ---- filters


EVERYTHING = {"ubuntu", "windows", "whole", "iso", "in:native,raw"}
FILTERS = [
    ("name=ubuntu", {"ubuntu"}),
    ("name=ubunt", set()),
    ("name=in:native,raw", {"in:native,raw"}),
    ("name=in:ubuntu,windows", set()),
    (f"id={UNKNOWN_ID}", set()),
    ("status=queued", EVERYTHING - {"iso"}),
    ("status=active", {"iso"}),
    ("status=deleted", set()),
    ("status=killed", set()),
    ("container_format=bare", EVERYTHING - {"in:native,raw"}),
    ("disk_format=zvhd2", {"windows", "whole"}),
    ("disk_format=zvhd", {"iso"}),
    ("protected=true", {"windows"}),
    ("protected=True", {"windows"}),
    ("protected=false", EVERYTHING - {"windows"}),
    ("min_disk=40", {"ubuntu"}),
    ("min_ram=2048", {"ubuntu"}),
    ("min_ram_min=1", {"ubuntu"}),
    ("size_max=10", {"iso"}),
    ("__os_type=Windows", {"windows"}),
    ("__os_bit=64", EVERYTHING - {"in:native,raw"}),
    ("__platform=Ubuntu", {"ubuntu"}),
    ("__os_version=Ubuntu%2022.04%20server%2064bit", {"ubuntu"}),
    ("__support_kvm=true", {"ubuntu", "whole", "iso"}),
    ("__support_xen=true", set()),
    ("virtual_env_type=Ironic", {"whole"}),
    ("virtual_env_type=FusionCompute", {"ubuntu", "windows", "iso"}),
    ("architecture=arm", {"ubuntu"}),
    ("hw_firmware_type=uefi", {"windows"}),
    ("__system__cmkid=key", {"whole"}),
    ("__whole_image=true", {"whole"}),
    ("__whole_image=True", {"whole"}),
    ("__whole_image=false", EVERYTHING - {"whole"}),
    ("enterprise_project_id=0", EVERYTHING - {"windows"}),
    ("enterprise_project_id=ep-1", {"windows"}),
    ("enterprise_project_id=all_granted_eps", EVERYTHING),
    ("own_attribute=Yes,%20this", {"iso"}),
    ("own_attribute=yes", set()),
    ("flavor_id=s3.large.2", EVERYTHING),
    ("X-Sdk-Date=20260101T000000Z", EVERYTHING),
    ("x-anything=1", EVERYTHING),
    ("deleted=true", EVERYTHING),
    ("tag=stage", {"ubuntu", "windows", "whole"}),
    ("tag=stage%3Dtest", {"ubuntu"}),
    ("tag=stage.test", {"ubuntu"}),
    ("tag=a%3Db", {"iso"}),
    ("tag=absent", set()),
    ("created_at=gt:2018-10-01T00:00:00Z", EVERYTHING),
    ("created_at=gte:2018-10-01%2000:00:00", EVERYTHING),
    ("created_at=lt:2018-10-01%2000:00:00", set()),
    ("updated_at=lte:2018-10-01T00:00:00Z", set()),
    ("updated_at=neq:2018-10-01T00:00:00Z", EVERYTHING),
    ("updated_at=eq:2018-10-01T00:00:00Z", set()),
    ("changes-since=2018-10-01T00:00:00Z", EVERYTHING),
]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("query", "names"), FILTERS)
def test_a_filter_finds_its_images(
    service: Service, catalogue: Catalogue, query: str, names: set[str], path: str
) -> None:
    assert list_names(service, "publisher", f"tag={catalogue.tag}&{query}", path) == names


@pytest.fixture(scope="module")
def machines(service: Service) -> str:
    """The tag of images that say in different ways what they run on."""
    tag = new_mark()
    create_image(service, name="silent", tags=[tag])
    create_image(service, name="x86", tags=[tag], architecture="x86", __support_arm="true")
    create_image(service, name="arm", tags=[tag], architecture="arm")
    create_image(service, name="supports", tags=[tag], __support_arm=True)
    create_image(service, name="does-not", tags=[tag], __support_arm="False", __support_kvm="False")
    create_native_image(service, name="native-x86", tags=[tag])
    create_native_image(service, name="native-arm", tags=[tag], __support_arm="True", __support_kvm="TRUE")
    create_native_image(service, name="native-power", tags=[tag], architecture="ppc64le", __support_kvm="x")
    return tag


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("architecture", "names"),
    [
        ("x86", {"silent", "x86", "does-not", "native-x86"}),
        ("arm", {"arm", "supports", "native-arm"}),
        ("ppc64le", {"native-power"}),
        ("s390x", set()),
        ("", set()),
    ],
)
def test_an_architecture_finds_what_is_shown_with_it(
    service: Service, machines: str, architecture: str, names: set[str], path: str
) -> None:
    found = list_images(service, "publisher", f"tag={machines}&architecture={architecture}", path)

    assert {image["name"] for image in found} == names
    assert {image["architecture"] for image in found} <= {architecture}


def test_every_image_is_shown_with_the_architecture_that_finds_it(service: Service, machines: str) -> None:
    for image in list_images(service, "publisher", f"tag={machines}"):
        query = f"id={image['id']}&architecture={image['architecture']}"
        assert show_image(service, image["id"])["architecture"] == image["architecture"]
        assert list_names(service, "publisher", query) == {image["name"]}


def test_an_architecture_filters_tags_too(service: Service, machines: str) -> None:
    path = "/v1/cloudimages/tags?architecture="

    assert machines in service.client("publisher").get(f"{path}arm").json()["tags"]
    assert machines not in service.client("publisher").get(f"{path}s390x").json()["tags"]


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "tRue"])
@pytest.mark.parametrize(
    ("switch", "names"),
    [
        ("__support_kvm", {"silent", "x86", "arm", "supports", "native-arm"}),
        ("__support_arm", {"x86", "supports", "native-arm"}),
        ("__support_amd", set()),
    ],
)
def test_a_switch_is_asked_for_in_any_spelling(
    service: Service, machines: str, switch: str, names: set[str], value: str
) -> None:
    everything = list_names(service, "publisher", f"tag={machines}")

    assert list_names(service, "publisher", f"tag={machines}&{switch}={value}") == names
    assert list_names(service, "publisher", f"tag={machines}&{switch}=False") == everything - names


@pytest.mark.parametrize("path", [*LISTS, "/v1.1/images/detail"])
def test_an_image_is_found_by_the_status_it_is_shown_with(service: Service, path: str) -> None:
    """Staged data is on its way in, too, for which this API has one word."""
    name = new_mark()
    staged = create_native_image(service, name=name, tags=[name])
    client = service.client("publisher")
    headers = {"Content-Type": "application/octet-stream"}
    client.put(f"/v2/images/{staged}/stage", content=b"0123456789", headers=headers).raise_for_status()

    found = {}
    for status in ("saving", "uploading", "queued"):
        images = list_images(service, "publisher", f"name={name}&status={status}", path)
        found[status] = [image["status"] for image in images]

    assert found == {"saving": ["saving"], "uploading": [], "queued": []}


def test_an_image_is_found_by_its_id_and_owner(service: Service) -> None:
    image = create_image(service)
    own = service.clouds["publisher"].project_id

    for query in (f"id={image['id']}", f"id={image['id']}&owner={own}"):
        assert [one["id"] for one in list_images(service, "publisher", query)] == [image["id"]]
    assert list_images(service, "publisher", f"id={image['id']}&owner=another") == []


def test_filters_hold_together(service: Service, catalogue: Catalogue) -> None:
    query = f"tag={catalogue.tag}&tag=stage&__os_type=Linux&min_disk=40&visibility=private"

    assert list_names(service, "publisher", query) == {"ubuntu"}


@pytest.mark.parametrize("path", [*LISTS, "/v1.1/images/detail"])
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("sort_key=owner", "sort_key"),
        ("sort_dir=up", "sort_dir"),
    ],
)
def test_a_list_is_not_steered_by_nonsense(service: Service, path: str, query: str, name: str) -> None:
    response = service.client("publisher").get(f"{path}?{query}")

    assert refusal(response) == (400, "IMG.0017")
    assert name in message_of(response)


@over_one_database
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("visibility=all", "visibility"),
        ("visibility=", "visibility"),
        ("__imagetype=silver", "__imagetype"),
        ("member_status=maybe", "member_status"),
        ("protected=maybe", "protected"),
        ("__whole_image=maybe", "__whole_image"),
        ("__support_kvm=yes", "__support_kvm"),
        ("__is_config_init=", "__is_config_init"),
        ("os_hidden=maybe", "os_hidden"),
        ("min_disk=many", "min_disk"),
        ("min_ram=1.5", "min_ram"),
        ("size_min=x", "size_min"),
        ("created_at=after:2018-10-01T00:00:00Z", "created_at"),
        ("created_at=gt:yesterday", "created_at"),
        ("updated_at=gt:", "updated_at"),
        ("tag=", "tag"),
        (f"marker={UNKNOWN_ID}", "marker"),
        ("marker=", "marker"),
        ("name=a%00b", "NUL"),
        ("%FF=1", "decoded"),
        ("&".join(f"name={n}" for n in range(201)), "200"),
    ],
)
def test_a_value_that_a_filter_does_not_take_is_refused_by_name(
    service: Service, path: str, query: str, name: str
) -> None:
    response = service.client("publisher").get(f"{path}?{query}")

    assert response.status_code == 400
    assert response.json()["error"]["code"] in ("IMG.0017", "IMG.0001")
    assert name in message_of(response)


# ---- pages


@pytest.fixture(scope="module")
def shelf(service: Service) -> tuple[str, list[str]]:
    """(a tag, the ids of the 30 images under it, newest first)."""
    tag = new_mark()
    ids = [str(create_image(service, name=f"n{n:02}", tags=[tag])["id"]) for n in range(30)]
    return tag, ids[::-1]


def test_the_extensions_list_has_long_pages_and_nothing_but_images(
    service: Service, shelf: tuple[str, list[str]]
) -> None:
    tag, ids = shelf

    body = service.client("publisher").get(f"{CLOUD_IMAGES}?tag={tag}").json()

    assert body.keys() == {"images"}
    assert [image["id"] for image in body["images"]] == ids


def test_the_extensions_list_is_walked_by_marker(service: Service, shelf: tuple[str, list[str]]) -> None:
    tag, ids = shelf
    walked: list[str] = []

    while page := list_images(
        service, "publisher", f"tag={tag}&limit=8" + (f"&marker={walked[-1]}" if walked else "")
    ):
        walked += [image["id"] for image in page]

    assert walked == ids


def test_the_native_list_is_walked_by_its_links(service: Service, shelf: tuple[str, list[str]]) -> None:
    tag, ids = shelf
    walked: list[str] = []
    lengths = []
    path = f"{IMAGES}?tag={tag}&__isregistered=true"

    while path:
        body = service.client("publisher").get(path).json()
        walked += [image["id"] for image in body["images"]]
        lengths.append(len(body["images"]))
        path = f"/ims{body['next']}" if "next" in body else ""

    assert (walked, lengths) == (ids, [25, 5])


def test_links_repeat_the_filters_and_start_at_the_endpoint(
    service: Service, shelf: tuple[str, list[str]]
) -> None:
    """Without `/ims`, which is the endpoint's (test_catalog_endpoint.py)."""
    tag, ids = shelf
    query = f"tag={tag}&__imagetype=private&limit=2&marker={ids[0]}"

    body = service.client("publisher").get(f"{IMAGES}?{query}").json()

    first, following = urlsplit(body["first"]), urlsplit(body["next"])
    assert first.path == following.path == "/v2/images"
    assert parse_qs(first.query) == {"tag": [tag], "__imagetype": ["private"], "limit": ["2"]}
    assert parse_qs(following.query) == parse_qs(first.query) | {"marker": [ids[2]]}
    assert body["schema"] == "/v2/schemas/images"


@pytest.mark.parametrize("path", LISTS)
def test_more_than_a_page_can_hold_is_cut(service: Service, shelf: tuple[str, list[str]], path: str) -> None:
    tag, ids = shelf

    assert [image["id"] for image in list_images(service, "publisher", f"tag={tag}&limit=5000", path)] == ids


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_sorted_as_asked(service: Service, shelf: tuple[str, list[str]], path: str) -> None:
    tag, ids = shelf

    found = list_images(service, "publisher", f"tag={tag}&sort_key=name&sort_dir=asc&limit=1000", path)

    assert [image["id"] for image in found] == ids[::-1]


def test_the_openstack_list_is_as_it_was(service: Service, exhibition: Exhibition) -> None:
    listed = service.client("publisher").get(f"/v2/images?tag={exhibition.tag}&visibility=shared").json()

    assert {image["name"] for image in listed["images"]} == {"own-native", "pending", "accepted", "rejected"}
    assert listed["first"].startswith("/v2/images?")


def test_a_reader_lists_and_a_stranger_does_not(service: Service) -> None:
    assert service.client("publisher-reader").get(CLOUD_IMAGES).status_code == 200
    assert refusal(service.client(None).get(CLOUD_IMAGES)) == (401, "IMG.0087")


# ---- the list of v1


V1_FILTERS = [
    ("name=ubuntu", {"ubuntu"}),
    ("container_format=bare&disk_format=zvhd", {"iso"}),
    ("status=active", {"iso"}),
    ("size_min=10&size_max=10", {"iso"}),
    ("size_min=11", set()),
    ("changes-since=2018-10-01T00:00:00", EVERYTHING),
    ("changes-since=2099-01-01T00:00:00", set()),
    ("__os_type=Windows", EVERYTHING),
]


@pytest.mark.parametrize(("query", "names"), V1_FILTERS)
def test_the_list_of_v1_knows_its_own_filters_only(
    service: Service, catalogue: Catalogue, query: str, names: set[str]
) -> None:
    ids = {image["id"]: image["name"] for image in list_images(service, "publisher", f"tag={catalogue.tag}")}

    found = list_images(service, "publisher", f"{query}&limit=1000", "/v1.1/images/detail")

    assert {ids[image["id"]] for image in found if image["id"] in ids} == names


def test_the_list_of_v1_has_its_own_shape(service: Service) -> None:
    image_id = create_active_image(service, name="old", own="1")

    (image,) = list_images(service, "publisher", "limit=1", "/v1.1/images/detail")

    shown = show_image(service, image_id)
    assert image.pop("properties").items() >= {"own": "1", "__os_type": "Linux"}.items()
    assert image.pop("created_at")[:19] == shown["created_at"][:19]
    assert image.pop("updated_at")[:19] == shown["updated_at"][:19]
    assert image == {
        **{
            name: shown[name]
            for name in [
                *("id", "name", "status", "owner", "container_format", "disk_format", "min_disk", "min_ram"),
                *("protected", "size", "virtual_size", "checksum"),
            ]
        },
        "is_public": False,
        "deleted": False,
        "deleted_at": None,
    }
