"""`transom.example.toml` is what `transom settings` prints, and a settings file that changes nothing."""

import re
import subprocess
import sys
from pathlib import Path

from transom.config import Settings, read_settings

EXAMPLE = Path(__file__).parents[2] / "transom.example.toml"


def test_the_example_is_what_the_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "transom", "settings"], capture_output=True, text=True, timeout=60, check=True
    ).stdout

    assert EXAMPLE.read_text(encoding="utf-8") == printed, "run: transom settings > transom.example.toml"


def test_the_example_has_every_setting_with_its_default(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    file = tmp_path / "transom.toml"
    file.write_text(re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE), encoding="utf-8")

    assert read_settings({}, {}, str(file)) == Settings()
    assert re.findall(r"^#(\w+) = ", text, re.MULTILINE) == list(Settings.__dataclass_fields__)
