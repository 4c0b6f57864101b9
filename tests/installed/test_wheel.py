"""Who installs the wheel by `requirements/run.lock`, as README says and nothing else, has the whole service.

The service runs in an environment and a folder that know nothing of this repository; the clients are the
tests' own. Slow: it builds the wheel and installs some fifty packages.
"""

import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from harness.service import Service
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    BatchAddMembersRequest,
    BatchAddMembersRequestBody,
    ImsClient,
    ShowJobRequest,
)

from installed.wheel import ROOT, START, install_wheel, run

# The SDK calls the look at a job deprecated; it names no other that its scripts would use.
pytestmark = pytest.mark.filterwarnings("ignore:Method .* is deprecated:DeprecationWarning")

PATIENCE_S = 30
DATA = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("installed")


@pytest.fixture(scope="module")
def commands(folder: Path) -> Path:
    return install_wheel(folder)


@pytest.fixture(scope="module")
def service(folder: Path, commands: Path) -> Iterator[Service]:
    work = folder / "service"
    work.mkdir()
    command, verb = START.split()
    assert (folder / command, verb) == (commands / "transom", "serve")
    with Service(work, program=(str(folder / command),)) as started:
        yield started


def _openstack(service: Service, cloud: str, *words: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "openstack"), "--os-cloud", cloud, *words],
        cwd=service.work_dir,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("OS_")},
            "OS_CLIENT_CONFIG_FILE": str(service.data_dir / "clouds.yaml"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_image_is_uploaded_shared_accepted_and_downloaded_with_openstack(service: Service) -> None:
    disk = service.work_dir / "disk.raw"
    disk.write_bytes(DATA)
    form = ("--disk-format", "raw", "--container-format", "bare", "--file", str(disk), "--shared")
    names = ("-f", "value", "-c", "Name")

    created = json.loads(_openstack(service, "publisher", "image", "create", *form, "web-1", "-f", "json"))
    _openstack(service, "publisher", "image", "add", "project", "web-1", "recipient")
    offered = _openstack(service, "recipient", "image", "list", *names)
    _openstack(service, "recipient", "image", "set", "--accept", created["id"])
    accepted = _openstack(service, "recipient", "image", "list", *names)
    _openstack(service, "recipient", "image", "save", "--file", "copy.raw", "web-1")

    assert created["status"] == "active"
    assert (offered, accepted) == ("", "web-1")
    assert (service.work_dir / "copy.raw").read_bytes() == DATA


def test_images_are_shared_in_a_batch_with_huaweis_sdk(service: Service) -> None:
    client = service.client("publisher")
    form = {"disk_format": "raw", "container_format": "bare", "visibility": "shared"}
    images = [client.post("/v2/images", json=form).json()["id"] for _ in range(3)]
    for image_id in images:
        binary = {"Content-Type": "application/octet-stream"}
        client.put(f"/v2/images/{image_id}/file", content=DATA, headers=binary).raise_for_status()
    cloud = yaml.safe_load((service.data_dir / "clouds.yaml").read_text())["clouds"]["publisher"]
    keys = BasicCredentials(cloud["ak"], cloud["sk"], cloud["auth"]["project_id"])
    sdk = ImsClient.new_builder().with_credentials(keys).with_endpoint(service.url).build()
    recipient = service.clouds["recipient"].project_id

    body = BatchAddMembersRequestBody(images=images, projects=[recipient])
    job_id = sdk.batch_add_members(BatchAddMembersRequest(body)).job_id
    deadline = time.monotonic() + PATIENCE_S
    while (job := sdk.show_job(ShowJobRequest(job_id))).status in ("INIT", "RUNNING"):
        assert time.monotonic() < deadline, job
        # The job runs in another process: asking again is the only way to learn that it is over.
        time.sleep(0.05)

    assert job.status == "SUCCESS", job
    for image_id in images:
        members = client.get(f"/v2/images/{image_id}/members").json()["members"]
        assert [member["member_id"] for member in members] == [recipient]


def test_the_command_tells_the_version_of_the_wheel(folder: Path, commands: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    printed = run([str(commands / "transom"), "--version"], folder)

    assert printed.strip() == f"transom, version {project['version']}"


def test_the_wheel_says_what_it_is(folder: Path, commands: Path) -> None:
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())

    assert metadata["Name"] == "transom"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Author"] == "Transom contributors"
    assert metadata["Keywords"]
    assert "Environment :: OpenStack" in metadata.get_all("Classifier", [])
    assert metadata["Description-Content-Type"] == "text/markdown"
