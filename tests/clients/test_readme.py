"""Every command of the tour in README is run as it stands, against a fresh service."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from harness.service import Service

from clients import shell
from clients.console import wait_until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = shell.find_blocks(README)
#: How to install and start the service is told before; `make test` and the tests of the wheel do that.
TOUR = shell.find_blocks(README[README.index("\n## Five minutes") :])


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in a folder that is as README's: `data` and `.venv` are there."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / ".venv").symlink_to(sys.prefix)
    with Service(folder) as service:
        yield service


def test_the_commands_work_as_they_stand(fresh: Service) -> None:
    """Slow: it starts `openstack` some fifteen times, of which each takes one to three seconds. All blocks
    are run in one shell, as a reader does; only the port is another one."""
    script = "\n".join(TOUR).replace(shell.LISTEN, urlsplit(fresh.url).netloc)

    printed = shell.run(script, fresh.work_dir)

    assert (fresh.work_dir / "hello.raw").read_bytes() == (fresh.work_dir / "disk.raw").read_bytes()
    job, _ = json.JSONDecoder().raw_decode(printed, printed.index("{"))
    assert job["job_id"]
    assert job["status"] in ("INIT", "RUNNING", "SUCCESS")
    assert "user:         alice" in printed
    # The batch offered the image anew, after it was withdrawn.
    wait_until(lambda: _list_offers(fresh) == ["hello"])


def _list_offers(service: Service) -> list[str]:
    answer = service.client("recipient").get("/v2/images?visibility=shared&member_status=pending")
    return [image["name"] for image in answer.json()["images"]]


def test_no_placeholder_is_left_to_fill_in() -> None:
    assert [block for block in BLOCKS if re.search(r"<[a-z ]+>", block)] == []


def test_every_verb_of_make_that_is_named_is_there() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)", " ".join(re.findall(r"`[^`]+`", README) + BLOCKS)))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert named
    assert named - targets == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell: str) -> None:
    command = [sys.executable, "-m", "transom", "completion", shell]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert "_TRANSOM_COMPLETE" in done.stdout


def test_bash_completes_verbs_and_options(tmp_path: Path) -> None:
    """As bash asks for it, by the variables that the script sets (click, "Shell Completion")."""
    script = (
        'eval "$(transom completion bash)"; COMP_WORDS=(transom accounts k); COMP_CWORD=2; '
        '_transom_completion transom; echo "${COMPREPLY[@]}"'
    )

    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.split() == ["keys"]
