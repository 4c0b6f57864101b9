"""`transom share` and `transom family`: the publisher's and the recipient's story."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from harness.child import killed_after
from harness.service import Service

from .calls import make_image, new_name
from .conftest import Run, environment, program


@pytest.mark.real_start
def test_an_image_is_offered_accepted_listed_and_withdrawn(
    service: Service, run: Run, tmp_path: Path
) -> None:
    name = new_name()
    image_id = make_image(service, name)
    (tmp_path / "to.csv").write_text("project\nrecipient\nother\n")

    offered = run("publisher", "share", "offer", name, "--to-file", "to.csv", "--expires-at", "90d")
    inbox = run("recipient", "share", "inbox", "-f", "json")
    accepted = run("recipient", "share", "accept", name)
    shares = run("publisher", "share", "list", name, "-f", "json")
    recipients = run("publisher", "share", "recipients", "-f", "json")
    unasked = run("publisher", "share", "withdraw", name, "--everybody")
    withdrawn = run("publisher", "share", "withdraw", name, "--everybody", "--yes")

    assert (offered.returncode, offered.stdout) == (0, "offered: 2\n"), offered.stderr
    assert image_id in [item["id"] for item in json.loads(inbox.stdout)]
    assert (accepted.returncode, accepted.stdout) == (0, "changed: 1\n"), accepted.stderr
    assert sorted(item["status"] for item in json.loads(shares.stdout)) == ["accepted", "pending"]
    (own,) = (item for item in json.loads(recipients.stdout) if item["name"] == "recipient")
    assert own["images"] > own["pending"]
    assert unasked.returncode == 1
    assert "2 shares" in unasked.stderr
    assert (withdrawn.returncode, withdrawn.stdout) == (0, "withdrawn: 2\n"), withdrawn.stderr


def test_what_could_not_be_done_is_told_and_the_status_is_3(service: Service, run: Run) -> None:
    image_id = make_image(service, new_name())

    done = run("publisher", "share", "offer", image_id, "--to", "publisher", "--to", "recipient")

    assert (done.returncode, done.stdout) == (3, "offered: 1\n")
    assert image_id in done.stderr


@pytest.mark.parametrize(
    ("verb", "count"), [(("offer", "--to", "publisher"), "offered"), (("accept",), "changed")]
)
def test_a_program_reads_what_was_done_and_what_failed(
    service: Service, run: Run, verb: tuple[str, ...], count: str
) -> None:
    image_id = make_image(service, new_name())

    done = run("publisher", "share", verb[0], image_id, *verb[1:], "-f", "json")

    told = json.loads(done.stdout)
    assert (done.returncode, told[count], done.stderr) == (3, 0, "")
    assert image_id in str(told["failures"])


def test_nobody_is_offered_anything_when_one_is_not_found(service: Service, run: Run, tmp_path: Path) -> None:
    image_id = make_image(service, new_name())
    (tmp_path / "to.txt").write_text("recipient\nnobody\nno one\n")

    done = run("publisher", "share", "offer", image_id, "--to-file", "to.txt")

    assert done.returncode == 1
    assert "'nobody'" in done.stderr
    assert "'no one'" in done.stderr
    members = service.client("publisher").get(f"/v2/images/{image_id}/members").json()["members"]
    assert members == []


@pytest.mark.real_start
def test_a_revoked_version_gives_way_to_the_one_before(service: Service, run: Run) -> None:
    family = new_name("f")
    images = [make_image(service, new_name()) for _ in range(2)]
    run("publisher", "family", "create", family)
    run("publisher", "share", "offer", "--family", family, "--to", "recipient")
    run("recipient", "share", "accept", "--family", family)
    for image_id in images:
        published = run("publisher", "family", "publish", family, image_id, "-f", "json")
        assert published.returncode == 0, published.stderr
        version = json.loads(published.stdout)
        assert list(version)[:3] == ["number", "image_id", "image"]
        assert version["image_id"] == image_id

    revoked = run("publisher", "family", "revoke", family, "2", "--reason", "A hole.", "--yes")

    assert revoked.returncode == 0, revoked.stderr
    assert revoked.stderr == f"Revoke version 2 of {family}, which has 1 member.\n"
    shown = run("publisher", "family", "show", family, "--versions", "-f", "value", "-c", "state")
    assert shown.stdout == "revoked\ncurrent\n"


def test_a_family_is_changed_emptied_and_deleted(service: Service, run: Run) -> None:
    family = new_name("f")
    images = [make_image(service, new_name()) for _ in range(2)]
    run("publisher", "family", "create", family, "--description", "Old.")
    run("publisher", "share", "offer", "--family", family, "--to", "recipient")
    run("recipient", "share", "accept", "--family", family)
    for image_id in images:
        run("publisher", "family", "publish", family, image_id)

    shown = run("publisher", "family", "set", family, "--title", "Web", "--description", "", "-f", "json")
    unchanged = run("publisher", "family", "set", family)
    current = run("publisher", "family", "remove", family, "2", "--yes")
    removed = run("publisher", "family", "remove", family, "1", "--yes")
    versions = run("publisher", "family", "show", family, "--versions", "-f", "value", "-c", "number")
    deleted = run("publisher", "family", "delete", family, "--yes")
    gone = run("publisher", "family", "show", family)

    changed = json.loads(shown.stdout)
    assert (changed["title"], changed["description"]) == ("Web", None)
    assert (unchanged.returncode, "nothing to change" in unchanged.stderr) == (2, True)
    assert (current.returncode, "(409)" in current.stderr) == (1, True)
    assert (removed.returncode, removed.stderr) == (0, f"Remove version 1 from {family}.\n")
    assert versions.stdout == "2\n"
    assert (deleted.returncode, deleted.stderr) == (0, f"Delete the family {family}, which has 1 member.\n")
    assert (gone.returncode, "There is no family" in gone.stderr) == (1, True)
    recipient = service.client("recipient")
    assert [recipient.get(f"/v2/images/{image_id}").status_code for image_id in images] == [200, 200]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("to.txt", "recipient\nother  # the second\n"),
        ("to.csv", "name,project\nFirst,recipient\nSecond,other\n"),
        ("to.yaml", "projects: [recipient, other]\n"),
        ("-", "recipient\nother\n"),
    ],
)
def test_recipients_come_from_a_file(
    service: Service, run: Run, tmp_path: Path, name: str, text: str
) -> None:
    image_id = make_image(service, new_name())
    if name != "-":
        (tmp_path / name).write_text(text)

    done = run("publisher", "share", "offer", image_id, "--to-file", name, stdin=text)

    assert (done.returncode, done.stdout) == (0, "offered: 2\n"), done.stderr
    members = service.client("publisher").get(f"/v2/images/{image_id}/members").json()["members"]
    wanted = {service.clouds[one].project_id for one in ("recipient", "other")}
    assert {member["member_id"] for member in members} == wanted


def test_a_recipient_rejects_takes_it_back_and_leaves(service: Service, run: Run) -> None:
    name = new_name()
    image_id = make_image(service, name)
    run("publisher", "share", "offer", image_id, "--to", "recipient")
    status = ("share", "list", image_id, "-f", "value", "-c", "status")

    answers = [
        (run("recipient", "share", verb, name).returncode, run("publisher", *status).stdout)
        for verb in ("reject", "reset", "accept")
    ]
    unasked = run("recipient", "share", "leave", name)
    left = run("recipient", "share", "leave", name, "--yes")
    again = run("recipient", "share", "leave", image_id, "--yes")

    assert answers == [(0, "rejected\n"), (0, "pending\n"), (0, "accepted\n")]
    assert unasked.returncode == 1
    assert "Your access to 1 image ends? Say --yes" in unasked.stderr
    assert (left.returncode, left.stdout) == (0, "changed: 1\n"), left.stderr
    assert run("publisher", *status).stdout == ""
    assert (again.returncode, again.stdout) == (1, ""), "it is hidden from now on"


def test_everything_is_answered_and_withdrawn_by_its_project(service: Service, run: Run) -> None:
    family, image_id = new_name("f"), make_image(service, new_name())
    run("publisher", "family", "create", family)
    run("publisher", "share", "offer", image_id, "--family", family, "--to", "other")

    accepted = run("other", "share", "accept", "--all", "pending", "--from", "publisher")
    withdraw = ("share", "withdraw", "--everything", "--to", "other")
    unasked = run("publisher", *withdraw)
    withdrawn = run("publisher", *withdraw, "--yes")
    nothing = run("publisher", *withdraw, "--yes")

    count = int(accepted.stderr.split()[1])
    assert count >= 2
    assert accepted.stderr.startswith("accepted: ")
    # Offers that other tests left are among them: an image that a family brings is answered with the family.
    assert accepted.stdout.startswith("changed: ")
    assert 2 <= int(accepted.stdout.split()[1]) <= count
    assert "1 family, from 1 recipient? Say --yes" in unasked.stderr
    assert withdrawn.returncode == 0, withdrawn.stderr
    assert int(withdrawn.stdout.split()[1]) >= 2
    assert (nothing.returncode, nothing.stdout) == (0, "nothing to do\n")
    assert "0 images, from 1 recipient." in nothing.stderr


def test_withdrawing_everything_asks_with_the_number_of_shares_that_end(service: Service, run: Run) -> None:
    shared, _with_nobody = make_image(service, new_name()), make_image(service, new_name())
    withdraw = ("share", "withdraw", "--everything", "--everybody")
    run("publisher", *withdraw, "--yes")
    run("publisher", "share", "offer", shared, "--to", "recipient", "--to", "other")

    asked = run("publisher", *withdraw)
    withdrawn = run("publisher", *withdraw, "--yes")

    assert "everything that your project shares (2 shares) from everybody? Say --yes" in asked.stderr
    assert (withdrawn.returncode, withdrawn.stdout) == (0, "withdrawn: 2\n"), withdrawn.stderr


def test_an_image_of_two_recipients_counts_once_when_everything_is_withdrawn(
    service: Service, run: Run
) -> None:
    image_id = make_image(service, new_name())
    run("publisher", "share", "withdraw", "--everything", "--everybody", "--yes")
    run("publisher", "share", "offer", image_id, "--to", "recipient", "--to", "other")

    asked = run("publisher", "share", "withdraw", "--everything", "--to", "recipient", "--to", "other")

    assert "shares, 1 image, from 2 recipients? Say --yes" in asked.stderr


def test_who_wants_to_be_asked_each_time_is(service: Service, run: Run) -> None:
    family, image_id = new_name("f"), make_image(service, new_name())
    run("publisher", "family", "create", family)
    run("publisher", "share", "offer", "--family", family, "--to", "recipient")

    accepted = run("recipient", "share", "accept", "--family", family, "--ask-each-time")
    run("publisher", "family", "publish", family, image_id)

    assert accepted.returncode == 0, accepted.stderr
    inbox = run("recipient", "share", "inbox", "--kind", "image", "-f", "value", "-c", "id")
    assert image_id in inbox.stdout.split()
    assert run("recipient", "share", "accept", image_id, "--ask-each-time").returncode == 2


def test_a_watch_has_a_line_for_each_event_until_it_is_interrupted(
    service: Service, run: Run, tmp_path: Path
) -> None:
    image_id = make_image(service, new_name())
    words = ("share", "watch", "--image", image_id, "--type", "share.*", "-f", "json")
    # A shell starts what runs in the background with SIGINT ignored, and these tests may run there.
    interruptible = ["env", "--default-signal=INT", *program(*words)]
    seen = service.log_path.stat().st_size
    watching = subprocess.Popen(
        interruptible,
        cwd=tmp_path,
        env=environment(service, "publisher"),
        stdout=subprocess.PIPE,
        text=True,
    )
    with watching, killed_after(60, watching):
        assert watching.stdout is not None
        # It has looked where the feed ends, and waits for what comes.
        while b'"/share/v1/events"' not in service.log_path.read_bytes()[seen:]:
            assert watching.poll() is None
            time.sleep(0.05)
        run("publisher", "share", "offer", image_id, "--to", "recipient", "--message", "New.")
        run("recipient", "share", "accept", image_id)
        events = [json.loads(watching.stdout.readline()) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        rest = watching.stdout.read()
        watching.wait(30)

    assert [event["type"] for event in events] == ["transom.share.offered", "transom.share.accepted"]
    assert events[0]["data"]["message"] == "New."
    assert (rest, watching.returncode) == ("", 0)


def test_history_names_both_sides_and_the_reason(service: Service, run: Run) -> None:
    name = new_name()
    image_id = make_image(service, name)
    run("publisher", "share", "offer", image_id, "--to", "recipient")
    run("publisher", "share", "withdraw", image_id, "--to", "recipient", "--reason", "Ended.", "--yes")

    words = ("--image", image_id, "--type", "share.*", "--limit", "2")
    done = run("recipient", "share", "history", *words, "-f", "json")

    told = [
        (row["type"], row["image"], row["owner"], row["recipient"], row["reason"])
        for row in json.loads(done.stdout)
    ]
    sides = (name, "publisher", "recipient")
    assert told == [("share.withdrawn", *sides, "Ended."), ("share.offered", *sides, None)]


def test_history_finds_what_is_gone_by_its_name(service: Service, run: Run) -> None:
    name, family = new_name(), new_name("f")
    image_id = make_image(service, name)
    run("publisher", "family", "create", family)
    run("publisher", "share", "offer", image_id, "--family", family, "--to", "recipient")
    run("publisher", "share", "withdraw", image_id, "--family", family, "--to", "recipient", "--yes")
    service.client("publisher").delete(f"/v2/images/{image_id}")
    told: list[str] = []
    while told.count(name) < 2 or told.count(family) < 2:
        events = service.client("recipient").get("/share/v1/events?order=desc").json()["events"]
        told = [
            one.get("name") for event in events for one in map(event["data"].get, ("image", "family")) if one
        ]

    of_image = run("recipient", "share", "history", "--image", name, "-f", "json")
    of_family = run("recipient", "share", "history", "--family", family, "-f", "csv")
    of_none = run("recipient", "share", "history", "--image", f"{name}-else")

    rows = json.loads(of_image.stdout)
    assert [row["type"] for row in rows] == ["share.withdrawn", "share.offered"]
    assert {row["image_id"] for row in rows} == {image_id}
    rows = list(csv.DictReader(of_family.stdout.splitlines()))
    assert [(row["type"], row["by_user"]) for row in rows] == [
        ("family.withdrawn", ""),
        ("family.offered", ""),
    ]
    assert (of_none.returncode, "that you can see" in of_none.stderr) == (1, True)
