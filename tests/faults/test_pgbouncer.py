"""The service behind pgbouncer, in the modes that docs/operating.md names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from harness.forks import forked_service
from harness.pgbouncer import FOLLOWS_STATEMENTS, find_pgbouncer, start_pgbouncer, version_of
from harness.postgresql import PostgreSQL
from harness.service import Service

from .calls import add_member, create_active_image, set_member_status

#: Of the service, and of pgbouncer in transaction mode: fewer, so that its sessions change servers.
POOL = 8
SERVERS = 3


@pytest.fixture(scope="module", params=["session", "transaction"])
def service(
    request: pytest.FixtureRequest, postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    program = find_pgbouncer()
    if program is None:
        pytest.skip("pgbouncer is not installed")
    if request.param == "transaction" and version_of(program) < FOLLOWS_STATEMENTS:
        pytest.skip("transaction mode takes pgbouncer 1.21 or newer")
    folder = tmp_path_factory.mktemp("pgbouncer")
    servers = SERVERS if request.param == "transaction" else POOL + 2
    with (
        start_pgbouncer(folder, postgresql.create_database(), request.param, servers) as url,
        forked_service(
            tmp_path_factory.mktemp("pooled"), url, {"TRANSOM_DATABASE_POOL": str(POOL)}
        ) as running,
    ):
        yield running


def test_it_starts_and_is_ready(service: Service) -> None:
    assert service.client(None).get("/readyz").status_code == 200


def test_images_are_made_filled_shared_and_listed_by_many_at_once(service: Service) -> None:
    owner, recipient = service.client("publisher"), service.client("recipient")
    recipient_id = service.clouds["recipient"].project_id

    def share(number: int) -> str:
        image_id = create_active_image(owner, b"data %d" % number, visibility="shared")
        assert add_member(owner, image_id, recipient_id).status_code == 200
        assert set_member_status(recipient, image_id, recipient_id, "accepted").status_code == 200
        assert recipient.get(f"/v2/images/{image_id}/file").content == b"data %d" % number
        return image_id

    with ThreadPoolExecutor(POOL) as threads:
        shared = set(threads.map(share, range(4 * POOL)))

    assert shared <= _listed(recipient)


def test_a_migration_is_run_through_it(service: Service, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "transom", "--database", service.database, "migrate"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "up to date\n"), done.stderr


def _listed(client: httpx.Client) -> set[str]:
    answer = client.get("/v2/images?limit=1000")
    assert answer.status_code == 200, answer.text
    return {image["id"] for image in answer.json()["images"]}
