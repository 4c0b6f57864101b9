"""The systemd unit and compose.yaml fit the service: its settings, and the time that it needs to stop."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from installed.containerfile import read_stages, value_of
from installed.wheel import ROOT
from transom.config import Settings, secrets

UNIT = ROOT / "deploy" / "transom.service"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
#: What the environment can give.
VARIABLES = {
    f"TRANSOM_{name}".upper()
    for name in (*Settings.__dataclass_fields__, *(f"{name}_file" for name in secrets()))
}
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="it takes systemd-analyze")


def _unit(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


def test_systemd_waits_longer_than_requests_may_take_after_a_stop() -> None:
    assert int(_unit("TimeoutStopSec")[0]) > Settings().stop_timeout_s


def test_an_engine_waits_longer_than_requests_may_take_after_a_stop() -> None:
    grace = COMPOSE["services"]["transom"]["stop_grace_period"]

    assert int(grace.removesuffix("s")) > Settings().stop_timeout_s


def test_every_variable_is_a_setting() -> None:
    in_unit = {pair.partition("=")[0] for pair in _unit("Environment")}
    in_compose = set(COMPOSE["services"]["transom"]["environment"])
    in_container = {pair.partition("=")[0] for pair in value_of("ENV", read_stages()[1]).split()}

    assert (in_unit | in_compose | in_container) <= VARIABLES


def test_every_secret_of_compose_is_declared() -> None:
    used = {name for one in COMPOSE["services"].values() for name in one["secrets"]}

    assert used == set(COMPOSE["secrets"])


@needs_systemd
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """With a program and an account that this machine has: verify looks for both."""
    text = UNIT.read_text(encoding="utf-8")
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
    text = re.sub(r"^ExecReload=\S+", "ExecReload=/bin/true", text, flags=re.MULTILINE)
    text = re.sub(r"^(User|Group)=transom", r"\1=daemon", text, flags=re.MULTILINE)
    copy = tmp_path / "transom.service"
    copy.write_text(text, encoding="utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False
    )

    assert [line for line in done.stderr.splitlines() if "transom.service" in line] == []


@needs_systemd
def test_systemd_finds_the_unit_hardened() -> None:
    """Its scale ends at 10, and begins to complain at 4."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-300:] + done.stderr
