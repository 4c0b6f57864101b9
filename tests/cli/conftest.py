"""The verbs for users, as they run them: another process, with an account of clouds.yaml."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SharedServices
from harness.service import Service

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def service(shared_services: SharedServices) -> Service:
    """Over one database: what is tested here is on the other side of HTTP."""
    return shared_services.get("sqlite")


@pytest.fixture
def run(service: Service, tmp_path: Path) -> Run:
    """Runs `transom` as an account of the shared service, in the test's folder."""

    def run(account: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        unwanted = ("TRANSOM_", "OS_", "COLUMNS", "FORCE_COLOR")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        return subprocess.run(
            [sys.executable, "-m", "transom", *words],
            cwd=tmp_path,
            env={
                **inherited,
                "OS_CLIENT_CONFIG_FILE": str(service.data_dir / "clouds.yaml"),
                "OS_CLOUD": account,
                "NO_PROXY": "127.0.0.1",
                **environ,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
