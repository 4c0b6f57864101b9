"""`transom hook`: a hook from its making to its end, with a real receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from conftest import SharedServices
from harness.receiver import Receiver
from harness.service import Service

from .calls import make_image, new_name
from .conftest import Run

#: The receivers of these tests are on this machine.
INSIDE = {"TRANSOM_HOOK_SCHEMES": "http,https", "TRANSOM_HOOK_HOSTS": "127.0.0.1", "TRANSOM_HOOK_QUOTA": "-1"}


@pytest.fixture(scope="module")
def service(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite", **INSIDE)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.mark.real_start
def test_a_hook_is_made_tested_changed_replayed_and_deleted(
    service: Service, run: Run, receiver: Receiver
) -> None:
    made = run("publisher", "hook", "create", receiver.origin, "--type", "share.offered", "-f", "json")
    assert made.returncode == 0, made.stderr
    hook = json.loads(made.stdout)
    assert (hook["types"], hook["enabled"]) == (["share.offered"], True)

    tested = run("publisher", "hook", "test", hook["id"])
    assert (tested.returncode, tested.stdout) == (0, "on its way\n"), tested.stderr
    receiver.take().verify(hook["secret"])

    run("publisher", "share", "offer", make_image(service, new_name()), "--to", "recipient")
    first = receiver.take()
    replayed = run("publisher", "hook", "replay", hook["id"], hook["cursor"], "-f", "value", "-c", "cursor")
    assert (replayed.returncode, replayed.stdout) == (0, f"{hook['cursor']}\n"), replayed.stderr
    assert receiver.take().body == first.body

    changed = run(
        "publisher", "hook", "set", hook["id"], "--type", "family.*", "--batch", "--disable", "-f", "json"
    )
    shown = json.loads(run("publisher", "hook", "show", hook["id"], "-f", "json").stdout)
    assert changed.returncode == 0, changed.stderr
    assert (shown["types"], shown["batch"], shown["enabled"]) == (["family.*"], True, False)
    assert "secret" not in shown
    listed = run("publisher", "hook", "list", "-f", "value", "-c", "id", "-c", "enabled")
    assert f"{hook['id']} false\n" in listed.stdout

    unasked = run("publisher", "hook", "delete", hook["id"])
    assert unasked.returncode == 1
    assert f"Delete the hook to {receiver.origin}? Say --yes" in unasked.stderr
    assert run("publisher", "hook", "delete", hook["id"], "--yes").returncode == 0
    again = run("publisher", "hook", "show", hook["id"])
    assert (again.returncode, again.stderr) == (1, "Error: There is no such hook. (404)\n")


def test_another_secret_is_shown_once_and_signs(service: Service, run: Run, receiver: Receiver) -> None:
    hook = json.loads(run("publisher", "hook", "create", receiver.origin, "-f", "json").stdout)

    unasked = run("publisher", "hook", "secret", hook["id"])
    renewed = json.loads(run("publisher", "hook", "secret", hook["id"], "--yes", "-f", "json").stdout)
    run("publisher", "hook", "test", hook["id"])

    assert (unasked.returncode, unasked.stdout) == (1, "")
    assert renewed["secret"] != hook["secret"]
    received = receiver.take()
    received.verify(renewed["secret"])
    received.verify(hook["secret"])
    assert run("publisher", "hook", "delete", hook["id"], "--yes").returncode == 0


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("create", "ftp://x.example/"), 1, "Error: /url: The scheme 'ftp' is not allowed. (400)\n"),
        (("create", "https://x.example/", "--type", "none.*"), 1, "no type of event matches 'none.*'"),
        (("set", "none"), 2, "There is nothing to change."),
        (("show", "none"), 1, "Error: There is no such hook. (404)\n"),
    ],
)
def test_what_is_wrong_is_said(run: Run, words: tuple[str, ...], status: int, said: str) -> None:
    done = run("publisher", "hook", *words)

    assert done.returncode == status
    assert said in done.stderr
