"""One data folder and the services that use it: where `clouds.yaml` and `transom accounts` lead."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from harness.service import Service


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path) as service:
        yield service


@pytest.fixture
def second(first: Service) -> Iterator[Service]:
    """A service on the same folder, at another port; it does not run yet."""
    service = Service(first.work_dir)
    try:
        yield service
    finally:
        service.close()


def _urls(service: Service) -> set[str]:
    clouds = yaml.safe_load((service.data_dir / "clouds.yaml").read_text())["clouds"]
    return {cloud["auth"]["auth_url"] for cloud in clouds.values()}


def _add_account(service: Service, name: str) -> str:
    """What `accounts add` prints; it is not told where the service listens."""
    command = [sys.executable, "-m", "transom", "--data-dir", str(service.data_dir), "accounts", "add", name]
    done = subprocess.run(
        command, cwd=service.work_dir, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_a_second_service_leaves_the_clients_of_the_first_alone(first: Service, second: Service) -> None:
    second.start()

    assert _urls(first) == {f"{first.url}/identity/v3"}
    assert second.client("publisher").get("/v2/images").status_code == 200
    assert f"{first.url} serves the same data folder" in second.read_log()


def test_the_next_service_takes_over_when_the_first_has_stopped(first: Service, second: Service) -> None:
    first.stop()
    second.start()

    assert _urls(second) == {f"{second.url}/identity/v3"}


def test_the_next_service_takes_over_when_the_first_was_killed(first: Service, second: Service) -> None:
    first.kill()
    second.start()

    assert _urls(second) == {f"{second.url}/identity/v3"}


def test_a_new_account_is_told_where_the_service_is(first: Service, second: Service) -> None:
    second.start()
    while_both_run = _add_account(first, "one")
    first.stop()
    after_the_first = _add_account(first, "two")

    assert f"OS_AUTH_URL={first.url}/identity/v3 " in while_both_run
    assert f"OS_AUTH_URL={first.url}/identity/v3 " in after_the_first
