"""The cloud that the stories of real clients are told in: one service for each file of them."""

from collections.abc import Iterator

import pytest
from harness.service import Service


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """It keeps images in two stores, may read the data of others on this machine, and has quotas."""
    folder = tmp_path_factory.mktemp("cloud")
    fast, slow = ((folder / name).as_uri() for name in ("fast", "slow"))
    settings = {
        "TRANSOM_STORES": f"fast={fast}?weight=10&description=quick,slow={slow},web=http://",
        "TRANSOM_DEFAULT_STORE": "fast",
        "TRANSOM_ENABLED_IMPORT_METHODS": "glance-direct,web-download,copy-image,glance-download",
        "TRANSOM_ALLOWED_HOSTS": "127.0.0.1",
        "TRANSOM_ALLOWED_PORTS": "",
        "TRANSOM_IMAGE_COUNT_QUOTA": "100",
        "TRANSOM_USER_STORAGE_QUOTA": str(1 << 30),
    }
    with Service(folder, None, settings) as service:
        yield service
