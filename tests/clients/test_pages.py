"""The programs and commands in docs/clients are run as they stand, with the real clients, on a fresh service.

How a client is installed is told there, too, and is left aside: the tests have them pinned. Pages of clients
that are not installed here (docs/clients says which) are not run.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from harness.environments import install
from harness.node import NodeMissingError, install_node
from harness.service import Service

from clients import shell

PAGES = Path(__file__).parents[2] / "docs" / "clients"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INSTALL = re.compile(r"^(?:pip|npm) install ", re.MULTILINE)
_FILE = re.compile(r"\S+\.(?:py|js)\b")


class Step(NamedTuple):
    """A program of a page, and the command of the page that runs it."""

    page: str
    program: str
    file: str
    command: str


def _blocks(page: str) -> list[tuple[str, str]]:
    """(language, text) of each block of a page."""
    return _BLOCK.findall((PAGES / page).read_text(encoding="utf-8"))


def _steps(page: str) -> Iterator[Step]:
    blocks = [block for block in _blocks(page) if not _INSTALL.match(block[1])]
    for (language, text), (following, command) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language not in ("python", "js"):
            continue
        if following == "sh" and (named := _FILE.search(command)):
            yield Step(page, text, named[0], command)
        else:
            yield Step(page, text, "program.py", "python program.py")


#: A program of two pages has no command of its own: it is run without arguments.
STEPS = [step for page in ("python.md", "nodejs.md", "otcextensions.md") for step in _steps(page)]
(KEYS,) = [text for _, text in _blocks("README.md")]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("pages")) as service:
        yield service


def _prepare(step: Step, folder: Path) -> Path:
    """The folder with `python` in which the client of the page is; that of `node` is put where npm would."""
    if step.page == "otcextensions.md":
        return install("otc").parent
    if step.page == "nodejs.md":
        try:
            modules = install_node() / "node_modules"
        except NodeMissingError as error:
            pytest.skip(str(error))
        (folder / "node_modules").symlink_to(modules)
    return Path(sys.executable).parent


@pytest.fixture
def image_id(fresh: Service) -> Iterator[str]:
    """The image of README's tour, which the pages go on with."""
    client = fresh.client("publisher")
    made = client.post("/v2/images", json={"name": "web-1", "container_format": "bare", "disk_format": "raw"})
    path = f"/v2/images/{made.json()['id']}"
    client.put(f"{path}/file", content=b"data", headers={"Content-Type": "application/octet-stream"})
    yield str(made.json()["id"])
    client.delete(path)


@pytest.mark.parametrize("step", STEPS, ids=[f"{step.page}-{number}" for number, step in enumerate(STEPS)])
def test_a_program_works_as_it_stands(fresh: Service, tmp_path: Path, step: Step, image_id: str) -> None:
    folder = _prepare(step, tmp_path)
    (tmp_path / "data").symlink_to(fresh.data_dir)
    address = urlsplit(fresh.url).netloc
    (tmp_path / step.file).write_text(step.program.replace(shell.LISTEN, address))

    printed = shell.run(f"{KEYS}\n{step.command}", tmp_path, programs=folder, timeout_s=120)

    members = fresh.client("publisher").get(f"/v2/images/{image_id}/members").json()["members"]
    if "recipient" in step.command:
        assert [member["status"] for member in members] == ["pending"]
        assert re.search(r"SUCCESS|pending", printed), printed
    else:
        assert re.search(r"^[1-9]\d* images$", printed, re.MULTILINE), printed


def test_each_page_is_in_the_overview() -> None:
    overview = (PAGES / "README.md").read_text(encoding="utf-8")

    assert [page.name for page in PAGES.glob("*.md") if f"({page.name})" not in overview] == ["README.md"]
