"""How objects are named, and which project may use which buckets (ims-api, 1.8, 3.5)."""

import pytest

from transom.domain.errors import InvalidError, Reason
from transom.domain.objects import BucketRule, BucketTable, ObjectRef, parse_object

ENDPOINT = "https://s3.example.org"


@pytest.mark.parametrize(
    "text",
    [
        "bucket:folder/key",
        "https://bucket.s3.example.org/folder/key",
        "https://bucket.s3.example.org:443/folder/key",
        "HTTPS://bucket.S3.example.org/folder/key",
        "https://s3.example.org/bucket/folder/key",
        "https://bucket.s3.example.org/folder%2Fkey",
    ],
)
def test_an_object_is_named_by_a_pair_or_by_its_url(text: str) -> None:
    endpoint = f"{ENDPOINT}:443" if ":443" in text else ENDPOINT

    assert parse_object("image_url", text, endpoint) == ObjectRef("bucket", "folder/key")


def test_a_key_may_hold_a_colon() -> None:
    assert parse_object("image_url", "bucket:a:b", ENDPOINT) == ObjectRef("bucket", "a:b")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, Reason.BUCKET_MISSING),
        ("", Reason.BUCKET_MISSING),
        (["bucket:key"], Reason.BUCKET_MISSING),
        (":key", Reason.BUCKET_MISSING),
        ("bucket", Reason.OBJECT_NAME_MISSING),
        ("bucket:", Reason.OBJECT_NAME_MISSING),
        ("bucket:folder/", Reason.OBJECT_NAME_MISSING),
        ("b:key", Reason.BUCKET_NAME_INVALID),
        ("a..b:key", Reason.BUCKET_NAME_INVALID),
        ("a/b:key", Reason.BUCKET_NAME_INVALID),
        ("x" * 64 + ":key", Reason.BUCKET_NAME_INVALID),
        ("bucket:" + "ö" * 513, Reason.OBJECT_NAME_TOO_LONG),
        ("bucket:a b", Reason.OBJECT_NAME_HAS_BLANKS),
        ("bucket:a\tb", Reason.OBJECT_NAME_HAS_BLANKS),
        ("bucket:a\0b", Reason.OBJECT_NAME_INVALID),
        ("bucket:a\\b", Reason.OBJECT_NAME_INVALID),
        ("bucket:\ud800", Reason.OBJECT_NAME_INVALID),
        ("bucket:/key", Reason.OBJECT_NAME_INVALID),
        ("bucket:a//b", Reason.OBJECT_NAME_INVALID),
        ("bucket:./b", Reason.OBJECT_NAME_INVALID),
        ("https://bucket.s3.example.org/a?versionId=1", Reason.OBJECT_NAME_INVALID),
        ("https://user@bucket.s3.example.org/a", Reason.OBJECT_NAME_INVALID),
        ("https://[bucket/a", Reason.OBJECT_NAME_INVALID),
        ("https://bucket.s3.example.org.evil.example/a", Reason.BUCKET_ELSEWHERE),
        ("https://bucket.s3.example.org:8443/a", Reason.BUCKET_ELSEWHERE),
        ("https://bucketxs3.example.org/a", Reason.BUCKET_ELSEWHERE),
        ("http://169.254.169.254/latest/meta-data", Reason.BUCKET_ELSEWHERE),
    ],
)
def test_what_names_no_object_of_the_service_is_refused(text: object, reason: Reason) -> None:
    with pytest.raises(InvalidError, match="image_url") as refused:
        parse_object("image_url", text, ENDPOINT)

    assert refused.value.reason == reason


RULES = BucketTable(
    (
        BucketRule(pattern="images-*", projects=frozenset({"one"}), write=True),
        BucketRule(pattern="vendor", projects=frozenset({"*"})),
        BucketRule(pattern="drop", projects=frozenset({"two"}), read=False, write=True),
    )
)


@pytest.mark.parametrize(
    ("project", "bucket", "write", "expected"),
    [
        ("one", "images-a", False, True),
        ("one", "images-a", True, True),
        ("one", "imagesa", False, False),
        ("two", "images-a", False, False),
        ("two", "vendor", False, True),
        ("two", "vendor", True, False),
        ("two", "drop", True, True),
        ("two", "drop", False, False),
        (None, "vendor", False, False),
    ],
)
def test_the_table_lets_through_what_it_names(
    project: str | None, bucket: str, write: bool, expected: bool
) -> None:
    assert RULES.allows(project, bucket, write=write) is expected


def test_an_empty_table_allows_nothing() -> None:
    assert not BucketTable().allows("one", "images-a", write=False)


@pytest.mark.parametrize(
    ("key", "expected"), [("a.zvhd2", "zvhd2"), ("a.ZVHD", "zvhd"), ("a.qcow2", None), ("zvhd", "zvhd")]
)
def test_the_name_tells_the_formats_of_the_ims_api(key: str, expected: str | None) -> None:
    assert ObjectRef("bucket", key).kept_format == expected
