"""The operator's two files, policies and property protections → the `Policy` in force.

Read once, before anything is served: a file that cannot be understood whole stops the start, and the text
names the file and the place. `rules.py` has the policies, `protections.py` the property protections.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from transom.domain.model import Policy, Protection, Rule
from transom.domain.policy import DEFAULT_POLICY
from transom.policy.protections import Section, protect_by_policies, protect_by_roles, read_sections


class PolicyFileError(Exception):
    """One of the two files is absent or cannot be understood. The text names it and the place."""


def read_policy(policy_file: str, protection_file: str = "", protection_format: str = "roles") -> Policy:
    """The rules in force. A file's name is "" when there is none; `protection_format`: "roles" or "policies",
    what the protections name. Raises PolicyFileError."""
    with _naming(protection_file):
        sections = read_sections(Path(protection_file)) if protection_file else None
    by_policies = protection_format == "policies"
    asked = _names(sections) if sections is not None and by_policies else frozenset()
    with _naming(policy_file):
        rules = _read_rules(Path(policy_file), asked) if policy_file else DEFAULT_POLICY.rules
    if sections is None:
        return Policy(rules) if policy_file else DEFAULT_POLICY
    with _naming(protection_file):
        return Policy(rules, _protect(sections, rules, by_policies=by_policies))


def _read_rules(path: Path, asked: frozenset[str]) -> Mapping[str, Rule]:
    # Imported only here: oslo.policy costs a worker some 20 MiB.
    from transom.policy.rules import compile_rules

    return compile_rules(path, asked)


def _names(sections: list[Section]) -> frozenset[str]:
    return frozenset(name for section in sections for names in section.names.values() for name in names)


def _protect(
    sections: list[Section], rules: Mapping[str, Rule], *, by_policies: bool
) -> tuple[Protection, ...]:
    return protect_by_policies(sections, rules) if by_policies else protect_by_roles(sections)


@contextmanager
def _naming(file: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise PolicyFileError(f"{file}: {error}") from None
