"""`transom policy`: look at the rules in force, before a service rests on them."""

from collections.abc import Iterator
from pathlib import Path

import click

from transom.config import Settings
from transom.domain.policy import DEFAULTS
from transom.policy import PolicyFileError, read_policy


@click.group()
def policy() -> None:
    """Show the policy rules in force."""


@policy.command()
@click.pass_obj
def show(settings: Settings) -> None:
    """Print every rule, as a policy file that changes nothing: rules of the code are commented out, and those
    that policy_file sets are not. Fails if the service would not start with the files."""
    try:
        read_policy(
            settings.policy_file, settings.property_protection_file, settings.property_protection_rule_format
        )
    except PolicyFileError as error:
        raise click.ClickException(str(error)) from None
    for line in _lines(settings.policy_file):
        click.echo(line)


def _lines(policy_file: str) -> Iterator[str]:
    import yaml

    found = yaml.safe_load(Path(policy_file).read_text(encoding="utf-8")) or {} if policy_file else {}
    for name, default in DEFAULTS.items():
        yield f"# {default.calls}"
        yield f'#"{name}": "{default.says.text}"'
        if name in found:
            yield _line(name, found[name])
        yield ""
    for name in found:
        if name not in DEFAULTS:
            yield _line(name, found[name])


def _line(name: str, text: object) -> str:
    import yaml

    line: str = yaml.safe_dump({name: text}, default_flow_style=None, default_style='"', width=1 << 20)
    return line.rstrip("\n")
