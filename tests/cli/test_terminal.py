"""What is different at a terminal: tables fit, colours, bars, questions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness.service import Service

from .calls import make_image, new_name
from .conftest import Run, RunOnTerminal

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def _offer(service: Service, run: Run, message: str) -> str:
    image_id = make_image(service, new_name())
    done = run("publisher", "share", "offer", image_id, "--to", "other", "--message", message)
    assert done.returncode == 0, done.stderr
    return image_id


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_list_fits_and_no_id_is_broken(
    service: Service, run: Run, run_on_terminal: RunOnTerminal, width: int
) -> None:
    image_id = _offer(service, run, "word " * 60)

    shown = run_on_terminal("other", "share", "inbox", width=width)

    lines = _STYLE.sub("", shown.text).splitlines()
    assert max(map(len, lines)) <= width
    assert sum(image_id in line for line in lines) == 1
    assert "answer_by" not in shown.text, "a column that nothing is in"


def test_colours_are_for_terminals(service: Service, run: Run, run_on_terminal: RunOnTerminal) -> None:
    image_id = make_image(service, new_name())

    texts = [run("publisher", "image", "show", image_id).stdout]
    texts.append(run_on_terminal("publisher", "image", "show", image_id).text)

    assert ["\x1b" in text for text in texts] == [False, True]


def test_where_nothing_is_found_that_is_said(run: Run, run_on_terminal: RunOnTerminal) -> None:
    words = ("image", "list", "--name", new_name())

    assert run_on_terminal("publisher", *words).text == "There is nothing to show.\n"
    assert run("publisher", *words).stdout.split()[:2] == ["id", "name"]


def test_a_bar_is_shown_at_a_terminal_only(
    service: Service, run: Run, run_on_terminal: RunOnTerminal, tmp_path: Path
) -> None:
    image_id = make_image(service, new_name(), bytes(3 << 20))
    words = ("image", "download", image_id, "--file", "copy.raw", "--force")

    piped = run("publisher", *words)
    shown = run_on_terminal("publisher", *words)

    last = f"copy.raw: {3 << 20} bytes, sha512 verified\n"
    assert (piped.stdout, piped.stderr) == ("", last)
    assert "3.0/3.0 MiB" in _STYLE.sub("", shown.text)
    assert "MiB/s" in shown.text
    assert shown.text.endswith(last)


@pytest.mark.parametrize(("typed", "left"), [("y\n", 0), ("n\n", 1)])
def test_what_undoes_is_asked_at_a_terminal(
    service: Service, run: Run, run_on_terminal: RunOnTerminal, typed: str, left: int
) -> None:
    image_id = _offer(service, run, "Take it.")

    shown = run_on_terminal("publisher", "share", "withdraw", image_id, "--everybody", typed=typed)

    assert "Withdraw 1 image (1 share) from everybody? [y/N]" in shown.text
    assert shown.returncode == left
    members = service.client("publisher").get(f"/v2/images/{image_id}/members").json()["members"]
    assert len(members) == left
