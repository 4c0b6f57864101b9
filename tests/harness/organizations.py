"""The operator's file of organisations as a running service goes by it."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import yaml

from harness.service import Service

ACCOUNT = "acct"
WHOLE, ROOT, SALES, EMEA = "o-acme", "r-acme", "ou-sales", "ou-emea"
_PATIENCE_S = 20.0


def urn_of(own_id: str) -> str:
    kinds = {WHOLE: f"organization:{WHOLE}", ROOT: f"root:{WHOLE}/{ROOT}"}
    return f"organizations::{ACCOUNT}:{kinds.get(own_id, f'ou:{WHOLE}/{own_id}')}"


def tree(
    *,
    projects: list[str] | None = None,
    of_sales: list[str] | None = None,
    of_emea: list[str] | None = None,
    domains: list[str] | None = None,
) -> str:
    """A file with the organisation WHOLE, its unit SALES, and EMEA within that."""
    emea = {"id": EMEA, "name": "EMEA", "projects": of_emea or []}
    sales = {"id": SALES, "name": "Sales", "projects": of_sales or [], "units": [emea]}
    whole: dict[str, Any] = {"id": WHOLE, "name": "Acme", "account": ACCOUNT, "root": ROOT, "units": [sales]}
    return yaml.safe_dump({"organizations": [whole | {"projects": projects or [], "domains": domains or []}]})


def put_in_force(service: Service, file: Path, content: str) -> None:
    """Write the file and wait until the service, of one worker, has read it again, be it taken or refused."""
    before = _readings(service)
    file.write_text(content)
    os.kill(service.pid, signal.SIGHUP)
    deadline = time.monotonic() + _PATIENCE_S
    while _readings(service) == before:
        assert time.monotonic() < deadline, "the service did not read its files again"
        time.sleep(0.02)


def _readings(service: Service) -> int:
    log = service.log_path.read_text()
    return log.count("files were read again") + log.count("stay as they were")
