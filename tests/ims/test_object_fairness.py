"""Imports of several projects at once: many of one project do not hold up another's."""

from pathlib import Path

from harness.objects import ACTION, MIB, OPEN_TO_ALL, Bucket, ask, object_settings, system_image
from harness.service import MakeService
from harness.swift import Swift
from test_copies import finish

MANY = 8


def test_an_import_waits_for_at_most_one_of_another_projects_many(
    make_service: MakeService, swift: Swift, tmp_path: Path
) -> None:
    """With one place for jobs. What ends between the request and the end of the one import is what it waited
    for: times of jobs are in an order that sorts as text."""
    settings = object_settings(swift.endpoint, tmp_path, OPEN_TO_ALL)
    service = make_service("sqlite", TRANSOM_JOBS_AT_ONCE="1", **settings)
    bucket = Bucket(swift)
    large = bucket.put("large.raw", bytes(32 * MIB))
    small = bucket.put("small.raw", bytes(MIB))
    many = [
        ask(service, ACTION, **system_image(large, name=f"large {number}")).json()["job_id"]
        for number in range(MANY)
    ]

    job_id = ask(service, ACTION, caller="other", **system_image(small)).json()["job_id"]
    own = finish(service, "other", job_id)
    jobs = [finish(service, "publisher", one) for one in many]

    assert [own["status"], *(job["status"] for job in jobs)] == ["SUCCESS"] * (1 + MANY)
    waited_for = [job for job in jobs if own["begin_time"] < job["end_time"] <= own["end_time"]]
    assert len(waited_for) <= 1
    assert len([job for job in jobs if job["end_time"] > own["end_time"]]) >= 1
