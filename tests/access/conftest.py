"""A service whose accounts are in a real Keystone; the others are in `tests/conftest.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.forks import forked_service
from harness.keystone import Keystone
from harness.service import Service

# Name, project, role; Keystone has its admin.
ACCOUNTS = [
    ("publisher", "publisher", "member"),
    ("publisher-manager", "publisher", "manager"),
    ("publisher-reader", "publisher", "reader"),
    ("recipient", "recipient", "member"),
    ("recipient-manager", "recipient", "manager"),
    ("recipient-reader", "recipient", "reader"),
    ("other", "other", "member"),
    ("other-reader", "other", "reader"),
]


@pytest.fixture(scope="session")
def keystone_service(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    for account in ACCOUNTS:
        keystone.add_user(*account)
    with forked_service(tmp_path_factory.mktemp("access"), None, keystone.settings()) as service:
        service.use_clouds(keystone.clouds)
        yield service
