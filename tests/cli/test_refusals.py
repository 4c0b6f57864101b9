"""What people are told when the service cannot be reached, or puts them off: one line, and what to do."""

import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness.service import Service

from .calls import make_image
from .conftest import Run, environment, program


class Busy(ThreadingHTTPServer):
    """Puts off the first request for `after` seconds; later ones find no images. `asked`: the methods."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.after = "0"
        self.asked: list[str] = []

    @property
    def account(self) -> dict[str, str]:
        """The variables of an account that asks no identity."""
        url = f"http://127.0.0.1:{self.server_port}"
        given = {"AUTH_TYPE": "admin_token", "TOKEN": "t", "ENDPOINT": url, "IMAGE_ENDPOINT_OVERRIDE": url}
        return {"OS_CLOUD": "", **{f"OS_{name}": value for name, value in given.items()}}


class _Handler(BaseHTTPRequestHandler):
    server: Busy

    def do_GET(self) -> None:
        self.server.asked.append(self.command)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_first = len(self.server.asked) == 1
        body = b'{"images": []}' if not is_first else b'{"detail": "The database is away."}'
        self.send_response(503 if is_first else 200)
        self.send_header("Content-Length", str(len(body)))
        if is_first:
            self.send_header("Retry-After", self.server.after)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_args: object) -> None:
        """Nowhere."""


@pytest.fixture
def busy() -> Iterator[Busy]:
    with Busy() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(30)


def test_a_read_that_is_put_off_is_made_again(run: Run, busy: Busy) -> None:
    done = run("", "image", "list", "-f", "json", **busy.account)

    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    assert busy.asked == ["GET", "GET"]


def test_who_is_put_off_for_long_is_told_for_how_long(run: Run, busy: Busy) -> None:
    busy.after = "3600"

    done = run("", "image", "list", **busy.account)

    assert done.returncode == 1
    assert done.stderr == "Error: The database is away. Try again in 3600 s. (503)\n"
    assert busy.asked == ["GET"]


def test_a_write_that_is_put_off_is_not_made_twice(run: Run, busy: Busy) -> None:
    done = run("", "family", "create", "web", **busy.account)

    assert done.returncode == 1
    assert done.stderr == "Error: The database is away. Try again in 0 s. (503)\n"
    assert busy.asked == ["POST"]


def test_a_service_that_is_away_is_told_of_in_a_line(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/identity/v3"
        names = ("USERNAME", "PASSWORD", "PROJECT_NAME", "USER_DOMAIN_ID", "PROJECT_DOMAIN_ID")
        account = {f"OS_{name}": "x" for name in names}

        done = run("", "image", "list", OS_CLOUD="", OS_AUTH_URL=url, **account)

    assert done.returncode == 1
    assert done.stderr == f"Error: The service cannot be reached: {url}: Connection refused\n"


def test_a_wrong_password_is_told_of_in_a_line(run: Run, service: Service) -> None:
    account = {"OS_USERNAME": "publisher", "OS_PASSWORD": "wrong", "OS_PROJECT_NAME": "publisher"}
    domains = {"OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default"}
    url = f"{service.url}/identity/v3"

    done = run("", "image", "list", OS_CLOUD="", OS_AUTH_URL=url, **account, **domains)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: The account cannot log in: ")
    assert done.stderr.endswith("Check user, password, project and domains. (401)\n")


def test_a_region_without_an_image_service_is_named(run: Run, service: Service, tmp_path: Path) -> None:
    done = run(
        "publisher",
        "image",
        "list",
        OS_CLIENT_CONFIG_FILE=_changed(service, tmp_path, "RegionOne", "RegionTwo"),
    )

    assert done.returncode == 1
    refusal = "The catalog has no image service for region_name RegionTwo, interface public."
    assert done.stderr == f"Error: {refusal}\n"


def test_an_address_of_another_service_than_identity_is_told_of(
    run: Run, service: Service, tmp_path: Path
) -> None:
    url = service.url

    done = run(
        "publisher",
        "image",
        "list",
        OS_CLIENT_CONFIG_FILE=_changed(service, tmp_path, f"{url}/identity/v3", url),
    )

    assert done.returncode == 1
    assert done.stderr.endswith("Check auth_url: the address of an identity service ends in /v3.\n")
    assert "cannot be reached" not in done.stderr


def test_tls_where_the_service_has_none_is_told_of_in_few_words(
    run: Run, service: Service, tmp_path: Path
) -> None:
    url = service.url.replace("http:", "https:")

    done = run(
        "publisher", "image", "list", OS_CLIENT_CONFIG_FILE=_changed(service, tmp_path, service.url, url)
    )

    assert done.stderr == f"Error: The service cannot be reached: {url}/identity/v3: wrong version number\n"


def test_a_clouds_yaml_that_cannot_be_parsed_is_told_of_in_a_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text("clouds: [")

    done = run("publisher", "image", "list", OS_CLIENT_CONFIG_FILE="clouds.yaml")

    assert done.stderr.startswith("Error: clouds.yaml cannot be read: ")
    assert done.stderr.count("\n") == 1


def test_a_disk_that_is_full_keeps_what_arrived(run: Run, service: Service, tmp_path: Path) -> None:
    data, name = b"x" * 5000, f"large-{uuid.uuid4()}"
    make_image(service, name, data)
    # The longest that a file may be stands in for the disk.
    limited = f"ulimit -f 1; exec {sys.executable} -m transom image download {name} --file copy.raw"
    full = subprocess.run(
        ["bash", "-c", limited],
        cwd=tmp_path,
        env=environment(service, "publisher"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    there = (tmp_path / "copy.raw.part").stat().st_size
    again = run("publisher", "image", "download", name, "--file", "copy.raw")

    assert full.returncode == 1
    assert full.stderr.startswith("Error: copy.raw.part: ")
    assert full.stderr.endswith("Start it again to go on.\n")
    assert 0 < there < len(data)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "copy.raw").read_bytes() == data


def test_who_has_read_enough_is_told_nothing(service: Service, run: Run) -> None:
    make_image(service, "read-by-nobody")
    reader, writer = os.pipe()
    os.close(reader)

    ended = subprocess.run(
        program("image", "list", "-f", "value"),
        env=environment(service, "publisher"),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)

    assert ended.stderr == ""


def _changed(service: Service, folder: Path, old: str, new: str) -> str:
    """The name of a copy of clouds.yaml with `new` in the place of `old`."""
    text = (service.data_dir / "clouds.yaml").read_text()
    assert old in text
    (folder / "clouds.yaml").write_text(text.replace(old, new))
    return "clouds.yaml"
