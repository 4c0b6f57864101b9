"""What is installed is pinned by hash, and no lock file says from where: a machine knows that itself."""

import json
import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
LOCKS = sorted(REQUIREMENTS.glob("*.lock"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.name))
def test_each_package_for_python_has_hashes_and_no_address(lock: Path) -> None:
    text = re.sub(r"^ *#.*$", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    packages = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]

    assert packages
    assert [one.split()[0] for one in packages if "--hash=sha256:" not in one] == []
    assert "://" not in text


def test_each_package_for_node_has_a_hash_and_no_address() -> None:
    lock = json.loads((REQUIREMENTS / "node" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}

    assert packages
    assert [name for name, one in packages.items() if not one["integrity"].startswith("sha512-")] == []
    assert [name for name, one in packages.items() if "resolved" in one] == []
