"""`transom image`: lists, uploads, and downloads that go on where they broke off."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import uuid
from pathlib import Path

import pytest
from faults.calls import expect_eventually
from harness.service import Service

from .conftest import Run

#: Three times what is sent at once, and a bit.
DATA = os.urandom(3 << 20) + b"end"


def _file(folder: Path, data: bytes = DATA, ending: str = ".raw") -> Path:
    path = folder / f"disk{ending}"
    path.write_bytes(data)
    return path


def _upload(run: Run, folder: Path, *more: str) -> str:
    """The id of a new image of the publisher with DATA."""
    done = run("publisher", "image", "upload", str(_file(folder)), "-f", "value", "-c", "id", *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_upload_makes_an_image_with_all_that_was_said_of_it(
    service: Service, run: Run, tmp_path: Path
) -> None:
    path = _file(tmp_path, ending=".qcow2.raw")

    done = run(
        "publisher",
        *("image", "upload", str(path), "--name", "web-1", "--min-disk", "2", "--min-ram", "512"),
        *("--property", "os_distro=debian", "--tag", "blue", "-f", "json"),
    )

    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    image = service.client("publisher").get(f"/v2/images/{shown['id']}").json()
    assert shown == image
    assert (image["name"], image["disk_format"], image["min_disk"], image["min_ram"]) == (
        "web-1",
        "raw",
        2,
        512,
    )
    assert (image["os_distro"], image["tags"], image["status"]) == ("debian", ["blue"], "active")
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()


@pytest.mark.real_start
def test_an_upload_that_is_refused_leaves_no_image(service: Service, run: Run, tmp_path: Path) -> None:
    name = f"refused-{uuid.uuid4()}"
    path = _file(tmp_path, b"no qcow2 at all", ".qcow2")

    done = run("publisher", "image", "upload", str(path), "--name", name)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "(415)" in done.stderr
    assert service.client("publisher").get("/v2/images", params={"name": name}).json()["images"] == []


def test_a_file_whose_ending_tells_no_format_needs_one(run: Run, tmp_path: Path) -> None:
    done = run("publisher", "image", "upload", str(_file(tmp_path, ending=".bin")))

    assert done.returncode == 2
    assert "--disk-format" in done.stderr


def test_a_download_is_verified_and_gets_its_name_at_the_end(run: Run, tmp_path: Path) -> None:
    image_id = _upload(run, tmp_path)

    done = run("publisher", "image", "download", image_id, "--file", "copy.raw")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy.raw").read_bytes() == DATA
    assert not (tmp_path / "copy.raw.part").exists()


@pytest.mark.real_start
def test_a_download_goes_on_where_one_broke_off(service: Service, run: Run, tmp_path: Path) -> None:
    image_id = _upload(run, tmp_path)
    (tmp_path / "copy.raw.part").write_bytes(DATA[: 2 << 20])

    done = run("publisher", "image", "download", image_id, "--file", "copy.raw")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy.raw").read_bytes() == DATA
    # The line of a request is written when its answer is sent already.
    asked = f'"method":"GET","path":"/v2/images/{image_id}/file","status":206'
    expect_eventually(lambda: asked in service.log_path.read_text(), True)


def test_a_part_that_is_whole_already_only_needs_its_name(run: Run, tmp_path: Path) -> None:
    image_id = _upload(run, tmp_path)
    (tmp_path / "copy.raw.part").write_bytes(DATA)

    done = run("publisher", "image", "download", image_id, "--file", "copy.raw")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy.raw").read_bytes() == DATA


def test_a_part_of_something_else_is_found_out_and_thrown_away(run: Run, tmp_path: Path) -> None:
    image_id = _upload(run, tmp_path)
    (tmp_path / "copy.raw.part").write_bytes(b"of another image")

    done = run("publisher", "image", "download", image_id, "--file", "copy.raw")

    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert not (tmp_path / "copy.raw").exists()
    assert not (tmp_path / "copy.raw.part").exists()


def test_a_file_that_is_there_is_not_replaced_unasked(run: Run, tmp_path: Path) -> None:
    image_id = _upload(run, tmp_path)
    (tmp_path / "copy.raw").write_text("mine")

    refused = run("publisher", "image", "download", image_id, "--file", "copy.raw")
    forced = run("publisher", "image", "download", image_id, "--file", "copy.raw", "--force")

    assert (refused.returncode, forced.returncode) == (1, 0)
    assert (tmp_path / "copy.raw").read_bytes() == DATA


def test_standard_output_gets_no_data_that_is_not_verified_yet(run: Run, tmp_path: Path) -> None:
    image_id = _upload(run, tmp_path)

    refused = run("publisher", "image", "download", image_id, "--file", "-")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert not (tmp_path / "-").exists()


def test_an_image_without_data_is_told_of(service: Service, run: Run, tmp_path: Path) -> None:
    body = {"name": "empty", "disk_format": "raw", "container_format": "bare"}
    image_id = service.client("publisher").post("/v2/images", json=body).json()["id"]

    done = run("publisher", "image", "download", image_id)

    assert done.returncode == 1
    assert "no data" in done.stderr


def test_an_image_is_found_by_its_name(run: Run, tmp_path: Path) -> None:
    name = f"name, with: signs {uuid.uuid4()}"
    image_id = _upload(run, tmp_path, "--name", name)

    done = run("publisher", "image", "show", name, "-f", "value", "-c", "id")

    assert done.stdout.strip() == image_id, done.stderr


def test_a_name_of_several_images_is_answered_with_their_ids(run: Run, tmp_path: Path) -> None:
    name = f"twice-{uuid.uuid4()}"
    ids = {_upload(run, tmp_path, "--name", name), _upload(run, tmp_path, "--name", name)}

    done = run("publisher", "image", "show", name)

    assert done.returncode == 1
    assert all(image_id in done.stderr for image_id in ids)


def test_hidden_and_absent_look_alike(run: Run, tmp_path: Path) -> None:
    hidden, absent = _upload(run, tmp_path), str(uuid.uuid4())

    answers = [run("other", "image", "show", image_id) for image_id in (hidden, absent)]

    assert [done.returncode for done in answers] == [1, 1]
    assert answers[0].stderr.replace(hidden, absent) == answers[1].stderr


@pytest.mark.parametrize("form", ["table", "json", "csv", "value"])
def test_a_list_comes_in_every_form(run: Run, tmp_path: Path, form: str) -> None:
    name = f"listed-{uuid.uuid4()}"
    image_id = _upload(run, tmp_path, "--name", name, "--property", "os_distro=debian")

    done = run(
        "publisher",
        *("image", "list", "--name", name, "--property", "os_distro=debian", "-f", form),
        *("-c", "id", "-c", "name", "-c", "size"),
    )

    assert done.returncode == 0, done.stderr
    row = {"id": image_id, "name": name, "size": len(DATA)}
    if form == "json":
        assert json.loads(done.stdout) == [row]
    elif form == "csv":
        assert list(csv.DictReader(done.stdout.splitlines())) == [{**row, "size": str(len(DATA))}]
    elif form == "value":
        assert done.stdout == f"{image_id} {name} {len(DATA)}\n"
    else:
        assert done.stdout.splitlines()[-1].split() == [image_id, name, str(len(DATA))]
        assert "\x1b" not in done.stdout


def test_names_of_others_cannot_steer_the_terminal(service: Service, run: Run, tmp_path: Path) -> None:
    image_id = _upload(run, tmp_path, "--name", "\x1b[31mred")

    done = run("publisher", "image", "show", image_id, "-f", "value", "-c", "name")

    assert done.stdout == "\\x1b[31mred\n"


def test_offers_are_listed_by_their_answer(service: Service, run: Run, tmp_path: Path) -> None:
    name = f"offered-{uuid.uuid4()}"
    image_id = _upload(run, tmp_path, "--name", name)
    member = {"member": service.clouds["recipient"].project_id}
    service.client("publisher").post(f"/v2/images/{image_id}/members", json=member)

    lists = [
        run("recipient", "image", "list", "--name", name, *more, "-f", "value", "-c", "id").stdout
        for more in ([], ["--offered", "pending"])
    ]

    assert lists == ["", f"{image_id}\n"]


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (("image", "list"), {"OS_CLOUD": "nobody"}, "has no cloud 'nobody'"),
        (("image", "list"), {"OS_CLIENT_CONFIG_FILE": "none.yaml"}, "none.yaml: No such file"),
        (("image", "list"), {"OS_CLOUD": ""}, "No account is named"),
    ],
)
def test_an_account_that_is_not_configured_is_one_line(
    run: Run, words: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    done = run("publisher", *words, **environ)

    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_cloud_may_be_named_anywhere(run: Run) -> None:
    for words in (("--cloud", "publisher", "image", "list"), ("image", "list", "--cloud=publisher")):
        assert run("nobody", *words).returncode == 0


def test_a_verb_of_the_server_takes_no_cloud(run: Run) -> None:
    done = run("publisher", "migrate", "--cloud", "publisher")

    assert done.returncode == 2
    assert "server's own data" in done.stderr


@pytest.mark.parametrize("is_right", [True, False])
def test_variables_do_without_a_file(service: Service, run: Run, is_right: bool) -> None:
    cloud = service.clouds["publisher"]

    done = run(
        "",
        *("image", "list"),
        OS_CLIENT_CONFIG_FILE="",
        OS_AUTH_URL=cloud.auth_url,
        OS_USERNAME=cloud.username,
        OS_PASSWORD=cloud.password if is_right else "wrong",
        OS_PROJECT_NAME=cloud.project_name,
        OS_USER_DOMAIN_NAME="Default",
        OS_PROJECT_DOMAIN_NAME="Default",
    )

    assert done.returncode == (0 if is_right else 1), done.stderr
    assert is_right or done.stderr.startswith("Error: ")
