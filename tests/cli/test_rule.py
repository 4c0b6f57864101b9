"""`transom rule`."""

from __future__ import annotations

import json

import pytest
from harness.service import Service

from .conftest import Run


@pytest.mark.real_start
def test_a_rule_is_made_listed_and_deleted(service: Service, run: Run) -> None:
    publisher = service.clouds["publisher"].project_id

    made = run("other", "rule", "set", "rejected", "--project", "publisher", "-f", "json")
    listed = run("other", "rule", "list", "-f", "value", "-c", "publisher", "-c", "answer")
    unasked = run("other", "rule", "delete", "--project", "publisher")
    deleted = run("other", "rule", "delete", "--project", "publisher", "--yes")
    again = run("other", "rule", "delete", "--project", publisher, "--yes")

    assert json.loads(made.stdout)["answer"] == "rejected", made.stderr
    assert f"{publisher} rejected\n" in listed.stdout
    assert (unasked.returncode, deleted.returncode, again.returncode) == (1, 0, 1)
    assert "Say --yes" in unasked.stderr
    assert "(404)" in again.stderr


def test_a_rule_is_for_one_publisher(run: Run) -> None:
    assert run("other", "rule", "set", "accepted").returncode == 2
    assert run("other", "rule", "set", "accepted", "--everybody", "--project", "x").returncode == 2


def test_a_project_that_nobody_knows_is_said(run: Run) -> None:
    done = run("other", "rule", "set", "accepted", "--project", "nobody at all")

    assert done.returncode == 1
    assert "no project 'nobody at all'" in done.stderr
