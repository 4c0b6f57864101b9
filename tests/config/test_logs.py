"""Log lines: text for people on a terminal, JSON elsewhere, and what the setting makes of that."""

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import urllib.parse
from pathlib import Path
from select import PIPE_BUF

import pytest
from harness.child import killed_after
from harness.service import Service

from transom.log_output import LogOutput
from transom.telemetry import RequestLog, open_lines


def _first_line(folder: Path, stderr: int, read_from: int, log_format: str | None) -> str:
    """What `transom work` logs first to `stderr`, as read at the other end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRANSOM_")}
    chosen = {"TRANSOM_LOG_FORMAT": log_format} if log_format else {}
    worker = subprocess.Popen(
        [sys.executable, "-m", "transom", "work"],
        cwd=folder,
        env=inherited | chosen,
        stdin=subprocess.DEVNULL,
        stderr=stderr,
    )
    os.close(stderr)
    try:
        with killed_after(60, worker), os.fdopen(read_from, "rb") as lines:
            return lines.readline().decode().rstrip()
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)


@pytest.mark.parametrize(
    ("log_format", "is_terminal", "is_json"),
    [
        (None, True, False),
        (None, False, True),
        ("auto", True, False),
        ("json", True, True),
        ("text", False, False),
    ],
)
def test_a_terminal_shows_text_and_anything_else_gets_json(
    tmp_path: Path, log_format: str | None, is_terminal: bool, is_json: bool
) -> None:
    subprocess.run([sys.executable, "-m", "transom", "migrate"], cwd=tmp_path, check=True, timeout=60)
    read_from, stderr = pty.openpty() if is_terminal else os.pipe()

    line = _first_line(tmp_path, stderr, read_from, log_format)

    if is_json:
        assert json.loads(line)["message"] == "working"
    else:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d info working logger=transom\.cli\.work", line)


#: A path with what terminals obey, or take for the end of a line, in its code of one byte and of two.
HOSTILE = "/v2/images/a%1b%5b2J%0a%c2%9b%7f%c2%85%e2%80%a8%e2%80%ae%f3%a0%80%81é/file"


def _log_of(folder: Path, log_format: str) -> str:
    """What a service logged of a request for that path."""
    with Service(folder, None, {"TRANSOM_LOG_FORMAT": log_format}) as service:
        service.client("publisher").get(HOSTILE)
        service.stop()
        return service.log_path.read_text()


@pytest.fixture(scope="module")
def text_log(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _log_of(tmp_path_factory.mktemp("text"), "text")


def test_a_request_is_one_line_for_people(text_log: str, tmp_path: Path) -> None:
    [line] = [line for line in text_log.splitlines() if "/file" in line]

    assert re.match(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d 404 GET /v2/images/\S+/file [\d.]+ ms request_id=req-", line
    )
    assert " user_id=" in line
    assert " project_id=" in line


def test_no_control_character_of_a_stranger_reaches_the_terminal(text_log: str) -> None:
    assert r"/v2/images/a\x1b[2J\n\x9b\x7f\x85\u2028\u202e\U000e0001é/file" in text_log
    assert all(character.isprintable() or character == "\n" for character in text_log)


def test_no_control_character_of_a_stranger_is_in_json_either(tmp_path: Path) -> None:
    log = _log_of(tmp_path, "json")

    paths = [json.loads(line).get("path") for line in log.splitlines()]
    assert urllib.parse.unquote(HOSTILE) in paths
    assert all(character.isprintable() or character == "\n" for character in log)


@pytest.mark.parametrize(("level", "is_written"), [("INFO", True), ("WARNING", False)])
def test_lines_that_are_written_often_are_as_any_other(
    level: str, is_written: bool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(level, "transom.often")

    # The second is longer than a pipe takes at once, and so are the others together.
    fields: list[dict[str, object]] = [{"was": None}, {"image_id": "x" * 5000}]
    fields += [{"image_id": str(number)} for number in range(200)]

    open_lines("transom.often", "json")(("share.accepted", each) for each in fields)

    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    told: dict[str, object] = {"level": "info", "logger": "transom.often", "message": "share.accepted"}
    wanted = [told | each for each in fields] if is_written else []
    assert [{name: line[name] for name in line if name != "time"} for line in lines] == wanted
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)


def test_lines_that_are_not_written_are_not_made_either(caplog: pytest.LogCaptureFixture) -> None:
    """Each event would be decoded for its line (`sharing/relay.py`)."""
    caplog.set_level("WARNING", "transom.often")

    open_lines("transom.often", "json")(pytest.fail("a line was made") for _ in range(1))


def test_lines_of_a_moment_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many in a piece as a pipe takes at once: lines of several workers do not mix."""
    # A pipe of packets gives what each write wrote (pipe(2), O_DIRECT).
    reader, writer = os.pipe2(os.O_DIRECT)
    with os.fdopen(reader, "rb", buffering=0) as packets, os.fdopen(writer, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        log = RequestLog("json")

        def answer(number: int) -> None:
            log.write("GET", "/v2/images", 200, 0.001, f"req-{number}", "192.0.2.1", None, None)

        def read_ids() -> list[str]:
            return [json.loads(line)["request_id"] for line in packets.read(PIPE_BUF).splitlines()]

        async def answer_in_rounds() -> list[str]:
            for number in range(3):
                answer(number)
                await asyncio.sleep(0)
            return await asyncio.to_thread(read_ids)

        async def answer_many_and_end() -> None:
            for number in range(100):
                answer(number)
            log.close()
            answer(100)

        together = asyncio.run(answer_in_rounds())
        asyncio.run(answer_many_and_end())
        stderr.close()
        pieces = list(iter(lambda: packets.read(PIPE_BUF), b""))

    assert together == ["req-0", "req-1", "req-2"]
    lines = b"".join(pieces).splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == [f"req-{number}" for number in range(101)]
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert len(pieces) < 100 / 5


def test_a_line_that_was_cut_stays_alone() -> None:
    """The output takes a part of a line, then for a while nothing, then lines again."""
    reader, writer = os.pipe2(os.O_NONBLOCK)
    with os.fdopen(reader, "rb", buffering=0) as pipe, os.fdopen(writer, "wb") as held_open:
        room = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BUF)
        output = LogOutput(held_open.fileno())
        lost: list[int] = []
        output.count_lost = lost.append
        output.start()
        output.write([b"a" * 2 * room + b"\n"])
        output.write([b"b\n", b"c\n"])
        output.close()
        cut = pipe.read(2 * room)

        output.write([b"d\n"])

        assert cut == b"a" * room
        assert pipe.read(room) == b"\nd\n"
        assert lost == [1, 2]
