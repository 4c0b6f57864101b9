"""`transom policy show`: the rules in force, as a file that can be kept and changed."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from transom.cli.policy import policy
from transom.config import Settings
from transom.domain.policy import DEFAULTS


def _show(policy_file: str = "") -> Result:
    return CliRunner().invoke(policy, ["show"], obj=Settings(policy_file=policy_file))


def test_every_rule_is_shown_with_what_it_says_and_who_asks() -> None:
    lines = _show().output.splitlines()

    for name, default in DEFAULTS.items():
        place = lines.index(f'#"{name}": "{default.says.text}"')
        assert lines[place - 1] == f"# {default.calls}"


def test_what_is_shown_is_a_policy_file_that_changes_nothing() -> None:
    assert yaml.safe_load(_show().output) is None


def test_the_rules_of_the_file_are_shown_beside_those_they_replace(tmp_path: Path) -> None:
    rules = {"add_image": "role:member or\n 'a':%(name)s", "delete_image": [["role:admin"], "!"], "own": "@"}
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(rules | {"add_member": "rule:own"}))

    shown = _show(str(file)).output

    assert yaml.safe_load(shown) == rules | {"add_member": "rule:own"}
    assert f'#"delete_image": "{DEFAULTS["delete_image"].says.text}"' in shown


@pytest.mark.parametrize("text", ["add_image: role:admin and", None])
def test_a_file_that_would_stop_the_start_is_not_shown(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "policy.yaml"
    if text is not None:
        file.write_text(text)

    result = _show(str(file))

    assert result.exit_code == 1
    assert str(file) in result.output
