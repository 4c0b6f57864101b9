"""The spelling of the setting `stores`."""

import pytest

from transom.domain.stores import StoreInfo, StoreKind, by_weight, parse_stores


def test_a_store_is_an_id_and_a_url() -> None:
    found = parse_stores("fast=file:///srv/fast?weight=300&description=a%20fast%2C%20small%20one", "")

    assert found == (
        StoreInfo(
            id="fast",
            kind=StoreKind.FILE,
            address="/srv/fast",
            weight=300,
            description="a fast, small one",
            is_default=True,
        ),
    )


def test_stores_are_kept_in_their_order_whatever_the_white_space() -> None:
    found = parse_stores(" b=file:///b ,\n a=file:///a/ ,", "")

    assert [(one.id, one.address) for one in found] == [("b", "/b"), ("a", "/a")]


@pytest.mark.parametrize(("default", "is_default"), [("", "a"), ("a", "a"), ("b", "b")])
def test_the_default_store_is_the_one_that_is_named_or_the_first(default: str, is_default: str) -> None:
    found = parse_stores("a=file:///a, b=file:///b", default)

    assert [one.id for one in found if one.is_default] == [is_default]


def test_the_first_store_that_can_be_written_is_the_default() -> None:
    found = parse_stores("web=http://, a=file:///a", "")

    assert [(one.id, one.is_read_only, one.is_default) for one in found] == [
        ("web", True, False),
        ("a", False, True),
    ]


def test_an_s3_store_names_bucket_and_prefix_and_how_to_reach_it() -> None:
    (found,) = parse_stores("cold=s3://images/of/ours/?endpoint=http://127.0.0.1:9000&region=north", "")

    assert (found.kind, found.address) == (StoreKind.S3, "images/of/ours")
    assert found.options == {"endpoint": "http://127.0.0.1:9000", "region": "north"}


def test_buckets_of_the_same_name_at_two_services_or_in_two_accounts_are_two_places() -> None:
    found = parse_stores(
        "a=s3://images?endpoint=http://north, b=s3://images?endpoint=http://south,"
        "c=s3://images?endpoint=http://south&profile=another%20one",
        "",
    )

    assert [one.address for one in found] == ["images"] * 3
    assert [one.options.get("profile") for one in found] == [None, None, "another one"]


def test_the_heaviest_store_is_the_first_and_equal_ones_go_by_id() -> None:
    found = parse_stores("b=file:///b, c=file:///c?weight=-1, a=file:///a, d=file:///d?weight=5", "")

    assert [one.id for one in by_weight(found)] == ["d", "a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("fast", "spelt id=URL"),
        ("=file:///a", "spelt id=URL"),
        ("a b=file:///a", "spelt id=URL"),
        ("a/b=file:///a", "spelt id=URL"),
        ("os_glance_staging=file:///a", "spelt id=URL"),
        ("a=", "URL of store a"),
        ("a=/srv/a", "URL of store a"),
        ("a=ftp://host/a", "URL of store a"),
        ("a=file:///a#b", "URL of store a"),
        ("a=s3://key:secret@bucket", "without keys"),
        ("a=file://host/a", "must be absolute"),
        ("a=file:///", "must be absolute"),
        ("a=file:a", "must be absolute"),
        ("a=s3:///prefix", "lacks its bucket"),
        ("a=http://host/", "any host"),
        ("a=file:///a?weight=heavy", "weight of store a"),
        ("a=file:///a?weight=", "weight of store a"),
        ("a=file:///a?size=1", "no option 'size'"),
        ("a=file:///a?endpoint=http://h", "no option 'endpoint'"),
        ("a=file:///a?weight", "malformed"),
        ("a=s3://b?endpoint=host:9000", "endpoint of store a"),
        ("a=s3://b?endpoint=http://key:secret@host", "endpoint of store a"),
        ("a=s3://b?part_size_mib=4", "part_size_mib of store a"),
        ("a=s3://b?part_size_mib=5121", "part_size_mib of store a"),
        ("a=s3://b?retry_s=0", "retry_s of store a"),
        ("a=s3://b?retry_s=1000", "retry_s of store a"),
        ("a=s3://b?profile=", "profile of store a"),
        ("a=s3://b?profile=x%5Dy", "profile of store a"),
        ("a=file:///a?profile=x", "no option 'profile'"),
        ("a=file:///a, a=file:///b", "the id 'a'"),
        ("a=s3://b/c, b=s3://b/c/", "the place of 'b/c'"),
        ("a=s3://b?profile=x, b=s3://b?profile=x&region=r", "the place of 'b'"),
        ("a=file:///a, b=file:///a/", "the place of '/a'"),
        ("web=http://", "none of the stores can be written"),
        (",", "none of the stores can be written"),
    ],
)
def test_a_spelling_that_cannot_be_is_told(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_stores(text, "")


@pytest.mark.parametrize("default", ["b", "web"])
def test_the_default_store_can_be_written(default: str) -> None:
    with pytest.raises(ValueError, match="default store"):
        parse_stores("a=file:///a, web=http://", default)


def test_a_key_that_stands_where_none_should_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="store a") as caught:
        parse_stores("a=s3://key:secret@bucket", "")

    assert "secret" not in str(caught.value)
