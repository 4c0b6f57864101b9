"""A service that means harm, or is broken: its answers are shown or refused, never obeyed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha512
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness import child, forks
from harness.loopback import Handler, LoopbackServer
from harness.service import Service

from .conftest import environment, program

_ID = "0b1c2d3e-0000-4000-8000-000000000001"
_DATA = b"data"
_IMAGE = {
    "id": _ID,
    "name": "web",
    "size": len(_DATA),
    "os_hash_algo": "sha512",
    "os_hash_value": sha512(_DATA).hexdigest(),
}
#: What comes instead of a JSON document.
Answer = tuple[int, dict[str, str], bytes]


class HostileService(LoopbackServer):
    """Gives each path what a test puts into `answers`: a document or an `Answer`. `asked`: the paths."""

    def __init__(self) -> None:
        answers: dict[str, Any] = {}
        asked: list[str] = []

        class AnswerHandler(Handler):
            def respond(self) -> None:
                asked.append(self.path)
                found = answers.get(urlsplit(self.path).path, (404, {}, b""))
                if not isinstance(found, tuple):
                    found = (200, {"Content-Type": "application/json"}, json.dumps(found).encode())
                status, headers, body = found
                self.answer(status, body, headers)

        super().__init__(AnswerHandler)
        self.answers = answers
        self.asked = asked


@pytest.fixture
def hostile() -> Iterator[HostileService]:
    with HostileService() as server:
        yield server


Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ask(hostile: HostileService, service: Service, tmp_path: Path) -> Ask:
    """Runs `transom` against the hostile service, in a folder below the test's."""
    folder = tmp_path / "own"
    folder.mkdir()
    account = {"OS_CLOUD": "", "OS_AUTH_TYPE": "none", "OS_ENDPOINT": hostile.origin}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environ = environment(service, "", **account)
        return child.run(forks.start, program(*words), folder, environ)

    return run


@pytest.mark.parametrize("path", ["../out", "/tmp/../{folder}/out", ".", "a b"])
def test_an_id_names_no_file_elsewhere(hostile: HostileService, ask: Ask, tmp_path: Path, path: str) -> None:
    image = _IMAGE | {"id": path.format(folder=tmp_path)}
    hostile.answers["/v2/images"] = {"images": [image]}

    done = ask("image", "download", "web")

    assert (done.returncode, "give --file" in done.stderr) == (1, True), done.stderr
    assert [one.name for one in tmp_path.rglob("*")] == ["own"]


def test_data_without_an_end_is_read_as_far_as_the_image_goes(
    hostile: HostileService, ask: Ask, tmp_path: Path
) -> None:
    hostile.answers["/v2/images"] = {"images": [_IMAGE]}
    hostile.answers[f"/v2/images/{_ID}/file"] = (200, {"Content-Length": str(1 << 40)}, bytes(8 << 20))

    done = ask("image", "download", "web")

    assert (done.returncode, "is damaged" in done.stderr) == (1, True), done.stderr
    assert list((tmp_path / "own").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"os_hash_algo": "shake_128"}, "not known here"),
        ({"os_hash_algo": "nothing"}, "not known here"),
        ({"os_hash_value": "00"}, "is damaged"),
        ({"size": None}, "has no data yet"),
        ({"size": "4"}, "has no data yet"),
    ],
)
def test_what_cannot_be_verified_is_not_saved(
    hostile: HostileService, ask: Ask, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    hostile.answers["/v2/images"] = {"images": [_IMAGE | changes]}
    hostile.answers[f"/v2/images/{_ID}/file"] = (200, {}, _DATA)

    done = ask("image", "download", "web")

    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert list((tmp_path / "own").iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"images": [], "next": "/v2/images?marker=x"}, "without an end"),
        ({"images": [], "next": "@127.0.0.2/v2/images"}, "no path"),
        ({"images": 1}, "without images"),
        ([], "without images"),
        ((200, {}, b"<html>"), "no JSON"),
        ((302, {"Location": "http://127.0.0.2/v2/images"}, b""), "redirect"),
    ],
    ids=["a loop", "another host", "no list", "no object", "no JSON", "a redirect"],
)
def test_a_list_that_is_none_is_refused_in_a_line(
    hostile: HostileService, ask: Ask, answer: Any, said: str
) -> None:
    hostile.answers["/v2/images"] = answer

    done = ask("image", "list")

    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert done.stderr.count("\n") == 1
    assert len(hostile.asked) <= 2


@pytest.mark.parametrize("form", ["table", "json", "csv", "value"])
def test_control_characters_are_shown_in_every_form(hostile: HostileService, ask: Ask, form: str) -> None:
    """Terminals obey U+009B as they do ESC [, and JSON lets it stand as it is."""
    name = "\x1b[2J \x9b2J \u202e \x7f \ud800 Ä"
    hostile.answers["/v2/images"] = {"images": [_IMAGE | {"name": name}]}

    done = ask("image", "list", "-f", form)

    assert done.returncode == 0, done.stderr
    assert "Ä" in done.stdout
    assert done.stdout.replace("\n", "").isprintable()
    if form == "json":
        assert json.loads(done.stdout)[0]["name"] == name


def test_control_characters_of_a_refusal_are_shown(hostile: HostileService, ask: Ask) -> None:
    problem = json.dumps({"message": "no \x1b]0;x\x07\x9b2J", "code": "403"}).encode()
    hostile.answers["/v2/images"] = (403, {}, problem)

    done = ask("image", "list")

    assert done.stderr.startswith("Error: no \\x1b]0;x")
    assert done.stderr.replace("\n", "").isprintable()
