"""otcextensions, unmodified, makes an image of an object in a real S3 service, exports it, and waits for it.

It needs other versions of much that the tests need, and runs in an environment of its own; the program is
`otc_objects.py`.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from harness.environments import install
from harness.objects import OPEN_TO_ALL, Bucket, object_settings
from harness.service import Service
from harness.swift import Swift
from test_copies import download

PROGRAM = Path(__file__).with_name("otc_objects.py")
DATA = bytes(range(256)) * 1024


@pytest.fixture
def service(shared_services: Any, swift: Swift, tmp_path: Path) -> Service:
    found: Service = shared_services.get("sqlite", **object_settings(swift.endpoint, tmp_path, OPEN_TO_ALL))
    return found


def test_an_image_is_made_of_an_object_and_exported(service: Service, swift: Swift, tmp_path: Path) -> None:
    bucket = Bucket(swift)
    source = bucket.put("in.raw", DATA)

    done = subprocess.run(
        [
            str(install("otc")),
            "-W",
            "ignore",
            str(PROGRAM),
            source,
            bucket.ref("none"),
            bucket.ref("out.raw"),
        ],
        env={
            "HOME": str(tmp_path),
            "NO_PROXY": "127.0.0.1",
            "OS_CLIENT_CONFIG_FILE": str(service.data_dir / "clouds.yaml"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["made"] == ["SUCCESS", "imsImportImageJob"]
    image_id, *image = said["image"]
    assert image == ["by otcextensions", "active", 40, f"file,{source}"]
    assert said["exported"] == ["SUCCESS", "imsNativeExportImageJob"]
    text, code = said["refused"]
    assert ("failed" in text, code) == (True, "IMG.0057")
    assert (download(service, "publisher", image_id), bucket.get("out.raw")) == (DATA, DATA)
